"""Figures and the short page of a result in a notebook, against the tables they are made of."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from experiments.plots import MOST_POINTS, colours
from experiments.result import Result
from experiments.run import simulate
from market.errors import InputError
from tests.cuts import cut


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(cut("flash-crash", "reference.crash_log_return=-0.15"), seed=1, twin=False)


def trace(figure: go.Figure, name: str) -> go.Scatter:
    (found,) = [one for one in figure.data if one.name == name]
    return found


def test_prices_and_fills_are_those_of_the_tables(result: Result) -> None:
    figure = result.plot.price("ETH-PERP")
    rows = result.prices[result.prices["instrument"] == "ETH-PERP"]
    assert list(trace(figure, "mark").y) == rows["mark"].tolist()
    fills = result.liquidations[result.liquidations["instrument"] == "ETH-PERP"]
    assert list(trace(figure, "forced fills").y) == pytest.approx(fills["price"].tolist())
    assert len(fills) > 10


def test_the_main_instrument_is_shown_unless_another_is_named(result: Result) -> None:
    assert str(result.kpis["main_instrument"]) in result.plot.price().layout.title.text
    with pytest.raises(InputError, match="did you mean 'BTC-PERP'"):
        result.plot.depth("BTC-PREP")


def test_depth_of_bids_is_positive_and_of_asks_negative(result: Result) -> None:
    figure = result.plot.depth()
    assert max(trace(figure, "bids within 50 bps").y) > 0.0 > min(trace(figure, "asks within 50 bps").y)
    assert len(figure.data) == 6


def test_the_waterfall_comes_down_to_nothing(result: Result) -> None:
    (bars,) = result.plot.waterfall().data
    assert sum(bars.y) == pytest.approx(0.0, abs=0.01)
    assert bars.y[0] == result.kpis["bad_debt_usd"]
    assert bars.y[0] > 0.0


def test_every_liquidation_is_in_the_contagion_and_every_child_has_a_line(result: Result) -> None:
    figure = result.plot.contagion()
    assert len(trace(figure, "liquidation").x) == result.causes.n
    lines = np.asarray(trace(figure, "cost it most").x, np.float64)
    assert np.isnan(lines).sum() == np.count_nonzero(result.causes.parent >= 0) > 30


def test_causes_and_ratios_hold_all_there_is(result: Result) -> None:
    (bars,) = result.plot.causes().data
    assert sum(bars.x) == pytest.approx(result.causes.loss.sum() / 1e6)
    (heat,) = result.plot.margin_ratios().data
    assert (
        np.asarray(heat.customdata).sum(axis=0).tolist()
        == result.main.recorder.margin_counts[: result.main.recorder.n_margins].sum(axis=1).tolist()
    )


def test_long_lines_are_thinned_with_their_extremes() -> None:
    long = simulate(cut("calm", "hours=0.5", "tick_seconds=0.25", "population.count=50"), seed=1, twin=False)
    mark = trace(long.plot.price("BTC-PERP"), "mark").y
    rows = long.prices[long.prices["instrument"] == "BTC-PERP"]["mark"]
    assert len(rows) == 7_200
    assert len(mark) <= MOST_POINTS + 2
    assert (min(mark), max(mark)) == (rows.min(), rows.max())


def test_a_notebook_shows_the_headline_and_escapes_it(result: Result) -> None:
    page = result._repr_html_()
    assert result.scenario.summary in page
    assert "accounts liquidated" in page
    assert f"{result.kpis['liquidated_account_count']:,}" in page
    assert page.count("<script") == 0


def test_colours_are_those_of_the_report() -> None:
    assert colours()["blue"] == "#0072b2"
    assert set(colours()) >= {"ink", "paper", "muted", "grid", "line", "orange", "vermillion"}
