"""Published results and closed forms on margin, liquidation and deleveraging, through the engine itself.

The cases come from the shared `reference/anchors.json`; each test names its own. BOOK-sqrt and ADL-vwap are in
test_book.py.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from market.instruments import Tier
from market.kernels.allocation import allocate_pro_rata, allocate_queue
from market.kernels.records import BUY, MARKET, OUTSIDE, SELL
from market.kernels.waterfall import adl_score, effective_leverage
from market.margin import bankruptcy_price, liquidation_price
from market.prices import customer_skew, impact_premium, pay_funding
from market.venue import CloseFactor, LastMark, Waterfall
from tests.engine_worlds import BTC, PERP, SPOT, USDC, Engine, changed, engine, plain_venue
from tests.shared import shared_file


def anchor(name: str) -> dict[str, Any]:
    """One entry of the reference cases."""
    cases = json.loads(shared_file("reference/anchors.json").read_text())["anchors"]
    (case,) = [case for case in cases if case["id"] == name]
    return case  # type: ignore[no-any-return]


def prices(world: Engine, account: int) -> tuple[float, float]:
    """(liquidation price, bankruptcy price) of the perpetual; 0 where no price does it."""
    state = world.world
    arguments = (state.ledger, state.instruments, state.assets, state.tiers)
    return (
        liquidation_price(*arguments, account=account, book=0) or 0.0,
        bankruptcy_price(*arguments, account=account, book=0) or 0.0,
    )


# --- liquidation prices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
def test_hl_liqprice(side: int) -> None:
    """HL-liqprice: entry 100, size 10, margin 100, maintenance 1.25 %: 91.139241 for the long.

    For both sides, equity at that price is the maintenance margin on the notional there. Perpetual in ticks of 0.001
    and lots of 0.01: 1,000 lots are 10 units.
    """
    case = anchor("HL-liqprice")
    given = case["inputs"]["long"]
    perp = changed(PERP, tick_size=0.001, lot_size=0.01, tiers=(Tier(initial=0.025, maintenance=given["mmr"]),))
    world = engine(
        deposits=(given["margin"],), assets={"USDC": USDC, "BTC": changed(BTC, price_usd=100.0, price_tick_usd=0.001)},
        instruments={"PERP": perp},
    )  # fmt: skip
    (account,) = world.rows
    world.open(account, side * given["size"] * 100, given["entry"] * 1_000)
    price, _ = prices(world, account)
    if side == 1:
        assert price == pytest.approx(case["expected"]["liq_price"], abs=case["tolerance"])
    equity = given["margin"] + side * given["size"] * (price - given["entry"])
    assert equity == pytest.approx(given["mmr"] * given["size"] * price, abs=case["tolerance"])


# --- the ladder -------------------------------------------------------------------------------------------------


def ladder(rho: int, *, rungs: int, shock: int, depth: int = 10, bids: int = 2_000) -> int:
    """Fall of the last price, in ticks, after a sale that alone makes it fall by `shock` ticks.

    A flat book of `depth` lots per tick below 10,000; one long of `rho` lots breaks at every tick below 10,000, each as
    soon as the last price is there, and is closed whole. Marks are last prices; as many rounds as it takes.
    """
    tiers = (Tier(initial=0.0, maintenance=0.0),)
    venue = plain_venue(mark=LastMark(), round_seconds=0.001, waterfall=Waterfall(insurance_fund_usd=0.0, adl="none"))
    script = {0: [{"op": MARKET, "side": SELL, "lots": depth * shock, "account": OUTSIDE + 1}]}
    world = engine(
        deposits=(0.0,) * rungs, venue=venue, instruments={"PERP": changed(PERP, tiers=tiers)}, script=script
    )
    for rung, account in enumerate(world.rows, start=1):
        # Worth one tick and lot less than nothing at 10,000 - rung, and rho - 1 of them more a tick above.
        world.open(account, rho, 10_000)
        world.world.ledger.deposit(account, 0, (rho * rung - 1) * 1_000)
    for below in range(1, bids + 1):
        world.rest(BUY, 10_000 - below, depth)
    world.world.instruments["last"][0] = 10_000
    world.run(2)  # the sale, and the tick that marks it
    world.check_books()
    return 10_000 - int(world.world.instruments["mark"][0])


def test_ladder() -> None:
    """LADDER: with D = 10 lots of depth and rho lots liquidatable per tick, a fall d0 grows to d0 / (1 - rho / D).

    Exact to the tick: prices are whole ticks, every rung breaks at its tick, and the last level of each fall is used
    up whole. d0 = 1 unit of price is 40 ticks.
    """
    case = anchor("LADDER")
    ticks_per_unit = 40
    for rho, drop in zip(case["inputs"]["rho"], case["expected"]["drop"], strict=True):
        fell = ladder(rho, rungs=500, shock=case["inputs"]["d0"] * ticks_per_unit, depth=case["inputs"]["D"])
        assert fell / ticks_per_unit == pytest.approx(drop, rel=case["tolerance"])


@pytest.mark.parametrize("rho", [10, 12])
def test_ladder_runs_to_its_end_at_a_branching_ratio_of_one(rho: int) -> None:
    """All 300 rungs break: the fall is the sum of everything sold over the depth."""
    assert ladder(rho, rungs=300, shock=40) == 40 + 300 * rho // 10


# --- toxic liquidations -----------------------------------------------------------------------------------------


def lender(*accounts: tuple[float, float], bonus: float, close_factor: float, threshold: float = 0.85) -> Engine:
    """Accounts with (collateral, debt) in millions, collateral in lots worth 1 USD sold at a fixed price without fees.

    The liquidation bonus goes to the keeper whatever is left; one call a tick.
    """
    lot = 1.0 / 10_000
    venue = plain_venue(
        sizing=CloseFactor(share=close_factor), fee_bps=bonus * 1e4, keeper_share=1.0, fee_cap="none",
        slippage_limit_bps=0.0, dust_usd=0.01,
    )  # fmt: skip
    world = engine(
        deposits=tuple(-debt * 1e6 for _, debt in accounts),
        assets={"USDC": USDC, "BTC": changed(BTC, haircut=1.0 - threshold)},
        instruments={"BTC-USDC": changed(SPOT, lot_size=lot)},
        venue=venue,
    )
    for row, (collateral, _) in zip(world.rows, accounts, strict=True):
        world.world.ledger.deposit(row, 1, round(collateral * 1e6) * 10_000)
    world.bids((10_000, 10**12), account=OUTSIDE)
    return world


def balance(world: Engine, account: int) -> tuple[float, float]:
    """(collateral value, debt) in millions of USD."""
    return world.cash(account, 1) / 1e10, -world.cash(account) / 1e12


def health(world: Engine, account: int) -> float:
    """Weighted collateral over debt, from the engine's margin equity."""
    debt = -world.cash(account)
    return (world.assess(account)[0] + debt) / debt


