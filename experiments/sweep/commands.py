"""The commands about studies. Each imports what it needs when it runs, so that `--help` is immediate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from market.errors import InputError

STORE = "results/store"

StudyFile = Annotated[str, typer.Argument(metavar="STUDY", help="A study, TOML.")]
StorePlace = Annotated[
    str, typer.Option("--store", metavar="PLACE", help="Where runs are kept: a folder or any fsspec URL.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that simulate [default: one a core].")]
Json = Annotated[bool, typer.Option("--json", help="Print only JSON.")]


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (validate, schema, sweep, resume, status, report, sensitivity, diff, rerun, export):
        command(function)


@contextmanager
def kept() -> Iterator[None]:
    """Say what is kept after Ctrl-C, and what is missing without Optuna."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InputError("optuna is not installed: pip install -c constraints.txt '.[tune]'") from None
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted: all finished runs are kept; go on with the same call", file=sys.stderr)
        raise typer.Exit(130) from None


def perform_with(module: str, *, study: str, store: str, workers: int | None, as_json: bool) -> None:
    """Have a module's `perform` answer what a study asks; exit code 1 when it says that it could not."""
    from experiments.sweep.command import Call

    with kept():
        done = import_module(module).perform(Call(study=study, store=store, workers=workers), as_json=as_json)
    if done is False:
        raise typer.Exit(1)


def of_study(name: str, module: str, about: str) -> Callable[..., None]:
    """The command NAME of a study, which a module's `perform` answers; `about` is its help."""

    def made(study: StudyFile, *, workers: Workers = None, store: StorePlace = STORE, as_json: Json = False) -> None:
        perform_with(module, study=study, store=store, workers=workers, as_json=as_json)

    made.__name__, made.__doc__ = name, about
    return made


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario or a study, TOML.")],
    as_json: Json = False,
) -> None:
    """Say everything that is wrong with a scenario or a study: file, line, key, and what would be right."""
    from experiments import show
    from experiments.study.check import check

    found = check(file)
    if as_json:
        show.print_json(found.as_json())
    else:
        print(found.text())


def schema(
    of: Annotated[
        Literal["scenario", "system", "study"], typer.Argument(help="Which kind; system: several venues.")
    ] = "study",
) -> None:
    """Print the JSON Schema of scenario or study files: editors complete keys with it."""
    from experiments import show
    from experiments.study.schema import file_schema

    show.print_json(file_schema(of))


def sweep(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    executor: Annotated[
        str, typer.Option(metavar="WHERE", help="local, dask=ADDRESS of a scheduler, or slurm-array: writes a script.")
    ] = "local",
    tasks: Annotated[int, typer.Option(min=1, help="Of a SLURM array.")] = 16,
    share: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the runs whose key gives I when divided by N.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many runs, how many done, how long.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Simulate runs that failed once more.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate whatever of a study is not stored yet, and show its measures."""
    from experiments.sweep.command import Call, dry, perform, write_script
    from experiments.sweep.slurm import parse_share

    part = None if share is None else parse_share(share)
    call = Call(study=study, store=store, workers=workers, retry=retry, executor=executor, share=part)
    if executor == "slurm-array":
        write_script(call, tasks)
    elif dry_run:
        dry(call, as_json=as_json)
    elif code := perform(call, as_json=as_json):
        raise typer.Exit(code)


def resume(
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="Default: the last one of the store.")] = None,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Go on with a study that was interrupted: the same as `cascade sweep`, which never simulates twice."""
    from experiments.sweep.command import Call, last_study, perform

    if code := perform(Call(study=study or last_study(store), store=store, workers=workers), as_json=as_json):
        raise typer.Exit(code)


def status(
    study: StudyFile,
    *,
    store: StorePlace = STORE,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all designs and measures here.")] = None,
    as_json: Json = False,
) -> None:
    """Show how far a study is, and its measures with their intervals."""
    from experiments.sweep.command import show_status

    show_status(study, store, csv=csv, as_json=as_json)


def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study, TOML, or a folder with a study.toml in it.")],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    store: StorePlace = STORE,
    base: Annotated[
        int | None,
        typer.Option(min=0, help="Design that others are compared with [default: the one without changes, else 0]."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
    as_json: Json = False,
) -> None:
    """Write what a study says: report.html, and tables as Markdown, CSV and LaTeX."""
    from experiments.study_report.command import write_report

    write_report(study, store, out=out, base=base, overwrite=overwrite, as_json=as_json)


def sensitivity(
    study: StudyFile,
    *,
    kpi: Annotated[str | None, typer.Option(help="Figure among the study's measures [default: the first].")] = None,
    points: Annotated[int, typer.Option(min=2, help="Values of each parameter alone.")] = 5,
    morris: Annotated[int, typer.Option(min=0, metavar="N", help="Trajectories of Morris screening; 0: none.")] = 10,
    sobol: Annotated[
        int, typer.Option(min=0, metavar="N", help="Base points of Sobol indices, a power of two; 0: none.")
    ] = 0,
    boxes: Annotated[
        int, typer.Option(min=0, metavar="N", help="Points to find combinations by that make it large; 0: none.")
    ] = 0,
    above: Annotated[float | None, typer.Option(metavar="X", help="What counts as large, for a mean.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write report and tables here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Say which of a study's parameters matter, each over its range, and which are not told apart from noise."""
    from experiments.sensitivity.command import Wanted, perform
    from experiments.sweep.command import Call

    call = Call(study=study, store=store, workers=workers)
    wanted = Wanted(kpi=kpi, points=points, trajectories=morris, base_points=sobol, box_points=boxes, above=above)
    perform(call, wanted, out=out, overwrite=overwrite, as_json=as_json)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A scenario, or a design of a study: STUDY.toml#NUMBER.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    *,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1 to so many, the same for both.")] = 20,
    twin: Annotated[bool, typer.Option("--twin/--no-twin", help="Amplification as well; takes twice as long.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every figure, not only the main ones.")] = False,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Show what B changes: parameters, and figures seed by seed with intervals."""
    from experiments.sweep.command import Call, show_difference

    call = Call(study="", store=store, workers=workers)
    show_difference(before, after, seeds=seeds, twin=twin, every=every, call=call, as_json=as_json)


def rerun(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of a stored run, or how it begins.")],
    *,
    store: StorePlace = STORE,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write report and tables of the run here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate a stored run once more; exit code 1 unless every figure is the same to the bit."""
    from experiments.sweep.command import show_rerun

    if not show_rerun(key, store, out=out, overwrite=overwrite, as_json=as_json):
        raise typer.Exit(1)


def export(
    study: StudyFile,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    store: StorePlace = STORE,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a study with its runs, measures and manifests as an RO-Crate: a folder that explains itself."""
    from experiments.sweep.crate import write_crate

    print(f"crate: {write_crate(study, store, out=out, overwrite=overwrite)}")
