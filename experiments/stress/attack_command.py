"""What `cascade attack` does, from the study's name to what is printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from experiments import show
from experiments.stress.attack import PROFIT, Best, check, find_attacks
from experiments.study.load import Loaded, load_study
from experiments.study.model import Attack
from experiments.sweep.command import Call
from experiments.sweep.summary import cell, number
from experiments.tune import progress
from experiments.tune.bench import evaluator
from market.errors import InputError


def perform(call: Call, *, as_json: bool) -> None:
    """Find the attacks and print them. Raises InputError, and Interrupted: the same call goes on."""
    loaded = load_study(call.study)
    if loaded.study.attack is None:
        raise InputError(f"{loaded.file}: has no table [attack]")
    found = attacked(loaded, loaded.study.attack, call)
    if as_json:
        show.print_json({"attacks": as_data(found)})
        return
    print_attacks(found, loaded.study.attack)


def attacked(loaded: Loaded, attack: Attack, call: Call) -> tuple[Best, ...]:
    """The best attacks; all runs go through the store. Raises InputError, and Interrupted."""
    check(loaded, attack)
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=[PROFIT], command="attack") as made:
        return find_attacks(
            attack, loaded.study.seeds, made.figures, told=lambda done, total: say("attacks", done, total)
        )


def print_attacks(found: Sequence[Best], attack: Attack) -> None:
    """A row for every plan, design and market, and the greatest profit in words."""
    header = ("design", "attack", "market", "chosen", "profit claimed", "confirmed [simultaneous 95 %]", "verdict")
    show.print_table(
        [
            (
                best.case.design,
                best.case.plan,
                best.case.market,
                ", ".join(f"{name} {number(value)}" for name, value in best.chosen.items()),
                "-" if best.claimed.value is None else number(best.claimed.value),
                cell(best.confirmed),
                best.verdict,
            )
            for best in found
        ],
        header=header,
    )
    print()
    for design in dict.fromkeys(best.case.design for best in found):
        show.print_words(sentence(design, found, attack))


def sentence(design: str, found: Sequence[Best], attack: Attack) -> str:
    """The greatest profit against a design."""
    own = [best for best in found if best.case.design == design]
    paying = [best for best in own if best.verdict == "pays"]
    tried = sum(best.tried for best in own)
    money = number(attack.capital_usd)
    if not paying:
        return f"{design}: no attack with {money} USD was found that surely pays; {tried} were tried."
    best = max(paying, key=lambda item: item.confirmed.value or 0.0)
    return (
        f"{design}: with {money} USD {best.case.plan} earns {cell(best.confirmed)} USD in the market "
        f"{best.case.market}; {len(paying)} of {len(own)} attacks surely pay, {tried} were tried."
    )


def as_data(found: Sequence[Best]) -> list[dict[str, Any]]:
    """Everything, for programs."""
    return [{**asdict(best), "verdict": best.verdict} for best in found]