def test_tox_identity() -> None:
    """TOX-identity: repaying r at bonus b adds r (HF - LT (1 + b)) / (B - r) to the health factor, -b r to equity."""
    case = anchor("TOX-identity")
    assert case["expected"]["equity"] == "C'-B'=C-B-b*r"
    bonus, threshold = 0.05, 0.85
    book = [(100.0, 86.0), (100.0, 90.0), (100.0, 95.0), (100.0, 95.3), (100.0, 97.0), (100.0, 110.0)]
    world = lender(*book, bonus=bonus, close_factor=0.4, threshold=threshold)
    before = [health(world, account) for account in world.rows]
    world.run()
    for (collateral, debt), account, factor in zip(book, world.rows, before, strict=True):
        repaid = 0.4 * debt
        left, owed = balance(world, account)
        assert owed == pytest.approx(debt - repaid, rel=case["tolerance"], abs=1e-7)
        predicted = repaid * (factor - threshold * (1 + bonus)) / (debt - repaid)
        # a lot is 1e-8 of the collateral
        assert health(world, account) - factor == pytest.approx(predicted, abs=2e-8)
        assert left - owed == pytest.approx(collateral - debt - bonus * repaid, abs=2e-6)
        assert (health(world, account) > factor) == (debt / collateral < 1 / (1 + bonus))


