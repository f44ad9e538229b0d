// Pools: what is in them, as money of the quote asset at the pool's own price, now and over time.

import { Plot, Surface, colours, faded, legend } from "../chart.js";
import { clock, short } from "../format.js";

/** Both reserves of the chosen pool over time; worth the same where a pool holds as much of either. */
export class ReservesView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Reserves of the chosen pool over time, base asset and quote asset");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const paint = colours();
    surface.clear();
    const { books, pools, tick_seconds: seconds } = app.model.world;
    const at = Math.max(0, pools.findIndex(({ symbol }) => symbol === books[app.book]?.symbol));
    const [pool, columns] = [pools[at], side.pools[at]];
    const n = columns?.upTo(tick) ?? 0;
    if (!n) return;
    const mark = side.series[books.findIndex(({ symbol, kind }) => kind === "pool" && symbol === pool.symbol)].data.mark;
    const base = columns.data.base.slice(0, n).map((units, row) => units * mark[row]);
    const { quote } = columns.data;
    const plot = new Plot(surface, { top: 24 });
    let most = 1;
    for (let row = 0; row < n; row++) most = Math.max(most, base[row] || 0, quote[row]);
    plot.range(...app.span(tick), 0, most);
    plot.frame((value) => short(value), clock);
    plot.line(columns.tick, base, n, { colour: paint.orange, width: 1.75, scale: seconds });
    plot.line(columns.tick, quote, n, { colour: paint.blue, width: 1.75, scale: seconds });
    legend(surface, [{ name: pool.base, colour: paint.orange }, { name: pool.quote, colour: paint.blue }], 8, 9);
    surface.text(`in ${pool.quote}, at the pool's price`, surface.width - 4, 9, { align: "right" });
  }
}

/** Every pool now: units of either asset, and which share of its worth each is. */
export class PoolsView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Reserves of every pool now");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const { pen } = surface;
    const paint = colours();
    surface.clear();
    const { books, pools } = app.model.world;
    const height = Math.min(62, (surface.height - 24) / pools.length);
    surface.text("share of each pool's worth in either asset", 8, 10);
    pools.forEach((pool, at) => {
      const columns = side.pools[at];
      const last = columns.upTo(tick) - 1;
      if (last < 0) return;
      const line = books.findIndex(({ symbol, kind }) => kind === "pool" && symbol === pool.symbol);
      const [units, other] = [columns.data.base[last], columns.data.quote[last]];
      const worth = units * side.series[line].data.mark[last];
      const share = worth + other > 0 ? worth / (worth + other) : 0;
      const [left, top, width] = [8, 26 + at * height, surface.width - 16];
      surface.text(pool.symbol, left, top, { colour: paint.ink, bold: line === app.book });
      pen.fillStyle = faded(paint.orange, 0.75);
      pen.fillRect(left, top + 9, width * share, 12);
      pen.fillStyle = faded(paint.blue, 0.75);
      pen.fillRect(left + width * share, top + 9, width * (1 - share), 12);
      surface.text(`${short(units)} ${pool.base}`, left, top + 31);
      surface.text(`${short(other)} ${pool.quote}`, left + width, top + 31, { align: "right" });
    });
  }
}
