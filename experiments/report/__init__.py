"""`report.html`: one page that says who failed, why, and who paid, with pictures, figures and how to run it again.

The page opens offline, follows the reader's light or dark scheme, and is the same bytes for the same result: neither
wall time nor the versions of libraries are in it (they are in `run.json`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.recorder import MARGIN_RATIO_EDGES
from experiments.report import assumptions, page, tables
from experiments.report.causes_figure import causes_figure
from experiments.report.facts import Facts, facts
from experiments.report.loss_figures import margin_figure, waterfall_figure
from experiments.report.market_figure import market_caption, market_figure
from experiments.report.page import Page
from experiments.report.story import story
from experiments.report.theme import Figure
from experiments.report.words import MISSING, Clock, count, money, percent

if TYPE_CHECKING:
    from experiments.result import Result

MARKET_HEIGHT, WATERFALL_HEIGHT, MARGIN_HEIGHT = 620, 290, 450


def write_report(result: Result, path: Path) -> None:
    """Write the page of a result."""
    found = facts(result)
    clock = Clock.of(getattr(result.scenario.reference, "start", None))
    made = Page(title=f"Cascade report: {result.scenario.summary}")
    _opening(made, result, found)
    _market(made, result, found, clock)
    _contagion(made, result, clock)
    _losses(made, found)
    _accounts(made, result, found, clock)
    _figures(made, result)
    made.section("method", "Assumptions and definitions", *assumptions.parts(result))
    made.section("again", "Run it again", *assumptions.provenance(result))
    made.write(path)


def _opening(made: Page, result: Result, found: Facts) -> None:
    told = story(found)
    made.add(
        page.paragraph(f"Cascade report · {result.scenario.summary} Seed {result.seed}.", "kicker"),
        *page.headline(told.headline),
        page.tiles(_tiles(found)),
        page.columns([("Who failed", told.failed), ("Why", told.why), ("Who paid", told.paid)]),
        *([page.paragraph(" ".join(told.rules), "caption")] if told.rules else []),
    )


def _tiles(found: Facts) -> list[tuple[str, str, str]]:
    population = sum(found.population.values())
    borne = (
        f"{percent(found.paid_usd['fund'] / found.bad_debt_usd)} borne by the fund" if found.bad_debt_usd > 0.0 else ""
    )
    ratio = MISSING if found.amplification is None else f"{found.amplification:.2f}×"
    deep = f"of {found.liquidations:,}, {count(found.largest_generations, 'generation')}"
    return [
        ("Accounts liquidated", f"{found.n_failed:,}", f"of {population:,}"),
        ("Closed on the books", money(found.sold_usd + found.bought_usd), f"and {money(found.adl_usd)} by ADL"),
        (f"{found.main} amplification", ratio, "with ÷ without forced trades"),
        ("Largest cascade", count(found.largest_cascade, "liquidation"), deep),
        ("Bad debt", money(found.bad_debt_usd), borne),
    ]


def _market(made: Page, result: Result, found: Facts, clock: Clock) -> None:
    figures: dict[str, Figure] = {}
    symbols = [str(symbol) for symbol in dict.fromkeys(result.depth["instrument"])]
    symbols.sort(key=lambda symbol: symbol != found.main)
    twin = result.twin_prices
    for symbol in symbols:
        figures[symbol] = market_figure(
            prices=_of(result.prices, symbol),
            twin=None if twin is None else _of(twin, symbol),
            depth=_of(result.depth, symbol),
            fills=_of(result.liquidations, symbol),
            clock=clock,
            window=found.busiest,
            decimals=_decimals(result, symbol),
            quote=result.scenario.instruments[symbol].quote,
        )
    made.section(
        "market",
        "Prices, forced trades and depth",
        page.paragraph(market_caption(result.liquidations, twin=result.twin is not None), "caption"),
        made.chart("market", figures, height=MARKET_HEIGHT, label="Prices, forced trades and depth by instrument"),
    )


def _of(table: pd.DataFrame, symbol: str) -> pd.DataFrame:
    """The rows of one instrument."""
    rows: pd.DataFrame = table[table["instrument"] == symbol]
    return rows


def _decimals(result: Result, symbol: str) -> int:
    """Decimals that a price of the instrument has."""
    text = f"{result.scenario.instruments[symbol].tick_size:.10f}".rstrip("0")
    return len(text.split(".")[1])


def _contagion(made: Page, result: Result, clock: Clock) -> None:
    causes, tick_seconds = result.causes, result.scenario.tick_seconds
    if causes.n == 0:
        made.section("contagion", "Contagion", page.paragraph("No liquidation, hence no contagion."))
        return
    names = result.accounts["account"].tolist()
    figure, caption, height = causes_figure(causes, names, tick_seconds=tick_seconds, clock=clock)
    made.section(
        "contagion",
        "Contagion: who brought down whom",
        page.paragraph(caption, "caption"),
        made.chart("contagion", {"all": figure}, height=height, label="Liquidations by generation and time"),
        page.subheading("Largest cascades"),
        tables.cascade_table(causes, names, tick_seconds=tick_seconds, clock=clock).html(),
    )


def _losses(made: Page, found: Facts) -> None:
    if found.bad_debt_usd <= 0.0:
        made.section("paid", "Who paid", page.paragraph("No account ended below zero: there was nothing to bear."))
        return
    made.section(
        "paid",
        "Who paid",
        page.paragraph(
            "Bad debt is what accounts that ended below zero could not pay. It is borne in this order, and the parts "
            "add up to it exactly.",
            "caption",
        ),
        made.chart(
            "paid",
            {"all": waterfall_figure(found.bad_debt_usd, found.paid_usd)},
            height=WATERFALL_HEIGHT,
            label="Bad debt and who bore it",
        ),
    )


def _accounts(made: Page, result: Result, found: Facts, clock: Clock) -> None:
    parts = []
    recorder = result.main.recorder
    if recorder.n_margins:
        seconds = (recorder.margins_at[: recorder.n_margins] + 1) * result.scenario.tick_seconds
        trough = found.move.window.end
        moments = {"at the start": 0, "near the trough": int(np.argmin(np.abs(seconds - trough)))}
        if found.move.mark >= 0.0:
            moments = {"at the start": 0, "near the peak": moments["near the trough"]}
        moments["at the end"] = recorder.n_margins - 1
        titles = [f"{words}, {clock.text(float(seconds[row]))}" for words, row in moments.items()]
        figure = margin_figure(MARGIN_RATIO_EDGES, [recorder.margin_counts[row] for row in moments.values()], titles)
        parts.append(made.chart("margins", {"all": figure}, height=MARGIN_HEIGHT, label="Accounts by margin ratio"))
    failing = tables.failing_accounts(result.accounts, result.causes, clock=clock)
    if failing.rows:
        parts += [page.subheading("Accounts that failed worst"), failing.html()]
    caption = (
        "How close accounts with positions stood to liquidation: the margin ratio is maintenance margin over margin "
        "equity, and above 100% an account may be liquidated. Numbers of accounts are on a log scale."
    )
    made.section("accounts", "Accounts", page.paragraph(caption, "caption"), *parts)


def _figures(made: Page, result: Result) -> None:
    parts: list[Any] = []
    per_instrument = tables.instrument_table(result.kpis, tables.closed_by_instrument(result.liquidations))
    if per_instrument is not None:
        parts += [page.subheading(tables.BY_INSTRUMENT), per_instrument.html()]
    for title, table in tables.kpi_tables(result.kpis):
        parts += [page.subheading(title), f'<div class="figures">{table.html()}</div>']
    made.section("figures", "All figures", *parts)
