"""The shock buttons: what they are called, what they ask for, and the interventions they stand for."""

from __future__ import annotations

from typing import Any

from app.protocol import Shock
from experiments import InputError
from experiments.interventions import AccountFails, Intervention, KeepersOut, MakersLeave, OracleOutage, PriceShock
from experiments.interventions.shocks import largest_account

_BUTTONS: tuple[tuple[str, str, str, tuple[str, ...], dict[str, float]], ...] = (
    ("drop", "Price drop", "The reference price of an asset falls at once, for good or for a time.",
     ("asset", "percent"), {"percent": 10.0}),
    ("depeg", "Depeg", "A stablecoin trades below a dollar in the outside world, for good or for a time.",
     ("asset", "percent", "seconds"), {"percent": 5.0, "seconds": 600.0}),
    ("oracle_outage", "Oracle outage", "Sources of oracles fall silent; the venue goes on with the last price.",
     ("asset", "seconds"), {"seconds": 300.0}),
    ("maker_leaves", "Makers leave", "Market makers withdraw their quotes and stay away.",
     ("instrument", "seconds"), {"percent": 100.0, "seconds": 300.0}),
    ("keeper_outage", "Keeper outage", "Keepers are offline, the fastest first.",
     ("seconds",), {"percent": 100.0, "seconds": 300.0}),
    ("account_fails", "Account fails", "An account, the largest by default, loses its collateral and is liquidated.",
     ("account",), {}),
)  # fmt: skip


def described(world: Any) -> list[dict[str, Any]]:
    """The buttons of a world, each with the assets and instruments it can be about; the first is the default."""
    moving = [s for s, asset in zip(world.asset_symbols, world.assets, strict=True) if not asset["is_settlement"]]
    stable = [s for s, asset in zip(world.asset_symbols, world.assets, strict=True) if asset["is_settlement"]]
    valued = [s for s, asset in zip(world.asset_symbols, world.assets, strict=True) if not asset["fixed"]]
    assets = {"drop": moving + stable, "depeg": stable + moving, "oracle_outage": valued}
    return [
        {
            "kind": kind,
            "label": label,
            "help": help_,
            "needs": list(needs),
            "defaults": defaults,
            "assets": assets.get(kind, []),
            "instruments": list(world.instrument_symbols) if "instrument" in needs else [],
        }
        for kind, label, help_, needs, defaults in _BUTTONS
        if _does_something(kind, world)
    ]


def _does_something(kind: str, world: Any) -> bool:
    if kind == "maker_leaves":
        return "market_maker" in world.ledger.roles
    return kind not in ("keeper_outage", "account_fails") or largest_account(world) is not None


def made(shock: Shock, world: Any) -> Intervention:
    """The intervention behind a button, what was left out filled in. Raises InputError."""
    button = next((entry for entry in described(world) if entry["kind"] == shock.kind), None)
    if button is None:
        raise InputError(f"kind: {shock.kind} does nothing here")
    percent = button["defaults"].get("percent", 0.0) if shock.percent is None else shock.percent
    seconds = button["defaults"].get("seconds", 300.0) if shock.seconds is None else shock.seconds
    if shock.kind in ("drop", "depeg"):
        if percent >= 100.0:
            raise InputError("percent: a price falls by less than 100")
        asset = shock.asset or button["assets"][0]
        stays = shock.seconds if shock.kind == "drop" else seconds
        return PriceShock(at_seconds=0.0, asset=asset, factor=1.0 - percent / 100.0, stays_seconds=stays)
    if shock.kind == "oracle_outage":
        return OracleOutage(at_seconds=0.0, lasts_seconds=seconds, asset=shock.asset)
    share = percent / 100.0
    if shock.kind == "maker_leaves":
        return MakersLeave(at_seconds=0.0, lasts_seconds=seconds, instrument=shock.instrument, share=share)
    if shock.kind == "keeper_outage":
        return KeepersOut(at_seconds=0.0, lasts_seconds=seconds, share=share)
    row = largest_account(world) if shock.account is None else shock.account
    if row is None or row >= len(world.ledger.names):
        raise InputError("account: no such account" if row is not None else "account: nobody has anything at stake")
    return AccountFails(at_seconds=0.0, account=world.ledger.names[row])
