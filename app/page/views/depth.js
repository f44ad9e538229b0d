// Depth over time: USD resting within 10, 50 and 100 basis points of the mark, bids up and asks down.

import { Plot, Surface, colours, faded, legend } from "../chart.js";
import { clock, short } from "../format.js";

export class DepthView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "USD resting on the book within 10, 50 and 100 basis points of the mark over time");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const { world } = app.model;
    const paint = colours();
    const columns = side.depth[app.book];
    surface.clear();
    if (!columns || ["asset", "pool"].includes(world.books[app.book].kind)) {
      surface.text("no order book: nothing rests here", 8, 14);
      return;
    }
    const n = columns.upTo(tick);
    const seconds = world.tick_seconds;
    const [from, to] = app.span(tick);
    const plot = new Plot(surface, { top: 24 });
    const last = world.depth_bps.length - 1;
    let high = 1;
    for (let row = 0; row < n; row++) high = Math.max(high, columns.data[`bid${last}`][row], columns.data[`ask${last}`][row]);
    plot.range(from, to, -high, high);
    plot.frame((value) => short(Math.abs(value)), clock);
    for (let at = last; at >= 0; at--) {
      const alpha = [0.85, 0.45, 0.22][at] ?? 0.2;
      this.area(plot, columns, `bid${at}`, n, seconds, faded(paint.blue, alpha), 1);
      this.area(plot, columns, `ask${at}`, n, seconds, faded(paint.orange, alpha), -1);
    }
    legend(surface, [
      { name: "bids", colour: paint.blue, shape: "area" }, { name: "asks", colour: paint.orange, shape: "area" },
    ], { note: `USD within ${world.depth_bps.join(", ")} bps` });
  }

  area(plot, columns, name, n, seconds, colour, sign) {
    const { pen } = this.surface;
    const values = columns.data[name];
    const zero = plot.y(0);
    const stride = Math.max(1, Math.floor(n / Math.max(1, 2 * (plot.right - plot.left))));
    pen.fillStyle = colour;
    pen.beginPath();
    let last = null;
    for (let row = 0; row < n; row += stride) {
      const x = Math.min(plot.right, Math.max(plot.left, plot.x(columns.tick[row] * seconds)));
      if (last === null) pen.moveTo(x, zero);
      pen.lineTo(x, plot.y(sign * values[row]));
      last = x;
    }
    if (last !== null) pen.lineTo(last, zero);
    pen.fill();
  }
}
