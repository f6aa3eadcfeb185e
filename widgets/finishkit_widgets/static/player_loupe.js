/**
 * The loupe: one pixel of the picture on one pixel of the screen, from full-size stills that the
 * kernel sends for the frame on show. Where it has none it says so, and shows nothing.
 */

const FK_LOUPE_PX = 168;

/**
 * @param {{words: () => any, ask: (x: number, y: number) => void,
 *          state: () => {on: boolean, playing: boolean, shot: string, frame: number}}} given
 */
function fkLoupe(stage, given) {
  const squares = ["before", "after"].map((side) =>
    fkMake("canvas", "", { "data-testid": `fk-loupe-${side}`, role: "img" }),
  );
  const label = fkMake("div", "fk-player-loupe-label", { "data-testid": "fk-loupe-label" });
  const heads = squares.map(() => fkMake("span", "", { "aria-hidden": "true" }));
  const panel = fkMake("div", "fk-player-loupe", { "data-testid": "fk-loupe" }, ...heads, ...squares, label);
  const mark = fkMake("div", "fk-player-mark", {
    tabindex: "0", role: "group", "data-testid": "fk-loupe-mark",
  });
  stage.place.append(panel);
  stage.frame.append(mark);
  const stills = fkStills(() => draw());
  let at = { x: 0.5, y: 0.4 };
  let asked = "";
  let timer = 0;

  const dense = () => Math.max(1, Math.round(window.devicePixelRatio || 1));
  /** What must be there: top left corner and side, in pixels of the full-size picture. */
  function wanted([width, height]) {
    const side = FK_LOUPE_PX * dense();
    const along = (share, length) =>
      Math.max(0, Math.min(length - side, Math.round(share * length - side / 2)));
    return { x: along(at.x, width), y: along(at.y, height), side };
  }
  function fits(about) {
    const { shot, frame } = given.state();
    if (!about?.size || about.shot !== shot || about.frame !== frame) return false;
    const [left, top, width, height] = about.box;
    const need = wanted(about.size);
    const right = Math.min(need.x + need.side, about.size[0]);
    const bottom = Math.min(need.y + need.side, about.size[1]);
    return need.x >= left && need.y >= top && right <= left + width && bottom <= top + height;
  }
  function place() {
    const box = stage.frame.getBoundingClientRect();
    const whole = stage.place.getBoundingClientRect();
    const across = at.x * stage.share();
    mark.style.left = `${100 * across}%`;
    mark.style.top = `${100 * at.y}%`;
    mark.setAttribute("aria-label",
      fkFill(given.words().loupe_at, { x: Math.round(100 * at.x), y: Math.round(100 * at.y) }));
    const x = box.left - whole.left + across * box.width;
    const y = box.top - whole.top + at.y * box.height;
    const [w, h] = [panel.offsetWidth, panel.offsetHeight];
    // Beside the point, on the side that has more room, so that it does not hide what is looked at.
    const right = x < whole.width / 2;
    const away = mark.offsetWidth / 2 + 10;
    const left = Math.max(4, Math.min(whole.width - w - 4, right ? x + away : x - away - w));
    panel.style.left = `${left}px`;
    panel.style.top = `${Math.max(4, Math.min(whole.height - h - 4, y - h / 2))}px`;
  }
  /** The mark is as large as what the loupe shows. */
  function frameMark([width, height]) {
    const { side } = wanted([width, height]);
    const box = stage.canvas.getBoundingClientRect();
    mark.style.width = `${Math.max(24, (side / width) * box.width * stage.share())}px`;
    mark.style.height = `${Math.max(24, (side / height) * box.height)}px`;
  }
  function clear(text) {
    label.textContent = text;
    for (const square of squares) {
      Object.assign(square, { width: FK_LOUPE_PX, height: FK_LOUPE_PX });
      square.getContext("2d").clearRect(0, 0, FK_LOUPE_PX, FK_LOUPE_PX);
    }
    panel.dataset.shown = "";
  }
  function request() {
    const { shot, frame } = given.state();
    const question = `${shot} ${frame} ${at.x} ${at.y}`;
    if (question === asked) return;
    asked = question;
    clearTimeout(timer);
    timer = setTimeout(() => given.ask(at.x, at.y), 80);
  }
  function draw() {
    const { on, playing } = given.state();
    panel.hidden = mark.hidden = !on;
    if (!on) return;
    const words = given.words();
    squares.forEach((square, i) => {
      heads[i].textContent = i ? words.after : words.before;
      square.setAttribute("aria-label", `${words.loupe}, ${heads[i].textContent}`);
    });
    place();
    if (playing) return clear(words.loupe_pause);
    if (!fits(stills.about)) {
      clear(words.loupe_wait);
      return request();
    }
    asked = "";
    const about = stills.about;
    const { x, y, side } = wanted(about.size);
    squares.forEach((square, i) => {
      Object.assign(square, { width: side, height: side });
      const g = square.getContext("2d");
      g.imageSmoothingEnabled = false;
      g.clearRect(0, 0, side, side);
      g.drawImage(stills.pair[i], x - about.box[0], y - about.box[1], side, side, 0, 0, side, side);
    });
    frameMark(about.size);
    label.textContent = words[`loupe_${about.kind}`];
    panel.dataset.shown = `${about.shot} ${about.frame}`;
    place();
  }
  function move(x, y) {
    at = { x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y)) };
    draw();
  }
  const onMove = (event) => {
    if (!given.state().on || event.buttons > 1 || stage.frame.hasPointerCapture(event.pointerId)) return;
    const box = stage.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    // Side by side, both halves are the same place.
    const half = x / stage.share();
    move(half > 1 ? (x - 1) / stage.share() + 1 : half, (event.clientY - box.top) / box.height);
  };
  stage.frame.addEventListener("pointermove", onMove);
  stage.frame.addEventListener("pointerdown", onMove);

  return {
    mark,
    draw,
    load: (before, after, about) => stills.load(before, after, about, "image/png"),
    /** Arrow keys while the mark has the focus. */
    nudge(key, far) {
      const by = far ? 0.1 : 0.01;
      const [x, y] = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[key];
      move(at.x + x, at.y + y);
    },
    release() {
      clearTimeout(timer);
      stage.frame.removeEventListener("pointermove", onMove);
      stage.frame.removeEventListener("pointerdown", onMove);
      stills.release();
    },
  };
}
