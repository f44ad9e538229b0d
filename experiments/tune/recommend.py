"""Which design to take: the most capital-efficient one whose upper bounds respect the limit, where both measures of
capital efficiency agree; or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.tune.confirm import Confirmed


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What came of a search."""

    recommended: Confirmed | None
    """None when there is nothing to recommend."""
    conservative: Confirmed | None = None
    """The most capital-efficient one of those with less loss at the upper bound; None when there is none."""
    aggressive: Confirmed | None = None
    """The one with the least loss of those more capital-efficient, which break a rule; None when there is none."""
    reason: str
    """One sentence."""


def recommend(confirmed: Sequence[Confirmed]) -> Recommendation:
    """Choose among confirmed designs; the first one is today's, which changes nothing and agrees with itself."""
    today = confirmed[0]
    within = [design for design in confirmed if design.respects]
    if len(today.gains) < 2:
        return Recommendation(
            recommended=None,
            reason="capital efficiency was not measured with traders re-levering (tune.utilisation): nothing is "
            "recommended on positions fixed alone",
        )
    if not within:
        return Recommendation(
            recommended=None, aggressive=_least(confirmed), reason="no design respects the limit with its upper bound"
        )
    sound = [design for design in within if design is today or design.agree]
    if not sound:
        return Recommendation(
            recommended=None,
            reason="designs respect the limit, but none changes capital efficiency the same way with positions fixed "
            "and with traders re-levering",
        )
    best = max(sound, key=lambda design: (design.score, -design.upper_load))
    safer = [design for design in sound if design is not best and design.upper_load < best.upper_load]
    bolder = [design for design in confirmed if design.score > best.score]
    return Recommendation(
        recommended=best,
        conservative=max(safer, key=lambda design: design.score, default=None),
        aggressive=_least(bolder),
        reason=_why(best, today),
    )


def _least(designs: Sequence[Confirmed]) -> Confirmed | None:
    return min(designs, key=lambda design: (design.upper_load, design.load, -design.score), default=None)


def _why(best: Confirmed, today: Confirmed) -> str:
    if best is today:
        return "today's design respects the limit, and no confirmed one is surely more capital-efficient"
    words = "more" if best.score > 0.0 else "less"
    cause = "" if best.score > 0.0 else "; today's design does not respect the limit"
    return (
        "the most capital-efficient confirmed design that respects the limit with its upper bounds; "
        f"{words} capital-efficient than today's with positions fixed and with traders re-levering{cause}"
    )
