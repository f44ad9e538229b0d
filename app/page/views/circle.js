// Names on a circle and money between them: arrows as wide as the USD lost on their end because of their start.

import { colours, faded } from "../chart.js";
import { short } from "../format.js";

const ROOM = 9;

/** `edges` are {source, target, usd, colour, bend}; what begins and ends at one name is a ring around it. */
export function circle(surface, names, edges) {
  const { pen } = surface;
  const paint = colours();
  const radius = Math.min(surface.width, surface.height) * 0.32;
  const centre = [surface.width / 2, surface.height / 2 + 6];
  const widest = Math.min(2.2, (0.4 * surface.width) / radius);
  const place = new Map(names.map((name, at) => {
    const angle = (2 * Math.PI * at) / names.length - Math.PI / (names.length === 2 ? 1 : 2);
    return [name, [centre[0] + widest * radius * Math.cos(angle), centre[1] + radius * Math.sin(angle)]];
  }));
  pen.font = `600 11px ${paint.font}`;
  const half = new Map(names.map((name) => [name, Math.max(17, pen.measureText(name).width / 2 + ROOM)]));
  const most = Math.max(...edges.map((edge) => edge.usd), 1);
  const labels = edges.map((edge) => {
    const [from, to] = [place.get(edge.source), place.get(edge.target)];
    pen.strokeStyle = pen.fillStyle = faded(edge.colour, 0.75);
    pen.lineWidth = 1 + (9 * edge.usd) / most;
    return edge.source === edge.target ? ring(pen, from, half.get(edge.source), centre) : arrow(pen, from, to, half.get(edge.target), edge.bend);
  });
  for (const [name, [x, y]] of place) {
    pen.fillStyle = paint.panel;
    pen.strokeStyle = paint.blue;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.roundRect(x - half.get(name), y - 15, 2 * half.get(name), 30, 15);
    pen.fill();
    pen.stroke();
    surface.text(name, x, y, { align: "center", colour: paint.ink, bold: true });
  }
  edges.forEach((edge, at) => surface.text(`${short(edge.usd)} USD`, ...labels[at], { align: "center", colour: paint.ink }));
}

function ring(pen, [x, y], half, centre) {
  pen.beginPath();
  const gap = 3 + pen.lineWidth / 2;
  pen.roundRect(x - half - gap, y - 15 - gap, 2 * (half + gap), 2 * (15 + gap), 15 + gap);
  pen.stroke();
  return [x, y + (y < centre[1] - 1 ? -34 : 36)];
}

function arrow(pen, from, to, half, bend) {
  const middle = [(from[0] + to[0]) / 2 + (from[1] - to[1]) * bend, (from[1] + to[1]) / 2 + (to[0] - from[0]) * bend];
  const [dx, dy] = [to[0] - middle[0], to[1] - middle[1]];
  const length = Math.hypot(dx, dy) || 1;
  // The tip touches the box around the name.
  const inside = Math.min(half / (Math.abs(dx / length) || 1e-9), 15 / (Math.abs(dy / length) || 1e-9)) + 4;
  const size = 6 + pen.lineWidth;
  const at = (back) => [to[0] - (dx / length) * back, to[1] - (dy / length) * back];
  const [tip, base] = [at(inside), at(inside + size)];
  pen.beginPath();
  pen.moveTo(...from);
  pen.quadraticCurveTo(...middle, ...base);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(...tip);
  pen.lineTo(base[0] - (dy / length) * size * 0.6, base[1] + (dx / length) * size * 0.6);
  pen.lineTo(base[0] + (dy / length) * size * 0.6, base[1] - (dx / length) * size * 0.6);
  pen.fill();
  return [(from[0] + to[0]) / 4 + middle[0] / 2, (from[1] + to[1]) / 4 + middle[1] / 2];
}
