/**
 * Shows nothing. For a panel of ipywidgets: tells the kernel whether the page is dark, keeps
 * unmodified keys inside (JupyterLab takes "d d" on a focused slider as "delete this cell"), and
 * gives every control the name that stands beside it, which ipywidgets leaves to the eye.
 *
 * @typedef {{dark: boolean, panel: string}} State
 */

const CONTROLS = ".noUi-handle, input, select, .widget-readout, textarea";

/** @param {HTMLElement} panel */
function nameControls(panel) {
  for (const row of panel.querySelectorAll(".fk-row")) {
    const name = row.querySelector(".fk-row-name")?.textContent;
    if (!name) continue;
    for (const control of row.querySelectorAll(CONTROLS))
      if (control.getAttribute("aria-label") !== name) control.setAttribute("aria-label", name);
    const reset = row.querySelector("button.fk-reset");
    const said = `${name}: ${reset?.title ?? ""}`;
    if (reset && reset.getAttribute("aria-label") !== said) reset.setAttribute("aria-label", said);
  }
  // A readout can be typed into: say so, or a screen reader reads a label without a role.
  for (const readout of panel.querySelectorAll(".widget-readout[contenteditable]"))
    if (!readout.hasAttribute("role")) readout.setAttribute("role", "textbox");
}

function render({ model, el }) {
  el.style.display = "none";
  const report = () => {
    const dark = document.body.dataset.jpThemeLight === "false";
    if (dark === model.get("dark")) return;
    model.set("dark", dark);
    model.save_changes();
  };
  const watcher = new MutationObserver(report);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  report();

  let release = () => {};
  let namer = null;
  let waiting = 0;
  // A view is rendered before it is put into the page: wait until the panel is around it.
  const attach = () => {
    const panel = el.closest(`.${model.get("panel")}`);
    if (!panel) {
      waiting = requestAnimationFrame(attach);
      return;
    }
    release = fkKeys(panel, () => false);
    namer = new MutationObserver(() => nameControls(panel));
    namer.observe(panel, { childList: true, subtree: true });
    nameControls(panel);
  };
  attach();

  return () => {
    watcher.disconnect();
    namer?.disconnect();
    cancelAnimationFrame(waiting);
    release();
  };
}

export default { render };
