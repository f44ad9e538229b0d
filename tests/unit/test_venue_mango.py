"""Mango v4: liquidation cases of the venue's own tests beside those of the shared file, by its published numbers."""

from __future__ import annotations

import pytest

from experiments.venues.adapters.mango import mango_health, mango_perp_liq, mango_token_liq

# blockworks-foundation/mango-v4 perp_liq_base_or_positive_pnl.rs: (base weight, overall weight, fee on profit taken
# over), (spot, base, quote, other token), most (base, profit), what is left (spot, base, quote)
PERP = {
    "nothing": ((0.9, 0.9, 0.0), (0, 0, 0, 0), (0, 100), (0, 0, 0)),
    "short to zero": ((0.5, 0.5, 0.0), (5, -10, 0, 0), (-20, 100), (5, 0, -10)),
    "long limited": ((0.5, 0.5, 0.0), (5, 20, -20, 0), (1, 100), (5, 19, -19)),
    "long until healthy": ((0.5, 0.5, 0.0), (5, 20, -20, 0), (100, 100), (5, 10, -10)),
    "settle until healthy": ((0.5, 0.5, 0.0), (-19, 20, 10, 0), (100, 100), (-1, 20, -8)),
    "until profit limit": ((0.5, 0.5, 0.0), (-23, 20, 10, 0), (100, 21), (-2, 10, -1)),
    "until both limits": ((0.5, 0.5, 0.0), (-25, 20, 10, 0), (4, 21), (-4, 16, -7)),
    "to zero without settlement": ((0.5, 0.5, 0.0), (-20, 20, 10, 0), (100, 0), (-20, 0, 30)),
    "settlement without base": ((0.5, 0.0, 0.0), (-20, 20, 10, 0), (10, 5), (-15, 20, 5)),
    "zero weight until healthy": ((0.5, 0.0, 0.0), (-25, 20, 10, 0), (200, 200), (0, 10, -5)),
    "settle, debt to asset": ((0.5, 0.0, 0.0), (-7, 60, -20, -3), (200, 200), (3, 60, -30)),
    "reduce, debt to asset": ((0.5, 0.5, 0.0), (-7, 60, -20, -3), (200, 0), (-7, 40, 0)),
    "all steps": ((0.5, 0.5, 0.0), (-7, 70, -30, -100), (60, 15), (8, 10, 15)),
    "fee, all steps": ((0.5, 0.5, 0.25), (-7, 70, -30, -12), (60, 20), (8, 24, -4)),
    "fee, settle only": ((0.5, 0.5, 0.25), (-7, 70, -30, 4), (60, 20), (-5.5, 70, -32)),
}


@pytest.mark.parametrize("name", PERP)
def test_perpetual_liquidation(name: str) -> None:
    (base_weight, overall, fee), (spot, base, quote, other), (max_base, max_pnl), left = PERP[name]
    got = mango_perp_liq(
        {
            "price": 1, "lot": 1, "init_base_asset_weight": base_weight, "init_base_liab_weight": 2.0 - base_weight,
            "init_overall_asset_weight": overall, "positive_pnl_liquidation_fee": fee, "base_liquidation_fee": 0,
            "spot": spot, "base": base, "quote": quote, "other_health": other, "max_base": max_base, "max_pnl": max_pnl,
        }
    )  # fmt: skip
    assert (got["spot"], got["base"], got["quote"]) == pytest.approx(left, abs=0.01)


# token_liq_with_token.rs: weight of the tokens, of profit, (asset, its profit, debt, its profit, other health), most,
# what is left of asset and debt, None where nothing may be done
TOKEN = {
    "nothing": (0.9, 0.9, (0, 0, 0, 0, 0), 100, None),
    "no debt": (0.9, 0.9, (1, 0, 0, 0, 0), 100, None),
    "debt only in profit": (0.9, 0.9, (1, 0, 1, -1, 0), 100, None),
    "no asset": (0.9, 0.9, (0, 0, -1, 0, 0), 100, None),
    "asset lost in losses": (0.9, 0.9, (99.999, -100, -1, 0, 0), 100, None),
    "limited": (0.9, 0.9, (10, 0, -11, 0, 0), 2, (8, -9)),
    "other health": (0.8, 0.8, (10, 0, -9, 0, 0.4), 100, (4, -3)),
    "profit beside the asset": (0.8, 0.5, (5, 6, -9, 0, 0), 100, (0, -4)),
    "asset is all profit": (0.8, 0.5, (0, 14, -9, 0, 0), 100, None),
    "loss beside the debt": (0.8, 0.5, (10, 0, -8, -1, 0), 100, (3, -1)),
}


