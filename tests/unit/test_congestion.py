"""Shared blocks by hand: who fits, what the base fee does, what waits, and what keepers pay.

Gas prices are round numbers: a base fee of 100 USD per million gas makes a call of 100,000 gas cost 10 USD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.oracle import OracleFeed, Oracles, OracleSource
from agents.trader import Traders
from market.block_space import Sender, SharedBlocks
from market.congestion import Congestion, congestion
from market.kernels.blocks import BLOCK, call_fits, others_above, seal
from market.kernels.records import OUTSIDE
from market.venue import Venue
from market.world import Inbox, World
from tests.engine_worlds import USD, Engine, changed, engine, falls_to, plain_venue
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world

QUIET = SharedBlocks(
    block_seconds=1.0,
    capacity_gas=1_000_000,
    base_fee_usd_per_mgas=100.0,
    base_fee_step=0.0,
    call_gas=100_000,
    oracle=Sender(gas=200_000, tip_usd_per_mgas=50.0, escalation=0.0),
    top_up=Sender(gas=200_000, tip_usd_per_mgas=20.0, escalation=0.0),
    others=0.0,
    others_noise=0.0,
    others_fee_usd_per_mgas=100.0,
    crowding=0.0,
)
"""Nobody else wants in, and the base fee stands still."""


def block_of(**fields: Any) -> np.ndarray[Any, Any]:
    """BLOCK[1] of QUIET with some fields changed."""
    world = make_world()
    world.congestion = Congestion(QUIET, world)
    for name, value in fields.items():
        world.blocks[name] = value
    return world.blocks


def fees(world: World) -> Congestion:
    """The congestion of a world that has one."""
    assert world.congestion is not None
    return world.congestion


# --- who fits -------------------------------------------------------------------------------------


def test_blocks_are_the_venues_own_unless_it_says_so() -> None:
    assert congestion(Venue().block_space, make_world()) is None
    assert engine().world.congestion is None
    assert not engine().world.blocks["limit"].any()


def test_half_of_the_others_pay_more_than_their_median() -> None:
    """Base fee 100 = the median: half of 600,000 gas; one standard deviation higher: 15.87 %."""
    block = block_of(others=600_000.0)[0]
    assert others_above(block, 0.0) == pytest.approx(300_000.0)
    tip = 100.0 * (np.exp(1.5) - 1.0)
    assert others_above(block, tip) == pytest.approx(600_000.0 * 0.158655, rel=1e-5)


def test_a_call_stands_behind_everybody_who_offers_more() -> None:
    """Room for one million gas: 8 calls are in, two oracle updates of 200,000 gas offer 50 USD per million."""
    fields = {"calls": 5, "oracle_waiting": 2, "top_ups_waiting": 1, "oracle_tip": 50.0, "top_up_tip": 20.0}
    block = block_of(**fields)[0]
    assert call_fits(block, 51 * 100_000)  # ahead of all: 600,000
    assert call_fits(block, 50 * 100_000)  # behind the updates: 1,000,000, just
    assert not call_fits(block, 20 * 100_000)  # and behind the top-up
    block["calls"] = 6
    assert call_fits(block, 51 * 100_000)
    assert not call_fits(block, 50 * 100_000)


def test_who_offers_more_is_taken_first_and_nobody_who_will_not_pay_the_base_fee() -> None:
    """Seven calls leave 300,000 gas: one update, and no top-up; with the tips swapped, one top-up and no update."""
    fields = {
        "calls": 7,
        "calls_before_oracle": 7,
        "calls_before_top_ups": 7,
        "oracle_waiting": 3,
        "top_ups_waiting": 3,
    }
    for tips, taken in (((50.0, 20.0), (1, 0)), ((20.0, 50.0), (0, 1)), ((-1.0, 20.0), (0, 1)), ((-1.0, -1.0), (0, 0))):
        blocks = block_of(oracle_tip=tips[0], top_up_tip=tips[1], **fields)
        seal(blocks)
        assert (int(blocks["oracle_taken"][0]), int(blocks["top_ups_taken"][0])) == taken
        assert float(blocks["used"][0]) == 700_000 + 200_000 * sum(taken)


def test_lower_bids_stand_behind_updates_that_offer_more() -> None:
    """Of five calls two offer more than the updates: these see 800,000 gas of room, hence four updates."""
    blocks = block_of(
        oracle_tip=50.0, top_up_tip=-1.0, oracle_waiting=9, calls=5, calls_before_oracle=2, calls_before_top_ups=5
    )
    seal(blocks)
    assert int(blocks["oracle_taken"][0]) == 4


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (4_000_000.0, 112.5),  # full: one eighth more
        (0.0, 87.5),  # empty: one eighth less
        (1_000_000.0, 100.0),  # half of them pay the base fee: the target
        (1_500_000.0, 106.25),  # three quarters full: half of the step
    ],
)
def test_the_base_fee_follows_the_fill(others: float, expected: float) -> None:
    blocks = block_of(others=others, step=0.125)
    seal(blocks)
    assert float(blocks["base_fee"][0]) == pytest.approx(expected)
    assert float(blocks["used"][0]) <= 1_000_000.0


def test_the_base_fee_has_a_floor() -> None:
    blocks = block_of(step=0.125, least_base_fee=99.0)
    seal(blocks)
    assert float(blocks["base_fee"][0]) == 99.0


# --- keepers --------------------------------------------------------------------------------------


def liquidations(rules: SharedBlocks, *, bid_usd: float, accounts: int = 3, **kwargs: Any) -> Engine:
    """Accounts long 1 BTC each that break at tick 1; one keeper bids the same for each."""
    venue = Venue(**{**vars(plain_venue()), "block_space": rules})
    world = engine(deposits=(1_200.0,) * accounts, prices=falls_to(9_000.0), venue=venue, bid_usd=bid_usd, **kwargs)
    for row in world.rows:
        world.open(row, 1_000, 10_000)
    world.bids((9_000, 10_000))
    return world


def test_a_block_comes_every_so_often_and_holds_so_much() -> None:
    """A block every 2 s with room for two calls: ticks 1, 3, 5, two accounts each; claims open at once."""
    world = liquidations(changed(QUIET, block_seconds=2.0, capacity_gas=200_000), bid_usd=1.0, accounts=5)
    opened = []
    for _ in range(7):
        world.run()
        opened.append(world.world.n_breaches)
    assert world.events["tick"].tolist() == [1, 1, 3, 3, 5]
    assert opened[1] == 5
    assert fees(world.world).costs()["block_count"] == 3
    world.check_books()


def test_claims_open_in_ticks_without_a_block() -> None:
    world = liquidations(changed(QUIET, block_seconds=4.0), bid_usd=1.0)
    world.run(2)
    assert (world.world.n_breaches, world.world.n_claims, world.world.n_events) == (3, 3, 0)
    world.run(2)
    assert world.events["claim_tick"].tolist() == [1, 1, 1]
    assert world.events["tick"].tolist() == [3, 3, 3]


def test_keepers_pay_bid_and_base_fee() -> None:
    """A bid of 5 USD and 10 USD of base fee for each of three calls."""
    world = liquidations(QUIET, bid_usd=5.0)
    world.run()
    before = world.cash(world.keeper)
    world.run()
    assert before - world.cash(world.keeper) == 3 * 15 * USD
    assert fees(world.world).costs()["keeper_base_fees_usd"] == 30.0
    world.check_books()


def test_a_bid_below_what_the_others_pay_waits() -> None:
    """Everybody else fills the block at any fee below 1,000 USD per million: a bid of 5 USD (50) waits, one of 500
    USD (5,000) is served."""
    crowded = changed(QUIET, others=3.0, others_fee_usd_per_mgas=1_000.0, others_fee_sigma=0.1)
    for bid, served in ((5.0, 0), (500.0, 3)):
        world = liquidations(crowded, bid_usd=bid)
        world.run(2)
        assert len(world.events) == served
        assert fees(world.world).costs()["full_block_share"] == 1.0


# --- oracles --------------------------------------------------------------------------------------

EXACT = OracleFeed(sources=(OracleSource(latency_seconds=0.0, noise_bps=0.0),), deviation_bps=0.0, latency_seconds=0.0)


def blocks_without_claims(world: World) -> None:
    """Make the block of this tick."""
    fees(world).open(world, round_=0)
    fees(world).seal()


def updates(rules: SharedBlocks, references: list[int]) -> tuple[list[int], Congestion]:
    """Price of BTC after each tick's phase 1 when the reference takes these values, one block a tick."""
    world = make_world()
    world.congestion = Congestion(rules, world)
    oracles = Oracles(feed=EXACT).join(world, assets=ASSETS, instruments=INSTRUMENTS)
    row, seen = world.asset("BTC"), []
    for reference in references:
        world.assets["reference"][row] = reference
        fees(world).land(world)
        oracles.publish(world)
        seen.append(int(world.assets["price"][row]))
        blocks_without_claims(world)
        world.tick += 1
    return seen, fees(world)


