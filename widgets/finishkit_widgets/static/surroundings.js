/**
 * Shows nothing. Tells the kernel whether the page is dark, and keeps unmodified keys inside the
 * panel it stands in: JupyterLab takes "d d" on a focused slider as "delete this cell".
 *
 * @typedef {{dark: boolean, panel: string}} State
 */

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

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation();
  };
  let panel = null;
  let waiting = 0;
  // A view is rendered before it is put into the page: wait until the panel is around it.
  const attach = () => {
    panel = el.closest(`.${model.get("panel")}`);
    if (panel) panel.addEventListener("keydown", onKey);
    else waiting = requestAnimationFrame(attach);
  };
  attach();

  return () => {
    watcher.disconnect();
    cancelAnimationFrame(waiting);
    panel?.removeEventListener("keydown", onKey);
  };
}

export default { render };
