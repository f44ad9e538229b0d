"""What `cascade contagion` does and prints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from experiments import show
from experiments.contagion import store, story
from experiments.contagion.export import export, summary_rows
from experiments.report.words import Clock


def contagion(
    run: Path,
    *,
    event: int | None,
    account: str | None,
    asset: str | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Tell the story of a run's folder, or of one account, forced sale or asset in it. Raises InputError."""
    saved = store.load(run)
    clock = Clock.of(saved.start)
    rows = np.arange(len(saved.liquidations))
    if account is not None:
        rows = saved.rows_of(account)
        lines = story.of_account(saved, account, clock)
    elif event is not None:
        lines = story.of_event(saved, event, clock)
        rows = np.unique(saved.forced.loc[saved.forced["forced_sale"] == event, "target"].to_numpy(np.int64))
    elif asset is not None:
        lines = story.of_asset(saved, asset)
        rows = np.flatnonzero(saved.usd(f"lost_on_{asset}") != 0.0)
    else:
        lines = story.overview(saved)
    written = None if out is None else export(saved, out, overwrite=overwrite)
    if as_json:
        show.print_json({**story.as_json(saved, lines, rows), "folder": None if written is None else str(written)})
        return
    for line in lines:
        print(textwrap.fill(line, show.WIDTH))
    if account is None and event is None and asset is None and len(rows):
        print()
        show.print_table(summary_rows(saved), header=("lost to", "USD", "of all losses"), right=(1, 2))
    if written is not None:
        print(f"\nfigures: {written / 'contagion.html'}")
