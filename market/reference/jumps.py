"""Compound Poisson jumps with double-exponential sizes, their exponential tilt and what it weighs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from market.streams import BLOCK_TICKS


@dataclass(frozen=True, kw_only=True)
class JumpLaw:
    """Log size of a jump: up with probability `up_share`, exponential with mean `up_mean` or `down_mean`.

    A tilt a in (-1, 1) multiplies the density by exp(-theta x) / E[exp(-theta x)], theta being the share a of the
    largest value for which that mean exists. The tilted law is double-exponential again; a > 0 makes falls larger
    and more frequent (Kou, "A jump-diffusion model for option pricing", Management Science 2002).
    """

    up_share: float
    up_mean: float
    down_mean: float
    tilt: float = 0.0

    @property
    def theta(self) -> float:
        """Exponential tilt, per unit of log return."""
        return self.tilt / (self.down_mean if self.tilt > 0.0 else self.up_mean)

    @property
    def normaliser(self) -> float:
        """E[exp(-theta x)] under the nominal law; exactly 1 without a tilt."""
        if self.tilt == 0.0:
            return 1.0
        up = self.up_share / (1.0 + self.theta * self.up_mean)
        return up + (1.0 - self.up_share) / (1.0 - self.theta * self.down_mean)

    def tilted(self) -> JumpLaw:
        """The law that sizes are drawn from."""
        up_stretch = 1.0 + self.theta * self.up_mean
        return JumpLaw(
            up_share=self.up_share / up_stretch / self.normaliser,
            up_mean=self.up_mean / up_stretch,
            down_mean=self.down_mean / (1.0 - self.theta * self.down_mean),
        )

    def log_ratio(self, size: float) -> float:
        """log(nominal / tilted density) of log size `size`."""
        return math.log(self.normaliser) + self.theta * size

    def size(self, *, side: float, magnitude: float) -> float:
        """Log size from a uniform `side` and an exponential `magnitude` of mean 1."""
        return self.up_mean * magnitude if side < self.up_share else -self.down_mean * magnitude


def jumps_of_block(generator: np.random.Generator, *, rate: float) -> Iterator[tuple[int, float, float]]:
    """Tick within the block, side (uniform) and magnitude (exponential) of each jump; `rate` is per tick.

    A Poisson process forgets, so every block may start its clock anew.
    """
    at = 0.0
    while rate > 0.0:
        at += generator.standard_exponential() / rate
        if at >= BLOCK_TICKS:
            return
        yield int(at), generator.random(), generator.standard_exponential()
