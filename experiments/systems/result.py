"""What a run over several venues gives back: figures, each venue's result, and a folder with all of them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments import folder, library
from experiments.config import resolved_toml
from experiments.fields import scenario_hash, to_dict
from experiments.measures import Kpis
from experiments.result import VERSIONS, Result, git_commit, json_text
from experiments.systems.causes import SystemCauses, system_causes
from experiments.systems.measures import system_kpis
from experiments.systems.run import SystemTrace
from experiments.systems.scenario import SystemScenario, load_system

if TYPE_CHECKING:
    from experiments.systems.plots import SystemPlots


@dataclass(frozen=True, kw_only=True)
class SystemResult:
    """A simulated scenario of several venues."""

    scenario: SystemScenario
    seed: int
    main: SystemTrace
    twin: SystemTrace | None
    causes: SystemCauses
    venues: dict[str, Result]
    """Each venue as a run of its own: its figures, tables, causes and report."""
    kpis: Kpis

    @classmethod
    def of(cls, scenario: SystemScenario, *, seed: int, main: SystemTrace, twin: SystemTrace | None) -> SystemResult:
        """Measure a finished run."""
        again = rerun_command(scenario, seed=seed)
        causes = system_causes(main)
        venues = {
            name: Result.of(
                main.built.scenarios[name],
                seed=seed,
                main=trace,
                twin=twin.venues[name] if twin else None,
                part_of=again,
                causes=causes.venues[name],
            )
            for name, trace in main.venues.items()
        }
        figures = system_kpis(main, twin, venues, causes)
        return cls(
            scenario=scenario,
            seed=seed,
            main=main,
            twin=twin,
            causes=causes,
            venues=venues,
            kpis=figures,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the program did to the input, one line each."""
        return self.main.built.notes

    @property
    def plot(self) -> SystemPlots:
        """Plotly figures of the whole: `result.plot.contagion()` and others (experiments/systems/plots.py)."""
        from experiments.systems.plots import SystemPlots

        return SystemPlots(self)

    def _repr_html_(self) -> str:
        """The result in a notebook: headline, venues and figures."""
        from experiments.systems.plots import html

        return html(self)

    def references(self) -> pd.DataFrame:
        """One row per tick and asset: reference in USD, factor of shocks, rate of a claim, impact, units on bridges."""
        recorder, system = self.main.recorder, self.main.built.system
        symbols, n = list(system.claims.symbols), recorder.n
        world = next(iter(system.members.values())).world
        seconds = [(tick + 1) * world.tick_seconds for tick in range(n)]
        return pd.DataFrame(
            {
                "seconds": pd.Series(seconds).repeat(len(symbols)).to_numpy(),
                "asset": pd.Categorical(symbols * n, categories=symbols),
                "reference_usd": recorder.reference[:n].ravel(),
                "shock_log": recorder.shocked[:n].ravel(),
                "claim_rate": recorder.rates[:n].ravel(),
                "impact_log": recorder.impact[:n].ravel(),
                "in_transit_units": (recorder.in_transit[:n] * world.assets["quantum"]).ravel(),
            }
        )

    def save(self, target: Path | str, *, overwrite: bool = False) -> Path:
        """Write the run folder in one piece, a folder of its own in it for each venue; a killed run leaves none."""
        from experiments.systems.report import write_system_report

        with folder.atomic(Path(target), replace=overwrite) as made:
            (made / "kpis.json").write_text(json_text(self.kpis))
            (made / "run.json").write_text(json_text(self.provenance()))
            (made / "scenario.toml").write_text(resolved_toml(self.scenario))
            self.references().to_parquet(made / "references.parquet", index=False, compression="zstd")
            self.causes.crossings.to_parquet(made / "crossings.parquet", index=False, compression="zstd")
            self.causes.cascades.to_parquet(made / "cascades.parquet", index=False, compression="zstd")
            for name, result in self.venues.items():
                result.write_into(made / name)
            write_system_report(self, made / "report.html")
        return Path(target)

    def provenance(self) -> dict[str, Any]:
        """What made this run: the resolved scenario and its hash, seed, versions, commit, machine, wall time."""
        return {
            "folder_format": folder.FORMAT,
            "scenario": to_dict(self.scenario),
            "scenario_hash": scenario_hash(self.scenario),
            "seed": self.seed,
            "venues": list(self.venues),
            "notes": list(self.notes),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "git_commit": git_commit(),
            "platform": platform.platform(),
            "wall_seconds": self.main.wall_seconds + (self.twin.wall_seconds if self.twin else 0.0),
        }


def rerun_command(scenario: SystemScenario, *, seed: int) -> str:
    """The shell command that gives this scenario and seed again."""
    wanted = scenario_hash(scenario)
    for name in library.systems():
        if scenario_hash(load_system(name)[0]) == wanted:
            return f"cascade run {name} --seed {seed}"
    return f"cascade run scenario.toml --seed {seed}"
