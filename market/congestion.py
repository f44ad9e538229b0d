"""The shared blocks of a run: what waits for block space, what it costs, how long it waited.

A block is made at the end of a liquidation round (phase 4). Keepers' calls act in it; oracle updates and top-ups that
it takes act from the next tick on: updates in phase 1, before oracles send off new ones, top-ups when traders decide.
Trading itself is not on the chain.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.block_space import BlockSpace, OwnBlocks, Sender, SharedBlocks
from market.instruments import USD_QUANTA
from market.kernels.blocks import seal

if TYPE_CHECKING:
    from market.world import World

QUANTA_PER_GAS = USD_QUANTA / 1e6
"""USD per million gas -> USD quanta per gas."""
PERCENTILES = (50, 90, 99)


class Congestion:
    """Block space that everybody shares, in one world. `world.blocks` BLOCK[1] is the part that kernels see."""

    def __init__(self, rules: SharedBlocks, world: World) -> None:
        self.rules = rules
        self._block = world.blocks
        _fill(world.blocks[0], rules)
        per_tick = 1 + math.ceil(world.tick_seconds / rules.block_seconds)
        self._noise = world.streams.stream("blocks", width=per_tick, kind="normal")
        self._weight = 1.0 - 0.5 ** (world.tick_seconds / rules.crowding_halflife_seconds)
        self._slow = world.assets["reference"].astype(np.float64)
        self._crowd = 1.0
        self._posted = np.zeros(len(world.assets), np.int64)
        """Prices that wait for a block, in asset ticks; 0: none."""
        self._bands = np.zeros((2, len(world.assets)), np.int64)
        """ppm: the confidence of those that wait, and of those that have landed."""
        self._posted_at = np.zeros(len(world.assets), np.int64)
        self._landed = np.zeros(len(world.assets), np.int64)
        self._queue: deque[list[int]] = deque()
        """Top-ups that wait, oldest first: [block they came before, how many]."""
        self._top_ups_landed = 0
        self._number = 0
        self.base_fees: list[float] = []
        """Base fee that each block charged, USD per million gas."""
        self.fills: list[float] = []
        """Part of each block's capacity that was used."""
        self.oracle_waits: list[int] = []
        """Blocks from sending off to the one that took it, for each oracle update; 1 is the next block."""
        self.top_up_waits: list[int] = []
        """The same for each top-up."""
        self.call_fees = 0
        """Base fees that keepers paid, USD quanta."""

    # --- phase 1 and 2 -----------------------------------------------------------------------------

    def land(self, world: World) -> None:
        """Let the oracle updates of the last tick's blocks act, and see how far prices have moved."""
        landed = self._landed > 0
        if landed.any():
            world.assets["price"][landed] = self._landed[landed]
            world.assets["confidence"][landed] = self._bands[1, landed]
            self._landed[:] = 0
        reference = world.assets["reference"]
        self._slow += self._weight * (reference - self._slow)
        self._crowd = 1.0 + self.rules.crowding * float(np.abs(reference / self._slow - 1.0).max())

    def post(self, assets: NDArray[np.int32], prices: NDArray[np.int64], bands: NDArray[np.int64]) -> None:
        """Send off updates of these assets' prices and confidence; one that still waits is replaced, keeps its turn."""
        self._posted_at[assets] = np.where(self._posted[assets] > 0, self._posted_at[assets], self._number)
        self._posted[assets] = prices
        self._bands[0, assets] = bands

    def take_top_ups(self) -> int:
        """How many top-ups the blocks of the last tick have taken; they are carried out now, the oldest first."""
        taken, self._top_ups_landed = self._top_ups_landed, 0
        return taken

    def queue_top_ups(self, waiting: int) -> None:
        """Say how many top-ups are due and have not been taken: those that are new queue up."""
        new = waiting - sum(count for _, count in self._queue)
        if new > 0:
            self._queue.append([self._number, new])

    # --- phase 4 -----------------------------------------------------------------------------------

    def open(self, world: World, *, round_: int) -> None:
        """Start a block: who waits, what they offer, how much everybody else wants."""
        block, rules = self._block[0], self.rules
        sigma = rules.others_noise
        noise = math.exp(sigma * float(self._noise.row(world.tick)[round_]) - 0.5 * sigma * sigma)
        block["others"] = rules.others * rules.capacity_gas * self._crowd * noise
        block["calls"] = block["calls_before_oracle"] = block["calls_before_top_ups"] = 0
        block["call_fee"] = math.ceil(float(block["base_fee"]) * rules.call_gas)
        waiting = self._posted > 0
        first = int(self._posted_at[waiting].min(initial=self._number))
        block["oracle_waiting"] = int(waiting.sum())
        block["oracle_tip"] = self._tip(rules.oracle, self._number - first)
        first = self._queue[0][0] if self._queue else self._number
        block["top_ups_waiting"] = sum(count for _, count in self._queue)
        block["top_up_tip"] = self._tip(rules.top_up, self._number - first)

    def _tip(self, sender: Sender, waited: int) -> float:
        """USD quanta per gas that the oldest transaction of a kind, and with it all of them, offers now."""
        offered = sender.tip_usd_per_mgas * (1.0 + sender.escalation) ** min(waited, 500)
        room = sender.most_usd_per_mgas * QUANTA_PER_GAS - float(self._block["base_fee"][0])
        return min(offered * QUANTA_PER_GAS, room)

    def seal(self) -> None:
        """End the block: the updates and top-ups it takes will act, the base fee moves."""
        block = self._block[0]
        self.base_fees.append(float(block["base_fee"]) / QUANTA_PER_GAS)
        self.call_fees += int(block["calls"]) * int(block["call_fee"])
        seal(self._block)
        self.fills.append(float(block["used"]) / self.rules.capacity_gas)
        self._number += 1
        self._land_updates(int(block["oracle_taken"]))
        self._land_top_ups(int(block["top_ups_taken"]))

    def _land_updates(self, count: int) -> None:
        """Those that have waited longest, then in the order of the assets."""
        waiting = np.flatnonzero(self._posted > 0)
        taken = waiting[np.argsort(self._posted_at[waiting], kind="stable")][:count]
        self._landed[taken] = self._posted[taken]
        self._bands[1, taken] = self._bands[0, taken]
        self._posted[taken] = 0
        self.oracle_waits.extend((self._number - self._posted_at[taken]).tolist())

    def _land_top_ups(self, count: int) -> None:
        """First come, first served."""
        self._top_ups_landed += count
        while count > 0:
            came, waiting = self._queue[0]
            taken = min(waiting, count)
            self.top_up_waits.extend([self._number - came] * taken)
            count -= taken
            self._queue[0][1] -= taken
            if taken == waiting:
                self._queue.popleft()

    # --- what it has cost --------------------------------------------------------------------------

    def costs(self) -> dict[str, float | int | None]:
        """What block space has cost so far, by name; every name ends in its unit. None where nothing was sent."""
        seconds = self.rules.block_seconds
        fees, fills = np.array(self.base_fees or [0.0]), np.array(self.fills or [0.0])
        made: dict[str, float | int | None] = {
            "block_count": self._number,
            "block_fill_share": float(fills.mean()),
            "full_block_share": float((fills > 1.0 - 1e-9).mean()),
            "base_fee_median_usd_per_mgas": float(np.median(fees)),
            "base_fee_largest_usd_per_mgas": float(fees.max()),
            "keeper_base_fees_usd": self.call_fees / USD_QUANTA,
        }
        still = {"oracle_update": int((self._posted > 0).sum()), "top_up": sum(count for _, count in self._queue)}
        for name, waits in (("oracle_update", self.oracle_waits), ("top_up", self.top_up_waits)):
            made[f"{name}_count"] = len(waits)
            made[f"{name}_still_waiting_count"] = still[name]
            for percentile in PERCENTILES:
                value = np.percentile(waits, percentile, method="inverted_cdf") * seconds if waits else None
                made[f"{name}_wait_p{percentile}_seconds"] = None if value is None else float(value)
        return made


def congestion(rules: BlockSpace, world: World) -> Congestion | None:
    """The shared blocks of a world; None when liquidation calls have blocks of their own."""
    return None if isinstance(rules, OwnBlocks) else Congestion(rules, world)


def _fill(block: np.void, rules: SharedBlocks) -> None:
    """Write what does not change, and the base fee at the start."""
    block["limit"], block["call_gas"] = rules.capacity_gas, rules.call_gas
    block["oracle_gas"], block["top_up_gas"] = rules.oracle.gas, rules.top_up.gas
    block["base_fee"] = rules.base_fee_usd_per_mgas * QUANTA_PER_GAS
    block["least_base_fee"] = rules.least_base_fee_usd_per_mgas * QUANTA_PER_GAS
    block["others_median"] = rules.others_fee_usd_per_mgas * QUANTA_PER_GAS
    block["others_sigma"] = rules.others_fee_sigma
    block["target"], block["step"] = rules.target * rules.capacity_gas, rules.base_fee_step
