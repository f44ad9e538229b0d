// Who has borne losses so far, layer by layer; below the line the parts of gross bad debt.

import { Surface, colours } from "../chart.js";
import { usd } from "../format.js";

const LAYERS = [
  ["collateral_usd", "own equity of failed accounts", "own equity", "muted"],
  ["vault_usd", "backstop vault", "vault", "purple"],
  ["fund_usd", "insurance fund", "fund", "blue"],
  ["adl_usd", "auto-deleveraging", "ADL", "orange"],
  ["socialised_usd", "socialised", "socialised", "sky"],
  ["uncovered_usd", "uncovered", "uncovered", "vermillion"],
  ["still_open_usd", "still open", "still open", "green"],
];
const BEFORE = 2;

export class WaterfallView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Losses so far by who bore them, in USD");
  }

  draw(side, tick) {
    const { surface } = this;
    const { pen } = surface;
    const paint = colours();
    const layers = side.stateAt(tick)?.waterfall;
    surface.clear();
    if (!layers) {
      surface.text("no losses were recorded", 8, 14);
      return;
    }
    const largest = Math.max(1, ...LAYERS.map(([key]) => layers[key] ?? 0));
    const debt = LAYERS.slice(BEFORE).reduce((sum, [key]) => sum + (layers[key] ?? 0), 0);
    const long = surface.width >= 350;
    const names = LAYERS.map(([, name, brief]) => (long ? name : brief));
    const left = 18 + Math.max(...names.map((name) => pen.measureText(name).width));
    const width = surface.width - left - 78;
    const height = Math.min(26, (surface.height - 30) / (LAYERS.length + 0.6));
    LAYERS.forEach(([key, , , colour], at) => {
      const y = 6 + at * height + (at >= BEFORE ? 0.6 * height : 0);
      const value = layers[key] ?? 0;
      surface.text(names[at], left - 8, y + height / 2, { align: "right", colour: paint.ink });
      pen.fillStyle = paint[colour];
      if (value > 0) pen.fillRect(left, y + 3, Math.max(1.5, (width * value) / largest), height - 6);
      surface.text(usd(value), left + (value > 0 ? (width * value) / largest : 0) + 6, y + height / 2);
    });
    const y = 6 + (BEFORE + 0.3) * height;
    pen.strokeStyle = paint.line;
    pen.beginPath();
    pen.moveTo(8, y);
    pen.lineTo(surface.width - 8, y);
    pen.stroke();
    surface.text(`gross bad debt ${usd(debt)}`, surface.width - 8, surface.height - 9, { align: "right", colour: debt > 0 ? paint.alarm : paint.muted, bold: true });
  }
}
