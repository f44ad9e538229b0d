"""What `cascade sweep` and its kin do, from the study's name to what is printed."""

from __future__ import annotations

import os
import shlex
import sys
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.countdown import display
from experiments.statistics.intervals import Interval
from experiments.store import manifest
from experiments.store.store import BASES, Store
from experiments.study.load import load_study
from experiments.sweep import slurm
from experiments.sweep.commands import STORE
from experiments.sweep.drive import INTERRUPTED, Progress, Sweep
from experiments.sweep.executor import Executor, InProcess
from experiments.sweep.plan import Plan, Planned
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the command line says."""

    study: str
    store: str
    workers: int | None = None
    retry: bool = False
    executor: str = "local"
    share: tuple[int, int] | None = None


def perform(call: Call, *, as_json: bool) -> int:
    """Do what is left of a study and show what came of it; the exit code: 1 when runs are left, 130 after Ctrl-C."""
    plan = Plan(load_study(call.study), share=call.share)
    store = Store(call.store)
    store.check()
    began = time.monotonic()
    progress = do(plan, store, call)
    for note in store.notes:
        print(f"note: {note}", file=sys.stderr)
    said = {**asdict(progress), "left": progress.left, "wall_seconds": time.monotonic() - began}
    if as_json:
        show.print_json(said)
    else:
        print(text(progress, call, wall_seconds=said["wall_seconds"]))
    return 130 if progress.ended == INTERRUPTED else int(progress.left > 0)


def do(plan: Plan, store: Store, call: Call) -> Progress:
    """Simulate what is not stored. Raises InputError."""
    file = plan.loaded.file
    about = {"executor": call.executor, "workers": call.workers, "designs": len(plan.designs), "runs": len(plan)}
    identity = manifest.begin(store.place, study=str(file.absolute()), text=file.read_text("utf-8"), about=about)
    sweep: Sweep | None = None
    executor: Executor | None = None
    try:
        with display(sys.stderr) as note:
            executor = executor_for(call, plan, store)
            sweep = Sweep(plan, store, executor, manifest=identity, note=note, retry=call.retry)
            sweep.run()
    finally:
        if executor is not None:
            executor.close()
        if sweep is not None:
            _end(sweep, identity)
    store.tidy()
    return sweep.progress


def _end(sweep: Sweep, identity: str) -> None:
    """Note what came of it in the manifest; not being able to must not hide why it ended."""
    with suppress(InputError):
        if sweep.progress.ended:
            sweep.recount()
        progress = sweep.progress
        about = {"done": progress.done, "failed": progress.failed, "killed": progress.killed, "left": progress.left}
        manifest.end(sweep.store.place, identity, about)


def executor_for(call: Call, plan: Planned, store: Store) -> Executor:
    """Whoever is to execute chunks. Raises InputError."""
    workers = call.workers or os.cpu_count() or 1
    if call.executor.startswith("dask="):
        from experiments.sweep.cluster import DaskCluster

        return DaskCluster(call.executor.removeprefix("dask="))
    if call.executor != "local":
        raise InputError(f"--executor {call.executor}: expected local, dask=ADDRESS or slurm-array")
    if workers == 1:
        return InProcess()
    from experiments.sweep.local import LocalProcesses

    base = store.add_base(plan.base)
    return LocalProcesses(workers, base=store.place.path(f"{BASES}/{base}.toml") if store.place.local else "")


def write_script(call: Call, tasks: int) -> None:
    """Write what `sbatch` takes. Raises InputError."""
    loaded = load_study(call.study)
    Store(call.store).check()
    target = Path(f"{loaded.name}.sbatch")
    made = slurm.script(file=loaded.file, store=call.store, tasks=tasks, workers=call.workers or 1, folder=Path.cwd())
    folder.write_file(target, made)
    print(f"script: {target}    (sbatch {target}; then cascade status {call.study} --store {call.store})")


def text(progress: Progress, call: Call, *, wall_seconds: float) -> str:
    """What came of a sweep, in some lines."""
    lines = [f"{progress.total:,} runs: {progress.stored_before:,} stored before, {progress.done:,} done now"]
    if progress.done:
        lines[0] += f" in {wall_seconds:,.1f} s ({wall_seconds / progress.done * 1e3:,.1f} ms a run)"
    if progress.failed:
        lines.append(f"{progress.failed:,} failed, and count as done until --retry; the first of them:")
    if progress.killed:
        lines.append(f"{progress.killed:,} set aside, because they end the process that simulates them")
    lines += [f"  seed {task.seed}, {task.changes}: {error}" for task, error in progress.failures[:5]]
    if progress.left:
        again = ["cascade", "resume", call.study, *(["--store", call.store] if call.store != STORE else [])]
        left = f"{progress.ended or 'ended'}: {progress.left:,} runs are left"
        lines.append(f"{left}; go on with: {shlex.join(again)}")
    return "\n".join(lines)


def dry(call: Call, *, as_json: bool) -> None:
    """Say what a sweep would do. Raises InputError for a study that cannot be run."""
    plan = Plan(load_study(call.study), share=call.share)
    store = Store(call.store)
    stored = store.stored_keys(kept=plan.study.keep, only_ok=call.retry)
    left = len(plan.missing(stored))
    workers = call.workers or os.cpu_count() or 1
    seconds = _seconds_per_run(plan, store) if left else 0.0
    said = {
        "designs": len(plan.designs),
        "seeds": len(plan.seeds),
        "runs": len(plan),
        "stored": len(plan) - left,
        "left": left,
        "seconds_per_run": seconds,
        "estimated_seconds": seconds * left / workers,
    }
    if as_json:
        show.print_json(said)
        return
    twice = f" ({plan.repeated} more are the same as others)" if plan.repeated else ""
    print(f"{len(plan.designs):,} designs{twice} x {len(plan.seeds):,} seeds = {len(plan):,} runs")
    print(f"{len(plan) - left:,} stored in {store.place}, {left:,} left")
    if left:
        print(f"about {duration(said['estimated_seconds'])} with {workers} workers ({seconds:.3g} s a run)")


def _seconds_per_run(plan: Plan, store: Store) -> float:
    """Mean of the stored runs of the study, else of one that is simulated now, twice: the first one loads kernels."""
    found = (
        store.query("SELECT avg(wall_seconds) AS s FROM stored SEMI JOIN plan USING (key)", plan=plan.table())
        .column("s")[0]
        .as_py()
    )
    if found is not None:
        return float(found)
    from experiments.kinds import simulate

    world = plan.loaded.resolver.resolve(plan.loaded.designs[0]).world
    for _ in range(2):
        began = time.perf_counter()
        simulate(world, seed=plan.seeds[0], twin=plan.study.twin)
    return time.perf_counter() - began


def duration(seconds: float) -> str:
    """A length of time in words."""
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"


def last_study(store: str) -> str:
    """The file of the study that a store was last used for. Raises InputError when there is none."""
    found = [call for call in manifest.all_of(Store(store).place) if _is_study(call)]
    if not found:
        raise InputError(f"{store}: no study was begun here; say which: cascade resume STUDY.toml")
    file = str(found[-1]["study"])
    if not Path(file).is_file():
        raise InputError(f"{file}: the last study of {store} is not there any more")
    if Path(file).read_text("utf-8") != found[-1]["study_text"]:
        print(f"note: {file} has changed since; runs of designs that stayed the same count", file=sys.stderr)
    return file


def _is_study(call: Mapping[str, Any]) -> bool:
    """Whether a call simulated a study; others compare scenarios or calibrate, with runs in the same store."""
    with suppress(tomllib.TOMLDecodeError):
        return "scenario" in tomllib.loads(str(call["study_text"]))
    return False


MOST_SHOWN = 40
"""Designs in a printed table; `--csv` and `--json` have all."""


def show_status(study: str, where: str, *, csv: Path | None, as_json: bool) -> None:
    """Print how far a study is and what it says."""
    from experiments.sweep import summary

    if csv is not None:
        folder.check_file(csv)
    plan, store = Plan(load_study(study)), Store(where)
    found = summary.summarise(plan, store)
    for note in store.notes:
        print(f"note: {note}", file=sys.stderr)
    if csv is not None:
        folder.write_file(csv, summary.as_csv(plan, found))
    if as_json:
        show.print_json({"study": study, "other_versions": store.of_other_versions(), **summary.as_json(found)})
        return
    failed = f", {found.failed:,} failed" if found.failed else ""
    left = found.planned - found.stored - found.failed
    print(f"{plan.loaded.name}: {found.stored:,} of {found.planned:,} runs stored{failed}, {left:,} left")
    if others := store.of_other_versions():
        print(f"{others:,} runs in the store are of other results versions and count no more")
    print("value [95 % interval] runs that are not zero, exceed the threshold or lie beyond the quantile / runs")
    show.print_table(summary.rows(plan, found)[:MOST_SHOWN], header=summary.header(plan, found))
    if len(found.designs) > MOST_SHOWN:
        print(f"... {len(found.designs) - MOST_SHOWN:,} more designs: --csv FILE or --json")


def show_difference(before: str, after: str, *, seeds: int, twin: bool, every: bool, call: Call, as_json: bool) -> None:
    """Print what another design changes."""
    from experiments.sweep import compare
    from experiments.sweep.summary import cell

    found = compare.difference(before, after, seeds=seeds, twin=twin, every=every, call=call)
    if as_json:
        show.print_json(compare.as_json(found))
        return
    names = compare.title(before), compare.title(after)
    if not found.values:
        print("the parameters are the same")
        return
    show.print_table(
        [(path, show.literal(a), show.literal(b)) for path, a, b in found.values], header=("parameter", *names)
    )
    print(f"\nMeans over {found.seeds} seeds [95 % interval]; changes seed by seed; *: on one side of zero")
    show.print_table(
        [
            (item.kpi, cell(item.before), cell(item.after), cell(item.change) + _star(item.change))
            for item in found.figures
        ],
        header=("figure", *names, "change"),
    )


def _star(found: Interval) -> str:
    one_sided = found.low is not None and found.high is not None and (found.low > 0.0 or found.high < 0.0)
    return " *" if one_sided else ""


def show_rerun(key: str, where: str, *, out: Path | None, overwrite: bool, as_json: bool) -> bool:
    """Simulate a stored run again and say whether it is the same."""
    from experiments.sweep.rerun import rerun

    if out is not None:
        folder.check(out, replace=overwrite)
    found = rerun(Store(where), key)
    if out is not None:
        if found.finished.result is None:
            raise InputError(f"--out: run {found.row['key']} is of a calibration, which has no report")
        found.finished.result.save(out, overwrite=overwrite)
    row = found.row
    if as_json:
        differing = [{"figure": name, "stored": a, "now": b} for name, a, b in found.differing]
        show.print_json({"key": row["key"], "same": found.same, "differing": differing})
        return found.same
    print(f"run {row['key']}: seed {row['seed']}, {row['changes']}")
    if found.same:
        print("every figure is the same to the bit")
    for name, a, b in found.differing:
        print(f"{name}: stored {a}, now {b}")
    if out is not None:
        print(f"report: {out / 'report.html'}")
    return found.same
