"""Common holdings: how alike portfolios are, and what it costs the others when one of them sells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from experiments.network.inputs import Array, Matrix, Sparse, matrix, vector
from market.errors import InputError


def cosine_overlap(holdings: Matrix) -> Sparse:
    """csr_array[n, n]: cosine of the angle between portfolios; 1: the same mix, 0: nothing in common, -1: opposites.

    `holdings` [n, m] in USD, signed. Portfolios without anything have overlap 0 with all, themselves included. Where
    all hold one asset, n^2 figures of 12 bytes; `mean_overlap` needs none of them.
    """
    unit = _directions(holdings)
    return sparse.csr_array(unit @ unit.T)


def mean_overlap(holdings: Matrix) -> Array:
    """float64[n]: mean of `cosine_overlap` with all others; 0 for who is alone."""
    unit = _directions(holdings)
    n = unit.shape[0]
    together = unit @ np.asarray(unit.sum(axis=0), np.float64).ravel()
    own = np.asarray(unit.multiply(unit).sum(axis=1), np.float64).ravel()
    found: Array = (together - own) / max(1, n - 1)
    return found


def _directions(holdings: Matrix) -> Sparse:
    held = matrix("holdings", holdings, signed=True)
    norm = np.sqrt(np.asarray(held.multiply(held).sum(axis=1), np.float64)).ravel()
    scale = np.divide(1.0, norm, out=np.zeros(len(norm)), where=norm > 0.0)
    return sparse.csr_array(sparse.diags_array(scale) @ held)


def liquidity_overlap(holdings: Matrix, depth_usd: ArrayLike) -> Sparse:
    """csr_array[n, n], USD: what `i` loses when `j` sells all it holds, or the other way round, to first order.

    Sum over assets of holding x holding / depth; `holdings` [n, m] in USD, signed, `depth_usd` float64[m] above 0: USD
    whose sale takes the whole price, to first order. Cont and Schaanning (2019), Journal of Banking and Finance 104.
    """
    held = matrix("holdings", holdings, signed=True)
    depth = vector("depth_usd", depth_usd, held.shape[1])
    if depth.size and depth.min() <= 0.0:
        raise InputError(f"depth_usd: {depth.min():g} is not above 0")
    return sparse.csr_array(held @ sparse.diags_array(1.0 / depth) @ held.T)


@dataclass(frozen=True, kw_only=True)
class Spillover:
    """One round of forced sales by banks that keep their leverage; losses and falls are negative."""

    returns: Array
    """float64[n]: return of every portfolio in the shock."""
    sales_usd: Array
    """float64[m]: what all sell of each asset; negative when sold."""
    price_returns: Array
    """float64[m]: what the sales do to prices."""
    losses_usd: Array
    """float64[n]: what that does to every portfolio."""
    indirect_vulnerability: Array
    """float64[n]: the same per dollar of the bank's equity."""
    systemicness: Array
    """float64[n]: all losses that the sales of each bank make, per dollar of all equity; they add up to the next."""
    aggregate_vulnerability: float
    """All losses per dollar of all equity, without the shock's own."""


def leverage_targeting(
    *,
    assets: ArrayLike,
    weights: Matrix,
    leverage: ArrayLike,
    price_impact: ArrayLike,
    shock: ArrayLike,
    equity: ArrayLike,
) -> Spillover:
    """Banks sell in proportion to what they hold until debt / equity is again what it was.

    `assets` float64[n] USD; `weights` [n, m] share of each asset in the portfolio; `leverage` float64[n] debt / equity;
    `price_impact` float64[m] return per USD sold; `shock` float64[m] return; `equity` float64[n] USD. Linear: sales
    A B R are not capped at what is held. Greenwood, Landier and Thesmar (2015), Journal of Financial Economics
    115, 471-485.
    """
    mix = matrix("weights", weights)
    n, m = mix.shape
    size, debt, worth = (
        vector(name, value, n) for name, value in (("assets", assets), ("leverage", leverage), ("equity", equity))
    )
    if n and worth.min() <= 0.0:
        raise InputError(f"equity: {worth.min():g} is not above 0")
    moves = vector("price_impact", price_impact, m)
    returns = np.asarray(mix @ vector("shock", shock, m, signed=True), np.float64)
    sold = size * debt * returns
    sales = np.asarray(mix.T @ sold, np.float64)
    price_returns = moves * sales
    losses = size * (mix @ price_returns)
    # What one dollar sold in each bank's own mix costs everybody.
    cost = np.asarray(mix @ (moves * (mix.T @ size)), np.float64)
    return Spillover(
        returns=returns,
        sales_usd=sales,
        price_returns=price_returns,
        losses_usd=losses,
        indirect_vulnerability=losses / worth,
        systemicness=sold * cost / worth.sum(),
        aggregate_vulnerability=float(losses.sum() / worth.sum()),
    )
