// Contagion as it spreads: liquidated accounts from left to right in time, joined to those whose forced sales
// brought them down; or, by asset, which asset's forced sales made losses on which.

import { Surface, colours, faded, legend, timeSteps } from "../chart.js";
import { clock, short, usd } from "../format.js";
import { box } from "./price.js";

const MOST_NODES = 500;
const GOLDEN = 0.6180339887498949;
const OUTSIDE = -1;

export class NetworkView {
  constructor(box_, app, name) {
    this.app = app;
    this.name = name;
    this.known = new Map();
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

  /** Who brought down each account most, how much of its loss others made, and its height: near whoever did. */
  settle(side) {
    if (side !== this.side || this.read > side.edges.length) {
      this.known.clear();
      this.roots = this.read = 0;
      this.side = side;
    }
    const fresh = new Set();
    for (; this.read < side.edges.length; this.read++) {
      const { source, target, usd: part } = side.edges[this.read];
      let known = this.known.get(target);
      if (!known) this.known.set(target, (known = { outside: 0, others: 0, parent: null, most: 0, place: null }));
      if (source === OUTSIDE) known.outside += part;
      else {
        known.others += part;
        if (part > known.most) [known.most, known.parent] = [part, source];
      }
      fresh.add(target);
    }
    for (const target of fresh) {
      const known = this.known.get(target);
      if (known.place !== null) continue;
      const parent = known.others > known.outside ? this.known.get(known.parent)?.place : undefined;
      if (parent === undefined || parent === null) {
        this.roots += 1;
        known.place = (this.roots * GOLDEN) % 1;
      } else {
        const spread = (((target * 7919) % 1009) / 1009 - 0.5) * 0.3;
        known.place = parent + spread < 0 || parent + spread > 1 ? parent - spread : parent + spread;
      }
    }
  }

  draw(side, tick) {
    this.settle(side);
    this.surface.clear();
    this.nodes = [];
    if (this.app.byAsset) this.assets(side, tick);
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
    const last = Math.max(...shown.map((node) => node.first), first + 30);
    const [top, bottom] = [24, surface.height - 22];
    const x = (at) => 14 + ((at - first) / (last - first)) * (surface.width - 28);
    const largest = Math.max(...shown.map((node) => node.usd));
    for (const node of shown) {
      node.x = x(node.first);
      const known = this.known.get(node.account);
      node.forced = known ? known.others > known.outside : false;
      node.y = top + (known?.place ?? (node.account * GOLDEN) % 1) * (bottom - top);
      node.radius = (1.8 + 8 * Math.sqrt(node.usd / largest)) * (surface.width < 400 ? 0.6 : 1);
    }
    const at = new Map(shown.map((node) => [node.account, node]));
    this.lines(side, tick, at, chosen);
    for (const [forced, colour] of [[false, paint.orange], [true, paint.vermillion]]) {
      pen.fillStyle = faded(colour, chosen === undefined ? 0.8 : 0.35);
      pen.beginPath();
      for (const node of shown) {
        if (node.forced !== forced) continue;
        pen.moveTo(node.x + node.radius, node.y);
        pen.arc(node.x, node.y, node.radius, 0, 7);
      }
      pen.fill();
    }
    const mine = at.get(chosen);
    if (mine) this.ring(mine, paint);
    for (const time of timeSteps(first * seconds, last * seconds, surface.width / 100)) {
      surface.text(clock(time), x(time / seconds), surface.height - 9, { align: "center" });
    }
    const more = total > shown.length && surface.width > 560 ? `, ${shown.length} largest shown` : "";
    if (surface.width > 400) surface.text(`${total} accounts${more}`, surface.width - 8, 10, { align: "right" });
    legend(surface, [
      { name: "by prices outside", colour: paint.orange, shape: "dot" }, { name: surface.width > 400 ? "mostly by others' forced sales" : "by others' sales", colour: paint.vermillion, shape: "dot" },
    ], 6, 10);
    this.nodes = shown;
    this.tip(seconds);
  }

  /** From each account to the one that cost it most; of the chosen one all that are known. */
  lines(side, tick, at, chosen) {
    const { pen } = this.surface;
    const paint = colours();
    pen.strokeStyle = faded(paint.muted, chosen === undefined ? 0.5 : 0.2);
    pen.lineWidth = 0.8;
    pen.beginPath();
    for (const [account, node] of at) {
      const parent = node.forced && at.get(this.known.get(account).parent);
      if (parent) this.curve(parent, node);
    }
    pen.stroke();
    if (chosen === undefined) return;
    for (const [field, colour] of [["target", paint.blue], ["source", paint.orange]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (const edge of side.edges) {
        if (edge[field] === chosen && edge.tick <= tick && at.has(edge.source) && at.has(edge.target)) this.curve(at.get(edge.source), at.get(edge.target));
      }
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
  assets(side, tick) {
    const { surface } = this;
    const { pen } = surface;
    const paint = colours();
    const { source, target, usd: sums } = side.stateAt(tick)?.asset_edges ?? side.assetEdges;
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
