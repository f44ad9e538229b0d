"""Correlated log prices with stochastic volatility, jumps, a macro factor and a crash regime.

Between jumps the log price of asset i moves by

    drift_i dt + volatility_i s_t (l_i dF + sqrt(1 - l_i^2) dW_i),

F the macro factor, l_i the asset's loading on it (two assets correlate by the product of their loadings) and s_t a
common volatility level whose logarithm is the sum of a slow and a fast Ornstein-Uhlenbeck process, E[s^2] = 1: two
half-lives are the cheapest stand-in for the slow decay of |return| autocorrelations. Jumps come as compound Poisson
processes with double-exponential sizes (Kou, "A jump-diffusion model for option pricing", Management Science 2002),
one common to all assets and one per asset. A two-state Markov chain switches to a crash: volatility is multiplied,
loadings rise, prices drift down.

Defaults are set by eye to summary statistics of Binance 5-minute bars: annual volatility of BTC in quiet months 0.25
(July 2023), 0.31 (August 2025), 0.46 (April 2022), 0.74 (early May 2021); mean pairwise correlation 0.52 to 0.70 in
those months and 0.84 on 2021-05-19; Hill exponents 2.7 to 3.5; autocorrelation of |return| 0.20 to 0.37 at 5 minutes,
0.10 to 0.27 at one hour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from market.parameters import (
    AnnualVolatility,
    LogReturn,
    PerYear,
    Positive,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Seconds,
    Share,
    SignedPerYear,
    SignedShare,
    parameters,
)
from market.reference.jumps import JumpLaw
from market.reference.model_path import ModelPath, ModelState
from market.streams import Streams


@parameters
class ModelAsset:
    """One asset of the model."""

    symbol: str
    """Name of the asset."""
    price: PositiveUsd
    """Price at tick 0."""
    volatility: AnnualVolatility
    """Annual volatility of the log price outside crashes and jumps."""
    macro_loading: Share = 0.85
    """Correlation with the macro factor outside crashes; 0 for a stablecoin."""
    beta: Ratio = 1.0
    """Size of common and own jumps and of the crash drift, as a multiple of the model's."""
    drift: SignedPerYear = 0.0
    """Expected change of the log price per year outside crashes and jumps."""
    reversion_half_life_seconds: Seconds = 0.0
    """Time in which half of the log distance from the start price is undone; 0: it is never undone."""


@parameters
class ModelPrices:
    """Simulated reference prices: stochastic volatility, jumps and crashes."""

    kind: Literal["model"] = "model"
    """Tells the classes of reference prices apart."""
    assets: tuple[ModelAsset, ...] = (
        ModelAsset(symbol="BTC", price=60_000.0, volatility=0.55, macro_loading=0.88),
        ModelAsset(symbol="ETH", price=3_000.0, volatility=0.75, macro_loading=0.88, beta=1.4),
        ModelAsset(symbol="SOL", price=150.0, volatility=1.0, macro_loading=0.80, beta=2.0),
    )
    """The assets, in the order of the price vector."""
    slow_spread: Ratio = 0.45
    """Standard deviation of the slow part of log volatility."""
    slow_half_life_seconds: PositiveSeconds = 86_400.0
    """Half-life of the slow part."""
    fast_spread: Ratio = 0.40
    """Standard deviation of the fast part of log volatility."""
    fast_half_life_seconds: PositiveSeconds = 1_800.0
    """Half-life of the fast part."""
    common_jumps_per_year: PerYear = 700.0
    """Jumps that hit every asset at once, by its beta."""
    own_jumps_per_year: PerYear = 350.0
    """Jumps of each asset alone."""
    jump_up_share: Share = 0.45
    """Share of jumps that go up."""
    jump_up_mean: Positive = 0.004
    """Mean log size of a jump up, for a beta of 1."""
    jump_down_mean: Positive = 0.005
    """Mean log size of a jump down, for a beta of 1."""
    crashes_per_year: PerYear = 1.5
    """Rate at which a crash begins in quiet times (seven between 2020 and 2025: March 2020, May 2021, ...)."""
    crash_duration_seconds: PositiveSeconds = 7_200.0
    """Mean length of a crash (exponential); exact length of a scheduled one."""
    crash_log_return: LogReturn = -0.20
    """Change of the log price over a crash of mean length, for a beta of 1 (BTC: -0.37 on 2021-05-19, all told)."""
    crash_volatility_multiplier: Ratio = 5.0
    """Volatility in a crash over volatility outside (BTC: 7.7 on 2021-05-19, 3.2 in May 2022)."""
    crash_correlation_rise: Share = 0.7
    """In a crash a correlation c becomes c^(1 - this): 0.52 becomes 0.82 (0.84 on 2021-05-19)."""
    crash_at_seconds: Seconds | None = None
    """A crash that begins at this time in every run; none when left out."""
    jump_rate_tilt: Positive = 1.0
    """Common jumps are drawn at this multiple of their rate; results must be weighted by the likelihood ratio."""
    jump_size_tilt: SignedShare = 0.0
    """Exponential tilt of common jump sizes, -1 < tilt < 1: above 0 falls become larger and more frequent."""
    crash_rate_tilt: Positive = 1.0
    """Crashes are drawn at this multiple of their rate."""

    def __post_init__(self) -> None:
        symbols = [asset.symbol for asset in self.assets]
        if not symbols:
            raise ValueError("assets: at least one is needed")
        if len(set(symbols)) != len(symbols):
            raise ValueError(f"assets: every symbol may stand once, not {', '.join(symbols)}")
        if abs(self.jump_size_tilt) >= 1.0:
            raise ValueError(f"jump_size_tilt must lie strictly between -1 and 1, not {self.jump_size_tilt}")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Assets in the order of the price vector."""
        return tuple(asset.symbol for asset in self.assets)

    def own_jump_law(self) -> JumpLaw:
        """Size law of an asset's own jumps, never tilted."""
        return JumpLaw(up_share=self.jump_up_share, up_mean=self.jump_up_mean, down_mean=self.jump_down_mean)

    def jump_law(self) -> JumpLaw:
        """Size law of common jumps, with its tilt."""
        return replace(self.own_jump_law(), tilt=self.jump_size_tilt)

    def path(
        self,
        *,
        streams: Streams,
        tick_seconds: float,
        state: ModelState | None = None,
        proposal: ModelPrices | None = None,
    ) -> ModelPath:
        """The path of these prices; from `state` onwards, if one is given, with the draws of `streams`.

        Its likelihood ratio is that of `proposal`'s tilts where another law is named, else of its own.
        """
        return ModelPath(model=self, streams=streams, tick_seconds=tick_seconds, state=state, proposal=proposal)
