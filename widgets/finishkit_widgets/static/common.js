/**
 * What all front ends share; put before each module by front.py, since modules from a blob cannot
 * import one another.
 */

/**
 * Make an element.
 * @param {string} tag @param {string} className @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
function fkMake(tag, className = "", attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Fill the holes of a text: fkFill("frame {n}", {n: 3}). @param {string} text */
const fkFill = (text, values = {}) =>
  (text ?? "").replace(/\{(\w+)\}/g, (hole, name) => (name in values ? String(values[name]) : hole));

/**
 * Keep unmodified keys inside: in command mode JupyterLab takes "d d" as "delete this cell".
 * Keys with Ctrl, Cmd or Alt pass (Ctrl+S still saves), and so do Tab and Escape.
 * @param {HTMLElement} root
 * @param {(event: KeyboardEvent) => boolean} act returns whether it used the key
 * @returns {() => void} takes the listener away
 */
function fkKeys(root, act) {
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation();
    // Text is written with the same keys.
    if (/^(input|textarea|select)$/i.test(event.target.tagName)) return;
    if (act(event)) event.preventDefault();
  };
  root.addEventListener("keydown", onKey);
  return () => root.removeEventListener("keydown", onKey);
}

/**
 * Run an update once now, and at every change of its trait.
 * @param {Record<string, () => void>} draw by trait
 * @returns {() => void} takes the listeners away
 */
function fkFollow(model, draw) {
  for (const [name, update] of Object.entries(draw)) {
    model.on(`change:${name}`, update);
    update();
  }
  return () => {
    for (const [name, update] of Object.entries(draw)) model.off(`change:${name}`, update);
  };
}

/** Set one trait and tell the kernel. */
function fkSave(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

/** A URL for bytes of the kernel, and the old one given back. @param {string} type MIME */
function fkUrl(type) {
  let url = "";
  return {
    of(bytes) {
      if (url) URL.revokeObjectURL(url);
      url = bytes && bytes.byteLength ? URL.createObjectURL(new Blob([bytes], { type })) : "";
      return url;
    },
    release() {
      if (url) URL.revokeObjectURL(url);
      url = "";
    },
  };
}

const fkStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Ask the kernel to do something: a method of the session. @param {string} name */
const fkAct = (model, name, given = {}) => model.send({ do: name, ...given });

/**
 * A place where the kernel's errors are said: the sentence, and the rest behind "details".
 * Follow "trouble" and "trouble_details" with its draw().
 */
function fkTrouble(model) {
  const place = fkMake("div", "fk-trouble", { role: "alert", "data-testid": "fk-trouble" });
  return {
    place,
    draw() {
      place.replaceChildren(model.get("trouble") ?? "");
      if (!model.get("trouble_details")) return;
      const story = fkMake("pre", "", {}, model.get("trouble_details"));
      place.append(
        fkMake("details", "", {}, fkMake("summary", "", {}, model.get("words").details), story),
      );
    },
  };
}

