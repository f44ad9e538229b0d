"""Options of one expiry taken together, and what doubtful prices and a lost peg add: by hand, and in the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments import config
from experiments.venues.presets import VenueFile
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.kernels.margin import relief_of
from market.kernels.records import PORTFOLIO
from market.kernels.safe_distance import safe_distance
from market.margin.contingency import Contingency
from market.margin.option_expiries import LargestLoss
from market.margin.options import OptionRequirement
from market.margin.portfolio import ScenarioMargin
from market.margin.rules import Margin
from tests.engine_worlds import BTC, INSTRUMENTS, PERP, USD, USDC, Engine, changed, engine, plain_venue

RULE = OptionRequirement(
    initial=0.15, least_initial=0.13, call_maintenance=0.09, put_maintenance=0.09, put_maintenance_of_mark=0.09
)
STRIKES = {
    "C10": 10_000.0,
    "C105": 10_500.0,
    "C12": 12_000.0,
    "C40": 40_000.0,
    "P30": 30_000.0,
    "P31": 31_000.0,
    "LATER": 12_000.0,
}


def listed(name: str, strike: float) -> Instrument:
    made: Instrument = changed(
        PERP, kind="option", option="put" if name[0] == "P" else "call", strike=strike, tick_size=0.5,
        expiry_hours=48.0 if name == "LATER" else 24.0,
    )  # fmt: skip
    return made


def made_with(held: dict[str, int], *, quote: Asset = USDC, **rules: Any) -> Engine:
    """One customer, 10,000 USDC, positions in lots of 0.001 at the marks; bitcoin at 10,000."""
    instruments = {**INSTRUMENTS, **{name: listed(name, strike) for name, strike in STRIKES.items()}}
    margin = Margin(options={"default": RULE}, **rules)
    made = engine(
        deposits=(10_000.0,), venue=plain_venue(margin=margin), assets={"USDC": quote, "BTC": BTC},
        instruments=instruments,
    )  # fmt: skip
    for name, lots in held.items():
        book = made.world.instrument_symbols.index(name)
        made.open(made.rows[0], lots, int(made.world.instruments["mark"][book]), book=book)
    return made


def needed(made: Engine) -> list[float]:
    """What the account must have beside the value of its options, USD: maintenance and initial."""
    world, row = made.world, made.rows[0]
    _, _, maintenance, initial = made.assess(row)
    option = world.instruments["kind"] == 3
    value = world.ledger.positions[row]["lots"] * world.instruments["mark"] * world.instruments["tick_value"]
    return [(figure - int(value[option].sum())) / USD for figure in (maintenance, initial)]


TOGETHER = {"BTC": LargestLoss()}


def test_a_spread_needs_what_it_can_lose_and_alone_the_whole_of_the_short_call() -> None:
    """One short at 10,000, one long at 10,500: no more than 500 can be lost; one by one 9 % and the value."""
    mark = 0.5 * float(made_with({}).world.instruments["mark"][2])
    spread = {"C10": -1_000, "C105": 1_000}
    assert needed(made_with(spread)) == pytest.approx([900.0 + mark, 1_500.0 + mark], abs=0.01)
    assert needed(made_with(spread, expiries=TOGETHER)) == pytest.approx([500.0, 500.0], abs=0.01)
    wide = made_with({"C10": -1_000, "C12": 1_000}, expiries=TOGETHER)
    assert needed(wide) == pytest.approx([900.0 + mark, 1_500.0 + mark], abs=0.01), "2,000 can be lost: the lesser"
    covered = made_with({"C12": -1_000, "C10": 1_000}, expiries=TOGETHER)
    assert needed(covered) == pytest.approx([0.0, 0.0], abs=0.01), "nothing can be lost"
    later = made_with({"LATER": -1_000, "C10": 1_000}, expiries=TOGETHER)
    assert needed(later)[0] >= 900.0, "another expiry"


def test_a_call_without_a_pair_adds_a_multiple_of_its_forward() -> None:
    """100 short against 99 long that cost less to exercise: a hundredth is open, at 1.1 and 1.2 x 10,000."""
    found = needed(made_with({"C12": -1_000, "C10": 990}, expiries=TOGETHER))
    assert found == pytest.approx([0.01 * 11_000, 0.01 * 12_000], abs=0.01)
    dear = {"BTC": LargestLoss(unpaired_maintenance=3.0, unpaired_initial=4.0)}
    assert needed(made_with({"C12": -1_000, "C10": 990}, expiries=dear)) == pytest.approx([300.0, 400.0], abs=0.01)


def test_closing_half_of_a_pair_relieves_nothing() -> None:
    made = made_with({"C12": -1_000, "C10": 1_000}, expiries=TOGETHER)
    world, row = made.world, made.rows[0]
    tables = (world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash)
    books = {name: world.instrument_symbols.index(name) for name in ("C10", "C12")}
    before = made.assess(row)[2]
    for name, lots in (("C10", 1_000), ("C12", -1_000)):
        relief = relief_of(row, books[name], lots, *tables)
        assert (relief < 0) == (name == "C10"), "the long one is what covers the short one"
        world.ledger.positions["lots"][row, books[name]] = 0
        assert made.assess(row)[2] == before - relief
        world.ledger.positions["lots"][row, books[name]] = lots


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("move", [-1, 1])
def test_nobody_breaks_within_the_safe_distance(fixed: bool, move: int) -> None:
    """Puts that cannot lose, and calls without a pair at three times the forward: the charge is most of the bound."""
    quote = USDC if fixed else changed(USDC, valuation="oracle")
    rule = {"BTC": LargestLoss(unpaired_maintenance=3.0, unpaired_initial=3.0)}
    made = made_with({"P30": -1_000, "P31": 1_000, "C40": -700}, quote=quote, expiries=rule)
    world, row = made.world, made.rows[0]
    tables = (world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash)
    for _ in range(2):
        equity, _, maintenance, _ = made.assess(row)
        world.ledger.deposit(row, 0, maintenance - equity + 400 * USD)
    distance = float(safe_distance(row, *tables, 0.06))
    assert 0.0025 < distance < 0.02
    perpetual = world.instruments[:1]
    perpetual["mark"] = int(perpetual["mark"][0] * (1.0 + move * distance))
    if not fixed:
        world.assets["price"][0] = int(world.assets["price"][0] * (1.0 + distance)) + 1
    world.revalue()
    equity, _, maintenance, _ = made.assess(row)
    assert equity >= maintenance
    perpetual["mark"] = int(perpetual["mark"][0] * 1.035)
    world.revalue()
    equity, _, maintenance, _ = made.assess(row)
    assert equity < maintenance or not fixed, "the distance is of the right size"


def test_doubt_and_a_lost_peg_add_to_initial_margin_alone() -> None:
    """A tenth of doubt over a bitcoin sold and a perpetual of two; twice the 4 cents that the dollar is short of."""
    quote = changed(USDC, price_usd=0.95)
    held = {"BTC-PERP": 2_000, "C12": -1_000, "C10": 400}
    rule = Contingency(doubt=1.0, wider_than=0.05, peg=2.0)
    plain, charged = made_with(held, quote=quote), made_with(held, quote=quote, contingency=rule, expiries=TOGETHER)
    charged.world.assets["confidence"][1] = 100_000
    charged.run(1)
    plain.run(1)
    expected = (2.0 + 1.0) * (0.1 + 2.0 * 0.04) * 10_000
    figures = [made.assess(made.rows[0]) for made in (plain, charged)]
    assert figures[1][2] == figures[0][2]
    assert (figures[1][3] - figures[0][3]) / USD == pytest.approx(expected, rel=1e-4)
    charged.world.assets["confidence"][1] = 40_000
    charged.run(1)
    assert (charged.assess(charged.rows[0])[3] - figures[0][3]) / USD == pytest.approx(3.0 * 800.0, rel=1e-4)


def test_under_portfolio_margin_doubt_is_charged_on_all_and_the_peg_raises_the_factor() -> None:
    quote = changed(USDC, price_usd=0.95)
    held = {"BTC-PERP": 2_000, "C12": -1_000, "C10": 400}
    portfolio = ScenarioMargin(
        initial_factor=1.2,
        linear_charge=0.0,
        linear_charge_initial=0.0,
        short_option_charge=0.0,
        short_option_charge_initial=0.0,
    )
    found = []
    for rule in (Contingency(), Contingency(doubt=1.0, wider_than=0.05), Contingency(peg=5.0)):
        made = made_with(held, quote=quote, contingency=rule, mode="portfolio", portfolio=portfolio)
        made.world.assets["confidence"][1] = 100_000
        assert (made.world.ledger.accounts["mode"][made.rows] == PORTFOLIO).all()
        made.run(1)
        found.append(np.array(made.assess(made.rows[0])) / USD)
    assert found[1][2] == found[2][2] == found[0][2], "maintenance"
    assert found[1][3] - found[0][3] == pytest.approx((2.0 + 1.0 + 0.4) * 0.1 * 10_000, rel=1e-4)
    assert found[2][3] == pytest.approx(found[0][3] * (1.2 + 5.0 * 0.04) / 1.2, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[venue.margin.expiries.BTC]\nkind = "worst"', "venue.margin.expiries.BTC"),
        ('[venue.margin.expiries.BTC]\nkind = "largest_loss"\nunpaired_initial = 0.5', "BTC.unpaired_initial"),
        ("[venue.margin.contingency]\ndoubt = -1.0", "venue.margin.contingency.doubt"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as refused:
        config.load(VenueFile, text + "\n")
    assert len(str(refused.value).splitlines()) == 1
