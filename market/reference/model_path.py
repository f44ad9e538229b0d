"""The path of `ModelPrices`: blocks of ticks computed from the state at their start and handed out row by row.

Draws are indexed by tick and asset name: another asset, or a crash that is switched off, moves no other draw. The
states at block starts are kept (a few numbers per 256 ticks), so going back costs one block.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.reference.jumps import jumps_of_block
from market.reference.model_law import TickLaw, recursion
from market.reference.path import check_tick_seconds
from market.streams import BLOCK_TICKS, Streams

if TYPE_CHECKING:
    from market.reference.model import ModelPrices

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Everything the future of a path depends on, at the end of `tick`."""

    tick: int
    displacement: tuple[float, ...]
    """log(price / start price) per asset."""
    slow: float
    """Slow part of log volatility, mean 0."""
    fast: float
    """Fast part of log volatility, mean 0."""
    crash: bool
    log_likelihood_ratio: float


@dataclass(frozen=True, kw_only=True)
class _Block:
    """One row per tick from `first` on: the state the block starts from, then the ticks computed from it."""

    first: int
    displacement: Array  # [rows, n_assets]
    prices: Array  # [rows, n_assets]
    slow: Array  # [rows]
    fast: Array
    crash: NDArray[np.bool_]
    log_likelihood_ratio: Array

    def state(self, tick: int) -> ModelState:
        row = tick - self.first
        return ModelState(
            tick=tick,
            displacement=tuple(self.displacement[row].tolist()),
            slow=float(self.slow[row]),
            fast=float(self.fast[row]),
            crash=bool(self.crash[row]),
            log_likelihood_ratio=float(self.log_likelihood_ratio[row]),
        )


