"""The greatest profit of an attacker: tried all over the ranges, then nearer to the best, then on fresh seeds.

The attacker trades on the venue by `agents.attackers`; moving a source of the oracle happens elsewhere and costs what
linear impact says (Kyle 1985): to move by x bps takes usd_per_bps x of trades, of which half of x is lost when the
price has come back. Not to attack earns nothing, so that a best attack that loses says that none was found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from experiments.statistics import intervals
from experiments.statistics.intervals import LEVEL, Interval, simultaneous
from experiments.study.designs import scale
from experiments.study.load import Loaded
from experiments.study.model import Attack, AttackPlan, Seeds, Variant
from experiments.tune.evaluate import Figures
from experiments.tune.space import changes_of
from market.errors import InputError

Floats = NDArray[np.float64]

PROFIT = "attacker_profit_usd"
PLACE = "agents.attackers.attacker"
FAULTS = "agents.oracles.faults"
FIRST_WIDTH = 0.25
"""Half of the width, as a share of the range, of the box that the first round looks at."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is attacked, how, and in which market: names of the study."""

    plan: str
    design: str
    market: str


@dataclass(frozen=True, kw_only=True)
class Best:
    """The most profitable attack that was found."""

    case: Case
    chosen: dict[str, float]
    """What the attacker chose; `wick_bps` is how far it moves the source."""
    wick_cost_usd: float
    claimed: Interval
    """Mean profit on the seeds it was chosen by, USD, after what moving the source costs."""
    confirmed: Interval
    """The same on fresh seeds; the intervals of all cases hold at once."""
    tried: int

    @property
    def verdict(self) -> str:
        """What fresh seeds say."""
        if self.confirmed.rated and self.confirmed.low is not None and self.confirmed.low > 0.0:
            return "pays"
        if self.confirmed.rated and self.confirmed.high is not None and self.confirmed.high < 0.0:
            return "none found that pays"
        return "not told apart from nothing"


Sampler = Callable[[Mapping[str, Any], Seeds], Figures]
"""Figures of a design on some seeds."""


def designs(attack: Attack) -> dict[str, Variant]:
    """The rules that are attacked."""
    return attack.designs or {"today": Variant()}


def markets(attack: Attack) -> dict[str, Variant]:
    """The models of impact and refill."""
    return attack.markets or {"as it is": Variant()}


def cases_of(attack: Attack) -> list[Case]:
    """Every plan on every design in every market."""
    return [
        Case(plan=plan, design=design, market=market)
        for design in designs(attack)
        for plan in attack.plans
        for market in markets(attack)
    ]


class Attacker:
    """Attacks of one kind on one design in one market."""

    def __init__(self, attack: Attack, case: Case) -> None:
        self.attack, self.case = attack, case
        self.plan: AttackPlan = attack.plans[case.plan]
        self.bounds = dict(self.plan.ranges)
        if self.plan.wick is not None:
            affordable = attack.capital_usd / self.plan.wick.usd_per_bps
            self.bounds["wick_bps"] = (0.0, min(self.plan.wick.most_bps, affordable))

    def chosen(self, point: Floats) -> dict[str, float]:
        """The attack at a point of the unit cube."""
        made = {}
        for at, (name, bounds) in enumerate(self.bounds.items()):
            value = scale(np.minimum(point[at : at + 1], 1.0 - 1e-12), bounds)[0].item()
            made[name] = value if isinstance(value, int) else float(f"{value:.6g}")
        return made

    def design(self, chosen: Mapping[str, float]) -> dict[str, Any]:
        """The design that such an attack is made on, by dotted path."""
        attack, plan = self.attack, self.plan
        own: dict[str, Any] = {"capital_usd": attack.capital_usd, **plan.set, **chosen}
        bps = own.pop("wick_bps", None)
        faults: dict[str, Any] = {}
        if plan.wick is not None and bps:
            wick, sign = plan.wick, -1.0 if own.get("side", "short") == "short" else 1.0
            fault = {
                "asset": wick.asset,
                "kind": "wick",
                "start_seconds": wick.start_seconds,
                "end_seconds": wick.start_seconds + wick.seconds,
                "factor": max(1e-4, 1.0 + sign * bps / 1e4),
                **({} if wick.source is None else {"source": wick.source}),
            }
            faults[FAULTS] = [fault]
        return {
            **designs(attack)[self.case.design].set,
            **markets(attack)[self.case.market].set,
            **{f"{PLACE}.{key}": value for key, value in own.items()},
            **faults,
        }

    def cost(self, chosen: Mapping[str, float]) -> float:
        """What moving the source costs, USD."""
        if self.plan.wick is None:
            return 0.0
        bps = chosen["wick_bps"]
        return self.plan.wick.usd_per_bps * bps * bps / 2.0 / 1e4

    def profit(self, chosen: Mapping[str, float], seeds: Seeds, sample: Sampler, *, level: float = LEVEL) -> Interval:
        """Mean profit of an attack. Raises InputError where it is not defined."""
        found = sample(self.design(chosen), seeds)[PROFIT]
        found = found[~np.isnan(found)]
        if not len(found):
            raise InputError(f"attack.plans.{self.case.plan}: {PROFIT} is undefined in all runs of it")
        return intervals.mean(found - self.cost(chosen), level=level)


