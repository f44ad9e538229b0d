"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 760px)");
  const chosen = { choice: {}, view: {} };
  const hidden = {};

  /** "@blue/0.3" -> that colour of page.css, in the scheme of now. */
  const colour = (name) => {
    const [key, alpha] = name.slice(1).split("/");
    const found = getComputedStyle(document.documentElement).getPropertyValue("--" + key).trim();
    if (!alpha) return found;
    const channel = (at) => parseInt(found.slice(at, at + 2), 16);
    return `rgba(${channel(1)},${channel(3)},${channel(5)},${alpha})`;
  };

  /** A copy with colours in place of their names. */
  const coloured = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? colour(value) : value;
    if (Array.isArray(value)) return value.map(coloured);
    if (value === null || typeof value !== "object" || "bdata" in value) return value;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, coloured(child)]));
  };

  /** Packed milliseconds -> Float64Array of milliseconds since 1970. */
  const moments = (packed) => {
    const bytes = Uint8Array.from(atob(packed.bdata), (letter) => letter.charCodeAt(0));
    const whole = packed.dtype === "i4" ? new Int32Array(bytes.buffer) : new Float64Array(bytes.buffer);
    return Float64Array.from(whole, (value) => value + packed.origin);
  };

  const named = (name, kind) =>
    Object.keys(kind === "choice" ? figures[name] : figures[name][current(name, "choice")].views ?? {});
  const current = (name, kind) => {
    const names = named(name, kind);
    return names.includes(chosen[kind][name]) ? chosen[kind][name] : names[0];
  };

  /** A small picture of a trace, for the legend. */
  const sample = ({ type, mode, line, marker, fill, fillcolor }) => {
    const dashes = { dash: "6 4", dot: "1.5 3" };
    const shapes = {
      disc: () => `<circle cx="8" cy="6" r="5" fill="${marker.color}" stroke="${marker.line.color}"/>`,
      diamond: () => `<path d="M8 0.5L13.5 6L8 11.5L2.5 6Z" fill="${marker.color}" stroke="${marker.line.color}"/>`,
      area: () => `<rect width="22" height="12" rx="2" fill="${fillcolor}"/>`,
      bar: () => `<rect width="22" height="12" rx="2" fill="${marker.color}"/>`,
      line: () => `<path d="M0 6H22" stroke="${line.color}" stroke-width="2" stroke-dasharray="${dashes[line.dash] ?? "none"}"/>`,
    };
    const dots = mode === "markers" || mode === "markers+text";
    const parts = type === "bar" ? ["bar"] : dots ? [marker.symbol === "diamond" ? "diamond" : "disc"] : [fill && "area", line.width && "line"];
    return `<svg width="${dots ? 16 : 22}" height="12" aria-hidden="true">${parts.filter(Boolean).map((part) => shapes[part]()).join("")}</svg>`;
  };

  /** The legend above a chart; a name shows or hides its trace. */
  const explain = (name, data) => {
    const rank = (trace) => trace.legendrank ?? 1000;
    const named = data.filter((trace) => trace.showlegend !== false).sort((one, other) => rank(one) - rank(other));
    const buttons = named.map((trace) => {
      const button = document.createElement("button");
      button.type = "button";
      button.innerHTML = sample(trace);
      button.append(trace.name);
      button.setAttribute("aria-pressed", String(!hidden[name]?.has(trace.name)));
      button.addEventListener("click", () => {
        const names = (hidden[name] ??= new Set());
        if (!names.delete(trace.name)) names.add(trace.name);
        draw(name);
      });
      return button;
    });
    document.getElementById("legend-" + name).replaceChildren(...buttons);
  };

  const draw = (name) => {
    const figure = figures[name][current(name, "choice")];
    const times = Object.fromEntries(Object.entries(figure.times).map(([key, packed]) => [key, moments(packed)]));
    const data = figure.data.map((trace) => {
      const made = coloured(trace);
      if (typeof made.x === "string") made.x = times[made.x];
      if (hidden[name]?.has(made.name)) made.visible = false;
      // Phones have a third of the room: marks shrink with it.
      if (narrow.matches && made.marker?.size) {
        made.marker.sizeref = (made.marker.sizeref ?? 1) * (made.marker.sizemode === "area" ? 2.5 : 1.3);
      }
      return made;
    });
    const layout = coloured(figure.layout);
    for (const [axis, range] of Object.entries(figure.views?.[current(name, "view")] ?? {})) layout[axis].range = range;
    if (layout.showlegend) explain(name, data);
    layout.showlegend = false;
    layout.dragmode = narrow.matches ? false : "zoom";
    if (narrow.matches) {
      layout.margin = { ...layout.margin, r: 6 };
      layout.hovermode = layout.hovermode === "x unified" ? "closest" : layout.hovermode;
    }
    Plotly.react("chart-" + name, data, layout, {
      responsive: true, displaylogo: false, displayModeBar: narrow.matches || !Object.keys(times).length ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], scrollZoom: false,
    });
    for (const button of document.querySelectorAll(`button[data-chart="${name}"]`)) {
      const kind = kindOf(button);
      button.setAttribute("aria-pressed", String(button.dataset[kind] === current(name, kind)));
    }
  };

  const kindOf = (button) => ("view" in button.dataset ? "view" : "choice");
  const drawAll = () => Object.keys(figures).forEach(draw);
  document.querySelectorAll("button[data-chart]").forEach((button) => {
    button.addEventListener("click", () => {
      const kind = kindOf(button);
      chosen[kind][button.dataset.chart] = button.dataset[kind];
      draw(button.dataset.chart);
    });
  });
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  drawAll();
})();
