"""Attackers: what one does on a book, whether the search finds the best attack, and both on real runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.attacker import Attack as AtWork
from agents.attacker import Attacker
from experiments.stress.attack import FAULTS, PLACE, PROFIT, against, find_attacks
from experiments.stress.attack_command import perform, print_attacks, sentence
from experiments.study.check import check
from experiments.study.load import Loaded, load_study
from experiments.study.model import Attack, Seeds
from experiments.sweep.command import Call
from experiments.tune.evaluate import Figures
from market.errors import InputError
from market.streams import Streams
from tests.engine_worlds import INSTRUMENTS, Engine, add, engine, plain_venue

STUDY = """
scenario = "flash-crash"
seeds = {first = 1, count = 20}
set.hours = 0.02
set.population.count = 60
[attack]
capital_usd = 1e6
points = 32
confirm = {first = 1001, count = 50}
[attack.plans.stops]
set = {position_instrument = "ETH-PERP", push_instrument = "ETH-PERP", build_seconds = 10.0, close_seconds = 10.0}
ranges = {position = [0.0, 8.0], push = [0.1, 10.0, "log"]}
[attack.plans.wick]
set = {position_instrument = "ETH-PERP", push_instrument = "ETH-PERP", push = 0.0, build_seconds = 10.0}
ranges = {position = [0.0, 8.0]}
wick = {asset = "ETH", most_bps = 800.0, usd_per_bps = 2000.0, start_seconds = 20.0}
[attack.markets.usual]
[attack.markets.thin]
set.agents.background.default.limit_size_usd = 20000.0
[attack.designs.today]
[attack.designs.safer]
set.assets.ETH.haircut = 0.3
"""


def at_work(**said: Any) -> tuple[Engine, AtWork]:
    """An attacker on deep books at 10,000 ticks, 1,000 lots a coin, a coin 10,000 USD."""
    name, spot = (next(key for key, item in INSTRUMENTS.items() if (item.kind == "spot") == kind) for kind in (0, 1))
    world = engine(venue=plain_venue(), extra_accounts=1)
    for book in range(len(INSTRUMENTS)):
        mark = int(world.world.instruments[book]["mark"])
        world.bids((mark - 1, 10**6), book=book)
        world.asks((mark + 1, 10**6), book=book)
    keys = {"position_instrument": name, "push_instrument": said.pop("push_instrument", name)}
    if keys["push_instrument"] == "spot":
        keys["push_instrument"] = spot
    times = {"build_seconds": 10.0, "push_seconds": 5.0, "wait_seconds": 5.0, "close_seconds": 10.0}
    (attack,) = add(world, Attacker(**{**keys, **times, **said}))
    assert isinstance(attack, AtWork)
    return world, attack


@pytest.mark.parametrize("side", ["short", "long"])
def test_it_builds_pushes_waits_and_closes(side: str) -> None:
    world, attack = at_work(side=side, capital_usd=100_000.0, position=1.0, push=0.5)
    held = []
    for _ in range(45):
        world.run()
        held.append(abs(attack.held(world.world, attack.books[0])))
    full = held[9]
    assert full > 0
    assert held[4] == pytest.approx(full / 2, abs=1)
    assert held[14] == held[19] == pytest.approx(1.5 * full, abs=2)
    assert held[24] == pytest.approx(0.75 * full, abs=0.1 * full)
    assert held[32:] == [0] * len(held[32:])
    world.check_books()


def test_on_a_spot_book_it_sells_its_own_coins_and_buys_them_back() -> None:
    world, attack = at_work(capital_usd=100_000.0, position=0.5, push=0.4, push_instrument="spot")
    spot = attack.books[-1]
    before = attack.held(world.world, spot)
    assert before > 0
    world.run(18)
    assert attack.held(world.world, spot) == 0
    world.run(25)
    assert attack.held(world.world, spot) == before
    assert attack.held(world.world, attack.books[0]) == 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"position_instrument": "XRP-PERP"}, "no instrument 'XRP-PERP'"),
        ({"position_instrument": "spot"}, "is spot, no position"),
        ({"push_instrument": "spot", "push": 1.5}, "cannot be paid"),
    ],
)
def test_what_cannot_be_attacked_is_told(said: dict[str, Any], expected: str) -> None:
    name, spot = (next(key for key, item in INSTRUMENTS.items() if (item.kind == "spot") == kind) for kind in (0, 1))
    keys = {"position_instrument": name, "push_instrument": name, **said}
    keys = {key: spot if value == "spot" else value for key, value in keys.items()}
    with pytest.raises(InputError, match=expected):
        Attacker(**keys).accounts_needed(instruments=INSTRUMENTS)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "study.toml").write_text(STUDY)
    return load_study(tmp_path / "study.toml")


def attack_of(loaded: Loaded) -> Attack:
    assert loaded.study.attack is not None
    return loaded.study.attack


def toy(optimum: float, *, noise: float = 100.0) -> Callable[[Mapping[str, Any], Seeds], Figures]:
    """Most is earned with a position of 5 and a push of 2; a wick of x bps earns 300 x; safer rules cost 1,500."""

    def sample(values: Mapping[str, Any], seeds: Seeds) -> Figures:
        drawn = [Streams(seed).generator("loss").normal() for seed in range(seeds.first, seeds.first + seeds.count)]
        position, push = (values.get(f"{PLACE}.{key}", 0.0) for key in ("position", "push"))
        earned = optimum - 100.0 * (position - 5.0) ** 2 - (1_000.0 * np.log(push / 2.0) ** 2 if push else 0.0)
        earned -= 1_500.0 if "assets.ETH.haircut" in values else 0.0
        earned += 300.0 * 1e4 * (1.0 - values[FAULTS][0]["factor"]) if FAULTS in values else 0.0
        return {PROFIT: earned + noise * np.array(drawn)}

    return sample


def test_the_best_attack_is_found_and_confirmed(loaded: Loaded, capsys: pytest.CaptureFixture[str]) -> None:
    attack, seeds = attack_of(loaded), loaded.study.seeds
    found = {(item.case.design, item.case.plan, item.case.market): item for item in
             find_attacks(attack, seeds, toy(1_000.0))}  # fmt: skip
    assert len(found) == 8
    stops = found["today", "stops", "usual"]
    assert stops.chosen == {"position": pytest.approx(5.0, abs=0.5), "push": pytest.approx(2.0, rel=0.2)}
    assert stops.verdict == "pays"
    assert found["safer", "stops", "usual"].verdict == "none found that pays"
    wick = found["safer", "wick", "thin"]
    # 300 x - 2000 x^2 / 2e4 is greatest at 1,500; 1e6 / 2,000 USD buy 500 bps
    assert wick.chosen["wick_bps"] == pytest.approx(500.0, abs=1.0)
    assert wick.wick_cost_usd == pytest.approx(0.1 * wick.chosen["wick_bps"] ** 2)
    assert wick.verdict == "pays"
    print_attacks(tuple(found.values()), attack)
    assert "none found that pays" in capsys.readouterr().out
    assert "safer: with" in sentence("safer", tuple(found.values()), attack)


def test_noise_is_not_taken_for_profit(loaded: Loaded) -> None:
    found = find_attacks(attack_of(loaded), loaded.study.seeds, toy(0.0, noise=1e5))
    stops = [item for item in found if item.case.plan == "stops"]
    assert {item.verdict for item in stops} == {"not told apart from nothing"}
    assert "no attack" in sentence("today", stops, attack_of(loaded))


def test_a_recommendation_is_attacked_like_a_design_of_the_study(loaded: Loaded) -> None:
    attack = against(attack_of(loaded), {"recommended": {"assets.ETH.haircut": 0.4}})
    assert {item.case.design for item in find_attacks(attack, Seeds(count=6), toy(0.0))} == {"recommended"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('push_instrument = "ETH-PERP", push = 0.0', 'pushes = "ETH-PERP"', "push"),
        ("position = [0.0, 8.0]}", "position = [-1.0, 8.0]}", "position"),
        ("first = 1001", "first = 3", "expected fresh ones"),
        ("[0.0, 8.0]", "[8.0, 0.0]", "is no range"),
    ],
)
def test_bad_attacks_are_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in STUDY
    (tmp_path / "bad.toml").write_text(STUDY.replace(old, new))
    with pytest.raises(InputError, match=said):
        check(tmp_path / "bad.toml")


def test_real_attacks_go_through_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = STUDY.replace("points = 32", "points = 2\nrounds = 0").replace("count = 50", "count = 1")
    text = text.replace("count = 20}", "count = 1}").partition("[attack.markets")[0]
    (tmp_path / "study.toml").write_text(text)
    call = Call(study=str(tmp_path / "study.toml"), store=str(tmp_path / "store"), workers=1)
    perform(call, as_json=True)
    found = json.loads(capsys.readouterr().out)["attacks"]
    assert [item["case"]["plan"] for item in found] == ["stops", "wick"]
    assert found[0]["confirmed"]["value"] != found[0]["claimed"]["value"]
    assert all(item["verdict"] == "not told apart from nothing" for item in found)  # one seed rates nothing
