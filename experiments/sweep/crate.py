"""A study as an RO-Crate (https://w3id.org/ro/crate/1.1): a folder of files with a description that programs read."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments import folder
from experiments.store import manifest
from experiments.store.rows import META
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.sweep import summary
from experiments.sweep.plan import Plan
from market.errors import InputError

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
DESCRIPTION = "ro-crate-metadata.json"

FILES = {
    "study.toml": ("text/plain", "The study: what was varied, with which seeds, and what was asked."),
    "base.toml": ("text/plain", "The scenario that every design is a change of, with every default written out."),
    "runs.parquet": ("application/vnd.apache.parquet", "One row per run: key, design, seed and every figure."),
    "manifests.json": ("application/json", "The calls that simulated: versions, commit, platform, arguments."),
    "measures.csv": ("text/csv", "One row per design and measure, with 95 % intervals."),
}


def write_crate(study: str, where: str, *, out: Path, overwrite: bool) -> Path:
    """Write the crate of a study; return its folder. Raises InputError when nothing is stored, or it cannot be
    written."""
    plan, store = Plan(load_study(study)), Store(where)
    columns = store.query("SELECT column_name FROM (DESCRIBE stored)").column(0).to_pylist()
    wanted = [name for name in columns if name not in ("key", "status", "error")]
    runs = store.runs(plan.table(), wanted).sort_by([("design_number", "ascending"), ("run_seed", "ascending")])
    if not len(runs):
        raise InputError(f"{where}: no run of {study} is stored; `cascade sweep {study}` first")
    empty = [name for name in runs.column_names if name not in META.names and runs.column(name).null_count == len(runs)]
    runs = runs.drop_columns(empty)
    made_by = sorted(set(runs.column("manifest").to_pylist()))
    manifests = {name: manifest.read(store.place, name) for name in made_by}
    found = summary.summarise(plan, store)
    with folder.atomic(out, replace=overwrite) as made:
        (made / "study.toml").write_text(plan.loaded.file.read_text("utf-8"), "utf-8")
        (made / "base.toml").write_text(plan.base, "utf-8")
        (made / "runs.parquet").write_bytes(_parquet(runs))
        (made / "measures.csv").write_text(summary.as_csv(plan, found), "utf-8")
        (made / "manifests.json").write_text(json.dumps(list(manifests.values()), indent=2) + "\n", "utf-8")
        about = description(plan, manifests)
        (made / DESCRIPTION).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (made / folder.MARKER).write_text(json.dumps({"study": plan.loaded.name, "runs": len(runs)}) + "\n", "utf-8")
    return out


def _parquet(data: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(data, buffer, compression="zstd")
    return buffer.getvalue()


def description(plan: Plan, manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The metadata of the crate: its files, and one action for every call that simulated runs in it."""
    program = {"@id": "#cascade-lab", "@type": "SoftwareApplication", "name": "cascade-lab"}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": plan.loaded.name,
        "description": plan.study.summary or f"Study {plan.loaded.name} of the scenario {plan.study.scenario}.",
        "datePublished": f"{datetime.now(UTC):%Y-%m-%d}",
        "license": "No licence is stated.",
        "hasPart": [{"@id": name} for name in FILES],
        "mentions": [{"@id": f"#{name}"} for name in manifests],
    }
    graph: list[dict[str, Any]] = [
        {
            "@id": DESCRIPTION,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        root,
        program,
    ]
    for name, (kind, what) in FILES.items():
        graph.append({"@id": name, "@type": "File", "encodingFormat": kind, "description": what})
    for name, data in manifests.items():
        versions = ", ".join(f"{package} {version}" for package, version in data["versions"].items())
        graph.append(
            {
                "@id": f"#{name}",
                "@type": "CreateAction",
                "name": " ".join(Path(data["arguments"][0]).name.split() + data["arguments"][1:]),
                "startTime": data["began"],
                "endTime": data["ended"],
                "instrument": {"@id": program["@id"]},
                "object": [{"@id": "study.toml"}, {"@id": "base.toml"}],
                "result": {"@id": "runs.parquet"},
                "description": f"commit {data['git_commit']}; {versions}; {data['platform']}; {data['processor']}",
            }
        )
    return {"@context": CONTEXT, "@graph": graph}
