"""What `cascade report` does, from the study's name to what is printed."""

from __future__ import annotations

import sys
from pathlib import Path

from experiments import folder, show
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.study_report import report
from experiments.sweep.plan import Plan

STUDY = "study.toml"
"""Name of the study in a folder."""


def write_report(study: str, where: str, *, out: Path, base: int | None, overwrite: bool, as_json: bool) -> None:
    """Write the page and the tables of a study, or of the one in a folder. Raises InputError."""
    folder.check(out, replace=overwrite)
    file = str(Path(study) / STUDY) if Path(study).is_dir() else study
    store = Store(where)
    found = report.write(Plan(load_study(file)), store, out=out, base=base, overwrite=overwrite)
    for note in store.notes:
        print(f"note: {note}", file=sys.stderr)
    files = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if as_json:
        show.print_json({"folder": str(out), "files": files, "headline": report.headline(found)})
        return
    print(report.headline(found))
    print(f"report: {out / 'report.html'}    (and {', '.join(name for name in files if name != 'report.html')})")
