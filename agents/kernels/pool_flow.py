"""Swaps of a pool's customers: how many in a tick, which way, how large."""

from __future__ import annotations

import numpy as np

from agents.kernels.draws import seed_of, uniform
from agents.kernels.orders import poisson, put_swap, usd_per_quantum
from market.kernels.jit import kernel
from market.kernels.records import f8, i4

SWAP_FLOW = np.dtype(
    [
        ("account", i4),
        ("pool", i4),
        ("most", i4),  # swaps in a tick
        ("unused", i4),
        ("mean", f8),  # swaps in a tick
        ("mean_log", f8),  # of the size in USD
        ("sigma", f8),
    ]
)


@kernel
def decide(messages, n, flows, row, pools, assets):
    """Append this tick's swaps, half of them either way; return the messages now in use.

    `row` float64[2 n_flows]: a uniform for the number of swaps of each flow, then one that its sizes and sides come of.
    """
    for at in range(flows.shape[0]):
        flow = flows[at]
        pool = pools[0][flow.pool]
        seed = seed_of(row[flows.shape[0] + at])
        for k in range(poisson(row[at], flow.mean, flow.most)):
            radius = np.sqrt(-2.0 * np.log(1.0 - uniform(seed, 3 * k)))
            normal = radius * np.cos(2.0 * np.pi * uniform(seed, 3 * k + 1))
            usd = np.exp(flow.mean_log + flow.sigma * normal)
            asset = pool.base if uniform(seed, 3 * k + 2) < 0.5 else pool.quote
            amount = int(usd / usd_per_quantum(assets[asset]))
            if amount > 0:
                n = put_swap(messages, n, flow.account, flow.pool, asset, amount, 1, 0)
    return n
