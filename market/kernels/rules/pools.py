"""Automated market makers: what a trade against a curve x y = k gives, in whole quanta, and how large it should be.

A concentrated range is the same curve on virtual reserves: what is really there plus L / sqrt(upper price) and
L sqrt(lower price). Sources: H. Adams, N. Zinsmeister and D. Robinson, "Uniswap v2 Core" (2020), section 3.2; H. Adams
et al., "Uniswap v3 Core" (2021), section 2 and eqs. 2.1 and 2.2. Reserves and results stay below `LARGEST_RESERVE`, so
that products of two of them fit `multiply_divide`.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide, part
from market.kernels.jit import kernel
from market.kernels.records import PPM

LARGEST_RESERVE = 1 << 55
"""Quanta; of virtual reserves where liquidity is concentrated."""
NO_AMOUNT = (1 << 62) - 1
"""What an amount is that no trade reaches."""


@kernel
def less_pool_fee(paid, fee):
    """What of an amount paid in trades, after a fee in ppm of it; the fee is rounded up."""
    return part(paid, PPM - fee)


@kernel
def plus_pool_fee(net, fee):
    """Least amount paid in of which `net` trades."""
    return -multiply_divide(-net, PPM, PPM - fee)


@kernel
def pool_output(net, reserve_in, reserve_out):
    """Quanta that a pool gives for `net` quanta after its fee, rounded down: reserve_in x reserve_out never falls."""
    return multiply_divide(reserve_out, net, reserve_in + net)


@kernel
def pool_input(wanted, reserve_in, reserve_out):
    """Least quanta after the fee for which a pool gives `wanted`; NO_AMOUNT where no trade gives so much."""
    left = reserve_out - wanted
    if left <= 0 or float(reserve_in) * wanted / left >= LARGEST_RESERVE - reserve_in:
        return NO_AMOUNT
    return -multiply_divide(-reserve_in, wanted, left)


@kernel
def input_to_price(reserve_in, reserve_out, price):
    """Amount after the fee that lowers reserve_out / reserve_in to `price`, float; 0 where it is no higher.

    sqrt(reserve_in x reserve_out / price) - reserve_in.
    """
    return max(0.0, np.sqrt(float(reserve_in) * float(reserve_out) / price) - reserve_in)


@kernel
def impermanent_loss(ratio):
    """Value of a full-range position over that of what was put in, less 1, when the price is `ratio` times the first.

    2 sqrt(r) / (1 + r) - 1, fees left out.
    """
    return 2.0 * np.sqrt(ratio) / (1.0 + ratio) - 1.0
