"""One account explained as it stands in a running world: what it holds, what counts, what happened to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.contagion import CAUSES, windows_of
from experiments.contagion.attribution import attribute
from experiments.contagion.levels import levels
from experiments.contagion.records import Records
from experiments.frames import KINDS, fill_usd, lot_size, quote_usd
from experiments.run import VenueRun
from experiments.snapshots.numbers import rounded
from market.instruments import USD_QUANTA
from market.kernels.explain import EQUITY_COLUMNS, equity_lines
from market.kernels.records import MAINTENANCE, NONE, SELL
from market.margin.prices import bankruptcy_price, liquidation_price
from market.world import World

MOST_CAUSES = 10
"""Liquidations of one account that are explained, the latest ones."""
MOST_FILLS = 100
LOOKBACK_SOURCES = 6


def explain_account(session: VenueRun, row: int) -> dict[str, Any]:
    """Everything about the account of a ledger row; money in USD, prices in quote units. IndexError for no such row."""
    world = session.built.world
    if not 0 <= row < len(world.ledger.names):
        raise IndexError(row)
    record = world.ledger.accounts[row]
    figures = world.ledger.assess(world.instruments, world.assets, world.margin)[row] / USD_QUANTA
    equity, net, maintenance, initial = (round(float(figure), 2) for figure in figures)
    owner = int(record["owner"])
    made = {
        "account": row,
        "name": world.ledger.names[row],
        "role": world.ledger.roles[row],
        "owner": None if owner == row else world.ledger.names[owner],
        "tick": world.tick,
        "margin_equity_usd": equity,
        "net_equity_usd": net,
        "maintenance_usd": maintenance,
        "initial_usd": initial,
        "excess_usd": round(equity - maintenance, 2),
        "ratio": rounded(maintenance / equity, 4) if equity > 0.0 else None,
        "open_claim": bool(record["claim"]),
        "positions": _positions(world, row),
        "collateral": _collateral(world, row),
        "fills": _fills(world, row),
        "liquidations": _causes(session, row),
    }
    return {**made, "lines": _lines(made)}


def _lines(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The same in words: [{title, rows: [[label, value] ...]} ...]."""
    standing = [
        ["margin equity", _usd(made["margin_equity_usd"])],
        ["net equity", _usd(made["net_equity_usd"])],
        ["maintenance margin", _usd(made["maintenance_usd"])],
        ["margin excess", _usd(made["excess_usd"])],
        ["margin ratio", _ratio(made)],
    ]
    if made["owner"]:
        standing.insert(0, ["belongs to", made["owner"]])
    found = [{"title": f"{made['role'].replace('_', ' ')}, as it stands", "rows": standing}]
    for line in made["positions"]:
        rows = [
            ["notional", _usd(line["notional_usd"])], ["entry", _price(line, "entry")],
            ["mark", _price(line, "mark")],
            ["open profit", _usd(line["profit_usd"])], ["liquidation price", _price(line, "liquidation_price")],
            ["bankruptcy price", _price(line, "bankruptcy_price")],
        ]  # fmt: skip
        side = "long" if line["size"] > 0 else "short"
        found.append({"title": f"{side} {abs(line['size']):,g} {line['instrument']}", "rows": rows})
    if made["collateral"]:
        rows = [[f"{line['amount']:,.8g} {line['asset']}", _counted(line)] for line in made["collateral"]]
        found.append({"title": "collateral and open profit", "rows": rows})
    for line in made["liquidations"]:
        rows = [[name.replace("_", " "), _usd(usd)] for name, usd in line["causes"].items()]
        found.append(
            {"title": f"liquidated at {line['time']}: its margin excess fell by {_usd(line['loss_usd'])}", "rows": rows}
        )
    return found


def _usd(value: float) -> str:
    return (f"{value:,.0f} USD" if abs(value) >= 1_000.0 else f"{value:,.2f} USD").replace("-", "\N{MINUS SIGN}")


def _counted(line: dict[str, Any]) -> str:
    value, counted = line["value_usd"], line["counted_usd"]
    return _usd(value) if value == counted else f"{_usd(value)}, counts {_usd(counted)}"


def _price(line: dict[str, Any], name: str) -> str:
    value = line[name]
    return "none" if value is None else f"{value:,.6g} {line['quote']}"


