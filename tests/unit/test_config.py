"""Reading scenarios: layers, provenance, and every mistake named with file, line, key and unit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from experiments import library
from experiments.config import Override, load, parse_override, resolved_toml, shadowed
from experiments.fields import canonical_json, leaves, scenario_hash, schema, specs, to_dict
from experiments.scenario import Scenario
from experiments.toml_tree import Reset, parse
from market.errors import InputError
from market.parameters import Count, PositiveSeconds, Ratio, Share, parameters


@parameters
class Cross:
    """Cross margin."""

    kind: Literal["cross"] = "cross"
    buffer: Share = 0.1
    """Extra margin.

    On top of maintenance."""


@parameters
class Isolated:
    """Isolated margin."""

    kind: Literal["isolated"] = "isolated"
    max_leverage: Ratio = 10.0
    """Largest leverage."""


@parameters
class Asset:
    """What an account owns."""

    symbol: str
    """Ticker."""
    haircut: Share = 0.0
    """Discount on collateral value."""


@parameters
class World:
    """A small world with one of every shape of field."""

    tick_seconds: PositiveSeconds = 1.0
    """Length of a tick."""
    accounts: Count = 100
    """Number of accounts."""
    margin: Annotated[Cross | Isolated, Field(discriminator="kind")] = Isolated(max_leverage=5.0)
    """Margin model."""
    assets: tuple[Asset, ...] = (Asset(symbol="USDC"), Asset(symbol="BTC", haircut=0.05))
    """What accounts own."""
    venues: dict[str, Cross] = field(default_factory=dict)
    """Other venues."""
    weights: dict[str, Share] = field(default_factory=dict)
    """Shares by name."""
    stop_seconds: PositiveSeconds | None = None
    """When to stop."""
    start: datetime | None = None
    """First instant."""
    anchors: tuple[tuple[PositiveSeconds, Share], ...] = ()
    """Points of a path."""
    tags: tuple[str, ...] = ()
    """Labels."""
    verbose: bool = False
    """Say more."""

    def __post_init__(self) -> None:
        if self.stop_seconds is not None and self.stop_seconds < self.tick_seconds:
            raise ValueError("stop_seconds must be at least tick_seconds")


def read(text: str = "", *overrides: str | Override) -> World:
    return load(World, text, overrides=overrides, name="w.toml")[0]


def problems(text: str = "", *overrides: str | Override) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(text, *overrides)
    return str(caught.value).split("\n")


def test_nothing_given_is_all_defaults() -> None:
    world, provenance = load(World, "")
    assert world == World()
    assert set(provenance.values()) == {"default"}
    assert list(provenance) == [leaf.path for leaf in leaves(world)]


def test_file_then_overrides_and_where_each_value_came_from() -> None:
    text = '# a world\ntick_seconds = 2\n\n[margin]\nkind = "cross"\nbuffer = 0.2\n\n[[assets]]\nsymbol = "ETH"\n'
    world, provenance = load(World, text, overrides=["margin.buffer=0.3", "assets.ETH.haircut=0.5"], name="w.toml")
    assert world == World(tick_seconds=2.0, margin=Cross(buffer=0.3), assets=(Asset(symbol="ETH", haircut=0.5),))
    assert isinstance(world.tick_seconds, float)
    assert provenance["tick_seconds"] == "w.toml:2"
    assert provenance["margin.kind"] == "w.toml:5"
    assert provenance["margin.buffer"] == "--set"
    assert provenance["assets.ETH.symbol"] == "w.toml:9"
    assert provenance["assets.ETH.haircut"] == "--set"
    assert provenance["accounts"] == "default"


def test_a_table_keeps_what_the_default_object_says() -> None:
    assert read("[margin]").margin == Isolated(max_leverage=5.0)
    assert read('[margin]\nkind = "isolated"').margin == Isolated(max_leverage=5.0)
    assert read('[margin]\nkind = "cross"').margin == Cross()


def test_override_changes_kind_whatever_the_order() -> None:
    for overrides in (("margin.kind=cross", "margin.buffer=0.4"), ("margin.buffer=0.4", "margin.kind=cross")):
        assert read("[margin]\nmax_leverage = 3", *overrides).margin == Cross(buffer=0.4)


def test_kind_decides_which_layers_count() -> None:
    isolated = '[margin]\nkind = "isolated"\nmax_leverage = 3'
    assert read(isolated, "margin.kind=isolated").margin == Isolated(max_leverage=3.0)
    assert read("[margin]\nmax_leverage = 3", "margin.kind=isolated").margin == Isolated(max_leverage=3.0)
    assert read(isolated, "margin.kind=cross").margin == Cross()
    (line,) = problems(isolated, "margin.kind=cross", "margin.max_leverage=3")
    assert (
        line == "--set margin.max_leverage=3: margin.max_leverage: goes with kind isolated, and this is of kind cross"
    )
    assert problems("margin = {kind = [1]}") == ["w.toml:1: margin.kind: unknown kind [1]; valid: cross, isolated"]


def test_override_reaches_into_default_lists_maps_and_optionals() -> None:
    assert read("", "assets.BTC.haircut=0.4").assets[1] == Asset(symbol="BTC", haircut=0.4)
    assert read("", "venues.other.buffer=0.4").venues == {"other": Cross(buffer=0.4)}
    assert read("stop_seconds = 5", "stop_seconds=none").stop_seconds is None
    assert read("", 'weights."a.b"=0.5').weights == {"a.b": 0.5}
    assert read("", "start=2021-05-19T06:00:00").start == datetime(2021, 5, 19, 6)
    assert read("", 'tags=["x", "y"]').tags == ("x", "y")


def test_override_by_number_where_entries_have_no_names() -> None:
    tree = parse("x = 1", file="f")
    assert tree.plain() == {"x": 1}
    assert parse_override("a.0.b = true") == Override(("a", "0", "b"), True, "--set a.0.b = true")


def test_every_problem_at_once_in_the_order_of_the_file() -> None:
    text = (
        'tick_secondz = 2\naccounts = "many"\n[margin]\nkind = "cros"\n'
        "[[assets]]\nsymbol = 'BTC'\nhaircut = 5\n[[assets]]\nhaircut = true\n[weights]\na = nan\n"
    )
    assert problems(text) == [
        "w.toml:1: tick_secondz: unknown key; did you mean 'tick_seconds'?",
        'w.toml:2: accounts: expected a whole number >= 0 (count), got "many"',
        "w.toml:4: margin.kind: unknown kind \"cros\"; did you mean 'cross'?",
        "w.toml:7: assets.0.haircut: expected a number in [0, 1] (share), got 5",
        "w.toml:8: assets.1.symbol: missing: expected text",
        "w.toml:9: assets.1.haircut: expected a number in [0, 1] (share), got true",
        "w.toml:11: weights.a: expected a number in [0, 1] (share), got NaN",
    ]


@pytest.mark.parametrize("value", ['"5%"', '"30s"', '"5"', "true", "-1", "nan", "inf", "[1]", "{a = 1}"])
def test_only_numbers_in_range_are_numbers(value: str) -> None:
    (line,) = problems(f"tick_seconds = {value}")
    assert line.startswith("w.toml:1: tick_seconds: expected a number in (0, 1e+09] (s), got ")


def test_bad_overrides_are_named() -> None:
    assert problems("", "accounts=1.5", "margin", "margin.max_levrage=3", "assets.BTX.haircut=1", "accounts.x=1") == [
        "--set margin: expected key.path=value",
        '--set accounts.x=1: accounts: expected a whole number >= 0 (count), got {"x": 1}',
        "--set margin.max_levrage=3: margin.max_levrage: unknown key; did you mean 'max_leverage'?",
        "--set assets.BTX.haircut=1: assets.BTX: no such entry; did you mean 'BTC'?",
    ]
    (line,) = problems("[[assets]]\nsymbol='ETH'", "assets.ETHX.haircut=1")
    assert line == "--set assets.ETHX.haircut=1: no entry 'ETHX'; did you mean 'ETH'?"
    option = Override(("start",), "noon", "--start noon")
    assert problems("", option) == ['--start noon: start: expected a date and time or "none", got "noon"']


def test_rules_of_the_object_itself_are_reported_with_its_table() -> None:
    assert problems("tick_seconds = 5\nstop_seconds = 1") == ["w.toml:1: stop_seconds must be at least tick_seconds"]


def test_wrong_shapes() -> None:
    assert problems("margin = 5")[0] == "w.toml:1: margin: expected a table, got 5"
    assert problems("assets = 5")[0] == "w.toml:1: assets: expected a list of tables, got 5"
    assert problems("assets = [5]")[0] == "w.toml:1: assets.0: expected a table, got 5"
    assert problems("anchors = [[1, 0.5],\n[2, 2.0]]") == [
        "w.toml:2: anchors.1.1: expected a number in [0, 1] (share), got 2.0"
    ]
    (line,) = problems("anchors = [[1]]")
    assert line == "w.toml:1: anchors.0: expected [a number in (0, 1e+09] (s), a number in [0, 1] (share)], got [1]"
    assert problems("venues = []")[0] == "w.toml:1: venues: expected a table of tables, got []"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = \n", 1), ("a = 1\nb 2", 2), ("a = 1\na = 2\n", 2), ("a = [1,\n", 2), ("[x]\ny=1\n[x]\n", 3)],
)
def test_syntax_errors_name_the_line(text: str, line: int) -> None:
    (message,) = problems(text)
    assert message.startswith(f"w.toml:{line}: not valid TOML: ")


def test_lines_of_every_way_to_write_toml() -> None:
    text = (
        '''# comment with [brackets] = and "quotes"
title = """
[not] = a header
"""
"quoted.key".inner = 1
point = { x = 1, y = [
  2, # two ]
  { z = 3 },
] }

[[a.b]]
c = 'it''
'''.replace("'it''", "'it'")
        + '\n  [a.b.d]\n  e = 1\n[[a.b]]\nc = "]"\n[[a.b.f]]\ng = 1979-05-27 07:32:00\n'
    )
    tree = parse(text, file="f")

    def line(*path: str | int) -> int:
        node = tree
        for step in path:
            node = node.value[step]
        return int(node.source.removeprefix("f:"))

    assert [line("title"), line("quoted.key", "inner"), line("point", "x"), line("point", "y")] == [2, 5, 6, 6]
    assert [line("point", "y", 0), line("point", "y", 1), line("point", "y", 1, "z")] == [7, 8, 8]
    assert [line("a", "b", 0), line("a", "b", 0, "c"), line("a", "b", 0, "d", "e")] == [11, 12, 15]
    assert [line("a", "b", 1), line("a", "b", 1, "c"), line("a", "b", 1, "f", 0, "g")] == [16, 17, 19]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_extends_merges_tables_and_lists_by_name(folder: Callable[[str, str], Path]) -> None:
    folder(
        "base.toml",
        'accounts = 7\n[[assets]]\nsymbol = "A"\nhaircut = 0.1\n[[assets]]\nsymbol = "B"\n[margin]\nmax_leverage = 2',
    )
    child = folder("child.toml", 'extends = "base"\n[[assets]]\nsymbol = "B"\nhaircut = 0.2\n[[assets]]\nsymbol = "C"')
    world, provenance = load(World, child)
    assert world.accounts == 7
    assert world.margin == Isolated(max_leverage=2.0)
    assert [(asset.symbol, asset.haircut) for asset in world.assets] == [("A", 0.1), ("B", 0.2), ("C", 0.0)]
    assert provenance["accounts"].endswith("base.toml:1")
    assert provenance["assets.B.haircut"] == f"{child}:4"


def test_extends_replaces_a_rule_of_another_kind(folder: Callable[[str, str], Path]) -> None:
    folder("base.toml", '[margin]\nkind = "isolated"\nmax_leverage = 2')
    child = folder("child.toml", 'extends = ["base"]\n[margin]\nkind = "cross"')
    assert load(World, child)[0].margin == Cross()


@parameters
class Exchange:
    """A rule whose choice takes back what layers below said elsewhere."""

    resets = (Reset(rule=("margin",), kinds=("cross",), path=("venues", "*", "buffer")),)

    margin: Annotated[Cross | Isolated, Field(discriminator="kind")] = Isolated()
    """Margin model."""
    venues: dict[str, Cross] = field(default_factory=dict)
    """Other venues."""


@pytest.mark.parametrize(
    ("text", "overrides", "buffer"),
    [
        ("", (), 0.3),
        ('margin.kind = "isolated"', (), 0.3),
        ('margin.kind = "cross"', (), 0.1),
        ("", ("margin.kind=cross",), 0.1),
        ('margin.kind = "cross"\nvenues.A.buffer = 0.4', (), 0.4),
        ('margin.kind = "cross"\nvenues.A.buffer = 0.4', ("margin.kind=cross", "margin.buffer=0.2"), 0.4),
        ('margin.kind = "isolated"\nvenues.A.buffer = 0.4', ("margin.kind=cross",), 0.1),
        ("", ("venues.A.buffer=0.5", "margin.kind=cross"), 0.5),
    ],
)
def test_choosing_a_kind_takes_back_what_lower_layers_said(
    folder: Callable[[str, str], Path], text: str, overrides: tuple[str, ...], buffer: float
) -> None:
    """But not what the same layer or a later one says."""
    folder("base.toml", "[venues.A]\nbuffer = 0.3")
    exchange, provenance = load(Exchange, folder("child.toml", f'extends = "base"\n{text}'), overrides=overrides)
    assert exchange.venues["A"].buffer == buffer
    assert (provenance["venues.A.buffer"] == "default") == (buffer == 0.1)


def test_extends_of_itself_and_of_nothing(folder: Callable[[str, str], Path]) -> None:
    folder("a.toml", 'extends = "b"')
    loop = folder("b.toml", 'extends = "a"')
    with pytest.raises(InputError, match="extends itself"):
        load(World, loop)
    for wrong in ('"nowhere"', "5"):
        with pytest.raises(InputError, match=r"c\.toml:1: extends: "):
            load(World, folder("c.toml", f"extends = {wrong}"))


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")
    for file in (tmp_path / "latin.toml", tmp_path / "missing.toml", tmp_path):
        with pytest.raises(InputError, match=r"not a text file|cannot be read"):
            load(World, file)


def test_names_of_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "flash-crash.toml").write_text('summary = "It falls."')
    (tmp_path / "own.toml").write_text("")
    monkeypatch.setattr(library, "FOLDERS", (scenarios, tmp_path / "presets"))
    monkeypatch.chdir(tmp_path)
    assert library.scenarios() == {"flash-crash": "It falls."}
    assert library.find("flash-crash") == scenarios / "flash-crash.toml"
    assert library.label(library.find("flash-crash")) == "scenarios/flash-crash.toml"
    assert library.find("own.toml") == library.find("own") == Path("own.toml")
    with pytest.raises(InputError, match="did you mean 'flash-crash'"):
        library.find("flashcrash")
    with pytest.raises(InputError, match="no such file"):
        library.find("sub/own.toml")


def test_leaves_carry_unit_help_and_bounds() -> None:
    found = {leaf.path: leaf for leaf in leaves(World(margin=Cross()))}
    assert (found["margin.buffer"].unit, found["margin.buffer"].bounds) == ("share", "[0, 1]")
    assert found["margin.buffer"].help.startswith("Extra margin.")
    assert (found["assets.BTC.haircut"].value, found["tick_seconds"].bounds) == (0.05, "(0, 1e+09]")
    assert (found["stop_seconds"].unit, found["stop_seconds"].value) == ("s", None)
    assert (found["weights"].unit, found["verbose"].unit) == ("share", "")
    assert found["margin.kind"].bounds == "cross"
    assert schema(World)["properties"]["tick_seconds"]["unit"] == "s"
    assert specs(World)["stop_seconds"].expected == 'a number in (0, 1e+09] (s) or "none"'


def test_equal_objects_have_one_hash_and_any_change_another() -> None:
    as_integers: dict[str, Any] = {"tick_seconds": 1, "accounts": 100}
    assert scenario_hash(World(**as_integers)) == scenario_hash(World()) == scenario_hash(read("tick_seconds = 1"))
    assert scenario_hash(World()) != scenario_hash(World(accounts=101))
    assert json.loads(canonical_json(World())) == to_dict(World())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    tick=st.floats(1e-300, 1e9),
    haircut=st.floats(0, 1),
    symbols=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=3),
    weights=st.dictionaries(st.text(st.characters(codec="utf-8")), st.floats(0, 1), max_size=3),
    tags=st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_resolved_toml_reads_back_to_an_equal_object(
    tick: float, haircut: float, symbols: list[str], weights: dict[str, float], tags: list[str]
) -> None:
    world = World(
        tick_seconds=tick,
        assets=tuple(Asset(symbol=symbol, haircut=haircut) for symbol in symbols),
        weights=weights,
        tags=tuple(tags),
        margin=Cross(buffer=haircut),
        venues={"v": Cross()},
        start=datetime(2021, 5, 19, 6, 0, 0, 5),
    )
    again = load(World, resolved_toml(world))[0]
    assert again == world
    assert scenario_hash(again) == scenario_hash(world)
    assert TypeAdapter(World).validate_json(canonical_json(world)) == world


def test_a_default_that_tables_of_books_keep_from_counting_is_named(tmp_path: Path) -> None:
    key = "agents.background.default.limit_rate"
    set_it = f"{key}=8"

    def found(scenario: Path, *overrides: str) -> list[str]:
        return shadowed(load(Scenario, scenario, overrides=overrides)[1])

    calm = library.find("calm")
    assert found(calm) == []
    assert found(calm, set_it) == [
        f"--set {key}: no effect on BTC-PERP, ETH-PERP, SOL-PERP, set one by one under agents.background.books "
        "(agents.background.books.BTC-PERP.limit_rate)"
    ]
    own = [f"agents.background.books.{book}.limit_rate=8" for book in ("BTC-PERP", "ETH-PERP", "SOL-PERP")]
    assert found(calm, set_it, *own) == []
    assert found(library.find("flash-crash"), "agents.market_makers.default.levels=4") == []
    file = tmp_path / "own.toml"
    file.write_text('summary = "mine"\nextends = "calm"\n[agents.background.default]\nlimit_rate = 3\n')
    assert [line.split(": no")[0] for line in found(file)] == [f"{file}:4: {key}"]
