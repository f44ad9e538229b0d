"""Options family of the venues' own numeric cases."""

from __future__ import annotations

import pytest

from tests.venue_cases import check_model


@pytest.mark.parametrize(
    "model",
    [
        "derive_srm",
        "derive_pmrm2",
        "derive_auction_discount",
        "derive_auction_bid",
        "derive_auction_insolvent",
        "okx_mr7",
        "vol_shock_power",
        "net_short_contingency",
        "risk_array",
    ],
)
def test_venue_cases_pass(model: str) -> None:
    check_model(model)
