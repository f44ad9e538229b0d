// What is known of a run: columns that grow, and stay bounded however long it runs.

const MOST_ROWS = 20_000;
const MOST_EVENTS = 30_000;
const MOST_EDGES = 30_000;
const MOST_POINTS = 240;
const PARTS = ["ladder", "ratios", "waterfall", "at_risk", "kpis"];

/** Columns of numbers over ticks that rise; beyond `most` rows every bucket keeps its lowest and highest. */
export class Columns {
  constructor(names, most = MOST_ROWS) {
    this.names = names;
    this.most = most;
    this.n = 0;
    this.room = 0;
    this.tick = new Float64Array(0);
    this.data = Object.fromEntries(names.map((name) => [name, new Float64Array(0)]));
  }

  /** Take over whole columns at once (a replay). */
  static of(tick, data) {
    const made = new Columns(Object.keys(data), Infinity);
    made.tick = tick;
    made.data = data;
    made.n = made.room = tick.length;
    return made;
  }

  append(tick, data) {
    const more = tick.length;
    if (!more) return;
    if (this.n + more > this.most) this.thin(Math.floor(this.most / 2));
    if (this.n + more > this.room) this.grow(this.n + more);
    this.tick.set(tick, this.n);
    for (const name of this.names) {
      const column = data[name];
      for (let row = 0; row < more; row++) this.data[name][this.n + row] = column[row] ?? NaN;
    }
    this.n += more;
  }

  grow(needed) {
    this.room = Math.max(needed, 2 * this.room, 256);
    const larger = (old) => {
      const made = new Float64Array(this.room);
      made.set(old.subarray(0, this.n));
      return made;
    };
    this.tick = larger(this.tick);
    for (const name of this.names) this.data[name] = larger(this.data[name]);
  }

  /** Keep about `rows` of the rows: those at which the first column is lowest and highest in its bucket. */
  thin(rows) {
    const first = this.data[this.names[0]];
    const width = Math.ceil((2 * this.n) / rows);
    const kept = [];
    for (let from = 0; from < this.n; from += width) {
      const to = Math.min(from + width, this.n);
      let low = from;
      let high = from;
      for (let row = from; row < to; row++) {
        if (first[row] < first[low]) low = row;
        if (first[row] > first[high]) high = row;
      }
      kept.push(Math.min(low, high));
      if (low !== high) kept.push(Math.max(low, high));
    }
    kept.forEach((row, place) => {
      this.tick[place] = this.tick[row];
      for (const name of this.names) this.data[name][place] = this.data[name][row];
    });
    this.n = kept.length;
  }

  /** Rows up to a tick, that tick included. */
  upTo(tick) {
    return upperBound(this.tick, tick, this.n);
  }
}

