// The next accounts to fail, nearest first, with the price at which each would.

import { Rows, make, table } from "../dom.js";
import { percent, price, usd } from "../format.js";

const KINDS = ["name", "least", "small", "num", "num", "num", "num least", "num small"];

export class RiskView {
  constructor(box, app, name) {
    this.app = app;
    const heads = ["account", "role", "position in", "position", "fails at", "distance", "equity", "ratio"];
    const [element, body] = table(heads, KINDS, "Next accounts to fail");
    this.none = make("p", { class: "none" }, "no account here can be liquidated");
    box.append(make("div", { class: "scroll" }, element, this.none));
    this.rows = new Rows(body, KINDS, (item) => app.select({ account: item.key, side: name }));
  }

  draw(side, tick) {
    const { app } = this;
    const risk = side.stateAt(tick)?.at_risk;
    const chosen = app.selection?.account;
    const items = (risk?.account ?? []).map((account, at) => {
      const book = app.model.world.books[risk.book[at]];
      const ratio = risk.ratio[at];
      return {
        key: account,
        chosen: account === chosen,
        bad: risk.distance_percent[at] <= 0,
        cells: [
          risk.name[at], risk.role[at].replaceAll("_", " "), risk.asset[at], usd(risk.position_usd[at]),
          `${price(risk.liquidation_price[at], book?.tick)}`, percent(risk.distance_percent[at]), usd(risk.equity_usd[at]),
          ratio === null ? "∞" : percent(100 * ratio, 1),
        ],
      };
    });
    this.none.hidden = items.length > 0;
    this.rows.show(items);
  }
}
