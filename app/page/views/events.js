// What happened, newest first: interventions, notable moments and forced fills.

import { Rows, make, table } from "../dom.js";
import { KINDS, clock, price, usd } from "../format.js";

const COLUMNS = ["num", "name", "wide", "num", "num small"];
const SHOWN = 60;

export class EventsView {
  constructor(box, app, name) {
    this.app = app;
    const [element, body] = table(["time", "account", "what", "amount", "price"], COLUMNS, "Events");
    box.append(make("div", { class: "scroll" }, element));
    this.rows = new Rows(body, COLUMNS, (item) => {
      if (item.event) app.select({ account: item.event.account, event: item.event.id, side: name });
      if (app.source.seekable) app.seek(item.tick);
    });
  }

  draw(side, tick) {
    const { app } = this;
    const { world } = app.model;
    const chosen = app.selection;
    const made = [];
    const log = side.log.filter((entry) => entry.tick <= tick);
    let told = log.length - 1;
    for (let row = side.eventsUpTo(tick) - 1; made.length < SHOWN && (row >= 0 || told >= 0); ) {
      const event = side.events[row];
      if (told >= 0 && (!event || log[told].tick >= event.tick)) {
        const entry = log[told--];
        made.push({ tick: entry.tick, cells: [clock(app.model.seconds(entry.tick)), "", entry.text, "", ""] });
        continue;
      }
      if (!chosen?.only || event.account === chosen.account) made.push(this.fill(event, world, chosen));
      row -= 1;
    }
    this.rows.show(made);
  }

  fill(event, world, chosen) {
    const book = world.books[event.book];
    const what = `${event.side < 0 ? "sold" : "bought"} ${book ? book.symbol : ""}: ${KINDS[event.kind] ?? event.kind}`;
    return {
      tick: event.tick,
      event,
      chosen: chosen && (chosen.event === event.id || chosen.account === event.account),
      cells: [clock(this.app.model.seconds(event.tick)), event.name, what, usd(event.usd), price(event.price, book?.tick)],
    };
  }
}