def _ratio(made: dict[str, Any]) -> str:
    if not made["maintenance_usd"]:
        return "nothing needed"
    return "no equity left" if made["ratio"] is None else f"{100.0 * made['ratio']:,.1f} %"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _positions(world: World, row: int) -> list[dict[str, Any]]:
    """Lines of what it holds on instruments."""
    made, sizes, usd = [], lot_size(world), quote_usd(world)
    ledger = world.ledger
    common = (ledger, world.instruments, world.assets, world.margin)
    for book in np.flatnonzero(ledger.positions["lots"][row]).tolist():
        position, instrument = ledger.positions[row, book], world.instruments[book]
        lots, tick = int(position["lots"]), float(instrument["tick_size"])
        value = lots * int(instrument["mark"]) * int(instrument["tick_value"])
        made.append(
            {
                "instrument": world.instrument_symbols[book],
                "quote": world.asset_symbols[int(instrument["quote"])],
                "size": rounded(lots * float(sizes[book]), 8),
                "notional_usd": rounded(abs(value) * float(usd[book]), 2),
                "entry": rounded(int(position["cost"]) / (lots * int(instrument["tick_value"])) * tick, 8),
                "mark": rounded(int(instrument["mark"]) * tick, 8),
                "profit_usd": rounded((value - int(position["cost"])) * float(usd[book]), 2),
                "liquidation_price": rounded(liquidation_price(*common, account=row, book=book, risk=world.risk), 8),
                "bankruptcy_price": rounded(bankruptcy_price(*common, account=row, book=book), 8),
            }
        )
    return made


def _collateral(world: World, row: int) -> list[dict[str, Any]]:
    """Lines of what it owns and owes, and what of it counts."""
    ledger = world.ledger
    lines = np.zeros((len(world.assets), EQUITY_COLUMNS), np.int64)
    equity_lines(
        row, MAINTENANCE, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, lines
    )  # fmt: skip
    return [
        {
            "asset": symbol,
            "amount": rounded(int(line[0]) * float(asset["quantum"]), 8),
            "open_profit": rounded(int(line[1]) * float(asset["quantum"]), 8),
            "price_usd": rounded(float(asset["price"] * asset["price_tick"]), 8),
            "value_usd": rounded(int(line[3]) / USD_QUANTA, 2),
            "counted_usd": rounded(int(line[4]) / USD_QUANTA, 2),
        }
        for symbol, asset, line in zip(world.asset_symbols, world.assets, lines, strict=True)
        if line[:5].any()
    ]


def _fills(world: World, row: int) -> list[dict[str, Any]]:
    """Its forced fills, the latest ones."""
    events = world.events[: world.n_events]
    mine = events[events["account"] == row][-MOST_FILLS:]
    worth = fill_usd(world, mine)
    return [
        {
            "tick": int(event["tick"]) + 1,
            "instrument": None if event["book"] == NONE else world.instrument_symbols[int(event["book"])],
            "side": "sell" if event["side"] == SELL else "buy",
            "kind": KINDS[int(event["kind"])],
            "usd": rounded(float(usd), 2),
            "keeper": None if event["keeper"] == NONE else world.ledger.names[int(event["keeper"])],
        }
        for event, usd in zip(mine, worth, strict=True)
    ]


def _causes(session: VenueRun, row: int) -> list[dict[str, Any]]:
    """Why it was liquidated: the fall of its margin excess since it was last safe, by cause, to the cent."""
    world = session.built.world
    if row not in world.events["account"][: world.n_events]:
        return []
    found = session.joined().records
    mine = np.flatnonzero(found.breaches["account"] == row)[-MOST_CAUSES:].tolist()
    windows = windows_of(found, mine, world=world)
    split = attribute(found, levels(found), windows)
    made = []
    for number in mine:
        loss = windows[number].excess - int(found.breaches["excess"][number])
        causes = {name: round(int(usd) / USD_QUANTA, 2) for name, usd in zip(CAUSES, split.causes[number], strict=True)}
        own = split.edges[split.edges[:, 1] == number]
        made.append(
            {
                "tick": int(found.breaches["tick"][number]) + 1,
                "time": _clock((int(found.breaches["tick"][number]) + 1) * world.tick_seconds),
                "loss_usd": round(loss / USD_QUANTA, 2),
                "causes": {name: usd for name, usd in causes.items() if usd},
                "sources": _sources(found, world, own),
            }
        )
    return made


def _sources(found: Records, world: World, own: Any) -> list[dict[str, Any]]:
    """Accounts whose forced orders cost it most."""
    largest = own[np.argsort(-own[:, 2], kind="stable")][:LOOKBACK_SOURCES]
    accounts = [int(found.breaches["account"][int(source)]) for source in largest[:, 0]]
    return [
        {"account": account, "name": world.ledger.names[account], "usd": round(float(usd) / USD_QUANTA, 2)}
        for account, usd in zip(accounts, largest[:, 2], strict=True)
    ]
