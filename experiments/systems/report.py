"""The page of a run over several venues: what fell, which venues broke, who paid; each venue's own page beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.series import bucket_edges, milliseconds, packed, typical
from experiments.report.tables import kpi_tables
from experiments.report.theme import CASCADE_COLOURS, Figure, above, axis, layout, time_axis
from experiments.report.words import Clock, money, span
from experiments.systems import story

if TYPE_CHECKING:
    from experiments.systems.result import SystemResult
    from experiments.systems.scenario import VenueScenario

PRICES_HEIGHT, FORCED_HEIGHT, RATES_HEIGHT = 430, 330, 300
MOST_BARS = 120
"""Intervals over which forced trades are summed."""
LEAST_CHANGE = 1e-3
"""Relative difference that a line of its own is drawn for."""


def write_system_report(result: SystemResult, path: Path) -> None:
    """Write the page."""
    page_of(result).write(path)


def page_of(result: SystemResult) -> Page:
    """The page."""
    made = Page(title=f"Cascade report: {result.scenario.summary}")
    clock = Clock.of(getattr(result.scenario.reference, "start", None))
    made.add(
        page.paragraph(f"Cascade report · {result.scenario.summary} Seed {result.seed}.", "kicker"),
        *page.headline(story.headline(result)),
        page.tiles(_tiles(result)),
    )
    links = "".join(_link(name, own) for name, own in result.scenario.venues.items())
    table = Table(columns=story.VENUE_COLUMNS, rows=story.venue_rows(result), right=story.NUMBERS, wide=(5,))
    made.section("venues", "Venue by venue", table.html(), f"<ul>{links}</ul>")
    made.section(
        "prices",
        "Prices of the outside world",
        page.paragraph(
            "All venues share one reference price per asset; forced flow on any of them moves it for all. Solid: the "
            "run. Dashed: the same random numbers without liquidations. The start is 100.",
            "caption",
        ),
        made.chart(
            "prices", _price_figures(result, clock), height=PRICES_HEIGHT, label="Reference prices of all assets"
        ),
    )
    if (bars := _forced(result, clock)) is not None:
        made.section(
            "forced",
            "When each venue sold",
            page.paragraph("Positions and collateral closed by force on each venue, USD per interval.", "caption"),
            made.chart("forced", {"all": bars}, height=FORCED_HEIGHT, label="Forced trades by venue over time"),
        )
    _crossings(made, result)
    if _moving_claims(result):
        made.section(
            "claims",
            "What claims were worth",
            page.paragraph(
                "Units of the underlying behind one unit of each claim. A deposit receipt falls when its venue has bad "
                "debt; what the market pays for it may be less still.",
                "caption",
            ),
            made.chart(
                "claims", {"all": _rates(result, clock)}, height=RATES_HEIGHT, label="Rates of claims over time"
            ),
        )
    for name, one in result.venues.items():
        if not one.scenario.instruments:
            tables = [f'<div class="figures">{table.html()}</div>' for _, table in kpi_tables(one.kpis)]
            made.section(f"venue-{name}", f"Figures of {name}", *tables)
    rows = story.figure_rows(result.kpis)
    made.section("figures", "All figures", Table(columns=("figure", "value"), rows=rows, right=(1,)).html())
    if result.notes:
        made.section("notes", "Notes", page.bullets(result.notes))
    made.section(
        "again",
        "Run it again",
        page.paragraph("Every value is written out in scenario.toml beside this page."),
        page.code(next(iter(result.venues.values())).part_of),
    )
    return made


def _crossings(made: Page, result: SystemResult) -> None:
    """What forced sales on one venue, and claims on it, made of losses on the others, where they did."""
    matrix = result.causes.matrix()
    if (matrix.to_numpy() != 0.0).any():
        rows = [(name, *(money(usd) if usd else "" for usd in matrix.loc[name])) for name in matrix.index]
        made.section(
            "crossings",
            "What crossed between venues",
            page.paragraph(
                "Losses behind liquidations on the venue of the column that forced sales on the venue of the row "
                "made by moving the price that all venues share, or claims on it by "
                "being worth less. Every pair of accounts is in crossings.parquet.",
                "caption",
            ),
            Table(columns=("from", *matrix.columns), rows=rows, right=range(1, len(matrix.columns) + 1)).html(),
        )


def _link(name: str, own: VenueScenario) -> str:
    """A venue: where its page is, in its own folder or, without books, on this one."""
    place = f"{name}/report.html" if own.instruments else f"#venue-{name}"
    return f'<li><a href="{escape(place)}">{escape(name)}</a>: {escape(own.summary or "its own page")}</li>'


def _tiles(result: SystemResult) -> list[tuple[str, str, str]]:
    kpis = result.kpis
    struck = int(story.number(kpis, "venues_with_liquidations_count"))
    return [
        ("Venues with liquidations", f"{struck}", f"of {len(result.venues)}"),
        ("Accounts liquidated", f"{int(story.number(kpis, 'liquidated_account_count')):,}", "on all venues"),
        ("Closed by force", money(story.number(kpis, "liquidated_notional_usd")), "on books and pools, by ADL, seized"),
        ("Bad debt", money(story.number(kpis, "bad_debt_usd")), "on all venues"),
        ("Bridged", money(story.number(kpis, "bridged_usd")), "between venues"),
    ]


def _lines(
    result: SystemResult,
    clock: Clock,
    paths: dict[str, NDArray[np.float64]],
    styles: dict[str, dict[str, Any]],
    title: str,
) -> Figure:
    """Lines over time, few points each."""
    seconds = np.asarray((np.arange(result.main.recorder.n) + 1.0) * result.scenario.tick_seconds, np.float64)
    edges = bucket_edges(seconds, None)
    data = [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": "times", "y": packed(typical(path, edges)),
            "line": styles[name], "hovertemplate": f"{escape(name)}: %{{y:,.4~g}}<extra></extra>",
        }
        for name, path in paths.items()
    ]  # fmt: skip
    return {
        "data": data,
        "layout": layout(
            showlegend=True,
            hovermode="x unified",
            xaxis=time_axis(clock.title, dated=clock.start is not None),
            yaxis=axis(tickformat=",~g"),
            annotations=[above(title, "y")],
        ),
        "times": {"times": milliseconds(typical(seconds, edges), clock.origin_ms)},
    }


def _price_figures(result: SystemResult, clock: Clock) -> dict[str, Figure]:
    """All moving assets together, and each against its twin."""
    recorder, symbols = result.main.recorder, result.main.built.system.claims.symbols
    moving = [column for column in range(len(symbols)) if np.ptp(recorder.reference[: recorder.n, column]) > 0.0]
    twin = result.twin.recorder if result.twin else None
    paths: dict[str, NDArray[np.float64]] = {}
    styles: dict[str, dict[str, Any]] = {}
    for place, column in enumerate(moving):
        first = recorder.reference[0, column]
        colour = CASCADE_COLOURS[place % len(CASCADE_COLOURS)]
        paths[symbols[column]] = 100.0 * recorder.reference[: recorder.n, column] / first
        styles[symbols[column]] = {"color": colour, "width": 1.8}
        if twin is not None and _differs(recorder.reference[: recorder.n, column], twin.reference[: twin.n, column]):
            name = f"{symbols[column]} without liquidations"
            paths[name] = 100.0 * twin.reference[: twin.n, column] / first
            styles[name] = {"color": colour, "width": 1.2, "dash": "dash"}
    figures = {"all": _lines(result, clock, paths, styles, "start = 100")}
    for column in moving:
        own = {name: path for name, path in paths.items() if name.split(" ")[0] == symbols[column]}
        figures[symbols[column]] = _lines(result, clock, own, styles, "start = 100")
    return figures


def _differs(path: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(np.abs(path / other - 1.0).max() > LEAST_CHANGE)


def _moving_claims(result: SystemResult) -> list[int]:
    """Columns of the claims whose rate changed visibly."""
    recorder, claims = result.main.recorder, result.main.built.system.claims
    return [column for column in claims.rules if np.ptp(recorder.rates[: recorder.n, column]) > LEAST_CHANGE]


def _rates(result: SystemResult, clock: Clock) -> Figure:
    recorder, claims = result.main.recorder, result.main.built.system.claims
    paths, styles = {}, {}
    for place, column in enumerate(_moving_claims(result)):
        symbol = claims.symbols[column]
        paths[symbol] = recorder.rates[: recorder.n, column]
        styles[symbol] = {"color": CASCADE_COLOURS[place % len(CASCADE_COLOURS)], "width": 1.8}
    return _lines(result, clock, paths, styles, "units of the underlying")


def _forced(result: SystemResult, clock: Clock) -> Figure | None:
    """Bars of forced notional by venue; None when there is none."""
    end = result.main.recorder.n * result.scenario.tick_seconds
    edges = np.linspace(0.0, end, MOST_BARS + 1)
    data = []
    for place, (name, one) in enumerate(result.venues.items()):
        fills = one.liquidations
        if len(fills) == 0:
            continue
        summed, _ = np.histogram(fills["seconds"], bins=edges, weights=fills["notional_usd"])
        data.append(
            {
                "type": "bar", "name": name, "x": "times", "y": packed(summed),
                "marker": {"color": CASCADE_COLOURS[place % len(CASCADE_COLOURS)], "line": {"width": 0}},
                "hovertemplate": f"{escape(name)}: %{{y:,.3s}} USD<extra></extra>",
            }
        )  # fmt: skip
    if not data:
        return None
    return {
        "data": data,
        "layout": layout(
            showlegend=True, hovermode="x unified", barmode="stack", bargap=0.05,
            xaxis=time_axis(clock.title, dated=clock.start is not None), yaxis=axis(tickformat="~s"),
            annotations=[above(f"USD in {span(end / MOST_BARS)}", "y")],
        ),
        "times": {"times": milliseconds(0.5 * (edges[1:] + edges[:-1]), clock.origin_ms)},
    }  # fmt: skip
