"""The bridge within a bar: inside [low, high], touching both, from open to close, whatever the bar and the draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.reference.replay import fill_bars

PRICE = st.floats(min_value=1e-6, max_value=1e6)


@st.composite
def bars(draw: Any) -> Any:
    """Bars of every shape: flat, at an extreme at either end, tiny ranges, huge ones."""
    count = draw(st.integers(1, 4))
    out = []
    for _ in range(count):
        low = draw(PRICE)
        high = low * (1.0 + draw(st.sampled_from([0.0, 1e-15, 1e-9, 1e-3, 0.5, 50.0])))
        inner = [low + draw(st.sampled_from([0.0, 0.3, 0.999, 1.0])) * (high - low) for _ in range(2)]
        opens, close = (min(max(price, low), high) for price in inner)
        out.append((opens, high, low, close))
    return np.array(out).T


@settings(deadline=None, max_examples=150, derandomize=True)
@given(ohlc=bars(), ticks=st.integers(4, 40), seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1.0, 30.0]))
def test_bridge(ohlc: Any, ticks: Any, seed: Any, scale: Any) -> None:
    noise = scale * np.random.default_rng(seed).standard_normal((ohlc.shape[1], ticks - 1))
    filled = fill_bars(noise=noise, ohlc=ohlc)
    opens, highs, lows, closes = ohlc
    assert np.array_equal(filled[:, 0], opens)
    assert np.array_equal(filled[:, -1], closes)
    assert np.array_equal(filled.max(axis=1), highs)
    assert np.array_equal(filled.min(axis=1), lows)
