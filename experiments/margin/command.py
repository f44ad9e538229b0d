"""What `cascade margin` prints: three margin modes side by side, then the lines behind every figure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import show
from experiments.build import opening_prices
from experiments.margin.account import Account, read_account
from experiments.margin.closing import FirstCall, first_calls
from experiments.margin.explain import PROFILES, TERMS, Explanation, PositionLine, Pot, Totals, explain
from experiments.margin.setting import MODES, WALLET
from experiments.report.words import MISSING
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.margin.portfolio import ScenarioMargin

WORST_ROWS = 3
"""Scenarios of portfolio margin that are printed."""
MOST_SCENARIOS = 100
"""Those in JSON, the worst first."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everything about one account."""

    account: Account
    scenario: Scenario
    found: Explanation
    calls: dict[str, FirstCall | None]
    portfolio_stated: bool
    """Whether scenario or venue say anything of portfolio margin."""


def answer(path: Path, scenario: Scenario, *, portfolio_stated: bool = True) -> Answer:
    """Read an account and explain it in the world of a scenario. Raises InputError."""
    account = read_account(path, scenario)
    found, setting = explain(account, scenario, opening_prices(scenario, seed=1))
    return Answer(
        account=account,
        scenario=scenario,
        found=found,
        calls=first_calls(found, setting, account, scenario),
        portfolio_stated=portfolio_stated,
    )


# ---- words


def usd(quanta: int | None) -> str:
    """USD quanta as dollars and cents, as many decimals as it takes to add up."""
    if quanta is None:
        return MISSING
    return f"{quanta / USD_QUANTA:,.2f}".replace("-", "−")


def _share(value: float | None, decimals: int = 2) -> str:
    return MISSING if value is None else f"{100.0 * value:.{decimals}f}%".replace("-", "−")


def _price(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.6g}".replace("-", "−")


def _amount(value: float) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _title(text: str) -> None:
    print(f"\n{text}")


# ---- tables


def print_answer(given: Answer) -> None:
    """All tables."""
    found = given.found
    priced = {name: price for name, price in found.prices_usd.items() if not given.scenario.assets[name].settlement}
    print("USD: " + ", ".join(f"{name} {_price(price)}" for name, price in priced.items()))
    for note in found.notes:
        print(f"note: {note}")
    _print_modes(found)
    _print_balances(found)
    if found.quantities:
        _print_isolated(found)
        _print_positions(found)
        _print_portfolio(found)
        _print_prices(found)
        _print_calls(given)
        _print_greeks(found)
    _title("How this was reckoned")
    for line in assumptions(given):
        print(textwrap.fill(f"- {line}", show.WIDTH, subsequent_indent="  "))


def _of_modes(found: Explanation, cell: Callable[[Sequence[Pot]], str]) -> list[str]:
    return [cell(found.pots[mode]) for mode in MODES]


def _sum(profile: str, part: str) -> Callable[[Sequence[Pot]], str]:
    return lambda pots: usd(sum(int(getattr(pot.totals[profile], part)) for pot in pots))


def _least(pots: Sequence[Pot], way: str) -> str:
    moves = [move for pot in pots if (move := getattr(pot, way)) is not None]
    if not moves:
        return "never"
    return "now" if min(moves) == 0.0 else _share(min(moves))


def _worst(pots: Sequence[Pot], profile: str) -> Totals:
    """The risk unit with the least to spare, as a share of what it needs."""
    risky = [pot.totals[profile] for pot in pots if pot.positions["maintenance"]] or [pots[0].totals[profile]]
    return max(risky, key=lambda totals: float("inf") if totals.ratio is None else totals.ratio)


def _ratio(pots: Sequence[Pot]) -> str:
    worst = _worst(pots, "maintenance")
    if worst.ratio is None:
        return "∞" if worst.requirement > 0 else MISSING
    return _share(worst.ratio)


def _print_modes(found: Explanation) -> None:
    rows = [["net equity", *_of_modes(found, lambda pots: usd(sum(pot.net_equity for pot in pots)))]]
    for profile in PROFILES:
        rows += [
            [f"{profile}: margin equity", *_of_modes(found, _sum(profile, "equity"))],
            [f"{profile}: requirement", *_of_modes(found, _sum(profile, "requirement"))],
            [f"{profile}: excess", *_of_modes(found, _sum(profile, "excess"))],
        ]
    tight = [usd(_worst(found.pots[mode], "maintenance").excess) for mode in MODES]
    rows += [
        ["maintenance excess of the tightest position", tight[0], MISSING, MISSING],
        ["margin ratio (isolated: the highest)", *_of_modes(found, _ratio)],
        ["breaks when all prices fall by", *_of_modes(found, lambda pots: _least(pots, "fall"))],
        ["breaks when all prices rise by", *_of_modes(found, lambda pots: _least(pots, "rise"))],
    ]
    _title("Side by side, USD")
    show.print_table(rows, header=("", *MODES), right=(1, 2, 3))


