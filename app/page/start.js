// The first thing one sees: what this is, in three sentences, and where to begin.

import { make, mark, say } from "./dom.js";
import { LiveSource } from "./source-live.js";

const named = (entry) => (typeof entry === "string" ? { name: entry, summary: "" } : entry);

export class Start {
  constructor(box, app) {
    this.box = box;
    this.app = app;
    this.form = {
      scenario: make("select", { id: "start-scenario" }), venue: make("select", { id: "start-venue" }),
      seed: make("input", { id: "start-seed", type: "number", min: "0", step: "1", value: "1" }),
      compare: make("input", { id: "start-compare", type: "checkbox" }), other: make("select", { id: "start-other" }),
    };
    this.about = make("p", { class: "help" });
    this.progress = make("p", { class: "progress", role: "status" });
    this.progress.hidden = true;
    const field = (name, text) => make("label", { for: this.form[name].id }, text, this.form[name]);
    this.otherField = field("other", "rules of design B");
    this.venueField = field("venue", "rules of");
    this.several = make("p", { class: "help" }, "Several venues, stepped together, each with rules of its own: of two designs, B is made with its sliders.");
    this.form.compare.addEventListener("change", () => this.tell());
    this.form.scenario.addEventListener("change", () => this.tell());
    box.querySelector(".choices").replaceChildren(
      field("scenario", "scenario"), this.about, this.several, this.venueField, field("seed", "seed"),
      field("compare", "compare two designs on the same random numbers"), this.otherField,
      this.progress,
      make("div", { class: "buttons" },
        make("button", { type: "button", id: "guided", class: "main", onclick: () => this.go(true) }, "guided first run"),
        make("button", { type: "button", id: "go", onclick: () => this.go(false) }, "open"),
        (this.back = make("button", { type: "button", class: "link", onclick: () => this.hide() }, "back to the run"))));
  }

  async load() {
    try {
      const { scenarios, venues } = await LiveSource.catalogue();
      this.scenarios = (scenarios.scenarios ?? scenarios).map(named);
      const venueNames = (venues.venues ?? venues).map(named);
      this.form.scenario.replaceChildren(...this.scenarios.map(({ name }) => make("option", { value: name }, name)));
      for (const select of [this.form.venue, this.form.other]) {
        select.replaceChildren(make("option", { value: "" }, "the scenario's own"), ...venueNames.map(({ name }) => make("option", { value: name }, name)));
      }
      const before = this.app.asked.scenario;
      const wanted = before ?? new URLSearchParams(location.search).get("scenario") ?? scenarios.default ?? "flash-crash";
      if (this.scenarios.some(({ name }) => name === wanted)) this.form.scenario.value = wanted;
      this.tell();
      this.show();
    } catch (error) {
      this.app.status.say(`The server does not answer: ${error.message}`, true);
    }
  }

  tell() {
    const chosen = this.scenarios.find(({ name }) => name === this.form.scenario.value);
    say(this.about, chosen?.summary ?? "");
    // The rules of one venue can be laid over a scenario of one; each venue of several has its own.
    this.venueField.hidden = Boolean(chosen?.several);
    this.otherField.hidden = !this.form.compare.checked || Boolean(chosen?.several);
    this.several.hidden = !chosen?.several;
  }

  go(guided) {
    const { scenario, venue, seed, compare, other } = this.form;
    this.app.guided = guided;
    const rules = (select) => (this.several.hidden ? select.value || null : null);
    this.app.open({
      scenario: scenario.value, venue: rules(venue), seed: Math.max(0, Math.round(Number(seed.value) || 0)), set: {},
      compare: compare.checked ? { venue: rules(other), set: {} } : null,
    });
  }

  /** What is going on, or went wrong, while this card covers the page. */
  say(text, { bad = false, busy = false } = {}) {
    this.progress.hidden = !text;
    say(this.progress, text);
    mark(this.progress, "bad", bad);
    mark(this.progress, "busy", busy);
    for (const button of this.box.querySelectorAll(".buttons button")) button.disabled = busy;
  }

  show() {
    this.box.hidden = false;
    this.back.hidden = !this.app.model;
    this.say("");
    this.behind(true);
    this.box.querySelector("button.main")?.focus();
  }

  hide() {
    this.box.hidden = true;
    this.behind(false);
  }

  /** The page behind is out of reach of keys and screen readers meanwhile. */
  behind(covered) {
    for (const part of document.querySelectorAll("body > header, #time, #kpis, .work")) part.inert = covered;
  }
}
