"""What reviewers ask for, filled in from the study: STRESS for agent-based models, and ODD.

STRESS-ABS: Monks, Currie, Onggo, Robinson, Kunc and Taylor, "Strengthening the reporting of empirical simulation
studies", Journal of Simulation 2019. ODD: Grimm et al., Journal of Artificial Societies and Social Simulation 2020.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from experiments.scenario import Scenario
from experiments.store.version import RESULTS_VERSION
from experiments.study_report.findings import Axis, Findings
from experiments.study_report.tables import Written
from experiments.sweep.summary import label
from experiments.systems.scenario import SystemScenario

ASK = "to be said by the author"
MODEL, STEP = "docs/model.md", "docs/step.md"


def stress(found: Findings) -> Written:
    """The checklist of STRESS, one row an item."""
    plan, study, world = found.plan, found.plan.study, found.plan.loaded.resolver.base().world
    parts = _parts(world)
    measures = "; ".join(label(measure) for measure in found.summary.measures)
    varied = "; ".join(map(_varied, found.axes)) or "nothing: one design"
    seeds = f"seeds {plan.seeds.start} to {plan.seeds.stop - 1}, the same for every design"
    rows = (
        ("1.1 purpose of the model", f"who is liquidated in a fall, how far it spreads, what rules change ({MODEL})"),
        ("1.2 outputs", measures),
        ("1.3 aims of experimentation", study.summary or f"{ASK} (summary of the study)"),
        ("2.1 base model, overview", f"{MODEL}; five phases a tick, {STEP}"),
        ("2.2 base model, logic", f"scenario {Path(study.scenario).stem}: {world.summary}" + _venues(parts)),
        ("2.3 scenario logic", f"{varied}; {len(found.summary.designs)} designs against design "
         f"{found.summary.designs[found.base].number}"),
        ("2.4 algorithms", f"matching, margin, liquidation rounds, loss waterfall: {STEP} and docs/margin.md"),
        ("2.5.1 environment", f"{_prices(world)}; {sum(len(part.instruments) for part in parts.values())} instruments, "
         f"{len(world.assets)} assets, {sum(len(part.pools) for part in parts.values())} pools" + _shared(world)),
        ("2.5.2 agents", "; ".join(_agents(parts))),
        ("2.5.3 interaction topology", "order books, the index, the loss waterfall, permanent impact on the reference"),
        ("2.5.4 entry and exit", "nobody joins during a run; makers leave and come back, traders are closed"),
        ("3.1 data sources", "; ".join(_sources(parts)) or f"parameters of the scenario; {ASK} where they are from"),
        ("3.2 pre-processing", "none beyond bridging bars to ticks" if world.reference.kind == "replay" else "none"),
        ("3.3 input parameters", "every value written out in the base scenario on this page"),
        ("3.4 assumptions", f"end of {MODEL}; what this rests on, on this page"),
        ("4.1 initialisation", "books are filled and accounts opened at tick 0, no warm-up is cut off"),
        ("4.2 run length", f"{world.hours:g} h in ticks of {world.tick_seconds:g} s, {world.ticks:,} ticks"),
        ("4.3 estimation", f"{len(plan.seeds)} independent runs a design, {seeds}; {found.summary.stored:,} of "
         f"{found.summary.planned:,} runs, {found.summary.failed:,} failed; 95 % intervals, differences seed by seed"),
        ("5.1 software", _each(_software(made) for made in found.manifests)),
        ("5.2 random sampling", "Philox counter-based streams by name and tick (market/streams.py), one seed a run"),
        ("5.3 execution", "ticks; orders of a tick arrive in drawn order, cancels first; liquidation in rounds"),
        ("5.4 system", _each(f"{made.get('platform')}, {made.get('processor') or 'processor unknown'}"
                             for made in found.manifests)),
        ("6.1 access to code", f"commit {_each(str(made.get('git_commit') or 'unknown') for made in found.manifests)}, "
         f"results version {RESULTS_VERSION}; where it can be had: {ASK}"),
    )  # fmt: skip
    return Written("STRESS: what has to be reported of an agent-based simulation study", ("item", "here"), rows)


def odd(found: Findings) -> Written:
    """The seven elements of ODD."""
    study, world = found.plan.study, found.plan.loaded.resolver.base().world
    parts = _parts(world)
    rounds = _each(f"{part.venue.round_seconds:g}" for part in parts.values())
    rows = (
        ("1 purpose and patterns", f"{study.summary or ASK}; patterns it is held against: docs/validation.md"),
        ("2 entities, state variables, scales", f"{'; '.join(_agents(parts))}; {world.hours:g} h, ticks of "
         f"{world.tick_seconds:g} s, rounds of {rounds} s; tables in {MODEL}"),
        ("3 process overview and scheduling", f"prices, decisions, trading, liquidation, losses: {STEP}"),
        ("4 design concepts", f"emergence, adaptation, sensing, interaction, stochasticity, observation: {MODEL}"),
        ("5 initialisation", "the base scenario, every value written out on this page; accounts drawn from the seed"
         if all(getattr(part.population, "kind", "") != "file" for part in parts.values()) else "a file of accounts, "
         "the same in every seed"),
        ("6 input data", "; ".join(_sources(parts)) or "none: reference prices are drawn from the model"),
        ("7 submodels", f"{MODEL}, docs/margin.md; source of every rule of a venue: docs/venues.md"),
    )  # fmt: skip
    return Written("ODD: overview, design concepts, details", ("element", "here"), rows)


def _varied(axis: Axis) -> str:
    ends = f"{axis.values[0]} to {axis.values[-1]}" if axis.sampled else ", ".join(map(str, axis.values))
    return f"{axis.label}: {ends}"


Parts = dict[str, Scenario]
"""The venues by name; a scenario of one venue under no name."""


def _parts(world: Scenario | SystemScenario) -> Parts:
    if isinstance(world, Scenario):
        return {"": world}
    return {name: world.of_venue(name) for name in world.venues}


def _venues(parts: Parts) -> str:
    known = [part.venue.about.name for part in parts.values() if part.venue.about.sources]
    return f"; rules of {_each(known)}" if known else ""


def _shared(world: Scenario | SystemScenario) -> str:
    if isinstance(world, Scenario):
        return ""
    return f"; {len(world.venues)} venues with one reference, {len(world.claims)} claims, bridges between them"


def _prices(world: Scenario | SystemScenario) -> str:
    kinds = {
        "model": "reference prices from a jump diffusion with stochastic volatility and crashes",
        "anchors": "reference prices through published points",
        "replay": "recorded reference prices",
    }
    return kinds[world.reference.kind]


def _agents(parts: Parts) -> list[str]:
    return [
        f"{name}: {', '.join(_agents_of(part))}" if name else "; ".join(_agents_of(part))
        for name, part in parts.items()
    ]


def _agents_of(scenario: Scenario) -> list[str]:
    population, agents = scenario.population, scenario.agents
    found = []
    if population is not None:
        count = getattr(population, "count", None)
        found.append(f"{count:,} accounts, drawn" if count else "accounts of a file")
    found += [
        f"{agents.market_makers.makers_per_book} market makers a book",
        f"{agents.keepers.count} keepers",
        "background flow, arbitrageurs, oracles",
    ]
    if agents.depositors.count:
        found.append(f"{agents.depositors.count:,} depositors")
    if agents.attackers or agents.large_orders:
        found.append(f"{len(agents.attackers)} attackers, {len(agents.large_orders)} large orders")
    return found


def _sources(parts: Parts) -> list[str]:
    files = [
        f"{what}: {Path(file).name}"
        for part in parts.values()
        for what, table in (("prices", part.reference), ("accounts", part.population))
        if (file := getattr(table, "file", None)) is not None
    ]
    return list(dict.fromkeys([*files, *(source for part in parts.values() for source in part.venue.about.sources)]))


def _software(made: dict[str, object]) -> str:
    versions = made.get("versions")
    return ", ".join(f"{key} {value}" for key, value in versions.items()) if isinstance(versions, dict) else "unknown"


def _each(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(said)) or "unknown"