def find_attacks(
    attack: Attack, seeds: Seeds, sample: Sampler, *, told: Callable[[int, int], None] = lambda *_: None
) -> tuple[Best, ...]:
    """The best attack of every plan on every design in every market."""
    cases, found = cases_of(attack), []
    for at, case in enumerate(cases):
        told(at, len(cases))
        found.append(_best(Attacker(attack, case), seeds, sample, level=simultaneous(len(cases))))
    return tuple(found)


def _best(attacker: Attacker, seeds: Seeds, sample: Sampler, *, level: float) -> Best:
    attack, n = attacker.attack, len(attacker.bounds)
    claims: dict[tuple[float, ...], Interval] = {}

    def look(points: Floats) -> Floats:
        """Try these; the best one of all so far."""
        for point in points:
            key = tuple(point.tolist())
            if key not in claims:
                claims[key] = attacker.profit(attacker.chosen(point), seeds, sample)
        return np.array(max(claims, key=lambda key: _value(claims[key])))

    best = look(_spread(n, attack.points))
    for number in range(attack.rounds):
        width = FIRST_WIDTH / 2**number
        best = look(np.clip(best + width * (2.0 * _spread(n, max(1, attack.points // 2)) - 1.0), 0.0, 1.0))
    chosen = attacker.chosen(best)
    return Best(
        case=attacker.case,
        chosen=chosen,
        wick_cost_usd=attacker.cost(chosen),
        claimed=claims[tuple(best.tolist())],
        confirmed=attacker.profit(chosen, attack.confirm, sample, level=level),
        tried=len(claims),
    )


def _value(found: Interval) -> float:
    return -math.inf if found.value is None else found.value


def _spread(n: int, count: int) -> Floats:
    return np.asarray(qmc.Sobol(d=n, rng=1).random_base2(max(1, math.ceil(math.log2(max(count, 2)))))[:count])


def against(attack: Attack, designs: Mapping[str, Mapping[str, Any]]) -> Attack:
    """The same attacks on other rules."""
    return replace(attack, designs={name: Variant(set=dict(values)) for name, values in designs.items()})


def check(loaded: Loaded, attack: Attack) -> None:
    """Make both ends of what every attacker may choose. Raises InputError."""
    for case in cases_of(attack):
        attacker = Attacker(attack, case)
        for end in (0.0, 1.0):
            chosen = attacker.chosen(np.full(len(attacker.bounds), end))
            try:
                loaded.resolver.resolve(changes_of(attacker.design(chosen)))
            except InputError as error:
                raise InputError(f"attack.plans.{case.plan} on {case.design}, {case.market}: {error}") from None
