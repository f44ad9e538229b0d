"""Small worlds in which every cause can be stated: who brought down whom, by how much, and what removing it changes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from experiments.contagion import CAUSES, FORCED, Contagion, causes_of
from experiments.contagion.attribution import apportion
from experiments.contagion.levels import levels, mark_parts
from experiments.contagion.records import Records, records
from experiments.contagion.tables import split
from experiments.recorder import Recorder
from experiments.run import Trace
from experiments.validation.liquidation import Ladder
from market.kernels.attribution import shapley
from market.kernels.origins import ORACLE, OUTSIDE_WORLD
from market.kernels.records import MARKET, REST_OF_MARKET, SELL
from market.venue import IndexMark, MidMark
from tests.engine_worlds import USD, Engine, engine, plain_venue

OUTSIDE, TRADERS = CAUSES.index("outside_world"), CAUSES.index("traders")


def watched(world: Engine, *, ticks: int) -> Engine:
    """The same world with a recorder, its first observer."""
    world.observers.append(Recorder(world.world, ticks=ticks, sample_ticks=1, margin_ticks=ticks))
    return world


def records_of(world: Engine) -> Records:
    built = SimpleNamespace(world=world.world, rules=world.rules, cast=world.cast)
    return records(cast(Trace, SimpleNamespace(built=built, recorder=world.observers[0])))


def falls(deposits: tuple[float, ...], lots: tuple[int, ...]) -> Engine:
    """Mark 10,000, the middle of the book; somebody sells at tick 1 and it is 9,850; 1,000 more lots make it 9,500."""
    world = watched(
        engine(
            deposits=deposits,
            venue=plain_venue(mark=MidMark()),
            script={1: [{"op": MARKET, "side": SELL, "lots": 10, "account": REST_OF_MARKET}]},
        ),
        ticks=8,
    )
    world.bids((9_999, 10), (9_700, 1_000), (9_000, 20_000))
    world.asks((10_001, 50_000))
    for account, size in zip(world.rows, lots, strict=True):
        world.open(account, size, 10_000)
    return world


def test_the_second_account_falls_by_the_first_one_s_sale() -> None:
    """A breaks at 9,850. Its sale makes the mark 9,500; B loses 0.095 USD a tick, 150 to the trader and 350 to A."""
    world = falls((640.0, 70.0), (1_000, 100))
    world.run(6)
    found = causes_of(records_of(world))
    assert found.account.tolist() == world.rows
    first, second = found.causes
    assert first[TRADERS] == found.loss[0] == (150 * 1_000_000 * 95) // 100
    assert found.loss[1] == round(500 * 0.095 * USD)
    assert second[[TRADERS, FORCED]].tolist() == [round(150 * 0.095 * USD), round(350 * 0.095 * USD)]
    assert second.sum() == second[[TRADERS, FORCED]].sum()
    assert (found.parent.tolist(), found.generation.tolist(), found.root.tolist()) == ([-1, 0], [0, 1], [0, 0])
    (edge,) = found.order_edges
    assert (int(edge["source"]), int(edge["target"]), int(edge["loss"])) == (0, 1, second[FORCED])
    assert found.edges.tolist() == [[0.0, 1.0, pytest.approx(0.7), pytest.approx(33.25)]]


def test_without_the_root_its_subtree_survives() -> None:
    """A sound first account is not sold out, and then nobody is: the one it would have brought down is saved."""
    world = falls((6_400.0, 70.0), (1_000, 100))
    world.run(6)
    assert world.world.n_breaches == 0


def test_a_lasting_move_of_the_reference_is_the_sellers() -> None:
    """The mark is the index. At tick 1 it falls from 10,000 to 9,800 and A breaks; its sale moves it by a factor of
    exp(-0.05) from tick 2 on, and B breaks. The step is split by logarithms: all of the second one is A's."""
    value = 1_000 * 9_800 * 1_000
    world = watched(
        engine(
            deposits=(640.0, 70.0),
            venue=plain_venue(mark=IndexMark()),
            prices=lambda tick: (1.0, 10_000.0 if tick < 1 else 9_800.0),
            impact_per_quanta=0.05 / value,
        ),
        ticks=8,
    )
    world.bids((9_790, 20_000))
    for account, size in zip(world.rows, (1_000, 100), strict=True):
        world.open(account, size, 10_000)
    world.run(6)
    found = causes_of(records_of(world))
    assert found.account.tolist() == world.rows
    after = round(9_800 * np.exp(-0.05))
    per_tick = 95_000
    assert found.loss[1] == (10_000 - after) * per_tick
    assert found.causes[1, OUTSIDE] == pytest.approx(200 * per_tick, abs=per_tick)
    assert found.causes[1, FORCED] == pytest.approx((9_800 - after) * per_tick, abs=per_tick)
    assert found.causes[1].sum() == found.causes[1, [OUTSIDE, FORCED]].sum()
    assert found.parent.tolist() == [-1, 0]


