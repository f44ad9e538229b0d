"""How much one server gives away: a stranger's scenario, or a hundred open tabs, must not take the machine down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments import InputError
from experiments.fields import leaves
from experiments.scenario import Scenario
from experiments.systems.scenario import SystemScenario, VenueScenario

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


def check_size(scenario: Scenario | SystemScenario, limits: Limits) -> None:
    """Refuse what is too large before anything of it is built. Raises InputError."""
    if scenario.ticks > limits.ticks:
        raise InputError(f"hours: {scenario.ticks:,} ticks; at most {limits.ticks:,} here")
    venues = [scenario] if isinstance(scenario, Scenario) else list(scenario.venues.values())
    books = sum(len(venue.instruments) for venue in venues)
    if books > limits.books:
        raise InputError(f"instruments: {books}; at most {limits.books} here")
    counted = sum(_accounts(venue) for venue in venues)
    if isinstance(scenario, SystemScenario):
        counted += sum(getattr(agent, "count", 0) for agent in scenario.agents.values()) * len(venues)
    if counted > limits.accounts:
        raise InputError(f"population.count: {counted:,} accounts with all agents; at most {limits.accounts:,} here")


def _accounts(venue: Scenario | VenueScenario) -> int:
    return sum(
        int(leaf.value) * (len(venue.instruments) if leaf.path.endswith("makers_per_book") else 1)
        for leaf in leaves(venue)
        if leaf.path.rpartition(".")[2] in _ACCOUNTS and isinstance(leaf.value, int)
    )


def check_worlds(worlds: Sequence[Any], limits: Limits) -> None:
    """Refuse a run whose books or accounts turned out too large. Raises InputError."""
    levels = sum(int(world.instruments["n_levels"].sum()) for world in worlds)
    if levels > limits.levels:
        raise InputError(f"instruments: {levels:,} price levels; at most {limits.levels:,} here; a coarser tick_size")
    # Isolated margin and wallets open several rows for one trader.
    accounts = sum(len(world.ledger.accounts) for world in worlds)
    if accounts > 3 * limits.accounts:
        raise InputError(f"population: {accounts:,} accounts; at most {3 * limits.accounts:,} here")
