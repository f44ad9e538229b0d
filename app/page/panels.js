// The views on the page: one box each, in compare mode one half for each design.

import { make, say } from "./dom.js";
import { whole } from "./format.js";
import { DepthView } from "./views/depth.js";
import { EventsView } from "./views/events.js";
import { LadderView } from "./views/ladder.js";
import { LendingView, LiquidityView } from "./views/lending.js";
import { NetworkView } from "./views/network.js";
import { PoolsView, ReservesView } from "./views/pools.js";
import { PriceView } from "./views/price.js";
import { RatiosView } from "./views/ratios.js";
import { RiskView } from "./views/risk.js";
import { WaterfallView } from "./views/waterfall.js";

/** What stands beside a title, of a side at a tick. */
const ABOUT = {
  ladder: (app) => app.model.world.books[app.book]?.symbol,
  depth: (app) => app.model.world.books[app.book]?.symbol,
  network: (app, side) => side.pending > 0 && `${whole(side.pending)} pending`,
  risk: (app, side, tick) => {
    const waiting = side.stateAt(tick)?.kpis?.open_claim_count?.value;
    return waiting > 0 && `${whole(waiting)} below maintenance wait for a keeper`;
  },
};

/** The views of a venue: what stands beside the price, and over time, depends on where it trades. */
function panelsOf(world) {
  const kinds = new Set(world.books.map(({ kind }) => kind));
  const [lends, pools] = [world.lent?.length > 0, world.pools?.length > 0];
  const books = [...kinds].some((kind) => kind !== "asset" && kind !== "pool");
  const now = { book: ["Order book now", LadderView], lent: ["Lent: utilisation and rates", LendingView], pool: ["Pools now", PoolsView] };
  const later = { book: ["Depth over time", DepthView], lent: ["Liquidity left", LiquidityView], pool: ["Reserves over time", ReservesView] };
  const main = books || !(lends || pools) ? "book" : lends ? "lent" : "pool";
  const more = [lends && main !== "lent" && "lent", pools && main !== "pool" && "pool"].filter(Boolean);
  return [
    ["price", kinds.has("asset") ? "The venue's prices and forced sales" : "Price and forced fills", PriceView],
    ["ladder", ...now[main]],
    ["network", "Contagion: who brought down whom", NetworkView],
    ["risk", "Next accounts to fail", RiskView],
    ["depth", ...later[main]],
    ["ratios", "Margin ratios", RatiosView],
    ["waterfall", "Losses, and who bore them", WaterfallView],
    ...more.flatMap((what) => [[`now-${what}`, ...now[what]], [`later-${what}`, ...later[what]]]),
    ["events", "Events", EventsView],
  ];
}

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
    this.abouts = [];
    this.box.classList.toggle("two", designs.length > 1);
    this.books = this.kind = null;
    const sections = panelsOf(app.model.world).map(([name, title, View]) => {
      const halves = designs.map(([design]) => {
        const body = make("div", { class: "body", "data-side": design });
        return [design, body, make("div", { class: "half" }, designs.length > 1 ? make("p", { class: `design ${design}` }, make("b", {}, design.toUpperCase()), app.rulesOf(design)) : null, body)];
      });
      const about = make("small", { class: "about" });
      if (ABOUT[name]) this.abouts.push([ABOUT[name], about]);
      const section = make("section", { class: "panel", "data-panel": name, "aria-label": title },
        make("header", {}, make("h2", {}, title), about, this.tools(name)),
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
      this.kind = make("button", { type: "button", title: "By account, by asset, or by venue (a)", onclick: () => app.turnNetwork() });
      return this.kind;
    }
    return null;
  }

  /** Draw what has changed since the last time. */
  draw(all = false) {
    const { app } = this;
    if (this.books) this.books.value = String(app.book);
    if (this.kind) this.kind.textContent = `by ${app.nextEnds}`;
    for (const [about, element] of this.abouts) {
      const told = app.model.designs.map(([name, side]) => [name, about(app, side, app.tick)]).filter(([, text]) => text);
      const same = new Set(told.map(([, text]) => text)).size < 2;
      say(element, same ? (told[0]?.[1] ?? "") : told.map(([name, text]) => `${name.toUpperCase()} ${text}`).join(", "));
    }
    for (const [design, view] of this.views) {
      const side = app.model.sides[design];
      const stamp = `${side.version}|${app.tick}|${app.stamp}|${view.surface?.version}|${app.pointed === view}`;
      if (!all && view.stamp === stamp && app.pointed !== view) continue;
      view.stamp = stamp;
      view.draw(side, app.tick);
    }
  }
}
