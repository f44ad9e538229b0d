"""The clamped linear solve."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.solve import amount_to_target

AMOUNT = st.floats(-1e9, 1e9)


def test_by_hand() -> None:
    assert amount_to_target(10.0, 4.0, 100.0) == 2.5
    assert amount_to_target(10.0, 4.0, 2.0) == 2.0
    assert amount_to_target(-1.0, 4.0, 2.0) == 0.0
    assert amount_to_target(0.0, 0.0, 2.0) == 0.0
    assert amount_to_target(1.0, 0.0, 2.0) == 2.0
    assert amount_to_target(1.0, -3.0, 2.0) == 2.0


@settings(deadline=None, max_examples=50, derandomize=True)
@given(shortfall=AMOUNT, more=st.floats(0, 1e6), gain=AMOUNT, most=st.floats(0, 1e9))
def test_more_is_missing_more_is_closed(shortfall: float, more: float, gain: float, most: float) -> None:
    amount = amount_to_target(shortfall, gain, most)
    assert 0.0 <= amount <= most
    assert amount <= amount_to_target(shortfall + more, gain, most)
