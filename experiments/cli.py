"""The command `cascade`. Each command imports what it needs when it runs, so that `--help` is immediate."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from experiments import interrupts, told_commands
from experiments.stress import commands as stress_commands
from experiments.sweep import commands as study_commands
from experiments.sweep.commands import STORE, Json, StorePlace, Workers
from experiments.tune import commands as search_commands
from market.errors import InputError

if TYPE_CHECKING:
    from experiments.config import Override

DEFAULT_SCENARIO = "flash-crash"
RUNS = Path("results/runs")

app = typer.Typer(
    name="cascade",
    help="Agent-based simulation of liquidation cascades.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

C = TypeVar("C", bound=Callable[..., None])

ScenarioName = Annotated[str, typer.Argument(help="An embedded scenario (see `cascade scenarios`) or a TOML file.")]
Venue = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Rules of a venue (see `cascade venues`) or TOML file instead of its own."),
]
Sets = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change one value; may be repeated.")]
Accounts = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A real book of accounts (CSV or Parquet) instead of a made one.")
]


def command(function: C) -> C:
    """Register a command whose expected failures end in one line and the right exit code."""

    @wraps(function)
    def guarded(*args: object, **kwargs: object) -> None:
        with expected_failures():
            function(*args, **kwargs)
            sys.stdout.flush()

    app.command()(guarded)
    return function


@contextmanager
def expected_failures() -> Iterator[None]:
    """Turn wrong input, full memory or disk, a closed pipe and Ctrl-C into one line and an exit code."""
    try:
        from experiments.folder import UNWRITABLE

        yield
    except InputError as error:
        _stop(2, *(f"error: {line}" for line in str(error).splitlines()))
    except KeyboardInterrupt:
        _stop(130, "interrupted, nothing written")
    except MemoryError:
        _stop(2, "error: not enough memory; fewer accounts (population.count) or ticks (hours, tick_seconds) need less")
    except BrokenPipeError:
        _drop_output()
        _stop(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        if about_kernels := _about_kernels(error):
            _stop(2, f"error: {about_kernels}")
        _drop_output()
        _stop(2, f"error: {f'{error.filename}: ' if error.filename else ''}{os.strerror(error.errno)}")


def _about_kernels(error: OSError) -> str | None:
    """What to say when compiled kernels could not be kept."""
    if "numba" not in sys.modules:
        return None
    from experiments import kernel_cache

    return kernel_cache.trouble(error)


def _drop_output() -> None:
    """Send what is still to be printed nowhere; the flush at exit would fail once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(code: int, *lines: str) -> NoReturn:
    for line in lines:
        print(line, file=sys.stderr)
    raise SystemExit(code)


