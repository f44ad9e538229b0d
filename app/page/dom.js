// Making and changing elements; text is only written when it is another one.

/** An element with attributes and children; "on..." are listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const ICONS = {
  play: "M4 2.5v11l9-5.5z", pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z", restart: "M3 2.5h2v11H3zM13 2.5v11L5.5 8z",
  step: "M3 2.5v11L9.5 8zM11 2.5h2v11h-2z", bolt: "M9 1L3 9h4l-1 6 6-8H8z",
};

/** A small picture for a button. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, on) {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

/** Rows of a table's body that are used again instead of made anew. */
export class Rows {
  constructor(body, columns, onpick) {
    this.body = body;
    this.columns = columns;
    this.rows = [];
    this.onpick = onpick;
  }

  /** Show `items`: each {cells: [text], key, chosen, title}. */
  show(items) {
    while (this.rows.length < items.length) this.rows.push(this.fresh());
    this.rows.forEach((row, at) => {
      const item = items[at];
      row.hidden = !item;
      row.item = item ?? null;
      if (!item) return;
      item.cells.forEach((text, column) => say(row.cells[column], text));
      mark(row, "chosen", Boolean(item.chosen));
      mark(row, "bad", Boolean(item.bad));
    });
  }

  fresh() {
    const cells = this.columns.map((kind) => make("td", { class: kind }));
    const row = make("tr", { tabindex: "0" }, ...cells);
    const pick = () => row.item && this.onpick(row.item);
    row.addEventListener("click", pick);
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pick();
    });
    this.body.append(row);
    return row;
  }
}

/** A table with a head; numbers stand right. */
export function table(heads, kinds, label) {
  const head = make("tr", {}, ...heads.map((text, at) => make("th", { class: kinds[at], scope: "col" }, text)));
  const body = make("tbody");
  return [make("table", { "aria-label": label }, make("thead", {}, head), body), body];
}
