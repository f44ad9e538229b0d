"""Timed interventions: settings changed and shocks given while a world runs (docs/app.md)."""

from __future__ import annotations

from experiments.interventions.kinds import (
    AccountFails,
    Change,
    Intervention,
    KeepersOut,
    MakersLeave,
    OracleOutage,
    PriceShock,
    told,
)

__all__ = [
    "AccountFails", "Change", "Intervention", "KeepersOut", "MakersLeave", "OracleOutage", "PriceShock", "told",
]  # fmt: skip
