"""What a buyer of seized collateral gets it for: discounts fixed, by threshold, or by how unhealthy the account is."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def incentive_factor(threshold, cursor, most):
    """Collateral per unit of debt repaid: 1 / (1 - cursor (1 - LLTV)), at most `most`.

    Source: Morpho Blue, morpho-org/morpho-blue@3085651a ConstantsLib: cursor 0.3, most 1.15.
    """
    return min(most, 1.0 / (1.0 - cursor * (1.0 - threshold)))


@kernel
def health_discount(collateral, debt, most):
    """Discount that grows as weighted collateral falls below debt: 1 - collateral / debt, within 0 and `most`.

    Source: Euler, euler-xyz/euler-vault-kit@5b98b420 Liquidation.sol.
    """
    if debt <= 0.0:
        return 0.0
    return min(max(0.0, 1.0 - collateral / debt), most)


@kernel
def store_price(price, liquidation_factor, passed_on):
    """Price at which a protocol sells what it seized: it passes on a part of its own discount.

    price (1 - passed_on (1 - liquidation factor)). Source: Compound III quoteCollateral
    (compound-finance/comet@d5a30b0a).
    """
    return price * (1.0 - passed_on * (1.0 - liquidation_factor))
