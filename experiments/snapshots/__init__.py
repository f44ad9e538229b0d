"""What a page, a replay or a notebook shows of a run, as plain columns; reading a world leaves it as it is.

`Feed.side` gives what is new since the last call and how things stand now. Prices are in quote units of their book,
money is in USD, a tick n stands for the moment after n ticks, n x tick_seconds after the start. Accounts are rows of
the ledger. Books are all instruments but options, numbered in the order of `describe`.
"""

from __future__ import annotations

from experiments.snapshots.describe import describe
from experiments.snapshots.feed import Feed

__all__ = ["Feed", "describe"]
