// Drawing on a canvas: sharp on every screen, in the page's colours, with axes that carry units.

let palette = null;

/** Colours of the theme of now, by name; read once until the theme changes. */
export function colours() {
  if (!palette) {
    const style = getComputedStyle(document.documentElement);
    const names = ["paper", "panel", "ink", "muted", "line", "grid", "orange", "sky", "green", "blue", "vermillion", "purple", "alarm"];
    palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    palette.font = style.getPropertyValue("--font").trim();
  }
  return palette;
}

export function forgetColours() {
  palette = null;
}

/** The same colour, see-through. */
export function faded(colour, alpha) {
  const channel = (at) => parseInt(colour.slice(at, at + 2), 16);
  return `rgba(${channel(1)},${channel(3)},${channel(5)},${alpha})`;
}

/** A canvas that fills its box. */
export class Surface {
  constructor(box, label) {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    box.append(this.canvas);
    this.width = this.height = 0;
    this.version = 0;
    new ResizeObserver(() => this.fit(box)).observe(box);
    this.fit(box);
  }

  fit(box) {
    const width = box.clientWidth;
    const height = box.clientHeight;
    if (width === this.width && height === this.height) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.width = width;
    this.height = height;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.version += 1;
  }

  clear() {
    this.pen.clearRect(0, 0, this.width, this.height);
    this.pen.font = `11px ${colours().font}`;
    this.pen.textBaseline = "middle";
  }

  text(text, x, y, { align = "left", colour = colours().muted, bold = false, size = 11 } = {}) {
    const { pen } = this;
    pen.font = `${bold ? "600 " : ""}${size}px ${colours().font}`;
    pen.textAlign = align;
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  }
}

/** Round steps between two values, at most about `count` of them. */
export function steps(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  const made = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) made.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return made;
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

/** Round times between two, in seconds. */
export function timeSteps(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const step = TIME_STEPS.find((value) => value >= rough) ?? 604800 * Math.ceil(rough / 604800);
  const made = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) made.push(value);
  return made;
}

/** A plot with a time axis below and a value axis on the right: where things are, and its frame. */
export class Plot {
  constructor(surface, { left = 8, right = 58, top = 20, bottom = 20 } = {}) {
    this.surface = surface;
    this.left = left;
    this.right = surface.width - right;
    this.top = top;
    this.bottom = surface.height - bottom;
    this.from = this.low = 0;
    this.to = this.high = 1;
  }

  range(from, to, low, high) {
    this.from = from;
    this.to = to > from ? to : from + 1;
    const pad = high > low ? 0.04 * (high - low) : Math.max(1e-9, Math.abs(high) * 0.001) || 1;
    this.low = low - pad;
    this.high = high + pad;
  }

  x(time) {
    return this.left + ((time - this.from) / (this.to - this.from)) * (this.right - this.left);
  }

  y(value) {
    return this.bottom - ((value - this.low) / (this.high - this.low)) * (this.bottom - this.top);
  }

  time(x) {
    return this.from + ((x - this.left) / (this.right - this.left)) * (this.to - this.from);
  }

  frame(value, time) {
    const { surface } = this;
    const { pen } = surface;
    const paint = colours();
    pen.lineWidth = 1;
    pen.strokeStyle = paint.grid;
    pen.beginPath();
    const rows = steps(this.low, this.high, Math.max(2, (this.bottom - this.top) / 30));
    for (const row of rows) {
      const y = Math.round(this.y(row)) + 0.5;
      pen.moveTo(this.left, y);
      pen.lineTo(this.right, y);
    }
    pen.stroke();
    for (const row of rows) surface.text(value(row), this.right + 6, this.y(row));
    for (const at of timeSteps(this.from, this.to, (this.right - this.left) / 76)) {
      const x = this.x(at);
      if (x > this.left + 14 && x < this.right - 8) surface.text(time(at), x, this.bottom + 11, { align: "center" });
    }
  }

  /** A path of many points: where several fall on one pixel its lowest and highest are drawn. */
  line(times, values, n, { colour, width = 1.5, dash = [], scale = 1, step = false, first = 0 }) {
    const { pen } = this.surface;
    pen.save();
    pen.beginPath();
    pen.rect(this.left, this.top - 2, this.right - this.left, this.bottom - this.top + 4);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    pen.beginPath();
    let started = false;
    let column = null;
    let low = 0;
    let high = 0;
    let last = 0;
    const flush = () => {
      if (column === null) return;
      if (started) pen.lineTo(column, low);
      else pen.moveTo(column, low);
      started = true;
      if (high !== low) pen.lineTo(column, high);
      if (last !== high) pen.lineTo(column, last);
    };
    for (let row = first; row < n; row++) {
      const value = values[row];
      if (!(value > 0) && !(value < 0) && value !== 0) continue;
      const x = Math.round(this.x(times[row] * scale));
      const y = this.y(value);
      if (x === column) {
        low = Math.max(low, y);
        high = Math.min(high, y);
        last = y;
      } else {
        flush();
        if (step && started) pen.lineTo(x, last);
        column = x;
        low = high = last = y;
      }
    }
    flush();
    pen.stroke();
    pen.restore();
  }
}

/** Lowest and highest of some columns between two times; [0, 1] when there is nothing. */
export function extent(times, columns, n, from, to, scale = 1) {
  let low = Infinity;
  let high = -Infinity;
  for (const values of columns) {
    for (let row = 0; row < n; row++) {
      const time = times[row] * scale;
      const value = values[row];
      if (time < from || time > to || !Number.isFinite(value) || value === 0) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

/** The line above a plot: colour and name of each thing drawn, by their short names where there is less room, and on the
 * right what is measured, where room is left for it. */
export function legend(surface, entries, { note = "", x = 8, y = 10 } = {}) {
  const { pen } = surface;
  pen.font = `11px ${colours().font}`;
  const wide = (names) => names.reduce((sum, name) => sum + 34 + pen.measureText(name).width, x);
  const [long, brief] = [entries.map(({ name }) => name), entries.map((entry) => entry.brief ?? entry.name)];
  const right = note ? pen.measureText(note).width + 12 : 0;
  const names = wide(long) + right <= surface.width ? long : brief;
  const noted = wide(names) + right <= surface.width;
  entries.forEach(({ colour, dash = [], shape = "line" }, at) => {
    const name = names[at];
    const end = x + 34 + pen.measureText(name).width;
    if (end - 8 > surface.width) return;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 2;
    if (shape === "line") {
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + 16, y);
      pen.stroke();
      pen.setLineDash([]);
    } else if (shape === "area") {
      pen.fillRect(x + 2, y - 4, 12, 8);
    } else {
      pen.beginPath();
      pen.arc(x + 8, y, 4, 0, 7);
      pen.fill();
    }
    surface.text(name, x + 21, y, { colour: colours().ink });
    x = end;
  });
  if (noted) surface.text(note, surface.width - 8, y, { align: "right" });
}