/** How many of the first `n` values are at most `limit`; they rise. */
export function upperBound(values, limit, n = values.length) {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Figures over time, and how things stood at some moments. */
export class Course {
  constructor() {
    this.states = [];
    this.points = { tick: [], values: new Map() };
  }

  addPoint(tick, kpis) {
    const { points } = this;
    if (points.tick.at(-1) === tick) return;
    points.tick.push(tick);
    for (const [key, figure] of Object.entries(kpis)) {
      if (!points.values.has(key)) points.values.set(key, new Array(points.tick.length - 1).fill(null));
      points.values.get(key).push(figure.value);
    }
    for (const values of points.values.values()) if (values.length < points.tick.length) values.push(null);
    if (points.tick.length > MOST_POINTS) {
      const keep = (list) => list.filter((_, at) => at % 2 === 0);
      points.tick = keep(points.tick);
      for (const [key, values] of points.values) points.values.set(key, keep(values));
    }
  }

  /** How things stood at a tick: the last state told by then; nothing before the first. */
  stateAt(tick) {
    let found = null;
    for (const state of this.states) {
      if (state.tick > tick) break;
      found = state;
    }
    return found ?? this.states[0] ?? null;
  }
}

/** One design: everything that has been told of it. */
export class Side extends Course {
  constructor(world) {
    super();
    this.world = world;
    this.version = 0;
    this.series = world.books.map(() => new Columns(["mark", "index", "reference", "bid", "ask"]));
    this.claims = new Columns(["open_claims", "messages"]);
    this.depth = world.books.map(() =>
      new Columns(world.depth_bps.flatMap((_, at) => [`bid${at}`, `ask${at}`]).concat("open_interest_usd"), 4_000));
    this.events = [];
    this.eventTicks = [];
    this.accounts = new Map();
    this.edges = [];
    this.assetEdges = { source: [], target: [], usd: [] };
    this.log = [];
    this.pending = 0;
    this.pools = (world.pools ?? []).map(() => new Columns(["base", "quote"]));
    this.lending = (world.lent ?? []).map(() => new Columns(["utilisation", "borrow_rate", "liquidity_usd"], 4_000));
  }

  /** Take in a frame's side. */
  add(tick, told) {
    this.version += 1;
    const { series, depth } = told;
    series.books.forEach((book, at) => this.series[at].append(series.tick, book));
    this.claims.append(series.tick, series);
    depth.books.forEach((book, at) => {
      const columns = { open_interest_usd: book.open_interest_usd };
      book.bid.forEach((column, distance) => (columns[`bid${distance}`] = column));
      book.ask.forEach((column, distance) => (columns[`ask${distance}`] = column));
      this.depth[at].append(depth.tick, columns);
    });
    series.pools?.forEach((pool, at) => this.pools[at].append(series.tick, pool));
    depth.lending?.forEach((asset, at) => this.lending[at].append(depth.tick, asset));
    this.addEvents(told.events);
    this.addEdges(told.edges);
    this.assetEdges = told.asset_edges;
    this.pending = told.pending_causes;
    for (const entry of told.log) this.log.push(entry);
    if (this.log.length > 500) this.log.splice(0, this.log.length - 500);
    this.states = [{ tick, ...Object.fromEntries(PARTS.map((part) => [part, told[part]])) }];
    this.addPoint(tick, told.kpis);
  }

  addEvents(columns) {
    const names = Object.keys(columns);
    for (let row = 0; row < columns.id.length; row++) {
      const event = {};
      for (const name of names) event[name] = columns[name][row];
      this.events.push(event);
      this.eventTicks.push(event.tick);
      const known = this.accounts.get(event.account);
      if (known) {
        known.usd += event.usd;
        known.last = event.tick;
      } else {
        this.accounts.set(event.account, { name: event.name, usd: event.usd, first: event.tick, last: event.tick, causes: [] });
      }
    }
    if (this.events.length > MOST_EVENTS) {
      this.events.splice(0, this.events.length - MOST_EVENTS + 1000);
      this.eventTicks.splice(0, this.eventTicks.length - this.events.length);
    }
  }

  addEdges({ source, target, usd, tick }) {
    for (let row = 0; row < usd.length; row++) {
      const edge = { source: source[row], target: target[row], usd: usd[row], tick: tick[row] };
      this.edges.push(edge);
    }
    if (this.edges.length > MOST_EDGES) {
      this.edges.sort((one, other) => other.usd - one.usd);
      this.edges.length = MOST_EDGES / 2;
      this.edges.sort((one, other) => one.tick - other.tick);
    }
  }

  /** Forced fills up to a tick. */
  eventsUpTo(tick) {
    return upperBound(this.eventTicks, tick);
  }
}

/** The whole page's data: one world, one or two designs, and the moment that is looked at. */
export class Model {
  constructor(world) {
    this.world = world;
    this.sides = { a: new Side(world) };
    if (world.compare) this.sides.b = new Side(world);
    this.tick = 0;
    this.ticks = world.ticks;
    this.playing = false;
    this.done = false;
  }

  addFrame(frame) {
    this.at(frame);
    this.addSides(frame);
  }

  at(frame) {
    this.tick = frame.tick;
    this.ticks = frame.ticks;
    this.playing = frame.playing;
    this.done = frame.done;
  }

  addSides(frame) {
    for (const [name, told] of Object.entries(frame.sides)) this.sides[name]?.add(frame.tick, told);
  }

  seconds(tick) {
    return tick * this.world.tick_seconds;
  }

  /** Sides in order: [["a", side]] or with "b". */
  get designs() {
    return Object.entries(this.sides);
  }
}
