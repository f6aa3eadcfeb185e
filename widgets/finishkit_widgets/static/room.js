/**
 * Shows nothing. For a panel with a plot and a table: tells the kernel how wide the panel is, names
 * the plot for a screen reader, lets the rows of the table be chosen by keys, and scrolls the
 * chosen one into sight.
 *
 * @typedef {{width_px: number, label: string}} State
 */

const LEAST_CHANGE_PX = 8; // A scroll bar that comes and goes must not start a chase.
const PLOT = ".jupyter-matplotlib-canvas-div";

/** One row takes the focus, the others are reached by arrow keys: Tab goes past a long table. */
function rove(panel) {
  for (const body of panel.querySelectorAll("tbody")) {
    const rows = [...body.rows];
    const here = rows.find((row) => row === document.activeElement)
      ?? rows.find((row) => row.matches(".selected")) ?? rows[0];
    for (const row of rows) row.tabIndex = row === here ? 0 : -1;
  }
}

/** DataTables listens for these keys at the document, which they must not reach. */
function onRowKey(event) {
  const row = event.target;
  if (!row.matches?.("tbody tr") || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = { ArrowUp: row.previousElementSibling, ArrowDown: row.nextElementSibling }[event.key];
  if (to) {
    row.tabIndex = -1;
    to.tabIndex = 0;
    to.focus({ preventScroll: true });
    reveal(to);
  } else if (event.key === "Enter" || event.key === " ") row.cells[0]?.click();
  else return;
  event.preventDefault();
}

/** Scroll only the box the table lies in: the page stays where the person put it. */
function reveal(row) {
  const box = row.closest(".dt-layout-table");
  if (!box) return;
  const seen = box.getBoundingClientRect();
  const own = row.getBoundingClientRect();
  const head = box.querySelector("thead")?.getBoundingClientRect().height ?? 0;
  if (own.top < seen.top + head) box.scrollTop -= seen.top + head - own.top;
  else if (own.bottom > seen.bottom) box.scrollTop += own.bottom - seen.bottom;
}

function render({ model, el }) {
  el.style.display = "none";
  let panel = null;
  let waiting = 0;

  const measure = () => {
    const width = Math.round(panel.clientWidth);
    // 0: in a tab that is not shown.
    if (!width || Math.abs(width - model.get("width_px")) < LEAST_CHANGE_PX) return;
    model.set("width_px", width);
    model.save_changes();
  };
  const name = () => {
    for (const plot of panel?.querySelectorAll(PLOT) ?? []) {
      if (plot.getAttribute("aria-label") === model.get("label")) continue;
      plot.setAttribute("role", "application");
      plot.setAttribute("aria-label", model.get("label"));
    }
  };
  const sizes = new ResizeObserver(measure);
  // DataTables marks the chosen row for the eye alone.
  const mark = () => {
    for (const row of panel.querySelectorAll("tr[aria-current]:not(.selected)"))
      row.removeAttribute("aria-current");
    for (const row of panel.querySelectorAll("tr.selected:not([aria-current])")) {
      row.setAttribute("aria-current", "true");
      reveal(row);
    }
    rove(panel);
  };
  const changes = new MutationObserver(() => {
    name();
    mark();
  });
  // A view is rendered before it is put into the page: wait until the panel is around it.
  const attach = () => {
    panel = el.closest(".fk-panel");
    if (!panel) {
      waiting = requestAnimationFrame(attach);
      return;
    }
    sizes.observe(panel);
    panel.addEventListener("keydown", onRowKey);
    changes.observe(panel, {
      childList: true, subtree: true, attributes: true, attributeFilter: ["class"],
    });
    name();
    mark();
  };
  attach();
  model.on("change:label", name);

  return () => {
    cancelAnimationFrame(waiting);
    panel?.removeEventListener("keydown", onRowKey);
    sizes.disconnect();
    changes.disconnect();
    model.off("change:label", name);
  };
}

export default { render };
