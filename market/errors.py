"""The one error a user may cause."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: the message says, in one line per problem, what is wrong, where, and what would be valid."""
