"""Whether options of one expiry stand together under standard margin."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.kernels.records import OPTION
from market.parameters import parameters

Whole = Annotated[float, Field(ge=1.0, json_schema_extra={"unit": "x"})]
"""At least one: a call without a pair loses as much as its forward can rise."""


@parameters
class OneByOne:
    """Every option needs what it needs by itself (Deribit)."""

    kind: Literal["one_by_one"] = "one_by_one"
    """Name of the rule."""

    def charges(self) -> tuple[float, float] | None:
        """None: no charge, since nothing stands together."""
        return None


@parameters
class LargestLoss:
    """The options of one expiry need no more than they can lose at expiry, whatever the settlement price (Derive).

    The payoff is taken at zero and at every strike. Calls short beyond those that are long lose without bound: each
    adds a multiple of its forward. Options stand together that have asset, currency, expiry and forward in common.
    """

    kind: Literal["largest_loss"] = "largest_loss"
    """Name of the rule."""
    unpaired_initial: Whole = 1.2
    """Multiple of the forward for every call without a pair: initial margin."""
    unpaired_maintenance: Whole = 1.1
    """The same for maintenance margin."""

    def charges(self) -> tuple[float, float] | None:
        """Multiples of the forward for a call without a pair: initial, maintenance."""
        return self.unpaired_initial, self.unpaired_maintenance


ExpiryRule = Annotated[OneByOne | LargestLoss, Field(discriminator="kind")]


def write_expiries(rules: list[ExpiryRule], records: NDArray[np.void]) -> None:
    """Number the groups of options in INSTRUMENT records from 1, by the rule of each row, and write their charges."""
    charges = [rule.charges() for rule in rules]
    rows = [row for row in np.flatnonzero(records["kind"] == OPTION).tolist() if charges[row] is not None]
    groups: dict[tuple[float, ...], int] = {}
    for row in rows:
        record = records[row]
        key = tuple(float(record[name]) for name in ("base", "quote", "expiry", "forward"))
        record["expiry_group"] = groups.setdefault(key, len(groups) + 1)
        record["unpaired_initial"], record["unpaired_maintenance"] = charges[row] or (0.0, 0.0)
