"""How far a sale moves a price, as a share of the price before: the laws that fire-sale models use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from experiments.network.inputs import Array, number
from market.errors import InputError


def exponential(sold_share: ArrayLike, rate: float) -> Array:
    """Fall of the price when this share of the whole supply is sold: 1 - exp(-rate x share).

    Selling in parts falls as far as selling at once. Cifuentes, Ferrucci and Shin (2005), Journal of the European
    Economic Association 3, 556-566; Caccioli, Shrestha, Moore and Farmer (2014), Journal of Banking and Finance 46,
    233-245.
    """
    return -np.expm1(-number("rate", rate, low=0.0) * _amounts("sold_share", sold_share))


def exponential_rate(*, fall: float, sold_share: float) -> float:
    """Rate at which selling `sold_share` of the supply makes the price fall by `fall`, both in [0, 1)."""
    share = number("sold_share", sold_share, low=np.finfo(np.float64).tiny, high=1.0)
    return float(-np.log1p(-number("fall", fall, low=0.0, high=1.0 - 1e-12)) / share)


def market_depth(*, daily_volume_usd: float, daily_volatility: float, days: float, factor: float = 0.4) -> float:
    """Market depth D, USD: factor x daily volume / daily volatility x sqrt(days).

    A sale of `days` moves the price by sale / D while it is small. Cont and Schaanning (2017), Norges Bank working
    paper 2/2017.
    """
    if daily_volatility <= 0.0:
        raise InputError(f"daily_volatility: {daily_volatility!r} is not above 0")
    volume = number("daily_volume_usd", daily_volume_usd, low=0.0)
    return number("factor", factor, low=0.0) * volume / daily_volatility * float(np.sqrt(days))


def floored(sold_usd: ArrayLike, *, depth_usd: float, price: float, floor: float) -> Array:
    """Fall of the price when USD are sold into a market that buys without limit at `floor`, in units of `price`.

    (1 - floor / price) (1 - exp(-sold / scale)), scale = (1 - floor / price) depth: linear at first, never below the
    floor. Cont and Schaanning (2017). Raises InputError unless 0 <= floor <= price and depth is above 0.
    """
    price = number("price", price, low=np.finfo(np.float64).tiny)
    room = 1.0 - number("floor", floor, low=0.0, high=price) / price
    depth = number("depth_usd", depth_usd, low=np.finfo(np.float64).tiny)
    if room == 0.0:
        return np.zeros_like(_amounts("sold_usd", sold_usd))
    return -room * np.expm1(-_amounts("sold_usd", sold_usd) / (room * depth))


def _amounts(name: str, value: ArrayLike) -> Array:
    found = np.asarray(value, np.float64)
    if not np.isfinite(found).all() or (found < 0.0).any():
        raise InputError(f"{name}: not all finite and at least 0")
    return found