def test_tox_spiral() -> None:
    """TOX-spiral: LTV 0.97 at a bonus of 5 %, half of the debt a call: the path, and what is left unpaid."""
    case = anchor("TOX-spiral")
    given, expected = case["inputs"], case["expected"]
    world = lender((given["C"], given["B"]), bonus=given["b"], close_factor=given["close_factor"])
    (account,) = world.rows
    path = []
    for _ in expected["LTV_path"]:
        collateral, debt = balance(world, account)
        path.append(debt / collateral)
        world.run()
    assert path == pytest.approx(expected["LTV_path"], abs=case["tolerance"])
    world.run(2)
    assert balance(world, account) == (0.0, 0.0)
    (loss,) = world.losses
    assert int(loss["bad_debt"]) / 1e12 == pytest.approx(expected["terminal_bad_debt"], abs=case["tolerance"])
    world.check_books()


def test_tox_threshold() -> None:
    """TOX-threshold: below an LTV of 1 / (1 + b) a liquidation heals, above it harms; found to 1 in a million."""
    case = anchor("TOX-threshold")
    for bonus, frontier in zip(case["inputs"]["b"], case["expected"]["LTV*"], strict=True):
        low, high = 0.86, 0.999
        while high - low > case["tolerance"] / 4:
            middle = (low + high) / 2
            world = lender((100.0, 100.0 * middle), bonus=bonus, close_factor=0.5)
            before = health(world, world.rows[0])
            world.run()
            low, high = (middle, high) if health(world, world.rows[0]) > before else (low, middle)
        assert (low + high) / 2 == pytest.approx(frontier, abs=case["tolerance"])


# --- auto-deleveraging ------------------------------------------------------------------------------------------

UNIT = 1_881_000
"""Lots of one contract: thirds, nineteenths and ninety-ninths of it are whole numbers of quanta."""
TICKS = 1_000_000
"""Ticks per unit of price."""


def five_accounts() -> tuple[Engine, dict[str, Any]]:
    """The five accounts of ADL-P5; OUTSIDE holds the two contracts that make it sum to zero."""
    given = anchor("ADL-P5-static")["inputs"]
    perp = changed(PERP, tick_size=1e-6, lot_size=1.0, tiers=(Tier(initial=given["mu"], maintenance=given["mu"]),))
    world = engine(
        deposits=(0.0,) * 5, assets={"USDC": USDC, "BTC": changed(BTC, price_usd=1.0, price_tick_usd=1e-6)},
        instruments={"PERP": perp}, venue=plain_venue(waterfall=Waterfall(insurance_fund_usd=0.0, adl="pro_rata")),
    )  # fmt: skip
    for account, size, collateral, side in zip(world.rows, given["q"], given["c"], given["b"], strict=True):
        amount = Fraction(collateral) * UNIT * TICKS
        assert amount.denominator == 1
        world.world.ledger.deposit(account, 0, int(amount))
        world.open(account, side * size * UNIT, given["entry"] * TICKS)
    return world, given


def in_units(world: Engine, account: int) -> float:
    """Net equity in units of price x contract."""
    return world.assess(account)[1] / (UNIT * TICKS)