def test_an_update_acts_in_the_tick_after_its_block() -> None:
    seen, chain = updates(QUIET, [4_000_000, 4_100_000, 4_200_000, 4_200_000])
    assert seen == [4_000_000, 4_000_000, 4_100_000, 4_200_000]
    assert set(chain.oracle_waits) == {1}


def test_a_newer_price_replaces_one_that_waits_and_keeps_its_turn() -> None:
    """The oracle will not pay the base fee until it has fallen below 80: 100, 90, 81, 72.9."""
    rules = changed(
        QUIET,
        base_fee_step=0.1,
        oracle=Sender(gas=200_000, tip_usd_per_mgas=0.0, most_usd_per_mgas=80.0),
        least_base_fee_usd_per_mgas=1.0,
    )
    seen, chain = updates(rules, [4_000_000, 4_100_000, 4_200_000, 4_300_000, 4_400_000, 4_400_000])
    assert seen == [4_000_000] * 4 + [4_300_000, 4_400_000]
    assert max(chain.oracle_waits) == 4
    assert chain.costs()["oracle_update_still_waiting_count"] == 0


def test_offers_rise_while_they_wait() -> None:
    """Others who pay 200 fill the block; the update's 50 on top of 100 rises by half a block: 50, 75, 112.5."""
    rules = changed(
        QUIET,
        others=10.0,
        others_fee_usd_per_mgas=200.0,
        others_fee_sigma=0.01,
        oracle=Sender(gas=100_000, tip_usd_per_mgas=50.0, escalation=0.5),
    )
    _, chain = updates(rules, [4_000_000, 4_100_000, 4_100_000, 4_100_000])
    assert chain.oracle_waits[0] == 3


