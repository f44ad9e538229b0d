"""What a simulation gives back: figures, tables, the contagion graph, and a folder with all of them."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import pandas as pd

from experiments import folder, frames, greeks, lending, pools
from experiments.contagion import Contagion, contagion, graph, store
from experiments.fields import scenario_hash, to_dict
from experiments.lending import priced_assets
from experiments.measures import Kpis, kpis
from experiments.scenario import Scenario

if TYPE_CHECKING:
    from agents.strategy import Strategy
    from experiments.plots import Plots
    from experiments.report.story import Story
    from experiments.run import Trace

VERSIONS = ("numpy", "numba", "pandas", "networkx", "plotly", "pyarrow", "pydantic")


@dataclass(frozen=True, kw_only=True)
class Result:
    """A simulated scenario. Tables are built when first asked for."""

    scenario: Scenario
    seed: int
    main: Trace
    twin: Trace | None
    causes: Contagion
    kpis: Kpis
    part_of: str = ""
    """Command that runs it again, where it is one venue of a run over several."""

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        *,
        seed: int,
        main: Trace,
        twin: Trace | None,
        part_of: str = "",
        causes: Contagion | None = None,
    ) -> Result:
        """Measure a finished run; `causes` where they are known already."""
        causes = contagion(main) if causes is None else causes
        figures = kpis(main, twin, causes)
        return cls(scenario=scenario, seed=seed, main=main, twin=twin, causes=causes, kpis=figures, part_of=part_of)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the program did to the input, one line each."""
        return self.main.built.notes

    @property
    def strategies(self) -> dict[str, Strategy]:
        """The strategies that took part, by account name, as they were at the end of the main run."""
        return self.main.built.strategies.strategies

    @cached_property
    def prices(self) -> pd.DataFrame:
        """One row per tick and instrument (experiments/frames.py)."""
        return frames.prices_frame(self.main)

    @cached_property
    def twin_prices(self) -> pd.DataFrame | None:
        """The same of the twin run without liquidations; None when there was none."""
        return frames.prices_frame(self.twin) if self.twin else None

    @cached_property
    def depth(self) -> pd.DataFrame:
        """One row per sample, instrument and side."""
        return frames.depth_frame(self.main)

    @cached_property
    def liquidations(self) -> pd.DataFrame:
        """One row per forced fill."""
        return frames.liquidations_frame(self.main)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """One row per loss the waterfall absorbed."""
        return frames.losses_frame(self.main)

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """One row per account."""
        return frames.accounts_frame(self.main)

    @cached_property
    def greeks(self) -> pd.DataFrame:
        """One row per sample, role and underlying, in a world with options (experiments/greeks.py)."""
        return greeks.greeks_frame(self.main)

    @cached_property
    def account_greeks(self) -> pd.DataFrame:
        """One row per sample, account that holds an option, and underlying, in a world with options."""
        return greeks.account_greeks_frame(self.main)

    @cached_property
    def settlements(self) -> pd.DataFrame:
        """One row per expiry."""
        return greeks.settlements_frame(self.main)

    @cached_property
    def pools(self) -> pd.DataFrame:
        """One row per tick and pool, in a world with pools (experiments/pools.py)."""
        return pools.pools_frame(self.main)

    @cached_property
    def lending(self) -> pd.DataFrame:
        """One row per sample and asset that is lent, in a lending market (experiments/lending.py)."""
        return lending.lending_frame(self.main)

    @cached_property
    def venue_prices(self) -> pd.DataFrame:
        """One row per tick and asset that the venue prices without a book (experiments/lending.py)."""
        return lending.venue_prices_frame(self.main)

    @cached_property
    def story(self) -> Story:
        """Who failed, why, and who paid, in sentences: what the report opens with."""
        from experiments.report.facts import facts
        from experiments.report.story import story

        return story(facts(self))

    @cached_property
    def graph(self) -> nx.DiGraph:
        """Contagion graph: accounts and assets, edges with the money on them."""
        return graph(self.causes, self.main.built.world)

    @property
    def plot(self) -> Plots:
        """Plotly figures: `result.plot.price()` and others (experiments/plots.py)."""
        from experiments.plots import Plots

        return Plots(self)

    def _repr_html_(self) -> str:
        """The result in a notebook: headline and figures."""
        from experiments.plots import html

        return html(self)

    def save(self, target: Path | str, *, overwrite: bool = False) -> Path:
        """Write the run folder in one piece; a killed run leaves none."""
        with folder.atomic(Path(target), replace=overwrite) as made:
            self.write_into(made)
        return Path(target)

    def write_into(self, made: Path) -> None:
        """Write all files into a folder, which is made if it is not there."""
        from experiments.report import write_report
        from experiments.report.picture import write_picture
        from experiments.snapshots.store import SNAPSHOTS_FILE, write_snapshots

        made.mkdir(exist_ok=True)
        (made / "kpis.json").write_text(json_text(self.kpis))
        (made / "run.json").write_text(json_text(self.provenance()))
        for name in ("prices", "depth", "liquidations", "losses", "accounts", *self._further_tables()):
            getattr(self, name).to_parquet(made / f"{name}.parquet", index=False, compression="zstd")
        for name, table in store.tables(self.causes, self.main.built.world).items():
            table.to_parquet(made / name, index=False, compression="zstd")
        if self.main.snapshots:
            write_snapshots(self.main, made / SNAPSHOTS_FILE)
        nx.write_graphml(self.graph, made / "contagion.graphml")
        if self.scenario.instruments:  # a venue without books is told by the page of the whole run
            write_report(self, made / "report.html")
            write_picture(self, made / "picture.svg")

    def _further_tables(self) -> tuple[str, ...]:
        """Tables of what expires, of pools, and of what is lent, where there is any of it."""
        world = self.main.built.world
        options = ("greeks", "account_greeks") if world.options is not None else ()
        dated = (*options, "settlements") if world.expiries is not None else ()
        pooled = (*dated, "pools") if world.pools is not None else dated
        lent = (*pooled, "lending") if world.lending is not None else pooled
        return (*lent, "venue_prices") if len(priced_assets(world)) else lent

    def provenance(self) -> dict[str, Any]:
        """What made this run: the resolved scenario and its hash, seed, versions, commit, machine, wall time."""
        return {
            "scenario": to_dict(self.scenario),
            "scenario_hash": scenario_hash(self.scenario),
            "seed": self.seed,
            "folder_format": folder.FORMAT,
            "notes": list(self.notes),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "git_commit": git_commit(),
            "platform": platform.platform(),
            "wall_seconds": self.main.wall_seconds + (self.twin.wall_seconds if self.twin else 0.0),
        }


def git_commit() -> str | None:
    """The commit of the program, with "+" when files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=5
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True, timeout=5
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed.strip() else "")


def json_text(data: Any) -> str:
    """One JSON document, indented; numbers that JSON does not know are refused."""
    return json.dumps(data, indent=2, sort_keys=False, default=float, allow_nan=False) + "\n"
