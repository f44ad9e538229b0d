// The page: one model, one source, and what is chosen; views read it, keys and buttons act on it.

import { forgetColours } from "./chart.js";
import { Settings, Shocks, StatusLine, TimeControls } from "./controls.js";
import { make } from "./dom.js";
import { KEYS, listen } from "./keyboard.js";
import { Panels } from "./panels.js";
import { LiveSource } from "./source-live.js";
import { ReplaySource, recorded, unpack } from "./source-replay.js";
import { Start } from "./start.js";
import { upperBound } from "./store.js";
import { Tour } from "./tour.js";
import { Laboratory, VenueSwitch } from "./venues.js";
import { AccountDrawer } from "./views/account.js";
import { KpiStrip } from "./views/kpis.js";

const byId = (id) => document.getElementById(id);

export class App {
  constructor() {
    this.lab = this.model = this.source = this.selection = this.zoomed = null;
    this.venue = "";
    this.book = this.tick = this.stamp = 0;
    this.ends = "account";
    this.playing = false;
    this.speed = 60;
    this.asked = { scenario: null, venue: null, seed: 1, set: {}, compare: null };
    this.late = {};
    this.acknowledge = [];
    this.updates = 0;
    this.status = new StatusLine(byId("status"));
    this.time = new TimeControls(byId("time"), this);
    this.whole = new KpiStrip(byId("whole"), this, () => this.lab.designs);
    this.venues = new VenueSwitch(byId("venues"), this);
    this.kpis = new KpiStrip(byId("kpis"), this, () => this.model.designs);
    this.panels = new Panels(byId("panels"), this);
    this.settings = new Settings(byId("settings"), this);
    this.shocks = new Shocks(byId("shocks"), this);
    this.drawer = new AccountDrawer(byId("account"), this);
    this.tour = new Tour(byId("tour"), this);
    byId("theme").addEventListener("click", () => this.switchTheme());
    byId("help").addEventListener("click", () => this.help());
    byId("keys").append(...KEYS.map(([key, what]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, what))));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    new ResizeObserver(() => this.redraw()).observe(byId("panels"));
    listen(this);
  }

  // --- where the data come from ------------------------------------------------------------------------------------

  async replay(text) {
    const told = await unpack(text);
    document.body.classList.add("replay");
    this.lab = recorded(told);
    this.look(this.lab.world.shown ?? "");
    this.title(this.lab.world);
    this.source = new ReplaySource({ ticks: this.model.ticks, onmove: (tick) => this.move(tick), onstop: () => this.paused() });
    for (const note of told.notes) this.status.say(note);
    this.venues.build();
    this.panels.build();
    this.seek(this.model.ticks);
  }

  live() {
    this.source = new LiveSource({
      onworld: (world) => this.opened(world),
      onframe: (frame, acknowledge) => this.frame(frame, acknowledge),
      onmessage: (message) => this.message(message),
      onclose: (reason) => this.tell(`The connection is closed${reason ? `: ${reason}` : ""}. Reload the page to start again.`, true),
    });
    this.start = new Start(byId("start"), this);
    byId("file").addEventListener("change", () => this.upload());
    byId("upload").addEventListener("click", () => byId("file").click());
    byId("export").addEventListener("click", () => this.source.send({ do: "export", side: "a" }));
    byId("open").addEventListener("click", () => this.start.load());
    byId("fold").addEventListener("click", () => document.body.classList.toggle("folded"));
    if (matchMedia("(max-width: 760px)").matches) document.body.classList.add("folded");
    this.start.load();
  }

  open(choice) {
    Object.assign(this.asked, choice);
    this.late = {};
    this.source.send({ do: "open", ...this.asked });
    this.opening = true;
    this.tell("building the market");
  }

  opened(world) {
    this.opening = false;
    this.lab = new Laboratory(world);
    this.tick = 0;
    this.playing = false;
    this.zoomed = null;
    this.title(world);
    this.status.clear();
    this.start.hide();
    this.whole.clear();
    this.settings.build(this.lab);
    this.shocks.build(this.lab);
    this.look(world.shown ?? "");
    this.venues.build();
    this.panels.build();
    if (this.guided) {
      this.guided = false;
      this.tour.start();
      this.toggle();
    }
  }

  /** Turn to a venue: its model, its figures, its settings and shocks. */
  look(venue) {
    this.venue = venue;
    this.model = this.lab.models.get(venue);
    this.selection = this.drawer.told = null;
    this.book = Math.min(this.book, Math.max(0, this.model.world.books.length - 1));
    this.kpis.clear();
    this.settings.show(venue);
    this.shocks.show(venue);
  }

  chooseVenue(venue) {
    if (venue === this.venue) return;
    this.book = 0;
    this.look(venue);
    this.panels.build();
    if (!this.source.seekable) this.source.send({ do: "select_venue", venue });
    this.change();
  }

  nextVenue() {
    const names = this.lab?.names ?? [];
    if (names.length > 1) this.chooseVenue(names[(names.indexOf(this.venue) + 1) % names.length]);
  }

  /** Which venue a message is about; nothing where there is but one. */
  get place() {
    return this.lab.whole ? { venue: this.venue } : {};
  }

  frame(frame, acknowledge) {
    if (!this.model) return;
    this.lab.add(frame);
    this.model = this.lab.models.get(this.venue);
    this.playing = frame.playing;
    this.acknowledge.push(acknowledge);
    this.move(frame.tick);
  }

  message(message) {
    if (message.is === "error") this.tell(message.where ? `${message.where}: ${message.message}` : message.message, true);
    else if (message.is === "progress") this.tell(message.message);
    else if (message.is === "account" && (message.venue ?? "") === this.venue) this.drawer.tell(message);
    else if (message.is === "export") this.save(message.name, message.toml);
  }

  /** Say what goes on, or went wrong, where the user looks: on the start card while that is shown. */
  tell(text, bad = false) {
    if (bad) this.opening = false;
    if (this.start && !this.start.box.hidden) this.start.say(text, { bad, busy: this.opening });
    else this.status.say(text, bad);
  }

  /** Whose rules a design has. */
  rulesOf(design) {
    const venue = design === "b" ? this.asked.compare?.venue : this.asked.venue;
    return venue ? `rules of ${venue}` : "the scenario's own rules";
  }

  save(name, text) {
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/toml" })), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async upload() {
    const [file] = byId("file").files;
    byId("file").value = "";
    if (!file) return;
    try {
      this.open({ scenario: await LiveSource.upload(file), venue: null, set: {}, compare: null });
    } catch (error) {
      this.tell(`${file.name}: ${error.message}`, true);
    }
  }

  title(world) {
    byId("title").textContent = world.scenario;
    byId("summary").textContent = [world.summary, world.venue ? `Rules of ${world.venue}.` : "", `Seed ${world.seed}.`].filter(Boolean).join(" ");
    document.title = `${world.scenario} – cascade`;
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  move(tick) {
    this.tick = tick;
    this.redraw();
  }

  paused() {
    this.playing = false;
    this.redraw();
  }

  toggle() {
    if (!this.model) return;
    this.playing = !this.playing;
    this.source.send(this.playing ? { do: "play", ticks_per_second: this.speed } : { do: "pause" });
    this.redraw();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.playing) this.source.send({ do: "play", ticks_per_second: speed });
  }

  step(ticks) {
    if (!this.model || (ticks < 0 && !this.source.seekable)) return;
    this.halt();
    this.source.send({ do: "step", ticks });
  }

  halt() {
    if (this.playing) this.source.send({ do: "pause" });
    this.playing = false;
  }

  seek(tick) {
    if (this.source?.seekable) this.source.seek(tick);
  }

  restart() {
    if (!this.model) return;
    this.halt();
    if (Object.keys(this.late).length) this.open(this.withLate());
    else this.source.send({ do: "restart" });
    this.zoom(null);
  }

  jump() {
    if (!this.model) return;
    if (!this.source.seekable) {
      this.source.send({ do: "jump", to: "liquidation" });
      return;
    }
    this.halt();
    const { eventTicks, events } = this.model.sides.a;
    const next = events[upperBound(eventTicks, this.tick)];
    if (!next) {
      this.status.say("No further liquidation in this run.");
      return;
    }
    this.seek(next.tick);
    this.select({ account: next.account, event: next.id, side: "a" });
  }

  /** First and last second shown: what was zoomed to, in a replay all of it, in a live run what has happened. */
  span(tick) {
    if (this.zoomed) return this.zoomed;
    const { model } = this;
    return [0, Math.max(model.seconds(this.source.seekable ? model.ticks : tick), 60 * model.world.tick_seconds)];
  }

  zoom(times) {
    this.zoomed = times;
    this.change();
  }

  // --- what is chosen -----------------------------------------------------------------------------------------------

  select(choice) {
    this.selection = choice;
    if (choice) {
      const side = this.model.sides[choice.side ?? "a"];
      const event = side.events.find((one) => (choice.event === undefined ? one.account === choice.account : one.id === choice.event));
      if (event && event.book >= 0 && event.book !== this.book) this.chooseBook(event.book);
      if (!this.source.seekable) this.source.send({ do: "account", account: choice.account, side: choice.side ?? "a", ...this.place });
    }
    this.change();
  }

  chooseBook(book) {
    this.book = book;
    if (!this.source.seekable) this.source.send({ do: "select_book", book });
    this.change();
  }

  nextBook() {
    if (this.model) this.chooseBook((this.book + 1) % Math.max(1, this.model.world.books.length));
  }

  /** What the network is between: accounts, assets, or venues where there are several. */
  get nextEnds() {
    const ways = this.lab.whole ? ["account", "asset", "venue"] : ["account", "asset"];
    return ways[(ways.indexOf(this.ends) + 1) % ways.length];
  }

  turnNetwork() {
    if (!this.lab) return;
    this.ends = this.nextEnds;
    this.change();
  }

  set(setting, value, side) {
    if (setting.live) {
      this.source.send({ do: "set", path: setting.path, value, side, ...this.place });
      return;
    }
    this.late[`${side}|${setting.opens}`] = { side, path: setting.opens, value };
    this.status.say(`${setting.label}: takes effect when the run is restarted.`);
  }

  withLate() {
    const { set, compare } = this.asked;
    const made = { set: { ...set }, compare: compare && { ...compare, set: { ...compare.set } } };
    for (const { side, path, value } of Object.values(this.late)) {
      if (side !== "b") made.set[path] = value;
      if (side !== "a" && made.compare) made.compare.set[path] = value;
    }
    return made;
  }

  shock(message) {
    this.source.send({ ...message, side: this.settings.side?.value ?? "both", ...this.place });
  }

  // --- looks --------------------------------------------------------------------------------------------------------

  switchTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    this.recolour();
  }

  recolour() {
    forgetColours();
    this.change();
  }

  help() {
    const dialog = byId("dialog");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  escape() {
    if (byId("dialog").open) byId("dialog").close();
    else if (this.start && !this.start.box.hidden) {
      if (this.model) this.start.hide();
    } else if (this.selection) this.select(null);
    else this.status.clear();
  }

  /** Something else is chosen: every view is drawn again. */
  change() {
    this.stamp += 1;
    this.redraw();
  }

  /** Draw at the next chance the browser gives; `view` alone follows the pointer. */
  redraw(view = null) {
    this.pointed = view ?? this.pointed;
    if (this.due || !this.model) return;
    this.due = true;
    requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.due = false;
    this.time.draw();
    this.whole.draw(this.tick);
    this.venues.draw(this.tick);
    this.kpis.draw(this.tick);
    this.panels.draw();
    this.drawer.draw(this.tick);
    this.tour.follow(this.model.sides.a);
    this.pointed = null;
    this.updates += 1;
    for (const acknowledge of this.acknowledge.splice(0)) acknowledge();
  }
}
