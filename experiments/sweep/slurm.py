"""A SLURM array without a coordinator: task i of n does the runs whose key gives i when divided by n.

Every task is an ordinary sweep of its share on the common store, so that a task which is requeued goes on where it was.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from market.errors import InputError

SIGNAL_SECONDS = 60
"""So long before its time is over a task is told to store what it has."""


def script(*, file: Path, store: str, tasks: int, workers: int, folder: Path) -> str:
    """The text for `sbatch`."""
    where = store if "://" in store else str(Path(store).absolute())
    words = [sys.executable, "-m", "experiments", "sweep", str(file.absolute()), "--store", where]
    share = f'--share "${{SLURM_ARRAY_TASK_ID}}/{tasks}" --workers "${{SLURM_CPUS_PER_TASK:-{workers}}}"'
    return f"""#!/bin/bash
# Made by `cascade sweep --executor slurm-array`; add what your cluster asks for (--partition, --time, --account).
#SBATCH --job-name=cascade-{file.stem}
#SBATCH --array=0-{tasks - 1}
#SBATCH --cpus-per-task={workers}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:INT@{SIGNAL_SECONDS}
cd {shlex.quote(str(folder))} || exit 1
exec {shlex.join(words)} {share}
"""


def parse_share(text: str) -> tuple[int, int]:
    """ "i/n" as numbers. Raises InputError."""
    i, slash, n = text.partition("/")
    if not (slash and i.isdigit() and n.isdigit() and int(i) < int(n)):
        raise InputError(f"--share {text}: expected I/N with I from 0 to N - 1, such as 0/4")
    return int(i), int(n)