@pytest.mark.parametrize("name", TOKEN)
def test_token_liquidation(name: str) -> None:
    weight, overall, (held, profit, owed, loss, other), most, left = TOKEN[name]
    side = {"price": 1, "init_asset_weight": weight, "init_liab_weight": 2.0 - weight, "liq_fee": 0, "platform_fee": 0}
    got = mango_token_liq(
        {
            "asset": {**side, "balance": held, "perp_pnl": profit},
            "liab": {**side, "balance": owed, "perp_pnl": loss},
            "perp_overall_asset_weight": overall, "other_health": other, "max_liab_transfer": most,
        }
    )  # fmt: skip
    assert got["allowed"] is (left is not None)
    if left is not None:
        assert (got["asset_balance"], got["liab_balance"]) == pytest.approx(left, abs=0.01)


def _account(balances: tuple[float, ...], orders: tuple[tuple[float, ...], ...], **banks: tuple[float, ...]) -> float:
    """Initial health of health/cache.rs test_health1: three tokens at 1, 5 and 10, orders on the second and third."""
    terms = ((1.0, 0.8, 1.2), (5.0, 0.5, 1.5), (10.0, 0.5, 1.5))
    tokens = [
        {
            "asset": f"T{row + 1}", "balance": balance, "oracle_price": price, "stable_price": price,
            "init_asset_weight": asset, "init_liab_weight": liability, **{key: banks[key][row] for key in banks},
        }
        for row, (balance, (price, asset, liability)) in enumerate(zip(balances, terms, strict=True))
    ]  # fmt: skip
    spot = [
        {
            "base": f"T{row + 2}", "quote": "T1", "reserved_quote": order[0], "reserved_base": order[1],
            "lowest_ask_price": order[2] if len(order) > 2 else None,
            "highest_bid_price": order[3] if len(order) > 2 else None,
        }
        for row, order in enumerate(orders)
    ]  # fmt: skip
    return float(mango_health({"profile": "init", "tokens": tokens, "spot_orders": spot, "perps": []})["health"])


def test_health_with_orders_and_scaled_weights() -> None:
    crossing = _account((-14, -10, -10), ((1, 1), (1, 1)))
    assert crossing == pytest.approx(-14 * 1.2 - 75 - 150 + 3 * 1.2 + 3 * 0.8 + 8 * 1.2 + 3 * 0.8)
    flipped = _account((-100, -100, -1), ((100, 0), (10, 1)))
    assert flipped == pytest.approx(-120 - 750 - 15 + 80 * 1.2 + 20 * 0.8 + 20 * 0.8)
    inside = _account((-100, -10, 0), ((1, 1, 6.0, 0.0), (11, 1, 0.0, 9.0)))
    assert inside == pytest.approx(-120 - 75 + 6 * 1.2 + (11 / 10 + 1) * 5)
    borrows = _account(
        (-100, -100, -100), (), bank_borrows=(100, 1500, 10000), borrow_weight_scale_start_quote=(1000, 5000, 10000)
    )
    assert borrows == pytest.approx(-120 - 750 * 1.5 - 1500 * 10)
    potential = _account(
        (100, 100, 100), ((0, 100), (0, 100)),
        bank_deposits=(0, 100, 600), deposit_weight_scale_start_quote=(0, 500, 5000),
        bank_potential_order_tokens=(0, 100, 100),
    )  # fmt: skip
    assert potential == pytest.approx(80 + 2 * 250 * 0.5 + 2 * 500 * 5 / 7)
