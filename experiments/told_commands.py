"""Commands about causes: in the folder of a run, and by further runs. They import what they need when they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.sweep.commands import STORE, Json, StorePlace, Workers

World = Annotated[
    str, typer.Argument(metavar="SCENARIO|RUN_DIR", help="An embedded scenario, a TOML file, or a run's folder.")
]
Both = Annotated[
    list[str], typer.Option("--both", metavar="KEY=VALUE", help="Change one value in all worlds; may be repeated.")
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="How many, the same in every world [default: 10; of a run, its own alone].")
]
First = Annotated[int | None, typer.Option("--seed", min=0, help="The first seed [default: 1; of a run, its own].")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write page and figures here.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is in --out.")]


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (contagion, counterfactual, importance, marginal, critical, tail):
        command(function)


def _processes(workers: int | None) -> int:
    return workers or os.cpu_count() or 1


def contagion(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder that `cascade run` wrote.")],
    *,
    event: Annotated[int | None, typer.Option(metavar="ID", help="One forced sale, by row.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="One liquidated account.")] = None,
    asset: Annotated[str | None, typer.Option(metavar="SYM", help="One asset.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write figures and graph files.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Tell who brought down whom in a run: causes of every liquidation, to the unit."""
    from experiments import folder
    from experiments.contagion.command import contagion as of_run
    from experiments.systems.contagion import contagion as of_system
    from experiments.systems.contagion import is_system
    from market.errors import InputError

    if sum(choice is not None for choice in (event, account, asset)) > 1:
        raise InputError("--event, --account, --asset: one at a time")
    if out is not None:
        folder.check(out, replace=overwrite)
    tell = of_system if is_system(run) else of_run
    tell(run, event=event, account=account, asset=asset, out=out, overwrite=overwrite, as_json=as_json)


def counterfactual(
    world: World,
    *,
    account: Annotated[
        list[str], typer.Option("--without-account", metavar="NAME", help="Account by name or row, or a person.")
    ] = [],  # noqa: B006  typer copies it
    keeper: Annotated[
        list[str], typer.Option("--without-keeper", metavar="NAME", help="Keeper by name or number.")
    ] = [],  # noqa: B006
    asset: Annotated[
        list[str], typer.Option("--without-asset", metavar="SYM", help="Without the shock to it: its price stands.")
    ] = [],  # noqa: B006
    venue: Annotated[
        list[str], typer.Option("--without-venue", metavar="NAME", help="Of several venues, this one.")
    ] = [],  # noqa: B006
    better_oracle: Annotated[
        bool, typer.Option("--better-oracle", help="Oracles without delay, deviation, noise or fault.")
    ] = False,
    sets: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="With another value; may be repeated.")
    ] = [],  # noqa: B006
    each: Annotated[bool, typer.Option("--each", help="Each of these alone instead of all together.")] = False,
    both: Both = [],  # noqa: B006
    seeds: Seeds = None,
    seed: First = None,
    workers: Workers = None,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """What would have happened without somebody or something: the same random numbers, compared seed by seed.

    In a world of several venues accounts and keepers are VENUE:NAME.
    """
    from experiments import folder, show
    from experiments.countdown import display
    from experiments.counterfactual import command, counterfactual, setting

    if out is not None:
        folder.check(out, replace=overwrite)
    found = setting(world, overrides=both)
    wanted = command.Wanted(
        accounts=account, keepers=keeper, assets=asset, venues=venue, better_oracle=better_oracle, sets=sets
    )
    alternatives = command.alternatives(found, wanted, each=each)
    chosen = command.seeds_of(found, first=seed, count=seeds)
    with display(sys.stderr) as note:
        compared = counterfactual(found, alternatives, seeds=chosen, workers=_processes(workers), note=note)
    show.answer(compared, command, as_json=as_json, out=out, overwrite=overwrite)


