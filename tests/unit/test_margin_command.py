"""`cascade margin`: lines that add up to the engine's own figures, prices that break an account, and every mistake."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import cli
from experiments.build import opening_prices
from experiments.margin.account import Account, read_account
from experiments.margin.closing import first_calls
from experiments.margin.command import Answer, answer, as_json, print_answer
from experiments.margin.explain import PROFILES, explain, take_apart
from experiments.margin.setting import MODES, Setting
from experiments.scenario import Scenario
from market.errors import InputError
from market.kernels.explain import account_totals
from market.kernels.margin import maintenance_excess
from market.margin.collateral import CollateralRule, HaircutTier
from market.margin.contingency import Contingency
from market.margin.option_expiries import LargestLoss
from market.margin.portfolio import ScenarioMargin, SimulatedMoves
from market.margin.requirement import LinearSize, NoSizeLaw, RequirementRule, RootPremium, Tier
from market.margin.rules import Margin
from market.sizing import CloseFactor

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/account.toml"
PERPETUALS = ("BTC-PERP", "ETH-PERP", "SOL-PERP")


@cache
def scenario() -> Scenario:
    return Scenario.load("flash-crash")


@cache
def prices() -> dict[str, float]:
    return opening_prices(scenario(), seed=1)


def with_margin(margin: Margin) -> Scenario:
    return replace(scenario(), venue=replace(scenario().venue, margin=margin))


def account(balances: dict[str, int], lots: dict[str, int], entries: dict[str, float | None]) -> Account:
    return Account(balances=balances, lots=lots, entries=entries, prices={}, notes=())


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    balances = {"USDC": draw(st.integers(-40_000, 200_000)) * 1_000_000 + draw(st.integers(0, 999_999))}
    for asset, most in (("BTC", 2 * 10**8), ("ETH", 40 * 10**8)):
        balances[asset] = draw(st.integers(-most // 8, most))
    held = draw(st.lists(st.sampled_from(PERPETUALS), unique=True, min_size=1))
    lots = {name: draw(st.integers(1, 9_000)) * draw(st.sampled_from((-1, 1))) for name in held}
    moves = {name: draw(st.none() | st.floats(0.9, 1.1)) for name in held}
    entries = {name: None if move is None else prices()[name[:3]] * move for name, move in moves.items()}
    return account(balances, lots, entries)


@st.composite
def margins(draw: st.DrawFn) -> Margin:
    law: Any = draw(st.sampled_from((NoSizeLaw(), LinearSize(factor=0.003), RootPremium(factor=0.02))))
    tiers = (Tier(initial=0.05, maintenance=0.02), Tier(floor_usd=100_000.0, initial=0.1, maintenance=0.04))
    rule = RequirementRule(
        tiers=tiers,
        size=law,
        minimum_usd=draw(st.sampled_from((0.0, 5_000.0))),
        profit_weight=draw(st.sampled_from((1.0, 0.5, 0.0))),
    )
    steps = (HaircutTier(haircut=0.05), HaircutTier(floor=20_000.0, haircut=0.3, initial_haircut=0.4))
    collateral = CollateralRule(
        haircut=0.1,
        initial_haircut=0.2,
        tiers=steps if draw(st.booleans()) else (),
        liability_weight=1.1,
        size_factor=0.0,
    )
    portfolio = ScenarioMargin(
        offset_between_underlyings=draw(st.sampled_from((0.0, 0.6, 1.0))),
        price_range=draw(st.floats(0.02, 0.4)),
        spot_offset=draw(st.booleans()),
        concentration_usd=draw(st.none() | st.just(50_000.0)),
        concentration_rate=0.07,
        simulated=draw(st.sampled_from((None, None, SimulatedMoves(samples=100)))),
    )
    requirement = {"default": rule} if draw(st.booleans()) else {}
    return Margin(collateral={"BTC": collateral}, requirement=requirement, portfolio=portfolio)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(held=accounts(), margin=margins())
def test_lines_add_up_to_the_engines_own_figures(held: Account, margin: Margin) -> None:
    found, setting = explain(held, with_margin(margin), prices())
    world, out = setting.world, np.zeros((3, 3), np.int64)
    ledger = world.ledger
    assessed = ledger.assess(world.instruments, world.assets, world.margin)
    for mode in MODES:
        for pot in found.pots[mode]:
            row = setting.rows[mode][pot.name]
            account_totals(row, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, out)
            assert pot.net_equity == assessed[row, 1] == sum(line.value for line in pot.balances["maintenance"])
            assert pot.totals["maintenance"].equity == assessed[row, 0]
            assert pot.totals["maintenance"].requirement == assessed[row, 2]
            assert pot.totals["initial"].excess == assessed[row, 0] - assessed[row, 3]
            for profile, code in PROFILES.items():
                totals = pot.totals[profile]
                assert totals.equity == sum(line.counted for line in pot.balances[profile]) == out[code, 0]
                if mode == "portfolio":
                    lines = pot.portfolio[profile]
                    assert totals.requirement == sum(lines.terms.values())
                    loss = sum(lines.worst.values()) + lines.offset
                    assert abs(loss * lines.factor - lines.terms["worst loss x factor"]) <= 1.0 + 1e-9 * loss
                else:
                    assert totals.requirement == sum(line.needed for line in pot.positions[profile])
    whole = {mode: sum(pot.net_equity for pot in found.pots[mode]) for mode in MODES}
    assert max(whole.values()) - min(whole.values()) <= 2, "the same equity, up to roundings of two balances"


def test_what_the_state_of_the_market_adds_is_a_line_of_its_own() -> None:
    held = account({"USDC": 10**11}, {"BTC-PERP": 1_000}, {"BTC-PERP": None})
    _, setting = explain(held, scenario(), prices())
    setting.world.instruments["tiers_only"] = 0
    setting.world.instruments["stress"] = 1_500_000
    setting.world.instruments["crowding"] = 100_000
    pot = take_apart(setting.world, "cross", setting.rows["cross"]["cross"], mode="cross", fall=0.0, rise=0.0)
    for profile, rate, crowding in (("maintenance", 0.0125, 0.0), ("initial", 0.025, 0.075), ("target", 0.025, 0.0)):
        (line,) = pot.positions[profile]
        assert line.terms["rate x notional"] == pytest.approx(rate * line.notional, abs=1)
        assert line.terms["crowding"] == pytest.approx(crowding * line.notional, abs=1)
        assert line.terms["stress"] == pytest.approx(0.5 * (rate + crowding) * line.notional, abs=1)
        assert line.needed == pot.totals[profile].requirement


def test_an_expiry_taken_together_and_a_doubtful_price_have_lines_of_their_own() -> None:
    """Half a bitcoin of a put spread 1,500 wide, and a perpetual, a tenth of whose index is in doubt."""
    crash = Scenario.load("options-crash")
    rules = Margin(expiries={"default": LargestLoss()}, contingency=Contingency(doubt=1.0, wider_than=0.05))
    names = {"BTC-2H-58500-P": -500, "BTC-2H-57000-P": 500, "BTC-PERP": 100}
    held = replace(
        account({"USDC": 10**11}, names, dict.fromkeys(names)), beside={"confidence": {"BTC": 6_000.0}, "bids": {}}
    )
    given = replace(crash, venue=replace(crash.venue, margin=rules))
    found, _ = explain(held, given, opening_prices(crash, seed=1) | {"BTC": 60_000.0})
    (pot,) = found.pots["cross"]
    for profile in PROFILES:
        lines = {line.instrument: line for line in pot.positions[profile]}
        assert pot.totals[profile].requirement == sum(line.needed for line in lines.values())
        spread = [lines.pop(name) for name in ("BTC-2H-58500-P", "BTC-2H-57000-P", "BTC options, 2 h")]
        value = spread[1].notional - spread[0].notional
        doubt = 0.1 * 0.5 * 60_000e6 if profile == "initial" else 0.0
        assert sum(line.needed for line in spread) - value == pytest.approx(750e6 + doubt, rel=1e-3)
        assert lines["BTC-PERP"].terms["contingency"] == pytest.approx(0.2 * doubt, rel=1e-3)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(held=accounts(), margin=margins())
def test_an_account_breaks_at_its_liquidation_price_and_at_the_move_of_all_prices(
    held: Account, margin: Margin
) -> None:
    found, setting = explain(held, with_margin(margin), prices())
    for mode in MODES:
        for pot in found.pots[mode]:
            row = setting.rows[mode][pot.name]
            for name, price in pot.prices.items():
                if price.liquidation is not None:
                    here, there = excess_around(setting, row, name, price.liquidation)
                    assert min(here, there) <= 0 <= max(here, there), (mode, name)
            for move in (pot.fall, pot.rise):
                if move is not None and move > 0.0:
                    sign = -1.0 if move is pot.fall else 1.0
                    assert setting.excess(1.0 + sign * move)[row] < 0
                    assert setting.excess(1.0 + sign * move * 0.99)[row] >= 0


def excess_around(setting: Setting, row: int, name: str, price: float) -> tuple[int, int]:
    """Margin excess with the instrument marked a tick below a price and a tick above it."""
    world = setting.world
    book = world.instrument(name)
    moved = world.instruments.copy()
    found = []
    assert world.risk is not None
    for side in (-1, 1):
        moved["mark"][book] = round(price / float(moved["tick_size"][book])) + side
        world.risk.refresh(moved, world.assets)
        found.append(
            int(maintenance_excess(row, moved, world.assets, world.margin, world.ledger.positions, world.ledger.cash))
        )
    world.revalue()
    return found[0], found[1]


def test_the_first_call_follows_the_venues_ordering_and_sizing() -> None:
    liquidation = replace(scenario().venue.liquidation, sizing=CloseFactor(share=0.5), ordering="largest_first")
    world = replace(scenario(), venue=replace(scenario().venue, liquidation=liquidation))
    held = account(
        {"USDC": 30_000_000_000}, {"SOL-PERP": 2_000, "BTC-PERP": 4_000}, {"SOL-PERP": None, "BTC-PERP": None}
    )
    found, setting = explain(held, world, prices())
    calls = first_calls(found, setting, held, world)
    call = calls["cross"]
    assert call is not None
    assert call.excess_usd < 0.0
    assert [closed.instrument for closed in call.closed] == ["BTC-PERP"]
    assert call.closed[0].quantity < 0.0, "a long is sold"
    assert call.closed[0].notional_usd == pytest.approx(0.5 * call.notional_usd, rel=1e-3)
    assert call.closed[0].limit < call.closed[0].mark
    alone = calls["isolated"]
    assert alone is not None
    assert alone.pot in PERPETUALS


def test_a_perfect_hedge_offsets_under_portfolio_margin_alone() -> None:
    rule = ScenarioMargin(offset_between_underlyings=1.0, linear_charge=0.0, linear_charge_initial=0.0)
    value = {name: prices()[name[:3]] * scenario().instruments[name].lot_size for name in PERPETUALS}
    lots = {"BTC-PERP": 1_000, "ETH-PERP": -round(1_000 * value["BTC-PERP"] / value["ETH-PERP"])}
    held = account({"USDC": 10**11}, lots, dict.fromkeys(lots))
    found, _ = explain(held, with_margin(Margin(portfolio=rule)), prices())
    (cross,), (portfolio,) = found.pots["cross"], found.pots["portfolio"]
    hedged = portfolio.totals["maintenance"].requirement
    assert hedged < 0.02 * cross.totals["maintenance"].requirement
    assert portfolio.portfolio["maintenance"].offset < 0.0


def test_what_is_printed_names_every_line_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    given_ = answer(EXAMPLE, scenario())
    print_answer(given_)
    printed = capsys.readouterr().out
    for wanted in ("isolated", "cross", "portfolio", "margin ratio", "haircuts", "bankruptcy", "BTC-PERP", "−18%"):
        assert wanted in printed
    assert not re.search(r"\b(nan|None)\b", printed)
    assert max(len(line) for line in printed.splitlines()) <= 120
    data = json.loads(json.dumps(as_json(given_)))
    cross = data["modes"]["cross"]["accounts"][0]["profiles"]["maintenance"]
    assert cross["margin_equity_usd"] == pytest.approx(sum(line["counted_usd"] for line in cross["balances"]), abs=1e-6)
    assert cross["requirement_usd"] == pytest.approx(sum(line["needed_usd"] for line in cross["positions"]), abs=1e-6)


BAD = """
[balances]
USDX = 5.0
BTC = nan
BTC-PERP = 1.0

