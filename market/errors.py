"""The error of everything a user hands in: one line that names the place, what is wrong and what would be right."""

from __future__ import annotations

import os


class InputError(ValueError):
    """A file, key or option that cannot be used.

    `where` is the row, column, key or option; `what` says what is wrong with it; `valid` what would be accepted.
    """

    def __init__(self, *, file: str | os.PathLike[str], where: str, what: str, valid: str) -> None:
        self.file = os.fspath(file)
        self.where = where
        self.what = what
        self.valid = valid
        parts = [part for part in (self.file, where, what) if part]
        super().__init__(" ".join(f"{': '.join(parts)}; valid: {valid}".split()))
