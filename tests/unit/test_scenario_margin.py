"""Portfolio margin as data: the scenarios it lists, the record it fills, and that every field explains itself."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.fields import specs
from market.kernels.rules.risk_records import RISK_RULE
from market.margin.portfolio import (
    BasisContingency,
    ScenarioMargin,
    SignDiscount,
    SmileShock,
    SpanArray,
    Tail,
    VolatilityShock,
)
from market.surface import ImpliedSurface


def test_the_default_grid_has_27_scenarios_and_31_with_tails_and_smile() -> None:
    plain = ScenarioMargin().shocks()
    assert len(plain) == 27
    assert [shock.spot for shock in plain[::3]] == pytest.approx(
        [0.82, 0.865, 0.91, 0.955, 1.0, 1.045, 1.09, 1.135, 1.18]
    )
    tails = (Tail(price_factor=0.34, weight=0.05), Tail(price_factor=3.0, weight=0.02))
    whole = ScenarioMargin(smile=SmileShock(), tails=tails).shocks()
    assert len(whole) == 31
    assert [shock.vol for shock in whole[-4:]] == ["up", "up", "skew_linear", "skew_abs"]


def test_the_risk_array_of_span_takes_the_place_of_the_grid() -> None:
    span = ScenarioMargin(scenarios="span", price_range=0.3, tails=(Tail(price_factor=3.0, weight=0.02),)).shocks()
    assert len(span) == 17
    assert [shock.spot for shock in span[:14:2]] == pytest.approx([1.0, 1.1, 0.9, 1.2, 0.8, 1.3, 0.7])
    assert [shock.spot for shock in span[14:]] == pytest.approx([1.6, 0.4, 3.0])
    assert [(shock.vol, shock.vol_move) for shock in span[:2]] == [("points", 0.1), ("points", -0.1)]
    assert [shock.weight for shock in span[-3:]] == [0.35, 0.35, 0.02]
    assert min(shock.spot for shock in ScenarioMargin(scenarios="span", price_range=0.9).shocks()) == 0.0


def test_the_record_says_what_the_parameters_say() -> None:
    margin = ScenarioMargin(long_discount=SignDiscount(static=0.95), basis=BasisContingency(price_move=0.1))
    rule = margin.record(initial=False)[0]
    assert rule.dtype == RISK_RULE
    assert (rule["factor"], rule["long_static"], rule["short_static"], rule["basis_down"]) == (0.8, 0.95, 1.0, 0.9)
    assert margin.record(initial=True)[0]["factor"] == 1.0
    assert ScenarioMargin().record(initial=True)[0]["basis_add"] == 0.0
    assert margin.charges(initial=False) == (0.03, 0.003)
    assert np.allclose(margin.charges(initial=True), (0.04, 0.005))


@pytest.mark.parametrize(
    "cls",
    [ScenarioMargin, SpanArray, Tail, VolatilityShock, SmileShock, SignDiscount, BasisContingency, ImpliedSurface],
)
def test_every_field_has_help_and_every_number_a_unit(cls: type) -> None:
    for name, spec in specs(cls).items():
        assert spec.help, name
        if spec.shape == "leaf" and isinstance(spec.default, int | float) and not isinstance(spec.default, bool):
            assert spec.unit, name
