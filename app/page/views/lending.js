// A lending market: how much of what was deposited is lent and at what rate, and what is left of it.

import { Plot, Surface, colours, legend } from "../chart.js";
import { clock, percent, short } from "../format.js";

const COLOURS = ["blue", "orange", "green", "purple", "sky", "vermillion"];

/** Utilisation as lines, the borrow rate dashed; both per cent. */
export class LendingView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Utilisation and borrow rate of every asset that is lent, over time");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const paint = colours();
    surface.clear();
    const { lent, tick_seconds: seconds } = app.model.world;
    const plot = new Plot(surface, { top: 24 });
    const rates = side.lending.map((columns) => highest(columns, "borrow_rate", columns.upTo(tick)));
    plot.range(...app.span(tick), 0, Math.max(1, ...rates));
    plot.frame((value) => percent(100 * value, 0), clock);
    side.lending.forEach((columns, at) => {
      const n = columns.upTo(tick);
      const colour = paint[COLOURS[at % COLOURS.length]];
      plot.line(columns.tick, columns.data.borrow_rate, n, { colour, width: 1.25, dash: [4, 3], scale: seconds });
      plot.line(columns.tick, columns.data.utilisation, n, { colour, width: 1.75, scale: seconds });
    });
    names(surface, paint, lent);
    surface.text("dashed: borrow rate a year", surface.width - 4, 9, { align: "right" });
  }
}

/** What can still be borrowed or withdrawn, USD. */
export class LiquidityView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "USD of every asset that can still be borrowed or withdrawn, over time");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const paint = colours();
    surface.clear();
    const { lent, tick_seconds: seconds } = app.model.world;
    const plot = new Plot(surface, { top: 24 });
    plot.range(...app.span(tick), 0, Math.max(1, ...side.lending.map((columns) => highest(columns, "liquidity_usd", columns.upTo(tick)))));
    plot.frame((value) => short(value), clock);
    side.lending.forEach((columns, at) => {
      const colour = paint[COLOURS[at % COLOURS.length]];
      plot.line(columns.tick, columns.data.liquidity_usd, columns.upTo(tick), { colour, width: 1.75, scale: seconds });
    });
    names(surface, paint, lent);
    surface.text("USD", surface.width - 4, 9, { align: "right" });
  }
}

function highest(columns, name, n) {
  let most = 0;
  for (let row = 0; row < n; row++) most = Math.max(most, columns.data[name][row]);
  return most;
}

function names(surface, paint, symbols) {
  legend(surface, symbols.map((name, at) => ({ name, colour: paint[COLOURS[at % COLOURS.length]] })), 8, 9);
}