def test_adl_p5_static() -> None:
    """ADL-P5-static: leverage, bankruptcy and liquidation prices; zero stands for "no price does it"."""
    world, given = five_accounts()
    case = anchor("ADL-P5-static")
    expected = case["expected"]
    found = [prices(world, account) for account in world.rows]
    assert [price for price, _ in found] == pytest.approx(
        [float(Fraction(price)) for price in expected["p_liq"]], abs=case["tolerance"]
    )
    assert [price for _, price in found] == pytest.approx(
        [float(Fraction(price)) for price in expected["p_bankrupt"]], abs=case["tolerance"]
    )
    leverage = [
        effective_leverage(size * UNIT * TICKS, world.assess(account)[1])
        for size, account in zip(given["q"], world.rows, strict=True)
    ]
    assert leverage == pytest.approx(expected["leverage"], rel=case["tolerance"])
    lots = world.world.ledger.positions["lots"][world.rows, 0] / UNIT
    assert (lots[lots > 0].sum(), -lots[lots < 0].sum()) == (expected["OI_p1"]["L"], expected["OI_p1"]["S"])


class LongShortFunding:
    """The paper's rule, gamma = L / S - mark / oracle, longs receive: from what the engine offers a funding rule."""

    impact_notional_usd = 1e-6
    uses_premium = True
    uses_skew = True

    def __init__(self) -> None:
        self.paid: list[float] = []

    def rate(self, *, premium: float, skew: float) -> float:
        """Longs pay minus gamma."""
        self.paid.append((1 + skew) / (1 - skew) - (1 + premium))
        return -self.paid[-1]


def test_adl_p5_path() -> None:
    """ADL-P5-path: funding through the cumulative index, equities, who is short of what, haircut, leverages."""
    world, given = five_accounts()
    case = anchor("ADL-P5-path")
    expected = case["expected"]
    oracle, mark = case["inputs"]["oracle"], case["inputs"]["mark"]
    instrument, rule = world.world.instruments[0], LongShortFunding()
    equities = [[in_units(world, account) for account in world.rows]]
    for step in (1, 2):
        instrument["index"], instrument["mark"] = round(oracle[step] * TICKS), round(mark[step] * TICKS)
        # One order at the mark, on the side that shows the premium: the impact price is the mark.
        side = BUY if mark[step] > oracle[step] else SELL
        handle = world.rest(side, int(instrument["mark"]), 1, account=OUTSIDE)
        assert impact_premium(world.world, 0, 1e-6) == pytest.approx(mark[step] / oracle[step] - 1)
        before = int(instrument["funding_index"])
        pay_funding(world.world, rule)  # type: ignore[arg-type]
        world.world.books.cancel(handle)
        per_contract = (int(instrument["funding_index"]) - before) / TICKS
        if step == 1:
            paid = [-side * size * per_contract for side, size in zip(given["b"], given["q"], strict=True)]
            assert paid == pytest.approx(expected["funding_t1"], abs=case["tolerance"])
        equities.append([in_units(world, account) for account in world.rows])
    assert customer_skew(world.world, 0) == pytest.approx(-2 / 8)
    assert rule.paid == pytest.approx(expected["gamma"], abs=case["tolerance"])
    assert equities[1] == pytest.approx(expected["equity_t1"], abs=case["tolerance"])
    assert equities[2] == pytest.approx(expected["equity_t2"], abs=case["tolerance"])
    last = np.array(equities[2])
    winners, losers = last > 0, last < 0
    assert -last[losers].sum() == pytest.approx(expected["deficit"], abs=case["tolerance"])
    assert last[winners].sum() == pytest.approx(expected["winner_mass"], abs=case["tolerance"])
    # The deficit shared out over the winners' equities, in millionths.
    mass, taken = (last[winners] * 1e12).astype(np.int64), np.zeros(3, np.int64)
    assert allocate_pro_rata(round(-last[losers].sum() * 1e12), mass, taken) == 0
    assert taken / mass == pytest.approx([expected["prorata_haircut"]] * 3, abs=case["tolerance"])
    notional = np.array(given["q"]) * mark[2]
    leverage = [effective_leverage(size, abs(worth)) for size, worth in zip(notional * 1e12, last * 1e12, strict=True)]
    assert np.array(leverage)[winners] == pytest.approx(expected["eff_lev_winners"], abs=case["tolerance"])
    # The loser's leverages are printed with four and three decimals.
    assert np.array(leverage)[losers] == pytest.approx(expected["eff_lev_losers"], abs=5.1e-4)
    world.check_books()