class ModelPath:
    """Simulated prices without end, from tick 0 or from a given state."""

    def __init__(
        self,
        *,
        model: ModelPrices,
        streams: Streams,
        tick_seconds: float,
        state: ModelState | None = None,
        proposal: ModelPrices | None = None,
    ) -> None:
        """`proposal` differs from `model` in its tilts only: likelihood ratios are told of its law, whatever was drawn.

        That is what a mixture of both needs to know of every path; left out, they are of the law that was drawn from.
        """
        self.model = model
        self._proposal = proposal or model
        self.symbols = model.symbols
        self.last_tick: int | None = None
        self.tick_seconds = check_tick_seconds(tick_seconds)
        self._law = TickLaw(model=model, tick_seconds=self.tick_seconds)
        self._weighed = TickLaw(model=self._proposal, tick_seconds=self.tick_seconds)
        # macro factor, shock to slow volatility, shock to fast volatility
        self._macro = streams.stream("reference/macro", width=3, kind="normal")
        self._regime = streams.stream("reference/regime", width=1, kind="uniform")
        self._own = [streams.stream(f"reference/own/{s}", width=1, kind="normal") for s in self.symbols]
        self._common_jumps = streams.draws_of_blocks("reference/jumps")
        self._own_jumps = [streams.draws_of_blocks(f"reference/jumps/{s}") for s in self.symbols]
        if state is None:
            state = self._start(streams)
        if len(state.displacement) != len(self.symbols):
            raise ValueError(f"state is of {len(state.displacement)} assets, the model has {len(self.symbols)}")
        self._states = [state]
        self._load(0)

    def row(self, tick: int) -> Array:
        """USD prices at `tick`, shape (n_assets,), a view; ValueError before the path's first tick."""
        offset = tick - self._first
        if 0 <= offset < len(self._prices):
            return self._prices[offset]  # type: ignore[no-any-return]
        self._seek(tick)
        return self._prices[tick - self._first]  # type: ignore[no-any-return]

    def log_likelihood_ratio(self, tick: int) -> float:
        """log(nominal / tilted density) of all draws up to `tick`; exactly 0.0 without a tilt."""
        self._seek(tick)
        return float(self._block.log_likelihood_ratio[tick - self._first])

    def in_crash(self, tick: int) -> bool:
        """Whether `tick` belongs to the crash regime."""
        self._seek(tick)
        return bool(self._block.crash[tick - self._first])

    def state(self, tick: int) -> ModelState:
        """The state at the end of `tick`: `model.path(state=...)` goes on from it."""
        self._seek(tick)
        return self._block.state(tick)

    def branch(self, tick: int, streams: Streams) -> ModelPath:
        """A path that begins at `tick` with this one's state and goes on with the draws of `streams`."""
        return ModelPath(
            model=self.model,
            streams=streams,
            tick_seconds=self.tick_seconds,
            state=self.state(tick),
            proposal=self._proposal,
        )

    def _start(self, streams: Streams) -> ModelState:
        """Tick 0: start prices, quiet, both parts of log volatility from their stationary laws."""
        slow, fast = streams.draws("reference/start").at(0).standard_normal(2).tolist()
        return ModelState(
            tick=0,
            displacement=(0.0,) * len(self.symbols),
            slow=slow * self.model.slow_spread,
            fast=fast * self.model.fast_spread,
            crash=False,
            log_likelihood_ratio=0.0,
        )

    def _seek(self, tick: int) -> None:
        """Make a block that holds `tick` the current one."""
        if tick < self._states[0].tick:
            raise ValueError(f"this path of reference prices begins at tick {self._states[0].tick}, not at {tick}")
        while self._states[-1].tick < tick:
            self._load(len(self._states) - 1)
        if not 0 <= tick - self._first < len(self._prices):
            self._load(max(0, bisect_left(self._states, tick, key=lambda state: state.tick) - 1))

    def _load(self, number: int) -> None:
        """Compute the block from the state of that number, and keep the state at its end."""
        self._block = self._compute(self._states[number])
        self._prices = self._block.prices
        self._first = self._block.first
        if number == len(self._states) - 1:
            self._states.append(self._block.state(self._first + len(self._prices) - 1))

    def _compute(self, state: ModelState) -> _Block:
        """The block from `state` to the end of the block of ticks that its next tick belongs to."""
        law = self._law
        index, skip = divmod(state.tick + 1, BLOCK_TICKS)
        macro = self._macro.block(index)[skip:]
        own = np.concatenate([stream.block(index) for stream in self._own], axis=1)[skip:]
        uniforms = self._regime.block(index)[skip:, 0]
        slow = recursion(start=state.slow, decay=law.slow_decay, shocks=macro[:, 1] * law.slow_shock)
        fast = recursion(start=state.fast, decay=law.fast_decay, shocks=macro[:, 2] * law.fast_shock)
        crash = law.regimes(was_crash=state.crash, first=state.tick + 1, uniforms=uniforms)
        moves = law.moves(crash=crash[1:], macro=macro[:, :1], own=own, log_level=(slow + fast)[1:])
        ratios = self._weighed.regime_ratios(crash=crash, first=state.tick + 1)
        self._add_jumps(moves=moves, ratios=ratios, index=index, skip=skip)
        displacement = law.accumulate(start=state.displacement, moves=moves)
        return _Block(
            first=state.tick,
            displacement=displacement,
            prices=law.start_prices * np.exp(displacement),
            slow=slow,
            fast=fast,
            crash=crash,
            log_likelihood_ratio=np.cumsum(np.concatenate(([state.log_likelihood_ratio], ratios))),
        )

    def _add_jumps(self, *, moves: Array, ratios: Array, index: int, skip: int) -> None:
        """Add the jumps of block `index` to `moves`, and to `ratios` what their presence and absence weigh."""
        model, law = self.model, self._law
        tilted, weighed, rate_tilt = model.jump_law().tilted(), self._proposal.jump_law(), self._proposal.jump_rate_tilt
        rate = model.common_jumps_per_year * law.years
        for tick, side, magnitude in jumps_of_block(self._common_jumps(index), rate=rate * model.jump_rate_tilt):
            if tick >= skip:
                size = tilted.size(side=side, magnitude=magnitude)
                moves[tick - skip] += law.beta * size
                ratios[tick - skip] += weighed.log_ratio(size) - math.log(rate_tilt)
        ratios += rate * (rate_tilt - 1.0)
        rate = model.own_jumps_per_year * law.years
        untilted = model.own_jump_law()
        for asset, draws in enumerate(self._own_jumps):
            for tick, side, magnitude in jumps_of_block(draws(index), rate=rate):
                if tick >= skip:
                    moves[tick - skip, asset] += law.beta[asset] * untilted.size(side=side, magnitude=magnitude)
