// Contagion as it spreads: liquidated accounts from left to right in time, joined to those whose forced sales
// brought them down; or, by asset, which asset's forced sales made losses on which.

import { Surface, colours, faded, legend, timeSteps } from "../chart.js";
import { clock, short, usd, whole } from "../format.js";
import { circle } from "./circle.js";
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
    if (this.app.ends === "account") this.accounts(side, tick);
    else if (this.app.ends === "asset") this.assets(side, tick);
    else this.venues(tick);
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
      const place = x(time / seconds);
      if (place > 26 && place < surface.width - 26) surface.text(clock(time), place, surface.height - 9, { align: "center" });
    }
    const more = total > shown.length ? `, ${shown.length} largest shown` : "";
    legend(surface, [
      { name: "by prices outside", brief: "by prices", colour: paint.orange, shape: "dot" }, { name: "mostly by others' forced sales", brief: "by forced sales", colour: paint.vermillion, shape: "dot" },
    ], { note: `${whole(total)} accounts${surface.width > 560 ? more : ""}` });
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

  /** Left whose forced sales, right on what they lost somebody money; a band is as wide as the loss is large. */
  assets(side, tick) {
    const { surface } = this;
    const paint = colours();
    const { source, target, usd: sums } = side.stateAt(tick)?.asset_edges ?? side.assetEdges;
    const total = sums.reduce((sum, value) => sum + value, 0);
    if (!(total > 0)) {
      surface.text("no forced sale has cost anybody anything yet", surface.width / 2, surface.height / 2, { align: "center" });
      return;
    }
    const names = [...new Set([...source, ...target])].sort();
    const [top, gap] = [44, 12];
    const scale = (surface.height - top - 14 - gap * (names.length - 1)) / total;
    const [left, right] = [78, surface.width - 78];
    const ends = [[source, left - 8], [target, right]].map(([list, x]) => {
      let y = top;
      return new Map(names.filter((name) => list.includes(name)).map((name) => {
        const value = sums.reduce((sum, one, at) => sum + (list[at] === name ? one : 0), 0);
        const node = { x, y, value, height: Math.max(2, value * scale), used: 0 };
        y += node.height + gap;
        return [name, node];
      }));
    });
    const order = sums.map((_, at) => at).sort((one, other) => names.indexOf(source[one]) - names.indexOf(source[other]) || names.indexOf(target[one]) - names.indexOf(target[other]));
    for (const at of order) {
      const [from, to] = [ends[0].get(source[at]), ends[1].get(target[at])];
      const height = Math.max(1, sums[at] * scale);
      const [y, end, middle] = [from.y + from.used + height / 2, to.y + to.used + height / 2, (left + right) / 2];
      from.used += height;
      to.used += height;
      pen.strokeStyle = faded(source[at] === target[at] ? paint.vermillion : paint.orange, 0.6);
      pen.lineWidth = height;
      pen.beginPath();
      pen.moveTo(left, y);
      pen.bezierCurveTo(middle, y, middle, end, right, end);
      pen.stroke();
    }
    ends.forEach((nodes, at) => {
      for (const [name, { x, y, height, value }] of nodes) {
        pen.fillStyle = paint.muted;
        pen.fillRect(x, y, 8, height);
        const [edge, align] = at ? [x + 14, "left"] : [x - 6, "right"];
        const middle = Math.min(y + height / 2, surface.height - 20);
        surface.text(name, edge, middle - 7, { align, colour: paint.ink, bold: true });
        surface.text(short(value), edge, middle + 7, { align });
      }
    });
    surface.text("forced sales of", 8, 28);
    surface.text("cost others on", surface.width - 8, 28, { align: "right" });
    legend(surface, [
      { name: "the same asset", brief: "same", colour: paint.vermillion, shape: "area" }, { name: "another asset", brief: "another", colour: paint.orange, shape: "area" },
    ], { note: "USD" });
  }

  /** By venue: what forced sales on one, and claims on it, cost accounts of another before they broke. */
  venues(tick) {
    const { surface, app } = this;
    const paint = colours();
    const crossings = app.lab.whole?.[this.name]?.stateAt(tick)?.crossings ?? [];
    const edges = crossings.flatMap(({ source, target, forced_usd: forced, claims_usd: claims }) => [
      { source, target, usd: forced, bend: 0.22, colour: paint.vermillion }, { source, target, usd: claims, bend: 0.42, colour: paint.blue },
    ]).filter((edge) => edge.usd >= 1);
    circle(surface, app.lab.names, edges);
    legend(surface, [
      { name: "forced sales", colour: paint.vermillion, shape: "area" }, { name: "claims worth less", colour: paint.blue, shape: "area" },
    ], { note: "USD of margin lost before liquidation" });
    if (!edges.length) surface.text("nobody has been liquidated yet, or nothing crossed", surface.width / 2, surface.height - 12, { align: "center" });
  }
}
