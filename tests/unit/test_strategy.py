"""Strategies in plain Python: what they see, how their orders are rounded and gated, and that nobody else notices."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from agents.strategy import Strategies, Strategy, StrategyCohort
from agents.strategy_orders import Cancel, Order
from agents.strategy_view import View
from experiments.run import Session, simulate
from experiments.scenario import Scenario
from market.errors import InputError
from market.kernels.records import BUY, SELL
from market.simulation import Cast
from tests.population_worlds import quote
from tests.worlds import BTC, BTC_PERP, BTC_SPOT, USDC, Prices, Small, small_world

INSTRUMENTS = {"BTC-PERP": BTC_PERP, "BTC-USDC": BTC_SPOT}


def short_crash(*overrides: str) -> Scenario:
    """Five minutes of a crash among a few hundred accounts."""
    return Scenario.load(
        "flash-crash",
        overrides=["hours=0.08", "reference.crash_at_seconds=30", "population.count=400", *overrides],
    )


class Script(Strategy):
    """Sends what it is told, tick by tick, and remembers what `look` saw."""

    def __init__(self, *acts: Any, look: Any = None, **settings: Any) -> None:
        self.acts, self.look, self.seen = list(acts), look, []  # type: ignore[var-annotated]
        for name, value in settings.items():
            setattr(self, name, value)

    def act(self, view: View) -> Iterable[Order | Cancel] | None:
        if self.look is not None:
            self.seen.append(self.look(view))
        if not self.acts:
            return None
        wanted = self.acts.pop(0)
        answer: Iterable[Order | Cancel] | None = wanted(view) if callable(wanted) else wanted
        return answer


def stage(*strategies: Strategy, ticks: int = 0) -> tuple[Small, StrategyCohort]:
    """A world with a perpetual and a spot book at 60,000; the crowd bids 59,990 and offers 60,010 for ten coins."""
    made: list[StrategyCohort] = []

    class Joining(Strategies):
        def join(self, world: Any, **tables: Any) -> StrategyCohort:
            made.append(super().join(world, **tables))
            return made[0]

    small = small_world(
        Joining(strategies),
        prices=Prices(np.full((1, 1), 60_000.0)),
        assets={"USDC": USDC, "BTC": BTC},
        instruments=INSTRUMENTS,
    )
    for symbol in INSTRUMENTS:
        quote(small.world, symbol, side=BUY, price=119_980, lots=50_000)
        quote(small.world, symbol, side=SELL, price=120_020, lots=50_000)
    small.run(ticks)
    return small, made[0]


def test_an_idle_strategy_leaves_everything_else_as_it_was() -> None:
    sessions = []
    for strategies in ((), (Script(look=lambda view: view.rng.random(), collateral={"USDC": 1.0}),)):
        session = Session(short_crash(), seed=3, strategies=strategies)
        session.advance(session.ticks_left)
        sessions.append(session)
    without, beside = (session.built.world for session in sessions)
    assert without.n_events > 0
    everybody = len(without.ledger.names)
    assert beside.ledger.names[:everybody] == without.ledger.names
    assert beside.ledger.names[everybody:] == ["Script"]
    owners = [row for row, name in enumerate(without.ledger.names) if name != "outside"]
    np.testing.assert_array_equal(beside.ledger.cash[owners], without.ledger.cash[owners])
    np.testing.assert_array_equal(beside.ledger.positions[owners], without.ledger.positions[owners])
    np.testing.assert_array_equal(beside.instruments, without.instruments)
    np.testing.assert_array_equal(beside.events[: beside.n_events], without.events[: without.n_events])
    np.testing.assert_array_equal(sessions[0].recorder.ticks, sessions[1].recorder.ticks)


def test_the_view_says_what_the_ledger_holds() -> None:
    def look(view: View) -> dict[str, Any]:
        book = view["BTC-PERP"]
        return {
            "prices": (book.mark, book.index, book.reference, book.bid, book.ask, book.mid, book.last),
            "account": (view.margin_equity_usd, view.net_equity_usd, view.margin_excess_usd, view.free_margin_usd),
            "position": (book.position, book.entry_price, dict(view.positions), dict(view.balances)),
            "liquidation": book.liquidation_price,
            "depth": (book.depth_usd("bid", within_bps=10.0), book.depth_usd("ask", within_bps=1.0)),
            "sweep": (book.sweep(2.0), book.sweep(-20.0), book.sweep(0.0)),
            "time": view.seconds,
        }

    strategy = Script([Order(instrument="BTC-PERP", size=1.0)], look=look, collateral={"USDC": 10_000.0, "BTC": 0.5})
    _, cohort = stage(strategy, ticks=2)
    before, after = cohort.strategies["Script"].seen  # type: ignore[attr-defined]
    assert before["prices"] == (60_000.0, 60_000.0, 60_000.0, 59_990.0, 60_010.0, 60_000.0, None)
    assert before["account"] == (40_000.0, 40_000.0, 40_000.0, 40_000.0)
    assert before["position"] == (0.0, None, {}, {"USDC": 10_000.0, "BTC": 0.5})
    assert before["liquidation"] is None
    assert before["depth"] == (pytest.approx(599_900.0), 0.0)
    assert before["sweep"] == ((2.0, 60_010.0), (-10.0, 59_990.0), (0.0, None))
    # Bought at 60,010, 10 above the mark, for a fee of 4 bps; 5 % initial margin, 2.5 % maintenance.
    fee = 24.004
    mark = after["prices"][0]
    equity = 40_000.0 - fee + (mark - 60_010.0)
    assert after["account"] == pytest.approx((equity, equity, equity - 0.025 * mark, equity - 0.05 * mark))
    assert after["position"] == (1.0, 60_010.0, {"BTC-PERP": 1.0}, {"USDC": pytest.approx(10_000.0 - fee), "BTC": 0.5})
    # At price p: 10,000 - fee + 0.5 x 60,000 + (p - 60,010) = 0.025 p.
    assert after["liquidation"] == pytest.approx((60_010.0 + fee - 40_000.0) / 0.975, abs=0.01)
    assert (before["time"], after["time"]) == (0.0, 1.0)


def test_orders_are_rounded_to_lots_and_ticks_in_the_senders_favour() -> None:
    def act(view: View) -> list[Order]:
        book = view["BTC-PERP"]
        return [
            book.buy(0.00099, limit=50_000.7),  # 4 lots of 0.0002, tick 0.5
            book.sell(0.0006, limit=70_000.1),  # 3 lots, written in decimals
            book.buy(0.0001),  # less than a lot
            book.buy(usd=6_000.0, limit=50_000.0),
        ]

    _, cohort = stage(Script(act, look=lambda view: (view.orders, view.outcomes)), ticks=2)
    orders, outcomes = cohort.strategies["Script"].seen[1]  # type: ignore[attr-defined]
    assert [(order.size, order.limit) for order in reversed(orders)] == [
        (pytest.approx(0.0008), 50_000.5),
        (pytest.approx(-0.0006), 70_000.5),
        (pytest.approx(0.1), 50_000.0),
    ]
    assert [(outcome.filled, outcome.rests) for outcome in outcomes] == [(0.0, True)] * 3


def test_orders_fill_rest_expire_and_are_cancelled() -> None:
    def first(view: View) -> list[Order]:
        book = view["BTC-PERP"]
        return [
            book.buy(0.2),
            book.sell(12.0, limit=59_990.0, immediate=True, reduce_only=True),
            book.sell(0.2, limit=59_990.0, post_only=True),
        ]

    outcomes = []
    strategy = Script(
        first,
        [Order(instrument="BTC-PERP", size=0.1, limit=59_000.0), Order(instrument="BTC-PERP", size=0.1, limit=58_000)],
        lambda view: [view.orders[-1].cancel(), Cancel(handle=1 << 24)],
        lambda view: [view["BTC-PERP"].close(), *view.cancel_all()],
        look=lambda view: (view["BTC-PERP"].position, tuple(view.outcomes), tuple(o.limit for o in view.orders)),
        collateral={"USDC": 20_000.0},
    )
    _, cohort = stage(strategy, ticks=5)
    seen = cohort.strategies["Script"].seen  # type: ignore[attr-defined]
    outcomes = seen[1][1]
    assert [(o.filled, o.price, o.rests) for o in outcomes] == [
        (pytest.approx(0.2), 60_010.0, False),
        (pytest.approx(-0.2), 59_990.0, False),
        (0.0, None, False),
    ]
    assert seen[1][0] == 0.0
    assert [look[2] for look in seen] == [(), (), (58_000.0, 59_000.0), (58_000.0,), ()]


def test_the_margin_gate_refuses_what_collateral_does_not_cover() -> None:
    # 10,000 at 5 % initial margin carry 200,000: 3.3 coins; on spot it buys what it can pay.
    acts = [[Order(instrument="BTC-PERP", size=3.4)], [Order(instrument="BTC-PERP", size=3.2)]]
    spot = [[Order(instrument="BTC-USDC", size=0.2)], [Order(instrument="BTC-USDC", size=0.1)]]
    _, cohort = stage(Script(*acts, name="derivative"), Script(*spot, name="spot"), ticks=3)
    views = {member.name: member.view for member in cohort.members}
    assert views["derivative"]["BTC-PERP"].position == pytest.approx(3.2)
    assert views["spot"]["BTC-USDC"].position == pytest.approx(0.1)
    assert views["spot"].position("BTC-USDC") == views["spot"].balances["BTC"]


def test_nobody_cancels_for_others() -> None:
    resting = Script([Order(instrument="BTC-PERP", size=0.1, limit=50_000.0)], name="owner")
    small, cohort = stage(resting, Script(name="thief"), ticks=1)
    handle = cohort.members[0].view.orders[0].handle
    cohort.members[1].strategy.acts.append([Cancel(handle=handle)])  # type: ignore[attr-defined]
    small.run(1)
    assert [order.handle for order in cohort.members[0].view.orders] == [handle]


def test_the_venue_liquidates_a_strategy_like_everybody() -> None:
    class Gambler(Strategy):
        """All in, once."""

        collateral = MappingProxyType({"USDC": 30_000.0})
        acted = False

        def act(self, view: View) -> list[Order]:
            if self.acted:
                return []
            self.acted = True
            return [view["BTC-PERP"].buy(usd=38.0 * view.free_margin_usd)]

    original = Gambler()
    result = simulate(short_crash(), seed=3, twin=True, strategies=[original])
    row = result.accounts.set_index("account").loc["Gambler"]
    assert row["role"] == "strategy"
    assert row["net_equity_before_usd"] == 30_000.0
    assert row["forced_notional_usd"] > 0.0
    assert row["net_equity_after_usd"] < 30_000.0
    assert "Gambler" in set(result.liquidations["account"])
    assert result.kpis["conservation_error"] == 0
    assert not original.acted, "runs work on copies"
    assert result.strategies["Gambler"].acted  # type: ignore[attr-defined]
    assert result.notes[-1].endswith("Gambler with 30000 USDC")


def test_draws_depend_on_seed_name_and_tick_only() -> None:
    def draws(*strategies: Strategy) -> dict[str, list[float]]:
        _, cohort = stage(*strategies, ticks=3)
        return {name: strategy.seen for name, strategy in cohort.strategies.items()}  # type: ignore[attr-defined]

    def look(view: View) -> float:
        return float(view.rng.random())

    alone = draws(Script(look=look, name="a"))["a"]
    both = draws(Script(look=lambda view: view.rng.random(7).sum(), name="b"), Script(look=look, name="a"))
    assert both["a"] == alone
    assert len({*alone, *both["b"]}) == 6
    seldom = draws(Script(look=look, name="a", every_seconds=2.0))["a"]
    assert seldom == alone[::2]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Script(name="crowd"), "crowd: there is an account of that name"),
        (Script(collateral={"DOGE": 1.0}), "'DOGE'; assets are USDC, BTC"),
        (Script(collateral={"USDC": -1.0}), "it must be 0 or more"),
        (Script(lambda view: view["BTC-PERP"].buy(1.0)), "a list of orders, not one order"),
        (Script(["buy"]), "returned 'buy'"),
        (Script([Order(instrument="ETH", size=1.0)]), "Script, after 0 s: no instrument 'ETH'; instruments are"),
        (Script([Order(instrument="BTC-PERP", size=float("nan"))]), "finite"),
        (Script(lambda view: [view["BTC-PERP"].buy()]), "either a size"),
        (Script(lambda view: [view["BTC-PERP"].sell(-1.0)]), "0 or more"),
        (Script([Cancel(handle=1)] * 3, most_messages=2), "most_messages = 2"),
    ],
)
def test_mistakes_are_explained(strategy: Strategy, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stage(strategy, ticks=1)


def test_an_error_inside_act_says_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        stage(Script(lambda view: 1 / view.seconds), ticks=1)
    assert caught.value.__notes__ == ["in strategy Script, after 0 s of the run"]


def test_names_are_distinct() -> None:
    assert Strategies([Script(), Script(name="x"), Script()]).names == ["Script", "x", "Script-2"]
    with pytest.raises(InputError, match="two are called 'x'"):
        Strategies([Script(name="x"), Script(name="x")])
    with pytest.raises(InputError, match="derive its class from Strategy"):
        Strategies([Script])  # type: ignore[list-item]


def test_a_run_without_strategies_has_no_cohort_of_them() -> None:
    session = Session(short_crash(), seed=3)
    cast: Cast = session.built.cast
    assert session.built.strategies.strategies == {}
    assert not any(isinstance(cohort, StrategyCohort) for cohort in cast.cohorts)
    with pytest.raises(ValueError, match="288 left"):
        session.advance(289)
