"""What `cascade contagion` says of a run over several venues: each venue's story, and what crossed between them."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd

from experiments import folder, show
from experiments.contagion import story
from experiments.contagion.export import export
from experiments.contagion.graph import graph_of
from experiments.contagion.store import Saved, about, check_format, load, table
from experiments.report.words import Clock, listed, money, sentence
from experiments.toml_tree import suggest
from market.errors import InputError

CROSSINGS, CASCADES = "crossings.parquet", "cascades.parquet"


@dataclass(frozen=True, kw_only=True)
class SavedSystem:
    """The folder of a run over several venues."""

    path: Path
    venues: dict[str, Saved]
    crossings: pd.DataFrame
    """As `SystemCauses.crossings`; likewise `cascades`."""
    cascades: pd.DataFrame

    @classmethod
    def load(cls, path: Path) -> SavedSystem:
        """Raises InputError for a folder that is damaged or of another version."""
        found = about(path)
        check_format(path, found)
        names = found["venues"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(
                f"{path / folder.MARKER}: does not say which venues there are; simulate the scenario again"
            )
        return cls(
            path=path, venues={name: load(path / name) for name in names}, crossings=table(path / CROSSINGS),
            cascades=table(path / CASCADES),
        )  # fmt: skip


def is_system(path: Path) -> bool:
    """Whether a folder is of a run over several venues."""
    try:
        return "venues" in json.loads((path / folder.MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


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
    """Tell it of the whole run, or of one account or asset on every venue that knows it. Raises InputError."""
    found = SavedSystem.load(run)
    if event is not None:
        places = listed([str(run / name) for name in found.venues])
        raise InputError(f"--event {event}: events are numbered venue by venue; give the folder of one: {places}")
    if account is not None:
        lines = _of_account(found, account)
    elif asset is not None:
        lines = _of_asset(found, asset)
    else:
        lines = _whole(found)
    if out is not None:
        _export(found, out, overwrite=overwrite)
    if as_json:
        show.print_json(_as_json(found, lines, out))
        return
    for line in lines:
        print(textwrap.fill(line, show.WIDTH))
    if account is None and asset is None and len(found.crossings):
        print()
        rows = [(one, other, money(usd)) for one, other, usd in _between(found.crossings)]
        show.print_table(rows, header=("because of sales and claims on", "lost on", "USD"), right=(2,))
    if out is not None:
        print(f"\ngraph of all venues: {out / 'contagion.graphml'}")


def _whole(found: SavedSystem) -> list[str]:
    lines = []
    for name, saved in found.venues.items():
        if len(saved.liquidations):
            lines.append(f"{name}: {' '.join(story.overview(saved))}")
    quiet = [name for name, saved in found.venues.items() if not len(saved.liquidations)]
    if quiet:
        lines.append(sentence(f"Nobody was liquidated on {listed(quiet)}"))
    lines += [
        sentence(f"Sales and claims on {one} cost accounts that broke on {other} {money(usd)} of margin excess")
        for one, other, usd in _between(found.crossings)
        if usd > 0.0
    ]
    return lines if len(found.crossings) else [*lines, "Nothing crossed from venue to venue."]


def _of_account(found: SavedSystem, account: str) -> list[str]:
    """Its liquidations on every venue, and what it lost to, or cost, other venues."""
    known = {name: saved for name, saved in found.venues.items() if account in saved.names}
    if not known:
        everybody = list(dict.fromkeys(name for saved in found.venues.values() for name in saved.names))
        raise InputError(f"--account {account}: was liquidated on no venue{suggest(account, everybody)}")
    lines = []
    for name, saved in known.items():
        told = story.of_account(saved, account, Clock.of(saved.start))
        lines.append(f"{name}: {' '.join(told)}")
    table = found.crossings
    for column, other, words in (
        ("to_account", "from_venue", "Sales and claims on {place} cost it {usd}"),
        ("from_account", "to_venue", "Its forced sales cost accounts of {place} {usd}"),
    ):
        mine = table[(table[column] == account) & table[column.replace("account", "venue")].isin(list(known))]
        summed = mine.groupby(other)["loss_usd"].sum()
        lines += [sentence(words.format(place=place, usd=money(float(usd)))) for place, usd in summed.items()]
    return lines


def _of_asset(found: SavedSystem, asset: str) -> list[str]:
    lines = [
        f"{name}: {' '.join(story.of_asset(saved, asset))}"
        for name, saved in found.venues.items()
        if len(saved.liquidations)
    ]
    mine = found.crossings[found.crossings["asset"] == asset]
    return lines + [
        sentence(f"Sales and claims on {one} cost accounts of {other} {money(usd)} on the price of {asset}")
        for one, other, usd in _between(mine)
    ]


def _between(crossings: pd.DataFrame) -> list[tuple[str, str, float]]:
    """(venue of the cause, venue of the loss, USD), largest first."""
    summed = crossings.groupby(["from_venue", "to_venue"], as_index=False)["loss_usd"].sum()
    columns = (summed[name].tolist() for name in ("from_venue", "to_venue", "loss_usd"))
    return sorted(zip(*columns, strict=True), key=lambda row: -row[2])


def network(found: SavedSystem) -> nx.DiGraph:
    """Accounts and assets of all venues as "venue/name", USD on the edges, those between venues included."""
    whole = nx.DiGraph()
    for name, saved in found.venues.items():
        own = graph_of(saved.liquidations, saved.forced, saved.symbols)
        whole.update(nx.relabel_nodes(own, {node: f"{name}/{node}" for node in own}))
    columns = ("from_venue", "from_account", "to_venue", "to_account")
    summed = found.crossings.groupby(list(columns), as_index=False)["loss_usd"].sum()
    for venue, account, other_venue, other, usd in zip(
        *(summed[name].tolist() for name in (*columns, "loss_usd")), strict=True
    ):
        ends = f"{venue}/account:{account}", f"{other_venue}/account:{other}"
        for end in ends:
            if end not in whole:
                whole.add_node(end, kind="account")
        whole.add_edge(*ends, loss_usd=usd, kind="loss")
    return whole


def _export(found: SavedSystem, out: Path, *, overwrite: bool) -> None:
    """The graph of all venues, and a folder for each venue as `cascade contagion RUN_DIR/VENUE` writes it."""
    whole = network(found)
    with folder.atomic(out, replace=overwrite) as made:
        (made / folder.MARKER).write_text(json.dumps({"contagion_of": found.path.name}) + "\n")
        nx.write_graphml(whole, made / "contagion.graphml")
        nx.write_gexf(whole, made / "contagion.gexf")
        data = {"story": _whole(found), "graph": nx.node_link_data(whole, edges="edges")}
        (made / "contagion.json").write_text(json.dumps(data, indent=1) + "\n")
        for name, saved in found.venues.items():
            export(saved, made / name, overwrite=False)


def _as_json(found: SavedSystem, lines: list[str], out: Path | None) -> dict[str, Any]:
    return {
        "story": lines,
        "venues": {
            name: {"liquidation_count": len(saved.liquidations), "loss_usd": float(saved.usd("loss").sum())}
            for name, saved in found.venues.items()
        },
        "crossings": found.crossings.to_dict("records"),
        "folder": None if out is None else str(out),
    }
