"""Runs over several venues in the laboratory: interventions by venue, export, what a page is told, figures to draw."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app import protocol
from app.catalogue import Catalogue, check_upload
from app.limits import Limits
from app.view import View
from experiments import InputError, library
from experiments.config import load, resolved_toml
from experiments.run import Session
from experiments.systems.run import simulate_system
from experiments.systems.scenario import SystemScenario
from experiments.systems.session import SystemSession
from tests.cuts import cut_system, digests

EXPLOIT = "collateral-exploit"


def view(name: str = EXPLOIT, **more: Any) -> View:
    catalogue = Catalogue(None, most_uploads=4)
    text = resolved_toml(cut_system(name))
    check_upload(text, depth=24)
    wanted = protocol.Open(do="open", scenario=catalogue.add(text, name="small"), **more)
    return View(wanted, catalogue.find(wanted.scenario), limits=Limits(), studies=[])


def figures(told: dict[str, Any]) -> dict[str, float]:
    return {key: figure["value"] for key, figure in told["kpis"].items()}


def lost(matrix: pd.DataFrame, source: str, target: str) -> float:
    return float(matrix.to_numpy()[list(matrix.index).index(source), list(matrix.columns).index(target)])


def test_a_session_exports_as_a_system_that_replays_to_the_same_figures() -> None:
    """Shocks to the outside world, settings and shocks on two venues, looked at all the while."""
    made = view(seed=3)
    assert made.venue == "exchange", "the first that trades on books"
    made.shock(protocol.Shock(do="shock", kind="drop", asset="ETH", percent=3.0))
    made.advance(100)
    made.frame()
    made.set(protocol.Set(do="set", path="venue.liquidation.fee_bps", value=70.0))
    made.shock(protocol.Shock(do="shock", kind="drop", asset="ETH", percent=6.0, seconds=120.0))
    made.shock(protocol.Shock(do="shock", kind="account_fails", venue="lender"))
    made.select_venue("lender")
    made.frame()
    made.advance(60)
    made.shock(protocol.Shock(do="shock", kind="oracle_outage", seconds=100.0))
    made.shock(protocol.Shock(do="shock", kind="maker_leaves", seconds=60.0, venue="exchange"))
    made.advance(1_000_000)
    while made.frame()["sides"]["a"]["edges"]["usd"]:  # causes that had to wait for their turn
        pass
    told = made.frame()["sides"]["a"]["system"]

    text = made.export(protocol.Export(do="export"))["toml"]
    written, _ = load(SystemScenario, text)
    assert len(written.interventions) == 2
    assert {name: len(own.interventions) for name, own in written.venues.items()} == {
        "lender": 2, "exchange": 2, "amm": 0,
    }  # fmt: skip
    again = simulate_system(written, seed=3, twin=False)
    session = made.sides["a"]
    for name, result in again.venues.items():
        assert digests(result.main.built.world) == digests(session.venues[name].built.world), name
    shared = figures(told).keys() & again.kpis.keys()
    assert len(shared) >= 8
    assert figures(told) == pytest.approx({**figures(told), **{key: again.kpis[key] for key in shared}}, abs=0.02)
    assert again.kpis["conservation_error"] == 0
    matrix = again.causes.matrix()
    for row in told["crossings"]:
        if row["source"] != row["target"]:
            usd = row["forced_usd"] + row["claims_usd"]
            assert usd == pytest.approx(lost(matrix, row["source"], row["target"]), abs=0.05)
    assert lost(matrix, "lender", "exchange") > 1_000.0


@pytest.mark.parametrize("name", sorted(library.systems()))
def test_every_venue_of_every_system_can_be_looked_at(name: str) -> None:
    made = view(name)
    world = made.world()
    json.dumps(world, allow_nan=False)
    assert [entry["name"] for entry in world["venues"]] == list(made.sides["a"].venues)
    made.advance(4)
    for entry in world["venues"]:
        made.select_venue(entry["name"])
        frame = made.frame()
        json.dumps(frame, allow_nan=False)
        side = frame["sides"]["a"]
        assert frame["venue"] == entry["name"]
        assert len(side["series"]["books"]) == len(entry["books"]) > 0
        assert all(np.isfinite(line["mark"]).all() for line in side["series"]["books"])
        assert len(side["series"]["pools"]) == len(entry["pools"])
        assert len(side["depth"]["lending"]) == len(entry["lent"])
        assert set(side["system"]["venues"]) == {other["name"] for other in world["venues"]}
        assert entry["settings"]


def test_two_designs_of_a_system_differ_by_the_slider_of_one_venue() -> None:
    path = "venues.exchange.venue.liquidation.fee_bps"
    made = view(compare=protocol.Compare(set={path: 90.0}))
    made.set(protocol.Set(do="set", path="agents.keepers.latency_seconds", value=30.0, side="b", venue="lender"))
    made.advance(30)
    one, other = (side.as_scenario() for side in made.sides.values())
    assert isinstance(one, SystemScenario)
    assert isinstance(other, SystemScenario)
    assert (
        other.venues["exchange"].venue.liquidation.fee_bps == 90.0 != one.venues["exchange"].venue.liquidation.fee_bps
    )
    assert [len(side.venues["lender"].interventions) for side in (one, other)] == [0, 1]
    a, b = (side.venues["exchange"].recorder for side in made.sides.values())
    assert (a.ticks["reference"][:5] == b.ticks["reference"][:5]).all()


def test_what_a_system_cannot_have_done_to_it_gets_one_line() -> None:
    made = view()
    with pytest.raises(InputError, match="no venue 'bank'; venues are lender, exchange, amm"):
        made.select_venue("bank")
    with pytest.raises(InputError, match="no such setting"):
        made.set(protocol.Set(do="set", path="venue.nothing", value=1.0))
    session = made.sides["a"]
    assert isinstance(session, SystemSession)
    assert session.as_scenario() == session.scenario
    rise = '[interventions.up]\nkind = "price"\nasset = "ETH"\nat_seconds = 60.0\nfactor = 1.5\n'
    with pytest.raises(InputError, match=r"interventions.up.factor: 1.5 is a rise"):
        load(SystemScenario, resolved_toml(session.scenario) + rise)
    wrong = '[venues.exchange.interventions.x]\nkind = "set"\nat_seconds = 60.0\npath = "venue.nothing"\nvalue = 1.0\n'
    with pytest.raises(InputError, match=r"venues.exchange.interventions.x"):
        load(SystemScenario, resolved_toml(session.scenario) + wrong)
    with pytest.raises(InputError, match=r"venues.exchange.population.file: an upload can name no file"):
        check_upload('[venues.exchange.population]\nfile = "x.csv"\n', depth=24)


def test_one_venue_is_a_system_of_one_without_a_name() -> None:
    catalogue = Catalogue("calm", most_uploads=1)
    small = 'extends = "calm"\nhours = 0.02\n[population]\ncount = 100\n'
    key = catalogue.add(small, name="small")
    made = View(protocol.Open(do="open", scenario=key), catalogue.find(key), limits=Limits(), studies=[])
    assert isinstance(made.sides["a"], Session)
    assert "venues" not in made.world()
    assert "venue" not in made.frame()
    with pytest.raises(InputError, match="this scenario has one"):
        made.select_venue("exchange")
    assert {entry["name"]: entry["several"] for entry in catalogue.listed()}[EXPLOIT]


def test_a_result_shows_itself_and_draws() -> None:
    result = simulate_system(cut_system(EXPLOIT), seed=1, twin=False)
    assert "lender" in result._repr_html_()
    assert all("<table>" in one._repr_html_() for one in result.venues.values())
    prices = {line.name: line.y for line in result.plot.price().data}
    assert min(prices["rUSDC"]) == pytest.approx(
        100.0 - float(result.kpis["reference_drawdown_rUSDC_pct"] or 0), abs=0.5
    )
    (heat,) = result.plot.contagion().data
    lender, exchange = list(heat.y).index("lender"), list(heat.x).index("exchange")
    assert heat.z[lender][exchange] == pytest.approx(lost(result.causes.matrix(), "lender", "exchange")) != 0.0
    borne = sum(float(part) for bar in result.plot.waterfall().data for part in bar.y)
    assert borne == pytest.approx(result.kpis["bad_debt_usd"])
