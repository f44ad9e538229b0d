"""As many uniform draws in a tick as a kernel needs, from one drawn number: a counter hashed with SplitMix64.

(Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.) Draw k of a tick is a function
of the tick's salt and k alone, so nothing depends on how many draws came before.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel


@kernel
def seed_of(salt):
    """A 64-bit seed from a uniform draw on [0, 1)."""
    return np.uint64(np.int64(salt * (1 << 53)))


@kernel
def uniform(seed, number):
    """Draw `number` >= 0 of the seed, on [0, 1)."""
    value = (seed + np.uint64(1)) * np.uint64(0xD1342543DE82EF95) + np.uint64(number + 1) * np.uint64(
        0x9E3779B97F4A7C15
    )
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value = value ^ (value >> np.uint64(31))
    return np.int64(value >> np.uint64(11)) / (1 << 53)
