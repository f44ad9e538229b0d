"""Options family of the venues' own numeric cases."""

from __future__ import annotations

from functools import cache

import pytest

from experiments.venues.cases import Case, read_cases
from experiments.venues.registry import adapters
from experiments.venues.verify import run
from tests.shared import shared_file

MODELS = {
    "derive_srm": 35,
    "derive_auction_discount": 4,
    "derive_auction_bid": 7,
    "derive_auction_insolvent": 2,
    "okx_mr7": 1,
    "vol_shock_power": 1,
    "net_short_contingency": 1,
    "risk_array": 1,
    "derive_pmrm2": 47,
}


@cache
def cases() -> list[Case]:
    return read_cases(shared_file("reference/venue_vectors.json"))


@pytest.mark.parametrize(("model", "count"), MODELS.items())
def test_venue_cases_pass(model: str, count: int) -> None:
    own = [case for case in cases() if case.model == model]
    assert len(own) >= count
    assert [str(found) for case in own if (found := run(case, adapters())) is not None] == []
