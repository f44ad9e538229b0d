"""Study files: designs, errors with their places, and scenarios made the quick way."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from experiments import library
from experiments.fields import MAP, canonical_json, leaves, plain, specs
from experiments.scenario import Scenario
from experiments.store.keys import FILES
from experiments.study.check import check
from experiments.study.load import Loaded, load_study
from experiments.study.resolve import Change, Resolver
from experiments.study.schema import file_schema
from experiments.systems.scenario import SystemScenario
from market.errors import InputError

Write = Callable[[str], Path]

GOOD = """
summary = "Does a larger haircut reduce bad debt?"
scenario = "flash-crash"
seeds = {first = 5, count = 3}
set.population.count = 200
[[changes]]
kind = "grid"
[changes.values]
assets.ETH.haircut = [0.1, 0.2]
"assets.BTC.haircut" = [0.05, 0.1, 0.15]
[[changes]]
kind = "list"
[changes.values]
population.leverage = [3.0, 6.0]
population.equity_usd = [5e3, 2.5e3]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        file = tmp_path / "study.toml"
        file.write_text(text)
        return file

    return written


def values(study: Loaded, number: int) -> dict[str, object]:
    return {change.path: change.value for change in study.designs[number]}


def test_designs_of_blocks_combine(write: Write) -> None:
    study = load_study(write(GOOD))
    assert (len(study.designs), study.runs) == (12, 36)
    assert values(study, 0) == {
        "assets.ETH.haircut": 0.1,
        "assets.BTC.haircut": 0.05,
        "population.leverage": 3.0,
        "population.equity_usd": 5e3,
    }
    everything = {json.dumps(values(study, number), sort_keys=True) for number in range(12)}
    assert len(everything) == 12
    assert {
        (values(study, n)["population.leverage"], values(study, n)["population.equity_usd"]) for n in range(12)
    } == {
        (3.0, 5e3),
        (6.0, 2.5e3),
    }
    with pytest.raises(IndexError):
        study.designs[12]


def test_a_design_is_the_base_with_its_changes(write: Write) -> None:
    study = load_study(write(GOOD))
    scenario = study.resolver.resolve(study.designs[11]).scenario
    assert scenario.population.count == 200  # type: ignore[union-attr]
    assert (scenario.assets["ETH"].haircut, scenario.assets["BTC"].haircut) == (0.2, 0.15)


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol"])
def test_points_lie_in_their_ranges_and_cover_them(write: Write, kind: str) -> None:
    study = load_study(
        write(f"""
scenario = "calm"
[[changes]]
kind = "{kind}"
count = 64
[changes.ranges]
assets.ETH.haircut = [0.1, 0.5]
population.equity_usd = [1e2, 1e6, "log"]
population.count = [10, 13, "whole"]
""")
    )
    table = [values(study, number) for number in range(64)]
    haircuts = np.array([row["assets.ETH.haircut"] for row in table])
    wealth = np.log10(np.array([row["population.equity_usd"] for row in table], np.float64))
    assert np.bincount(((haircuts - 0.1) / 0.4 * 16).astype(int), minlength=16).tolist() == [4] * 16
    assert np.bincount(((wealth - 2.0) / 4.0 * 16).astype(int), minlength=16).tolist() == [4] * 16
    assert {row["population.count"] for row in table} == {10, 11, 12, 13}
    again = load_study(study.file)
    assert [values(again, number) for number in range(64)] == table


def test_a_table_of_designs(write: Write, tmp_path: Path) -> None:
    (tmp_path / "designs.csv").write_text(
        "assets.ETH.haircut,venue.liquidation.ordering\n0.2,drawn\n,largest_first\n0.3,\n"
    )
    study = load_study(write('scenario = "calm"\n[[changes]]\nkind = "table"\nfile = "designs.csv"\n'))
    assert values(study, 0) == {"assets.ETH.haircut": 0.2, "venue.liquidation.ordering": "drawn"}
    assert values(study, 2) == {"assets.ETH.haircut": 0.3}
    (tmp_path / "designs.csv").write_text("assets.ETH.haircut\n0.2\n1.5\n")
    with pytest.raises(InputError, match=r"designs.csv:3: assets.ETH.haircut: expected a number in \[0, 1\]"):
        load_study(study.file)


BAD = """
scenario = "flash-crash"
sed = 3
measures = [{kind = "quantlie", kpi = "bad_debt_usd"}]
set.population.cuont = 200
[[changes]]
kind = "grid"
[changes.values]
assets.ETH.haircut = [0.1,
  1.4]
assets.BTC.haricut = [0.1]
[[changes]]
kind = "latin-hypercube"
count = 4
ranges = {population.leverage = [6.0, 3.0]}
[[changes]]
kind = "sobol"
count = 100
ranges = {population.leverage = [3.0, 6.0]}
[seeds]
count = 0
"""


