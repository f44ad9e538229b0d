"""The study of 19 May 2021: taking the flow's part out of bars, and the measures of the day."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from experiments.prices import read_prices
from experiments.studies.may_2021 import HOURS, START, SYMBOLS, _half_retraced, largest_fall, write_exogenous
from market.reference.bars import Bars

N = int(HOURS * 12)


def day() -> Bars:
    """Five-minute bars that fall by 20 % in a straight line, each with a range of 1 % on either side."""
    path = np.linspace(100.0, 80.0, N + 1)[:, None] * np.ones(len(SYMBOLS))
    opens, closes = path[:-1], path[1:]
    return Bars(
        symbols=SYMBOLS, start=START, seconds=300.0, open=opens, high=opens * 1.01, low=closes * 0.99, close=closes
    )


def read(file: Path) -> Bars:
    return read_prices(file, assets=list(SYMBOLS), start=START, hours=HOURS).bars


def test_without_flow_or_impact_the_bars_stay(tmp_path: Path) -> None:
    bars = day()
    still, pushed = np.zeros((1_000, 3)), np.linspace(0.0, -500.0, 1_000)[:, None] * np.ones(3)
    for flow, impact in ((still, 5.0), (pushed, 0.0)):
        made = read(write_exogenous(bars, flow, impact, tmp_path / "x.parquet"))
        for name in ("open", "high", "low", "close"):
            np.testing.assert_allclose(getattr(made, name), getattr(bars, name), rtol=1e-12)


def test_selling_is_taken_out(tmp_path: Path) -> None:
    """500 million USD sold at 1 bp per million are 5 % in logs of BTC, twice that of ETH, at the end of the day."""
    bars = day()
    flow = np.linspace(0.0, -500.0, 100_000)[:, None] * np.ones(3)
    made = read(write_exogenous(bars, flow, 1.0, tmp_path / "x.parquet"))
    factor = made.close[-1] / bars.close[-1]
    assert np.log(factor[:2]) == pytest.approx([0.05, 0.10], rel=1e-9)
    assert made.open[0] == pytest.approx(bars.open[0], rel=1e-9)
    assert (made.high >= np.maximum(made.open, made.close)).all()
    assert (made.low <= np.minimum(made.open, made.close)).all()


def test_largest_fall_needs_the_high_before_the_low() -> None:
    assert largest_fall(np.array([50.0, 100.0, 70.0, 90.0])) == pytest.approx(0.3)
    assert largest_fall(np.array([50.0, 100.0])) == 0.0


def test_half_of_the_last_hour_is_made_up() -> None:
    """From 100 to 80 within half an hour: 90 is reached on the second minute after the low."""
    price = np.concatenate([np.full(200, 120.0), np.linspace(100.0, 80.0, 61), [85.0, 90.0, 95.0]])
    assert _half_retraced(price, seconds=60.0) == pytest.approx(2.0)
    assert math.isnan(_half_retraced(np.array([100.0, 80.0, 81.0]), seconds=60.0))
