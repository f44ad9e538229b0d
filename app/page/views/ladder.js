// The book as it stands: USD resting at each of the best prices, asks above, bids below.

import { Surface, colours, faded } from "../chart.js";
import { price, short } from "../format.js";

export class LadderView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Resting orders at the best prices of the book");
  }

  draw(side, tick) {
    const { surface, app } = this;
    const { pen } = surface;
    const paint = colours();
    const book = app.model.world.books[app.book];
    const ladder = side.stateAt(tick)?.ladder?.[app.book];
    surface.clear();
    if (!ladder || !book) {
      surface.text("no ladder was recorded", 8, 14);
      return;
    }
    const rows = Math.max(3, Math.min(20, Math.floor((surface.height - 26) / 2 / 14)));
    const asks = ladder.asks.slice(0, rows).reverse();
    const bids = ladder.bids.slice(0, rows);
    const height = (surface.height - 24) / (2 * rows);
    const largest = Math.max(1, ...asks.map((row) => row[1]), ...bids.map((row) => row[1]));
    const middle = 4 + rows * height;
    const left = 74;
    const width = surface.width - left - 56;
    const line = ([at, value], y, colour) => {
      pen.fillStyle = faded(colour, 0.5);
      pen.fillRect(left, y + 1, (width * value) / largest, Math.max(1, height - 2));
      surface.text(price(at, book.tick), left - 6, y + height / 2, { align: "right", colour: paint.ink });
      surface.text(short(value), left + (width * value) / largest + 5, y + height / 2);
    };
    asks.forEach((row, at) => line(row, middle - (asks.length - at) * height, paint.orange));
    bids.forEach((row, at) => line(row, middle + 18 + at * height, paint.blue));
    const spread = asks.length && bids.length ? ((ladder.asks[0][0] - ladder.bids[0][0]) / ladder.bids[0][0]) * 1e4 : null;
    const gone = !bids.length ? "no bids" : !asks.length ? "no asks" : `spread ${short(spread)} bps`;
    surface.text(gone, 8, middle + 9, { colour: bids.length && asks.length ? paint.muted : paint.alarm });
    if (surface.width > 220) surface.text("USD at each price", surface.width - 4, middle + 9, { align: "right" });
  }
}
