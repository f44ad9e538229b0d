// A finished run whose columns are in the page: base64 of deflated bytes, whole numbers as differences.

import { Columns } from "./store.js";
import { Laboratory } from "./venues.js";

const ARRAYS = { i1: Int8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

/** Bytes of a base64 text, inflated. */
async function inflated(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Header and columns: four bytes of length, JSON, then arrays one after the other. */
export async function unpack(text) {
  const buffer = await inflated(text);
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  let at = 4 + length;
  for (const { name, type, n, scale, difference } of told.columns) {
    const kind = ARRAYS[type];
    const values = new kind(buffer.slice(at, at + n * kind.BYTES_PER_ELEMENT));
    at += n * kind.BYTES_PER_ELEMENT;
    const made = new Float64Array(n);
    let sum = 0;
    for (let row = 0; row < n; row++) {
      sum = difference ? sum + values[row] : values[row];
      made[row] = scale === 1 ? sum : Number((sum * scale).toPrecision(12));
    }
    columns[name] = made;
  }
  return { ...told, columns };
}

/** Everything that is known of a finished run, of each of its venues. */
export function recorded(told) {
  const lab = new Laboratory(told.world);
  for (const part of told.venues) fill(lab.models.get(part.name), part, told.columns);
  for (const state of told.whole ?? []) lab.whole.a.addPoint(state.tick, state.kpis);
  if (told.whole) lab.whole.a.states = told.whole;
  return lab;
}

function fill(model, told, columns) {
  const side = model.sides.a;
  const whose = told.name ? `${told.name}/` : "";
  const column = (name) => columns[whose + name];
  const own = (made, times, prefix) =>
    column(`${prefix}.${made.names[0]}`) ? Columns.of(column(times), Object.fromEntries(made.names.map((name) => [name, column(`${prefix}.${name}`)]))) : made;
  side.series = side.series.map((made, at) => own(made, "series.tick", `series.${at}`));
  side.depth = side.depth.map((made, at) => own(made, "depth.tick", `depth.${at}`));
  side.pools = side.pools.map((made, at) => own(made, "series.tick", `pools.${at}`));
  side.lending = side.lending.map((made, at) => own(made, "lending.tick", `lending.${at}`));
  const names = told.accounts;
  const numbers = ["id", "tick", "account", "book", "side", "usd", "price", "kind"];
  const events = Object.fromEntries(numbers.map((name) => [name, column(`events.${name}`)]));
  events.kind = [...events.kind].map((kind) => told.kinds[kind]);
  events.name = [...events.account].map((account) => names[account]);
  side.addEvents(events);
  side.addEdges(Object.fromEntries(["source", "target", "usd", "tick"].map((name) => [name, column(`edges.${name}`)])));
  side.assetEdges = told.asset_edges;
  side.log = told.log;
  side.states = told.states;
  for (const state of told.states) side.addPoint(state.tick, state.kpis);
  side.version = 1;
  model.tick = 0;
}

/** Time that runs through a finished run as the page's clock does. */
export class ReplaySource {
  constructor({ ticks, onmove, onstop }) {
    this.seekable = true;
    this.ticks = ticks;
    this.at = 0;
    this.speed = 60;
    this.playing = false;
    this.handlers = { onmove, onstop };
  }

  send(message) {
    const ways = {
      play: () => {
        if (this.at >= this.ticks) this.at = 0;
        this.speed = message.ticks_per_second;
        if (!this.playing) {
          this.playing = true;
          this.last = null;
          requestAnimationFrame((now) => this.step(now));
        }
      },
      pause: () => this.stop(),
      step: () => this.seek(this.at + message.ticks),
      restart: () => this.seek(0),
    };
    ways[message.do]?.();
  }

  step(now) {
    if (!this.playing) return;
    if (this.last !== null) this.at = Math.min(this.ticks, this.at + ((now - this.last) / 1000) * this.speed);
    this.last = now;
    this.handlers.onmove(Math.floor(this.at));
    if (this.at >= this.ticks) this.stop();
    else requestAnimationFrame((next) => this.step(next));
  }

  stop() {
    this.playing = false;
    this.handlers.onstop();
  }

  seek(tick) {
    this.at = Math.max(0, Math.min(this.ticks, tick));
    this.handlers.onmove(Math.floor(this.at));
  }
}
