"""Block space as data: whether liquidation calls have blocks of their own or share them with everybody on a chain.

What a shared block does in a step is in `market/congestion.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from market.parameters import PositiveSeconds, Ratio, Share, parameters

Gas = Annotated[int, Field(ge=1, json_schema_extra={"unit": "gas"})]
GasPrice = Annotated[float, Field(ge=0.0, json_schema_extra={"unit": "USD per million gas"})]
PositiveGasPrice = Annotated[float, Field(gt=0.0, json_schema_extra={"unit": "USD per million gas"})]


@parameters
class OwnBlocks:
    """Every liquidation round is a block of its own that holds `liquidation.calls_per_round` calls and nothing else."""

    kind: Literal["own"] = "own"
    """Name of the rule."""
    block_seconds = 0.0


@parameters
class Sender:
    """What one kind of transaction needs and offers."""

    gas: Gas = 80_000
    """Block space of one."""
    tip_usd_per_mgas: GasPrice = 20.0
    """Priority fee it offers at first."""
    escalation: Share = 0.125
    """It raises that offer by this share for every block it has waited."""
    most_usd_per_mgas: PositiveGasPrice = 1_000.0
    """It pays no more than this, base fee and priority fee together, and waits while the base fee alone is more."""


@parameters
class SharedBlocks:
    """Liquidation calls, oracle updates, top-ups and everybody else compete for the blocks of one chain (EIP-1559).

    Every transaction pays the base fee, and the block takes those that offer the highest priority fee on top of it. The
    base fee rises after a block that is fuller than the target and falls after one that is emptier. A keeper's bid is
    its call's priority fee. Defaults are those of Ethereum at 20 gwei and 3,000 USD per ETH.
    """

    kind: Literal["shared"] = "shared"
    """Name of the rule."""
    block_seconds: PositiveSeconds = 12.0
    """Time between blocks; it takes the place of `liquidation.round_seconds`."""
    capacity_gas: Gas = 30_000_000
    """Gas that a block holds."""
    target: Annotated[float, Field(gt=0.0, lt=1.0, json_schema_extra={"unit": "share"})] = 0.5
    """Part of its capacity at which the base fee stays as it is."""
    base_fee_usd_per_mgas: PositiveGasPrice = 60.0
    """Base fee at the start."""
    least_base_fee_usd_per_mgas: PositiveGasPrice = 0.1
    """It falls no lower."""
    base_fee_step: Share = 0.125
    """Change of the base fee after a block filled to twice its target; in proportion for others, and never more."""
    call_gas: Gas = 600_000
    """Block space of a liquidation call."""
    oracle: Sender = Sender()
    """Update of one asset's price; a newer price takes the place of one that waits."""
    top_up: Sender = Sender(tip_usd_per_mgas=5.0, most_usd_per_mgas=500.0)
    """Transfer of one trader's top-up to the venue; the trader pays its fees elsewhere."""
    others: Ratio = 1.0
    """Mean demand of everybody else in a calm block, whatever the fee, as a multiple of its capacity."""
    others_noise: Ratio = 0.2
    """Spread of that demand from block to block: standard deviation of the logarithm."""
    others_fee_usd_per_mgas: PositiveGasPrice = 60.0
    """Median of what the others would pay, base fee and priority fee together."""
    others_fee_sigma: Annotated[float, Field(gt=0.0, json_schema_extra={"unit": "1"})] = 1.5
    """Spread of what they would pay: standard deviation of the logarithm."""
    crowding: Ratio = 20.0
    """Growth of the others' demand per unit of distance of a reference price from its slow average."""
    crowding_halflife_seconds: PositiveSeconds = 3_600.0
    """Half-life of that slow average."""


BlockSpace = Annotated[OwnBlocks | SharedBlocks, Field(discriminator="kind")]
