"""What a world is without: who is left out holds and does nothing, and nobody else's start or draws change."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.build import build
from experiments.contagion import causes_of
from experiments.removal import rows_of, take_out
from experiments.run import Session, opening_of
from experiments.systems.build import build_system
from experiments.systems.run import simulate_system
from experiments.validation.liquidation import Ladder
from market.errors import InputError
from market.kernels.records import REST_OF_MARKET, SYSTEM_ACCOUNTS
from tests.cuts import cut, cut_system
from tests.unit.test_contagion import falls, records_of, watched

GONE = ("trader-00012", "keeper-01", "market_maker-BTC-PERP-0", "arbitrageur-BTC-USDC-0")


def test_accounts_left_out_stay_empty_and_the_others_start_as_they_would() -> None:
    whole = build(cut("flash-crash"), seed=1).world
    session = Session(cut("flash-crash", f"without.accounts={list(GONE)}"), seed=1)
    world = session.built.world
    assert world.ledger.names == whole.ledger.names
    gone = [row for name in GONE for row in rows_of(world.ledger, name)]
    others = np.setdiff1d(np.arange(SYSTEM_ACCOUNTS, len(whole.ledger.accounts)), gone)
    before, now = opening_of(whole), opening_of(world)
    assert (now.assessment[others] == before.assessment[others]).all()
    assert (now.lots[others] == before.lots[others]).all()
    assert before.lots[gone].any()
    assert not now.lots[gone].any()
    assert not now.cash[gone].any()
    closed = before.lots[gone].sum(axis=0)
    assert (now.lots[REST_OF_MARKET] - before.lots[REST_OF_MARKET] == closed).all()
    session.advance(session.ticks_left)
    assert not world.ledger.cash[gone].any()
    assert not world.ledger.positions[gone]["lots"].any()
    assert world.ledger.conservation_error() == world.ledger.clearing_error(world.instruments) == 0
    assert world.n_breaches > 0
    assert len(session.built.notes) == len(GONE)


def test_a_person_is_all_accounts_of_one_and_a_number_is_a_row() -> None:
    ledger = build(cut("flash-crash"), seed=1).world.ledger
    wallet = next(name for name in ledger.names if name.endswith("/wallet"))
    person = wallet.removesuffix("/wallet")
    rows = rows_of(ledger, person)
    assert [ledger.names[row].partition("/")[0] for row in rows] == [person] * len(rows)
    assert len(rows) > 1
    assert rows_of(ledger, str(rows[0])) == [rows[0]]
    with pytest.raises(InputError, match=r"no account 'trader-12'; did you mean 'trader-"):
        rows_of(ledger, "trader-12")
    with pytest.raises(InputError, match="outside is of kind system; accounts of trader"):
        rows_of(ledger, "outside")


def test_an_asset_left_out_stands_still_and_the_others_move_as_they_would() -> None:
    whole, world = (build(cut("flash-crash", *more), seed=1).world for more in ((), ('without.assets=["SOL"]',)))
    sol = world.asset("SOL")
    others = [row for row in range(len(world.assets)) if row != sol]
    first = float(whole.reference.row(0)[sol])
    for tick in (0, 100, 300):
        prices, as_ever = world.reference.row(tick).copy(), whole.reference.row(tick)
        assert (prices[others] == as_ever[others]).all()
        assert prices[sol] == first
    assert as_ever[sol] != first
    with pytest.raises(InputError, match=r"without.assets: no moving asset 'SOLL'; did you mean 'SOL'"):
        build(cut("flash-crash", 'without.assets=["SOLL"]'), seed=1)


def test_perfect_oracles_publish_the_outside_price_in_every_tick() -> None:
    session = Session(cut("flash-crash", "without.oracle_errors=true"), seed=1)
    world, moving = session.built.world, session.built.world.assets["fixed"] == 0
    for _ in range(50):
        session.advance(5)
        assert (world.assets["price"][moving] == world.assets["reference"][moving]).all()


def test_a_venue_left_out_takes_its_agents_along_and_claims_on_it_are_honoured() -> None:
    whole = simulate_system(cut_system("collateral-exploit"), seed=1, twin=False)
    found = simulate_system(cut_system("collateral-exploit", 'without.venues=["lender"]'), seed=1, twin=False)
    assert list(found.venues) == ["exchange", "amm"]
    assert found.kpis["claim_rate_least_rUSDC"] == 1.0
    assert whole.venues["exchange"].kpis["liquidated_notional_usd"] != 0.0
    assert (found.kpis["liquidated_notional_usd"], found.kpis["conservation_error"]) == (0.0, 0)
    start = whole.venues["exchange"].main.opening.lots, found.venues["exchange"].main.opening.lots
    rows = min(map(len, start))
    assert (start[0][:rows] == start[1][:rows]).all()


def test_what_a_system_cannot_be_without() -> None:
    for said, message in (
        ('without.venues=["lenders"]', "no venue 'lenders'; did you mean 'lender'"),
        ('without.venues=["lender", "exchange", "amm"]', "no venue is left"),
        ('without.accounts=["trader-00001"]', "expected VENUE:NAME, got 'trader-00001'"),
        ('without.assets=["bETHH"]', "no asset 'bETHH'; did you mean 'bETH'"),
    ):
        with pytest.raises(InputError, match=message):
            cut_system("collateral-exploit", said)
    with pytest.raises(InputError, match="USDC neither moves by itself nor by a shock"):
        build_system(cut_system("collateral-exploit", 'without.assets=["USDC"]'), seed=1)


def test_without_a_root_at_least_its_subtree_survives() -> None:
    """The second account falls by the first one's sale; without the first one's account nobody falls."""
    world = falls((640.0, 70.0), (1_000, 100))
    world.run(6)
    found = causes_of(records_of(world))
    assert found.root.tolist() == [0, 0]
    other = falls((640.0, 70.0), (1_000, 100))
    take_out(other.world, other.cast, [other.world.ledger.names[found.account[0]]])
    other.run(6)
    assert other.world.n_breaches == 0
    other.check_books()


def ladder_without(counts: tuple[int, ...], gone: int | None) -> tuple[Ladder, set[int]]:
    """A ladder after a shock of one tick, without one of its accounts, and which of them were liquidated."""
    ladder = Ladder(counts, lots=5, depth=5, reach=40)
    engine = watched(ladder.world, ticks=8)
    if gone is not None:
        take_out(engine.world, engine.cast, [engine.world.ledger.names[engine.rows[gone]]])
    ladder.shock(1)
    accounts = engine.world.breaches["account"][: engine.world.n_breaches].tolist()
    return ladder, {engine.rows.index(row) for row in accounts}


@pytest.mark.parametrize(
    ("counts", "trees", "left"),
    [
        ((2, 0, 1, 0, 0), [{0, 2}, {1}], [{1}, {0}]),  # both sales of the first rung are needed for the third
        ((1, 1, 1, 1, 0), [{0, 1, 2, 3}], [set()]),
        ((1, 2, 0, 1, 0), [{0, 1, 2, 3}], [set()]),
    ],
)
def test_on_ladders_removing_a_root_saves_at_least_its_subtree(
    counts: tuple[int, ...], trees: list[set[int]], left: list[set[int]]
) -> None:
    """Every liquidation sells one tick of depth; an account of the k-th rung breaks when the price is k ticks down."""
    ladder, everybody = ladder_without(counts, None)
    found = causes_of(records_of(ladder.world))
    rows = ladder.world.rows
    roots = np.unique(found.root)
    assert [{rows.index(row) for row in found.account[found.root == root]} for root in roots] == trees
    for root, subtree, expected in zip(roots, trees, left, strict=True):
        _, liquidated = ladder_without(counts, rows.index(found.account[root]))
        assert liquidated == expected
        assert everybody - liquidated >= subtree


def test_a_sale_that_another_one_replaces_saves_less_than_its_subtree() -> None:
    """Two sales at the first rung reach the second, where one would do: the causes name the first one, and without it
    the other one is enough. So a subtree is no bound where causes are more than are needed (docs/contagion.md)."""
    counts = (2, 1, 0, 1, 1)
    ladder, everybody = ladder_without(counts, None)
    found = causes_of(records_of(ladder.world))
    subtree = {ladder.world.rows.index(row) for row in found.account[found.root == 0]}
    _, liquidated = ladder_without(counts, 0)
    assert subtree == {0, 2, 3, 4}
    assert liquidated == {1, 2}
    assert everybody - liquidated == {0, 3, 4}
