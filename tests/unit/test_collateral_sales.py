"""Keepers and loopers that sell through pools or on books of other venues; exploits and freezes of a lending market."""

from __future__ import annotations

import pytest

from agents.collateral_sales import CollateralDesk
from agents.sale_routes import reference_usd
from experiments.systems.build import BuiltSystem, build_system
from market.errors import InputError
from market.kernels.records import NONE
from market.system import run_system
from tests.cuts import cut_system

SEED = 2


@pytest.fixture(scope="module")
def exploited() -> BuiltSystem:
    """The lender a quarter of an hour after everything that could be borrowed was."""
    built = build_system(cut_system("collateral-exploit"), seed=SEED)
    run_system(built.system, ticks=400)
    return built


def test_an_exploit_takes_what_is_there_and_receipts_are_worth_less(exploited: BuiltSystem) -> None:
    system = exploited.system
    lender, symbols = system.world("lender"), list(system.claims.symbols)
    usdc, receipt = symbols.index("USDC"), symbols.index("rUSDC")
    attacker = lender.ledger.names.index("attacker-mint")
    assert int(lender.ledger.cash[attacker, symbols.index("bETH")]) == 100_000 * 10**8
    assert int(lender.ledger.cash[attacker, usdc]) < -50_000_000 * 10**6
    assert lender.lending is not None
    assert lender.lending.liquidity(usdc) < 1_000_000 * 10**6
    assert system.outside.rates[receipt] < 0.8
    assert system.claims.nominal[receipt] >= 1.0, "its contract knows of no loss yet"
    assert system.conservation_error() == 0


def test_holders_of_the_receipt_are_liquidated_on_another_venue(exploited: BuiltSystem) -> None:
    assert exploited.system.world("exchange").n_events > 0


def test_a_keeper_swaps_what_it_seized_in_the_same_tick() -> None:
    built = build_system(cut_system("staked-eth-discount"), seed=SEED)
    system = built.system
    desk: CollateralDesk = built.cohorts["unwinding"]
    lender, amm = system.world("lender"), system.world("amm")
    staked, ether = (system.claims.symbols.index(symbol) for symbol in ("stETH", "ETH"))
    keeper = next(row for row, role in enumerate(lender.ledger.roles) if role == "keeper")
    route = desk.route(staked, ether)
    assert route is not None
    # Ten tokens that the keeper has seized, and that the lender holds.
    lender.ledger.deposit(keeper, staked, 10 * 10**8)
    before = int(lender.ledger.cash[keeper, ether])
    expected = route.quoted(10 * 10**8)
    assert desk.sell(lender, keeper, staked, 10 * 10**8, into=ether, event=NONE) == 10 * 10**8
    assert int(lender.ledger.cash[keeper, ether]) - before == expected
    assert int(lender.ledger.cash[keeper, staked]) == 0
    mirror = desk.mirrors["amm", keeper]
    assert not amm.ledger.cash[mirror].any(), "nothing stays on the way"
    assert system.conservation_error() == 0


def test_what_is_needed_brings_what_is_wanted() -> None:
    built = build_system(cut_system("staked-eth-discount"), seed=SEED)
    desk: CollateralDesk = built.cohorts["unwinding"]
    staked, dollar = (built.system.claims.symbols.index(symbol) for symbol in ("stETH", "USDC"))
    route = desk.route(staked, dollar)
    assert route is not None
    assert len(route.pools) == 2
    wanted = 250_000 * 10**6
    needed = route.needed(wanted)
    assert needed is not None
    assert route.quoted(needed) >= wanted > route.quoted(needed - 10**4)
    fair = reference_usd(route.world, staked, needed)
    assert route.cost(fair) == pytest.approx(1.0 - 250_000.0 / fair, abs=1e-5)
    assert route.needed(10**18) is None, "the pools do not hold so much"


def test_loopers_unwind_into_the_pool_and_widen_the_discount() -> None:
    scenario = cut_system("staked-eth-discount")
    built = build_system(scenario, seed=SEED)
    desk: CollateralDesk = built.cohorts["unwinding"]
    run_system(built.system, ticks=scenario.ticks)
    assert desk.through_pools_usd > 1e6
    staked = built.system.claims.symbols.index("stETH")
    assert built.system.outside.impact[staked] < -0.001
    assert built.system.conservation_error() == 0


def test_routes_that_lead_elsewhere_are_refused() -> None:
    routes = 'agents.unwinding.routes=[{collateral="stETH", debt="USDC", venue="amm", pools=["stETH-ETH"]}]'
    with pytest.raises(InputError, match="lead from stETH to ETH, not to USDC"):
        build_system(cut_system("staked-eth-discount", routes), seed=SEED)
    unknown = 'agents.unwinding.routes=[{collateral="stETH", debt="ETH", venue="amm", pools=["x"]}]'
    with pytest.raises(InputError, match="no pool 'x' on amm; it has stETH-ETH, ETH-USDC"):
        build_system(cut_system("staked-eth-discount", unknown), seed=SEED)


def test_a_freeze_stops_withdrawals_and_redemptions_for_its_time() -> None:
    freeze = 'shocks.stop={kind="freeze", asset="USDC", venue="lender", start_seconds=10, end_seconds=20}'
    system = build_system(cut_system("collateral-exploit", freeze), seed=SEED).system
    lending, receipt = system.world("lender").lending, system.claims.symbols.index("rUSDC")
    assert lending is not None
    seen = []
    for _ in range(12):
        run_system(system, ticks=1)
        seen.append(bool(lending.frozen[0]) and receipt in system.claims.frozen)
    # Ticks of two seconds: the sixth begins at ten seconds, the eleventh at twenty.
    assert seen == [False] * 5 + [True] * 5 + [False] * 2