def test_every_mistake_is_told_at_once_with_its_place(write: Write) -> None:
    file = write(BAD)
    with pytest.raises(InputError) as caught:
        load_study(file)
    assert str(caught.value).splitlines() == [
        f"{file}:3: sed: unknown key; did you mean 'seeds'?",
        f"{file}:4: measures.0.kind: unknown kind \"quantlie\"; did you mean 'quantile'?",
        f"{file}:5: population.cuont: unknown key; did you mean 'count'?",
        f"{file}:10: assets.ETH.haircut: expected a number in [0, 1] (share), got 1.4",
        f"{file}:11: assets.BTC.haricut: unknown key; did you mean 'haircut'?",
        f"{file}:12: changes.1: ranges.population.leverage: [6, 3] is no range; the second must be greater",
        f"{file}:16: changes.2: count: Sobol points are even for powers of two only; 64 or 128 would do",
        f"{file}:21: seeds.count: expected a whole number >= 1 (count), got 0",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('scenario = "flash-crahs"', r":1: scenario: no scenario 'flash-crahs'; did you mean 'flash-crash'"),
        ('scenario = "calm"\nvenue = "hyperliqid"', r":2: venue: no venue 'hyperliqid'; did you mean 'hyperliquid"),
        ('scenario = "cross-venue-hedge"\nvenue = "hyperliquid"', r":2: venue: no venue 'hyperliquid' over .* its own"),
        ('scenario = "cross-venue-hedge"\nkeep = ["accounts"]', r":2: keep: needs a scenario of one venue"),
        ('scenario = "calm"\nkeep = ["margin"]', r"keep: the table margin needs twin = true"),
        ("", r":1: scenario: missing: expected text"),
        ('scenario = "calm"\nlimits.runs = 5', r":1: 10 runs; at most 5 \(limits.runs\)"),
        ('scenario = "calm"\nstrategies = ["x.py:A"]', r":2: strategies: .*x.py: no such file"),
        (
            'scenario = "calm"\n[[changes]]\nkind = "list"\nvalues = {a = [1], b = [1, 2]}',
            r"changes.0: values: lists go together and must be of one length: a has 1, b has 2",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(write: Write, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_study(write(text))


def test_the_quick_way_is_the_whole_way() -> None:
    """Every value of a scenario, put in by itself, gives the object and the text that loading gives."""
    resolver = Resolver(library.find("options-crash"))
    base = resolver.base()
    assert json.dumps(base.data, separators=(",", ":"), ensure_ascii=False) == canonical_json(base.scenario)
    quick = 0
    for leaf in leaves(base.scenario):
        value = plain(leaf.value)
        changed = value * 0.5 if isinstance(value, float) else value
        change = Change(leaf.path, "none" if changed is None else changed)
        try:
            wanted = resolver._load([change])
        except InputError:
            continue
        found = resolver.resolve([change])
        assert (found.scenario, list(found.data.items())) == (wanted.scenario, list(wanted.data.items())), leaf.path
        quick += not resolver._needs_loading(change)
    assert quick > 300


def test_another_rule_goes_the_whole_way() -> None:
    resolver = Resolver(library.find("calm"))
    changes = [Change("venue.liquidation.sizing.kind", "portion"), Change("assets.ETH.haircut", 0.4)]
    found = resolver.resolve(changes)
    assert found.scenario == resolver._load(changes).scenario
    assert found.scenario.venue.liquidation.sizing.kind == "portion"


def test_schemas_know_the_embedded_files_and_misspelt_keys() -> None:
    schema = file_schema("scenario")
    files = [file for folder in library.FOLDERS for file in folder.glob("*.toml")]
    assert len(files) > 5
    for file in files:
        kind = file_schema("system") if library.has_venues(file) else schema
        jsonschema.validate(tomllib.loads(file.read_text()), kind)
    mistakes: tuple[dict[str, object], ...] = (
        {"hour": 1.0},
        {"assets": {"ETH": {"haircut": 1.4}}},
        {"agents": {"background": {"defualt": {}}}},
    )
    for wrong in mistakes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    jsonschema.validate(tomllib.loads(GOOD), file_schema("study"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(GOOD.replace("first", "frist")), file_schema("study"))


def test_check_says_what_a_file_is(write: Write) -> None:
    assert check(write(GOOD)).as_json() == {
        "file": str(write(GOOD)),
        "kind": "study",
        "designs": 12,
        "seeds": 3,
        "runs": 36,
    }
    for scenario in (*library.scenarios(), *library.systems()):
        assert check(Path(scenario)).kind == "scenario"


def test_every_file_that_a_scenario_names_is_known_to_the_keys() -> None:
    """Its contents count in the key of a run, and its name is made absolute for workers."""

    def files(cls: type, path: tuple[str, ...], seen: frozenset[type]) -> set[tuple[str, ...]]:
        found = set()
        for name, spec in specs(cls).items():
            if name == "file":
                found.add((*path, name))
            for member in spec.members:
                if member not in seen:
                    below = (*path, name, "*") if spec.shape == MAP else (*path, name)
                    found |= files(member, below, seen | {member})
        return found

    assert files(Scenario, (), frozenset()) | files(SystemScenario, (), frozenset()) == set(FILES)
