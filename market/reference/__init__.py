"""Reference prices: the outside world's price of every asset in USD, as float64; the engine rounds them to ticks.

A *reference model* is a parameter class; its `path` gives an object whose `row(tick)` is the price vector of a tick,
shape (n_assets,), a pure function of (parameters, seed, tick): any tick may be asked for in any order. Tick 0 is the
start, tick t lies at t * tick_seconds. Permanent impact is the caller's: price = row(tick) * exp(impact).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from market.reference.anchors import AnchoredAsset, AnchoredPath
from market.reference.bars import Bars
from market.reference.model import ModelAsset, ModelPrices
from market.reference.model_path import ModelPath, ModelState
from market.reference.path import ReferencePath, TablePath
from market.reference.replay import ReplayPath, ReplayPrices

ReferenceModel = Annotated[ModelPrices | AnchoredPath | ReplayPrices, Field(discriminator="kind")]

__all__ = [
    "AnchoredAsset",
    "AnchoredPath",
    "Bars",
    "ModelAsset",
    "ModelPath",
    "ModelPrices",
    "ModelState",
    "ReferenceModel",
    "ReferencePath",
    "ReplayPath",
    "ReplayPrices",
    "TablePath",
]
