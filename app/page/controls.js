// What can be done to a run: time, settings, shocks.

import { icon, make, mark, say } from "./dom.js";
import { clock, settingValue, whole } from "./format.js";

const SPEEDS = [1, 5, 20, 60, 200, 600, 2000];

/** Play, pause, step, speed, next liquidation, restart; in a replay a slider over time. */
export class TimeControls {
  constructor(box, app) {
    this.app = app;
    const button = (name, picture, title, act, text = null) =>
      make("button", { type: "button", "data-do": name, title, "aria-label": title, onclick: act }, icon(picture), text);
    this.play = button("play", "play", "Play (space)", () => app.toggle());
    this.speed = make("select", { "aria-label": "Speed in ticks per second", title: "Speed", onchange: () => app.setSpeed(Number(this.speed.value)) },
      ...SPEEDS.map((speed) => make("option", { value: speed }, `${speed} ticks/s`)));
    this.speed.value = "60";
    this.clock = make("output", { class: "clock", "aria-label": "Simulated time" });
    this.all = make("span", { class: "word" });
    this.now = make("span");
    this.clock.append(this.now, this.all);
    this.slider = make("input", {
      type: "range", min: "0", max: "1", value: "0", "aria-label": "Time", class: "time",
      oninput: () => app.seek(Number(this.slider.value)),
    });
    this.slider.hidden = true;
    this.asOf = make("span", { class: "asof minor", title: "Between two snapshots of a recorded run the last one stands" });
    box.append(
      button("restart", "restart", "Restart (r)", () => app.restart()), this.play,
      button("step", "step", "One step (right arrow)", () => app.step(1)),
      button("jump", "bolt", "Jump to the next liquidation (n)", () => app.jump(), make("span", { class: "word" }, "next liquidation")),
      this.speed, this.slider, this.asOf, this.clock);
  }

  draw() {
    const { app } = this;
    const { model } = app;
    const playing = app.playing;
    const title = playing ? "Pause (space)" : "Play (space)";
    if (this.play.title !== title) {
      this.play.replaceChildren(icon(playing ? "pause" : "play"));
      this.play.title = title;
      this.play.setAttribute("aria-label", title);
    }
    this.slider.hidden = !app.source?.seekable;
    this.slider.max = String(model.ticks);
    if (document.activeElement !== this.slider || playing) this.slider.value = String(app.tick);
    const state = model.sides.a.stateAt(app.tick);
    say(this.asOf, app.source?.seekable && state && state.tick !== app.tick ? `figures, book, accounts as of ${clock(model.seconds(state.tick))}` : "");
    say(this.now, clock(model.seconds(app.tick)));
    say(this.all, ` of ${clock(model.seconds(model.ticks))}`);
    this.clock.title = `tick ${whole(app.tick)} of ${whole(model.ticks)}`;
  }
}

/** Something for every venue, of which that of one is shown. */
class ByVenue {
  constructor(box, app) {
    this.app = app;
    this.box = box;
    this.parts = new Map();
  }

  build(lab) {
    this.parts = new Map(lab.entries.map((entry) => [entry.name ?? "", make("div", {}, ...this.made(entry, lab.world))]));
    this.box.replaceChildren(...this.before(lab.world), ...this.parts.values());
  }

  before() {
    return [];
  }

  show(venue) {
    for (const [name, part] of this.parts) part.hidden = name !== venue;
  }
}

/** Sliders made from the scenario's own schema, by group. */
export class Settings extends ByVenue {
  /** Which design they change, of two. */
  before({ compare }) {
    this.side = compare ? make("select", { "aria-label": "Which design settings change" },
      make("option", { value: "both" }, "both designs"), make("option", { value: "a" }, "design A"), make("option", { value: "b", selected: true }, "design B")) : null;
    return this.side ? [make("label", { class: "which" }, "changes apply to ", this.side)] : [];
  }

  made({ settings, name }) {
    this.venue = name;
    const groups = new Map();
    for (const setting of settings) groups.set(setting.group, [...(groups.get(setting.group) ?? []), setting]);
    return [...groups].map(([name, members], at) =>
      make("details", { open: at === 0 }, make("summary", {}, name), ...members.map((setting) => this.row(setting))));
  }

