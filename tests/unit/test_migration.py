"""Who a change of rules would hit: four accounts whose margin can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.migration import migrate, phases, print_found, rules
from market.errors import InputError

ACCOUNTS = """account,asset,quantity,entry_price
safe,USDC,1000000,
safe,BTC-PERP,1,
thin,USDC,{thin},
thin,BTC-PERP,1,
thinner,USDC,{thinner},
thinner,BTC-PERP,2,
broken,USDC,10,
broken,BTC-PERP,1,
"""
RULES = 'summary = "r"\nextends = "flash-crash"\n'
TIERS = "[[instruments.BTC-PERP.tiers]]\nfloor_usd = 0.0\ninitial = 0.4\nmaintenance = {}\n"


@pytest.fixture
def book(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Files of the current rules, the proposed ones, and the accounts; entry prices are the marks."""
    names = ("now.toml", "then.toml")
    for name, maintenance in zip(names, (0.02, 0.22), strict=True):
        (tmp_path / name).write_text(RULES + TIERS.format(maintenance))
    accounts = tmp_path / "accounts.csv"
    accounts.write_text(ACCOUNTS.format(thin=1, thinner=1))
    price = float(_mark(tmp_path / names[0], accounts))
    # margin of 20 % of the notional, and of 10 %
    accounts.write_text(ACCOUNTS.format(thin=0.2 * price, thinner=0.2 * price))
    return tmp_path / names[0], tmp_path / names[1], accounts


def _mark(file: Path, accounts: Path) -> float:
    from experiments.build import build

    world = build(rules(str(file), base="flash-crash", accounts=accounts), seed=1).world
    at = list(world.instrument_symbols).index("BTC-PERP")
    return float(world.instruments["mark"][at])  # ticks of one dollar


def test_who_is_hit_and_with_which_step(book: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    now, then = (rules(str(file), base="flash-crash", accounts=book[2]) for file in book[:2])
    found = migrate(now, then, steps=4)
    hits = {hit.account: hit for hit in found.hits}
    assert list(hits) == ["thinner", "thin"]  # the larger one first
    assert found.already_count == 1
    assert (hits["thinner"].step, hits["thin"].step) == (2, 4)  # 7, 12, 17, 22 %
    notional = hits["thin"].notional_usd
    assert hits["thin"].shortfall_usd == pytest.approx(0.02 * notional, rel=0.01)
    assert hits["thinner"].shortfall_usd == pytest.approx(0.12 * 2.0 * notional, rel=0.01)
    assert found.immediate.account_count == 2
    assert found.immediate.notional_usd == pytest.approx(3.0 * notional)
    assert [step.account_count for step in found.phased] == [0, 1, 0, 1]
    assert found.phased[1].shortfall_usd == pytest.approx(0.02 * 2.0 * notional, rel=0.01)
    print_found(found)
    assert "thinner" in capsys.readouterr().out


def test_the_way_back_frees(book: tuple[Path, Path, Path]) -> None:
    now, then = (rules(str(file), base="flash-crash", accounts=book[2]) for file in book[:2])
    found = migrate(then, now, steps=1)
    assert (found.immediate.account_count, found.freed_count, found.already_count) == (0, 2, 3)
    assert phases(now, now, steps=1) == []
    assert migrate(now, now, steps=2).hits == ()


def test_rules_may_be_a_venue_s(book: tuple[Path, Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[venue.margin]\nmode = 'cross'\n")
    for name in ("hyperliquid", str(file)):
        assert rules(name, base="flash-crash", accounts=book[2]).instruments
    with pytest.raises(InputError):
        rules("hyperlikwid", base="flash-crash", accounts=book[2])
