"""Prices at which an account breaks: margin excess zero (liquidation), net equity zero (bankruptcy).

Both are read off the engine's own integer assessment, so haircuts, tiers, other positions and collateral, debts and
unpaid funding count exactly as they do in a run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.margin import mark_at_zero
from market.kernels.records import OPTION
from market.ledger import Ledger, MarginTables

Records = NDArray[np.void]


def liquidation_price(
    ledger: Ledger, instruments: Records, assets: Records, margin: MarginTables, *, account: int, book: int
) -> float | None:
    """Price of one instrument, in quote units, at which the account's margin excess is zero, all else as it stands.

    Below the mark for a healthy long, above it for a healthy short; on the other side, the price of recovery, for an
    account below maintenance. None without a position, for an option, or when no price that the book can hold does it.
    The marks of options the account holds beside it stand still.
    """
    return _price(ledger, instruments, assets, margin, account=account, book=book, maintained=True)


def bankruptcy_price(
    ledger: Ledger, instruments: Records, assets: Records, margin: MarginTables, *, account: int, book: int
) -> float | None:
    """Price of one instrument, in quote units, at which the account's net equity is zero; None as above."""
    return _price(ledger, instruments, assets, margin, account=account, book=book, maintained=False)


def _price(
    ledger: Ledger,
    instruments: Records,
    assets: Records,
    margin: MarginTables,
    *,
    account: int,
    book: int,
    maintained: bool,
) -> float | None:
    if ledger.positions[account, book]["lots"] == 0 or instruments[book]["kind"] == OPTION:
        return None
    moved = instruments.copy()
    mark, here, above = mark_at_zero(account, book, maintained, moved, assets, margin, ledger.positions, ledger.cash)
    if mark < 0:
        return None
    # Linear within a tick; only a tier's floor could bend it there.
    return float((mark + here / (here - above)) * instruments[book]["tick_size"])
