"""What `cascade tune` does, from the study's name to what is printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import show
from experiments.store.place import Place
from experiments.stress.attack import Best, against
from experiments.stress.attack_command import as_data, attacked, print_attacks
from experiments.study.load import Loaded, load_study
from experiments.study.model import Attack, Tune
from experiments.sweep.command import Call
from experiments.sweep.summary import cell, number
from experiments.tune import progress, relever
from experiments.tune.bench import evaluator
from experiments.tune.confirm import Confirmed, confirm
from experiments.tune.evaluate import Interrupted
from experiments.tune.quantities import Bench, Quantity, all_of
from experiments.tune.recommend import Recommendation, recommend
from experiments.tune.search import Search, Trial, candidates, front, load, score
from experiments.tune.space import space
from market.errors import InputError

JOURNALS = Path("results/tune")
"""Where the history of searches is whose store is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search came to."""

    quantities: tuple[Quantity, ...]
    trials: tuple[Trial, ...]
    confirmed: tuple[Confirmed, ...]
    recommendation: Recommendation
    simulated: int
    """Runs that were not stored before."""
    attacks: tuple[Best, ...] = ()
    """The best attacks on today's and on the recommended design, where the study has a table [attack]."""
    attack: Attack | None = None
    """What they were looked for by."""


def tune(call: Call) -> Found:
    """Search, confirm, recommend. Raises InputError, and Interrupted, after which the same call goes on."""
    loaded = load_study(call.study)
    wanted = loaded.study.tune
    if wanted is None:
        raise InputError(f"{loaded.file}: has no table [tune]")
    dimensions = space(loaded, wanted)
    if wanted.utilisation is not None:
        relever.check(loaded, wanted.ranges)
    search = Search(loaded, wanted, dimensions, journal=journals(call.store))
    quantities = all_of(wanted)
    kpis = [item.measure.kpi for item in quantities]
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=kpis, command="tune") as made:
        bench = Bench(loaded, wanted, made)
        try:
            trials = search.run(
                bench, told=lambda done: say("search", len(done), wanted.trials, detail=_best(done, wanted))
            )
            confirmed = confirm(
                candidates(trials, wanted), bench, wanted, told=lambda done, total: say("confirm", done, total)
            )
        except Interrupted as stop:
            why = str(stop) or "interrupted"
            raise Interrupted(
                f"{why}: {len(search.trials())} trials and all their runs are kept; go on with the same call"
            ) from None
        simulated = made.simulated
    chosen = recommend(confirmed)
    attack = attack_on(loaded, confirmed[0], chosen)
    return Found(
        quantities=quantities,
        trials=trials,
        confirmed=confirmed,
        recommendation=chosen,
        simulated=simulated,
        attack=attack,
        attacks=() if attack is None else attacked(loaded, attack, call),
    )


def attack_on(loaded: Loaded, today: Confirmed, chosen: Recommendation) -> Attack | None:
    """The study's attacks on today's and on the recommended design; None where it has none."""
    if loaded.study.attack is None:
        return None
    designs = {"today": today.values}
    if chosen.recommended is not None and chosen.recommended is not today:
        designs["recommended"] = chosen.recommended.values
    return against(loaded.study.attack, designs)


def journals(store: str) -> Path:
    """Where the history of searches is kept: in a store on this machine, else in a folder of its own."""
    return Path(store, "tune") if Place(store).local else JOURNALS


def _best(trials: Sequence[Trial], wanted: Tune) -> str:
    """The front so far, in a few words."""
    if len(trials) < 2:
        return ""
    quantities = all_of(wanted)
    found = front(trials, wanted)
    within = [trial for trial in found if load(trial, quantities) <= 1.0]
    if not within:
        return f"front of {len(found)}, none within the limit"
    return (
        f"front of {len(found)}, best within the limit {100.0 * score(within[-1], trials[0], wanted):+.1f} % efficiency"
    )


def perform(call: Call, *, as_json: bool) -> None:
    """Do it and print it."""
    found = tune(call)
    if as_json:
        show.print_json(json_of(found))
    else:
        print_found(found)


def roles(recommendation: Recommendation) -> dict[int, str]:
    """What designs are called, by the number of their trial."""
    named = {
        "aggressive": recommendation.aggressive,
        "conservative": recommendation.conservative,
        "recommended": recommendation.recommended,
    }
    return {design.number: name for name, design in named.items() if design is not None}


