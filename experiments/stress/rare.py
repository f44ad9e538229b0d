"""What `cascade rare` does: a rare loss by importance sampling of the reference prices."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import show
from experiments.build import streams_of
from experiments.scenario import Scenario
from experiments.statistics.importance import Weighted, weighted_mean
from experiments.study.load import Loaded, load_study
from experiments.study.model import Probability, Rare, Seeds
from experiments.sweep import summary
from experiments.sweep.command import Call
from experiments.tune import progress
from experiments.tune.bench import evaluator
from experiments.tune.evaluate import Evaluator
from experiments.tune.space import changes_of
from market.errors import InputError
from market.reference.model import ModelPrices

Floats = NDArray[np.float64]


def perform(call: Call, *, as_json: bool) -> None:
    """Simulate what is not stored, estimate, and print. Raises InputError, and Interrupted: the same call goes on."""
    loaded = load_study(call.study)
    rare = loaded.study.rare
    if rare is None:
        raise InputError(f"{loaded.file}: has no table [rare]")
    kpi = rare.measure.kpi
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=[kpi], command="rare") as made:
        say("plain and tilted runs", 0, 0)
        found = estimate(loaded, rare, made)
    if as_json:
        show.print_json({"measure": summary.label(rare.measure), **asdict(found)})
        return
    show.print_table(rows(found), header=("", "value [95 % interval]"))
    print()
    show.print_words(sentence(found, rare))


def estimate(loaded: Loaded, rare: Rare, evaluator: Evaluator) -> Weighted:
    """The weighted mean over the study's seeds: first those without a tilt, then those with it. Raises InputError."""
    model_of(loaded.resolver.base().scenario, loaded)
    seeds = loaded.study.seeds
    count = round(rare.defensive * seeds.count)
    if not 0 < count < seeds.count:
        raise InputError(f"seeds.count: {seeds.count} cannot be parted by rare.defensive = {rare.defensive:g}")
    parts: tuple[tuple[Seeds, dict[str, Any]], ...] = (
        (replace(seeds, count=count), {}),
        (replace(seeds, first=seeds.first + count, count=seeds.count - count), tilts(rare)),
    )
    proposal = model_of(loaded.resolver.resolve(changes_of(tilts(rare))).scenario, loaded)
    values, ratios = [], []
    for own, changes in parts:
        found = evaluator.figures(changes, own)[rare.measure.kpi]
        scenario = loaded.resolver.resolve(changes_of(changes)).scenario
        values.append(found)
        ratios.append(log_ratios(scenario, model_of(scenario, loaded), proposal, own))
    figures = np.concatenate(values)
    if np.isnan(figures).any():
        missing = int(np.isnan(figures).sum())
        raise InputError(f"{missing} of {len(figures)} runs have no {rare.measure.kpi}: what they weigh is missing")
    if isinstance(rare.measure, Probability):
        figures = (figures > rare.measure.above).astype(np.float64)
    return weighted_mean(figures, np.concatenate(ratios), plain=count)


def tilts(rare: Rare) -> dict[str, Any]:
    """The tilt as changes of a scenario."""
    return {
        "reference.jump_rate_tilt": rare.tilt.jump_rate,
        "reference.jump_size_tilt": rare.tilt.jump_size,
        "reference.crash_rate_tilt": rare.tilt.crash_rate,
    }


def model_of(scenario: Scenario, loaded: Loaded) -> ModelPrices:
    """The reference model. Raises InputError for prices that are not drawn from it."""
    if not isinstance(scenario.reference, ModelPrices):
        raise InputError(
            f'{loaded.file}: rare: prices of kind {scenario.reference.kind!r} have no law; expected "model"'
        )
    return scenario.reference


def log_ratios(scenario: Scenario, model: ModelPrices, proposal: ModelPrices, seeds: Seeds) -> Floats:
    """log(law / proposal) of the prices of every seed, over the whole run; nothing is simulated."""
    made = []
    for seed in range(seeds.first, seeds.first + seeds.count):
        path = model.path(streams=streams_of(seed), tick_seconds=scenario.tick_seconds, proposal=proposal)
        made.append(path.log_likelihood_ratio(scenario.ticks))
    return np.array(made)


def rows(found: Weighted) -> list[tuple[str, str]]:
    """What is printed."""
    return [
        ("weighted, all runs", summary.cell(found.found)),
        ("plain runs alone", summary.cell(found.plain)),
        ("mean weight (1 but for chance)", summary.cell(found.total_weight)),
        ("effective runs", f"{found.effective:,.0f} of {found.found.n:,}"),
        ("gain over plain runs", "unknown" if found.gain is None else f"{found.gain:.2f}x"),
    ]


def sentence(found: Weighted, rare: Rare) -> str:
    """The gain in words."""
    what = summary.label(rare.measure)
    if found.gain is None:
        return f"{what}: too few weighted runs in which it happens to say anything; more seeds, or a stronger tilt."
    if found.gain < 1.0:
        return f"{what}: the tilt does harm: a plain run says as much as {1.0 / found.gain:.2f} weighted ones."
    return f"{what}: a weighted run says as much as {found.gain:.2f} plain ones."
