"""Keepers by hand: what a call would earn, who sees what, who can afford it, and what is offered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.keeper import KeeperCohort, KeeperOutage, Keepers
from agents.kernels.keeper import expected_profit
from market.kernels.records import BUY, CLAIM, CLAIM_COUNT, INSURANCE_FUND
from market.venue import CloseFactor, Liquidation, OraclePrice, Portion, Venue
from market.world import World
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world, quote

USD = 1_000_000
PLAIN = Keepers(latency_seconds=0.0, latency_sigma=0.0, capital_sigma=0.0, bid_spread=0.0, bid_noise=0.0, attention=1.0)
LIQUIDATION = Liquidation(fee_bps=100.0, keeper_share=0.4, keeper_floor_usd=2.0, slippage_limit_bps=500.0)


def cast(parameters: Keepers, *, venue: Venue | None = None, n_accounts: int = 60) -> tuple[World, KeeperCohort]:
    world = make_world(n_accounts=n_accounts, venue=venue or Venue(liquidation=LIQUIDATION))
    return world, parameters.join(world, assets=ASSETS, instruments=INSTRUMENTS)


def open_claim(world: World, account: int, **fields: int) -> None:
    """Append a claim as the market would have found it."""
    claim = np.zeros(1, CLAIM)
    for name, value in {"account": account, "reward": 10 * USD, "net_equity": 100 * USD, **fields}.items():
        claim[name] = value
    world.claims[world.n_claims] = claim[0]
    world.books.counters[CLAIM_COUNT] += 1


def offers(world: World, keepers: KeeperCohort, *, clock: int = 0) -> list[tuple[int, int, int, int]]:
    """(keeper, claim, amount, notional) of every bid."""
    n = keepers.bid(world, clock=clock)
    return [(int(bid["keeper"]), int(bid["claim"]), int(bid["amount"]), int(bid["notional"])) for bid in world.bids[:n]]


def profit(world: World, claim: int = 0) -> int:
    return int(
        expected_profit(
            world.claims[claim], 0, world.policy[0], world.scratch["limits"], world.windows, world.instruments,
            world.assets, world.margin, world.ledger.positions, world.ledger.cash, world.books.levels,
            world.books.occupied, None,
        )
    )  # fmt: skip


def long_btc(world: World, lots: int) -> int:
    """An account that is long so many ten-thousandths of a BTC, entered at 40,000."""
    row = world.ledger.open("long", role="trader")
    world.ledger.open_position(row, 0, lots, 40_000, world.instruments)
    return row


def test_reward_is_the_share_of_the_fee_on_what_the_book_takes() -> None:
    world, _ = cast(Keepers(count=0))
    row = long_btc(world, 10_000)  # one BTC
    open_claim(world, row, net_equity=3_000 * USD)
    assert profit(world) == 0  # an empty book fills nothing
    quote(world, "BTC-PERP", side=BUY, price=40_000, lots=5_000)
    assert profit(world) == 80 * USD  # 1% of 20,000, 40% of it
    quote(world, "BTC-PERP", side=BUY, price=39_000, lots=9_000)
    assert profit(world) == 160 * USD  # all of it
    quote(world, "BTC-PERP", side=BUY, price=37_000, lots=9_000)
    assert profit(world) == 160 * USD  # beyond the slippage limit


def test_fee_is_limited_to_what_is_left_after_slippage_and_the_fund_pays_the_floor() -> None:
    world, _ = cast(Keepers(count=0))
    row = long_btc(world, 10_000)
    quote(world, "BTC-PERP", side=BUY, price=39_900, lots=10_000)
    open_claim(world, row, net_equity=250 * USD)  # slippage 100: 150 are left, 40% of them
    assert profit(world) == 60 * USD
    world.claims["net_equity"][0] = 101 * USD
    assert profit(world) == 400_000  # the fund is empty: no floor
    world.ledger.deposit(INSURANCE_FUND, 0, 1_000_000)
    assert profit(world) == 1_400_000  # the fund has one dollar
    world.ledger.deposit(INSURANCE_FUND, 0, 50_000_000)
    assert profit(world) == 2_000_000


def test_close_factor_reckons_with_the_part_that_is_closed() -> None:
    rules = Liquidation(sizing=CloseFactor(share=0.25), fee_bps=100.0, keeper_share=0.4, slippage_limit_bps=500.0)
    world, _ = cast(Keepers(count=0), venue=Venue(liquidation=rules))
    row = long_btc(world, 10_000)
    quote(world, "BTC-PERP", side=BUY, price=40_000, lots=10_000)
    open_claim(world, row, net_equity=3_000 * USD)
    assert profit(world) == 40 * USD


def test_who_takes_over_reckons_with_what_the_book_gives_beyond_the_price() -> None:
    """3 % below 40,000 is 38,800: half a BTC at 39,000 gains 100; collateral likewise, as much as the debt takes."""
    rules = Liquidation(price=OraclePrice(discount_bps=300.0), fee_bps=0.0, keeper_floor_usd=0.0)
    world, _ = cast(Keepers(count=0), venue=Venue(liquidation=rules))
    world.instruments["taker_fee"] = 0
    row = long_btc(world, 10_000)
    open_claim(world, row, net_equity=3_000 * USD)
    quote(world, "BTC-PERP", side=BUY, price=39_000, lots=5_000)
    assert profit(world) == 100 * USD
    quote(world, "BTC-PERP", side=BUY, price=38_799, lots=5_000)
    assert profit(world) == 100 * USD


def test_collateral_taken_over_for_a_debt_gains_as_much_as_the_debt_takes() -> None:
    """3 % below 40,000 is 38,800: a debt of 10,000 takes 0.2577 of half a BTC, and each gains 200 at 39,000."""
    rules = Liquidation(price=OraclePrice(discount_bps=300.0), fee_bps=0.0, keeper_floor_usd=0.0)
    world, _ = cast(Keepers(count=0), venue=Venue(liquidation=rules))
    world.instruments["taker_fee"] = 0
    row = world.ledger.open("borrower", role="trader")
    world.ledger.deposit(row, world.asset("BTC"), 50_000_000)
    open_claim(world, row, reward=0, notional=10_000 * USD)
    assert profit(world) == 0
    quote(world, "BTC-USDC", side=BUY, price=39_000, lots=100_000)
    assert profit(world) == pytest.approx(10_000 / 38_800 * 200 * USD, rel=0.001)


def test_portion_is_reckoned_with() -> None:
    rules = Liquidation(sizing=Portion(share=0.25, most_usd=1e6), fee_bps=100.0, keeper_share=0.4)
    world, _ = cast(Keepers(count=0), venue=Venue(liquidation=rules))
    row = long_btc(world, 10_000)
    quote(world, "BTC-PERP", side=BUY, price=40_000, lots=10_000)
    open_claim(world, row, net_equity=3_000 * USD)
    assert profit(world) == 40 * USD


def test_bid_is_a_share_of_the_profit_after_cost() -> None:
    world, keepers = cast(replace(PLAIN, count=1, cost_usd=0.5, bid_share=0.5))
    row = long_btc(world, 10_000)
    quote(world, "BTC-PERP", side=BUY, price=40_000, lots=10_000)
    open_claim(world, row, net_equity=3_000 * USD, notional=40_000 * USD)
    assert offers(world, keepers) == [(0, 0, 79_750_000, 40_000 * USD)]


def test_unprofitable_claims_are_left() -> None:
    world, keepers = cast(replace(PLAIN, count=1, cost_usd=9.0, min_profit_usd=2.0))
    for account, reward in ((7, 9 * USD), (8, 10 * USD), (9, 11 * USD)):
        open_claim(world, account, reward=reward)
    assert [claim for _, claim, _, _ in offers(world, keepers)] == [2]


def test_latency_hides_new_claims() -> None:
    world, keepers = cast(replace(PLAIN, count=1, latency_seconds=2.0))
    open_claim(world, 7, tick=0)
    open_claim(world, 8, tick=1)
    visible = []
    for tick in range(4):
        world.tick = tick
        visible.append(sorted(claim for _, claim, _, _ in offers(world, keepers)))
    assert visible == [[], [], [0], [0, 1]]


def test_slow_keepers_are_not_blinded_by_claims_only_the_fast_can_see() -> None:
    """The shortlist is full of new, dearer claims; a slower keeper still bids for the old ones it sees."""
    world, keepers = cast(replace(PLAIN, count=2))
    keepers.records["latency"] = [0, 5]
    for account in range(3):
        open_claim(world, account, tick=0)
    for account in range(3, 53):
        open_claim(world, account, tick=5, reward=20 * USD)
    world.tick = 5
    by_keeper = {k: [claim for keeper, claim, _, _ in offers(world, keepers) if keeper == k] for k in (0, 1)}
    assert sorted(by_keeper[1]) == [0, 1, 2]
    assert len(by_keeper[0]) == 30
    assert min(by_keeper[0]) == 3


def test_a_claim_served_in_this_round_is_not_offered_again() -> None:
    world, keepers = cast(replace(PLAIN, count=1))
    open_claim(world, 7, next_try=4)
    assert offers(world, keepers, clock=3) == []
    assert len(offers(world, keepers, clock=4)) == 1


def test_capital_carries_all_bids_at_once_and_is_free_again_next_tick() -> None:
    """1,000 USD at 5% carry 20,000 of notional; what has been closed this tick counts."""
    world, keepers = cast(replace(PLAIN, count=1, capital_usd=1_000.0, carry=0.05))
    open_claim(world, 7, notional=12_000 * USD, reward=30 * USD)
    open_claim(world, 8, notional=9_000 * USD, reward=20 * USD)
    open_claim(world, 9, notional=8_000 * USD, reward=10 * USD)
    assert sorted(claim for _, claim, _, _ in offers(world, keepers)) == [0, 2]
    keepers.records["carried"] = 12_000 * USD
    assert [claim for _, claim, _, _ in offers(world, keepers)] == [2]
    world.tick = 1
    assert sorted(claim for _, claim, _, _ in offers(world, keepers)) == [0, 2]


def test_calls_per_tick_add_up_to_the_rate() -> None:
    world, keepers = cast(replace(PLAIN, count=2, calls_per_second=0.4))
    open_claim(world, 7)
    calls = []
    for tick in range(10):
        world.tick = tick
        offers(world, keepers)
        calls.append(keepers.records["throughput"].copy())
    assert np.sum(calls, axis=0).tolist() == [4, 4]
    assert np.max(calls) == 1
    world.tick = 10
    offers(world, keepers)
    keepers.records["used"] = keepers.records["throughput"]
    assert offers(world, keepers) == []


def test_outage_takes_the_fastest_offline() -> None:
    outage = KeeperOutage(start_seconds=1.0, end_seconds=3.0, share=0.5)
    world, keepers = cast(replace(PLAIN, count=4, outages=(outage,)))
    open_claim(world, 7)
    bidders = []
    for tick in range(4):
        world.tick = tick
        bidders.append([keeper for keeper, _, _, _ in offers(world, keepers)])
    assert bidders == [[0, 1, 2, 3], [2, 3], [2, 3], [0, 1, 2, 3]]


def test_attention_is_a_chance_per_tick_that_repeats_with_the_seed() -> None:
    def online() -> list[int]:
        world, keepers = cast(replace(PLAIN, count=20, attention=0.5))
        open_claim(world, 7)
        seen = []
        for tick in range(50):
            world.tick = tick
            seen.append(len({keeper for keeper, _, _, _ in offers(world, keepers)}))
        return seen

    first = online()
    assert first == online()
    assert 400 < sum(first) < 600


def test_bids_vary_from_tick_to_tick_around_the_keepers_own_share() -> None:
    world, keepers = cast(replace(PLAIN, count=2, cost_usd=0.0, bid_share=0.5, bid_noise=0.2))
    open_claim(world, 7, reward=100 * USD)
    amounts = []
    for tick in range(200):
        world.tick = tick
        amounts.append([amount / USD for _, _, amount, _ in offers(world, keepers)])
    assert 30.0 <= np.min(amounts) < 33.0
    assert 67.0 < np.max(amounts) <= 70.0
    assert 0.3 < np.mean(np.diff(amounts, axis=1) > 0) < 0.7


def test_keepers_differ_and_stand_in_order_of_speed() -> None:
    world, keepers = cast(Keepers(count=20, latency_seconds=3.0))
    latency = keepers.records["latency"]
    capital = world.ledger.cash[keepers.records["account"], 0]
    assert (np.diff(latency) >= 0).all()
    assert len(set(latency.tolist())) > 3
    assert len(set(capital.tolist())) == 20
    assert world.ledger.conservation_error() == 0


def _best(claims: Any, *, newest: int, clock: int, most: int) -> list[int]:
    """The claims a keeper should consider, the plain way."""
    seen = [row for row, claim in enumerate(claims) if claim["tick"] <= newest and claim["next_try"] <= clock]
    seen.sort(key=lambda row: (-claims["reward"][row], *(claims[name][row] for name in ("tick", "round", "account"))))
    return seen[:most]


CLAIMS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(1, 12), st.integers(0, 9)), min_size=1, max_size=60
)


WORLD = cast(replace(PLAIN, count=4, cost_usd=0.0))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=CLAIMS, latencies=st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_each_bids_for_the_best_claims_it_sees(rows: list[tuple[int, int, int, int]], latencies: list[int]) -> None:
    """Against a sort of all claims; whoever else takes part changes nothing of it."""
    world, keepers = WORLD
    world.books.counters[CLAIM_COUNT] = 0
    for account, (tick, round_, reward, next_try) in enumerate(sorted(rows)):
        open_claim(world, account, tick=tick, round=round_, reward=reward * USD, next_try=next_try)
    keepers.records["latency"] = sorted((latencies * 4)[:4])
    world.tick = 6
    made = offers(world, keepers, clock=5)
    for k, latency in enumerate(keepers.records["latency"]):
        expected = set(_best(world.claims[: world.n_claims], newest=6 - int(latency), clock=5, most=30))
        assert {claim for keeper, claim, _, _ in made if keeper == k} == expected
    assert [keeper for keeper, _, _, _ in made] == sorted(keeper for keeper, _, _, _ in made)


def test_an_outage_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="not after its start"):
        KeeperOutage(start_seconds=2.0, end_seconds=1.0)
