/**
 * How a batch stands: figures, a bar a stage, what was set aside, three buttons, the report.
 *
 * @typedef {{name: string, value: string, note: string}} Figure
 * @typedef {{name: string, label: string, done: number, total: number, is: string}} Stage
 * @typedef {{phase: string, mark: string, phase_text: string, template: string, episode: string,
 *   figures: Figure[], stages: Stage[], error: string, set_aside: {shot: string, text: string}[],
 *   start_label: string, can_start: boolean, why_not: string, can_pause: boolean,
 *   has_report: boolean}} State
 */

/** So often the kernel is told that somebody looks. */
const MONITOR_LOOK_MS = 3000;

/** @param {Stage} stage */
function monitorStage(stage) {
  const share = stage.total ? stage.done / stage.total : Number(stage.is === "over");
  const count = stage.total ? `${stage.done}/${stage.total}` : "–";
  const fill = fkMake("span", "fk-monitor-fill");
  fill.style.width = `${100 * Math.min(1, share)}%`;
  const bar = fkMake("span", "fk-monitor-bar", { role: "progressbar", "aria-label": stage.label,
    "aria-valuemin": "0", "aria-valuemax": String(stage.total || 1), "aria-valuenow": String(stage.total ? stage.done : share),
    "aria-valuetext": count }, fill);
  const mark = { over: "✓", now: "▶", ahead: "·" }[stage.is];
  const row = fkMake("li", "fk-monitor-stage", { "data-is": stage.is, "data-stage": stage.name },
    fkMake("span", "fk-monitor-mark", { "aria-hidden": "true" }, mark),
    fkMake("span", "fk-monitor-name", {}, stage.label), bar,
    fkMake("span", "fk-monitor-count", { "aria-hidden": "true" }, count));
  if (stage.is === "now") row.setAttribute("aria-current", "step");
  return row;
}

function render({ model, el }) {
  const root = fkMake("section", "fk fk-monitor", { "data-testid": "fk-monitor" });
  const title = fkMake("b", "fk-monitor-title");
  const phase = fkMake("span", "fk-monitor-phase", { role: "status", "data-testid": "fk-monitor-phase" });
  const template = fkMake("span", "fk-quiet");
  const figures = fkMake("dl", "fk-monitor-figures");
  const stages = fkMake("ol", "fk-monitor-stages");
  const [start, pause, open] = ["start", "pause", "report"].map((name) =>
    fkMake("button", `fk-monitor-${name}`, { type: "button", "data-testid": `fk-monitor-${name}` }));
  const why = fkMake("span", "fk-monitor-why", { id: `fk-why-${Math.random().toString(36).slice(2)}` });
  start.setAttribute("aria-describedby", why.id);
  const error = fkMake("div", "fk-monitor-error", { "data-testid": "fk-monitor-error" });
  const aside = fkMake("details", "fk-monitor-aside", { "data-testid": "fk-monitor-aside" });
  const report = fkMake("div", "fk-monitor-shown", { "data-testid": "fk-monitor-shown" });
  const hint = fkMake("p", "fk-quiet fk-monitor-hint");
  const trouble = fkTrouble(model);
  const url = fkUrl("text/html");
  let [asideDrawn, opened] = ["", false];
  root.append(fkMake("header", "fk-monitor-head", {}, title, phase, template),
    fkMake("div", "fk-monitor-buttons", {}, start, pause, open, why), trouble.place, error, figures,
    stages, aside, hint, report);
  el.append(root);

  function drawAside(words, shots) {
    const key = JSON.stringify([words.shots_aside, shots]);
    // Drawn anew it would close under the reader's eyes.
    if (key === asideDrawn) return;
    asideDrawn = key;
    aside.hidden = !shots.length;
    aside.replaceChildren(fkMake("summary", "", {}, fkFill(words.shots_aside, { n: shots.length })),
      fkMake("ul", "", {}, ...shots.map((shot) =>
        fkMake("li", "", {}, fkMake("b", "", {}, shot.shot), ` ${shot.text}`))));
  }

  function draw() {
    /** @type {State} */
    const state = model.get("state");
    const words = model.get("words");
    title.textContent = `${words.title} · ${state.episode}`;
    const said = `${state.mark} ${state.phase_text}`;
    // Written only when it is new, or a screen reader says it every second.
    if (phase.textContent !== said) phase.textContent = said;
    root.dataset.phase = state.phase;
    template.textContent = state.template;
    figures.replaceChildren(...state.figures.map((figure) => fkMake("div", "", {},
      fkMake("dt", "", {}, figure.name), fkMake("dd", "", {}, fkMake("b", "", {}, figure.value),
        figure.note ? fkMake("span", "fk-quiet", {}, figure.note) : ""))));
    stages.setAttribute("aria-label", words.stages);
    stages.hidden = !state.stages.length;
    stages.replaceChildren(...state.stages.map(monitorStage));
    start.textContent = `▶ ${state.start_label}`;
    start.disabled = !state.can_start;
    pause.textContent = `❚❚ ${words.pause}`;
    pause.disabled = !state.can_pause;
    open.textContent = opened ? words.close_report : words.report;
    open.setAttribute("aria-expanded", String(opened));
    open.disabled = !state.has_report && !opened;
    why.textContent = state.why_not;
    error.replaceChildren(...(state.error ? [fkMake("b", "", {}, words.last_error), ` ${state.error}`] : []));
    hint.textContent = words.survives;
    drawAside(words, state.set_aside);
  }

  function closeReport() {
    opened = false;
    report.replaceChildren();
    url.release();
    draw();
  }

  function onReport(content, buffers) {
    if (content?.say !== "report") return;
    opened = true;
    const parts = [fkMake("p", "fk-quiet", {}, content.text)];
    if (buffers?.length) {
      const name = fkFill(model.get("words").report_title, { episode: model.get("state").episode });
      // In a sandbox: the page may fold and sort, and reaches nothing of the notebook's.
      const frame = fkMake("iframe", "fk-monitor-frame", { sandbox: "allow-scripts", title: name });
      frame.src = url.of(buffers[0]);
      parts.push(frame);
    }
    report.replaceChildren(...parts);
    draw();
  }

  const onStart = () => { start.disabled = true; fkAct(model, "start"); };
  const onPause = () => { pause.disabled = true; fkAct(model, "pause"); };
  const onOpen = () => (opened ? closeReport() : fkAct(model, "open_report"));
  const look = () => { if (!document.hidden) fkAct(model, "look"); };
  start.addEventListener("click", onStart);
  pause.addEventListener("click", onPause);
  open.addEventListener("click", onOpen);
  const stopKeys = fkKeys(root, () => false);
  const drawTrouble = () => { trouble.draw(); draw(); };
  const stop = fkFollow(model, { state: draw, words: draw, trouble: drawTrouble,
    trouble_details: trouble.draw });
  model.on("msg:custom", onReport);
  look();
  const timer = setInterval(look, MONITOR_LOOK_MS);

  return () => {
    clearInterval(timer);
    stop();
    model.off("msg:custom", onReport);
    stopKeys();
    url.release();
    root.remove();
  };
}

export default { render };