  row(setting) {
    const id = this.venue ? `set-${this.venue}-${setting.path}` : `set-${setting.path}`;
    const value = make("output", { for: id });
    const input = this.input(setting, id);
    const read = () => (setting.kind === "switch" ? input.checked : setting.kind === "choice" ? input.value : Number(input.value));
    const worded = (read) => (typeof read === "number" ? settingValue(read, setting.unit) : typeof read === "boolean" ? (read ? "on" : "off") : read);
    const tell = () => {
      say(value, worded(read()));
      back.hidden = read() === setting.default;
    };
    input.addEventListener("input", tell);
    input.addEventListener("change", () => this.app.set(setting, read(), this.side?.value ?? "both"));
    const back = make("button", {
      type: "button", class: "link back", title: `Back to the default, ${worded(setting.default)}`, "aria-label": `Reset ${setting.label}`,
      onclick: () => {
        if (setting.kind === "switch") input.checked = setting.default;
        else input.value = String(setting.default);
        tell();
        this.app.set(setting, setting.default, this.side?.value ?? "both");
      },
    }, "↺");
    tell();
    const late = setting.live ? null : make("small", {}, "applies at the next restart");
    return make("div", { class: "setting" }, make("label", { for: id, title: setting.help }, setting.label), value, back, input,
      make("p", { class: "help" }, setting.help), late);
  }

  input(setting, id) {
    if (setting.kind === "switch") return make("input", { id, type: "checkbox", checked: Boolean(setting.value) });
    if (setting.kind === "choice") {
      const select = make("select", { id }, ...setting.choices.map((choice) => make("option", { value: choice }, choice)));
      select.value = setting.value;
      return select;
    }
    return make("input", { id, type: "range", min: setting.least, max: setting.most, step: setting.step ?? "any", value: setting.value });
  }
}

/** A button for every shock, with what it asks for. */
export class Shocks extends ByVenue {
  made({ shocks }) {
    return shocks.map((shock) => this.row(shock));
  }

  row(shock) {
    const fields = {};
    if (shock.needs.includes("asset")) {
      fields.asset = make("select", { "aria-label": "Asset" }, ...(shock.assets ?? []).map((asset) => make("option", { value: asset }, asset)));
    }
    if (shock.needs.includes("instrument")) {
      fields.instrument = make("select", { "aria-label": "Book" }, make("option", { value: "" }, "all"), ...(shock.instruments ?? []).map((name) => make("option", { value: name }, name)));
    }
    if (shock.needs.includes("percent")) fields.percent = make("input", { type: "number", min: "0.1", max: "95", step: "0.1", value: shock.defaults?.percent ?? 10, "aria-label": "Percent" });
    if (shock.needs.includes("seconds")) fields.seconds = make("input", { type: "number", min: "1", max: "86400", step: "1", value: shock.defaults?.seconds ?? 60, "aria-label": "Seconds" });
    if (shock.needs.includes("account")) fields.account = make("input", { type: "number", min: "0", step: "1", placeholder: "the largest", class: "long", "aria-label": "Account; empty for the largest" });
    const units = { percent: "%", seconds: "s" };
    const act = () => {
      const message = { do: "shock", kind: shock.kind };
      for (const [name, field] of Object.entries(fields)) {
        if (field.value === "") continue;
        message[name] = name === "asset" || name === "instrument" ? field.value : Number(field.value);
      }
      if (shock.needs.includes("account") && message.account === undefined && this.app.selection) message.account = this.app.selection.account;
      this.app.shock(message);
    };
    const inputs = Object.entries(fields).map(([name, field]) => (units[name] ? make("label", {}, field, ` ${units[name]}`) : field));
    return make("div", { class: "shock", title: shock.help },
      make("button", { type: "button", "data-shock": shock.kind, onclick: act }, shock.label), make("span", {}, ...inputs));
  }
}

/** The line that says what went wrong, or what is going on. */
export class StatusLine {
  constructor(box) {
    this.box = box;
    this.text = make("span");
    this.box.append(this.text, make("button", { type: "button", class: "close", "aria-label": "Dismiss", onclick: () => this.clear() }, "×"));
    this.clear();
  }

  say(text, bad = false) {
    say(this.text, text);
    mark(this.box, "bad", bad);
    this.box.hidden = false;
  }

  clear() {
    this.box.hidden = true;
  }
}
