// A run over one venue or several: a model for each venue, the figures of the whole, and the switch between them.

import { make, mark, say } from "./dom.js";
import { withUnit } from "./format.js";
import { Course, Model } from "./store.js";

const TOLD = ["liquidated_account_count", "bad_debt_usd"];

/** What is known of every venue; a scenario of one venue is a system of one without a name. */
export class Laboratory {
  constructor(world) {
    this.world = world;
    this.entries = world.venues ?? [world];
    this.restart();
  }

  restart() {
    const { world } = this;
    this.models = new Map(this.entries.map((entry) => [entry.name ?? "", new Model({ ...world, ...entry, venues: null })]));
    this.whole = world.venues ? Object.fromEntries((world.compare ? ["a", "b"] : ["a"]).map((design) => [design, new Course()])) : null;
    this.tick = 0;
  }

  get names() {
    return [...this.models.keys()];
  }

  /** Take in a frame: one venue in full, the figures of all. */
  add(frame) {
    if (frame.tick < this.tick) this.restart();
    this.tick = frame.tick;
    for (const [name, model] of this.models) {
      model.at(frame);
      if (name === (frame.venue ?? "")) model.addSides(frame);
    }
    for (const [design, { system }] of Object.entries(frame.sides)) {
      if (system) this.addWhole(design, frame.tick, system);
    }
  }

  addWhole(design, tick, system) {
    const course = this.whole[design];
    course.states = [{ tick, kpis: system.kpis, venues: system.venues, crossings: system.crossings }];
    course.addPoint(tick, system.kpis);
    for (const [name, kpis] of Object.entries(system.venues)) this.models.get(name)?.sides[design]?.addPoint(tick, kpis);
  }

  /** Designs in order, as a model has them: [["a", course]] or with "b"; none of a scenario of one venue. */
  get designs() {
    return Object.entries(this.whole ?? {});
  }
}

/** A button for each venue, with how many accounts were liquidated on it and what it lost. */
export class VenueSwitch {
  constructor(box, app) {
    this.app = app;
    this.box = box;
    this.buttons = new Map();
  }

  build() {
    const { lab } = this.app;
    this.buttons = new Map();
    this.box.hidden = !lab.whole;
    if (!lab.whole) return;
    for (const entry of lab.entries) {
      const told = make("small");
      const button = make("button", { type: "button", role: "tab", "data-venue": entry.name, title: `${entry.kind} (v: next venue)`, onclick: () => this.app.chooseVenue(entry.name) },
        make("b", {}, entry.name), told);
      this.buttons.set(entry.name, { button, told });
    }
    const kind = (this.kind = make("p"));
    this.box.replaceChildren(...[...this.buttons.values()].map(({ button }) => button), kind);
  }

  draw(tick) {
    const { lab, venue } = this.app;
    for (const [name, { button, told }] of this.buttons) {
      mark(button, "chosen", name === venue);
      button.setAttribute("aria-selected", String(name === venue));
      const texts = lab.designs.map(([, course]) => {
        const kpis = course.stateAt(tick)?.venues?.[name] ?? {};
        return TOLD.map((key) => kpis[key]).filter((figure) => figure?.value).map((figure) => short(figure)).join(", ") || "nobody liquidated";
      });
      say(told, texts.length > 1 ? `A ${texts[0]}; B ${texts[1]}` : texts[0] ?? "");
    }
    if (this.kind) say(this.kind, lab.entries.find((entry) => entry.name === venue)?.kind ?? "");
  }
}

function short(figure) {
  return figure.unit === "USD" ? `bad debt ${withUnit(figure.value, "USD")}` : `${withUnit(figure.value, "")} liquidated`;
}
