"""Prices at which an account breaks: margin excess zero (liquidation), net equity zero (bankruptcy).

Both are read off the engine's own integer assessment, so haircuts, tiers, other positions and collateral, debts and
unpaid funding count exactly as they do in a run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.margin import maintenance_excess, mark_at_zero
from market.kernels.records import OPTION, PORTFOLIO
from market.ledger import Ledger, MarginTables
from market.margin.risk import RiskTables

Records = NDArray[np.void]


def liquidation_price(
    ledger: Ledger,
    instruments: Records,
    assets: Records,
    margin: MarginTables,
    *,
    account: int,
    book: int,
    risk: RiskTables | None = None,
) -> float | None:
    """Price of one instrument, in quote units, at which the account's margin excess is zero, all else as it stands.

    Below the mark for a healthy long, above it for a healthy short; on the other side, the price of recovery, for an
    account below maintenance. None without a position, for an option, or when no price that the book can hold does it.
    Marks of options that the account holds beside it stand still. `risk`, the tables in `margin`, is needed for an
    account in portfolio mode.
    """
    if ledger.positions[account, book]["lots"] == 0 or instruments[book]["kind"] == OPTION:
        return None
    if ledger.accounts[account]["mode"] == PORTFOLIO and risk is not None:
        return _portfolio_price(ledger, instruments, assets, margin, risk, account=account, book=book)
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


def _portfolio_price(
    ledger: Ledger,
    instruments: Records,
    assets: Records,
    margin: MarginTables,
    risk: RiskTables,
    *,
    account: int,
    book: int,
) -> float | None:
    """The same where the requirement follows unit values that must be worked out afresh at every mark.

    Excess is still concave in the mark of a linear instrument: a worst loss is the largest of linear functions of it.
    """
    lots = int(ledger.positions[account, book]["lots"])
    if lots == 0:
        return None
    moved = instruments.copy()

    def excess(mark: int) -> int:
        moved[book]["mark"] = mark
        risk.refresh(moved, assets)
        return int(maintenance_excess(account, moved, assets, margin, ledger.positions, ledger.cash))

    now, highest = int(instruments[book]["mark"]), int(instruments[book]["n_levels"]) - 2
    losing, gaining = (1, highest) if lots > 0 else (highest, 1)
    try:
        good, bad = (now, losing) if excess(now) >= 0 else (gaining, now)
        if excess(good) < 0 or excess(bad) >= 0:
            return None
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if excess(middle) >= 0 else (good, middle)
        above, below = excess(good), excess(bad)
    finally:
        risk.refresh(instruments, assets)
    return float((good + (bad - good) * above / (above - below)) * instruments[book]["tick_size"])
