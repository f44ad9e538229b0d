"""Maker Liquidations 2.0: debt put up for auction, price curves, bids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.venues.inputs import number
from experiments.venues.registry import adapter
from market.kernels.rules.dutch_auction import (
    EXPONENTIAL,
    LINEAR,
    STAIR_STEP,
    auction_price,
    auctioned_debt,
    bid_taken,
    keeper_reward,
    needs_restart,
    starting_price,
)
from market.kernels.rules.rounding import falls_short

_KINDS = {"linear": LINEAR, "stairstep": STAIR_STEP, "exponential": EXPONENTIAL}


def _price(inputs: Mapping[str, Any]) -> float:
    curve = inputs["curve"]
    if curve.get("kind") not in _KINDS:
        raise ValueError(f"input curve.kind is {curve.get('kind')!r}, none of {', '.join(_KINDS)}")
    span = number(curve, "tau", number(curve, "step", 1.0))
    top, elapsed = number(inputs, "top"), number(inputs, "elapsed", 0.0)
    return float(auction_price(_KINDS[curve["kind"]], top, elapsed, span, number(curve, "cut", 1.0)))


@adapter("maker_price")
def maker_price(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Price of a running auction."""
    return {"price": _price(inputs)}


def _needs_restart(inputs: Mapping[str, Any], price: float) -> bool:
    return bool(
        needs_restart(
            price, number(inputs, "top"), number(inputs, "elapsed", 0.0),
            number(inputs, "tail", np.inf), number(inputs, "cusp", 0.0),
        )
    )  # fmt: skip


@adapter("maker_needs_redo")
def maker_needs_redo(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whether an auction must start over, and where when the price is known."""
    found: dict[str, Any] = {"needs_redo": _needs_restart(inputs, _price(inputs))}
    if inputs.get("price") is not None:
        found["top"] = starting_price(number(inputs, "price"), number(inputs, "buf", 1.0))
    return found


@adapter("maker_bark")
def maker_bark(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Auction started on a vault and what stays in the vault."""
    ink, art, rate = number(inputs, "ink"), number(inputs, "art"), number(inputs, "rate", 1.0)
    chop = number(inputs, "chop", 1.0)
    room = min(number(inputs, "hole_room", np.inf), number(inputs, "global_room", np.inf))
    part = auctioned_debt(art, rate, chop, room, number(inputs, "dust", 0.0))
    lot = ink * part / art if part > 0.0 else 0.0
    if lot <= 0.0:
        return {"ok": False}
    tab = part * rate * chop
    return {
        "ok": True,
        "tab": tab,
        "lot": lot,
        "ink": ink - lot,
        "art": art - part,
        "top": starting_price(number(inputs, "price", 0.0), number(inputs, "buf", 1.0)),
        "incentive": keeper_reward(number(inputs, "tip", 0.0), number(inputs, "chip", 0.0), tab),
    }


@adapter("maker_take")
def maker_take(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What one bid buys, and the auction after it: an auction without debt or collateral is over and empty."""
    price = _price(inputs)
    tab, lot = number(inputs, "tab"), number(inputs, "lot")
    if _needs_restart(inputs, price) or falls_short(number(inputs, "max_price", np.inf), price, price):
        return {"ok": False, "price": price}
    bought, paid = bid_taken(tab, lot, price, number(inputs, "amt", np.inf), number(inputs, "chost", 0.0))
    if bought < 0.0:
        return {"ok": False, "price": price}
    left, owed = lot - bought, tab - paid
    over = left <= 0.0 or owed <= 0.0
    return {
        "ok": True,
        "price": price,
        "taken": bought,
        "paid": paid,
        "tab": 0.0 if over else owed,
        "lot": 0.0 if over else left,
        "lot_returned": left if owed <= 0.0 else 0.0,
    }
