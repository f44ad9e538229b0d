"""Interventions as data: what is refused, and in which words; values by path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.config import load
from experiments.fields import scenario_hash, to_dict
from experiments.interventions import AccountFails, Change, MakersLeave, PriceShock
from experiments.interventions.values import value_of, with_value
from experiments.run import Session
from experiments.scenario import Scenario
from experiments.settings import settings
from market.errors import InputError
from tests.cuts import cut

HEAD = 'extends = "flash-crash"\nhours = 0.05\n[population]\ncount = 200\n'


def scenario(*lines: str) -> Scenario:
    return load(Scenario, HEAD + "\n".join(lines))[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            'kind="set"|at_seconds=5|path="assets.ETH.haircut"|value=1.5',
            "assets.ETH.haircut: expected a number in [0, 1]",
        ),
        ('kind="set"|at_seconds=5|path="assets.ETC.haircut"|value=0.5', "no entry 'ETC'; did you mean 'ETH'?"),
        ('kind="set"|at_seconds=5|path="venue.mark.halflife_seconds"|value=5', "cannot be changed in a running world"),
        ('kind="set"|at_seconds=5|path="agents.keepers.count"|value=2.5', "expected a whole number"),
        ('kind="set"|at_seconds=5|path="venue"|value=2', "venue: is a table; name one of its values"),
        ('kind="set"|at_seconds=5|path="assets.ETH.haircut.more"|value=2', "no such setting; haircut is a value"),
        (
            'kind="set"|at_seconds=5|path="instruments.BTC-USDC.tiers.0.initial"|value=0.5',
            "has no effect: a spot has no tiers",
        ),
        ('kind="price"|at_seconds=5|asset="ETHH"|factor=0.5', "no asset 'ETHH'; did you mean 'ETH'?"),
        ('kind="price"|at_seconds=5|asset="ETH"|factor=50', "more than the books can hold; at most 3"),
        ('kind="oracle_outage"|at_seconds=5|asset="USDC"', "no oracle prices 'USDC'"),
        ('kind="maker_leaves"|at_seconds=5|instrument="ETH"', "no instrument 'ETH'"),
        ('kind="keeper_outage"|at_seconds=500', "500 s, and the run ends at 180 s"),
        ('kind="meteor"|at_seconds=5', "unknown kind"),
    ],
)
def test_what_cannot_be_done_is_refused_when_the_file_is_read(lines: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        scenario("[interventions.bad]", *lines.split("|"))
    assert message in str(caught.value)
    assert "interventions.bad" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_later_changes_are_checked_against_earlier_ones() -> None:
    tier = "instruments.ETH-PERP.tiers.0"
    both = (
        f'[interventions.a]\nkind="set"\nat_seconds=5\npath="{tier}.initial"\nvalue=0.3',
        f'[interventions.b]\nkind="set"\nat_seconds=6\npath="{tier}.maintenance"\nvalue=0.2',
    )
    assert len(scenario(*both).interventions) == 2
    session = Session(scenario(), seed=1)
    with pytest.raises(InputError, match="maintenance"):
        session.give(Change(at_seconds=0.0, path=f"{tier}.maintenance", value=0.2))
    session.advance(1)


def test_what_fails_leaves_world_and_session_as_they_were() -> None:
    session = Session(scenario(), seed=1)
    session.advance(3)
    before = session.built.world.ledger.cash.copy()
    for what in (
        Change(at_seconds=0.0, path="agents.keepers.count", value=21.0),
        Change(at_seconds=0.0, path="venue.waterfall.insurance_fund_usd", value=9e11),
        AccountFails(at_seconds=0.0, account="nobody"),
        AccountFails(at_seconds=0.0, account="insurance_fund"),
    ):
        with pytest.raises(InputError, match=r"interventions\.live-0001"):
            session.give(what)
    assert (session.built.world.ledger.cash == before).all()
    assert session.as_scenario() == session.scenario
    assert session.interventions.rules is session.built.rules


def test_a_scenario_without_any_is_what_it_was() -> None:
    plain, timed = (
        cut("flash-crash"),
        scenario('[interventions.a]\nkind="price"\nat_seconds=5\nasset="ETH"\nfactor=0.9'),
    )
    assert "interventions" not in to_dict(plain)
    assert to_dict(timed)["interventions"]["a"]["factor"] == 0.9
    without = scenario()
    assert scenario_hash(without) != scenario_hash(timed)
    assert scenario_hash(without) == scenario_hash(replace(timed, interventions={}))


def test_values_by_path() -> None:
    tier = "instruments.ETH-PERP.tiers.1.initial"
    changed = with_value(scenario(), tier, 0.2)
    assert value_of(changed, tier) == 0.2
    assert value_of(with_value(changed, tier, value_of(scenario(), tier)), tier) == value_of(scenario(), tier)
    assert value_of(with_value(changed, "population.count", 77.0), "population.count") == 77


def test_the_failing_account_is_left_with_a_share_of_its_maintenance_and_the_outside_world_has_the_rest() -> None:
    session = Session(scenario(), seed=1)
    session.advance(5)
    world = session.built.world
    name = next(name for name, role in zip(world.ledger.names, world.ledger.roles, strict=True) if role == "trader")
    row = world.ledger.names.index(name)
    before = world.ledger.cash.copy()
    session.give(AccountFails(at_seconds=0.0, account=name, left=0.5))
    equity, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin)[row]
    assert abs(equity - 0.5 * maintenance) < 1e-3 * maintenance
    moved = world.ledger.cash - before
    assert set(np.flatnonzero(moved.any(axis=1))) == {row, 3}
    assert (moved.sum(axis=0) == 0).all()
    session.advance(5)
    assert row in world.events["account"][: world.n_events]


def test_a_shock_multiplies_the_reference_and_a_recovery_undoes_it() -> None:
    plain, shocked = Session(scenario(), seed=1), Session(scenario(), seed=1)
    shocked.advance(10)
    shocked.give(PriceShock(at_seconds=0.0, asset="USDC", factor=0.88, stays_seconds=20.0))
    for session in (plain, shocked):
        session.advance(60 - session.built.world.tick)
    ratio = shocked.recorder.asset_reference[:60, 0] / plain.recorder.asset_reference[:60, 0]
    assert (ratio[:10] == 1.0).all()
    assert (ratio[10:30] == 0.88).all()
    assert (ratio[30:] == 1.0).all()


def test_makers_that_leave_take_their_quotes_away_and_come_back() -> None:
    session = Session(scenario(), seed=1)
    session.advance(30)
    world = session.built.world
    makers = [row for row, role in enumerate(world.ledger.roles) if role == "market_maker"]

    def resting() -> int:
        return int((world.ledger.accounts["first_order"][makers] >= 0).sum())

    full = resting()
    session.give(MakersLeave(at_seconds=0.0, lasts_seconds=20.0))
    session.advance(3)
    assert resting() == 0
    session.advance(30)
    assert resting() > 0.8 * full


def test_sliders_come_from_the_classes_and_lie_within_their_bounds() -> None:
    found = {setting.path: setting for setting in settings(scenario())}
    haircut = found["assets.ETH.haircut"]
    assert (haircut.unit, haircut.kind, haircut.live, haircut.group) == ("share", "number", True, "Collateral")
    assert "margin equity" in haircut.help
    assert not found["population.count"].live
    for setting in found.values():
        if setting.kind in ("number", "integer"):
            assert setting.least is not None
            assert setting.most is not None
            assert setting.least <= float(setting.value) <= setting.most, setting.path
            with_value(scenario(), setting.path, setting.most)
        else:
            assert setting.value in setting.choices
