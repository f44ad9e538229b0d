"""The one error a user may cause."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used. Its text is one line per problem: where, what is wrong, and what would be valid."""

    def __init__(
        self, message: str = "", *, file: str | Path = "", where: str = "", what: str = "", valid: str = ""
    ) -> None:
        """Either a finished message, or the place (`file`, `where`), `what` is wrong and what would be `valid`."""
        self.file, self.where, self.what, self.valid = str(file), where, what, valid
        if not message:
            place = ": ".join(part for part in (self.file, where, what) if part)
            message = " ".join(f"{place}; valid: {valid}".split())
        super().__init__(message)