def _print_balances(found: Explanation) -> None:
    (pot,) = found.pots["cross"]
    initial = {line.asset: line for line in pot.balances["initial"]}
    rows = []
    for line in pot.balances["maintenance"]:
        other = initial[line.asset]
        rows.append(
            (
                line.asset, _amount(line.balance), _amount(line.open_profit) if line.open_profit else "",
                _price(line.price_usd), usd(line.value), _share(line.weight), usd(line.counted), _share(other.weight),
                usd(other.counted),
            )
        )  # fmt: skip
    total = sum(line.value for line in pot.balances["maintenance"])
    sums = [usd(pot.totals[profile].equity) for profile in ("maintenance", "initial")]
    rows.append(("sum", "", "", "", usd(total), "", sums[0], "", sums[1]))
    header = ("asset", "balance", "open profit", "price", "value", "weight", "counts", "initial", "counts")
    _title("Balances and haircuts, cross and portfolio margin, USD")
    show.print_table(rows, header=header, right=range(1, 9))
    _print_prices_that_count(pot)
    together = [line.asset for line in pot.balances["maintenance"] if line.in_category]
    if together:
        show.print_words(f"all debts are in one category: {', '.join(together)} count at its weights")


def _print_prices_that_count(pot: Pot) -> None:
    """Value, less what the price that counts takes off, less what the weight takes off: what counts."""
    rows = []
    for profile, lines in pot.balances.items():
        for line in lines:
            if line.worth != line.considered:
                off = line.considered - line.worth, line.worth - line.counted
                prices = _price(line.price_usd), _price(line.price_counted_usd)
                rows.append((profile, line.asset, usd(line.considered), *prices, *map(usd, off), usd(line.counted)))
    if rows:
        header = ("profile", "asset", "value", "price", "counts at", "price takes off", "weight takes off", "counts")
        _title("Balances and debts that count at another price than the venue's, USD")
        show.print_table(rows, header=header, right=range(2, 8))


def _print_isolated(found: Explanation) -> None:
    rows = []
    for pot in found.pots["isolated"]:
        totals = pot.totals["maintenance"]
        posted = sum(line.balance * line.price_usd for line in pot.balances["maintenance"])
        needs = usd(totals.requirement), usd(totals.excess), _share(totals.ratio)
        moves = [_least([pot], way) for way in ("fall", "rise")]
        blank = [""] * 5 if pot.name == WALLET else [*needs, *moves]
        rows.append((pot.name, f"{posted:,.2f}", usd(pot.net_equity), *blank))
    header = ("account", "posted", "net equity", "maintenance", "excess", "ratio", "breaks: fall", "rise")
    _title("Isolated margin: an account for each position, USD")
    show.print_table(rows, header=header, right=range(1, 8))


_TERMS = {
    "rate x notional": "rate × notional",
    "deduction": "deduction",
    "size": "size",
    "crowding": "crowding",
    "stress": "stress",
    "minimum": "minimum",
    "contingency": "contingency",
    "option rule": "option rule",
    "one expiry together": "expiry together",
}


def _print_positions(found: Explanation) -> None:
    (pot,) = found.pots["cross"]
    shown = [
        term
        for term in _TERMS
        if term == "rate x notional" or any(line.terms[term] for lines in pot.positions.values() for line in lines)
    ]
    for profile in ("maintenance", "initial"):
        rows = []
        for line in pot.positions[profile]:
            name = line.instrument
            rows.append(
                (
                    name, *_held(found, name), usd(line.notional), *_tier(line),
                    *(usd(line.terms[term]) for term in shown), usd(line.needed),
                )
            )  # fmt: skip
        blank = [""] * (6 + len(shown))
        rows.append(("sum", *blank, usd(pot.totals[profile].requirement)))
        header = (
            "position",
            "quantity",
            "entry",
            "mark",
            "notional",
            "tier",
            "rate",
            *(_TERMS[t] for t in shown),
            "needs",
        )
        _title(f"{profile.capitalize()} margin by position, isolated and cross margin, USD")
        show.print_table(rows, header=header, right=range(1, len(header)))


def _held(found: Explanation, name: str) -> tuple[str, str, str]:
    """Quantity, entry and mark; nothing for the options of an expiry."""
    if name not in found.quantities:
        return "", "", ""
    return _amount(found.quantities[name]), _price(found.entries[name]), _price(found.marks[name])


def _tier(line: PositionLine) -> tuple[str, str]:
    return ("option", "") if line.rate is None else (f"{line.tier} of {line.tiers}", _share(line.rate, 3))