def shortfall(entry: float, *, mark: float, execution: float, collateral: Fraction) -> float:
    """Bad debt the engine books for a short of one contract that is bought back at `execution`."""
    perp = changed(PERP, tick_size=1e-6, lot_size=1.0, tiers=(Tier(initial=0.1, maintenance=0.1),))
    world = engine(
        deposits=(0.0,), assets={"USDC": USDC, "BTC": changed(BTC, price_usd=mark, price_tick_usd=1e-6)},
        instruments={"PERP": perp}, venue=plain_venue(slippage_limit_bps=5_000.0),
    )  # fmt: skip
    (account,) = world.rows
    world.world.ledger.deposit(account, 0, int(collateral * UNIT * TICKS))
    world.open(account, -UNIT, round(entry * TICKS))
    world.asks((round(execution * TICKS), UNIT))
    world.run()
    world.check_books()
    return float(world.losses["bad_debt"].sum()) / (UNIT * TICKS)


def test_adl_shortfall() -> None:
    """ADL-shortfall: the engine follows the entry convention, 0.44899.

    The paper's 0.39899 leaves accrued profit out: the engine gives it for the same collateral on a position entered at
    the mark instead.
    """
    case = anchor("ADL-shortfall")
    given, expected = case["inputs"], case["expected"]
    short = given["short"]
    common = {"mark": given["mark"], "execution": given["exec"], "collateral": Fraction(short["c"])}
    assert shortfall(short["entry"], **common) == pytest.approx(expected["entry_convention"], abs=case["tolerance"])
    paper = expected["paper_convention_pbk=p_t+c/q"]
    assert shortfall(given["mark"], **common) == pytest.approx(paper, abs=case["tolerance"])


def test_adl_queue_vs_prorata() -> None:
    """ADL-queue-vs-prorata: half of a deficit of 15 taken from profits 8, 4 and 0.5, by queue and in proportion."""
    case = anchor("ADL-queue-vs-prorata")
    given, expected = case["inputs"], case["expected"]
    scale = 10**12
    equity = np.array([round(value * scale) for value in given["equity"][:3]], np.int64)
    profit = np.array([round(value * scale) for value in given["pnl"][:3]], np.int64)
    deficit = -sum(value for value in given["equity"] if value < 0)
    budget = round(given["severity"] * deficit * scale)
    assert (deficit, budget / scale) == (expected["deficit"], expected["budget"])
    order = np.array(given["queue_order"]) - 1
    taken = np.zeros(3, np.int64)
    assert allocate_queue(budget, profit[order], taken) == 0
    seized = np.zeros(3, np.int64)
    seized[order] = taken
    assert (seized / scale).tolist() == pytest.approx(expected["queue_seized"], abs=case["tolerance"])
    assert ((equity - seized) / scale).tolist() == pytest.approx(expected["queue_post"], abs=case["tolerance"])
    assert allocate_pro_rata(budget, profit, taken) == 0
    assert budget / int(profit.sum()) == pytest.approx(expected["prorata_h"], abs=case["tolerance"])
    assert ((equity - taken) / scale).tolist() == pytest.approx(expected["prorata_post"], abs=case["tolerance"])


def test_bitmex_rank() -> None:
    """BITMEX-rank: profit share x effective leverage, profit share / effective leverage for losers."""
    case = anchor("BITMEX-rank")
    given, expected = case["inputs"], case["expected"]
    equity = given["mark_value"] - given["bankrupt_value"]
    assert effective_leverage(given["mark_value"], equity) == pytest.approx(expected["eff_leverage"])
    profit = given["pnl_pct"] * given["mark_value"]
    rank = adl_score(profit, given["mark_value"], given["mark_value"], equity)
    assert rank == pytest.approx(expected["rank"], abs=case["tolerance"])
    assert adl_score(-profit, given["mark_value"], given["mark_value"], equity) == pytest.approx(
        -given["pnl_pct"] / expected["eff_leverage"]
    )
