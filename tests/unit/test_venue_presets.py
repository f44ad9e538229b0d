"""Rules of a venue laid over a scenario: what gives way, what stays, where values come from, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import library, scenario
from experiments.cli import app
from experiments.report.facts import facts
from experiments.report.rerun import command
from experiments.report.story import story
from experiments.scenario import Scenario
from experiments.summary import hint
from experiments.venues import presets
from experiments.venues.card import Card
from market.errors import InputError
from market.margin.collateral import CollateralRule
from market.margin.rules import Margin
from market.venue import FirstShare, InterestFunding
from tests.synthetic import synthetic_result


def test_the_preset_takes_the_place_of_the_scenarios_rules() -> None:
    own, under = Scenario.load("flash-crash"), Scenario.load("flash-crash", venue="hyperliquid")
    assert own.venue.about.name == ""
    assert under.venue.about.name == "hyperliquid"
    assert isinstance(under.venue.liquidation.sizing, FirstShare)
    assert under.venue.margin.requirement["BTC"].tiers[1].floor_usd == 150e6
    assert under.venue.waterfall.insurance_fund_usd == own.venue.waterfall.insurance_fund_usd == 2e6, "of the world"
    assert under.agents.oracles.feed.heartbeat_seconds == 3.0
    assert (under.assets, under.population) == (own.assets, own.population)


def test_overrides_come_last_and_provenance_says_who_said_what() -> None:
    said = ["venue.liquidation.fee_bps=7", "venue.margin.requirement.ETH.tiers.1.initial=0.5"]
    found, provenance = scenario.load("flash-crash", venue="hyperliquid", overrides=said)
    assert found.venue.liquidation.fee_bps == 7.0
    assert found.venue.margin.requirement["ETH"].tiers[1].initial == 0.5
    assert provenance["venue.liquidation.fee_bps"] == "--set"
    assert provenance["venue.liquidation.sizing.share"].startswith("presets/venues/hyperliquid.toml:")
    assert provenance["venue.waterfall.insurance_fund_usd"].startswith("scenarios/flash-crash.toml:")


def test_nothing_of_one_venue_is_left_under_another(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'extends = ["flash-crash", "hyperliquid"]\nsummary = "x"\n[venue.margin.collateral]\nPEPE = { haircut = 0.5 }\n'
    )
    assert {"PEPE", "default"} <= set(Scenario.load(own).venue.margin.collateral)
    assert Scenario.load(own).venue.about.name == "hyperliquid"
    other = Scenario.load(own, venue="dydx-v4").venue
    assert other.margin == presets.preset("dydx-v4").venue.margin
    assert other.liquidation.sizing == presets.preset("dydx-v4").venue.liquidation.sizing
    assert other.about == presets.preset("dydx-v4").venue.about


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('extends = "binance-usdm"\n[venue.about]\nname = "mine"\n[venue.liquidation]\nfee_bps = 3\n')
    found, provenance = scenario.load("calm", venue=str(own))
    assert (found.venue.about.name, found.venue.liquidation.fee_bps) == ("mine", 3.0)
    assert isinstance(found.venue.funding, InterestFunding)
    assert provenance["venue.liquidation.fee_bps"] == f"{own}:5"
    own.write_text("hours = 2\n[venue.mark]\nkind = 'index'\n[agents.keepers]\ncount = 3\n")
    with pytest.raises(InputError) as caught:
        Scenario.load("calm", venue=own)
    assert str(caught.value).splitlines() == [
        f"{own}:1: hours: does not belong here; expected only venue, agents.oracles",
        f"{own}:4: agents.keepers: does not belong here; expected only venue, agents.oracles",
    ]


def test_names_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"no venue 'hyperlqid'; did you mean 'hyperliquid'\?"):
        Scenario.load("calm", venue="hyperlqid")
    with pytest.raises(InputError, match="it is a venue: --venue okx"):
        Scenario.load("okx")
    with pytest.raises(InputError, match="no such file"):
        Scenario.load("calm", venue="nowhere/x.toml")
    failed = CliRunner().invoke(app, ["explain", "calm", "--venue", "hyperlqid"])
    assert failed.exit_code == 2
    assert "did you mean 'hyperliquid'" in failed.output


def test_the_list_and_explain() -> None:
    listed = json.loads(CliRunner().invoke(app, ["venues", "--json"]).stdout)["venues"]
    assert [venue["name"] for venue in listed] == library.venues()
    assert all(venue["as_of"] and venue["leaves_out"] and venue["mode"] in ("cross", "portfolio") for venue in listed)
    shown = CliRunner().invoke(app, ["venues"]).stdout.splitlines()
    assert any(line.startswith("deribit-pm ") for line in shown)
    assert max(map(len, shown)) <= 100
    values = json.loads(CliRunner().invoke(app, ["explain", "calm", "--venue", "okx", "--json"]).stdout)["values"]
    assert values["venue.about.name"]["value"] == "okx"
    assert values["venue.about.leaves_out"]["source"].startswith("presets/venues/okx.toml:")


def test_one_venue_with_the_source_of_every_number() -> None:
    values = json.loads(CliRunner().invoke(app, ["venues", "deribit-pm", "--json"]).stdout)["values"]
    own, inherited = values["venue.margin.portfolio.price_range"], values["venue.funding.band"]
    assert (own["value"], own["unit"], own["source"]) == (0.16, "share", "+-16 %: PM")
    assert own["place"].startswith("presets/venues/deribit-pm.toml:")
    assert (inherited["value"], inherited["source"]) == (0.0005, "0.05 %: perpetual")
    assert inherited["place"].startswith("presets/venues/deribit.toml:")
    for name in library.venues():
        done = CliRunner().invoke(app, ["venues", name])
        assert done.exit_code == 0
        shown = done.stdout.splitlines()
        assert max(map(len, shown)) <= 100, name
        assert shown[0].startswith(f"{name}, as of ")
        assert {"leaves out", "sources"} <= set(shown)
        assert any("Sources:" in line for line in shown), "what abbreviations stand for"
    assert CliRunner().invoke(app, ["venues", "deribt"]).exit_code == 2


def test_the_card_of_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('extends = "okx"\n[venue.about]\nname = "mine # 1"\n[venue.liquidation]\nfee_bps = 3  # mine\n')
    card = Card.of(str(own))
    stated = {said.path: said for said in card.values}
    assert (stated["venue.liquidation.fee_bps"].source, stated["venue.liquidation.fee_bps"].value) == ("mine", 3.0)
    assert stated["venue.liquidation.ordering"].place.startswith("presets/venues/okx.toml:")
    assert not any(path.startswith("venue.about.") for path in stated)
    assert list(card.heads) == ["mine.toml", "okx.toml"]


def test_the_story_names_the_venue_and_what_is_left_out() -> None:
    measured = facts(synthetic_result())
    assert story(measured).rules == []
    said = story(replace(measured, about=presets.preset("maker").venue.about)).rules
    assert said[0].startswith("Rules of maker, as of 2021-09: Vaults with liquidation ratios")
    assert "the hour by which prices are delayed" in said[1]


def test_how_to_run_it_again() -> None:
    assert command(Scenario.load("calm", venue="okx"), seed=3) == "cascade run calm --venue okx --seed 3"
    changed = Scenario.load("calm", venue="okx", overrides=["venue.liquidation.fee_bps=1"])
    assert command(changed, seed=3) == "cascade run calm --venue okx --set venue.liquidation.fee_bps=1.0 --seed 3"


def test_the_hint_proposes_a_haircut_that_counts() -> None:
    under = Scenario.load("flash-crash", venue="binance-usdm-multi")
    said = hint(under, run=["flash-crash", "--venue", "binance-usdm-multi"], main="ETH-PERP")
    assert said is not None
    assert "--set venue.margin.collateral.ETH.haircut=0.3" in said
    assert "instead of 5%" in said


def test_settlement_assets_have_a_rule_of_their_own() -> None:
    money, coin, own = (CollateralRule(haircut=share) for share in (0.0, 1.0, 0.5))
    margin = Margin(collateral={"settlement": money, "default": coin, "USDT": own})
    assert margin.collateral_of("USDC", settlement=True) is money
    assert margin.collateral_of("USDC", settlement=False) is coin
    assert margin.collateral_of("USDT", settlement=True) is own
    assert Margin(collateral={"default": coin}).collateral_of("USDC", settlement=True) is coin


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(0.0, 0.0001), (0.0003, 0.0001), (-0.0003, 0.0001), (0.002, 0.0015), (-0.002, -0.0015), (0.5, 0.0075)],
)
def test_funding_with_interest(premium: float, rate: float) -> None:
    """By hand: P + clamp(0.01 % - P, +-0.05 %), at most 0.75 %, an eighth of it every hour."""
    rule = InterestFunding(interval_seconds=3_600.0, period_seconds=28_800.0)
    assert rule.rate(premium=premium, skew=0.0) == pytest.approx(rate / 8, abs=1e-15)


def test_a_deadband_is_funding_with_no_interest() -> None:
    """Deribit: max(0.05 %, P) + min(-0.05 %, P)."""
    rule = InterestFunding(interest=0.0, interval_seconds=28_800.0)
    for premium in (-0.003, -0.0005, -0.0001, 0.0, 0.0004, 0.002):
        expected = max(0.0005, premium) + min(-0.0005, premium)
        assert rule.rate(premium=premium, skew=0.0) == pytest.approx(expected, abs=1e-15)
