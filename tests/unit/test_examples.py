"""Every example runs as a script and prints a result."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

EXPECTED = {
    "new_trader.py": [
        r"DipBuyer +50000\.0",
        r"DipBuyer-2 +50000\.0",
        r"through Mesa: \d+ liquidations, the same figures",
    ],
    "new_keeper.py": [r"built-in +[\d,]+ +[\d.]+ +[\d,]+ +[\d,-]+", r"wholesale +[\d,]+ +[\d.]+ +[\d,]+ +[\d,-]+"],
    "new_liquidation_policy.py": [rf"{name} +[\d,]+ +[\d.]+ +[\d,]+" for name in ("everything", "half", "book bears")],
}


def test_every_example_is_run_here() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for pattern in EXPECTED[name]:
        assert re.search(pattern, printed), f"{pattern!r} in\n{printed}"


def test_the_trader_of_the_examples_is_short() -> None:
    source = (EXAMPLES / "new_trader.py").read_text(encoding="utf-8")
    body = source[source.index("class DipBuyer") : source.index("def main")].strip()
    assert len([line for line in body.splitlines() if line.strip()]) <= 22
