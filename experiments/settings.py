"""The sliders of a scenario, made from its own parameter classes: name, unit, bounds and help are those of the fields.

A *live* setting changes in a running world (`experiments/interventions/live.py`), any other takes a new run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from experiments.fields import LEAF, FieldSpec, children, specs
from experiments.interventions.live import follower, refusal
from experiments.scenario import Scenario
from experiments.toml_tree import join

NEW_RUN = (
    "population.count", "population.equity_usd", "population.leverage", "venue.mark.halflife_seconds",
    "venue.liquidation.round_seconds", "assets.*.permanent_impact_bps_per_million_usd", "agents.keepers.latency_sigma",
)  # fmt: skip
"""What has a slider although it takes a new run."""

GROUPS = (
    (("assets",), "Collateral"),
    (("venue", "margin", "collateral"), "Collateral"),
    (("instruments", "*", "tiers"), "Margin"),
    (("venue", "margin"), "Margin"),
    (("instruments",), "Trading fees"),
    (("venue", "liquidation"), "Liquidation"),
    (("venue", "mark"), "Marks"),
    (("venue", "funding"), "Funding"),
    (("venue", "breakers"), "Circuit breakers"),
    (("venue", "waterfall"), "Losses"),
    (("agents", "oracles"), "Oracles"),
    (("agents", "keepers"), "Keepers"),
    (("agents", "market_makers"), "Market makers"),
    (("population",), "Traders"),
)
_UNITS = ("_usd", "_bps", "_seconds", "_per_second", "_hours")
_NAMES = {
    "permanent_impact_bps_per_million_usd": "permanent impact", "growth_bps_per_second": "growth",
    "adl": "deleveraging",
    "fee_bps": "liquidation fee", "round_seconds": "liquidation round", "halflife_seconds": "mark half-life",
    "adl_severity": "part that deleveraging bears", "count": "traders", "equity_usd": "trader equity",
    "ladder": "ladder size",
}  # fmt: skip
_ROOM = {"USD": 100.0, "s": 60.0, "bps": 100.0, "count": 20.0, "1/s": 5.0, "share": 1.0}
"""Where a slider ends whose default is 0."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One slider, switch or choice."""

    path: str
    label: str
    help: str
    unit: str
    kind: Literal["number", "integer", "choice", "switch"]
    least: float | None
    """Ends of the slider, within the bounds of the field; None for choices and switches."""
    most: float | None
    step: float | None
    default: float | int | bool | str
    value: float | int | bool | str
    group: str
    live: bool
    choices: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def settings(scenario: Scenario, *, start: Scenario | None = None) -> list[Setting]:
    """All sliders of a scenario by group, in each the live ones first.

    `start` is the scenario that the run began with; its values are the defaults.
    """
    begun = {path: value for path, _, value in leaves(scenario if start is None else start, ())}
    found = [
        made
        for path, spec, value in leaves(scenario, ())
        if (made := _setting(scenario, path, spec, value, begun.get(path, value))) is not None
    ]
    order = list(dict.fromkeys(name for _, name in GROUPS))
    return sorted(found, key=lambda setting: (order.index(setting.group), not setting.live))


def leaves(obj: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldSpec, Any]]:
    """(steps, field, value) of every value of a parameter object, `path` put before its steps."""
    for name, spec in specs(type(obj)).items():
        value = getattr(obj, name)
        if spec.shape == LEAF:
            yield (*path, name), spec, value
        for steps, child in children(spec, value):
            yield from leaves(child, (*path, name, *steps))


