"""Dated futures and options, by hand: settlement at an average of the index, marks, standard margin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.build import build
from experiments.scenario import Scenario
from market.errors import InputError
from market.instruments import Instrument, instrument_records
from market.kernels.option_marks import averaging_seconds
from market.kernels.records import BUY, CLOSED, LIMIT, OPTION, SELL
from market.kernels.rules.options import SECONDS_PER_YEAR, black_price
from market.kernels.safe_distance import safe_distance
from market.margin.options import OptionRequirement
from market.margin.rules import Margin
from market.surface import ImpliedSurface
from market.venue import Venue
from tests.engine_worlds import ASSETS, INSTRUMENTS, USD, Engine, changed, engine, plain_venue

PERP, BTC = 0, 1
LOT = 0.001
FLAT = ImpliedSurface(
    short_volatility=0.8, long_volatility=0.8, correlation=0.0, curvature=1e-6, spot_beta=0.0, sticky_strike_share=0.0
)
BOOKS = {
    **INSTRUMENTS,
    "FUT": Instrument(kind="future", base="BTC", tick_size=1.0, lot_size=LOT, expiry_hours=10.0 / 3600.0),
    "CALL": Instrument(
        kind="option", base="BTC", tick_size=1.0, lot_size=LOT, strike=10_000.0, expiry_hours=10.0 / 3600.0
    ),
    "PUT": Instrument(
        kind="option", option="put", base="BTC", tick_size=1.0, lot_size=LOT, strike=9_000.0, expiry_hours=720.0
    ),
}
FUT, CALL, PUT = (list(BOOKS).index(name) for name in ("FUT", "CALL", "PUT"))
PER_TICK = USD // 1_000
"""Quanta per tick of one lot."""


def venue(**fields: Any) -> Venue:
    rules: Venue = changed(plain_venue(), **({"surfaces": {"default": FLAT}, "settlement_seconds": 4.0} | fields))
    return rules


def world(
    *, prices: Any = None, rules: Venue | None = None, deposits: tuple[float, ...] = (50_000.0, 50_000.0)
) -> Engine:
    return engine(deposits=list(deposits), venue=rules or venue(), instruments=BOOKS, prices=prices)


def rising(tick: int) -> tuple[float, ...]:
    """10,000 and 100 more every tick."""
    return (1.0, 10_000.0 + 100.0 * tick)


def test_a_future_pays_the_average_less_the_entry_and_its_book_closes() -> None:
    made = world(prices=rising)
    long, short = made.rows
    made.open(long, 7, 10_040, book=FUT, against=short)
    made.rest(SELL, 10_900, 5, account=short, book=FUT)
    made.run(10)  # ticks 0 .. 9
    assert made.lots(long, FUT) == 7
    made.run()  # tick 10 is second 10: the index of seconds 7, 8, 9 and 10 counts
    average = (10_700 + 10_800 + 10_900 + 11_000) // 4
    assert made.lots(long, FUT) == made.lots(short, FUT) == 0
    profit = 7 * (average - 10_040) * PER_TICK
    assert made.cash(long) == 50_000 * USD + profit
    assert made.cash(short) == 50_000 * USD - profit
    made.check_books()
    assert made.world.instruments["halted"][FUT] == CLOSED
    assert made.world.books.live_orders == 0
    assert next((s.book, s.price, s.lots) for s in made.world.expiries.settlements) == (FUT, average, 7)  # type: ignore[union-attr]


@pytest.mark.parametrize(("strike", "payoff"), [(10_000.0, 850), (10_851.0, 0)])
def test_an_option_pays_its_premium_at_once_and_what_it_is_worth_at_the_average(strike: float, payoff: int) -> None:
    books = BOOKS | {"CALL": changed(BOOKS["CALL"], strike=strike)}
    made = engine(deposits=[50_000.0, 50_000.0], venue=venue(), instruments=books, prices=rising)
    long, short = made.rows
    made.open(long, 9, 123, book=CALL, against=short)
    assert made.cash(long) == 50_000 * USD - 9 * 123 * PER_TICK
    mark = int(made.world.instruments["mark"][CALL])
    assert made.assess(long)[1] == 50_000 * USD + 9 * (mark - 123) * PER_TICK, "profit not yet realised: market value"
    made.check_books()
    made.run(11)
    assert made.cash(long) == 50_000 * USD + 9 * (payoff - 123) * PER_TICK
    assert made.cash(long) + made.cash(short) == 100_000 * USD
    assert made.lots(short, CALL) == 0
    made.check_books()


def test_without_a_window_the_index_of_the_moment_settles() -> None:
    made = world(prices=rising, rules=venue(settlement_seconds=0.0))
    made.open(made.rows[0], 1, 10_000, book=FUT, against=made.rows[1])
    made.run(11)
    assert made.cash(made.rows[0]) == 50_000 * USD + 1_000 * PER_TICK


def test_who_cannot_pay_at_expiry_is_a_loss_of_the_waterfall() -> None:
    jump = venue(settlement_seconds=0.0)
    made = world(prices=lambda tick: (1.0, 10_000.0 if tick < 10 else 10_850.0), rules=jump, deposits=(50_000.0, 6.0))
    made.open(made.rows[0], 10, 10_000, book=FUT, against=made.rows[1])
    made.run(12)
    made.check_books()
    loss = 10 * 850 * PER_TICK - 6 * USD
    assert made.losses["bad_debt"].tolist() == [loss]
    assert made.losses["socialised"].tolist() == [loss]
    assert made.cash(made.rows[0]) == 50_006 * USD
    assert made.cash(made.rows[1]) == 0


def test_orders_for_an_option_or_an_expired_future_are_refused() -> None:
    order = {"op": LIMIT, "side": BUY, "price": 50, "lots": 1}
    script = {tick: [order | {"book": book, "account": 7}] for tick, book in ((0, CALL), (1, FUT), (12, FUT))}
    made = engine(deposits=[1e6], venue=venue(), instruments=BOOKS, script=script)
    assert made.rows == [7]
    made.run(2)
    assert made.world.books.live_orders == 1
    assert made.world.ledger.positions["open_bid"][7, FUT] == 1
    made.run(11)
    assert made.world.books.live_orders == 0


def test_marks_are_black_76_on_the_mark_of_the_forward() -> None:
    made = world()
    put = made.world.instruments[PUT]
    years = (720.0 * 3600.0 - 4.0 * 2.0 / 3.0) / SECONDS_PER_YEAR
    value = black_price(False, 10_000.0, 9_000.0, 0.8 * math.sqrt(years))
    assert int(put["mark"]) == round(value)
    assert put["deviation"] == pytest.approx(0.8 * math.sqrt(years), rel=1e-6)
    made.world.instruments["mark"][PERP] = 9_500
    made.world.revalue()
    assert int(put["mark"]) == round(black_price(False, 9_500.0, 9_000.0, 0.8 * math.sqrt(years)))


def test_the_average_that_is_there_does_not_move_any_more() -> None:
    """One second before the end, three of four prices are known: a fall of the forward moves a quarter of the value."""
    made = world(prices=rising)
    made.run(10)  # the next index is that of second 10; the option is marked at second 9
    known = (10_700 + 10_800 + 10_900) / 3
    expected = 0.75 * known + 0.25 * 10_900
    assert made.world.instruments["forward_price"][CALL] == pytest.approx(expected)
    assert int(made.world.instruments["mark"][CALL]) == round(expected - 10_000.0)


def test_variance_of_an_average() -> None:
    """Var of the mean of a random walk over the last `window` seconds, seen `left` before its end."""
    steps = np.random.default_rng(1).standard_normal((20_000, 90))
    walk = np.cumsum(steps, axis=1)
    assert averaging_seconds(90.0, 30.0) == pytest.approx(walk[:, 60:].mean(axis=1).var(), rel=0.03)
    assert averaging_seconds(30.0, 30.0) == pytest.approx(walk[:, :30].mean(axis=1).var(), rel=0.06)
    assert averaging_seconds(30.0, 30.0) == pytest.approx(averaging_seconds(30.0 - 1e-9, 30.0))


def test_standard_margin_by_hand() -> None:
    """Short: 15 % of the index less what it is out of the money, at least 10 %; kept: 7.5 %. Long: its value."""
    made = world()
    put, call = made.world.instruments[PUT], made.world.instruments[CALL]
    assert put["short_initial"] == 1_000 * PER_TICK, "15 % less 10 % out of the money: the floor of 10 %"
    assert put["short_maintenance"] == 750 * PER_TICK
    assert (call["short_initial"], call["short_maintenance"]) == (1_500 * PER_TICK, 750 * PER_TICK)
    long, short = made.rows
    made.open(long, 4, int(put["mark"]), book=PUT, against=short)
    value = 4 * int(put["mark"]) * PER_TICK
    assert made.assess(long) == (50_000 * USD, 50_000 * USD, value, value)
    assert made.assess(short) == (50_000 * USD, 50_000 * USD, 3_000 * PER_TICK, 4_000 * PER_TICK)


def test_a_share_of_long_options_may_count_as_equity() -> None:
    margin = Margin(options={"PUT": OptionRequirement(long_value=0.25), "default": OptionRequirement(initial=0.2)})
    made = world(rules=venue(margin=margin))
    long, short = made.rows
    mark = int(made.world.instruments["mark"][PUT])
    made.open(long, 4, mark, book=PUT, against=short)
    assert made.assess(long)[2] == 3 * mark * PER_TICK
    assert made.world.instruments["short_initial"][CALL] == 2_000 * PER_TICK


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 32),
    share=st.floats(0.0, 1.0),
    split=st.floats(0.0, 1.0),
    up=st.booleans(),
)
def test_no_move_within_the_safe_distance_breaks_a_holder_of_options(
    seed: int, share: float, split: float, up: bool
) -> None:
    """The forward moves by part of the distance, the deviation by the rest, as the filter measures it."""
    draw = np.random.default_rng(seed)
    rule = OptionRequirement(long_value=float(draw.choice([0.0, 0.7])))
    made = world(rules=venue(margin=Margin(options={"default": rule})), deposits=(0.0, 100_000.0))
    account, other = made.rows
    for book in (PERP, CALL, PUT):
        made.open(
            account, int(draw.normal(0.0, 50.0)), int(made.world.instruments["mark"][book]), book=book, against=other
        )
    needed = made.assess(account)
    made.world.ledger.deposit(account, 0, needed[2] - needed[0] + int(draw.exponential(20.0) * USD))
    state = made.world
    reach = 0.06
    distance = min(
        reach,
        safe_distance(
            account, state.instruments, state.assets, state.margin, state.ledger.positions, state.ledger.cash, reach
        ),
    )
    before = state.instruments.copy()
    move = (1.0 if up else -1.0) * share * split * distance
    state.instruments["mark"][PERP] = int(state.instruments["mark"][PERP] * (1.0 + move))
    state.assets["price"][BTC] = int(state.assets["price"][BTC] * (1.0 + move))
    state.options.surfaces["level"] = draw.normal(0.0, 0.5)  # type: ignore[union-attr]
    state.revalue()
    option = before["kind"] == OPTION
    measured = np.abs(state.instruments["forward_price"] / np.where(option, before["forward_price"], 1.0) - 1.0)
    measured += 0.4 * np.abs(state.instruments["deviation"] - before["deviation"])
    if measured[option].max() > distance:
        return
    margin_equity, _, maintenance, _ = made.assess(account)
    assert margin_equity >= maintenance


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strike": None}, "strike: an option needs strike"),
        ({"kind": "future", "strike": None, "expiry_hours": None}, "expiry_hours: a future needs expiry_hours"),
        ({"forward": "BTC-USDC"}, "forward: expected a perpetual, or a future that expires no earlier"),
        ({"kind": "perpetual"}, "expiry_hours: a perpetual has no expiry_hours"),
    ],
)
def test_terms_that_make_no_sense(fields: dict[str, Any], message: str) -> None:
    books = {**INSTRUMENTS, "X": changed(BOOKS["PUT"], **fields)}
    with pytest.raises(InputError, match=message):
        instrument_records(ASSETS, books, {"USDC": 1.0, "BTC": 10_000.0})


def test_recorded_options_have_paid_their_premium_and_dealers_opposite(tmp_path: Path) -> None:
    """A file says what is owned now: its balance stays, the option's value is on top; dealers take the other side."""
    file = tmp_path / "book.csv"
    file.write_text(
        "account,asset,instrument,quantity,entry_price\n"
        "a,USDC,,30000,\n"
        "a,,BTC-2W-54000-P,-1,900\n"
        "b,USDC,,30000,\n"
        "b,,BTC-2W-66000-C,2,\n"
    )
    scenario = Scenario.load("options-crash", overrides=['population.kind="file"', f"population.file={file}"])
    world = build(scenario, seed=1).world
    row = world.ledger.names.index("a")
    put = world.instrument("BTC-2W-54000-P")
    assert world.ledger.cash[row, 0] == 30_000 * USD
    worth = world.ledger.assess(world.instruments, world.assets, world.margin)[row, 1]
    value = 1_000 * int(world.instruments["mark"][put]) * int(world.instruments["tick_value"][put])
    assert worth == 30_000 * USD - value
    dealers = [index for index, role in enumerate(world.ledger.roles) if role == "dealer"]
    assert world.ledger.positions["lots"][dealers, put].sum() == 1_000
    assert world.ledger.conservation_error() == world.ledger.clearing_error(world.instruments) == 0
