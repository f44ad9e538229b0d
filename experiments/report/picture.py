"""`picture.svg`: one instrument's crash in a figure for a README or a slide, plain SVG without scripts or fonts.

Made here and not by plotly's export, which needs a browser: the same result gives the same bytes on every machine.
"""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frames import AWAY
from experiments.report.facts import Facts, Window, facts
from experiments.report.market_figure import summed_fills
from experiments.report.series import extremes, typical
from experiments.report.story import story
from experiments.report.words import HOURS_MINUTES, Clock, money, percent, sentence

if TYPE_CHECKING:
    from experiments.result import Result

WIDTH, HEIGHT = 880.0, 600.0
LEFT, RIGHT = 70.0, 792.0
PRICES, DEPTH = (148.0, 414.0), (446.0, 556.0)
"""Top and bottom of the two panels, pixels."""
POINTS = 360
"""Points of a line at most: one per two pixels."""
LARGEST_DOT = 8.0
"""Radius of the largest forced trade, pixels."""
AROUND = 0.9
"""What is shown on either side of the cascade, as a share of its length."""
DEPTH_COLUMN = "depth_50bps_usd"

Array = NDArray[np.float64]
_STYLE = (Path(__file__).resolve().parent / "page.css").read_text(encoding="utf-8")
INK = dict(re.findall(r"--(\w+): (#\w+)", _STYLE.split("}")[0]))
"""The light colours of the page, by name."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Where seconds and values fall in a panel."""

    window: Window
    low: float
    high: float
    top: float
    bottom: float

    def x(self, seconds: Array | float) -> Array:
        """Pixels from the left."""
        return LEFT + (np.asarray(seconds) - self.window.start) / self.window.seconds * (RIGHT - LEFT)

    def y(self, values: Array | float) -> Array:
        """Pixels from the top."""
        return self.bottom - (np.asarray(values) - self.low) / (self.high - self.low) * (self.bottom - self.top)


def write_picture(result: Result, path: Path) -> None:
    """Write the picture of a result's main instrument."""
    path.write_text(picture(result), encoding="utf-8")


def picture(result: Result) -> str:
    """The SVG of a result: prices with forced trades above, the depth of the book below, around the cascade."""
    found = facts(result)
    prices = _of(result.prices, found.main)
    window = _shown(prices["seconds"].to_numpy(np.float64), found.busiest)
    inside = _within(prices, window)
    twin = None if result.twin_prices is None else _within(_of(result.twin_prices, found.main), window)
    fills = _within(_of(result.liquidations, found.main), window)
    fills = fills[~fills["kind"].isin(AWAY)]
    depth = _within(_of(result.depth, found.main), window)
    panel = _price_panel(inside, twin, fills, window)
    clock = Clock.of(getattr(result.scenario.reference, "start", None))
    quote = result.scenario.instruments[found.main].quote
    parts = [
        *_words(story(found).headline),
        *_legend(found.main, twin is not None, len(fills) > 0),
        *_grid(panel, f"{found.main}, {quote}"),
        *_dots(fills, panel),
        *_lines(inside, twin, panel),
        *_falls(found, inside, twin, panel),
        *_depth(depth, window),
        *_clock(window, clock),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(story(found).headline)}" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\">\n"
        f'<rect width="100%" height="100%" rx="10" fill="{INK["paper"]}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _of(table: pd.DataFrame, symbol: str) -> pd.DataFrame:
    return table[table["instrument"] == symbol]


def _within(table: pd.DataFrame, window: Window) -> pd.DataFrame:
    return table[table["seconds"].between(window.start, window.end)]


def _shown(seconds: Array, busiest: Window | None) -> Window:
    first, last = float(seconds[0]), float(seconds[-1])
    if busiest is None:
        return Window(start=first, end=max(last, first + 1.0))
    margin = max(AROUND * busiest.seconds, 60.0)
    return Window(start=max(first, busiest.start - margin), end=min(last, busiest.end + margin))


def _price_panel(prices: pd.DataFrame, twin: pd.DataFrame | None, fills: pd.DataFrame, window: Window) -> Panel:
    tables = [prices["mark"], prices["reference"], fills["price"], *([] if twin is None else [twin["mark"]])]
    values = np.concatenate([table.to_numpy(np.float64) for table in tables])
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) or 0.01 * high
    return Panel(window=window, low=low - pad, high=high + pad, top=PRICES[0], bottom=PRICES[1])


