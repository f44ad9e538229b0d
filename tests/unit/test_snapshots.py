"""What a page is told of a run: the columns against the run's own tables, figures and causes."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from experiments.contagion import FORCED, contagion
from experiments.measures import kpis
from experiments.recorder import MARGIN_RATIO_EDGES, open_interest
from experiments.run import Session, Trace
from experiments.snapshots import Feed, describe
from experiments.snapshots.accounts import at_risk, ratios
from experiments.snapshots.numbers import kept_rows
from market.instruments import USD_QUANTA
from market.kernels.margin import maintenance_excess
from tests.cuts import cut, digests

DEEP = "reference.crash_log_return=-0.15"
PIECES = 37
"""Ticks between two looks."""


class Told:
    """A run, and everything its feed told of it."""

    def __init__(self, name: str, *more: str) -> None:
        self.session = Session(cut(name, *more), seed=1)
        self.sides: list[dict[str, Any]] = []
        feed = Feed(self.session)
        while self.session.ticks_left:
            self.session.advance(min(PIECES, self.session.ticks_left))
            self.sides.append(feed.side())
        while (last := feed.side())["edges"]["usd"]:  # causes that had to wait for their turn
            self.sides.append(last)
        self.sides.append(last)

    @property
    def trace(self) -> Trace:
        return self.session.trace()

    def column(self, part: str, name: str) -> list[Any]:
        return [value for side in self.sides for value in side[part][name]]


@pytest.fixture(scope="module")
def crash() -> Told:
    return Told("flash-crash", DEEP)


def test_looking_changes_nothing_and_everything_told_is_json(crash: Told) -> None:
    alone = Session(cut("flash-crash", DEEP), seed=1)
    alone.advance(alone.ticks_left)
    assert digests(alone.built.world) == digests(crash.session.built.world)
    json.dumps(crash.sides, allow_nan=False)


def test_the_series_are_the_recorded_ones(crash: Told) -> None:
    recorder, world = crash.session.recorder, crash.session.built.world
    assert crash.column("series", "tick") == list(range(1, recorder.n + 1))
    marks = [value for side in crash.sides for value in side["series"]["books"][0]["mark"]]
    assert marks == pytest.approx(recorder.ticks["mark"][:, 0] * world.instruments["tick_size"][0])
    assert crash.column("series", "open_claims") == recorder.open_claims.tolist()
    assert len(crash.column("depth", "tick")) == recorder.n_samples


def test_a_long_stretch_keeps_its_extremes() -> None:
    path = np.sin(np.arange(10_000) / 700.0)
    path[1_234], path[8_765] = -9.0, 9.0
    rows = kept_rows([path], len(path))
    assert len(rows) <= 402
    assert {0, 1_234, 8_765, 9_999} <= set(rows.tolist())


def test_every_forced_fill_is_told_once(crash: Told) -> None:
    world = crash.session.built.world
    assert crash.column("events", "id") == list(range(world.n_events))
    assert crash.column("events", "account") == world.events["account"][: world.n_events].tolist()
    kinds = set(crash.column("events", "kind"))
    assert {"position", "adl"} <= kinds


def test_figures_are_those_of_the_finished_run(crash: Told) -> None:
    trace = crash.trace
    expected = kpis(trace, None, contagion(trace))
    told = {key: figure["value"] for key, figure in crash.sides[-1]["kpis"].items()}
    shared = set(told) & set(expected)
    assert len(shared) >= 12
    for key in shared:
        assert told[key] == pytest.approx(expected[key], abs=0.01), key
    world = trace.built.world
    per_lot = world.instruments["mark"] * world.instruments["tick_value"] / 1e6
    assert told["open_interest_usd"] == pytest.approx((open_interest(world) * per_lot).sum(), abs=1.0)


def test_the_layers_sum_to_the_bad_debt(crash: Told) -> None:
    layers = crash.sides[-1]["waterfall"]
    parts = ("fund_usd", "adl_usd", "socialised_usd", "uncovered_usd", "still_open_usd")
    assert sum(layers[part] for part in parts) == pytest.approx(
        crash.sides[-1]["kpis"]["bad_debt_usd"]["value"], abs=0.05
    )
    assert layers["fund_usd"] > 0.0
    assert layers["collateral_usd"] > sum(layers[part] for part in parts)


def test_edges_are_the_exact_causes_however_the_run_is_looked_at(crash: Told) -> None:
    """What came from outside and what every account lost in all, summed over its liquidations."""
    found = contagion(crash.trace)
    outside: dict[int, float] = defaultdict(float)
    for account, loss, forced in zip(found.account, found.loss, found.causes[:, FORCED], strict=True):
        outside[int(account)] += max(0.0, float(loss - forced)) / USD_QUANTA
    told: dict[int, float] = defaultdict(float)
    sources, targets, usd = (crash.column("edges", name) for name in ("source", "target", "usd"))
    for source, target, part in zip(sources, targets, usd, strict=True):
        assert source != target
        if source == -1:
            told[target] += part
    assert len(told) > 50
    assert told == pytest.approx({key: value for key, value in outside.items() if value > 0.0}, abs=0.05)
    assert sum(source >= 0 for source in sources) > 50


def test_the_largest_source_of_a_liquidation_is_its_parent(crash: Told) -> None:
    found = contagion(crash.trace)
    parents = {(int(found.account[p]), int(found.account[row])) for row, p in enumerate(found.parent) if p >= 0}
    pairs = set(zip(crash.column("edges", "source"), crash.column("edges", "target"), strict=True))
    assert len(parents) > 30
    assert {pair for pair in parents if pair[0] != pair[1]} <= pairs


def test_the_ladder_is_the_book(crash: Told) -> None:
    world = crash.session.built.world
    size = float(world.instruments["tick_size"][0])
    for side, name in enumerate(("bids", "asks")):
        levels = [(price, lots) for at, price, lots in world.books.snapshot(0) if at == side][:20]
        told = crash.sides[-1]["ladder"][0][name]
        assert [price for price, _ in told] == pytest.approx([price * size for price, _ in levels])
        usd = [price * lots * int(world.instruments["tick_value"][0]) * 1e-6 for price, lots in levels]
        assert [value for _, value in told] == pytest.approx(usd, rel=0.01, abs=1.0)


def test_ratios_count_as_the_recorder_does() -> None:
    session = Session(cut("flash-crash"), seed=1)
    session.advance(1)
    world = session.built.world
    assessment = world.ledger.assess(world.instruments, world.assets, world.margin)
    found = ratios(world, assessment)
    assert found["edges"] == MARGIN_RATIO_EDGES.tolist()
    assert found["counts"] == session.recorder.margin_counts[0].tolist()


def test_the_next_to_fail_fail_at_their_prices() -> None:
    """At the liquidation price margin excess changes its sign, and nobody left out is nearer."""
    session = Session(cut("flash-crash"), seed=1)
    session.advance(60)
    world = session.built.world
    found = at_risk(world, world.ledger.assess(world.instruments, world.assets, world.margin))
    assert len(found["account"]) == 20
    assert found["distance_percent"] == sorted(found["distance_percent"])
    for account, book, price, usd in zip(
        found["account"], found["book"], found["liquidation_price"], found["position_usd"], strict=True
    ):
        moved = world.instruments.copy()
        signs = []
        for step in (2, -2):
            moved["mark"][book] = round(price / world.instruments["tick_size"][book]) + (step if usd > 0 else -step)
            excess = maintenance_excess(
                account, moved, world.assets, world.margin, world.ledger.positions, world.ledger.cash
            )
            signs.append(excess >= 0)
        assert signs == [True, False], world.ledger.names[account]


def test_borrowers_have_a_price_of_their_collateral() -> None:
    session = Session(cut("lending-market", "population.count=200", "agents.depositors.count=50"), seed=1)
    session.advance(5)
    world = session.built.world
    found = at_risk(world, world.ledger.assess(world.instruments, world.assets, world.margin))
    priced = [row for row, price in enumerate(found["liquidation_price"]) if price is not None]
    assert len(priced) >= 10
    row = priced[0]
    asset = world.asset(found["asset"][row])
    moved = world.assets.copy()
    account = found["account"][row]
    state = (world.margin, world.ledger.positions, world.ledger.cash)
    signs = []
    for factor in (1.001, 0.999):
        moved["price"][asset] = round(found["liquidation_price"][row] * factor / world.assets["price_tick"][asset])
        signs.append(maintenance_excess(account, world.instruments, moved, *state) >= 0)
    assert signs == ([True, False] if found["position_usd"][row] > 0 else [False, True])


def test_a_world_is_described(crash: Told) -> None:
    world = crash.session.built.world
    made = describe(world, ticks=crash.session.scenario.ticks)
    assert [book["symbol"] for book in made["books"]] == list(world.instrument_symbols)
    assert made["accounts"] >= 1_500
    assert sum(made["roles"].values()) == len(world.ledger.names)


def test_options_have_no_book_and_portfolios_no_single_price() -> None:
    session = Session(cut("options-crash", "population.count=300"), seed=1)
    session.advance(3)
    world = session.built.world
    side = Feed(session).side()
    books = describe(world, ticks=session.scenario.ticks)["books"]
    assert 0 < len(books) < len(world.instrument_symbols)
    assert len(side["ladder"]) == len(side["series"]["books"]) == len(books)
    json.dumps(side, allow_nan=False)