def _print_portfolio(found: Explanation) -> None:
    (pot,) = found.pots["portfolio"]
    lines = pot.portfolio["maintenance"]
    rows = []
    for name, loss in lines.worst.items():
        worst = min(lines.scenarios, key=lambda line: line.profit[name])
        where = _scenario({name: worst.price_factors[name]}, worst.volatility, worst.weight)
        if lines.tail:
            where = lines.tail
        elif lines.basis[name] > -worst.profit[name]:
            where = "forwards by themselves"
        rows.append((f"{name}: worst loss", where if loss else "no loss", usd(round(loss))))
    if lines.offset:
        rows.append(("offset between underlyings", "", usd(round(lines.offset))))
    for profile in ("maintenance", "initial"):
        part = pot.portfolio[profile]
        for name in TERMS:
            if part.terms[name]:
                what = f"factor {part.factor:g}" if name == TERMS[0] else ""
                rows.append((f"{profile}: {name.replace(' x ', ' × ')}", what, usd(part.terms[name])))
        rows.append((f"{profile}: sum", "", usd(pot.totals[profile].requirement)))
    _title("Portfolio margin, USD")
    show.print_table(rows, header=("", "where", "amount"), right=(2,))
    # Volatility changes nothing where there are no options: the first of equal scenarios stands for all.
    distinct = {tuple(line.profit.values()): line for line in reversed(lines.scenarios)}
    ranked = sorted(distinct.values(), key=lambda line: line.total)[:WORST_ROWS]
    table = [
        (
            _scenario(line.price_factors, line.volatility, line.weight),
            *(usd(round(profit)) for profit in line.profit.values()),
            usd(round(line.total)),
        )
        for line in ranked
    ]
    _title(f"The {len(table)} worst of {len(lines.scenarios)} scenarios, gain or loss, USD")
    show.print_table(table, header=("prices", *lines.worst, "together"), right=range(1, 2 + len(lines.worst)))


def _scenario(factors: dict[str, float], volatility: str, weight: float) -> str:
    moves = {name: f"{100.0 * (factor - 1.0):+.3g}%".replace("-", "−") for name, factor in factors.items()}
    same = len(set(moves.values())) == 1
    words = next(iter(moves.values())) if same else ", ".join(f"{name} {move}" for name, move in moves.items())
    words += "" if volatility == "none" else f", volatility {volatility}"
    return words + ("" if weight == 1.0 else f", {weight:.0%} of it")


def _print_prices(found: Explanation) -> None:
    rows = []
    for name, mark in found.marks.items():
        held = [next(pot for pot in found.pots[mode] if name in pot.prices).prices[name] for mode in MODES]
        rows.append((name, _price(mark), "liquidation", *(_price(prices.liquidation) for prices in held)))
        rows.append(("", "", "bankruptcy", *(_price(prices.bankruptcy) for prices in held)))
    _title("Liquidation and bankruptcy price of each position, all else as it stands")
    show.print_table(rows, header=("position", "mark", "price of", *MODES), right=(1, 3, 4, 5))


def _print_calls(given: Answer) -> None:
    rows = []
    for mode, call in given.calls.items():
        if call is None:
            rows.append((mode, "never breaks", "", "", "", "", "", ""))
            continue
        where = "now" if call.move == 0.0 else f"all prices {100.0 * call.move:+.2f}%".replace("-", "−")
        if call.slices:
            hedge = ", its delta hedged first" if given.scenario.venue.liquidation.option_books.hedge_first else ""
            auction = f"the book, to dealers in {call.slices} slices{hedge}"
            rows.append((mode, where, "1", auction, "", "", f"{call.notional_usd:,.0f}", ""))
        for number, closed in enumerate(call.closed, start=1):
            first = (mode, where) if number == 1 else ("", "")
            trade = f"{'sell' if closed.quantity < 0 else 'buy'} {_amount(abs(closed.quantity))}"
            rows.append(
                (
                    *first, str(number), closed.instrument, trade, _share(closed.share, 0),
                    f"{closed.notional_usd:,.0f}", _price(closed.limit),
                )
            )  # fmt: skip
    header = ("mode", "breaks at", "", "closed", "order", "of position", "notional", "limit price")
    _title("What the first liquidation call would close, in its order")
    show.print_table(rows, header=header, right=(5, 6, 7))


def _print_greeks(found: Explanation) -> None:
    if not any(values["gamma"] or values["vega"] or values["theta"] for values in found.greeks.values()):
        return
    names = ("delta", "gamma", "vega", "theta")
    rows = [
        (symbol, *(f"{values[name]:,.2f}".replace("-", "−") for name in names))
        for symbol, values in found.greeks.items()
    ]
    _title("Greeks of positions, USD: per relative move, its square, 1.00 of volatility, and day")
    show.print_table(rows, header=("underlying", *names), right=range(1, 5))


