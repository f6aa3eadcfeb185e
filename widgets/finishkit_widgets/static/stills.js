/**
 * A row of still pictures on neutral grey, each with its caption.
 *
 * @typedef {{data: DataView, alt: string, caption: string}} Still
 * @typedef {{pictures: Still[], note: string}} State
 */

function render({ model, el }) {
  const root = fkMake("div", "fk fk-stills", { "data-testid": "fk-stills" });
  el.append(root);
  let urls = [];

  const draw = () => {
    const old = urls;
    urls = [];
    const shown = model.get("pictures").map(({ data, alt, caption }) => {
      const url = fkUrl("image/jpeg");
      urls.push(url);
      const image = fkMake("img", "", { src: url.of(data), alt });
      return fkMake("figure", "", {}, image, fkMake("figcaption", "", {}, caption));
    });
    const note = model.get("note");
    root.replaceChildren(...shown, ...(note ? [fkMake("p", "", {}, note)] : []));
    for (const url of old) url.release();
  };

  const unfollow = fkFollow(model, { pictures: draw });
  model.on("change:note", draw);
  return () => {
    unfollow();
    model.off("change:note", draw);
    for (const url of urls) url.release();
  };
}

export default { render };