def importance(
    world: World,
    *,
    top: Annotated[int, typer.Option(min=0, help="People with the largest exposures.")] = 20,
    sample: Annotated[int, typer.Option(min=0, help="Others at random.")] = 20,
    both: Both = [],  # noqa: B006
    seeds: Seeds = None,
    seed: First = None,
    workers: Workers = None,
    store: StorePlace = STORE,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Whose absence saves most, and whether cheap network measures foresee it; venues, agents, shocks, keepers too."""
    from experiments import folder, show
    from experiments.countdown import display
    from experiments.counterfactual import command, importance_command, setting
    from experiments.counterfactual.importance import importance

    if out is not None:
        folder.check(out, replace=overwrite)
    found = setting(world, overrides=both)
    chosen = command.seeds_of(found, first=seed, count=seeds)
    with display(sys.stderr) as note:
        answer = importance(
            found, top=top, sample=sample, seeds=chosen, store=store, workers=_processes(workers), note=note
        )
    show.answer(answer, importance_command, as_json=as_json, out=out, overwrite=overwrite)


def marginal(
    world: World,
    *,
    usd: Annotated[
        float | None,
        typer.Option(metavar="USD", help="How much is sold, and bought [default: 5% of what is closed by force]."),
    ] = None,
    instrument: Annotated[
        str | None,
        typer.Option(metavar="SYM", help="What is sold, of several venues VENUE:SYM [default: what is closed most]."),
    ] = None,
    at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="When [default: when the first account breaks].")
    ] = None,
    over: Annotated[float, typer.Option(metavar="SECONDS", help="Time over which it is sold.")] = 60.0,
    repeats: Annotated[int, typer.Option(min=1, help="Pairs of runs a seed, one such time after the other.")] = 2,
    both: Both = [],  # noqa: B006
    seeds: Seeds = None,
    seed: First = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """What one more forced dollar makes others be closed for: the marginal branching ratio, by twin."""
    from experiments import show
    from experiments.countdown import display
    from experiments.counterfactual import command, numbers_command, setting
    from experiments.counterfactual.marginal import marginal

    found = setting(world, overrides=both)
    chosen = command.seeds_of(found, first=seed, count=seeds)
    with display(sys.stderr) as note:
        answer = marginal(
            found, usd=usd, seeds=chosen, instrument=instrument, at_seconds=at, over_seconds=over, repeats=repeats,
            workers=_processes(workers), note=note,
        )  # fmt: skip
    if as_json:
        show.print_json(numbers_command.marginal_json(answer))
    else:
        numbers_command.print_marginal(answer)


def critical(
    world: World,
    *,
    vary: Annotated[str, typer.Option(metavar="KEY", help="The parameter that is the size of the shock.")],
    harmless: Annotated[float, typer.Option("--from", metavar="VALUE", help="Its harmless end.")],
    worst: Annotated[float, typer.Option("--to", metavar="VALUE", help="Its worst end, larger or smaller.")],
    share: Annotated[
        float, typer.Option(help="Part of what is at stake whose forced closing is a runaway cascade.")
    ] = 0.2,
    steps: Annotated[int, typer.Option(min=1, max=30, help="How often the range is halved.")] = 6,
    both: Both = [],  # noqa: B006
    seeds: Seeds = None,
    seed: First = None,
    workers: Workers = None,
    store: StorePlace = STORE,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """The largest shock survived without a runaway cascade, by bisection, seed by seed."""
    from experiments import folder, show
    from experiments.countdown import display
    from experiments.counterfactual import command, numbers_command, setting
    from experiments.counterfactual.critical import critical

    if out is not None:
        folder.check(out, replace=overwrite)
    found = setting(world, overrides=both)
    chosen = command.seeds_of(found, first=seed, count=seeds)
    with display(sys.stderr) as note:
        answer = critical(
            found, vary, harmless=harmless, worst=worst, share=share, seeds=chosen, steps=steps, store=store,
            workers=_processes(workers), note=note,
        )  # fmt: skip
    if out is not None:
        numbers_command.save_critical(answer, found.name, out, overwrite=overwrite)
    if as_json:
        show.print_json(numbers_command.critical_json(answer))
        return
    numbers_command.print_critical(answer)
    if out is not None:
        print(f"\npage: {out / 'report.html'}")


def tail(
    world: World,
    *,
    both: Both = [],  # noqa: B006
    seeds: Seeds = None,
    seed: First = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """How heavy the tail of cascade sizes is: exponent with interval, against a lognormal law.

    Of a run's folder the cascades that are in it; with --seeds or --seed, and of a scenario, those of all seeds.
    """
    from experiments import show
    from experiments.countdown import display
    from experiments.counterfactual import command, setting, tail_command
    from experiments.statistics.power_tail import power_tail

    if Path(world).is_dir() and seeds is None and seed is None and not both:
        sizes = tail_command.sizes_of_run(Path(world))
    else:
        found = setting(world, overrides=both)
        chosen = command.seeds_of(found, first=seed, count=seeds)
        with display(sys.stderr) as note:
            sizes = tail_command.sizes_of_seeds(found, seeds=chosen, workers=_processes(workers), note=note)
    if as_json:
        show.print_json(tail_command.as_json(sizes, power_tail(sizes)))
    else:
        tail_command.print_result(sizes)
