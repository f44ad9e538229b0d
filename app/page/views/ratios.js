// How close accounts stand to liquidation: how many by margin ratio, above 100 % an account may be liquidated.

import { Surface, colours, legend } from "../chart.js";
import { whole } from "../format.js";

export class RatiosView {
  constructor(box, app) {
    this.app = app;
    this.surface = new Surface(box, "Number of accounts by margin ratio");
  }

  draw(side, tick) {
    const { surface } = this;
    const { pen } = surface;
    const paint = colours();
    const ratios = side.stateAt(tick)?.ratios;
    surface.clear();
    if (!ratios) {
      surface.text("no margin ratios were recorded", 8, 14);
      return;
    }
    const { counts, edges } = ratios;
    if (!counts.some(Boolean)) {
      surface.text("no account here owes anything or needs margin", 8, 14);
      return;
    }
    const highest = Math.log10(1 + Math.max(10, ...counts));
    const [left, top, bottom] = [42, 22, surface.height - 22];
    const width = (surface.width - left - 8) / counts.length;
    const y = (count) => bottom - ((bottom - top) * Math.log10(1 + count)) / highest;
    pen.strokeStyle = paint.grid;
    for (let count = 1; Math.log10(1 + count) <= highest; count *= 10) {
      const at = Math.round(y(count)) + 0.5;
      pen.beginPath();
      pen.moveTo(left, at);
      pen.lineTo(surface.width - 8, at);
      pen.stroke();
      surface.text(whole(count), left - 5, at, { align: "right" });
    }
    counts.forEach((count, at) => {
      const over = at >= edges.length;
      pen.fillStyle = over ? paint.vermillion : at >= edges.length - 4 ? paint.orange : paint.blue;
      if (count) pen.fillRect(left + at * width + 1, y(count), Math.max(1, width - 2), bottom - y(count));
    });
    for (const mark of surface.width < 240 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
      const at = edges.filter((edge) => edge <= mark + 1e-9).length;
      surface.text(`${100 * mark} %`, left + at * width, bottom + 12, { align: "center" });
    }
    const over = counts.slice(edges.length).reduce((sum, count) => sum + count, 0);
    legend(surface, [
      { name: "accounts, log scale", brief: "accounts", colour: paint.blue, shape: "area" }, { name: `${whole(over)} above 100 %`, colour: paint.vermillion, shape: "area" },
    ]);
  }
}
