// The views on the page: one box each, in compare mode one half for each design.

import { make } from "./dom.js";
import { DepthView } from "./views/depth.js";
import { EventsView } from "./views/events.js";
import { LadderView } from "./views/ladder.js";
import { NetworkView } from "./views/network.js";
import { PriceView } from "./views/price.js";
import { RatiosView } from "./views/ratios.js";
import { RiskView } from "./views/risk.js";
import { WaterfallView } from "./views/waterfall.js";

const PANELS = [
  ["price", "Price and forced fills", PriceView],
  ["ladder", "Order book now", LadderView],
  ["network", "Contagion: who brought down whom", NetworkView],
  ["risk", "Next accounts to fail", RiskView],
  ["depth", "Depth over time", DepthView],
  ["ratios", "Margin ratios", RatiosView],
  ["waterfall", "Losses, and who bore them", WaterfallView],
  ["events", "Events", EventsView],
];

export class Panels {
  constructor(box, app) {
    this.app = app;
    this.box = box;
    this.views = [];
  }

  /** Boxes and views for a new world. */
  build() {
    const { app } = this;
    this.views = [];
    const designs = app.model.designs;
    const sections = PANELS.map(([name, title, View]) => {
      const halves = designs.map(([design]) => {
        const body = make("div", { class: "body", "data-side": design });
        return [design, body, make("div", { class: "half" }, designs.length > 1 ? make("span", { class: `design ${design}` }, design.toUpperCase()) : null, body)];
      });
      const section = make("section", { class: "panel", "data-panel": name, "aria-label": title },
        make("header", {}, make("h2", {}, title), this.tools(name)),
        make("div", { class: "halves" }, ...halves.map(([, , half]) => half)));
      return [section, halves, View];
    });
    this.box.replaceChildren(...sections.map(([section]) => section));
    for (const [, halves, View] of sections) {
      for (const [design, body] of halves) this.views.push([design, new View(body, app, design)]);
    }
    this.draw(true);
  }

  tools(name) {
    const { app } = this;
    const { world } = app.model;
    if (name === "price" && world.books.length > 1) {
      this.books = make("select", { "aria-label": "Book", title: "Book (b)", onchange: () => app.chooseBook(Number(this.books.value)) },
        ...world.books.map((book, at) => make("option", { value: at }, book.symbol)));
      this.books.value = String(app.book);
      return this.books;
    }
    if (name === "network") {
      this.kind = make("button", { type: "button", title: "By account or by asset (a)", onclick: () => app.toggleAssets() }, "by asset");
      return this.kind;
    }
    return null;
  }

  /** Draw what has changed since the last time. */
  draw(all = false) {
    const { app } = this;
    if (this.books) this.books.value = String(app.book);
    if (this.kind) this.kind.textContent = app.byAsset ? "by account" : "by asset";
    for (const [design, view] of this.views) {
      const side = app.model.sides[design];
      const stamp = `${side.version}|${app.tick}|${app.stamp}|${view.surface?.version}|${app.pointed === view}`;
      if (!all && view.stamp === stamp && app.pointed !== view) continue;
      view.stamp = stamp;
      view.draw(side, app.tick);
    }
  }
}
