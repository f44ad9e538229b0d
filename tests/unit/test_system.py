"""Several venues in one run: bridges, claims, shocks, the shared outside world, and the phases of a step."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.contagion import CAUSES, contagion
from experiments.systems.build import BuiltSystem, build_system
from experiments.systems.causes import system_causes
from experiments.systems.run import trace_system
from experiments.systems.scenario import SystemScenario, load_system
from market.claims import StakedToken
from market.errors import InputError
from market.kernels.ledger import transfer
from market.kernels.records import DEFICIT, OUTSIDE, SYSTEM_ACCOUNTS
from market.shocks import PriceShock
from market.simulation import run
from market.system import run_system
from tests.cuts import cut_system, digests

SEED = 5
SMALL = (
    "hours=0.05",
    "venues.north.population.count=60",
    "venues.south.population.count=40",
    "agents.hedgers.count=5",
)


def small(*overrides: str) -> SystemScenario:
    """The scenario of two exchanges, cut down."""
    return load_system("cross-venue-hedge", overrides=(*SMALL, *overrides))[0]


def with_claims(*overrides: str) -> BuiltSystem:
    """The same with a staked token, and a receipt for deposits on the northern exchange."""
    claims = (
        "assets.stETH={price_tick_usd=0.1, quantum=1e-8}",
        "assets.nUSDC={price_tick_usd=0.001, quantum=1e-6}",
        'claims.stETH={kind="staked", underlying="ETH", exchange_rate=1.1}',
        'claims.nUSDC={kind="receipt", underlying="USDC", venue="north"}',
    )
    return build_system(small(*claims, *overrides), seed=SEED)


def test_a_system_of_venues_that_share_nothing_but_prices_steps_like_each_alone() -> None:
    still = (
        "agents.hedgers.top_up_below=0",
        'agents.hedgers.reaction="hold"',
        "assets.ETH.permanent_impact_bps_per_million_usd=0",
    )
    quiet = ("assets.BTC.permanent_impact_bps_per_million_usd=0", "agents.bridge-desk.threshold_bps=10000")
    together, apart = (build_system(small(*still, *quiet), seed=SEED) for _ in range(2))
    run_system(together.system, ticks=60)
    for name, one in apart.venues.items():
        world = one.world
        for tick in range(60):
            apart.system.tick = tick
            apart.system.outside.advance(apart.system)
            run(world, one.rules, one.cast, ticks=1)
        assert digests(world) == digests(together.system.world(name))


def test_however_a_run_is_cut_it_is_the_same_run_and_money_is_conserved() -> None:
    once, parts = (build_system(small(), seed=SEED) for _ in range(2))
    run_system(once.system, ticks=90)
    for ticks in (1, 29, 60):
        run_system(parts.system, ticks=ticks)
    for name in once.venues:
        assert digests(once.system.world(name)) == digests(parts.system.world(name))
    assert once.system.conservation_error() == 0


def test_flow_on_one_venue_moves_the_reference_of_the_other() -> None:
    system = build_system(small(), seed=SEED).system
    eth = system.claims.symbols.index("ETH")
    system.world("south").impact[eth] += np.log(0.9)
    before = int(system.world("north").assets["reference"][eth])
    run_system(system, ticks=1)
    after = int(system.world("north").assets["reference"][eth])
    assert after == pytest.approx(0.9 * before, rel=2e-3)


def test_a_bridge_takes_its_time_and_its_fee() -> None:
    system = build_system(small("bridge.latency_seconds=3", "bridge.fee_bps=10"), seed=SEED).system
    north, south, usdc = system.world("north"), system.world("south"), 0
    payer, payee = (world.ledger.names.index("hedgers-0-" + side) for world, side in ((north, "a"), (south, "b")))
    before = [int(north.ledger.cash[payer, usdc]), int(south.ledger.cash[payee, usdc])]
    system.bridges.send(system, origin="north", payer=payer, target="south", payee=payee, asset=usdc, amount=1_000_001)
    assert int(north.ledger.cash[payer, usdc]) == before[0] - 1_000_001
    for tick in range(4):
        system.tick = tick
        system.bridges.deliver(system)
        arrived = int(south.ledger.cash[payee, usdc]) - before[1]
        # A tenth of a percent, rounded up.
        assert arrived == (0 if tick < 3 else 1_000_001 - 1_001)
        assert system.bridges.error() == 0
    assert int(system.bridges.in_transit[usdc]) == 0


def test_what_an_outage_holds_up_arrives_at_its_end_less_what_is_lost() -> None:
    outage = "bridge.outages=[{start_seconds=2, end_seconds=10, lost=0.25}]"
    system = build_system(small("bridge.latency_seconds=3", "bridge.fee_bps=0", outage), seed=SEED).system
    payer, payee = (
        system.world(name).ledger.names.index(f"hedgers-0-{side}") for name, side in (("north", "a"), ("south", "b"))
    )
    before = int(system.world("south").ledger.cash[payee, 0])
    system.bridges.send(system, origin="north", payer=payer, target="south", payee=payee, asset=0, amount=1_000)
    for system.tick in range(11):
        system.bridges.deliver(system)
        assert int(system.world("south").ledger.cash[payee, 0]) - before == (750 if system.tick == 10 else 0)
    assert int(system.bridges.lost[0]) == 250
    assert system.bridges.error() == 0


def test_a_staked_token_follows_its_underlying_and_its_discount() -> None:
    shock = 'shocks.gap={kind="price", asset="stETH", at_seconds=2, over_seconds=0, factor=0.94}'
    system = with_claims(shock).system
    eth, staked = (system.claims.symbols.index(symbol) for symbol in ("ETH", "stETH"))
    prices = []
    for _ in range(4):
        run_system(system, ticks=1)
        row = system.outside.row(0)
        prices.append(row[staked] / (row[eth] * np.exp(system.outside.impact[eth])))
    # The rate grows with its yield, which is none here; the impact of the last tick is in the next row only.
    assert prices[0] == pytest.approx(1.1, rel=1e-6)
    assert prices[3] == pytest.approx(1.1 * 0.94, rel=1e-3)


def test_a_receipt_is_worth_what_stands_behind_it() -> None:
    system = with_claims().system
    north, south = system.world("north"), system.world("south")
    receipt, usdc = system.claims.symbols.index("nUSDC"), 0
    holder = south.ledger.names.index("hedgers-0-b")
    south.ledger.deposit(holder, receipt, 4_000_000)
    backing = north.ledger.names.index("receipts-nUSDC")
    north.ledger.deposit(backing, usdc, 4_000_000)
    assert system.claims.rates(system)[receipt] == 1.0
    # Interest of a quarter, then a loss of half of it written down.
    transfer(north.ledger.cash, usdc, OUTSIDE, backing, 1_000_000)
    assert system.claims.rates(system)[receipt] == 1.25
    transfer(north.ledger.cash, usdc, backing, OUTSIDE, 500_000)
    assert system.claims.rates(system)[receipt] == 1.125
    assert system.claims.nominal[receipt] == 1.25, "a contract's index never falls"
    # A deficit not written down yet is reckoned with pro rata of all deposits.
    customers = north.ledger.cash[SYSTEM_ACCOUNTS:, usdc]
    deposits = int(customers[customers > 0].sum())
    transfer(north.ledger.cash, usdc, DEFICIT, OUTSIDE, deposits // 10)
    assert system.claims.rates(system)[receipt] == pytest.approx(1.125 * 0.9, rel=1e-6)
    transfer(north.ledger.cash, usdc, OUTSIDE, DEFICIT, deposits // 10)


def test_receipts_made_from_nothing_dilute_those_that_are_backed() -> None:
    system = with_claims().system
    receipt = system.claims.symbols.index("nUSDC")
    south, north = system.world("south"), system.world("north")
    north.ledger.deposit(north.ledger.names.index("receipts-nUSDC"), 0, 4_000_000)
    south.ledger.deposit(south.ledger.names.index("hedgers-0-b"), receipt, 4_000_000)
    south.ledger.deposit(south.ledger.names.index("hedgers-1-b"), receipt, 12_000_000)
    assert system.claims.rates(system)[receipt] == 0.25


def test_redeeming_burns_the_claim_and_pays_the_deposit() -> None:
    system = with_claims().system
    receipt = system.claims.symbols.index("nUSDC")
    south, north = system.world("south"), system.world("north")
    backing = north.ledger.names.index("receipts-nUSDC")
    holder, payee = south.ledger.names.index("hedgers-0-b"), north.ledger.names.index("hedgers-0-a")
    north.ledger.deposit(backing, 0, 4_400_001)
    south.ledger.deposit(holder, receipt, 4_000_000)
    before = int(north.ledger.cash[payee, 0])
    burnt = system.claims.redeem(system, venue="south", account=holder, asset=receipt, amount=1_000_000, payee=payee)
    assert burnt == 1_000_000
    assert int(south.ledger.cash[holder, receipt]) == 3_000_000
    assert int(north.ledger.cash[payee, 0]) - before == 1_100_000  # rounded down: 1,100,000.25
    assert system.conservation_error() == 0
    system.claims.frozen.add(receipt)
    assert system.claims.redeem(system, venue="south", account=holder, asset=receipt, amount=5, payee=payee) == 0


def test_a_shock_sets_in_stays_and_is_undone() -> None:
    shock = PriceShock(
        asset="X", at_seconds=10.0, over_seconds=10.0, factor=0.81, stays_seconds=5.0, recovery_seconds=10.0
    )
    factors = [float(np.exp(shock.log_factor(seconds))) for seconds in (9.9, 15.0, 20.0, 24.9, 30.0, 35.0, 99.0)]
    assert factors == pytest.approx([1.0, 0.9, 0.81, 0.81, 0.9, 1.0, 1.0])


def test_hedgers_close_what_a_liquidation_left_naked() -> None:
    one = build_system(small("agents.hedgers.reaction_seconds=2", "agents.hedgers.reaction_sigma=0"), seed=SEED)
    system = one.system
    cohort = one.cohorts["hedgers"]
    long, short = cohort.legs
    run_system(system, ticks=1)
    # Somebody takes the first owner's short away.
    south, row = system.world("south"), int(short.rows[0])
    lots = int(south.ledger.positions["lots"][row, short.book])
    south.ledger.open_position(
        row, short.book, -lots, int(south.instruments["mark"][short.book]), south.instruments, against=4
    )
    assert int(long.lots[0]) > 0
    run_system(system, ticks=12)
    assert int(long.lots[0]) == 0
    assert int(long.lots[1]) > 0, "the others are still hedged"
    assert system.conservation_error() == 0


def test_names_that_lead_nowhere_are_all_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        small(
            'claims.stETH={kind="staked", underlying="ETHH"}',
            'shocks.x={kind="price", asset="BTX", at_seconds=1, factor=0.9}',
            'agents.hedgers.long_venue="nord"',
        )
    text = str(caught.value)
    assert "no asset 'stETH'" in text
    assert "did you mean 'BTC'" in text or "BTC" in text
    assert "no venue 'nord'" in text
    assert "north" in text


def test_a_claim_stands_after_what_it_is_a_claim_on() -> None:
    assert StakedToken(underlying="ETH").venue == ""
    with pytest.raises(InputError, match="put it after"):
        small('claims.BTC={kind="staked", underlying="ETH"}')


def test_forced_orders_of_one_venue_are_causes_on_the_other_and_every_loss_adds_up() -> None:
    main = trace_system(cut_system("cross-venue-hedge"), seed=1)
    found = system_causes(main)
    alone = {name: contagion(trace) for name, trace in main.venues.items()}
    for name, causes in found.venues.items():
        assert causes.n > 10
        assert (causes.causes.sum(axis=1) == causes.loss).all()
        assert (causes.loss == alone[name].loss).all(), "what was lost does not depend on whom it is booked to"
    # The thin venue's accounts lost by what the large one sold, booked to the outside world when it is looked at alone.
    assert float(found.matrix()["south"].to_numpy()[0]) > 0.0
    forced = CAUSES.index("forced_sales")
    assert found.venues["south"].causes[:, forced].sum() > alone["south"].causes[:, forced].sum()
    assert found.matrix().to_numpy().diagonal().tolist() == [0.0, 0.0]