@pytest.mark.parametrize(("lots", "ratio"), [(1, 0.2), (2, 0.4), (4, 0.8)])
def test_ladder_through_the_graph(lots: int, ratio: float) -> None:
    """A shock of 20 ticks falls 20 / (1 - ratio): the trader's part stays 20, the rest are forced sales."""
    ladder = Ladder([1] * 300, lots=lots, depth=5, reach=600)
    watched(ladder.world, ticks=8)
    fall = ladder.shock(20)
    assert fall == pytest.approx(20 / (1.0 - ratio), abs=1.0)
    found = records_of(ladder.world)
    causes = causes_of(found)
    made = levels(found)
    looks = np.array([0, len(found.looks) - 1])
    parts, _ = mark_parts(found, made, looks, np.zeros(2, np.int64))
    change = parts[1] - parts[0]
    assert change[[TRADERS, FORCED]].tolist() == [-20.0, -(fall - 20.0)]
    assert np.abs(change).sum() == fall
    # Every liquidation has cost those after it: its sales fell by `ratio` ticks, each of which breaks one account more.
    forced = causes.causes[:, FORCED].sum() / causes.loss.sum()
    assert 0.0 < forced < ratio
    add_up(causes)


def test_borel_through_the_graph() -> None:
    """Two accounts at the first rung, one at the third: a tick of shock falls by four, of which one is the trader's."""
    ladder = Ladder((2, 0, 1, 0, 0), lots=5, depth=5, reach=40)
    watched(ladder.world, ticks=8)
    assert ladder.shock(1) == 4
    found = causes_of(records_of(ladder.world))
    assert found.n == 3
    assert found.causes[:2, FORCED].tolist() == [0, 0]
    # Without a requirement it was safe as long as it was above zero: until the trader's tick had fallen.
    assert found.causes[2, FORCED] == found.loss[2] > 0
    assert found.parent.tolist() == [-1, -1, 0]
    add_up(found)


def add_up(found: Contagion) -> None:
    assert (found.causes.sum(axis=1) == found.loss).all()


def test_shapley_values_of_a_product_are_split_evenly_and_sum() -> None:
    """v = x y: two components of equal weight share it; a third that does nothing gets nothing."""
    values = np.array([0, 0, 0, 1_001, 0, 0, 0, 1_001], np.int64)
    effects = np.zeros(3, np.int64)
    shapley(values, 3, effects)
    assert effects.sum() == 1_001
    assert sorted(effects.tolist()) == [0, 500, 501]


def test_many_components_are_split_to_the_unit() -> None:
    """Nine components whose effects multiply: the smallest share one value by their single effects."""
    sizes = {number: 100 * (number + 1) for number in range(9)}

    def value(moved: set[int]) -> int:
        return round(np.prod([1.0 + sizes[number] / 1_000 for number in moved]) * 1_000) - 1_000

    single = {number: value({number}) for number in sizes}
    found = split(single, value(set(sizes)), value)
    assert sum(found.values()) == value(set(sizes))
    assert [found[number] for number in range(9)] == sorted(found.values())


@pytest.mark.parametrize("total", [-7, 0, 1, 10**15])
def test_apportioned_parts_sum_to_the_whole(total: int) -> None:
    parts = np.array([0.31, -0.1, 0.79]) * total
    whole = apportion(total, parts)
    assert whole.sum() == total
    assert np.abs(whole - parts).max() <= 1.5


def test_what_an_oracle_tells_late_is_what_the_outside_world_did_and_its_errors_are_its_own() -> None:
    """The reference falls by a tenth at tick 2, which the venue learns at tick 4, ten ticks too low; right at tick 5.
    In between the old price stands, and nobody's doing has changed."""
    world = falls((640.0, 70.0), (1_000, 100))
    world.run(8)
    found = records_of(world)
    asset = int(found.instruments["base"][0])
    outside, told = found.asset_reference.copy(), found.price.copy()
    outside[:, asset] = [10_000] * 2 + [9_000] * 6
    told[:, asset] = [10_000] * 4 + [8_990] + [9_000] * 3
    delay = np.zeros(len(found.assets), np.int64)
    delay[asset] = 2
    made = levels(replace(found, asset_reference=outside, price=told, delay=delay)).price[:, asset]
    assert made.sum(axis=1) == pytest.approx(told[:, asset])
    others = np.delete(made, [OUTSIDE_WORLD, ORACLE], axis=1)
    assert np.abs(others).max() < 3.0, "what flow did to the reference is a trifle here"
    assert made[:, OUTSIDE_WORLD] == pytest.approx([10_000] * 4 + [9_000] * 4, abs=3.0)
    assert made[:, ORACLE] == pytest.approx([0, 0, 0, 0, -10, 0, 0, 0], abs=1.0)
    at_once = levels(replace(found, asset_reference=outside, price=told, delay=0 * delay)).price[:, asset]
    assert at_once[4, ORACLE] == pytest.approx(-10, abs=1.0), "a price that stands has not seen what came after it"
