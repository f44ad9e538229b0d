"""`cascade replay`: the page opens from disk with the network off, its slider and its links work, and it is small."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import app.commands  # noqa: F401  registers the command
from app.replay.columns import edges_of, packed
from app.replay.page import PAGE, bundle, page
from experiments.cli import app as cli
from experiments.contagion import FORCED, store
from experiments.result import Result
from experiments.run import simulate
from experiments.systems.run import simulate_system
from tests.browser import Tab, browser
from tests.cuts import cut, cut_system

DEEP = "reference.crash_log_return=-0.15"


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A run with contagion, and its folder."""
    result = simulate(cut("flash-crash", DEEP), seed=1, twin=False, snapshots=True)
    return result, result.save(tmp_path_factory.mktemp("runs") / "crash")


@pytest.fixture(scope="module")
def replay(crash: tuple[Result, Path]) -> Path:
    folder = crash[1]
    file = folder.parent / "replay.html"
    done = CliRunner().invoke(cli, ["replay", str(folder), "--out", str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["notes"] == []
    return file


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture
def tab(chrome: Any, replay: Path) -> Iterator[Tab]:
    opened = Tab(chrome, offline=True).open(replay)
    yield opened
    assert opened.said == []
    opened.context.close()


def test_the_page_holds_the_run(tab: Tab, crash: tuple[Result, Path]) -> None:
    result, _ = crash
    prices = result.prices[result.prices["instrument"] == "BTC-PERP"]
    assert tab.of("Array.from(app.model.sides.a.series[0].data.mark)") == pytest.approx(prices["mark"].tolist())
    assert tab.of("app.model.sides.a.events.length") == len(result.liquidations)
    assert tab.of("app.model.sides.a.events.map((event) => event.name)") == result.liquidations["account"].tolist()
    assert tab.of("app.model.sides.a.events.map((event) => event.usd)") == pytest.approx(
        result.liquidations["notional_usd"].tolist(), abs=0.006
    )
    figure = tab.of("app.model.sides.a.states.at(-1).kpis")
    for key in ("liquidated_account_count", "bad_debt_usd", "largest_cascade_count", "cascade_count"):
        assert figure[key]["value"] == pytest.approx(result.kpis[key], abs=0.01), key


def test_the_slider_moves_through_time(tab: Tab) -> None:
    page = tab.page
    slider = page.locator("#time input[type=range]")
    shown = []
    for tick in (1, 300, 540):
        slider.fill(str(tick))
        tab.wait(f"app.tick === {tick} && !app.due")
        shown.append(
            (
                page.locator("#time output").inner_text(),
                page.locator("[data-kpi=liquidated_account_count] dd").inner_text(),
            )
        )
    assert [clock for clock, _ in shown] == ["0:00:01 of 0:09:00", "0:05:00 of 0:09:00", "0:09:00 of 0:09:00"]
    counts = [int("".join(filter(str.isdigit, text))) for _, text in shown]
    assert counts[0] == 0 < counts[1] < counts[2]


def test_it_plays_stops_and_goes_back(tab: Tab) -> None:
    tab.page.keyboard.press("r")
    tab.wait("app.tick === 0")
    tab.page.keyboard.press("Space")
    tab.wait("app.tick > 30")
    tab.page.keyboard.press("Space")
    tab.wait("!app.playing")
    before = tab.of("app.tick")
    tab.page.keyboard.press("ArrowLeft")
    tab.wait(f"app.tick === {before - 1}")
    tab.page.keyboard.press("ArrowRight")
    tab.wait(f"app.tick === {before}")


def test_an_account_is_followed_through_every_view(tab: Tab) -> None:
    """n goes to the first liquidation and chooses it; a link in its drawer leads to an account it brought down."""
    page = tab.page
    page.keyboard.press("r")
    page.keyboard.press("n")
    page.locator("#account h2").wait_for()
    name = page.locator("#account h2").inner_text()
    assert name == tab.of("app.model.sides.a.events[0].name")
    assert tab.of("app.tick") == tab.of("app.model.sides.a.events[0].tick")
    tab.wait("document.querySelector('[data-panel=events] tr.chosen') !== null")
    tab.of("app.seek(app.model.ticks)")
    account = tab.of("app.model.sides.a.edges.find((edge) => edge.source >= 0).source")
    tab.of(f"app.select({{ account: {account}, side: 'a' }})")
    tab.wait("!app.due")
    link = page.locator("#account button.link").first
    other = link.inner_text()
    link.click()
    tab.wait(f"document.querySelector('#account h2').textContent === {json.dumps(other)}")
    page.keyboard.press("Escape")
    tab.wait("document.getElementById('account').hidden")


def test_a_click_in_the_network_and_in_a_table_choose(tab: Tab) -> None:
    page = tab.page
    network = "app.panels.views.find(([, view]) => view.constructor.name === 'NetworkView')[1]"
    node = tab.of(f"(() => {{ const one = {network}.nodes[0]; return [one.x, one.y, one.account]; }})()")
    page.locator("[data-panel=network] canvas").click(position={"x": node[0], "y": node[1]})
    tab.wait("app.selection !== null")
    assert tab.of("app.selection.account") in tab.of(f"{network}.nodes.map((one) => one.account)")
    row = page.locator("[data-panel=risk] tbody tr").first
    name = row.locator("td").first.inner_text()
    row.click()
    tab.wait(f"document.querySelector('#account h2').textContent === {json.dumps(name)}")


def test_on_a_phone_nothing_is_wider_than_the_screen(chrome: Any, replay: Path) -> None:
    for scheme in ("light", "dark"):
        small = Tab(chrome, width=390, height=844, offline=True, color_scheme=scheme).open(replay)
        assert small.of("document.documentElement.scrollWidth") <= 390
        assert small.page.locator("[data-panel=price] canvas").is_visible()
        assert small.said == []
        small.context.close()


def test_the_theme_can_be_switched(tab: Tab) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    before = tab.of(ground)
    tab.page.keyboard.press("t")
    assert tab.of(ground) != before


def test_edges_are_the_causes_of_the_run(crash: tuple[Result, Path]) -> None:
    result, folder = crash
    table = edges_of(store.load(folder))
    outside = table[table["source"] == ""]["usd"].sum()
    causes = result.causes
    rest = causes.loss - causes.causes[:, FORCED]
    assert outside == pytest.approx(rest[rest > 0].sum() / 1e6)
    assert (table["source"] != table["target"]).all()
    assert (table[table["source"] != ""].groupby(["seconds", "target"]).size() >= 1).all()
    assert len(table[table["source"] != ""]) > 100


def test_ten_thousand_ticks_stay_below_eight_megabytes(tmp_path: Path) -> None:
    longer = cut("flash-crash", DEEP, "hours=1.0", "tick_seconds=0.36")
    assert longer.ticks == 10_000
    folder = simulate(longer, seed=1, twin=False, snapshots=True).save(tmp_path / "long")
    text, notes = packed(folder)
    assert notes == []
    assert len(page(text).encode()) < 8_000_000


def test_a_folder_without_snapshots_shows_what_it_has(crash: tuple[Result, Path], tmp_path: Path, chrome: Any) -> None:
    result, folder = crash
    old = shutil.copytree(folder, tmp_path / "old")
    (old / "snapshots.parquet").unlink()
    file = tmp_path / "old.html"
    done = CliRunner().invoke(cli, ["replay", str(old), "--out", str(file)])
    assert done.exit_code == 0
    assert "note: This run was recorded without snapshots" in done.stdout
    tab = Tab(chrome, offline=True).open(file)
    assert "without snapshots" in tab.page.locator("#status").inner_text()
    figure = tab.of("app.model.sides.a.states.at(-1).kpis.liquidated_account_count.value")
    assert figure == result.kpis["liquidated_account_count"]
    assert tab.said == []


def test_recording_can_be_switched_off(tmp_path: Path) -> None:
    without = cut("calm", "hours=0.01", "population.count=50", "recording.no_snapshots=true")
    folder = simulate(without, seed=1, twin=False, snapshots=True).save(tmp_path / "run")
    assert not (folder / "snapshots.parquet").exists()


def _refused(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["replay", *arguments])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    return line


def test_what_is_no_run_is_refused_in_one_line(crash: tuple[Result, Path], tmp_path: Path) -> None:
    _, folder = crash
    assert "no such folder" in _refused(str(tmp_path / "nowhere"))
    assert "not the folder of a run" in _refused(str(tmp_path))
    assert "cannot be written" in _refused(str(folder), "--out", str(tmp_path / "no" / "such" / "place.html"))
    other = shutil.copytree(folder, tmp_path / "other")
    about = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**about, "folder_format": 99}))
    assert "written by another version" in _refused(str(other))
    for name in ("snapshots", "prices", "depth", "causes"):
        broken = shutil.copytree(folder, tmp_path / f"broken-{name}")
        data = (broken / f"{name}.parquet").read_bytes()
        (broken / f"{name}.parquet").write_bytes(data[: len(data) // 2])
        assert "damaged or cut short" in _refused(str(broken)), name
    assert not list(tmp_path.glob("*.html"))


def test_snapshots_of_another_layout_are_refused(crash: tuple[Result, Path], tmp_path: Path) -> None:
    newer = shutil.copytree(crash[1], tmp_path / "newer")
    pd.DataFrame({"tick": [1]}).to_parquet(newer / "snapshots.parquet")
    assert "has layout none, this program reads 1" in _refused(str(newer))


def test_every_module_is_in_the_page() -> None:
    made = bundle()
    for file in PAGE.rglob("*.js"):
        assert f'modules["{file.relative_to(PAGE).as_posix()}"]' in made
    assert "\nimport " not in made
    assert "\nexport " not in made


def test_several_venues_are_one_page_with_a_switch(chrome: Any, tmp_path: Path) -> None:
    """Figures of the whole at the end are those of the run, and every venue shows its own prices and fills."""
    result = simulate_system(cut_system("collateral-exploit"), seed=1, twin=False, snapshots=True)
    file = tmp_path / "replay.html"
    done = CliRunner().invoke(cli, ["replay", str(result.save(tmp_path / "run")), "--out", str(file), "--json"])
    assert done.exit_code == 0, done.output
    tab = Tab(chrome, offline=True).open(file)
    whole = tab.of("app.lab.whole.a.stateAt(app.tick)")
    for key in ("liquidated_account_count", "liquidated_notional_usd", "bad_debt_usd", "loss_across_venues_usd"):
        assert whole["kpis"][key]["value"] == pytest.approx(result.kpis[key], abs=0.02), key
    crossed = {(row["source"], row["target"]): row["claims_usd"] for row in whole["crossings"]}
    claims = result.causes.crossings[result.causes.crossings["from_account"] == "claim rUSDC"]
    assert crossed["lender", "exchange"] == pytest.approx(claims["loss_usd"].sum(), abs=0.05) != 0.0
    for name, one in result.venues.items():
        tab.page.locator(f"[data-venue={name}]").click()
        tab.wait(f"app.venue === {json.dumps(name)} && !app.due")
        assert tab.of("app.model.sides.a.events.length") == len(one.liquidations)
        assert tab.of("app.model.sides.a.series.every((line) => line.n === app.model.ticks)")
    price = tab.of("Array.from(app.model.sides.a.series[0].data.mark)")
    pools = result.venues["amm"].pools
    assert price == pytest.approx(pools[pools["pool"] == "bETH-ETH"]["price"].tolist(), abs=1e-6)
    assert tab.said == []
    tab.context.close()