@command
def run(
    scenario: ScenarioName = DEFAULT_SCENARIO,
    *,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replay this price table (CSV or Parquet).")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="First instant of the replay, UTC.")] = None,
    hours: Annotated[float | None, typer.Option(help="Length of the simulated time.")] = None,
    accounts: Accounts = None,
    venue: Venue = None,
    sets: Sets = [],  # noqa: B006  typer copies it
    seed: Annotated[int, typer.Option(min=0, help="Two runs with one seed are identical.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=f"Output folder [default: {RUNS}/SCENARIO-seedSEED, and -HASH unless an embedded scenario unchanged].",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")] = False,
    twin: Annotated[
        bool, typer.Option("--twin/--no-twin", help="Also run without liquidations, to measure amplification.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Simulate a scenario, print its figures and write its report."""
    from experiments import folder, library, show
    from experiments.fields import scenario_hash
    from experiments.progress import display
    from experiments.scenario import load

    file = library.find(scenario)
    overrides: list[str | Override] = [*_inputs(prices, start, hours, accounts), *sets]
    if library.has_venues(file):
        _no_single_venue(file, {"--venue": venue, "--accounts": accounts})
        _run_system(file, overrides, seed=seed, out=out, overwrite=overwrite, twin=twin, as_json=as_json)
        return
    try:
        world, provenance = load(scenario, venue=venue, overrides=overrides)
    except InputError as error:
        if "reference.start: goes with kind replay" in str(error) and start is not None and prices is None:
            raise InputError("--start: needs --prices FILE") from None
        raise
    _say_shadowed(provenance)
    # What may differ from the embedded scenario carries its hash: another world never takes this one's place.
    own = f"-{scenario_hash(world)[:8]}" if overrides or venue or file.parent not in library.FOLDERS else ""
    target = out or RUNS / f"{file.stem}-seed{seed}{own}{'' if twin else '-no-twin'}"
    replace = overwrite or out is None
    folder.check(target, replace=replace)
    from experiments.run import simulate

    with display(sys.stderr) as progress, _located(provenance):
        result = simulate(world, seed=seed, twin=twin, progress=progress, snapshots=True)
        progress(label="writing the report", done=0, total=0, liquidations=0)
        written = result.save(target, overwrite=replace)
    if as_json:
        head = {"scenario": file.stem, "scenario_hash": scenario_hash(world), "seed": seed, "folder": str(written)}
        show.print_json({**head, "notes": result.notes, **result.kpis})
        return
    from experiments import summary

    print(summary.text(result, sys.stdout))
    print(f"report: {written / 'report.html'}")
    seeded = None if seed == 1 else seed
    options = _options(prices=prices, start=start, hours=hours, accounts=accounts, venue=venue, seed=seeded)
    options += [word for text in sets for word in ("--set", text)] + ([] if twin else ["--no-twin"])
    main = str(result.kpis["main_instrument"])
    if what_next := summary.hint(result.scenario, run=[scenario, *options], main=main):
        print(what_next)


def _no_single_venue(file: Path, options: Mapping[str, object]) -> None:
    """Refuse options that are about the one venue of a scenario."""
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{option}: {file.stem} has venues of its own; say --set venues.NAME.KEY=VALUE instead")


def _run_system(
    file: Path,
    overrides: list[str | Override],
    *,
    seed: int,
    out: Path | None,
    overwrite: bool,
    twin: bool,
    as_json: bool,
) -> None:
    """`cascade run` of a scenario with several venues."""
    from experiments import folder, library, show
    from experiments.fields import scenario_hash
    from experiments.progress import display
    from experiments.systems import command
    from experiments.systems.run import simulate_system
    from experiments.systems.scenario import load_system

    world, provenance = load_system(file, overrides=overrides)
    _say_shadowed(provenance)
    own = f"-{scenario_hash(world)[:8]}" if overrides or file.parent not in library.FOLDERS else ""
    target = out or RUNS / f"{file.stem}-seed{seed}{own}{'' if twin else '-no-twin'}"
    folder.check(target, replace=overwrite or out is None)
    with display(sys.stderr) as progress, _located(provenance):
        result = simulate_system(world, seed=seed, twin=twin, progress=progress, snapshots=True)
        progress(label="writing the report", done=0, total=0, liquidations=0)
        written = result.save(target, overwrite=overwrite or out is None)
    if as_json:
        head = {"scenario": file.stem, "scenario_hash": scenario_hash(world), "seed": seed, "folder": str(written)}
        show.print_json({**head, "notes": result.notes, **command.as_json(result)})
        return
    command.print_result(result)
    print(f"\nreport: {written / 'report.html'}")


@command
def scenarios(as_json: Json = False) -> None:
    """List the embedded scenarios."""
    from experiments import library, show

    one, several = library.scenarios(), library.systems()
    if as_json:
        show.print_json({**one, **several})
        return
    show.print_table(list(one.items()), header=("scenario", "what happens"))
    if several:
        print()
        show.print_table(list(several.items()), header=("on several venues", "what happens"))


@command
def venues(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of them, or a TOML file.", show_default=False)] = "",
    *,
    as_json: Json = False,
) -> None:
    """List the embedded venues, or show one: its numbers, where each is from, and what it leaves out."""
    from experiments import show
    from experiments.venues import presets
    from experiments.venues.card import Card

    if name:
        card = Card.of(name)
        show.print_json(card.json()) if as_json else card.print()
        return
    found = presets.presets()
    if as_json:
        show.print_json({"venues": [presets.as_json(preset) for preset in found]})
    else:
        # What each leaves out makes a table as long as a book: it is in the page of one.
        show.print_table([row[:-1] for row in presets.rows(found)], header=presets.HEADER[:-1], wrap=(1, 3))
        print("\n`cascade venues NAME` shows the numbers of one with their sources, and what it leaves out")


@command
def explain(scenario: ScenarioName, *, venue: Venue = None, sets: Sets = [], as_json: Json = False) -> None:  # noqa: B006
    """Show every value of a scenario with its unit, where it was said and what it means."""
    from experiments import library, show
    from experiments.fields import leaves, scenario_hash
    from experiments.scenario import load

    file = library.find(scenario)
    world: Any
    if library.has_venues(file) and venue is None:
        from experiments.systems.scenario import load_system

        world, provenance = load_system(file, overrides=sets)
    else:
        world, provenance = load(scenario, venue=venue, overrides=sets)
    _say_shadowed(provenance)
    found = list(leaves(world))
    if as_json:
        values = {
            leaf.path: {
                "value": leaf.value,
                "unit": leaf.unit,
                "source": provenance[leaf.path],
                "bounds": leaf.bounds,
                "help": leaf.help,
            }
            for leaf in found
        }
        show.print_json({"scenario_hash": scenario_hash(world), "values": values})
    else:
        show.print_values(show.explain_rows(found, provenance))


@command
def map(
    scenario: ScenarioName = DEFAULT_SCENARIO,
    *,
    accounts: Accounts = None,
    venue: Venue = None,
    sets: Sets = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the picture, an HTML page, here.")] = None,
    as_json: Json = False,
) -> None:
    """Show what would be liquidated at which price, beside the depth that would have to absorb it."""
    from experiments import show
    from experiments.liquidation_map import liquidation_map
    from experiments.report import map_page
    from experiments.scenario import load

    if out is not None:
        map_page.check_target(out)
    overrides: list[str | Override] = [*_inputs(None, None, None, accounts), *sets]
    world, provenance = load(scenario, venue=venue, overrides=overrides)
    _say_shadowed(provenance)
    with _located(provenance):
        found = liquidation_map(world, seed=seed)
    if out is not None:
        found.save(out)
    if as_json:
        show.print_json({"rows": found.rows})
        return
    print(textwrap.fill(map_page.headline(found), show.WIDTH))
    for note in found.notes:
        print(textwrap.fill(f"note: {note}", show.WIDTH))
    for curve in found.curves:
        print(f"\n{map_page.title(curve)}")
        table = map_page.table(found, curve)
        show.print_table(table.rows, header=table.columns, right=table.right)
    if out is not None:
        print(f"\npicture: {out}")


@command
def margin(
    account: Annotated[Path, typer.Argument(metavar="ACCOUNT.toml", help="Balances, positions, prices.")],
    *,
    venue: Venue = None,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="Where assets and instruments are from.")
    ] = DEFAULT_SCENARIO,
    sets: Sets = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Explain one account line by line, under isolated, cross and portfolio margin side by side."""
    from experiments import show
    from experiments.margin import command
    from experiments.scenario import load

    world, provenance = load(scenario, venue=venue, overrides=sets)
    _say_shadowed(provenance)
    stated = any(key.startswith("venue.margin.portfolio.") and said != "default" for key, said in provenance.items())
    with _located(provenance):
        found = command.answer(account, world, portfolio_stated=stated)
    if as_json:
        show.print_json(command.as_json(found))
    else:
        command.print_answer(found)


@command
def compare_margin(
    scenario: ScenarioName = DEFAULT_SCENARIO,
    *,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1 to so many, the same under every mode.")] = 10,
    venue: Venue = None,
    sets: Sets = [],  # noqa: B006
    workers: Workers = None,
    store: StorePlace = STORE,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write page, picture and figures here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Compare isolated, cross and portfolio margin: the same people and shocks, paired seed by seed."""
    from experiments import folder, show
    from experiments.margin_modes import command
    from experiments.margin_modes.compare import compare
    from experiments.margin_modes.worlds import worlds
    from experiments.sweep.command import Call

    if out is not None:
        folder.check(out, replace=overwrite)
    found = worlds(scenario, venue=venue, overrides=sets)
    _say_shadowed(found.provenance)
    title = found.scenarios["cross"].summary
    call = Call(study=scenario, store=store, workers=workers)
    with study_commands.kept(), _located(found.provenance):
        result = compare(found, title=title, seeds=range(1, seeds + 1), call=call)
    show.answer(result, command, as_json=as_json, out=out, overwrite=overwrite, kind="report")


@command
def validation(
    *,
    only: Annotated[list[str], typer.Option(metavar="NAME", help="Run this case alone; may be repeated.")] = [],  # noqa: B006
    write: Annotated[bool, typer.Option("--write", help="Write the table into docs/validation.md.")] = False,
    as_json: Json = False,
) -> None:
    """Hold the simulator against published results, case by case, misses included."""
    from experiments import show
    from experiments.validation import table
    from experiments.validation.case import run_case
    from experiments.validation.registry import absent, chosen

    cases = chosen(only)
    if write and only:
        raise InputError("--write needs all cases; leave --only away")
    missing = {case.name: reason for case in cases if (reason := absent(case))}
    if missing and (write or only):
        raise InputError("\n".join(f"{name}: {reason}" for name, reason in missing.items()))
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    cases = tuple(case for case in cases if case.name not in missing)
    outcomes = []
    for number, case in enumerate(cases, start=1):
        print(f"{number}/{len(cases)} {case.name}: {case.subject} ...", file=sys.stderr, end=" ", flush=True)
        outcomes.append(run_case(case))
        print(f"{outcomes[-1].verdict}, {outcomes[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    if write:
        table.write(Path("docs/validation.md"), outcomes)
    if as_json:
        show.print_json(table.as_json(outcomes))
        return
    show.print_table(table.rows(outcomes), header=table.HEADER, right=(2, 3))
    for outcome in outcomes:
        if outcome.verdict == "miss":
            print(f"{outcome.case.name} misses: {outcome.case.miss or 'not explained yet'}")


@command
def verify_venues(
    file: Annotated[Path, typer.Argument(help="Cases: what goes in, what a venue gets, how close is close enough.")],
    *,
    model: Annotated[list[str], typer.Option(metavar="NAME", help="Only cases of this rule; may be repeated.")] = [],  # noqa: B006
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for unsupported cases as well.")] = False,
    as_json: Json = False,
) -> None:
    """Hold the rules of margin, liquidation and loss against venues' own numbers.

    Exit code 0 when no case failed, 1 when one did; a malformed case has failed, and the others run. A case for which
    there is no rule is unsupported: exit code 0 all the same, 1 with --strict. 2 when the file is no list of cases.
    """
    from experiments.venues import command

    if not command.verify_venues(file, models=model, strict=strict, as_json=as_json):
        raise typer.Exit(1)


@command
def calibrate(
    *,
    depth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Book snapshots, one a second, with cumulative depth.")
    ] = None,
    trades: Annotated[Path | None, typer.Option(metavar="FILE", help="Trades of the same market and time.")] = None,
    prices: Annotated[Path | None, typer.Option(metavar="FILE", help="A price table of several weeks.")] = None,
    accounts: Annotated[Path | None, typer.Option(metavar="FILE", help="A book of accounts, or of loans.")] = None,
    market: Annotated[str | None, typer.Option(help="Which market, when a file holds several.")] = None,
    asset: Annotated[str, typer.Option(help="Whose perpetual the book is.")] = "BTC",
    out: Annotated[Path, typer.Option(metavar="FILE", help="The scenario to write.")] = Path("calibrated.toml"),
    runs: Annotated[int, typer.Option(min=60, help="Simulations the regression learns from.")] = 400,
    trials: Annotated[int, typer.Option(min=0, help="Points the search tries; 0: the regression alone.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="With it the result is the same, whatever --workers.")] = 1,
    workers: Workers = None,
    store: StorePlace = STORE,
) -> None:
    """Fit book, reference prices and population to data; write a scenario that says where each number is from."""
    if not any((depth, prices, accounts)):
        raise InputError("nothing to fit: give --depth, --prices or --accounts")
    if trades is not None and depth is None:
        raise InputError("--trades: needs --depth, the book that the trades belong to")
    try:
        from experiments.calibration import output
        from experiments.calibration.command import Data, calibrate
    except ModuleNotFoundError as error:
        name = str(error.name).split(".")[0]
        missing = {"sklearn": "scikit-learn"}.get(name, name)
        raise InputError(f"{missing} is not installed: pip install -c constraints.txt '.[calibrate]'") from None
    from experiments import folder
    from experiments.calibration.fit import Effort
    from experiments.countdown import display

    output.check_target(out)
    data = Data(depth=depth, trades=trades, prices=prices, accounts=accounts, market=market, asset=asset)
    effort = Effort(runs=runs, trials=trials, seed=seed, workers=workers, store=store)
    with study_commands.kept(), display(sys.stderr) as note:
        text = calibrate(data, effort, note=note)
    folder.write_file(out, text)
    print(f"\nscenario: {out}    (cascade run {out})")


@command
def backtest(
    scenario: ScenarioName = "calm",
    *,
    prices: Annotated[Path, typer.Option(metavar="FILE", help="A price table of a year or more.")],
    accounts: Accounts = None,
    window: Annotated[int, typer.Option(min=60, help="Days that each forecast is made from.")] = 250,
    sets: Sets = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Of a made population.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one row per day, CSV, here.")] = None,
    as_json: Json = False,
) -> None:
    """Forecast each day's loss and liquidations from the days before, and test the forecasts."""
    from experiments import folder, show
    from experiments.backtest import command
    from experiments.countdown import display
    from experiments.scenario import Scenario

    if out is not None:
        folder.check_file(out)
    world = Scenario.load(scenario, overrides=[*_inputs(None, None, None, accounts), *sets])
    with display(sys.stderr) as note:
        found = command.backtest(world, prices, window=window, seed=seed, note=note)
    if out is not None:
        folder.write_file(out, command.table(found).to_csv(index=False))
    if as_json:
        show.print_json(command.as_json(found))
    else:
        command.print_result(found)


study_commands.register(command)
told_commands.register(command)
search_commands.register(command)
stress_commands.register(command)


def _inputs(prices: Path | None, start: str | None, hours: float | None, accounts: Path | None) -> list[Override]:
    """The values that the options for real data stand for; messages name the option."""
    from experiments.config import Override

    found: list[Override] = []

    def say(option: str, text: object, **values: object) -> None:
        found.extend(Override(tuple(key.split("__")), value, f"{option} {text}") for key, value in values.items())

    if prices is not None:
        say("--prices", prices, reference__kind="replay", reference__file=str(prices))
    if start is not None:
        say("--start", start, reference__start=start)
    if hours is not None:
        say("--hours", hours, hours=hours)
    if accounts is not None:
        say("--accounts", accounts, population__kind="file", population__file=str(accounts))
    return found


def _options(**said: object) -> list[str]:
    """The words of options as they were given."""
    given = {key: value for key, value in said.items() if value is not None}
    texts = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in given.items()}
    return [word for key, text in texts.items() for word in (f"--{key}", text)]


def _say_shadowed(provenance: Mapping[str, str]) -> None:
    """Note on stderr what was given and does not count, or not everywhere."""
    from experiments.config import shadowed

    for line in shadowed(provenance):
        print(f"note: {line}", file=sys.stderr)


@contextmanager
def _located(provenance: Mapping[str, str]) -> Iterator[None]:
    """Say in messages about a value where it was written."""
    from experiments.config import located

    try:
        yield
    except InputError as error:
        raise located(error, provenance) from None


def main() -> None:
    """Run what the command line says. A polite kill takes down what is half written, as Ctrl-C does."""
    interrupts.open_streams()
    interrupts.install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with expected_failures():
            app()
    finally:
        interrupts.ignore()


if __name__ == "__main__":
    main()
