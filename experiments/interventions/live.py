"""Which settings a running world can follow, and how it does: the white list of `Change`.

A change makes another scenario, with every check of one that is read from a file; what the records of the world say of
that scenario is then written anew by the same functions that built it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agents.keeper import KeeperCohort
from agents.market_maker import Makers
from agents.oracle import OracleCohort
from experiments.interventions.money import bring, bring_worth
from experiments.scenario import Scenario
from experiments.toml_tree import split
from market.errors import InputError
from market.instruments import asset_records, quanta, with_book
from market.kernels.records import INSURANCE_FUND, PPM
from market.margin.dynamics import StaticHaircuts
from market.margin.tables import write_margin_rules
from market.simulation import Cast
from market.venue import policy_record
from market.world import World


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a change acts on."""

    world: World
    cast: Cast

    def all(self, cls: type[Any]) -> list[Any]:
        """The running agents of one class."""
        everybody: Iterable[Any] = (*self.cast.oracles, *self.cast.cohorts, *self.cast.keepers)
        return [one for one in everybody if isinstance(one, cls)]


Follow = Callable[[Target, Scenario, Scenario], None]
"""Bring a world that follows the first scenario up to the second."""

_OF_INSTRUMENT = (
    "tiers_only", "size_factor", "maintenance_size_factor", "minimum", "profit_weight", "profit_cap", "profit_net",
)  # fmt: skip
_OF_ASSET = ("haircut", "initial_haircut", "haircut_only")
_OF_THIS_RUN = ("salt", "pool")
"""Fields of POLICY that the scenario says nothing of."""


def follow_margin(target: Target, before: Scenario, after: Scenario) -> None:
    """Haircuts and margin rates."""
    del before
    world = target.world
    assets, instruments = asset_records(after.assets, after.instruments), world.instruments.copy()
    tiers = write_margin_rules(
        after.venue.margin, after.assets, after.instruments, asset_records=assets, instrument_records=instruments
    )
    world.tiers[:] = tiers
    for name in _OF_INSTRUMENT:
        world.instruments[name] = instruments[name]
    for name in _OF_ASSET:
        world.assets[name] = assets[name]
    if world.risk is not None:
        world.risk.refresh(world.instruments, world.assets)
    world.watch.invalidate()
    world.history.note_rules(world)


def follow_fees(target: Target, before: Scenario, after: Scenario) -> None:
    """Trading fees."""
    del before
    for book, instrument in enumerate(after.instruments.values()):
        target.world.instruments["maker_fee"][book] = round(instrument.maker_fee_bps * PPM / 10_000)
        target.world.instruments["taker_fee"][book] = round(instrument.taker_fee_bps * PPM / 10_000)


def follow_policy(target: Target, before: Scenario, after: Scenario) -> None:
    """How accounts are liquidated, and who bears losses."""
    del before
    policy = policy_record(after.venue)
    for name in policy.dtype.names or ():
        if name not in _OF_THIS_RUN:
            target.world.policy[name] = policy[name]
    for keepers in target.all(KeeperCohort):
        keepers.retune(after.agents.keepers, target.world)


def follow_funding(target: Target, before: Scenario, after: Scenario) -> None:
    """What perpetuals pay: the rule is asked anew at every interval."""
    del target, before, after


def follow_breakers(target: Target, before: Scenario, after: Scenario) -> None:
    """Limits of circuit breakers that are on."""
    del before
    if target.world.breakers is not None:
        target.world.breakers.retune(after.venue.breakers, target.world)


def follow_fund(target: Target, before: Scenario, after: Scenario) -> None:
    """Money into the insurance fund, or out of it, as far as it is there."""
    symbol = next(symbol for symbol, asset in after.assets.items() if asset.settlement)
    paid = [quanta(side.venue.waterfall.insurance_fund_usd, after.assets[symbol]) for side in (before, after)]
    bring(target.world, INSURANCE_FUND, target.world.asset(symbol), paid[1] - paid[0])


def follow_oracles(target: Target, before: Scenario, after: Scenario) -> None:
    """When prices are sent off and stand."""
    del before
    for oracles in target.all(OracleCohort):
        oracles.retune(after.agents.oracles, target.world)