def _setting(scenario: Scenario, steps: tuple[str, ...], spec: FieldSpec, value: Any, default: Any) -> Setting | None:
    path, help_ = join(steps), " ".join(spec.help.split())
    live = follower(path) is not None
    if not isinstance(value, bool | int | float | str) or not (live or any(fits(steps, rule) for rule in NEW_RUN)):
        return None
    if live and refusal(scenario, path) is not None:
        return None
    least = most = step = None
    choices: tuple[str, ...] = ()
    if isinstance(value, bool):
        kind: Literal["number", "integer", "choice", "switch"] = "switch"
    elif isinstance(value, str):
        kind, choices = "choice", tuple(map(str, spec.schema.get("enum", ())))
        if len(choices) < 2:
            return None
    else:
        kind = "integer" if spec.schema.get("type") == "integer" else "number"
        least, most, step = _range(spec, float(default), kind)
        if path == "venue.waterfall.insurance_fund_usd" and default == 0:
            most, step = 1e6, 5e3
        if path == "agents.keepers.count":
            most = float(default)
            help_ += f" At most {default} in this run: whoever is not there at its start cannot join."
    return Setting(
        path=path, label=_label(steps), help=help_, unit=spec.unit, kind=kind, least=least,
        most=most, step=step, default=default, value=value, group=_group(steps), live=live, choices=choices,
    )  # fmt: skip


def fits(steps: tuple[str, ...], rule: str) -> bool:
    """Whether a path is one of those that a pattern, with * for any one step, stands for."""
    wanted = rule.split(".")
    return len(wanted) == len(steps) and all(want in ("*", step) for want, step in zip(wanted, steps, strict=True))


def _group(steps: tuple[str, ...]) -> str:
    for start, name in GROUPS:
        if len(steps) >= len(start) and all(want in ("*", step) for want, step in zip(start, steps, strict=False)):
            return name
    raise AssertionError(steps)


def _range(spec: FieldSpec, default: float, kind: str) -> tuple[float, float, float]:
    """(least, most, step): within the field's bounds, and about four times the default where these are far away."""
    schema = spec.schema
    above = schema.get("exclusiveMinimum")
    low = schema.get("minimum", above if above is not None else min(0.0, default))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    if spec.unit == "share" and high <= 1.0:
        most = high if default > 0.25 else min(high, max(_nice(4.0 * default), 0.25 if default > 0.05 else 0.1))
        most = 1.0 if default == 0.0 else most
    else:
        most = min(high, _nice(4.0 * abs(default)) if default else _ROOM.get(spec.unit, 10.0))
    least = low if low > -10_000.0 else -most
    least = -most if least < 0.0 else least
    step = _nice((most - least) / 200.0) if most > least else 1.0
    if kind == "integer":
        return math.ceil(least), math.floor(most), max(1.0, round(step))
    return (least + step if above is not None else least), most, step


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten, upwards."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0.0 else 1.0
    return float(f"{next(m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= value * (1.0 - 1e-9)) * power:.6g}")


def _label(steps: tuple[str, ...]) -> str:
    """What it is called: "ETH haircut", "ETH-PERP tier 1 maintenance"."""
    name = next((steps[-1].removesuffix(unit) for unit in _UNITS if steps[-1].endswith(unit)), steps[-1])
    words = _NAMES.get(steps[-1], name.replace("_", " "))
    if steps[0] == "assets":
        return f"{steps[1]} {words}"
    if steps[0] == "instruments":
        tier = f" tier {int(steps[3]) + 1}" if steps[2] == "tiers" and steps[3].isdigit() else ""
        return f"{steps[1]}{tier} {words}"
    if steps[:2] == ("venue", "margin"):
        tier = f" tier {int(steps[5]) + 1}" if "tiers" in steps and steps[5].isdigit() else ""
        whose = "other" if steps[3] == "default" else steps[3]
        return f"{whose}{tier} {words}"
    if steps[:2] == ("agents", "oracles") and steps[2] == "feeds":
        return f"{steps[3]} oracle {words}"
    if steps[:2] == ("agents", "oracles"):
        return f"oracle {words}"
    if steps[:2] == ("agents", "market_makers"):
        return f"{steps[3] if steps[2] == 'books' else 'other books'} maker {words}"
    if steps[:2] == ("agents", "keepers"):
        return "keepers" if steps[2] == "count" else f"keeper {words}"
    if steps[:2] in (("venue", "funding"), ("venue", "breakers")):
        return f"{steps[-2].replace('_', ' ')}: {words}"
    if steps[:3] == ("venue", "liquidation", "sizing"):
        return f"sizing: {words}"
    if steps[:3] == ("venue", "liquidation", "price"):
        return f"forced price: {words}"
    return words
