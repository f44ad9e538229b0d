"""Standard margin of options, position by position; what it does is in market/kernels/rules/option_margin.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.rules.option_margin import STANDARD
from market.parameters import Ratio, Share, parameters


@parameters
class OptionRequirement:
    """What an option needs by itself, as shares of the index; defaults are those of Deribit's standard margin.

    A short one needs this beyond its value, which is a debt already.
    """

    initial: Share = 0.15
    """Initial margin of a short option at the money; the out-of-the-money share is taken off ..."""
    least_initial: Share = 0.10
    """... down to this."""
    call_maintenance: Share = 0.075
    """Maintenance margin of a short call."""
    put_maintenance: Share = 0.075
    """Maintenance margin of a short put ..."""
    put_maintenance_of_mark: Share = 0.075
    """... or this share of its mark, whichever is more."""
    put_initial_factor: Ratio = 1.0
    """Initial margin of a short put is at least this multiple of its maintenance margin."""
    long_value: Share = 0.0
    """Share of a long option's value that counts as margin equity."""

    def record(self) -> NDArray[np.void]:
        """STANDARD[1]."""
        rule = np.zeros(1, STANDARD)
        rule["highest"], rule["lowest"] = self.initial, self.least_initial
        rule["call_rate"], rule["put_rate"] = self.call_maintenance, self.put_maintenance
        rule["put_mark_rate"], rule["put_factor"] = self.put_maintenance_of_mark, self.put_initial_factor
        return rule