def _text(x: float, y: float, words: str, *, size: float = 13.0, colour: str = "muted", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{INK[colour]}"{more}>{escape(words)}</text>'


def _words(headline: str) -> list[str]:
    """The headline: its first part in bold, the rest below."""
    first, _, rest = headline.partition("; ")
    large = textwrap.wrap(sentence(first), 82)
    small = textwrap.wrap(sentence(rest), 112) if rest else []
    made = [
        _text(24.0, 36.0 + 22.0 * row, line, size=17.0, colour="ink", more=' font-weight="650"')
        for row, line in enumerate(large)
    ]
    below = 40.0 + 22.0 * len(large)
    return made + [_text(24.0, below + 20.0 * row, line, size=14.5, colour="ink") for row, line in enumerate(small)]


def _legend(main: str, twin: bool, dots: bool) -> list[str]:
    items = [(f"{main} mark", "line", "ink", "")]
    if twin:
        items.append(("without forced trades (twin run)", "line", "blue", ' stroke-dasharray="7 4"'))
    items.append(("reference", "line", "muted", ""))
    if dots:
        items.append(("forced trades, area by notional", "dot", "vermillion", ""))
    made, x, y = [], 24.0, 116.0
    for words, kind, colour, dash in items:
        if kind == "line":
            made.append(f'<path d="M{x:.0f} {y:.0f}h22" stroke="{INK[colour]}" stroke-width="2"{dash}/>')
        else:
            made.append(f'<circle cx="{x + 14:.0f}" cy="{y:.0f}" r="5" {_dot_style()}/>')
        made.append(_text(x + 28.0, y + 4.5, words, colour="ink"))
        x += 28.0 + 7.0 * len(words) + 18.0
    return made


def _dot_style() -> str:
    return f'fill="{INK["vermillion"]}" fill-opacity="0.35" stroke="{INK["vermillion"]}" stroke-opacity="0.8"'


def round_steps(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round values between `low` and `high`, evenly spaced."""
    raw = (high - low) / most
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * scale for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * scale >= raw * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def clock_steps(start: float, end: float, most: int) -> list[float]:
    """At most `most` + 1 moments between two, seconds, apart by what clocks are read in."""
    nice = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
    days = math.ceil((end - start) / most / 86_400.0) * 86_400.0
    step = next((float(step) for step in nice if step * most >= end - start), days)
    return [step * k for k in range(math.ceil(start / step), math.floor(end / step) + 1)]


def _grid(panel: Panel, title: str) -> list[str]:
    made = [_text(LEFT, panel.top - 8.0, title, size=12.0)]
    for value in round_steps(panel.low, panel.high, 6):
        y = float(panel.y(value))
        made.append(f'<path d="M{LEFT:g} {y:.1f}H{RIGHT:g}" stroke="{INK["grid"]}"/>')
        made.append(_text(LEFT - 8.0, y + 4.0, f"{value:,.6g}", size=12.0, more=' text-anchor="end"'))
    return made


def _path(x: Array, y: Array) -> str:
    return "M" + "L".join(f"{one:.1f} {other:.1f}" for one, other in zip(x.tolist(), y.tolist(), strict=True))


def _edges(n: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.unique(np.linspace(0, n, min(n, POINTS) + 1).astype(np.int64))
    return found


def _lines(prices: pd.DataFrame, twin: pd.DataFrame | None, panel: Panel) -> list[str]:
    edges = _edges(len(prices))
    x = panel.x(typical(prices["seconds"].to_numpy(np.float64), edges))
    mark = prices["mark"].to_numpy(np.float64)
    low, high = extremes(mark, edges)
    around = _path(np.concatenate([x, x[::-1]]), panel.y(np.concatenate([low, high[::-1]])))
    lines = [(prices["reference"], "muted", "1.3", ""), (prices["mark"], "ink", "1.8", "")]
    if twin is not None:
        lines.insert(1, (twin["mark"], "blue", "1.8", ' stroke-dasharray="7 4"'))
    return [f'<path d="{around}Z" fill="{INK["ink"]}" fill-opacity="0.22"/>'] + [
        f'<path d="{_path(x, panel.y(typical(path.to_numpy(np.float64), edges)))}" fill="none" '
        f'stroke="{INK[colour]}" stroke-width="{width}" stroke-linejoin="round"{dash}/>'
        for path, colour, width, dash in lines
    ]


def _dots(fills: pd.DataFrame, panel: Panel) -> list[str]:
    if fills.empty:
        return []
    found = summed_fills(fills)
    usd = found["usd"].to_numpy(np.float64)
    radius = np.maximum(1.2, LARGEST_DOT * np.sqrt(usd / usd.max()))
    rows = zip(
        panel.x(found["seconds"].to_numpy(np.float64)).tolist(),
        panel.y(found["price"].to_numpy(np.float64)).tolist(),
        radius.tolist(),
        strict=True,
    )
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>' for x, y, r in rows]
    return [f'<g {_dot_style()} stroke-width="0.7">', *dots, "</g>"]


def _falls(found: Facts, prices: pd.DataFrame, twin: pd.DataFrame | None, panel: Panel) -> list[str]:
    """How far the mark and its twin went, in words at the right at the height of their extremes."""
    falls = found.move.mark < 0.0
    said = [(prices["mark"], found.move.mark, "ink", "650")]
    if twin is not None and found.move.twin is not None:
        said.append((twin["mark"], math.copysign(found.move.twin, found.move.mark), "blue", "400"))
    made, last = [], math.inf
    for path, move, colour, weight in said:
        y = float(panel.y(float(path.min() if falls else path.max()))) + 4.5
        y = y if abs(y - last) >= 17.0 else last + (-17.0 if falls else 17.0)
        last = y
        words = f"{'−' if falls else '+'}{percent(abs(move), 1)}"
        made.append(_text(RIGHT + 8.0, y, words, size=15.0, colour=colour, more=f' font-weight="{weight}"'))
    return made


def _depth(depth: pd.DataFrame, window: Window) -> list[str]:
    """Asks up and bids down from a middle line, on one scale."""
    sides = {side: depth[depth["side"] == side] for side in ("ask", "bid")}
    reach = 1.08 * max(float(depth[DEPTH_COLUMN].max()) if len(depth) else 0.0, 1.0)
    panel = Panel(window=window, low=-reach, high=reach, top=DEPTH[0], bottom=DEPTH[1])
    made = [_text(LEFT, panel.top - 8.0, "orders within 50 bps of the mark, USD", size=12.0)]
    for value in round_steps(0.0, reach, 2):
        for signed in sorted({value, -value}):
            height = float(panel.y(signed))
            made.append(f'<path d="M{LEFT:g} {height:.1f}H{RIGHT:g}" stroke="{INK["grid"]}"/>')
            made.append(_text(LEFT - 8.0, height + 4.0, _short(value), size=12.0, more=' text-anchor="end"'))
    for (side, rows), sign, colour in zip(sides.items(), (1.0, -1.0), ("orange", "blue"), strict=True):
        if rows.empty:
            continue
        edges = _edges(len(rows))
        seconds = rows["seconds"].to_numpy(np.float64)[edges[:-1]]
        usd = typical(rows[DEPTH_COLUMN].to_numpy(np.float64), edges)
        x = panel.x(np.append(np.repeat(seconds, 2)[1:], window.end))
        y = panel.y(sign * np.repeat(usd, 2))
        middle = float(panel.y(0.0))
        made.append(
            f'<path d="{_path(x, y)}V{middle:.1f}H{float(x[0]):.1f}Z" fill="{INK[colour]}" fill-opacity="0.75"/>'
        )
        made.append(_text(RIGHT + 8.0, middle + (-10.0 if sign > 0.0 else 20.0), f"{side}s", size=13.0, colour="ink"))
    return made


def _short(usd: float) -> str:
    return money(usd).removesuffix(" USD").replace(" million", "M").replace(" billion", "B")


def _clock(window: Window, clock: Clock) -> list[str]:
    panel = Panel(window=window, low=0.0, high=1.0, top=0.0, bottom=1.0)
    times = clock_steps(window.start, window.end, 8)
    whole = all(seconds % 60.0 == 0.0 for seconds in times)
    title = clock.title if whole else clock.title.replace(HOURS_MINUTES, f"{HOURS_MINUTES}:seconds")
    made = [_text((LEFT + RIGHT) / 2.0, 592.0, title, size=12.0, more=' text-anchor="middle"')]
    for seconds in times:
        words = clock.text(seconds).split(" ")[-1]
        words = words.removesuffix(":00") if whole else words
        made.append(_text(float(panel.x(seconds)), 575.0, words, size=12.0, more=' text-anchor="middle"'))
    return made
