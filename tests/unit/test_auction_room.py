"""Auctions: room for all and for each collateral, what waits, and whether a price follows the oracle's or stands alone.

One lot is 0.001 BTC; marks and oracle are the index; rounds and ticks last a second.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.errors import InputError
from market.sizing import AssetRoom, AuctionFraction, AuctionRoom
from market.venue import DutchPrice, Liquidation
from tests.engine_worlds import BTC, SPOT, SPOT_BOOK, USD, USDC, Engine, changed, engine, falls_to, plain_venue


def closed(world: Engine) -> list[tuple[int, int]]:
    """(tick, lots) of every forced fill."""
    return [(int(event["tick"]), int(event["lots"])) for event in world.events]


def roomy(most: float, *, least: float = 0.0, price: Any = None, own: AssetRoom | None = None) -> Engine:
    """Two customers long 300 and 200 lots, 2,700 and 1,800 USD at 9,000, each with a dollar left."""
    rules: dict[str, Any] = {} if price is None else {"price": price}
    sizing = AuctionRoom(most_usd=most, least_usd=least, by_asset={} if own is None else {"BTC": own})
    world = engine(deposits=(301.0, 201.0), prices=falls_to(9_000.0), venue=plain_venue(sizing=sizing, **rules))
    for account, lots in zip(world.rows, (300, 200), strict=True):
        world.open(account, lots, 10_000)
    return world


@pytest.mark.parametrize(
    ("most", "least", "first"),
    [
        (4_500.0, 0.0, [300, 200]),
        (2_700.0, 0.0, [300]),
        (3_600.0, 0.0, [300, 100]),
        (3_600.0, 901.0, [300, 200]),  # a rest of 900 may not be left behind
        (1_800.0, 0.0, [200]),  # 200 of 300
        (500.0, 501.0, []),  # too little to stand alone
    ],
)
def test_no_more_is_put_up_than_there_is_room(most: float, least: float, first: list[int]) -> None:
    world = roomy(most, least=least)
    world.bids((9_000, 5_000))
    world.run(2)
    assert [lots for _, lots in closed(world)] == first
    world.run(3)
    assert sum(lots for _, lots in closed(world)) == (500 if first else 0)
    world.check_books()


@pytest.mark.parametrize(
    ("own", "first"),
    [
        (AssetRoom(most_usd=2_700.0), [300]),
        (AssetRoom(most_usd=3_600.0), [300, 100]),
        (AssetRoom(most_usd=3_600.0, least_usd=901.0), [300, 200]),
        (AssetRoom(least_usd=901.0), [300, 200]),
    ],
)
def test_an_asset_has_room_of_its_own_inside_that_for_all(own: AssetRoom, first: list[int]) -> None:
    world = roomy(4_500.0, own=own)
    world.bids((9_000, 5_000))
    world.run(2)
    assert [lots for _, lots in closed(world)] == first
    elsewhere = AuctionRoom(most_usd=4_500.0, by_asset={"ETH": own})
    assert elsewhere.own_rooms("BTC") == (-1, -1)


@pytest.mark.parametrize("follows", [True, False])
def test_an_auction_may_start_from_the_price_and_stand_alone(follows: bool) -> None:
    """Begun at tick 0, at 10,000 x 1.2; a twelfth of the start less every second; from tick 3 on 9,000 counts.

    A bid of 7,250 is enough when no more is asked: 9,000 x 1.2 x 8/12 = 7,200 at tick 4; or 12,000 x 7/12 at tick 5.
    """
    price = DutchPrice(curve="linear", start=1.2, span_seconds=12.0, follows_oracle=follows)
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=0.2)}
    world = engine(
        deposits=(-8_100.0,), prices=lambda tick: (1.0, 10_000.0 if tick < 3 else 9_000.0), assets=assets,
        venue=plain_venue(price=price),
    )  # fmt: skip
    world.world.ledger.deposit(world.rows[0], 1, round(1e8))
    world.bids((7_250, 5_000), book=SPOT_BOOK)
    found = []
    for _ in range(9):
        world.run(1)
        found.append(len(world.events))
    assert found.index(1) == (4 if follows else 5)
    world.check_books()


def test_slices_of_an_account_follow_the_oracle() -> None:
    with pytest.raises(ValueError, match="follows_oracle"):
        Liquidation(sizing=AuctionFraction(), price=DutchPrice(curve="two_speed", follows_oracle=False))


def test_the_price_of_what_waits_does_not_fall() -> None:
    """11,700, 10,530, 9,360, 8,190 ... for the first; the second is put up when the first is gone, and starts then."""
    world = roomy(2_700.0, price=DutchPrice(curve="linear", start=1.3, span_seconds=10.0))
    world.bids((9_360, 300))
    world.run(4)
    assert closed(world) == [(3, 300)]
    world.bids((9_360, 500))
    world.run(2)
    assert closed(world) == [(3, 300)]
    world.run(1)
    assert closed(world) == [(3, 300), (6, 200)]
    world.check_books()


def test_debts_are_put_up_as_far_as_there_is_room() -> None:
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=0.2)}
    world = engine(deposits=(-500.0,), assets=assets, venue=plain_venue(sizing=AuctionRoom(most_usd=200.0)))
    world.world.ledger.deposit(world.rows[0], 1, round(0.06 * 1e8))
    world.bids((10_000, 5_000), book=SPOT_BOOK)
    world.run(1)
    assert closed(world) == [(0, 20)]
    world.check_books()


VAULT_ASSETS = {"USDC": USDC, "BTC": changed(BTC, haircut=0.2), "ETH": changed(BTC, haircut=0.2, price_usd=1_000.0)}
VAULT_BOOKS = {"BTC-USDC": SPOT, "ETH-USDC": changed(SPOT, base="ETH", lot_size=0.01)}


def vault(
    owed: float, bitcoin: float, ether: float = 0.0, *, prices: Any = None, sizing: Any = None, **rules: Any
) -> Engine:
    """One debt against bitcoin at 10,000 and ether at 1,000, which are sold at 1.2 times that less a tenth a second."""
    price = DutchPrice(curve="linear", start=1.2, span_seconds=12.0, follows_oracle=False)
    made = engine(
        deposits=(-owed,), venue=plain_venue(price=price, sizing=sizing or AuctionRoom(least_usd=100.0), **rules),
        assets=VAULT_ASSETS, instruments=VAULT_BOOKS, prices=prices,
    )  # fmt: skip
    made.world.ledger.deposit(made.rows[0], 1, round(bitcoin * 1e8))
    made.world.ledger.deposit(made.rows[0], 2, round(ether * 1e8))
    return made


@pytest.mark.parametrize(
    ("depth", "sold"),
    [
        (20, [20]),  # 200 of 850: 650 are left, enough
        (80, [75]),  # 800 would leave 50: cut, so that 100 are left
        (84, [75]),
        (85, [85]),  # all of the debt
    ],
)
def test_a_bid_leaves_nothing_of_a_debt_or_enough(depth: int, sold: list[int]) -> None:
    """850 owed against a tenth of a bitcoin; two seconds later 10,000 are asked for one, and the book has that bid."""
    made = vault(850.0, 0.1)
    made.bids((10_000, depth))
    made.run(3)
    assert [lots for _, lots in closed(made)] == sold
    made.check_books()


def test_a_bid_is_refused_where_the_debt_is_less_than_may_be_left_and_taken_with_the_whole_lot() -> None:
    """90 owed of which 50 are bid for: nothing until the book takes them all, ten lots at 9,000 by then; but the whole
    lot may go for less than the debt."""
    made = vault(90.0, 0.01)
    made.bids((10_000, 5))
    made.run(3)
    assert not closed(made)
    made.bids((10_000, 5))
    made.run(1)
    assert [lots for _, lots in closed(made)] == [10]
    whole = vault(200.0, 0.015)
    whole.bids((10_000, 100))
    whole.run(3)
    assert [lots for _, lots in closed(whole)] == [15], "150 of 200, with nothing left to sell"


def test_the_penalty_is_on_what_may_be_left() -> None:
    """850 and 13 % are to be raised, 960.5; 100 and 13 % may be left: 847.5, 84 whole lots."""
    made = vault(850.0, 0.1, fee_bps=1_300.0, fee_cap="none")
    made.bids((10_000, 94))
    made.run(3)
    assert [lots for _, lots in closed(made)] == [84]


def test_every_collateral_has_an_auction_of_its_own() -> None:
    """Ether falls by a half once the auctions have begun: it is asked for at the price it began with, like bitcoin."""
    made = vault(9_700.0, 0.7, 5.0, prices=lambda tick: (1.0, 10_000.0, 1_000.0 if tick < 2 else 500.0))
    made.bids((600, 10_000), book=1)
    seen = []
    for _ in range(8):
        made.run(1)
        seen.append(sum(event["book"] == 1 for event in made.events))
    asked = [1_000.0 * (1.2 - 0.1 * second) for second in range(8)]
    assert seen == [int(price <= 600.0 + 1e-9) for price in asked]


def test_what_is_put_up_uses_the_room_of_each_collateral() -> None:
    """Half of what is owned is ether, against which 450 may be put up: twice that of the whole."""
    both = AuctionRoom(by_asset={"ETH": AssetRoom(most_usd=450.0)})
    for ether, tab in ((5.0, 900.0), (0.0, 4_500.0)):
        made = vault(4_500.0 + 900.0 * ether, 0.5, ether, sizing=both)
        made.run(1)
        assert int(made.world.claims["tab"][0]) == pytest.approx((tab if ether else 4_500.0) * USD, abs=2)


def test_prices_that_stand_alone_are_remembered_for_so_many_assets() -> None:
    coins = {f"C{number}": BTC for number in range(16)}
    venue = plain_venue(price=DutchPrice(follows_oracle=False))
    with pytest.raises(InputError, match="16 assets at most; there are 17"):
        engine(venue=venue, assets={"USDC": USDC, **coins}, instruments={})
