"""Every kind of intervention, and every setting that a running world can follow, on worlds of several designs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, get_args

import pytest

from experiments import library
from experiments.config import load, resolved_toml
from experiments.interventions import (
    AccountFails,
    Change,
    Intervention,
    KeepersOut,
    MakersLeave,
    OracleOutage,
    PriceShock,
    told,
)
from experiments.interventions.live import LIVE, follower
from experiments.run import Session, trace, without_liquidations
from experiments.scenario import Scenario
from experiments.settings import Setting, fits, leaves, settings
from experiments.toml_tree import join, split
from market.world import World
from tests.cuts import CUTS, cut, digests

DESIGNS = {
    "flash-crash": ("hours=0.05", "population.count=300", "reference.crash_at_seconds=60"),
    "lending-market": ("hours=0.3", "reference.crash_at_seconds=60"),
}
BREAKERS = (
    "venue.breakers.halt.kind=move", "venue.breakers.band.kind=reject", "venue.breakers.throttle.kind=notional",
    "venue.breakers.reduce_only.kind=move",
)  # fmt: skip
FALL = PriceShock(asset="ETH", at_seconds=60.0, factor=0.8)
"""Happens in all of them, so that there is something to liquidate."""
KINDS: dict[type, dict[str, Any]] = {
    PriceShock: {"asset": "ETH", "factor": 0.9},
    Change: {"path": "venue.liquidation.fee_bps", "value": 30.0},
    OracleOutage: {"lasts_seconds": 120.0},
    MakersLeave: {"lasts_seconds": 60.0},
    KeepersOut: {"lasts_seconds": 120.0},
    AccountFails: {"left": 0.5},
}


@cache
def design(name: str) -> Scenario:
    return replace(cut(name, *DESIGNS[name]), interventions={"fall": FALL})


def sound(world: World) -> None:
    assert world.ledger.conservation_error() == 0
    assert world.ledger.clearing_error(world.instruments) == 0


def other(setting: Setting) -> Any:
    """Another value that the setting may have."""
    if setting.kind == "choice":
        return next(choice for choice in setting.choices if choice != setting.value)
    assert isinstance(setting.value, int | float)
    assert setting.least is not None
    assert setting.most is not None
    if setting.path.endswith(".maintenance"):
        return 0.8 * setting.value  # no more than the initial rate
    lower = 0.5 * (setting.least + setting.value)
    found = lower if lower < setting.value else 0.5 * (setting.value + setting.most)
    if setting.path.endswith(".initial"):
        found = 1.2 * setting.value
    return float(round(found)) if setting.kind == "integer" else found


def test_there_is_an_example_of_every_kind() -> None:
    assert set(KINDS) == set(get_args(get_args(Intervention)[0]))


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_what_is_done_by_hand_is_what_the_scenario_does_by_itself(kind: type, name: str) -> None:
    session = Session(design(name), seed=5)
    tick = session.built.world.ticks(40.0)
    session.advance(tick)
    what = kind(at_seconds=0.0, **KINDS[kind])
    done = session.give(what)
    assert done.tick == tick
    assert done.text.startswith(told(what))
    sound(session.built.world)
    session.advance(session.ticks_left)
    sound(session.built.world)

    text = resolved_toml(session.as_scenario())
    written, _ = load(Scenario, text)
    assert written == session.as_scenario()
    again = Session(written, seed=5)
    for ticks in (tick - 1, 1, 1, again.ticks_left - tick - 1):  # however it is cut
        again.advance(ticks)
    assert digests(again.built.world) == digests(session.built.world)
    untouched = trace(design(name), seed=5).built.world
    idle = kind is MakersLeave and name == "lending-market"  # which has none
    assert (digests(untouched) == digests(again.built.world)) == idle
    assert again.built.notes[0] == f"at {tick * session.built.world.tick_seconds:g} s: {told(what)}"


@pytest.mark.parametrize("name", DESIGNS)
def test_every_live_setting_can_be_changed_while_the_world_runs(name: str) -> None:
    session = Session(design(name), seed=2)
    session.advance(20)
    live = [setting for setting in settings(design(name)) if setting.live]
    assert len(live) > 20
    for setting in live:
        value = other(setting)
        assert value != setting.value, setting.path
        session.give(Change(at_seconds=0.0, path=setting.path, value=value))
        sound(session.built.world)
    changed = {setting.path: setting.value for setting in settings(session.interventions.scenario)}
    assert all(changed[setting.path] == other(setting) for setting in live)
    session.advance(session.ticks_left)
    sound(session.built.world)
    again = trace(session.as_scenario(), seed=2)
    assert digests(again.built.world) == digests(session.built.world)


def test_a_setting_changed_before_the_first_tick_is_the_scenario_that_had_it() -> None:
    """For settings whose opening balances do not hang on them."""
    for path, value in (
        ("assets.ETH.haircut", 0.4), ("instruments.ETH-PERP.tiers.0.maintenance", 0.03),
        ("instruments.BTC-PERP.taker_fee_bps", 9.0), ("venue.liquidation.fee_bps", 40.0),
        ("venue.waterfall.insurance_fund_usd", 5e4), ("agents.oracles.feed.deviation_bps", 40.0),
        ("agents.oracles.feed.latency_seconds", 7.0), ("agents.keepers.latency_seconds", 4.0),
        ("agents.keepers.calls_per_second", 0.5),
    ):  # fmt: skip
        scenario = design("flash-crash")
        session = Session(scenario, seed=1)
        session.give(Change(at_seconds=0.0, path=path, value=value))
        session.advance(session.ticks_left)
        having = Scenario.load("flash-crash", overrides=_cut(path, value))
        built = trace(replace(having, interventions={"fall": FALL}), seed=1)
        assert digests(built.built.world) == digests(session.built.world), path


def test_funding_and_breakers_changed_before_the_first_tick_are_those_of_the_scenario_that_had_them() -> None:
    begun = replace(cut("flash-crash", *DESIGNS["flash-crash"], *BREAKERS), interventions={"fall": FALL})
    untouched = digests(trace(begun, seed=1).built.world)
    for path, value in (
        ("venue.funding.period_seconds", 900.0), ("venue.breakers.halt.move_bps", 100.0),
        ("venue.breakers.band.width_bps", 20.0), ("venue.breakers.throttle.notional_usd", 2e4),
        ("venue.breakers.reduce_only.move_bps", 5_000.0),
    ):  # fmt: skip
        session = Session(begun, seed=1)
        session.give(Change(at_seconds=0.0, path=path, value=value))
        session.advance(session.ticks_left)
        having = cut("flash-crash", *DESIGNS["flash-crash"], *BREAKERS, f"{path}={value!r}")
        built = trace(replace(having, interventions={"fall": FALL}), seed=1)
        assert digests(built.built.world) == digests(session.built.world) != untouched, path


def _cut(path: str, value: float) -> list[str]:
    return [*CUTS["flash-crash"], *DESIGNS["flash-crash"], f"{path}={value!r}"]


def test_outages_are_those_that_oracles_and_keepers_can_be_scheduled_to_have() -> None:
    own = replace(
        design("flash-crash"),
        interventions={
            "fall": FALL,
            "silent": OracleOutage(at_seconds=50.0, lasts_seconds=60.0, asset="ETH", fault="stale"),
            "away": KeepersOut(at_seconds=70.0, lasts_seconds=40.0, share=0.5),
        },
    )
    theirs = cut(
        "flash-crash", *DESIGNS["flash-crash"],
        'agents.oracles.faults=[{asset="ETH",kind="stale",start_seconds=50.0,end_seconds=110.0}]',
        "agents.keepers.outages=[{start_seconds=70.0,end_seconds=110.0,share=0.5}]",
    )  # fmt: skip
    theirs = replace(theirs, interventions={"fall": FALL})
    assert digests(trace(own, seed=3).built.world) == digests(trace(theirs, seed=3).built.world)


def test_the_twin_has_them_too() -> None:
    shocked = replace(
        design("flash-crash"),
        interventions={
            "fall": PriceShock(asset="BTC", at_seconds=30.0, factor=0.8),
            "rule": Change(at_seconds=31.0, path="venue.liquidation.fee_bps", value=50.0),
        },
    )
    twin = trace(without_liquidations(shocked), seed=1)
    reference = twin.recorder.asset_reference[:, 1]
    assert reference[30] < 0.85 * reference[29]
    assert twin.built.world.n_events == 0


def test_every_entry_of_the_white_list_is_a_setting_of_some_embedded_venue() -> None:
    scenarios = [Scenario.load(name) for name in library.scenarios()]
    scenarios += [Scenario.load("flash-crash", venue=name) for name in library.venues()]
    rare = ["agents.oracles.feeds.ETH.latency_seconds=2.0", "venue.funding.kind=skew", *BREAKERS]
    scenarios += [Scenario.load("flash-crash", overrides=rare)]
    paths = {join(path) for scenario in scenarios for path, _, _ in leaves(scenario, ())}
    used = {pattern for pattern in LIVE for path in paths if fits(split(path), pattern)}
    assert used == set(LIVE)
    assert all(follower(pattern) is not None for pattern in used)
