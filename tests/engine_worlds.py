"""The small worlds of `experiments/validation/laboratory.py`, under the name tests know them by."""

from __future__ import annotations

from experiments.validation.laboratory import (
    ASSETS,
    BTC,
    INSTRUMENTS,
    KEEPER_CAPITAL,
    PERP,
    SPOT,
    SPOT_BOOK,
    TICK_LOT,
    USD,
    USDC,
    Engine,
    add,
    changed,
    engine,
    falls_to,
    plain_venue,
)

__all__ = [
    "ASSETS",
    "BTC",
    "INSTRUMENTS",
    "KEEPER_CAPITAL",
    "PERP",
    "SPOT",
    "SPOT_BOOK",
    "TICK_LOT",
    "USD",
    "USDC",
    "Engine",
    "add",
    "changed",
    "engine",
    "falls_to",
    "plain_venue",
]
