"""One run under several Pythons, files compared byte for byte: `python -m benchmarks.interpreters PYTHON PYTHON ...`.

Each interpreter must have the dependencies installed; the program itself is taken from this checkout. `run.json` is
left out, since it names versions and wall time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = (
    "flash-crash",
    "--seed=5",
    "--hours=0.25",
    "--set=population.count=3000",
    "--set=reference.crash_at_seconds=120",
    "--set=reference.crash_duration_seconds=300",
)


def run_under(python: str, folder: Path) -> None:
    """Simulate into `folder`; CalledProcessError when the program fails there."""
    command = [python, "-m", "experiments.cli", "run", *RUN, f"--out={folder}", "--json"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def digests(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of its bytes."""
    found = sorted(path for path in folder.iterdir() if path.name != "run.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def main() -> int:
    """Print what ran and which files differ; 1 when any does."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.interpreters", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("python", nargs="+", help="interpreters with the dependencies installed")
    pythons = parser.parse_args().python
    first: dict[str, str] = {}
    different = set()
    with tempfile.TemporaryDirectory() as place:
        for number, python in enumerate(pythons):
            folder = Path(place) / str(number)
            run_under(python, folder)
            found = digests(folder)
            first = first or found
            changed = {name for name in first.keys() | found.keys() if first.get(name) != found.get(name)}
            different |= changed
            versions = json.loads((folder / "run.json").read_text())["versions"]
            said = ", ".join(f"{name} {version}" for name, version in versions.items())
            print(f"{said}: {f'differs in {sorted(changed)}' if changed else f'{len(found)} files, none differs'}")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
