/**
 * A row of tabs. What a tab shows is another widget; the kernel puts it there.
 *
 * @typedef {{names: string[], selected: string, words: Record<string, string>}} State
 */

function render({ model, el }) {
  const list = fkMake("div", "fk fk-tabs", { role: "tablist", "data-testid": "fk-tabs" });
  el.append(list);
  const choose = (name) => {
    fkSave(model, "selected", name);
    list.querySelector(`[data-tab="${name}"]`)?.focus({ preventScroll: true });
  };
  const draw = () => {
    const words = model.get("words");
    list.setAttribute("aria-label", words.tabs);
    list.replaceChildren(
      ...model.get("names").map((name) => {
        const tab = fkMake("button", "", { type: "button", role: "tab", "data-tab": name });
        tab.textContent = words[`tab_${name}`];
        tab.addEventListener("click", () => choose(name));
        return tab;
      }),
    );
    drawSelected();
  };
  const drawSelected = () => {
    for (const tab of list.children) {
      const chosen = tab.dataset.tab === model.get("selected");
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
  };
  const unfollow = fkFollow(model, { words: draw, names: draw, selected: drawSelected });
  const unkey = fkKeys(list, (event) => {
    const names = model.get("names");
    const at = names.indexOf(model.get("selected"));
    const to = {
      ArrowLeft: names.at(at - 1),
      ArrowRight: names[(at + 1) % names.length],
      Home: names[0],
      End: names.at(-1),
    }[event.key];
    if (to) choose(to);
    return Boolean(to);
  });
  return () => {
    unfollow();
    unkey();
    list.remove();
  };
}

export default { render };
