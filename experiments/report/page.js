"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 760px)");
  const chosen = { choice: {}, view: {} };

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

  const draw = (name) => {
    const figure = figures[name][current(name, "choice")];
    const times = Object.fromEntries(Object.entries(figure.times).map(([key, packed]) => [key, moments(packed)]));
    const data = figure.data.map((trace) => {
      const made = coloured(trace);
      if (typeof made.x === "string") made.x = times[made.x];
      return made;
    });
    const layout = coloured(figure.layout);
    for (const [axis, range] of Object.entries(figure.views?.[current(name, "view")] ?? {})) layout[axis].range = range;
    layout.dragmode = narrow.matches ? false : "zoom";
    if (narrow.matches) {
      layout.margin = { ...layout.margin, l: 44, r: 6 };
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
