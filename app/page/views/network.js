// Contagion as it spreads: liquidated accounts from left to right in time, joined to those whose forced sales
// brought them down; or, by asset, which asset's forced sales made losses on which.

import { Surface, colours, faded, timeSteps } from "../chart.js";
import { clock, short, usd } from "../format.js";
import { box } from "./price.js";

const MOST_NODES = 500;
const MOST_EDGES = 1200;
const GOLDEN = 0.6180339887498949;
const OUTSIDE = -1;

export class NetworkView {
  constructor(box_, app, name) {
    this.app = app;
    this.name = name;
    this.places = new Map();
    this.roots = 0;
    this.read = 0;
    this.side = null;
    this.nodes = [];
    this.pointer = null;
    this.surface = new Surface(box_, "Liquidated accounts and who brought down whom");
    const { canvas } = this.surface;
    canvas.addEventListener("pointermove", (event) => this.hover([event.offsetX, event.offsetY]));
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("click", (event) => {
      const node = this.nearest(event.offsetX, event.offsetY);
      this.app.select(node ? { account: node.account, side: this.name } : null);
    });
  }

  hover(pointer) {
    this.pointer = pointer;
    this.app.redraw(this);
  }

  nearest(x, y) {
    let best = null;
    for (const node of this.nodes) {
      const distance = Math.hypot(node.x - x, node.y - y) - node.radius;
      if (distance < 12 && (!best || distance < best.distance)) best = { distance, node };
    }
    return best?.node ?? null;
  }

  /** Give new accounts a height: beside the one that cost them most, or, where none did, a place of their own. */
  settle(side) {
    if (side !== this.side) {
      this.places.clear();
      this.roots = this.read = 0;
      this.side = side;
    }
    if (this.read > side.edges.length) this.read = 0;
    const costliest = new Map();
    for (; this.read < side.edges.length; this.read++) {
      const edge = side.edges[this.read];
      const before = costliest.get(edge.target);
      if (!before || edge.usd > before.usd) costliest.set(edge.target, edge);
    }
    for (const [account, edge] of costliest) {
      if (this.places.has(account)) continue;
      const parent = edge.source === OUTSIDE ? undefined : this.places.get(edge.source);
      if (parent === undefined) {
        this.roots += 1;
        this.places.set(account, (this.roots * GOLDEN) % 1);
      } else {
        const jitter = (((account * 7919) % 101) / 101 - 0.5) * 0.16;
        this.places.set(account, Math.min(1, Math.max(0, parent + jitter)));
      }
    }
  }

  draw(side, tick) {
    this.settle(side);
    this.surface.clear();
    this.nodes = [];
    if (this.app.byAsset) this.assets(side);
    else this.accounts(side, tick);
  }

  accounts(side, tick) {
    const { surface, app } = this;
    const { pen } = surface;
    const paint = colours();
    const seconds = app.model.world.tick_seconds;
    const chosen = app.selection?.account;
    let shown = [];
    for (const [account, known] of side.accounts) {
      if (known.first <= tick) shown.push({ account, ...known });
    }
    const total = shown.length;
    if (!total) {
      surface.text("nobody has been liquidated yet", surface.width / 2, surface.height / 2, { align: "center" });
      return;
    }
    if (total > MOST_NODES) {
      shown.sort((one, other) => (other.account === chosen) - (one.account === chosen) || other.usd - one.usd);
      shown = shown.slice(0, MOST_NODES);
    }
    const first = Math.min(...shown.map((node) => node.first));
    const last = Math.max(tick, first + 1);
    const [top, bottom] = [24, surface.height - 22];
    const x = (at) => 14 + ((at - first) / (last - first)) * (surface.width - 28);
    const largest = Math.max(...shown.map((node) => node.usd));
    for (const node of shown) {
      node.x = x(node.first);
      const place = this.places.get(node.account) ?? ((node.account * GOLDEN) % 1);
      node.y = top + place * (bottom - top);
      node.radius = 1.8 + 8 * Math.sqrt(node.usd / largest);
    }
    const at = new Map(shown.map((node) => [node.account, node]));
    this.lines(side, tick, at, chosen);
    pen.fillStyle = faded(paint.vermillion, chosen === undefined ? 0.75 : 0.35);
    pen.beginPath();
    for (const node of shown) {
      pen.moveTo(node.x + node.radius, node.y);
      pen.arc(node.x, node.y, node.radius, 0, 7);
    }
    pen.fill();
    const mine = at.get(chosen);
    if (mine) this.ring(mine, paint);
    for (const time of timeSteps(first * seconds, last * seconds, surface.width / 100)) {
      surface.text(clock(time), x(time / seconds), surface.height - 9, { align: "center" });
    }
    const more = total > shown.length ? `, the ${shown.length} largest shown` : "";
    surface.text(`${total} accounts${more}; area: USD closed by force`, 8, 10);
    this.nodes = shown;
    this.tip(seconds);
  }

