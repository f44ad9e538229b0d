"""Causes in words: of a whole run, of one account, one forced sale, one asset."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.contagion import numbers
from experiments.contagion.attribution import CAUSES
from experiments.contagion.store import UNIT, Saved
from experiments.report.words import Clock, count, listed, money, percent, sentence

WORDS = {
    "outside_world": "the outside world's prices",
    "oracle": "late or wrong oracle prices",
    "claim": "what stands behind claims",
    "forced_sales": "forced sales",
    "traders": "other traders' orders",
    "background": "background flow",
    "liquidity": "liquidity that was withdrawn",
    "untraced": "nothing that could be traced",
    "funding": "funding",
    "margin_rules": "changed margin rules",
    "option_terms": "volatility and time of options",
    "own_trades": "its own trades and fees",
    "transfers": "transfers out of it",
    "own_liquidation": "its own earlier liquidation",
    "losses_shared": "losses shared out by the venue",
}
"""What each cause is called when it cost something."""

MOST_NAMED = 5
LEAST_SPOKEN = 0.01
"""Share of a loss from which a cause is spoken of."""


def overview(saved: Saved) -> list[str]:
    """What broke the accounts of the run, and who cost whom most."""
    n = len(saved.liquidations)
    if n == 0:
        return ["Nobody was liquidated."]
    loss = saved.usd("loss")
    lines = [
        sentence(
            f"{count(n, 'liquidation')} of {count(saved.liquidations['account'].nunique(), 'account')} lost "
            f"{money(float(loss.sum()))} of margin excess since each was last safe; {_made_of(saved, np.arange(n))}"
        )
    ]
    generation = saved.liquidations["generation"].to_numpy()
    children = int((generation > 0).sum())
    lines.append(
        sentence(
            f"{count(children, 'liquidation')} lost half or more to forced sales of others and "
            f"{'is a child' if children == 1 else 'are children'}; the other {n - children:,} are roots"
        )
    )
    if (mean := numbers.offspring(saved.contagion())) is not None:
        lines.append(sentence(f"Counted by shares of losses, each liquidation brought down {mean:.2f} others"))
    if sources := top_sources(saved, np.arange(n)):
        most = [f"{name} ({money(usd)})" for name, usd, _ in sources[:3]]
        lines.append(sentence(f"Those whose forced sales cost others most: {listed(most)}"))
    return lines


def of_account(saved: Saved, account: str, clock: Clock) -> list[str]:
    """One paragraph per liquidation of the account, and one on what its own forced sales did."""
    lines = []
    for row in saved.rows_of(account).tolist():
        liquidation = saved.liquidations.iloc[row]
        loss = float(saved.usd("loss")[row])
        head = (
            f"account {account}, liquidated at {clock.text(float(liquidation['seconds']))}, had last been safe at "
            f"{clock.text(float(liquidation['safe_seconds']))} and lost {money(loss)} of margin excess since"
        )
        if loss <= 0.0:
            lines.append(sentence(f"{head}: it was below maintenance when it was first looked at"))
            continue
        lines.append(sentence(f"{head}, of which {_made_of(saved, np.array([row]))}"))
        lines += _forced_on(saved, row, loss, clock)
    lines.append(_done_by(saved, account))
    return lines


def _forced_on(saved: Saved, row: int, loss: float, clock: Clock) -> list[str]:
    """How many forced sales cost it how much, where they began, and whose they were."""
    mine = saved.forced[(saved.forced["target"] == row) & (saved.forced["forced_sale"] >= 0)]
    harmful = mine[mine[f"loss{UNIT}"] > 0]
    if harmful.empty:
        return []
    cost = float(harmful[f"loss{UNIT}"].sum()) / 1e6
    first = saved.fills.iloc[int(harmful["forced_sale"].min())]
    sources = top_sources(saved, np.array([row]))
    named = listed([f"{name} ({percent(usd / loss)})" for name, usd, _ in sources[:3]]) if sources else ""
    began = f"that began with {first['account']} at {clock.text(float(first['seconds']))}"
    text = f"it lost {percent(cost / loss)} to {count(harmful['forced_sale'].nunique(), 'forced sale')} {began}"
    return [sentence(f"{text}; most to those of {named}" if named else text)]


def _done_by(saved: Saved, account: str) -> str:
    rows = saved.rows_of(account)
    forced = saved.forced[saved.forced["source"].isin(rows)]
    cost = float(forced[f"loss{UNIT}"].sum()) / 1e6
    others = forced.loc[forced[f"loss{UNIT}"] > 0, "target"].nunique()
    notional = float(saved.liquidations["notional_usd"].to_numpy()[rows].sum())
    if others == 0:
        return sentence(f"{money(notional)} of its own was closed by force, which broke nobody")
    return sentence(
        f"{money(notional)} of its own was closed by force; that cost {count(others, 'later liquidation')} "
        f"{money(cost)} of margin excess in all"
    )


def of_event(saved: Saved, event: int, clock: Clock) -> list[str]:
    """One forced sale and what it did."""
    saved.check_event(event)
    fill = saved.fills.iloc[event]
    side = "sold" if fill["side"] == "sell" else "bought"
    lines = [
        sentence(
            f"Forced sale {event}: at {clock.text(float(fill['seconds']))} {money(float(fill['notional_usd']))} of "
            f"{fill['instrument']} were {side} for {fill['account']}, which moved its mark by "
            f"{float(fill['mark_move_bps']):+.1f} bps"
        )
    ]
    mine = saved.forced[saved.forced["forced_sale"] == event]
    harmful = mine[mine[f"loss{UNIT}"] > 0].sort_values(f"loss{UNIT}", ascending=False)
    if harmful.empty:
        return [*lines, "It had no part of 0.1% or more in any later liquidation."]
    losses = saved.usd("loss")
    named = [
        f"{saved.liquidations['account'].iloc[target]} ({percent(part / 1e6 / losses[target])} of its loss)"
        for target, part in zip(harmful["target"].tolist(), harmful[f"loss{UNIT}"].tolist(), strict=True)
    ]
    total = float(harmful[f"loss{UNIT}"].sum()) / 1e6
    reached = count(harmful["target"].nunique(), "later liquidation")
    lines.append(sentence(f"It cost {reached} {money(total)}; most: {listed(named[:MOST_NAMED])}"))
    return lines


def of_asset(saved: Saved, symbol: str) -> list[str]:
    """What was lost on an asset, and what its forced sales did elsewhere."""
    saved.check_asset(symbol)
    spill = saved.spill()
    column = saved.symbols.index(symbol)
    lost = saved.usd(f"lost_on_{symbol}")
    total = float(lost.sum())
    accounts = int((lost > 0.0).sum())
    if accounts == 0:
        lines = [sentence(f"No liquidation lost anything on the price of {symbol}")]
    else:
        share = total / max(float(saved.usd("loss").sum()), 1e-9)
        lines = [
            sentence(
                f"{count(accounts, 'liquidation')} lost {money(total)} on the price of {symbol}, {percent(share)} of "
                "all losses"
            )
        ]
        order = [row for row in np.argsort(-spill[:, column]).tolist() if spill[row, column] > 0]
        into = [(saved.symbols[row], float(spill[row, column])) for row in order]
        if into:
            lines.append(
                sentence(f"Of these, forced sales made {listed([f'{money(usd)} in {name}' for name, usd in into])}")
            )
    out = [(saved.symbols[to], float(spill[column, to])) for to in np.argsort(-spill[column]) if spill[column, to] > 0]
    if out:
        lines.append(
            sentence(
                f"Forced sales of {symbol} cost liquidated accounts "
                f"{listed([f'{money(usd)} on {name}' for name, usd in out])}"
            )
        )
    return lines


def _made_of(saved: Saved, rows: NDArray[np.int64]) -> str:
    """ "61% to forced sales and 30% to the outside world's prices (given back: oracle prices 2%)"."""
    total = float(saved.usd("loss")[rows].sum())
    parts = {cause: float(saved.usd(cause)[rows].sum()) / max(total, 1e-9) for cause in CAUSES}
    spoken = [cause for cause in sorted(parts, key=lambda name: -parts[name]) if abs(parts[cause]) >= LEAST_SPOKEN]
    lost = [f"{percent(parts[cause])} to {WORDS[cause]}" for cause in spoken if parts[cause] > 0.0]
    gained = [f"{WORDS[cause]} {percent(-parts[cause])}" for cause in reversed(spoken) if parts[cause] < 0.0]
    text = listed(lost) if lost else "nothing to any one cause"
    return f"{text} (given back: {listed(gained)})" if gained else text


def top_sources(saved: Saved, rows: NDArray[np.int64]) -> list[tuple[str, float, int]]:
    """(account, USD that its forced sales cost the liquidations `rows`, how many of them), largest first."""
    mine = saved.forced[saved.forced["target"].isin(rows) & (saved.forced["source"] >= 0)]
    if mine.empty:
        return []
    names = saved.liquidations["account"].to_numpy()[mine["source"].to_numpy()]
    grouped = mine.assign(account=names).groupby("account")
    table = grouped.agg(usd=(f"loss{UNIT}", "sum"), n=("target", "nunique")).sort_values("usd", ascending=False)
    found = [(str(name), float(row["usd"]) / 1e6, int(row["n"])) for name, row in table.iterrows()]
    return [entry for entry in found if entry[1] > 0.0]


def as_json(saved: Saved, lines: list[str], rows: NDArray[np.int64]) -> dict[str, Any]:
    """The words, and the causes of the liquidations they are about in USD."""
    chosen = saved.liquidations.iloc[rows]
    causes = {cause: saved.usd(cause) for cause in CAUSES}
    return {
        "story": lines,
        "liquidations": [
            {
                "liquidation": row,
                "account": str(chosen["account"].iloc[at]),
                "seconds": float(chosen["seconds"].iloc[at]),
                "safe_seconds": float(chosen["safe_seconds"].iloc[at]),
                "parent": int(chosen["parent"].iloc[at]),
                "generation": int(chosen["generation"].iloc[at]),
                "cascade": int(chosen["cascade"].iloc[at]),
                "loss_usd": float(saved.usd("loss")[row]),
                "causes_usd": {cause: float(values[row]) for cause, values in causes.items()},
            }
            for at, row in enumerate(rows.tolist())
        ],
        "branching": [
            {"parents": step.parents, "children": step.children, "ratio": step.ratio, "interval_95": step.interval()}
            for step in numbers.branching(saved.contagion())
        ],
        "offspring": numbers.offspring(saved.contagion()),
        "sources": [
            {"account": name, "cost_usd": usd, "liquidation_count": n} for name, usd, n in top_sources(saved, rows)
        ],
        "spill_usd": {
            sold: {lost: float(saved.spill()[row, column]) for column, lost in enumerate(saved.symbols)}
            for row, sold in enumerate(saved.symbols)
        },
    }