def print_found(found: Found) -> None:
    """Tables of designs, of what fresh seeds say, and of the optimism gap; then the sentence that counts."""
    names = roles(found.recommendation)
    paths = list(found.confirmed[0].values)
    relevered = found.confirmed[0].leverage is not None
    rows = [
        (
            str(design.number),
            ", ".join(filter(None, ("today" if at == 0 else "", names.get(design.number, "")))),
            *(number(float(design.values[path])) for path in paths),
            *((f"{design.leverage:g}",) if relevered else ()),
            *(f"{100.0 * gain:+.2f} %" for gain in design.relative),
            number(design.upper_load),
            _verdict(design, today=at == 0),
        )
        for at, design in enumerate(found.confirmed)
    ]
    worlds = ("efficiency, fixed", "re-levered")[: len(found.confirmed[0].relative)]
    leverage = ("re-levered to",) if relevered else ()
    show.print_table(rows, header=("trial", "", *paths, *leverage, *worlds, "upper bound / limit", "verdict"))
    print(f"\nOn {found.confirmed[0].found[0].n} fresh seeds; intervals hold all at once with 95 % (Bonferroni)")
    shown = [design for at, design in enumerate(found.confirmed) if at == 0 or design.number in names]
    table = [
        (
            str(design.number),
            item.label,
            "-" if claim is None else number(claim),
            cell(interval),
            _gap(claim, interval.value),
            _bound(item, bound),
        )
        for design in shown
        for item, claim, interval, bound in zip(
            found.quantities, design.claims, design.found, design.uppers, strict=True
        )
    ]
    show.print_table(
        table, header=("trial", "measure", "claimed", "confirmed", "optimism gap", "upper bound / ceiling")
    )
    print()
    chosen = found.recommendation.recommended
    head = "Nothing is recommended" if chosen is None else f"Recommended: trial {chosen.number}"
    show.print_words(f"{head}: {found.recommendation.reason}.")
    print(f"{len(found.trials)} trials, {found.simulated:,} runs simulated now")
    if found.attack is not None:
        print("\nThe best attacks that were found")
        print_attacks(found.attacks, found.attack)


def _verdict(design: Confirmed, *, today: bool) -> str:
    if not design.respects:
        return "breaks the limit" if design.load > 1.0 else "not sure to respect the limit"
    return "respects it" if today or design.agree else "respects it; efficiencies do not agree"


def _gap(claim: float | None, confirmed: float | None) -> str:
    return "-" if claim is None or confirmed is None else number(confirmed - claim)


def _bound(item: Quantity, bound: float | None) -> str:
    if item.at_most is None:
        return ""
    return f"{'unknown' if bound is None else number(bound)} / {number(item.at_most)}"


def json_of(found: Found) -> dict[str, Any]:
    """Everything, for programs."""
    labels = [item.label for item in found.quantities]
    chosen = found.recommendation
    return {
        "recommended": chosen.recommended and chosen.recommended.number,
        "conservative": chosen.conservative and chosen.conservative.number,
        "aggressive": chosen.aggressive and chosen.aggressive.number,
        "reason": chosen.reason,
        "simulated": found.simulated,
        "attacks": as_data(found.attacks),
        "designs": [
            {
                "trial": design.number,
                "values": design.values,
                "relevered_leverage": design.leverage,
                "respects_limit": design.respects,
                "efficiencies_agree": design.agree,
                "efficiency_gains": [asdict(item) for item in design.gains],
                "relative_gains": design.relative,
                "measures": {
                    label: {
                        "claimed": claim,
                        "confirmed": asdict(interval),
                        "optimism_gap": None if claim is None or interval.value is None else interval.value - claim,
                        "upper_bound": bound,
                        "at_most": item.at_most,
                    }
                    for label, item, claim, interval, bound in zip(
                        labels, found.quantities, design.claims, design.found, design.uppers, strict=True
                    )
                },
            }
            for design in found.confirmed
        ],
        "trials": [
            {"trial": trial.number, "values": trial.values, "claims": dict(zip(labels, trial.claims, strict=True))}
            for trial in found.trials
        ],
    }