  lines(side, tick, at, chosen) {
    const { pen } = this.surface;
    const paint = colours();
    const seen = [];
    for (const edge of side.edges) {
      if (edge.source === OUTSIDE || edge.tick > tick) continue;
      if (at.has(edge.source) && at.has(edge.target)) seen.push(edge);
    }
    const strongest = seen.length > MOST_EDGES ? [...seen].sort((one, other) => other.usd - one.usd).slice(0, MOST_EDGES) : seen;
    const most = strongest.reduce((largest, edge) => Math.max(largest, edge.usd), 1);
    const buckets = [[], [], []];
    for (const edge of strongest) buckets[Math.min(2, Math.floor(3 * Math.sqrt(edge.usd / most)))].push(edge);
    buckets.forEach((edges, level) => {
      pen.strokeStyle = faded(paint.muted, (chosen === undefined ? 1 : 0.35) * [0.14, 0.3, 0.55][level]);
      pen.lineWidth = 0.6 + level * 0.7;
      pen.beginPath();
      for (const edge of edges) this.curve(at.get(edge.source), at.get(edge.target));
      pen.stroke();
    });
    if (chosen === undefined) return;
    for (const [field, colour] of [["target", paint.blue], ["source", paint.orange]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (const edge of seen) if (edge[field] === chosen) this.curve(at.get(edge.source), at.get(edge.target));
      pen.stroke();
    }
  }

  curve(one, other) {
    const { pen } = this.surface;
    const middle = (one.x + other.x) / 2;
    pen.moveTo(one.x, one.y);
    pen.bezierCurveTo(middle, one.y, middle, other.y, other.x, other.y);
  }

  ring(node, paint) {
    const { pen } = this.surface;
    pen.fillStyle = paint.vermillion;
    pen.strokeStyle = paint.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(node.x, node.y, node.radius + 2, 0, 7);
    pen.fill();
    pen.stroke();
  }

  tip(seconds) {
    if (!this.pointer) return;
    const node = this.nearest(...this.pointer);
    if (node) box(this.surface, [node.name, `${usd(node.usd)} closed by force`, `from ${clock(node.first * seconds)}`], ...this.pointer);
  }

  /** Assets on a circle; width of an arrow: USD lost on its end through forced sales of its start. */
  assets(side) {
    const { surface } = this;
    const { pen } = surface;
    const paint = colours();
    const { source, target, usd: sums } = side.assetEdges;
    const names = [...new Set([...source, ...target])].sort();
    if (!names.length) {
      surface.text("no forced sale has cost anybody anything yet", surface.width / 2, surface.height / 2, { align: "center" });
      return;
    }
    const radius = Math.min(surface.width, surface.height) * 0.32;
    const centre = [surface.width / 2, surface.height / 2 + 6];
    const place = new Map(names.map((name, at) => {
      const angle = (2 * Math.PI * at) / names.length - Math.PI / 2;
      return [name, [centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle)]];
    }));
    const most = Math.max(...sums);
    sums.forEach((value, at) => {
      const [from, to] = [place.get(source[at]), place.get(target[at])];
      const self = source[at] === target[at];
      pen.strokeStyle = faded(self ? paint.vermillion : paint.orange, 0.75);
      pen.lineWidth = 1 + (9 * value) / most;
      pen.beginPath();
      if (self) pen.arc(from[0], from[1], 20 + pen.lineWidth / 2, 0, 7);
      else {
        pen.moveTo(...from);
        pen.quadraticCurveTo(centre[0] + (from[1] - to[1]) * 0.25, centre[1] + (to[0] - from[0]) * 0.25, ...to);
      }
      pen.stroke();
      const label = self ? [from[0], from[1] + (from[1] < centre[1] ? -34 : 36)] : [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
      surface.text(`${short(value)} USD`, ...label, { align: "center", colour: paint.ink });
    });
    for (const [name, [x, y]] of place) {
      pen.fillStyle = paint.panel;
      pen.strokeStyle = paint.blue;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 17, 0, 7);
      pen.fill();
      pen.stroke();
      surface.text(name, x, y, { align: "center", colour: paint.ink, bold: true });
    }
    surface.text("USD lost through forced sales: on the same asset (ring), on another (line)", 8, 10);
  }
}
