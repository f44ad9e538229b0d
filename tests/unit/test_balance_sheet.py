"""Balance sheets of small worlds by hand, and of a running one."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from experiments.network.balance_sheet import BalanceSheet, balance_sheet
from experiments.network.clearing import clear
from market.errors import InputError
from market.kernels.records import CLEARING, INSURANCE_FUND
from tests.engine_worlds import PERP, USD, Engine, engine, falls_to

PRICE = 10_000.0


def world(*, price: float = PRICE) -> Engine:
    """Alice is long 1 BTC from Bob at 10,000, Carol only has cash; the price is `price` from the first tick on."""
    found = engine(deposits=(1_500.0, 5_000.0, 700.0), prices=falls_to(price, at=0), instruments={"BTC-PERP": PERP})
    lots, ticks = round(1.0 / PERP.lot_size), round(PRICE / PERP.tick_size)
    found.open(found.rows[0], lots, ticks, against=found.rows[1])
    return found


def sheet(price: float = PRICE) -> tuple[BalanceSheet, list[int]]:
    found = world(price=price)
    return balance_sheet(found.world, venue="main"), found.rows


def test_balances_positions_and_profits() -> None:
    found, (alice, bob, carol) = sheet(9_000.0)
    assert found.balances_usd[[alice, bob, carol], 0] == pytest.approx([1_500.0, 5_000.0, 700.0])
    assert found.notional_usd[[alice, bob, carol], 0] == pytest.approx([9_000.0, -9_000.0, 0.0])
    assert found.profit_usd[[alice, bob, carol], 0] == pytest.approx([-1_000.0, 1_000.0, 0.0])
    assert found.exposures_usd[[alice, bob], 1] == pytest.approx([9_000.0, -9_000.0])
    assert found.equity_usd[[alice, bob, carol]] == pytest.approx([500.0, 6_000.0, 700.0])
    assert found.debts_usd[[alice, bob, carol]] == pytest.approx([1_000.0, 0.0, 0.0])
    assert found.assets == ("USDC", "BTC")


def test_the_system_is_closed() -> None:
    for price in (PRICE, 9_000.0, 8_000.0):
        found, _ = sheet(price)
        assert np.abs(found.balances_usd.sum(axis=0)).max() < 1e-6
        assert np.abs(found.notional_usd.sum(axis=0)).max() < 1e-6
        assert abs(found.equity_usd.sum()) < 1e-6
        assert abs(found.equity_usd[CLEARING]) < 1e-6


def test_equity_is_the_net_equity_of_the_margin_rules() -> None:
    """Reference prices are the venue's here, so both count alike."""
    found = world(price=9_000.0)
    net = [found.assess(row)[1] / USD for row in found.rows]
    assert balance_sheet(found.world).equity_usd[found.rows] == pytest.approx(net)


def test_after_liquidations_it_is_still_closed() -> None:
    found = engine(deposits=(1_500.0, 5_000.0), prices=falls_to(8_000.0), instruments={"BTC-PERP": PERP}, bid_usd=1.0)
    lots = round(1.0 / PERP.lot_size)
    found.open(found.rows[0], lots, round(PRICE / PERP.tick_size), against=found.rows[1])
    found.bids((round(8_000.0 / PERP.tick_size), lots))
    found.run(4)
    assert len(found.events)
    after = balance_sheet(found.world)
    assert after.tick == 4
    assert abs(after.equity_usd.sum()) < 1e-6
    assert abs(after.equity_usd[CLEARING]) < 1e-6
    assert after.notional_usd[found.rows[0], 0] == 0.0


def test_claims_and_what_clearing_would_pay() -> None:
    ruined = world(price=8_000.0)
    alice, bob, carol = ruined.rows
    ruined.world.ledger.deposit(INSURANCE_FUND, 0, 500 * 1_000_000)
    found = balance_sheet(ruined.world)
    assert found.fund_usd == pytest.approx(500.0)
    assert found.equity_usd[alice] == pytest.approx(-500.0)
    claims = found.claims()
    assert claims[found.n, alice] == pytest.approx(500.0)
    assert claims[bob, found.n] == pytest.approx(7_000.0)
    paid = clear(found.obligations())
    assert paid.received[[bob, carol]] == pytest.approx([7_000.0, 700.0])
    assert paid.equity[found.n] == pytest.approx(0.0, abs=1e-6)
    assert paid.defaults.nonzero()[0].tolist() == [alice]


def test_without_a_fund_the_shortfall_is_shared() -> None:
    ruined = world(price=8_000.0)
    found = balance_sheet(ruined.world)
    _, bob, carol = ruined.rows
    owed = found.equity_usd[[bob, carol, ruined.keeper]]
    paid = clear(found.obligations())
    share = 1.0 - 500.0 / owed.sum()
    assert paid.received[[bob, carol, ruined.keeper]] == pytest.approx(owed * share)
    assert paid.defaults[found.n]


def test_graph() -> None:
    found, _ = sheet(8_000.0)
    graph = found.graph()
    kinds = nx.get_node_attributes(graph, "kind")
    assert {kind: list(kinds.values()).count(kind) for kind in ("asset", "instrument", "venue")} == {
        "asset": 2,
        "instrument": 1,
        "venue": 1,
    }
    alice, bob = ("account:" + found.accounts[row] for row in world().rows[:2])
    (long,) = [data for _, _, data in graph.out_edges(alice, data=True) if data["kind"] == "long"]
    assert (long["usd"], long["profit_usd"]) == (pytest.approx(8_000.0), pytest.approx(-2_000.0))
    assert {data["kind"] for _, _, data in graph.out_edges(bob, data=True)} == {"holds", "short", "claim"}
    assert graph["venue:main"][alice][0]["usd"] == pytest.approx(500.0)
    assert graph["instrument:BTC-PERP"]["asset:BTC"][0]["usd"] == pytest.approx(8_000.0)
    assert graph.graph["tick"] == 0
    fewer = found.graph(least_usd=1_000.0)
    assert all(data["usd"] >= 1_000.0 for _, _, data in fewer.edges(data=True) if data["kind"] != "tracks")
    assert "".join(nx.generate_graphml(graph))
    assert "".join(nx.generate_gexf(graph))
    with pytest.raises(InputError, match="least_usd"):
        found.graph(least_usd=float("nan"))


def test_reading_changes_nothing() -> None:
    found = world(price=9_000.0)
    before = (found.world.ledger.cash.copy(), found.world.ledger.positions.copy())
    balance_sheet(found.world).graph()
    assert np.array_equal(before[0], found.world.ledger.cash)
    assert np.array_equal(before[1], found.world.ledger.positions)
