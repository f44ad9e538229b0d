// Figures so far, each with its course; two designs with their difference; where this run lies in a study.

import { colours } from "../chart.js";
import { make, mark, say } from "../dom.js";
import { MISSING, withUnit } from "../format.js";
import { upperBound } from "../store.js";

const NAMES = { a: "A", b: "B" };
const SAME = "same";

export class KpiStrip {
  /** `designs` gives what has the figures: [["a", course]], with "b" of two designs. */
  constructor(box, app, designs) {
    this.app = app;
    this.designs = designs;
    this.box = box;
    this.tiles = new Map();
    this.width = this.height = 0;
    new ResizeObserver(() => this.measure()).observe(box);
  }

  /** For another run, or another venue. */
  clear() {
    this.tiles.clear();
    this.box.replaceChildren();
  }

  /** Sizes are read here and not while drawing, where every read would lay the page out anew. */
  measure() {
    const [tile] = this.tiles.values();
    const [width, height] = tile ? [tile.canvas.clientWidth, tile.canvas.clientHeight] : [0, 0];
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    this.app.change();
  }

  draw(tick) {
    const designs = this.designs().map(([name, side]) => [name, side, side.stateAt(tick)?.kpis ?? {}]);
    if (!designs.length) return;
    this.keep(Object.keys(designs[0][2]));
    for (const key of Object.keys(designs[0][2])) {
      const tile = this.tile(key);
      const figures = designs.map(([, , kpis]) => kpis[key]);
      const [first, second] = figures;
      say(tile.label, first.label);
      tile.label.title = first.label;
      if (designs.length > 1) {
        const change = difference(first, second);
        this.value(tile, change, change === SAME || first.unit === "×" ? "" : first.unit);
        say(tile.note, designs.map(([name], at) => `${NAMES[name]} ${withUnit(figures[at]?.value, "")}`).reverse().join(" − "));
      } else {
        this.value(tile, withUnit(first.value, first.unit === "×" || first.unit === "%" ? first.unit : ""), first.unit === "×" || first.unit === "%" ? "" : first.unit);
        say(tile.note, first.parts ? parts(first) : this.place(key, first.value));
      }
      mark(tile.element, "empty", !figures.some((figure) => figure?.value));
      sparkline(tile.canvas, designs.map(([, side]) => course(side, key, tick)), this.width, this.height);
    }
  }

  /** Tiles of these figures and no others, in their order: which book is the main one can change. */
  keep(keys) {
    if (keys.length === this.tiles.size && keys.every((key) => this.tiles.has(key))) return;
    for (const [key, tile] of this.tiles) {
      tile.element.remove();
      if (!keys.includes(key)) this.tiles.delete(key);
    }
    this.box.append(...keys.map((key) => this.tile(key).element));
  }

  tile(key) {
    let tile = this.tiles.get(key);
    if (!tile) {
      const [label, figure, unit, note] = [make("dt"), make("b"), make("span"), make("small")];
      const value = make("dd", {}, figure, unit);
      const canvas = make("canvas", { "aria-hidden": "true" });
      const element = make("div", { class: "tile", "data-kpi": key }, label, value, note, canvas);
      this.box.append(element);
      this.tiles.set(key, (tile = { element, label, figure, unit, note, canvas }));
      requestAnimationFrame(() => this.measure());
    }
    return tile;
  }

  value(tile, figure, unit) {
    say(tile.figure, figure);
    say(tile.unit, figure === MISSING ? "" : unit);
  }

  /** "above 62 % of 400 runs", where a study says how others ended. */
  place(key, value) {
    const study = this.app.model.world.study?.[key];
    if (!study || value === null) return "";
    const below = study.quantiles.filter(([, quantile]) => quantile < value).at(-1);
    if (below) return below[0] === 1 ? `above all of ${study.runs} runs` : `above ${Math.round(100 * below[0])} % of ${study.runs} runs`;
    return `${value < study.quantiles[0][1] ? "below all" : "as the lowest"} of ${study.runs} runs`;
  }
}

/** "exchange 345", a line for each venue that has a part. */
function parts(figure) {
  return Object.entries(figure.parts).filter(([, value]) => value).map(([name, value]) => `${name} ${withUnit(value, "")}`).join("\n");
}

function difference(one, other) {
  if (one?.value === null || other?.value === null || !one || !other) return MISSING;
  const change = other.value - one.value;
  return change === 0 ? SAME : `${change > 0 ? "+" : ""}${withUnit(change, one.unit === "×" ? "×" : "")}`;
}

function course(side, key, tick) {
  const { points } = side;
  return (points.values.get(key) ?? []).slice(0, upperBound(points.tick, tick));
}

/** A line without axes; several of one scale. */
function sparkline(canvas, courses, width, height) {
  const newest = `${width}|${courses.map((values) => `${values.length},${values.at(-1)}`)}|${colours().paper}`;
  if (canvas.newest === newest || !width) return;
  canvas.newest = newest;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const all = courses.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(0, ...all), Math.max(...all, 1e-9)];
  courses.forEach((values, at) => {
    pen.strokeStyle = at ? colours().orange : colours().blue;
    pen.lineWidth = 1.4;
    pen.beginPath();
    values.forEach((value, row) => {
      if (value === null) return;
      pen.lineTo((row / Math.max(1, values.length - 1)) * width, height - 2 - ((value - low) / (high - low)) * (height - 4));
    });
    pen.stroke();
  });
}
