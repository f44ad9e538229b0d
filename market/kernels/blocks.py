"""Shared blocks: whose transactions fit, who outbids whom, and how the base fee follows."""

from __future__ import annotations

import math

import numpy as np

from market.kernels.jit import kernel

BLOCK = np.dtype(
    [
        ("limit", "<i8"),  # gas; 0: a block holds liquidation calls and nothing else
        ("call_gas", "<i8"),
        ("oracle_gas", "<i8"),
        ("top_up_gas", "<i8"),
        ("call_fee", "<i8"),  # base fee of a liquidation call, USD quanta
        # state of the block under way
        ("calls", "<i8"),  # liquidation calls in it
        ("calls_before_oracle", "<i8"),  # of these, with a higher priority fee than oracle updates
        ("calls_before_top_ups", "<i8"),
        ("oracle_waiting", "<i8"),
        ("top_ups_waiting", "<i8"),
        ("oracle_taken", "<i8"),
        ("top_ups_taken", "<i8"),
        ("base_fee", "<f8"),  # USD quanta per gas
        ("oracle_tip", "<f8"),  # USD quanta per gas; negative: not even the base fee is paid
        ("top_up_tip", "<f8"),
        ("others", "<f8"),  # gas that everybody else would use for nothing
        ("others_median", "<f8"),  # of what they would pay, USD quanta per gas
        ("others_sigma", "<f8"),
        ("target", "<f8"),  # gas
        ("step", "<f8"),
        ("least_base_fee", "<f8"),
        ("used", "<f8"),  # gas of the block that was sealed last
    ]
)


@kernel
def others_above(block, tip):
    """Gas of everybody else who pays the base fee and at least `tip` on top of it."""
    distance = math.log((block.base_fee + max(tip, 0.0)) / block.others_median) / block.others_sigma
    return block.others * 0.5 * math.erfc(distance / math.sqrt(2.0))


@kernel
def call_fits(block, amount):
    """Whether a call whose keeper pays `amount` USD quanta as priority fee still fits behind all who offer more."""
    tip = amount / block.call_gas
    ahead = others_above(block, tip) + block.call_gas * (block.calls + 1.0)
    if block.oracle_tip >= tip:
        ahead += block.oracle_gas * block.oracle_waiting
    if block.top_up_tip >= tip:
        ahead += block.top_up_gas * block.top_ups_waiting
    return ahead <= block.limit


@kernel
def take_call(block, amount):
    """Put such a call into the block."""
    tip = amount / block.call_gas
    block.calls += 1
    block.calls_before_oracle += tip > block.oracle_tip
    block.calls_before_top_ups += tip > block.top_up_tip


@kernel
def _taken(block, tip, gas, waiting, calls_before, used_before):
    """How many of so many waiting transactions with priority fee `tip` the block takes."""
    if tip < 0.0:
        return 0
    room = block.limit - others_above(block, tip) - calls_before * block.call_gas - used_before
    return min(waiting, int(max(room, 0.0) / gas))


@kernel
def seal(blocks):
    """Fill the block with oracle updates, top-ups and everybody else; move the base fee (EIP-1559)."""
    block = blocks[0]
    gas = 0
    for turn in range(2):
        if (turn == 0) == (block.oracle_tip >= block.top_up_tip):
            block.oracle_taken = _taken(
                block, block.oracle_tip, block.oracle_gas, block.oracle_waiting, block.calls_before_oracle, gas
            )
            gas += block.oracle_taken * block.oracle_gas
        else:
            block.top_ups_taken = _taken(
                block, block.top_up_tip, block.top_up_gas, block.top_ups_waiting, block.calls_before_top_ups, gas
            )
            gas += block.top_ups_taken * block.top_up_gas
    own = gas + block.calls * block.call_gas
    block.used = own + min(others_above(block, 0.0), block.limit - own)
    change = block.step * (block.used - block.target) / block.target
    change = min(max(change, -block.step), block.step)
    block.base_fee = max(block.base_fee * (1.0 + change), block.least_base_fee)