def assumptions(given: Answer) -> list[str]:
    """What the figures rest on, one line each."""
    rule = given.scenario.venue.margin.portfolio
    return [
        "isolated: each settlement balance is shared out among the positions by their initial margins; all else stays "
        "in the wallet and stands behind nothing; side by side are sums over all these accounts",
        f"portfolio: {'' if given.portfolio_stated else 'no rule is stated here, so the default: '}{_rule(rule)}"
        f"{', what counts of an asset that is owned stands in the scenarios' if rule.spot_offset else ''}",
        "margin ratio: maintenance margin over margin equity; at 100% liquidation begins",
        "no orders rest; nobody else is at the venue, so rates by open interest or deposits are those of this account",
        "the first call: where all prices together, the nearer way, break the account, against the depth of the "
        "scenario's makers and crowd there; then collateral is sold, the most valuable first, for what is still owed",
    ]


def _rule(rule: ScenarioMargin) -> str:
    if rule.simulated is not None:
        moves = rule.simulated
        return f"{moves.samples:,} simulated moves over {moves.horizon_days:g} days, all underlyings together"
    span = f"the 16 scenarios of SPAN over ±{rule.price_range:.1%}"
    grid = span if rule.scenarios == "span" else f"±{rule.price_range:.1%} in {2 * rule.price_steps + 1} steps"
    return f"{grid}, {rule.offset_between_underlyings:.0%} offset between underlyings"


# ---- JSON


def as_json(given: Answer) -> dict[str, Any]:
    """Everything as plain data; amounts in USD, to the millionth, so that lines add up."""
    found = given.found
    return {
        "prices_usd": found.prices_usd,
        "marks": found.marks,
        "positions": {
            name: {"quantity": quantity, "entry_price": found.entries[name]}
            for name, quantity in found.quantities.items()
        },
        "modes": {
            mode: {
                "net_equity_usd": sum(pot.net_equity for pot in found.pots[mode]) / USD_QUANTA,
                "accounts": [_pot_json(pot) for pot in found.pots[mode]],
                "first_call": None if (call := given.calls[mode]) is None else asdict(call),
            }
            for mode in MODES
        },
        "greeks_usd": found.greeks,
        "notes": list(found.notes),
        "assumptions": assumptions(given),
    }


def _pot_json(pot: Pot) -> dict[str, Any]:
    return {
        "account": pot.name,
        "net_equity_usd": pot.net_equity / USD_QUANTA,
        "profiles": {name: _profile_json(pot, name) for name in PROFILES},
        "prices": {name: asdict(prices) for name, prices in pot.prices.items()},
        "breaks_when_all_fall_share": pot.fall,
        "breaks_when_all_rise_share": pot.rise,
    }


def _profile_json(pot: Pot, profile: str) -> dict[str, Any]:
    totals = pot.totals[profile]
    made: dict[str, Any] = {
        "margin_equity_usd": totals.equity / USD_QUANTA,
        "requirement_usd": totals.requirement / USD_QUANTA,
        "excess_usd": totals.excess / USD_QUANTA,
        "margin_ratio": totals.ratio,
        "balances": [
            {
                "asset": line.asset,
                "balance": line.balance,
                "open_profit": line.open_profit,
                "open_profit_left_out": line.left_out,
                "price_usd": line.price_usd,
                "value_usd": line.value / USD_QUANTA,
                "price_counted_usd": line.price_counted_usd,
                "price_takes_off_usd": (line.considered - line.worth) / USD_QUANTA,
                "weight": line.weight,
                "counted_usd": line.counted / USD_QUANTA,
                "in_category": line.in_category,
            }
            for line in pot.balances[profile]
        ],
        "positions": [
            {
                "instrument": line.instrument,
                "notional_usd": line.notional / USD_QUANTA,
                "tier": line.tier,
                "rate": line.rate,
                "terms_usd": {name: amount / USD_QUANTA for name, amount in line.terms.items()},
                "needed_usd": line.needed / USD_QUANTA,
            }
            for line in pot.positions[profile]
        ],
    }
    if pot.portfolio:
        lines = pot.portfolio[profile]
        made["portfolio"] = {
            "terms_usd": {name: amount / USD_QUANTA for name, amount in lines.terms.items()},
            "factor": lines.factor,
            "worst_loss_usd": {name: loss / USD_QUANTA for name, loss in lines.worst.items()},
            "basis_loss_usd": {name: loss / USD_QUANTA for name, loss in lines.basis.items()},
            "offset_usd": lines.offset / USD_QUANTA,
            "scenarios": [
                {
                    "price_factors": line.price_factors,
                    "volatility": line.volatility,
                    "weight": line.weight,
                    "profit_usd": {name: profit / USD_QUANTA for name, profit in line.profit.items()},
                }
                for line in sorted(lines.scenarios, key=lambda line: line.total)[:MOST_SCENARIOS]
            ],
        }
    return made
