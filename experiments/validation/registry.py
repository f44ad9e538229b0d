"""All cases, and the published results that are not run, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.toml_tree import suggest
from experiments.validation import (
    book,
    calm_market,
    cross_section,
    deleveraging,
    execution,
    leverage,
    liquidation,
    loops,
    networks,
    queues,
    quoting,
    zero_intelligence,
)
from experiments.validation.case import Case, data_file
from market.errors import InputError

CASES: tuple[Case, ...] = (
    *book.CASES,
    *queues.CASES,
    *zero_intelligence.CASES,
    *liquidation.CASES,
    *deleveraging.CASES,
    *quoting.CASES,
    *execution.CASES,
    *leverage.CASES,
    *calm_market.CASES,
    *cross_section.CASES,
    *networks.CASES,
    *loops.CASES,
)

_POLICY = "leverage rules of banks over years, stated as an ordering of policies without numbers"
_LENDING = "measured on lending protocols over years: nothing to run, and the product has one venue"
_EVENT = "figures of one day on one market: bands for calibration, not a result a model can be run to"

NOT_RUN: dict[str, str] = {
    "CFS-impact": "a property of equilibria of a fire-sale map, which the product does not solve for",
    "PEREZ-2021": _LENDING,
    "QIN-2021": _LENDING,
    "LEHAR-PARLOUR": _LENDING,
    "POLEDNA-2014": _POLICY,
    "AYMANNS": _POLICY,
    "HL-20251010": _EVENT,
    "AMBER-20251010": _EVENT,
    "CEX-20251010": _EVENT,
    "JELLY": _EVENT,
    "BTX-20200312": _EVENT,
    "BTC-20210519": "belongs to the calibration of that day, not to validation",
    "UST-202205": _EVENT,
    "STETH-202206": _EVENT,
    "AAVE-2026": _LENDING,
    "VAR-LAR": "definitions of risk figures without numbers",
}
"""Reason by name."""


def chosen(names: Sequence[str]) -> tuple[Case, ...]:
    """The cases with these names; all without any. Raises InputError for an unknown name."""
    known = {case.name: case for case in CASES}
    for name in names:
        if name in NOT_RUN:
            raise InputError(f"--only: {name} is not run: {NOT_RUN[name]}")
        if name not in known:
            raise InputError(f"--only: no case {name!r}{suggest(name, list(known))}")
    return tuple(case for case in CASES if not names or case.name in names)


def absent(case: Case) -> str:
    """Why the case cannot be run here; empty when it can."""
    try:
        if case.data:
            data_file(case.data)
    except InputError as error:
        return str(error)
    return ""
