"""What a run may be of: a scenario of one venue, of several, or a model that is calibrated. Its own text says which."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from experiments import library
from market.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from agents.strategy import Strategy
    from experiments.measures import Kpis
    from experiments.result import Result
    from experiments.systems.result import SystemResult


@runtime_checkable
class Model(Protocol):
    """A model with its parameters, a parameter object whose `model` names it."""

    def figures(self, seed: int) -> dict[str, float]:
        """What is measured of one run; nan where undefined."""


MODELS = {
    "book": "experiments.calibration.book_model:BookRun",
    "prices": "experiments.calibration.reference:PriceRun",
}
"""Models by name, as MODULE:CLASS."""


def class_of(source: Path | str) -> type[Any]:
    """The parameter class of a file (Path) or of TOML text. Raises InputError for a model that there is not."""
    if isinstance(source, Path):
        found: Mapping[str, Any] = {"venues": {}} if library.has_venues(source) else {}
    else:
        found = tomllib.loads(source)
    if "model" in found:
        return _model(str(found["model"]))
    if "venues" in found:
        from experiments.systems.scenario import SystemScenario

        return SystemScenario
    from experiments.scenario import Scenario

    return Scenario


def _model(name: str) -> type[Any]:
    if name not in MODELS:
        raise InputError(f"model: no model {name!r}; models are {', '.join(MODELS)}")
    module, _, wanted = MODELS[name].partition(":")
    found: type[Any] = getattr(import_module(module), wanted)
    return found


def sources(data: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files whose text decides what a run gives beside the program's results version: those of a model."""
    if "model" not in data:
        return ()
    made = import_module(MODELS[str(data["model"])].partition(":")[0])
    return tuple(Path(str(module.__file__)) for module in (made, *made.MEASURED_BY))


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that is over."""

    kpis: Kpis
    """Its figures; those of a venue of a system as VENUE.FIGURE. Undefined ones are None."""
    result: Result | SystemResult | None
    """All there is; None of a model."""

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables of a scenario of one venue."""
        result: Any = self.result
        if name == "margin":
            from experiments.margin_modes.measures import margin_frame

            return margin_frame(result)
        found: pd.DataFrame = getattr(result, name)
        return found


def simulate(
    world: Any,
    *,
    seed: int,
    twin: bool,
    progress: Callable[..., None] | None = None,
    strategies: Sequence[Strategy] = (),
) -> Finished:
    """Simulate whatever it is. `strategies` are for scenarios of one venue. Raises InputError."""
    if isinstance(world, Model):
        return Finished(kpis={k: None if v != v else v for k, v in world.figures(seed).items()}, result=None)
    from experiments.scenario import Scenario

    if isinstance(world, Scenario):
        from experiments.run import simulate as simulate_one

        one = simulate_one(world, seed=seed, twin=twin, progress=progress, strategies=strategies)
        return Finished(kpis=one.kpis, result=one)
    from experiments.systems.run import simulate_system

    whole = simulate_system(world, seed=seed, twin=twin, progress=progress)
    made = dict(whole.kpis)
    for venue, result in whole.venues.items():
        made.update({f"{venue}.{kpi}": value for kpi, value in result.kpis.items()})
    return Finished(kpis=made, result=whole)
