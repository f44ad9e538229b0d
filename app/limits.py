"""How much one server gives away: a stranger's scenario, or a hundred open tabs, must not take the machine down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments import InputError
from experiments.fields import leaves
from experiments.scenario import Scenario

_ACCOUNTS = ("count", "makers_per_book")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds; what is beyond them is refused with a message."""

    accounts: int = 20_000
    """Accounts of one run, all agents together."""
    ticks: int = 100_000
    books: int = 64
    """Instruments of one run."""
    levels: int = 4_000_000
    """Price levels of all its books."""
    runs: int = 16
    """Views, each with a process of its own."""
    runs_per_client: int = 8
    message_bytes: int = 16_384
    """Of one WebSocket message; longer ones are refused."""
    frame_bytes: int = 1_048_576
    """Of one WebSocket message; a view that sends a longer one is closed before it is read."""
    upload_bytes: int = 262_144
    """Of one uploaded scenario."""
    uploads: int = 32
    """Kept in memory; the oldest go first."""
    uploads_depth: int = 24
    """Tables within tables of an uploaded scenario."""


def check_size(scenario: Scenario, limits: Limits) -> None:
    """Refuse what is too large before anything of it is built. Raises InputError."""
    if scenario.ticks > limits.ticks:
        raise InputError(f"hours: {scenario.ticks:,} ticks; at most {limits.ticks:,} here")
    if len(scenario.instruments) > limits.books:
        raise InputError(f"instruments: {len(scenario.instruments)}; at most {limits.books} here")
    counted = sum(
        int(leaf.value) * (len(scenario.instruments) if leaf.path.endswith("makers_per_book") else 1)
        for leaf in leaves(scenario)
        if leaf.path.rpartition(".")[2] in _ACCOUNTS and isinstance(leaf.value, int)
    )
    if counted > limits.accounts:
        raise InputError(f"population.count: {counted:,} accounts with all agents; at most {limits.accounts:,} here")


def check_world(world: Any, limits: Limits) -> None:
    """Refuse a world whose books or accounts turned out too large. Raises InputError."""
    levels = int(world.instruments["n_levels"].sum())
    if levels > limits.levels:
        raise InputError(f"instruments: {levels:,} price levels; at most {limits.levels:,} here; a coarser tick_size")
    # Isolated margin and wallets open several rows for one trader.
    if len(world.ledger.accounts) > 3 * limits.accounts:
        raise InputError(f"population: {len(world.ledger.accounts):,} accounts; at most {3 * limits.accounts:,} here")
