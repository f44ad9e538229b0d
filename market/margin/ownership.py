"""Sub-accounts as data: what the accounts of one owner may do for one another."""

from __future__ import annotations

from typing import Literal

from market.parameters import Share, parameters


@parameters
class SubAccounts:
    """Transfers between accounts of one owner, and whether one answers for the losses of another."""

    transfers: Literal["none", "manual", "automatic"] = "manual"
    """None; by the owner, as owners do (top-ups after a margin call); or by the venue, before it liquidates."""
    buffer: Share = 0.1
    """An automatic transfer aims at this margin excess, as a share of maintenance margin."""
    recourse: Share = 0.0
    """Share of what the owner's other accounts hold that pays for an account worth less than nothing, before the
    insurance fund: 0 keeps a failure inside its account, above it spreads."""
