"""The course of a run as one column per figure and one entry per tick, worked out of what was recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frames import asset_usd, quote_usd
from experiments.recorder import DEPTH_BPS, Recorder
from market.kernels.records import ON_BOOK
from market.world import World

Columns = dict[str, NDArray[Any]]

_DEPTH = 1
"""Column of `DEPTH_BPS` that is reported."""
SAMPLED = (f"depth_{DEPTH_BPS[_DEPTH]:g}bps_usd", "open_interest_usd", "insurance_fund_usd")


def figure_names(world: World) -> list[str]:
    """The names of the columns, in order."""
    marks = [f"mark_{symbol}" for symbol in world.instrument_symbols]
    counts = ["liquidation_count", "forced_fill_count", "open_claim_count", "bad_debt_usd"]
    return ["time_seconds", *marks, *counts, *SAMPLED]


def figures(world: World, recorder: Recorder) -> Columns:
    """Time, marks (quote units), how much was liquidated and lost until then, open claims, depth, open interest, fund.

    All arrays have `recorder.n` entries. Bad debt is what the waterfall has met. Depth (both sides of all books), open
    interest and fund are those of the latest sample. USD figures are at the reference prices of now.
    """
    n = recorder.n
    events, losses = world.events[: world.n_events], world.losses[: world.n_losses]
    # A liquidation is an account from the opening of its claim on (experiments/contagion).
    claims = np.stack([events["account"], events["claim_tick"]], axis=1)
    opened = np.unique(claims, axis=0, return_index=True)[1]
    debt = losses["bad_debt"] * asset_usd(world)[losses["asset"]]
    ticks = np.arange(n)
    columns: Columns = {"time_seconds": (ticks + 1) * world.tick_seconds}
    for book, symbol in enumerate(world.instrument_symbols):
        columns[f"mark_{symbol}"] = recorder.ticks["mark"][:n, book] * world.instruments[book]["tick_size"]
    columns["liquidation_count"] = _until(events["tick"][opened], n)
    columns["forced_fill_count"] = _until(events["tick"][np.isin(events["kind"], ON_BOOK)], n)
    columns["open_claim_count"] = recorder.open_claims[:n].astype(np.int64)
    columns["bad_debt_usd"] = np.cumsum(np.bincount(losses["tick"], weights=debt, minlength=n), dtype=np.float64)
    sample = np.searchsorted(recorder.sampled_at[: recorder.n_samples], ticks, side="right") - 1
    columns.update({name: column[sample] for name, column in _sampled(world, recorder).items()})
    return columns


def _until(ticks: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """How many happened up to each tick."""
    return np.asarray(np.cumsum(np.bincount(ticks, minlength=n)), np.int64)


def _sampled(world: World, recorder: Recorder) -> dict[str, NDArray[np.float64]]:
    """What is recorded now and then, one entry per sample."""
    usd = quote_usd(world)
    samples = recorder.n_samples
    marks = recorder.ticks["mark"][recorder.sampled_at[:samples]]
    interest = recorder.open_interest[:samples] * marks * world.instruments["tick_value"]
    values = (
        recorder.depth[:samples, :, :, _DEPTH].sum(axis=2) @ usd,
        interest @ usd,
        recorder.fund[:samples] @ asset_usd(world),
    )
    return dict(zip(SAMPLED, values, strict=True))
