"""Greeks of a run with options: sampled per account that holds some, summed per role, and what was settled.

Units are those of market/greeks.py in USD: delta per relative move of the price (a move of 1 % gains a hundredth),
gamma per square of it, vega per 1.00 of implied volatility, theta per day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market.greeks import GREEKS, account_greeks
from market.instruments import USD_QUANTA
from market.kernels.records import OPTION
from market.world import World

if TYPE_CHECKING:
    from experiments.run import Trace

Floats = NDArray[np.float64]


class GreeksRecorder:
    """Samples of the Greeks of every account that holds an option; accounts without are left out."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.accounts: list[NDArray[np.int64]] = []
        """Rows of the ledger, by sample."""
        self.values: list[Floats] = []
        """float64[n_accounts, n_underlyings, 4] USD, by sample."""

    def sample(self, world: World, at: int) -> None:
        """Take a sample after tick `at`."""
        market = world.options
        assert market is not None
        lots = world.ledger.positions["lots"][:, world.instruments["kind"] == OPTION]
        rows = np.flatnonzero((lots != 0).any(axis=1))
        held = world.ledger.positions[rows]
        self.at.append(at)
        self.accounts.append(rows)
        self.values.append(account_greeks(held, market.books, n_underlyings=len(market.underlyings)) / USD_QUANTA)


def account_greeks_frame(trace: Trace) -> pd.DataFrame:
    """One row per sample, account that holds an option, and underlying of its positions: seconds, account, role,
    underlying, and the four Greeks."""
    world, recorder = trace.built.world, trace.recorder.greeks
    assert world.options is not None
    n = len(world.options.underlyings)
    names, roles = np.array(world.ledger.names, dtype=object), np.array(world.ledger.roles, dtype=object)
    symbols = np.array([world.asset_symbols[row] for row in world.options.underlyings], dtype=object)
    rows = np.concatenate([np.zeros(0, np.int64), *recorder.accounts])
    counts = [len(accounts) for accounts in recorder.accounts]
    values = np.concatenate([np.zeros((0, n, len(GREEKS))), *recorder.values]).reshape(-1, len(GREEKS))
    frame = pd.DataFrame(
        {
            "seconds": np.repeat((np.repeat(recorder.at, counts) + 1) * world.tick_seconds, n),
            "account": np.repeat(names[rows], n),
            "role": np.repeat(roles[rows], n),
            "underlying": np.tile(symbols, len(rows)),
            **{f"{name}_usd": values[:, column] for column, name in enumerate(GREEKS)},
        }
    )
    kept: pd.DataFrame = frame[(values != 0.0).any(axis=1)].reset_index(drop=True)
    return kept


def greeks_frame(trace: Trace) -> pd.DataFrame:
    """One row per sample, role and underlying: of all its accounts that hold options, the sum of each Greek, and of
    those with a positive (long) and a negative (short) one. What holders are long, dealers are short."""
    accounts = account_greeks_frame(trace)
    keys = [accounts[name] for name in ("seconds", "role", "underlying")]
    columns = {}
    for name in (f"{greek}_usd" for greek in GREEKS):
        columns[name] = accounts[name].groupby(keys).sum()
        columns[f"{name}_long"] = accounts[name].clip(lower=0.0).groupby(keys).sum()
        columns[f"{name}_short"] = accounts[name].clip(upper=0.0).groupby(keys).sum()
    return pd.DataFrame(columns).reset_index()


def settlements_frame(trace: Trace) -> pd.DataFrame:
    """One row per expiry: seconds, instrument, the average of the index, the price that every unit was settled at (of
    an option: its payoff), and the base units that were long."""
    world = trace.built.world
    found = [] if world.expiries is None else world.expiries.settlements
    records = world.instruments
    return pd.DataFrame(
        {
            "seconds": [(item.tick + 1) * world.tick_seconds for item in found],
            "instrument": [world.instrument_symbols[item.book] for item in found],
            "average": [item.average for item in found],
            "price": [item.price * float(records["tick_size"][item.book]) for item in found],
            "size": [item.lots * float(records["lot_size"][item.book]) for item in found],
        }
    )
