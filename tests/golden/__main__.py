"""Command line of the golden runs: `python -m tests.golden [SCENARIO ...] [--check]`."""

from __future__ import annotations

import argparse
import json
import sys

from tests.cuts import CUTS, SYSTEM_CUTS
from tests.golden import differences, file_of, measured, stored, voids_stored_runs

ALL = (*CUTS, *SYSTEM_CUTS)


def main() -> int:
    """Show what differs, write it down unless told not to; 1 when something differs and was not written."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description="Golden runs of embedded scenarios.")
    parser.add_argument("scenario", nargs="*", help=f"among {', '.join(ALL)}; all of them when left out")
    parser.add_argument("--check", action="store_true", help="only show what differs")
    given = parser.parse_args()
    for name in given.scenario:
        if name not in ALL:
            parser.error(f"no golden run of {name!r}; there are {', '.join(ALL)}")
    failed = refused = False
    for name in given.scenario or ALL:
        new = measured(name)
        lines = list(differences(name, stored(name), new))
        print("\n".join(lines) if lines else f"{name}: as before")
        if voids_stored_runs(stored(name), new):
            print(f"{name}: not written: raise RESULTS_VERSION in experiments/store/version.py, so that runs that are")
            print("stored with the old results count no more")
            failed = refused = True
        elif not given.check:
            file_of(name).write_text(json.dumps(new, indent=1) + "\n")
        failed = failed or bool(lines)
    return int(refused or (failed and given.check))


if __name__ == "__main__":
    sys.exit(main())
