"""Whatever is done to a world, and whenever: nothing is made from nothing, and the scenario it leaves repeats it."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.interventions import AccountFails, Change, KeepersOut, MakersLeave, OracleOutage, PriceShock
from experiments.run import Session, trace
from experiments.scenario import Scenario
from market.errors import InputError
from tests.cuts import cut, digests


@cache
def small() -> Scenario:
    return cut("flash-crash", "hours=0.03", "population.count=150", "reference.crash_at_seconds=30")


def change(path: str, low: float, high: float) -> st.SearchStrategy[Change]:
    return st.floats(low, high).map(lambda value: Change(at_seconds=0.0, path=path, value=value))


SHARE = st.floats(0.0, 1.0)
SECONDS = st.floats(1.0, 60.0)
WHAT: st.SearchStrategy[Any] = st.one_of(
    change("assets.ETH.haircut", 0.0, 1.0),
    change("instruments.BTC-PERP.tiers.0.maintenance", 0.0, 0.025),
    change("venue.waterfall.insurance_fund_usd", 0.0, 1e9),
    change("venue.liquidation.fee_bps", 0.0, 10_000.0),
    change("agents.keepers.capital_usd", 1.0, 1e8),
    change("agents.market_makers.default.capital_usd", 1.0, 1e8),
    change("agents.oracles.feed.latency_seconds", 0.0, 20.0),
    st.integers(0, 20).map(lambda n: Change(at_seconds=0.0, path="agents.keepers.count", value=float(n))),
    st.builds(PriceShock, at_seconds=st.just(0.0), asset=st.sampled_from(["BTC", "ETH", "SOL", "USDC"]),
              factor=st.floats(0.05, 2.5), over_seconds=st.floats(0.0, 30.0)),
    st.builds(OracleOutage, at_seconds=st.just(0.0), lasts_seconds=SECONDS),
    st.builds(MakersLeave, at_seconds=st.just(0.0), lasts_seconds=SECONDS, share=SHARE),
    st.builds(KeepersOut, at_seconds=st.just(0.0), lasts_seconds=SECONDS, share=SHARE),
    st.builds(AccountFails, at_seconds=st.just(0.0), left=SHARE),
)  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 30), WHAT), min_size=1, max_size=6), st.integers(0, 3))
def test_money_is_conserved_and_the_run_can_be_repeated(plan: list[tuple[int, Any]], seed: int) -> None:
    session = Session(small(), seed=seed)
    world = session.built.world
    supply = world.ledger.cash.sum(axis=0)
    for ticks, what in plan:
        session.advance(min(ticks, session.ticks_left - 1))
        try:
            session.give(what)
        except InputError:
            continue
        assert (world.ledger.cash.sum(axis=0) == supply).all()
        assert world.ledger.clearing_error(world.instruments) == 0
    session.advance(session.ticks_left)
    assert world.ledger.conservation_error() == 0
    assert digests(trace(session.as_scenario(), seed=seed).built.world) == digests(world)
