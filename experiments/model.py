"""Mesa's view of a run: `CascadeModel` is a `mesa.Model` around the same engine that `simulate` drives.

One Mesa step is one tick. Market makers, arbitrageurs, keepers, oracles and strategies are Mesa agents to look at; they
decide together inside the engine and have no step of their own, so the order in which Mesa lists them changes nothing.
The thousands of traders are ledger rows, and become objects only when somebody asks for them.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

from agents.strategy import Strategy
from agents.units import Units
from experiments.config import Override
from experiments.figures import Columns, figure_names, figures
from experiments.members import Traders, register_members
from experiments.run import Session, trace, without_liquidations
from experiments.scenario import Scenario
from market.errors import InputError
from market.streams import Streams
from market.world import World

if TYPE_CHECKING:
    from experiments.result import Result


class FigureCollector(mesa.DataCollector):  # type: ignore[misc]
    """A data collector with a column for each figure of a run, beside any reporters.

    The run's recorder has what these columns need, so collecting them costs nothing until somebody reads them.
    """

    def __init__(self, session: Session, **reporters: Any) -> None:
        super().__init__(**reporters)
        self._session = session
        self._ticks = -1
        self._columns: Columns = {}
        self.model_vars.update((name, Column(self, name)) for name in figure_names(session.built.world))

    def column(self, name: str) -> NDArray[Any]:
        """One figure, an entry for every tick until now."""
        recorder = self._session.recorder
        if self._ticks != recorder.n:
            self._ticks, self._columns = recorder.n, figures(self._session.built.world, recorder)
        return self._columns[name]


class Column(Sequence[float]):
    """A figure of a run as the list that Mesa would have collected."""

    def __init__(self, collector: FigureCollector, name: str) -> None:
        self._collector, self._name = collector, name

    def __len__(self) -> int:
        return len(self._collector.column(self._name))

    def __getitem__(self, at: Any) -> Any:
        return self._collector.column(self._name)[at].tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._collector.column(self._name), dtype=dtype)


class CascadeModel(mesa.Model):  # type: ignore[misc]
    """A scenario as a Mesa model: the same figures as `simulate` with the same seed, to the bit.

    `datacollector` has a row of plain numbers for every step: `seed` and the columns of `experiments.figures.figures`,
    `time_seconds`, `mark_<instrument>`, `liquidation_count`, `bad_debt_usd`, `depth_50bps_usd` and so on.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario = "flash-crash",
        rng: int | None = 7,
        strategies: Strategy | Sequence[Strategy] = (),
        **settings: Any,
    ) -> None:
        """Build the world.

        `scenario` is a name, a file or a `Scenario`; `rng` the seed, None for one drawn by the machine and kept in
        `seed`. `settings` are keys of the scenario, `hours=0.5` or `**{"population.count": 500}`, which is how
        `mesa.batch_run` sweeps them. Raises InputError for what cannot be simulated.
        """
        # Nobody asked for a run that can be repeated, so this one number may come from the machine.
        self.seed = secrets.randbelow(1 << 31) if rng is None else _seed(rng)
        super().__init__(rng=self.seed)
        members = (strategies,) if isinstance(strategies, Strategy) else tuple(strategies)
        self.agent_numbers = itertools.count(1)
        self.session = Session(_scenario(scenario, settings), seed=self.seed, strategies=members)
        self._strategies = members
        self.world: World = self.session.built.world
        units = Units(self.world)
        register_members(self, self.session.built, units)
        self.traders = Traders(self.world, units)
        """Every trader's account in the order of the ledger, looked up and kept when first asked for."""
        self.datacollector = FigureCollector(self.session, model_reporters={"seed": "seed"})
        self.running = self.session.ticks_left > 0

    def step(self) -> None:
        """Advance by one tick. Raises RuntimeError when the scenario is over."""
        if not self.running:
            raise RuntimeError(f"the scenario is over after {self.session.scenario.ticks} ticks")
        self.session.advance()
        self.datacollector.collect(self)
        self.running = self.session.ticks_left > 0

    @property
    def figures(self) -> dict[str, float]:
        """The collected figures as they stand now; empty before the first step."""
        if self.session.recorder.n == 0:
            return {}
        return {name: self.datacollector.model_vars[name][-1] for name in figure_names(self.world)}

    def result(self, *, twin: bool = False) -> Result:
        """Figures, tables and graph of the run up to now, as `simulate` returns them.

        `twin` adds a run without liquidations; only a finished run can be compared with it, else ValueError.
        """
        from experiments.result import Result

        session, other = self.session, None
        if twin and session.ticks_left:
            raise ValueError(f"{session.ticks_left} ticks are left: a twin is compared with a whole run")
        if twin:
            other = trace(without_liquidations(session.scenario), seed=self.seed, strategies=self._strategies)
        return Result.of(session.scenario, seed=self.seed, main=session.trace(), twin=other)


def _seed(rng: int) -> int:
    """The seed. Mesa also takes generators and sequences; draws that depend on name and tick need a number."""
    try:
        return Streams(rng).seed
    except ValueError as error:
        raise InputError(f"rng: {error}, or None") from None


def _scenario(scenario: str | Path | Scenario, settings: dict[str, Any]) -> Scenario:
    overrides = [Override(tuple(key.split(".")), value, f"{key}={value!r}") for key, value in settings.items()]
    if not isinstance(scenario, Scenario):
        return Scenario.load(scenario, overrides=overrides)
    if overrides:
        raise InputError(f"{overrides[0].label}: settings need a scenario by name or file, this one is finished")
    return scenario
