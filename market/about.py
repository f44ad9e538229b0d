"""Where a venue's rules come from, and what they leave out."""

from __future__ import annotations

from typing import Literal

from market.parameters import parameters

Property = Literal["collateral", "haircuts", "tiers", "hedge"]


@parameters
class About:
    """Whose rules these are."""

    name: str = ""
    """Name of the venue; empty when the rules are a scenario's own."""
    summary: str = ""
    """Its rules in one line."""
    as_of: str = ""
    """Time whose rules and numbers these are: a year, a month or a date."""
    sources: tuple[str, ...] = ()
    """Documents and repositories they were taken from."""
    leaves_out: tuple[str, ...] = ()
    """What the venue does and these rules do not."""
    holds: tuple[Property, ...] = ()
    """What can be relied on: more collateral never lowers the margin excess; haircuts never fall with size;
    requirements make no jump at a tier; a perfect hedge never needs more than its legs."""

    def sentences(self) -> list[str]:
        """Whose rules and what they leave out, for readers; empty when they are a scenario's own."""
        if not self.name:
            return []
        of_when = f", as of {self.as_of}" if self.as_of else ""
        what = f": {self.summary.rstrip('.')}" if self.summary else ""
        said = [f"Rules of {self.name}{of_when}{what}."]
        if self.leaves_out:
            said.append(f"Left out: {'; '.join(text.rstrip('.') for text in self.leaves_out)}.")
        return said