def follow_keepers(target: Target, before: Scenario, after: Scenario) -> None:
    """Keepers' traits, and money to them or from them."""
    world, old, new = target.world, before.agents.keepers, after.agents.keepers
    first = next(symbol for symbol, asset in after.assets.items() if asset.settlement)
    parts = {first: 1.0 - sum(new.capital_shares.values()), **new.capital_shares}
    for keepers in target.all(KeeperCohort):
        count = len(keepers.records)
        if new.count > count:
            raise InputError(f"agents.keepers.count: at most {count} in this run; it takes a new one to have more")
        keepers.retune(new, world)
        more = new.drawn(count, world)[1] - old.drawn(count, world)[1]
        for account, usd in zip(keepers.records["account"].tolist(), more.tolist(), strict=True):
            for symbol, part in parts.items():
                bring_worth(world, account, world.asset(symbol), usd * part)


def follow_makers(target: Target, before: Scenario, after: Scenario) -> None:
    """Sizes of makers' ladders, and money to makers or from them, as far as their margin lets it go."""
    world = target.world
    old, new = before.agents.market_makers, after.agents.market_makers
    for makers in target.all(Makers):
        for book, symbol, instrument in with_book(after.instruments):
            was, now = (side.books.get(symbol, side.default) for side in (old, new))
            if was == now:
                continue
            makers.retune(book, was, now)
            for row in makers.of_book(book).tolist():
                account, usd = int(makers.records["account"][row]), now.capital_usd - was.capital_usd
                if usd < 0.0:
                    figures = world.ledger.assess(world.instruments, world.assets, world.margin)[account]
                    usd = -min(-usd, max(0.0, float(figures[0] - figures[3]) / 1e6))
                _, paid = bring_worth(world, account, world.asset(instrument.quote), usd)
                base = 0
                if instrument.kind == "spot":
                    base, _ = bring_worth(
                        world, account, world.asset(instrument.base), now.capital_usd - was.capital_usd
                    )
                makers.note_capital(row, now, usd=paid, base=base)


LIVE: dict[str, Follow] = {
    "assets.*.haircut": follow_margin,
    "venue.margin.collateral.*.haircut": follow_margin,
    "instruments.*.tiers.*.initial": follow_margin,
    "instruments.*.tiers.*.maintenance": follow_margin,
    "venue.margin.requirement.*.tiers.*.initial": follow_margin,
    "venue.margin.requirement.*.tiers.*.maintenance": follow_margin,
    "instruments.*.taker_fee_bps": follow_fees,
    "instruments.*.maker_fee_bps": follow_fees,
    "venue.liquidation.fee_bps": follow_policy,
    "venue.liquidation.keeper_share": follow_policy,
    "venue.liquidation.keeper_floor_usd": follow_policy,
    "venue.liquidation.slippage_limit_bps": follow_policy,
    "venue.liquidation.dust_usd": follow_policy,
    "venue.liquidation.conversion_loss_bps": follow_policy,
    "venue.liquidation.calls_per_round": follow_policy,
    "venue.liquidation.ordering": follow_policy,
    "venue.liquidation.sizing.share": follow_policy,
    "venue.liquidation.sizing.buffer": follow_policy,
    "venue.liquidation.sizing.least_usd": follow_policy,
    "venue.liquidation.sizing.most_usd": follow_policy,
    "venue.liquidation.sizing.above_usd": follow_policy,
    "venue.liquidation.sizing.full_below_health": follow_policy,
    "venue.liquidation.sizing.ramp_seconds": follow_policy,
    "venue.liquidation.sizing.first_share": follow_policy,
    "venue.liquidation.price.discount_bps": follow_policy,
    "venue.liquidation.price.most_discount_bps": follow_policy,
    "venue.liquidation.price.growth_bps_per_second": follow_policy,
    "venue.liquidation.price.grace_seconds": follow_policy,
    "venue.liquidation.price.adjustment": follow_policy,
    "venue.liquidation.price.spread": follow_policy,
    "venue.funding.period_seconds": follow_funding,
    "venue.funding.clamp": follow_funding,
    "venue.funding.interest": follow_funding,
    "venue.funding.band": follow_funding,
    "venue.funding.impact_notional_usd": follow_funding,
    "venue.funding.rate_at_full_skew": follow_funding,
    "venue.breakers.halt.move_bps": follow_breakers,
    "venue.breakers.halt.halt_seconds": follow_breakers,
    "venue.breakers.band.width_bps": follow_breakers,
    "venue.breakers.throttle.notional_usd": follow_breakers,
    "venue.breakers.reduce_only.move_bps": follow_breakers,
    "venue.breakers.reduce_only.lasts_seconds": follow_breakers,
    "venue.waterfall.adl": follow_policy,
    "venue.waterfall.adl_severity": follow_policy,
    "venue.waterfall.socialised_cap": follow_policy,
    "venue.waterfall.insurance_fund_usd": follow_fund,
    "agents.oracles.feed.deviation_bps": follow_oracles,
    "agents.oracles.feed.heartbeat_seconds": follow_oracles,
    "agents.oracles.feed.latency_seconds": follow_oracles,
    "agents.oracles.feeds.*.deviation_bps": follow_oracles,
    "agents.oracles.feeds.*.heartbeat_seconds": follow_oracles,
    "agents.oracles.feeds.*.latency_seconds": follow_oracles,
    "agents.keepers.count": follow_keepers,
    "agents.keepers.latency_seconds": follow_keepers,
    "agents.keepers.capital_usd": follow_keepers,
    "agents.keepers.calls_per_second": follow_keepers,
    "agents.keepers.cost_usd": follow_keepers,
    "agents.keepers.min_profit_usd": follow_keepers,
    "agents.keepers.attention": follow_keepers,
    "agents.market_makers.default.capital_usd": follow_makers,
    "agents.market_makers.default.ladder": follow_makers,
    "agents.market_makers.books.*.capital_usd": follow_makers,
    "agents.market_makers.books.*.ladder": follow_makers,
}
"""Path, with * for a name or number -> how a running world follows it."""


