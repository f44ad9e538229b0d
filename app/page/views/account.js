// One account: what it holds and needs, what was taken from it by force, who brought it down and whom it brought down.

import { make } from "../dom.js";
import { KINDS, clock, percent, price, usd } from "../format.js";

const LISTED = 12;

export class AccountDrawer {
  constructor(box, app) {
    this.app = app;
    this.box = box;
    this.shown = "";
    this.told = null;
  }

  /** What the server says of an account. */
  tell(message) {
    this.told = message;
    this.shown = "";
    this.app.redraw();
  }

  draw(tick) {
    const { app, box } = this;
    const chosen = app.selection;
    box.hidden = !chosen;
    document.body.classList.toggle("beside", Boolean(chosen));
    if (!chosen) {
      this.shown = "";
      return;
    }
    const [name, side] = app.model.designs.find(([name]) => name === chosen.side) ?? app.model.designs[0];
    const seen = side.eventsUpTo(tick);
    const stamp = [chosen.account, name, seen, side.edges.length, side.stateAt(tick)?.tick, this.told?.account].join("|");
    if (stamp === this.shown) return;
    this.shown = stamp;
    const scrolled = box.scrollTop;
    box.replaceChildren(...this.parts(side, name, tick, chosen));
    box.scrollTop = scrolled;
  }

  parts(side, name, tick, chosen) {
    const { app } = this;
    const account = chosen.account;
    const known = side.accounts.get(account);
    const risk = side.stateAt(tick)?.at_risk;
    const at = risk ? risk.account.indexOf(account) : -1;
    const title = known?.name ?? (at >= 0 ? risk.name[at] : this.told?.account === account ? this.told.name : `account ${account}`);
    const close = make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => app.select(null) }, "×");
    const design = app.model.designs.length > 1 ? ` (design ${name.toUpperCase()})` : "";
    const parts = [make("header", {}, make("h2", {}, title + design), close)];
    const told = this.told?.account === account && (this.told.side ?? "a") === name ? this.told : null;
    if (told?.maintenance_usd > 0) {
      const fail = () => app.shock({ do: "shock", kind: "account_fails", account });
      parts.push(make("button", { type: "button", title: "Takes its collateral away, so that it is liquidated", onclick: fail }, "let it fail"));
    }
    if (told) parts.push(...lines(told.lines));
    else if (at >= 0) parts.push(this.standing(risk, at));
    const fills = side.events.slice(0, side.eventsUpTo(tick)).filter((event) => event.account === account);
    if (fills.length) parts.push(...this.fills(fills));
    parts.push(...this.causes(side, account, tick));
    if (parts.length === 1) parts.push(make("p", {}, "Not liquidated so far, and not among the next to fail."));
    return parts;
  }

  standing(risk, at) {
    const book = this.app.model.world.books[risk.book[at]];
    const figure = (label, text) => make("div", {}, make("dt", {}, label), make("dd", {}, text));
    return make("dl", { class: "facts" },
      figure("position", `${usd(risk.position_usd[at])} in ${risk.asset[at]}`),
      figure("liquidation price", price(risk.liquidation_price[at], book?.tick)),
      figure("distance", percent(risk.distance_percent[at])),
      figure("margin equity", usd(risk.equity_usd[at])), figure("maintenance", usd(risk.maintenance_usd[at])));
  }

  fills(fills) {
    const { app } = this;
    const total = fills.reduce((sum, event) => sum + event.usd, 0);
    const items = fills.slice(-LISTED).reverse().map((event) => {
      const book = app.model.world.books[event.book];
      const text = `${clock(app.model.seconds(event.tick))} ${event.side < 0 ? "sold" : "bought"} ${usd(event.usd)} ${book?.symbol ?? ""} at ${price(event.price, book?.tick)}, ${KINDS[event.kind] ?? event.kind}`;
      return make("li", {}, text);
    });
    return [make("h3", {}, `closed by force: ${usd(total)} in ${fills.length} ${fills.length === 1 ? "fill" : "fills"}`), make("ul", {}, ...items)];
  }

  /** Who brought it down, and whom it brought down, as buttons that lead there. */
  causes(side, account, tick) {
    const { app } = this;
    const sum = (mine, other) => {
      const found = new Map();
      for (const edge of side.edges) {
        if (edge[mine] === account && edge.tick <= tick) found.set(edge[other], (found.get(edge[other]) ?? 0) + edge.usd);
      }
      return [...found].sort((one, two) => two[1] - one[1]);
    };
    const item = ([other, value]) =>
      other < 0
        ? make("li", {}, `${usd(value)}: prices outside, other trades and rules`)
        : make("li", {}, `${usd(value)}: `,
            make("button", { type: "button", class: "link", onclick: () => app.select({ account: other, side: app.selection.side }) },
              side.accounts.get(other)?.name ?? `account ${other}`));
    const parts = [];
    const [from, to] = [sum("target", "source"), sum("source", "target")];
    if (from.length) parts.push(make("h3", {}, "its margin excess fell by"), make("ul", {}, ...from.slice(0, LISTED).map(item)));
    if (to.length) {
      const more = to.length > LISTED ? `, the ${LISTED} largest of ${to.length}` : "";
      parts.push(make("h3", {}, `its forced orders cost others${more}`), make("ul", {}, ...to.slice(0, LISTED).map(item)));
    }
    return parts;
  }
}

/** Lines of the server's explanation: text, or {title, rows: [[label, value]…]}. */
function lines(told = []) {
  return told.map((line) =>
    typeof line === "string"
      ? make("p", {}, line)
      : make("div", {}, make("h3", {}, line.title),
          make("dl", { class: "facts" }, ...line.rows.map(([label, value]) => make("div", {}, make("dt", {}, label), make("dd", {}, String(value)))))));
}