# --- top-ups --------------------------------------------------------------------------------------


def test_top_ups_arrive_as_blocks_take_them_the_oldest_first() -> None:
    """Ten people answer a margin call at once; a block takes five transfers."""
    people = Traders(
        count=10, equity_usd=2_000.0, equity_sigma=0.0, tail_share=0.0, leverage=5.0, leverage_sigma=0.0,
        share_long=1.0, instruments_held=(1.0,), popularity={"BTC": 1.0}, collateral_users=0.0, isolated_share=0.0,
        entry_spread=0.0, target_leverage_share=0.0, trend_share=0.0, stop_loss_share=0.0, attention_per_hour=1e6,
        attention_sigma=0.0, alarm=0.0, margin_call_ratio=0.8, top_up_ratio=0.6, top_up_probability=1.0,
        reduce_probability=0.0, top_up_delay_seconds=1.0, outside_wealth=100.0,
    )  # fmt: skip
    world = make_world(n_accounts=7 + people.accounts_needed(instruments=INSTRUMENTS))
    world.congestion = Congestion(QUIET, world)
    cohort = people.join(world, assets=ASSETS, instruments=INSTRUMENTS)
    world.instruments["mark"][0] = 32_700
    paid = []
    for _ in range(5):
        before = int(world.ledger.cash[OUTSIDE, 0])
        cohort.decide(world, Inbox(cohort.most_messages))
        paid.append(before - int(world.ledger.cash[OUTSIDE, 0]))
        blocks_without_claims(world)
        world.tick += 1
    assert [amount > 0 for amount in paid] == [False, False, True, True, False]
    assert paid[2] == paid[3]
    assert fees(world).top_up_waits == [1] * 5 + [2] * 5
    assert world.ledger.conservation_error() == 0


# --- the rest -------------------------------------------------------------------------------------


def test_demand_of_the_others_rises_with_the_distance_from_the_slow_average() -> None:
    world = make_world()
    rules = changed(QUIET, others=1.0, crowding=10.0, crowding_halflife_seconds=1.0)
    world.congestion = Congestion(rules, world)
    world.assets["reference"][world.asset("BTC")] = 3_000_000  # from 4,000,000; the average goes half of the way
    fees(world).land(world)
    fees(world).open(world, round_=0)
    assert float(world.blocks["others"][0]) == pytest.approx(1_000_000 * (1.0 + 10.0 * 0.5 / 3.5))


def test_nothing_was_made_figures_say_so() -> None:
    world = make_world()
    world.congestion = Congestion(QUIET, world)
    costs = fees(world).costs()
    assert costs["block_count"] == costs["oracle_update_count"] == 0
    assert costs["top_up_wait_p90_seconds"] is None
    assert world.blocks.dtype == BLOCK
