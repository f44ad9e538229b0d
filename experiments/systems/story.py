"""What happened on several venues, in sentences and one table: the page and the command line say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.report.words import MISSING, count, known, listed, money

if TYPE_CHECKING:
    from experiments.measures import Kpis
    from experiments.systems.result import SystemResult

VENUE_COLUMNS = ("venue", "liquidations", "accounts", "closed by force", "bad debt", "borne by", "amplification")
NUMBERS = (1, 2, 3, 4, 6)
"""Columns of numbers."""

_PAYERS = {
    "bad_debt_fund_usd": "fund",
    "bad_debt_adl_usd": "ADL",
    "bad_debt_socialised_usd": "everybody",
    "bad_debt_uncovered_usd": "nobody",
    "bad_debt_still_open_usd": "still open",
}


def headline(result: SystemResult) -> str:
    """The one line on top."""
    kpis, struck = result.kpis, [name for name, one in result.venues.items() if one.kpis["liquidation_count"]]
    if not struck:
        return f"Nobody was liquidated on {count(len(result.venues), 'venue')}"
    where = f"on {listed(struck)}" if len(struck) < len(result.venues) else f"across {count(len(struck), 'venue')}"
    liquidated = count(int(number(kpis, "liquidated_account_count")), "account")
    first = f"{liquidated} liquidated {where}, {money(number(kpis, 'liquidated_notional_usd'))} closed by force"
    debt = number(kpis, "bad_debt_usd")
    rest = f"bad debt of {money(debt)}" if debt > 0.0 else "no bad debt"
    return f"{first}; {rest}. {' '.join(falls(result))}".strip()


def falls(result: SystemResult) -> list[str]:
    """How far every asset fell, and how far without liquidations."""
    made = []
    for symbol in result.main.built.system.claims.symbols:
        fall = result.kpis.get(f"reference_drawdown_{symbol}_pct")
        if not isinstance(fall, float) or fall < 0.5:
            continue
        other = result.kpis.get(f"twin_drawdown_{symbol}_pct")
        without = (
            f", {other:.1f}% without liquidations" if isinstance(other, float) and abs(other - fall) >= 0.1 else ""
        )
        made.append(f"{symbol} fell {fall:.1f}%{without}.")
    return made


def venue_rows(result: SystemResult) -> list[tuple[str, ...]]:
    """One row per venue, and the sum."""
    rows = [_row(name, one.kpis) for name, one in result.venues.items()]
    return [*rows, _row("all", result.kpis)]


def _row(name: str, kpis: Mapping[str, float | int | str | None]) -> tuple[str, ...]:
    ratio = kpis.get("amplification")
    payers = [f"{label} {money(number(kpis, key))}" for key, label in _PAYERS.items() if number(kpis, key) > 0.0]
    return (
        name,
        f"{int(number(kpis, 'liquidation_count')):,}",
        f"{int(number(kpis, 'liquidated_account_count')):,}",
        money(number(kpis, "liquidated_notional_usd")),
        money(number(kpis, "bad_debt_usd")),
        ", ".join(payers) or MISSING,
        f"{ratio:.2f}×" if isinstance(ratio, float) and known(ratio) else MISSING,
    )


def number(kpis: Mapping[str, float | int | str | None], key: str) -> float:
    """A figure that is there; 0 for one that is not."""
    value = kpis.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def figure_rows(kpis: Kpis, shown: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Every figure that the table of venues does not have: its key and its value."""
    rows = []
    for key, value in kpis.items():
        if key in shown or value is None:
            continue
        rows.append(
            (key, f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value)
        )
    return rows
