"""Causes of liquidations in whole runs: they add up to the quantum, and agree with the run without liquidations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from experiments.contagion import CAUSES, FORCED, Contagion, causes_of
from experiments.contagion.levels import Levels, levels, mark_parts
from experiments.contagion.records import Records, has_book, records
from experiments.run import Trace, trace, without_liquidations
from market.kernels.history import LOOK_KIND, LOOK_ROUND
from market.kernels.moves import OWN_LEVEL, SLOW_LEVEL
from market.kernels.origins import NOBODY
from market.kernels.records import ON_BOOK
from tests.cuts import CUTS, cut

SEED = 1
MARKS = {
    "index": (), "mid": (), "last": (), "basis": (), "median": (), "outside": (), "funding": (), "twap": (),
    "basis of last": ("venue.mark.kind=basis", "venue.mark.of=last"),
    "twap of last": ("venue.mark.kind=twap", "venue.mark.of=last"),
    "twap of index": ("venue.mark.kind=twap", "venue.mark.of=index"),
}  # fmt: skip
QUICK = (
    "hours=0.08", "population.count=500", "reference.crash_at_seconds=40", "reference.crash_duration_seconds=120",
    "venue.waterfall.insurance_fund_usd=1e4",
)  # fmt: skip


@cache
def run_of(name: str) -> Trace:
    return trace(cut(name), seed=SEED)


def add_up(found: Records, causes: Contagion) -> None:
    """Every sum that must hold with ==."""
    assert causes.n == found.n
    assert (causes.causes.sum(axis=1) == causes.loss).all()
    assert (causes.loss >= 0).all()
    edges = causes.order_edges
    by_target = np.zeros(causes.n, np.int64)
    np.add.at(by_target, edges["target"], edges["loss"])
    assert (by_target == causes.causes[:, FORCED]).all()
    # What is sold before an account breaks can be a cause, what is sold after it cannot.
    named = edges[edges["order"] >= 0]
    assert (found.orders["tick"][named["order"]] <= causes.tick[named["target"]]).all()
    assert (named["source"] < named["target"]).all()


def nothing_untraced(found: Records, made: Levels, *, ticks: float) -> None:
    """Marks are what their parts say, but for rounding to ticks and the orders that a liquidation call cancelled."""
    looks = np.arange(len(found.looks))
    for book in np.flatnonzero(has_book(found)).tolist():
        parts, _ = mark_parts(found, made, looks, np.full(len(looks), book))
        np.testing.assert_allclose(parts.sum(axis=1), found.marks[:, book], atol=1e-6)
        assert np.abs(parts[:, NOBODY]).max() <= ticks


@pytest.mark.parametrize("name", CUTS)
def test_causes_add_up_to_the_quantum_in_every_embedded_scenario(name: str) -> None:
    ended = run_of(name)
    found = records(ended)
    causes = causes_of(found, world=ended.built.world)
    add_up(found, causes)
    nothing_untraced(found, levels(found), ticks=1.0)
    untraced = np.abs(causes.causes[:, CAUSES.index("untraced")])
    assert untraced.sum() <= 0.005 * max(causes.loss.sum(), 1)
    if name == "flash-crash":
        assert causes.n > 100
        assert causes.causes[:, FORCED].sum() > 0.02 * causes.loss.sum()


@pytest.mark.parametrize("mark", MARKS)
def test_causes_add_up_under_every_mark_rule(mark: str) -> None:
    sets = MARKS[mark] or (f"venue.mark.kind={mark}",)
    found = records(trace(cut("flash-crash", *QUICK, *sets), seed=SEED))
    assert found.n > 5
    causes = causes_of(found)
    add_up(found, causes)
    nothing_untraced(found, levels(found), ticks=25.0)


def test_causes_add_up_where_confidence_counts_under_all_profiles() -> None:
    """Balances and debts count at prices whose bands move with the oracle: what that takes off is a margin rule's."""
    wide = ("venue.margin.prices.kind=confidence", "venue.margin.prices.profiles=all", "venue.margin.prices.times=20")
    found = records(trace(cut("flash-crash", *QUICK, *wide), seed=SEED))
    assert found.n > 5
    assert len(found.haircuts) > 5, "the bands moved"
    causes = causes_of(found)
    add_up(found, causes)
    rules = causes.causes[:, CAUSES.index("margin_rules")]
    assert np.abs(rules).sum() > 0.001 * causes.loss.sum()


def test_a_past_that_was_overwritten_shortens_windows_and_changes_no_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = records(trace(cut("flash-crash", *QUICK), seed=SEED))
    monkeypatch.setattr("market.history.RING_ROWS", 128)
    found = records(trace(cut("flash-crash", *QUICK), seed=SEED))
    assert whole.breach_look[:, 1].max() == 0 < found.breach_look[:, 1].max()
    add_up(found, causes_of(found))


def test_the_parts_of_forced_sales_are_what_the_twin_without_liquidations_lacks() -> None:
    """SOL-PERP of the flash crash: while accounts are sold out, mark less the twin's mark is the part of forced sales.

    The two come from different sides: the one from the records of the run alone, the other from a second run.
    """
    ended, twin = run_of("flash-crash"), trace(without_liquidations(cut("flash-crash")), seed=SEED)
    found = records(ended)
    book = ended.built.world.instrument_symbols.index("SOL-PERP")
    opening = np.flatnonzero((found.looks[:, LOOK_ROUND] == 0) & (found.looks[:, LOOK_KIND] == 0))
    first = int(found.orders["tick"][0])
    ticks = np.arange(first, first + 200)
    parts, _ = mark_parts(found, levels(found), opening[ticks], np.full(len(ticks), book))
    lacks = found.marks[opening[ticks], book] - twin.recorder.ticks["mark"][ticks, book]
    assert lacks.mean() < -30.0
    assert np.corrcoef(lacks, parts[:, FORCED])[0, 1] > 0.95
    assert 0.75 < parts[:, FORCED].mean() / lacks.mean() < 1.25


def test_a_book_moves_by_what_messages_and_forced_orders_moved_it() -> None:
    """Levels of every book at the end less those of the beginning, tick by tick, from the counts by sender."""
    ended = run_of("flash-crash")
    world = ended.built.world
    found = records(ended)
    moved = found.first_levels + found.moved[:, :, :2].sum(axis=(0, 3))
    events = world.events[: world.n_events]
    events = events[np.isin(events["kind"], ON_BOOK)]
    np.add.at(moved[:, 0], events["book"], events["slow_move"].astype(np.int64))
    np.add.at(moved[:, 1], events["book"], events["own_move"].astype(np.int64))
    np.testing.assert_array_equal(moved, world.history.moved[:, [SLOW_LEVEL, OWN_LEVEL]])
