"""The liquidation map against a slow recomputation, account by account, in plain Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.liquidation_map import ALL, MOVES, SHOWN, Curve, LiquidationMap, stress
from experiments.report.map_page import headline
from market.instruments import USD_QUANTA, Asset, Instrument, Tier
from market.kernels.records import BUY, LIMIT, MESSAGE, SELL
from market.world import World
from tests.worlds import USDC, Prices, small_world

BTC = Asset(price_usd=60_000.0, price_tick_usd=1.0, haircut=0.1)
ETH = Asset(price_usd=3_000.0, price_tick_usd=0.1, haircut=0.2, liability_weight=1.1)
TIERS = (Tier(floor_usd=0.0, initial=0.05, maintenance=0.02), Tier(floor_usd=50_000.0, initial=0.1, maintenance=0.05))
INSTRUMENTS = {
    "BTC-PERP": Instrument(base="BTC", tick_size=1.0, lot_size=0.001, tiers=TIERS),
    "ETH-PERP": Instrument(base="ETH", tick_size=0.1, lot_size=0.01, tiers=TIERS),
    "BTC-USDC": Instrument(kind="spot", base="BTC", tick_size=1.0, lot_size=0.001),
}
PRICES = {"BTC": 60_000.0, "ETH": 3_000.0}
HAIRCUTS = {"BTC": 0.1, "ETH": 0.2}
N = 80

Array = NDArray[np.float64]
Holding = tuple[dict[str, float], list[int]]
"""Balances by asset, and lots of the two perpetuals."""
Order = tuple[int, int, int, int]
"""Book, side, price, lots."""


def random_world() -> tuple[World, list[Holding], list[Order]]:
    """80 accounts with positions in two perpetuals, some with collateral in BTC or ETH, and a few resting orders."""
    world = small_world(
        prices=Prices(np.array([[60_000.0, 3_000.0]])),
        instruments=INSTRUMENTS,
        assets={"USDC": USDC, "BTC": BTC, "ETH": ETH},
        extra_accounts=N + 1,
    ).world
    generator = np.random.default_rng(5)
    holdings: list[Holding] = []
    for number in range(N):
        account = world.ledger.open(f"trader-{number}", role="trader")
        equity = 10.0 ** generator.uniform(2.5, 4.5)
        held = {"USDC": equity, "BTC": 0.0, "ETH": 0.0}
        other = ("USDC", "BTC", "ETH")[number % 3]
        held["USDC"] -= 0.6 * equity * (other != "USDC")
        if other != "USDC":
            held[other] = round(0.6 * equity / PRICES[other], 6)
        for column, (symbol, quantum) in enumerate((("USDC", 1e-6), ("BTC", 1e-8), ("ETH", 1e-8))):
            world.ledger.deposit(account, column, round(held[symbol] / quantum))
        lots = [int(generator.normal() * 8 * equity / 60.0), int(generator.normal() * (number % 2) * 8 * equity / 30.0)]
        for book, price in ((0, 60_000), (1, 30_000)):
            if lots[book]:
                world.ledger.open_position(account, book, lots[book], price, world.instruments)
        holdings.append((held, lots))
    maker = world.ledger.open("maker", role="market_maker", flags=0)
    orders: list[Order] = [(0, BUY, 59_500, 200), (0, BUY, 57_000, 300), (0, BUY, 40_000, 400), (0, SELL, 60_300, 150)]
    orders += [(2, BUY, 59_000, 50), (1, BUY, 29_000, 10_000), (1, SELL, 33_000, 7_000)]
    messages = np.zeros(len(orders), MESSAGE)
    for row, (book, side, price, lots_) in enumerate(orders):
        messages[row] = np.zeros((), MESSAGE)
        messages[row]["op"], messages[row]["book"], messages[row]["side"] = LIMIT, book, side
        messages[row]["price"], messages[row]["lots"], messages[row]["account"] = price, lots_, maker
    world.books.process(messages)
    return world, holdings, orders


def excess(held: dict[str, float], lots: list[int], factor: dict[str, float]) -> float:
    """Margin equity less maintenance, USD, with prices times `factor`."""
    price = {symbol: PRICES[symbol] * factor[symbol] for symbol in PRICES}
    size = (0.001, 0.01)
    notional = [lots[book] * size[book] * price[symbol] for book, symbol in enumerate(PRICES)]
    profit = sum(lots[book] * size[book] * (price[symbol] - PRICES[symbol]) for book, symbol in enumerate(PRICES))
    equity = held["USDC"] + profit + sum(held[symbol] * price[symbol] * (1.0 - HAIRCUTS[symbol]) for symbol in PRICES)
    maintenance = sum(0.02 * min(abs(n), 5e4) + 0.05 * max(abs(n) - 5e4, 0.0) for n in notional)
    return equity - maintenance


def slow_curve(holdings: list[Holding], orders: list[Order], moving: set[str], moves: Array) -> Array:
    """float64[4, n_moves]: accounts, liquidatable, elsewhere, depth, for moves that grow in one direction."""
    falling = moves[0] < 0
    broken: set[int] = set()
    sells, buys = np.zeros(3), np.zeros(3)
    rows = []
    for move in (0.0, *moves):
        factor = {symbol: 1.0 + move * (symbol in moving) for symbol in PRICES}
        price = (PRICES["BTC"] * factor["BTC"], PRICES["ETH"] * factor["ETH"])
        for number, (held, lots) in enumerate(holdings):
            if number in broken or excess(held, lots, factor) >= 0.0:
                continue
            broken.add(number)
            for book, size in ((0, 0.001), (1, 0.01)):
                (sells if lots[book] > 0 else buys)[book] += abs(lots[book]) * size * price[book]
            profit = lots[0] * 0.001 * (price[0] - 60_000.0) + lots[1] * 0.01 * (price[1] - 3_000.0)
            owed = max(0.0, -(held["USDC"] + profit))
            for asset, worth in sorted(
                {"BTC": held["BTC"] * price[0], "ETH": held["ETH"] * price[1]}.items(), key=lambda x: -x[1]
            ):
                sells[2] += min(owed, worth) * (asset == "BTC")
                owed = max(0.0, owed - worth)
        books = [book for book, base in enumerate(("BTC", "ETH", "BTC")) if base in moving]
        pressing = (sells if falling else buys)[books].sum()
        limits = (round(60_000 * factor["BTC"]), round(30_000 * factor["ETH"]), round(60_000 * factor["BTC"]))
        value = (0.001, 0.001, 0.001)
        depth = sum(
            price_ * lots_ * value[book]
            for book, side, price_, lots_ in orders
            if book in books
            and (side == BUY and price_ >= limits[book] if falling else side == SELL and price_ <= limits[book])
        )
        rows.append((len(broken), pressing, sells.sum() + buys.sum() - pressing, depth))
    return np.array(rows[1:]).T


def test_curves_equal_a_slow_recomputation() -> None:
    world, holdings, orders = random_world()
    before = (world.instruments.copy(), world.assets.copy(), world.ledger.cash.copy())
    curves = {curve.target: curve for curve in stress(world)}
    assert list(curves) == ["BTC", "ETH", ALL]
    for target, curve in curves.items():
        moving = set(PRICES) if target == ALL else {target}
        for side, moves in ((curve.moves < 0, -MOVES), (curve.moves > 0, MOVES)):
            order = np.argsort(np.abs(curve.moves[side]))
            found = [
                values[side][order]
                for values in (curve.accounts, curve.liquidatable_usd, curve.elsewhere_usd, curve.depth_usd)
            ]
            for have, want in zip(found, slow_curve(holdings, orders, moving, moves), strict=True):
                np.testing.assert_allclose(have, want, rtol=1e-6, atol=N * 4 / USD_QUANTA)
    assert curves[ALL].accounts.max() > 0.4 * N, "the world is one where many break"
    for now, then in zip((world.instruments, world.assets, world.ledger.cash), before, strict=True):
        assert (now == then).all()


def test_curves_grow_with_the_move() -> None:
    world, _, _ = random_world()
    for curve in stress(world):
        for values in (curve.accounts, curve.liquidatable_usd, curve.depth_usd):
            assert (np.diff(values[curve.moves < 0]) <= 0).all()
            assert (np.diff(values[curve.moves > 0]) >= 0).all()


def some_map(depth: float) -> LiquidationMap:
    moves = np.concatenate([-MOVES[::-1], MOVES])
    size = np.abs(moves)
    curve = Curve(
        target="BTC",
        moves=moves,
        price=60_000.0 * (1.0 + moves),
        accounts=np.round(100.0 * size),
        liquidatable_usd=1e6 * size,
        elsewhere_usd=0.0 * size,
        depth_usd=np.full(len(moves), depth),
    )
    return LiquidationMap(scenario="A test.", seed=0, population=100, curves=(curve,), notes=("a <note>",))


def test_rows_are_those_of_the_table() -> None:
    rows = some_map(100_000.0).rows
    assert [row["move_pct"] for row in rows] == [
        *(-100.0 * move for move in reversed(SHOWN)),
        *(100 * move for move in SHOWN),
    ]
    assert rows[0] == {
        "asset": "BTC",
        "move_pct": -50.0,
        "price_usd": 30_000.0,
        "account_count": 50,
        "liquidatable_usd": 500_000.0,
        "elsewhere_usd": 0.0,
        "depth_usd": 100_000.0,
        "liquidatable_over_depth": 5.0,
    }


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (
            102_000.0,
            "If BTC falls by 11%, 11 of 100 accounts would be liquidated, with 110,000 USD to sell and bids of only",
        ),
        (1e6, "Even if BTC falls by 50%, the books hold enough: 500,000 USD of 50 accounts to be closed, and bids"),
    ],
)
def test_the_headline_names_the_fall_that_is_too_much(depth: float, words: str) -> None:
    assert words in headline(some_map(depth))


def test_the_picture_is_one_page_that_opens_offline(tmp_path: Path) -> None:
    some_map(1e5).save(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "a &lt;note&gt;" in page
    head = page.split("<script")[0]
    assert "src=" not in head
    assert "http" not in head