[positions.BTC-PERP]
quantity = 0.0000001
entry_price = -4.0

[positions.BTC-USDC]
quantity = 1.0

[positions.DOGE-PERP]
quantity = 1.0
leverage = 3.0

[prices]
ETH = -1.0
USDC = 1.01
"""


def test_all_mistakes_are_reported_at_once_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "account.toml"
    file.write_text(BAD)
    with pytest.raises(InputError) as caught:
        read_account(file, scenario())
    said = str(caught.value).splitlines()
    for line, words in (
        (3, "unknown asset"),
        (4, "BTC"),
        (5, "it is an instrument"),
        (8, "less than a lot"),
        (9, "entry_price"),
        (11, "nobody holds a position in a spot market"),
        (14, "unknown instrument"),
        (16, "leverage: unknown key"),
        (19, "ETH"),
        (20, "one dollar"),
    ):
        assert any(f"{file}:{line}: " in text and words in text for text in said), (line, words, said)
    assert [int(text.split(":")[1]) for text in said] == sorted(int(text.split(":")[1]) for text in said)
    monkeypatch.setattr("sys.argv", ["cascade", "margin", str(file)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error: ") == len(said)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "balances: missing"), ("[balances]\n", "balances: is empty"), ("balances = 3\n", "balances")],
)
def test_an_account_has_a_balance(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "account.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read_account(file, scenario())


def test_an_account_without_positions_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "account.toml"
    file.write_text("[balances]\nBTC = 1.0\n[prices]\nBTC = 50000.0\n")
    print_answer(answer(file, scenario()))
    assert "45,000.00" in capsys.readouterr().out


def test_the_mark_of_an_instrument_may_be_given(tmp_path: Path) -> None:
    file = tmp_path / "account.toml"
    file.write_text(
        "[balances]\nUSDC = 9000.0\n[positions.BTC-PERP]\nquantity = 1.0\nentry_price = 50000.0\n"
        "[prices]\nBTC = 50000.0\nBTC-PERP = 50500.0\n"
    )
    found = answer(file, scenario()).found
    (cross,) = found.pots["cross"]
    assert found.marks["BTC-PERP"] == 50_500.0
    assert cross.net_equity == 9_500_000_000


def test_options_are_explained_with_their_greeks(capsys: pytest.CaptureFixture[str]) -> None:
    world = Scenario.load("options-crash")
    lots = {"BTC-PERP": 2_000, "BTC-2W-54000-P": 2_000, "BTC-2W-66000-C": -1_000}
    held = account({"USDC": 60_000_000_000}, lots, dict.fromkeys(lots))
    found, setting = explain(held, world, opening_prices(world, seed=1))
    for mode in MODES:
        for pot in found.pots[mode]:
            for profile in PROFILES:
                lines = pot.positions[profile] if mode != "portfolio" else ()
                terms = (
                    pot.portfolio[profile].terms.values() if mode == "portfolio" else [line.needed for line in lines]
                )
                assert pot.totals[profile].requirement == sum(terms)
                assert pot.totals[profile].equity == sum(line.counted for line in pot.balances[profile])
    assert found.greeks["BTC"]["vega"] > 0.0 > found.greeks["BTC"]["theta"]
    calls = first_calls(found, setting, held, world)
    print_answer(Answer(account=held, scenario=world, found=found, calls=calls, portfolio_stated=False))
    printed = capsys.readouterr().out
    for wanted in ("Greeks", "gamma", "dealers in 4 slices", "short option charge", "no rule is stated here"):
        assert wanted in printed
