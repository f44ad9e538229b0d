"""What `cascade run` prints: the report's words, figures with units, lines that fit, and what to try next."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from experiments import summary
from experiments.fields import leaves
from experiments.report.facts import facts
from experiments.report.glossary import GROUPS
from experiments.report.story import anyway, story
from experiments.scenario import Scenario
from experiments.show import WIDTH
from tests.synthetic import synthetic_result


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


def words(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.mark.parametrize("case", [{}, {"n_events": 0}, {"twin": False}, {"bad_debt": False}, {"n_events": 3_000}])
def test_it_says_what_the_report_says_and_fits(case: dict[str, Any]) -> None:
    result = synthetic_result(**case)
    printed = summary.text(result, io.StringIO())
    lines = printed.splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in printed
    told = story(facts(result))
    for sentence in (told.headline, *told.failed, *told.why, *told.paid):
        assert sentence in words(printed)
    assert not re.search(r"\b(nan|None)\b", printed)


def test_every_figure_has_its_unit() -> None:
    printed = words(summary.text(synthetic_result(), io.StringIO()))
    for wanted in (
        "liquidations 40 claims",
        "below maintenance 30 accounts",
        "its depth 3 generations",
        "bad debt, gross 1,000 USD",
        "conservation error 0 quanta",
        "bids within 50 bps, start 1,000,000 USD",
        "amplification, BTC-PERP 1.70 ×",
    ):
        assert wanted in printed
    assert "Liquidity of BTC-PERP, and leverage" in printed


def test_every_count_of_the_glossary_has_a_unit() -> None:
    for entries in GROUPS.values():
        for key, entry in entries.items():
            assert entry.unit or key.rsplit("_", 1)[-1] in ("usd", "ratio", "generations"), key


def test_a_narrow_terminal_gets_one_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for columns, side_by_side in (("70", False), ("200", True)):
        monkeypatch.setenv("COLUMNS", columns)
        printed = summary.text(synthetic_result(), Terminal())
        assert "\x1b[1m" in printed, "headings are bold"
        plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in printed.splitlines()]
        assert max(len(line) for line in plain) <= min(int(columns), WIDTH)
        assert any("Liquidations" in line and "Contagion" in line for line in plain) == side_by_side


@pytest.mark.parametrize(
    ("sets", "main", "wanted"),
    [
        ([], "ETH-PERP", ("ETH", 0.15, 0.3)),
        (["assets.SOL.haircut=0.3"], "SOL-PERP", ("SOL", 0.3, 0.1)),
        (["assets.BTC.haircut=0.0"], "BTC-PERP", ("ETH", 0.15, 0.3)),
    ],
)
def test_the_hint_changes_one_haircut(
    monkeypatch: pytest.MonkeyPatch, sets: list[str], main: str, wanted: tuple[str, float, float]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"bin/{name}")
    scenario = Scenario.load("flash-crash", overrides=sets)
    run = ["flash-crash", *(word for text in sets for word in ("--set", text))]
    said = summary.hint(scenario, run=run, main=main)
    assert said is not None
    question, line = said.splitlines()
    symbol, have, other = wanted
    assert question == f"what if the haircut on {symbol} were {other:.0%} instead of {have:.0%}?"
    typed = shlex.split(line)
    assert typed[:2] == ["cascade", "run"]
    changes = [text for option, text in pairwise(typed) if option == "--set"]
    before = {leaf.path: leaf.value for leaf in leaves(scenario)}
    after = {leaf.path: leaf.value for leaf in leaves(Scenario.load(typed[2], overrides=changes))}
    assert {path: value for path, value in after.items() if value != before[path]} == {
        f"assets.{symbol}.haircut": other
    }


def test_without_haircuts_there_is_no_hint() -> None:
    flat = [f"assets.{symbol}.haircut=0" for symbol in ("BTC", "ETH", "SOL")]
    scenario = Scenario.load("flash-crash", overrides=flat)
    assert summary.hint(scenario, run=["flash-crash"], main="ETH-PERP") is None


@pytest.mark.parametrize(
    ("typed", "wanted"), [(".venv/bin/cascade", ".venv/bin/cascade run"), ("cli.py", "python -m experiments.cli run")]
)
def test_off_the_path_the_hint_says_how_the_program_was_called(
    monkeypatch: pytest.MonkeyPatch, typed: str, wanted: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", [typed])
    said = summary.hint(Scenario.load("calm"), run=["calm"], main="ETH-PERP")
    assert said is not None
    assert said.splitlines()[1].strip().startswith(f"{wanted} calm --set ")


def test_depths_and_ranks_of_cascades() -> None:
    causes = synthetic_result(n_events=300).causes
    ranks = causes.cascade_ranks()
    sizes = {root: int((causes.root == root).sum()) for root in ranks}
    assert list(ranks.values()) == list(range(len(ranks)))
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True) == causes.cascade_sizes().tolist()
    deepest, of_largest = causes.cascade_depths()
    assert deepest == len(causes.generations())
    members = causes.root == next(iter(ranks))
    assert of_largest == len(np.unique(causes.generation[members])) <= deepest
    assert synthetic_result(n_events=0).causes.cascade_depths() == (0, 0)


@pytest.mark.parametrize(
    ("failed", "dragged", "said"),
    [
        (1, 0, "it falls below maintenance too"),
        (3, 0, "all 3 fall below maintenance too"),
        (3, 1, "2 of the 3 fall below maintenance too; the other 1 was dragged down"),
        (3, 3, "none of the 3 falls below maintenance: all were dragged down"),
    ],
)
def test_who_would_have_failed_anyway(failed: int, dragged: int, said: str) -> None:
    assert anyway(failed, dragged) == said


def test_what_moving_margin_rules_called_is_told_and_listed_with_its_unit() -> None:
    moved: dict[str, Any] = {"margin_called_by_rules_usd": 1_810_062.4, "broken_by_rules_account_count": 61}
    printed = words(summary.text(synthetic_result(**moved), io.StringIO()))
    assert "called 1.81 million USD of margin by themselves" in printed
    assert "took 61 accounts below maintenance" in printed
    assert "margin called by rules 1,810,062 USD" in printed
    assert "broken by rules 61 accounts" in printed
    assert "called no margin" in words(summary.text(synthetic_result(margin_called_by_rules_usd=0.0), io.StringIO()))
    assert "by rules" not in words(summary.text(synthetic_result(), io.StringIO()))
