"""The contagion graph in files that other programs read, the page with its figures, and the tree as plain SVG."""

from __future__ import annotations

import json
import textwrap
from html import escape
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from experiments import folder
from experiments.contagion import figures, story
from experiments.contagion.cascades import Contagion
from experiments.contagion.graph import graph_of
from experiments.contagion.store import Saved
from experiments.report import page
from experiments.report.causes_figure import LARGEST, SMALLEST, causes_figure, chosen, places
from experiments.report.page import Page, Table
from experiments.report.picture import INK
from experiments.report.theme import CASCADE_COLOURS
from experiments.report.words import Clock, money, percent

WIDTH = 880.0


def export(saved: Saved, target: Path, *, overwrite: bool) -> Path:
    """Write a folder with `contagion.graphml`, `.gexf`, `.json`, `.html` and `.svg`. Raises InputError."""
    network = graph_of(saved.liquidations, saved.forced, saved.symbols)
    everything = story.as_json(saved, story.overview(saved), np.arange(len(saved.liquidations)))
    everything["graph"] = nx.node_link_data(network, edges="edges")
    with folder.atomic(target, replace=overwrite) as made:
        (made / folder.MARKER).write_text(json.dumps({"contagion_of": saved.path.name}) + "\n")
        nx.write_graphml(network, made / "contagion.graphml")
        nx.write_gexf(network, made / "contagion.gexf")
        (made / "contagion.json").write_text(json.dumps(everything, indent=1) + "\n")
        page_of(saved).write(made / "contagion.html")
        (made / "contagion.svg").write_text(picture(saved), encoding="utf-8")
    return target


def page_of(saved: Saved) -> Page:
    """Words, the tree, exposures, who paid, and losses from asset to asset."""
    made = Page(title=f"Contagion: {saved.summary}")
    words = story.overview(saved)
    made.add(page.paragraph(f"Contagion · {saved.summary}", "kicker"), *page.headline(words[0]))
    if len(words) > 1:
        made.add(page.bullets(words[1:]))
    if not len(saved.liquidations):
        return made
    found, names, clock = saved.contagion(), saved.names, Clock.of(saved.start)
    figure, caption, height = causes_figure(found, names, tick_seconds=saved.tick_seconds, clock=clock)
    made.section(
        "tree", "Who brought down whom", page.paragraph(caption, "caption"),
        made.chart("tree", {"all": figure}, height=height, label="Liquidations by generation and time"),
        _sources(saved).html(),
    )  # fmt: skip
    held, caption = figures.exposure_figure(saved)
    made.section(
        "exposures", "What they held", page.paragraph(caption, "caption"),
        made.chart("exposures", {"all": held}, height=620, label="Accounts and the assets they held"),
    )  # fmt: skip
    spill = figures.spill_figure(saved)
    if spill is not None:
        caption = "USD that liquidated accounts lost on the price of one asset because of forced sales of another."
        size = 120 + 56 * len(spill["data"][0]["x"])
        made.section(
            "spill", "From asset to asset", page.paragraph(caption, "caption"),
            made.chart("spill", {"all": spill}, height=size, label="Losses by asset sold and asset lost on"),
        )  # fmt: skip
    paid = figures.payer_figure(saved)
    if paid is not None:
        caption = "Bad debt of the accounts that left most of it, and who bore it."
        made.section(
            "paid", "Who paid", page.paragraph(caption, "caption"),
            made.chart("paid", {"all": paid}, height=460, label="Bad debt by account and who bore it"),
        )  # fmt: skip
    return made


def _sources(saved: Saved) -> Table:
    rows = story.top_sources(saved, np.arange(len(saved.liquidations)))[:10]
    total = max(float(saved.usd("loss").sum()), 1e-9)
    cells = [(name, money(usd), percent(usd / total, 1), f"{n:,}") for name, usd, n in rows]
    return Table(
        columns=("account whose forced sales", "cost others", "of all losses", "liquidations"), rows=cells,
        right=(1, 2, 3),
    )  # fmt: skip


def picture(saved: Saved) -> str:
    """The tree as SVG without scripts or fonts: liquidations in rows by generation, from left to right by time."""
    found = saved.contagion()
    words = story.overview(saved)[0]
    lines = textwrap.wrap(words, 104)
    top = 30.0 + 20.0 * len(lines)
    parts = [_text(24.0, 32.0 + 20.0 * row, line, colour="ink", size=14.0) for row, line in enumerate(lines)]
    height = top + 20.0
    if found.n:
        body, height = _tree(found, saved.tick_seconds, top + 16.0, Clock.of(saved.start))
        parts += body
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:.0f}" role="img" '
        f'aria-label="{escape(words)}" font-family="system-ui, -apple-system, \'Segoe UI\', Roboto, sans-serif">\n'
        f'<rect width="100%" height="100%" rx="10" fill="{INK["paper"]}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _tree(found: Contagion, tick_seconds: float, top: float, clock: Clock) -> tuple[list[str], float]:
    """(SVG parts, height of the whole picture)."""
    rows = chosen(found)
    usd = found.notional_usd[rows]
    sizes = SMALLEST + (LARGEST - SMALLEST) * np.sqrt(usd / max(float(usd.max(initial=0.0)), 1e-9))
    seconds = np.asarray((found.tick[rows] + 1) * tick_seconds, np.float64)
    heights, centres, total = places(seconds, found.generation[rows], sizes)
    low, high = float(seconds.min()), float(seconds.max())
    across = 96.0 + (seconds - low) / max(high - low, 1e-9) * (WIDTH - 140.0)
    at = {int(row): place for place, row in enumerate(rows)}
    parts = []
    for place, row in enumerate(rows.tolist()):
        parent = int(found.parent[row])
        if parent in at:
            start = at[parent]
            bend = f"M{across[start]:.1f} {top + heights[start]:.1f}L{across[place]:.1f} {top + heights[place]:.1f}"
            parts.append(f'<path d="{bend}" stroke="{INK["muted"]}" stroke-opacity="0.45"/>')
    ranks, members = found.cascade_ranks(), np.bincount(found.root, minlength=found.n)
    for place, row in enumerate(rows.tolist()):
        root = int(found.root[row])
        known = ranks[root] < len(CASCADE_COLOURS) and members[root] > 1
        ink = INK[CASCADE_COLOURS[ranks[root]][1:] if known else "muted"]
        parts.append(
            f'<circle cx="{across[place]:.1f}" cy="{top + heights[place]:.1f}" r="{sizes[place] / 2:.1f}" fill="{ink}" '
            f'fill-opacity="0.75" stroke="{INK["paper"]}" stroke-width="0.7"/>'
        )
    parts += [
        _text(24.0, top + y + 4.0, "roots" if level == 0 else f"{level}", size=12.0) for level, y in centres.items()
    ]
    bottom = top + total + 26.0
    parts.append(_text(96.0, bottom, clock.text(low), size=12.0))
    parts.append(_text(WIDTH - 110.0, bottom, clock.text(high), size=12.0))
    return parts, bottom + 18.0


def _text(x: float, y: float, words: str, *, size: float, colour: str = "muted") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{INK[colour]}">{escape(words)}</text>'


def summary_rows(saved: Saved) -> list[tuple[Any, ...]]:
    """Cause, USD, share of all losses; causes of nothing left out."""
    total = max(float(saved.usd("loss").sum()), 1e-9)
    rows = [(cause, float(saved.usd(cause).sum())) for cause in story.WORDS]
    return [(story.WORDS[name], money(usd), percent(usd / total, 1)) for name, usd in rows if usd]
