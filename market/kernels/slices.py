"""Slices of a whole account: how large a share one bidder may take, and what it pays for it.

The account is worth V at the marks, bidders before have paid R, and S is the share asked of what is left; a share f
costs f (V - R) S. An account worth less than nothing has no price: who takes a share of it is paid, the more the later.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.limits import asked_share
from market.kernels.records import NONE, PPM
from market.kernels.rules.portfolio_auction import buffer_margin, insolvent_payout, largest_slice, portfolio_price


@kernel
def missing_margin(claim, policy):
    """USD quanta that an auction must still bring in: the maintenance balance, with a buffer while the account is worth
    something, turned round."""
    if claim.net_equity < 0:
        return -claim.excess
    return -int(buffer_margin(float(claim.net_equity), float(claim.excess), policy.target / PPM))


@kernel
def _largest(claim, asked, reserved, policy):
    if claim.net_equity < 0:
        return 1.0
    return largest_slice(
        float(claim.net_equity), -float(max(claim.missing, 0)), asked, float(reserved), float(policy.cutoff)
    )


@kernel
def largest_share(claim, clock, policy):
    """Share of the account that one call may sell."""
    asked = asked_share((clock - claim.opened) * policy.round_seconds, policy)
    return _largest(claim, asked, claim.reserved, policy)


@kernel
def start_fee(claim, policy):
    """USD quanta that the fund gets when the first slice is sold: a part of what would have to be sold at the marks."""
    if claim.net_equity < 0:
        return 0
    return int(_largest(claim, 1.0, 0, policy) * claim.net_equity * policy.start_fee / PPM)


@kernel
def slice_price(claim, share, clock, policy):
    """USD quanta that a bidder pays for a share of the account; below 0 it is paid."""
    if claim.net_equity < 0:
        since = clock if claim.insolvent == NONE else claim.insolvent
        elapsed = (clock - since) * policy.round_seconds
        return -share * insolvent_payout(
            float(claim.net_equity), float(claim.excess), elapsed, policy.insolvent_seconds
        )
    asked = asked_share((clock - claim.opened) * policy.round_seconds, policy)
    return share * portfolio_price(float(claim.net_equity), float(claim.reserved), asked)


@kernel
def slice_worth(claim, share):
    """USD quanta that a share of the account is worth at the marks; what was paid in stays with the account."""
    return share * float(claim.net_equity - claim.reserved)
