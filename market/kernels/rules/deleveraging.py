"""Whether a counterparty may be used to deleverage an account."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def may_settle(equity, initial, maintenance, equity_before, maintenance_before, step):
    """Whether an account may take a change that leaves it these figures, `_before` being those without it.

    Above initial margin always; below it only when maintenance does not rise and equity per maintenance does not fall.
    With nothing left open, or nothing open before, and a debt: never. `step` is what rounding may hide.
    dydxprotocol/v4-chain@84d4664b lib/margin, x/subaccounts/lib/updates.go.
    """
    if equity >= initial - 0.5 * step:
        return True
    if maintenance > maintenance_before + 0.5 * step or maintenance <= 0.0 or maintenance_before <= 0.0:
        return False
    return (equity + 0.5 * step) * maintenance_before >= equity_before * maintenance


@kernel
def offset_size(wanted, held):
    """Signed part of `wanted` that a counterparty holding `held` can offset: same sign, no more than either; else 0."""
    if wanted > 0.0 and held > 0.0:
        return min(wanted, held)
    if wanted < 0.0 and held < 0.0:
        return max(wanted, held)
    return 0.0
