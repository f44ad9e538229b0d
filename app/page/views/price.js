// Price of the chosen book against index and reference, with forced fills where and when they happened.

import { Plot, Surface, colours, extent, faded, legend } from "../chart.js";
import { KINDS, clock, price, short, usd } from "../format.js";
import { upperBound } from "../store.js";

const MOST_MARKS = 1500;
const ON_BOOK = new Set(["position", "collateral", "hedge", "resale", "seizure"]);
/** What the lines are where there is no book. */
const NAMES = { asset: "price the venue uses", pool: "pool" };

export class PriceView {
  constructor(box, app, name) {
    this.app = app;
    this.name = name;
    this.surface = new Surface(box, "Mark, index and reference price over time, forced fills marked");
    this.marks = [];
    this.pointer = null;
    const { canvas } = this.surface;
    canvas.addEventListener("pointermove", (event) => this.hover(event.offsetX, event.offsetY));
    canvas.addEventListener("pointerleave", () => this.hover(null, null));
    canvas.addEventListener("click", (event) => this.click(event.offsetX, event.offsetY));
    canvas.addEventListener("dblclick", () => app.zoom(null));
    this.drag();
  }

  /** Dragging sideways zooms every chart over time. */
  drag() {
    const { canvas } = this.surface;
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") start = event.offsetX;
    });
    canvas.addEventListener("pointerup", (event) => {
      if (start !== null && this.plot && Math.abs(event.offsetX - start) > 12) {
        const times = [this.plot.time(start), this.plot.time(event.offsetX)].sort((one, other) => one - other);
        this.app.zoom(times);
        this.dragged = true;
      }
      start = null;
    });
  }

  hover(x, y) {
    this.pointer = x === null ? null : [x, y];
    this.app.redraw(this);
  }

  nearest(x, y, reach = 14) {
    let best = null;
    for (const mark of this.marks) {
      const distance = Math.hypot(mark.x - x, mark.y - y) - mark.radius;
      if (distance < reach && (!best || distance < best.distance)) best = { distance, mark };
    }
    return best?.mark.event ?? null;
  }

  click(x, y) {
    if (this.dragged) {
      this.dragged = false;
      return;
    }
    const event = this.nearest(x, y);
    this.app.select(event ? { account: event.account, event: event.id, side: this.name } : null);
  }

  draw(side, tick) {
    const { surface, app } = this;
    const { world } = app.model;
    const paint = colours();
    const book = world.books[app.book];
    const columns = side.series[app.book];
    const seconds = world.tick_seconds;
    surface.clear();
    if (!book) return;
    const n = columns.upTo(tick);
    const [from, to] = app.span(tick);
    const { mark, index, reference } = columns.data;
    const plot = new Plot(surface, { top: 24 });
    const events = this.shown(side, tick, from, to);
    plot.range(from, to, ...this.heights(tick, from, to));
    this.plot = plot;
    plot.frame((value) => price(value, Math.max(book.tick, (plot.high - plot.low) / 2000)), clock);
    this.fills(plot, events, seconds);
    plot.line(columns.tick, reference, n, { colour: paint.muted, dash: [2, 3], scale: seconds });
    if (!NAMES[book.kind]) plot.line(columns.tick, index, n, { colour: paint.orange, width: 1.25, scale: seconds, step: true });
    plot.line(columns.tick, mark, n, { colour: paint.blue, width: 1.75, scale: seconds, step: book.kind === "asset" });
    if (!n) surface.text("press play, or the space bar", surface.width / 2, surface.height / 2, { align: "center", size: 13 });
    const other = NAMES[book.kind];
    legend(surface, [
      { name: other ?? "mark", colour: paint.blue }, ...(other ? [] : [{ name: "index (oracle)", brief: "index", colour: paint.orange }]),
      { name: "reference", brief: "ref.", colour: paint.muted, dash: [2, 3] }, { name: "forced fill", brief: "forced", colour: paint.vermillion, shape: "dot" },
    ], { note: `${book.quote} per ${book.base}` });
    if (app.source.seekable || app.zoomed) this.cursor(plot, tick * seconds);
    this.tip(plot, columns, n, seconds, book);
  }

  /** Lowest and highest price in sight, of both designs where two are compared. */
  heights(tick, from, to) {
    const { app } = this;
    const seconds = app.model.world.tick_seconds;
    const found = app.model.designs.flatMap(([, side]) => {
      const columns = side.series[app.book];
      const { mark, index, reference } = columns.data;
      // Away from the book prices can be anywhere; they are drawn at the edge.
      const prices = this.shown(side, tick, from, to).filter((event) => ON_BOOK.has(event.kind)).map((event) => event.price);
      const n = columns.upTo(tick);
      return n ? [...extent(columns.tick, [mark, index, reference], n, from, to, seconds), ...prices] : [];
    });
    return found.length ? [found.reduce((low, price) => Math.min(low, price)), found.reduce((high, price) => Math.max(high, price))] : [0, 1];
  }

  /** Fills of this book in sight: the largest, and those of the chosen account. */
  shown(side, tick, from, to) {
    const { app } = this;
    const { tick_seconds: seconds } = app.model.world;
    const first = upperBound(side.eventTicks, from / seconds - 1e-9);
    const made = [];
    for (let row = first; row < side.eventsUpTo(tick); row++) {
      const event = side.events[row];
      if (event.tick * seconds > to) break;
      if (event.book === app.book && event.price > 0) made.push(event);
    }
    if (made.length <= MOST_MARKS) return made;
    const chosen = app.selection?.account;
    const least = made.map((event) => event.usd).sort((one, other) => other - one)[MOST_MARKS];
    return made.filter((event) => event.usd > least || event.account === chosen);
  }

  fills(plot, events, seconds) {
    const { pen } = this.surface;
    const paint = colours();
    const chosen = this.app.selection;
    const largest = events.reduce((most, event) => Math.max(most, event.usd), 1);
    this.marks = events.map((event) => ({
      event, x: plot.x(event.tick * seconds), y: Math.min(plot.bottom, Math.max(plot.top, plot.y(event.price))), radius: 2 + 8 * Math.sqrt(event.usd / largest),
    }));
    pen.fillStyle = faded(paint.vermillion, chosen ? 0.18 : 0.42);
    pen.beginPath();
    for (const { x, y, radius } of this.marks) {
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 7);
    }
    pen.fill();
    if (!chosen) return;
    for (const { event, x, y, radius } of this.marks) {
      if (event.account !== chosen.account) continue;
      pen.fillStyle = paint.vermillion;
      pen.strokeStyle = paint.ink;
      pen.lineWidth = event.id === chosen.event ? 2.5 : 1.5;
      pen.beginPath();
      pen.arc(x, y, radius + 1.5, 0, 7);
      pen.fill();
      pen.stroke();
    }
  }

  cursor(plot, at) {
    const { pen } = this.surface;
    pen.strokeStyle = colours().ink;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(plot.x(at), plot.top);
    pen.lineTo(plot.x(at), plot.bottom);
    pen.stroke();
  }

  tip(plot, columns, n, seconds, book) {
    if (!this.pointer || !n) return;
    const [x, y] = this.pointer;
    const event = this.nearest(x, y);
    const row = Math.max(0, upperBound(columns.tick, plot.time(x) / seconds, n) - 1);
    const { mark, index, reference } = columns.data;
    const lines = event
      ? [`${event.name}`, `${event.side < 0 ? "forced sale" : "forced purchase"}, ${usd(event.usd)}`, KINDS[event.kind] ?? event.kind,
         `at ${price(event.price, book.tick)} ${book.quote}, ${clock(event.tick * seconds)}`]
      : NAMES[book.kind]
        ? [`${clock(columns.tick[row] * seconds)}`, `${NAMES[book.kind]} ${price(mark[row], book.tick)} ${book.quote}`,
           `reference ${price(reference[row], book.tick)}`, `away from it by ${short((mark[row] / reference[row] - 1) * 1e4)} bps`]
        : [`${clock(columns.tick[row] * seconds)}`, `mark ${price(mark[row], book.tick)} ${book.quote}`,
           `index ${price(index[row], book.tick)}`, `reference ${price(reference[row], book.tick)}`,
           `mark − index ${short(((mark[row] - index[row]) / index[row]) * 1e4)} bps`];
    box(this.surface, lines, x, y);
  }
}

/** A small box of text beside the pointer, inside the canvas. */
export function box(surface, lines, x, y) {
  const { pen } = surface;
  const paint = colours();
  pen.font = `11.5px ${paint.font}`;
  const width = 16 + Math.max(...lines.map((line) => pen.measureText(line).width));
  const height = 10 + 16 * lines.length;
  const left = x + 14 + width > surface.width ? Math.max(0, x - width - 10) : x + 14;
  const top = Math.max(2, Math.min(y - height / 2, surface.height - height - 2));
  pen.fillStyle = paint.panel;
  pen.strokeStyle = paint.line;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.roundRect(left, top, width, height, 5);
  pen.fill();
  pen.stroke();
  lines.forEach((line, row) => surface.text(line, left + 8, top + 13 + 16 * row, { colour: paint.ink, bold: row === 0, size: 11.5 }));
}