def follower(path: str) -> Follow | None:
    """How a running world follows a setting; None for one that takes a new run."""
    steps = split(path)
    for pattern, follow in LIVE.items():
        wanted = pattern.split(".")
        if len(wanted) == len(steps) and all(want in ("*", step) for want, step in zip(wanted, steps, strict=True)):
            return follow
    return None


def refusal(scenario: Scenario, path: str) -> str | None:
    """Why changing a setting in a running world of this scenario would do nothing or cannot be done; None if it can."""
    follow = follower(path)
    if follow is None:
        return "cannot be changed in a running world; it takes a new run"
    steps, venue = split(path), scenario.venue
    if follow is follow_margin:
        return _margin_refusal(scenario, steps)
    if follow is follow_fees and steps[1] in scenario.instruments and scenario.instruments[steps[1]].kind == "option":
        return "has no effect: options trade with dealers, without a book"
    if path == "venue.liquidation.calls_per_round" and venue.block_space.kind == "shared":
        return "has no effect where blocks are shared; see venue.block_space"
    if follow is follow_oracles:
        moving = {symbol for symbol, asset in scenario.assets.items() if asset.valuation == "oracle"}
        own = set(scenario.agents.oracles.feeds)
        if (steps[2] == "feed" and moving <= own) or (steps[2] == "feeds" and steps[3] not in moving):
            return "has no effect: no price is made by this feed"
    if follow is follow_makers:
        makers, books = scenario.agents.market_makers, {symbol for _, symbol, _ in with_book(scenario.instruments)}
        if makers.makers_per_book == 0 or (steps[2] == "default" and books <= set(makers.books)):
            return "has no effect: no book has such a maker"
    return None


def _margin_refusal(scenario: Scenario, steps: tuple[str, ...]) -> str | None:
    margin = scenario.venue.margin
    if not isinstance(margin.haircuts, StaticHaircuts):
        return "cannot be changed in a running world where haircuts follow the market (venue.margin.haircuts)"
    if steps[0] == "assets":
        asset = scenario.assets.get(steps[1])
        if asset is not None and margin.collateral_of(steps[1], settlement=asset.settlement) is not None:
            return "has no effect: venue.margin.collateral says what it counts for"
    if steps[0] == "instruments":
        instrument = scenario.instruments.get(steps[1])
        if instrument is not None and instrument.kind in ("spot", "option"):
            return f"has no effect: a {instrument.kind} has no tiers"
        if instrument is not None and margin.requirement_of(steps[1], instrument.base) is not None:
            return "has no effect: venue.margin.requirement says what it needs"
    if steps[:3] == ("venue", "margin", "collateral"):
        used = [margin.collateral_of(name, settlement=item.settlement) for name, item in scenario.assets.items()]
        if not any(rule is margin.collateral.get(steps[3]) for rule in used):
            return "has no effect: it is the rule of no asset here"
    if steps[:3] == ("venue", "margin", "requirement"):
        held = [margin.requirement_of(name, item.base) for name, item in scenario.instruments.items()]
        if not any(rule is margin.requirement.get(steps[3]) for rule in held):
            return "has no effect: it is the rule of no instrument here"
    return None
