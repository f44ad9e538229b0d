// The guided first run: a few sentences, each beside the view that it is about, as the run gets there.

import { make, mark, say } from "./dom.js";

const STEPS = [
  { panel: "price", text: "The blue line is the mark price: it values every position. Orange is the index the oracle publishes, grey the price of the outside world." },
  { panel: "ladder", text: "These orders are all that stands between a forced sale and a lower price. Market makers withdraw them when prices fall." },
  { panel: "risk", text: "These accounts fail next, and at these prices. When the mark reaches one, keepers compete to close it. Nothing happens yet? Press ⚡ next liquidation.", until: (side) => side.accounts.size > 0 },
  { panel: "network", text: "The first accounts have been closed by force. Each dot is an account; lines lead to those that its forced sales brought down.", until: (side) => side.accounts.size > 30 },
  { panel: "waterfall", text: "What an account cannot pay is borne by the insurance fund, then by winners (ADL), then by everybody. Click any dot, row or mark to follow one account." },
];

export class Tour {
  constructor(box, app) {
    this.app = app;
    this.box = box;
    this.at = null;
    this.text = make("p");
    this.count = make("small");
    this.next = make("button", { type: "button", onclick: () => this.show(this.at + 1) }, "next");
    box.append(this.count, this.text, make("div", {}, this.next, make("button", { type: "button", class: "link", onclick: () => this.end() }, "end the tour")));
    box.hidden = true;
  }

  start() {
    this.show(0);
  }

  show(at) {
    this.mark(false);
    if (at >= STEPS.length) {
      this.end();
      return;
    }
    this.at = at;
    say(this.count, `${at + 1} of ${STEPS.length}`);
    say(this.text, STEPS[at].text);
    say(this.next, at === STEPS.length - 1 ? "done" : "next");
    this.box.hidden = false;
    this.mark(true);
    document.querySelector(`[data-panel="${STEPS[at].panel}"]`)?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  mark(on) {
    if (this.at !== null) for (const panel of document.querySelectorAll(`[data-panel="${STEPS[this.at].panel}"]`)) mark(panel, "told", on);
  }

  /** Move on by itself when what a step waits for has happened. */
  follow(side) {
    if (this.at !== null && STEPS[this.at].until?.(side)) this.show(this.at + 1);
  }

  end() {
    this.mark(false);
    this.at = null;
    this.box.hidden = true;
  }
}
