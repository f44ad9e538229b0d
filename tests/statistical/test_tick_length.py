"""The tick stands for nothing in the world: halving it moves amplification by less than its own 95 % interval.

Eight fixed seeds of a short crash, paired. Over other draws the mean change has a standard error of about a fifth of
the interval, so that a harmless change of a draw fails this less than once in a thousand times. The full study, more
seeds and lengths, is `python -m experiments.studies.tick_length`; what it found stands in `docs/step.md`.
"""

from __future__ import annotations

import numpy as np
import pytest

from experiments.statistics.means import half_width
from experiments.studies.tick_length import SHORT_CRASH, halvings
from market.errors import InputError


def test_halving_the_tick_moves_amplification_by_less_than_its_interval() -> None:
    (found,) = halvings("flash-crash", overrides=SHORT_CRASH, seeds=range(1, 9), lengths=(1.0, 0.5))
    assert found.coarse.mean() > found.interval, "nothing is amplified, so the test says nothing"
    assert found.error < 0.5 * found.interval, "too few seeds to say"
    assert abs(found.moved) < found.interval, f"{found.moved:+.4f} with an interval of +-{found.interval:.4f}"


def test_the_interval_is_students() -> None:
    # The 0.975 quantile of Student's t with 7 degrees of freedom is 2.3646.
    values = np.array([1.0, 5.0, 1.0, 5.0, 1.0, 5.0, 3.0, 3.0])
    assert half_width(values) == pytest.approx(2.3646 * values.std(ddof=1) / np.sqrt(8.0), rel=1e-3)


def test_an_amplification_that_is_undefined_is_said() -> None:
    with pytest.raises(InputError, match="calm: seed 1: an amplification is undefined"):
        halvings("calm", overrides=("hours=0.01", "population.count=50"), seeds=(1,), lengths=(1.0, 0.5))
