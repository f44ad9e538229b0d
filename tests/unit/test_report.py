"""The report: it renders whatever happened, opens offline, is the same bytes twice, and its words fit the figures."""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.fields import scenario_hash
from experiments.report import write_report
from experiments.report.causes_figure import MOST_NODES, chosen
from experiments.report.facts import MOST_OF_IT, Facts, Move, Window, busiest, facts
from experiments.report.loss_figures import waterfall_figure
from experiments.report.market_figure import close_view
from experiments.report.page import headline
from experiments.report.rerun import command
from experiments.report.series import BUCKETS, bucket_edges, extreme_rows, extremes, packed, typical
from experiments.report.story import story
from experiments.report.words import Clock, money, percent, span
from experiments.scenario import Scenario
from tests.synthetic import synthetic_result

CASES: dict[str, dict[str, Any]] = {
    "full": {},
    "nothing happened": {"n_events": 0},
    "one fill": {"n_events": 1},
    "thousands of fills": {"n_events": 5_000},
    "no twin": {"twin": False},
    "no bad debt": {"bad_debt": False},
    "no figures": {"amplification": None, "bad_debt_usd": float("nan"), "largest_cascade_generations": None},
}


@pytest.fixture(scope="module", params=CASES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(synthetic_result(**CASES[request.param]), path)
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects what a browser would load, ids, and tags that are left open."""

    VOID = ("meta", "link", "br", "hr", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads += [str(values[name]) for name in ("src", "href", "srcset", "data") if name in values]
        self.ids += [str(values["id"])] if "id" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def figures(page: str) -> dict[str, dict[str, Any]]:
    found = re.search(r'<script id="figure-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def unpacked(spec: dict[str, str]) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(spec["bdata"]), f"<{spec['dtype']}")


def test_it_opens_offline_and_is_whole(page: str) -> None:
    reader = read(page)
    assert reader.open == []
    assert reader.loads == ["data:,"]
    assert not re.search(r"@import|url\(", page.split("<script")[0])
    assert page.count("plotly.js v") == 1
    assert len(reader.ids) == len(set(reader.ids))
    assert {f"chart-{name}" for name in figures(page)} <= set(reader.ids)


def test_it_stays_small(page: str) -> None:
    assert len(page.encode()) < 6_000_000


def test_words_hold_no_missing_numbers(page: str) -> None:
    assert not re.search(r"\b(nan|inf|None|NaN)\b", read(page).text)
    assert "<angle> & ampersand" in read(page).text


def plotly_figure(figure: dict[str, Any]) -> go.Figure:
    """The figure as page.js hands it to plotly.js."""

    def coloured(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: coloured(child) for key, child in value.items()}
        if isinstance(value, list):
            return [coloured(child) for child in value]
        return "rgb(1,2,3)" if isinstance(value, str) and value.startswith("@") else value

    data = []
    for trace in coloured(figure["data"]):
        if isinstance(trace["x"], str):
            times = figure["times"][trace["x"]]
            moments = unpacked(times).astype(np.float64) + times["origin"]
            assert len(moments) == len(unpacked(trace["y"]))
            assert (np.diff(moments) >= 0).all() or trace.get("hoverinfo") == "skip"
            assert (moments > 1e10).all()  # plotly.js takes small numbers for years
            trace["x"] = moments
        data.append(trace)
    return go.Figure({"data": data, "layout": coloured(figure["layout"])})


def test_every_figure_is_one_that_plotly_knows(page: str) -> None:
    for choices in figures(page).values():
        for figure in choices.values():
            made = plotly_figure(figure)
            for ranges in figure.get("views", {}).values():
                assert all(axis in made.layout and low < high for axis, (low, high) in ranges.items())


def test_same_result_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_report(synthetic_result(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_colours_are_those_of_the_style_sheet(tmp_path: Path) -> None:
    write_report(synthetic_result(n_events=500), tmp_path / "page")
    page = (tmp_path / "page").read_text(encoding="utf-8")
    used = set(re.findall(r'"@(\w+)', json.dumps(figures(page))))
    light, dark = re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]
    assert used <= set(re.findall(r"--(\w+):", light))
    assert used - {"font"} <= set(re.findall(r"--(\w+):", dark))


def some_facts(**changes: Any) -> Facts:
    return replace(facts(synthetic_result()), **changes)


FALL = Move(mark=-0.14, twin=-0.09, window=Window(start=0.0, end=540.0))


def test_the_headline_says_who_failed_why_and_who_paid() -> None:
    told = story(
        some_facts(
            population={"trader": 10_000},
            failed={"trader": 411, "market_maker": 1},
            busiest=Window(start=0.0, end=540.0),
            main="BTC-PERP",
            main_sold_usd=38e6,
            move=FALL,
            amplification=1.6,
            bad_debt_usd=210_000.0,
            paid_usd={"fund": 168_000.0, "adl": 42_000.0},
        )
    )
    assert told.headline == (
        "412 of 10,000 accounts were liquidated, 90% of the notional within 9 minutes; forced sales of 38 million USD "
        "of BTC-PERP deepened its fall from 9.0% to 14.0% (amplification 1.60); bad debt of 210,000 USD fell on the "
        "insurance fund (80%) and ADL (20%)."
    )
    assert "411 traders and 1 market maker" in told.failed[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amplification": None}, "came with a fall of 14.0%, 9.0% without them"),
        ({"move": replace(FALL, twin=None)}, "came with a fall of 14.0%;"),
        ({"amplification": 1.01}, "left its fall of 14.0% as it was"),
        ({"amplification": 0.8}, "its fall was 14.0%, 9.0% without them"),
        ({"move": replace(FALL, mark=0.14, twin=0.09), "amplification": 1.5}, "stretched its rise from 9.0% to 14.0%"),
        ({"failed": {"trader": 1}}, "1 of 53 accounts was liquidated; "),
        ({"bad_debt_usd": 0.0}, "; no bad debt."),
        ({"failed": {}}, "Nobody was liquidated: 53 accounts came through a BTC-PERP fall of 14.0%"),
    ],
)
def test_the_headline_fits_what_happened(changes: dict[str, Any], words: str) -> None:
    assert words in story(some_facts(**{"move": FALL, **changes})).headline


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_book": 10}, "10 were closed on the books, at least in part; the other 20 found no buyer there and were"),
        ({"on_book": 29}, "the other 1 found no buyer there and was closed only by auto-deleveraging (ADL)."),
        ({"on_book": 1}, "1 was closed on the books, at least in part; the other 29 found"),
        ({"on_book": 10, "adl_of_longs": False}, "the other 20 found no seller there"),
        ({"on_book": 0}, "All found no buyer on the books and were closed only by auto-deleveraging (ADL)."),
        ({"on_book": 30}, "traders. All were closed on the books, at least in part."),
        ({"on_book": 30, "adl_usd": 0.0}, "traders. All were closed on the books."),
        ({"on_book": 1, "failed": {"keeper": 1}, "adl_usd": 0.0}, "a keeper. It was closed on the books."),
        ({"on_book": 0, "failed": {"keeper": 1}}, "a keeper. It found no buyer on the books and was closed only by"),
    ],
)
def test_the_story_says_how_accounts_were_closed(changes: dict[str, Any], words: str) -> None:
    given = {"failed": {"trader": 30}, "adl_of_longs": True, "adl_usd": 1e6, **changes}
    assert words in story(some_facts(**given)).failed[0]


def test_the_story_names_the_depth_of_the_largest_cascade_and_what_adl_took() -> None:
    told = story(some_facts(sold_usd=3e6, bought_usd=1e6, adl_usd=5e6, deleveraged=7))
    assert told.failed[1] == (
        "Closed by force: 4 million USD on the books, 75% of that by selling, and 5 million USD by auto-deleveraging."
    )
    assert told.failed[-1].startswith("The largest cascade was 12 of")
    assert told.failed[-1].endswith("in a chain of 3 generations.")
    assert told.paid[-1].startswith("Auto-deleveraging took positions of 5 million USD from 7 accounts")


def test_the_story_says_why_there_are_more_accounts_than_traders() -> None:
    words = "5 traders have 12 of the 14 accounts: a position with isolated margin is an account of its own"
    many: dict[str, Any] = {"population": {"trader": 9, "wallet": 3, "keeper": 2}, "traders": 5}
    for failed in ({"trader": 2}, {}):
        assert words in " ".join(story(some_facts(**many, failed=failed)).failed)
        assert "traders have" not in " ".join(story(some_facts(**(many | {"traders": 12}), failed=failed)).failed)


def test_the_story_counts_those_whom_nobody_closed() -> None:
    left = "Another 12 accounts fell below maintenance margin, and nobody closed them by force."
    assert left in story(some_facts(failed={"trader": 2}, breached=14)).failed
    assert "Another" not in " ".join(story(some_facts(failed={"trader": 2}, breached=2)).failed)


def test_the_story_says_where_the_fund_had_it_from() -> None:
    given: dict[str, Any] = {"bad_debt_usd": 3e6, "paid_usd": {"fund": 2.5e6, "adl": 0.5e6}, "fund_start_usd": 2e6}
    told = story(some_facts(**given, fund_income_usd=6e5))
    assert "The fund began with 2 million USD and took in 600,000 USD on the way, mostly" in " ".join(told.paid)
    for income in (1e3, -5e5):
        assert "The fund began" not in " ".join(story(some_facts(**given, fund_income_usd=income)).paid)


def test_facts_count_what_the_tables_hold() -> None:
    result = synthetic_result()
    found = facts(result)
    closed = result.liquidations
    forced, adl = closed[closed["kind"] != "adl"], closed[closed["kind"] == "adl"]
    assert found.traders == found.population["trader"]
    assert found.n_failed == closed["account"].nunique() > found.on_book == forced["account"].nunique()
    assert found.sold_usd + found.bought_usd == pytest.approx(forced["notional_usd"].sum())
    assert found.adl_usd == pytest.approx(adl["notional_usd"].sum())
    assert found.liquidations == result.causes.n
    assert found.move.mark == pytest.approx(-0.10, abs=2e-3)
    assert found.move.twin == pytest.approx(-0.06, abs=2e-3)
    failed = set(closed["row"])
    assert found.broken_anyway == len(failed & set(range(7, 15)))
    children = result.causes.parent >= 0
    assert found.forced_loss_share == pytest.approx(np.where(children, 0.6, 0.1).mean())


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_the_busiest_window_is_the_shortest_that_holds_enough(fills: list[tuple[int, int]]) -> None:
    fills = sorted(fills)
    seconds = np.array([at for at, _ in fills], np.float64)
    usd = np.array([n for _, n in fills], np.float64)
    enough = MOST_OF_IT * usd.sum() - 1e-9
    lengths = [
        end - start
        for start in seconds
        for end in seconds
        if end >= start and usd[(seconds >= start) & (seconds <= end)].sum() >= enough
    ]
    found = busiest(seconds, usd)
    assert found is not None
    assert found.seconds == min(lengths)
    assert usd[(seconds >= found.start) & (seconds <= found.end)].sum() >= enough


@given(st.integers(1, 3_000), st.integers(0, 5))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_thinning_keeps_ends_peaks_and_troughs(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    paths = [np.cumsum(generator.standard_normal(n)) for _ in range(2)]
    seconds = np.arange(1.0, n + 1.0)
    rows = extreme_rows(paths, bucket_edges(seconds, Window(start=n * 0.4, end=n * 0.6)))
    assert (np.diff(rows) > 0).all()
    assert rows[0] == 0
    assert rows[-1] == n - 1
    for path in paths:
        assert path[rows].max() == path.max()
        assert path[rows].min() == path.min()


@given(st.integers(1, 2_000), st.integers(0, 5))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_buckets_of_a_line_hold_its_ends_extremes_and_typical_values(n: int, seed: int) -> None:
    path = np.cumsum(np.random.default_rng(seed).standard_normal(n))
    seconds = np.arange(1.0, n + 1.0)
    edges = bucket_edges(seconds, Window(start=n * 0.4, end=n * 0.6))
    low, high = extremes(path, edges)
    middle = typical(path, edges)
    assert (low.min(), high.max()) == (path.min(), path.max())
    assert ((low <= middle) & (middle <= high)).all()
    assert (middle[0], middle[-1]) == (path[0], path[-1])
    assert set(middle) <= set(path)
    assert len(edges) <= 2 * BUCKETS + 4


def test_the_close_view_is_there_when_the_cascade_is_short() -> None:
    seconds = np.arange(1.0, 3_601.0)
    assert close_view(seconds, Window(start=1_000.0, end=1_600.0)) == Window(start=700.0, end=1_900.0)
    assert close_view(seconds, Window(start=10.0, end=20.0)) == Window(start=1.0, end=80.0)
    assert close_view(seconds, Window(start=100.0, end=2_000.0)) is None
    assert close_view(seconds, None) is None


def test_the_headline_is_large_only_in_its_first_part() -> None:
    assert headline("some failed; forced sales & more; no bad debt.") == (
        "<h1>Some failed.</h1>",
        '<p class="deck">Forced sales &amp; more; no bad debt.</p>',
    )
    assert headline("Nobody failed.") == ("<h1>Nobody failed.</h1>",)


def test_packed_arrays_are_little_endian_floats() -> None:
    assert unpacked(packed([1.5, -2.0])).tolist() == [1.5, -2.0]


def test_the_waterfall_ends_at_nothing() -> None:
    bars = waterfall_figure(100.0, {"fund": 60.0, "adl": 25.0, "socialised": 10.0, "uncovered": 5.0})["data"][0]
    ends = [base + length for base, length in zip(bars["base"], bars["x"], strict=True)]
    assert ends[1] == 100.0
    assert bars["base"][1:] == [40.0, 15.0, 5.0, 0.0, 0.0]
    assert ends[2:] == bars["base"][1:-1]


def test_the_graph_keeps_the_largest_and_their_causes() -> None:
    causes = synthetic_result(n_events=5_000).causes
    many = replace(
        causes,
        **{name: np.tile(getattr(causes, name), 10) for name in ("account", "tick", "loss")},
        causes=np.tile(causes.causes, (10, 1)),
        notional_usd=np.arange(10.0 * causes.n),
        parent=np.concatenate([[-1], np.arange(10 * causes.n - 1)]),
        generation=np.arange(10 * causes.n),
        root=np.zeros(10 * causes.n, np.int64),
    )
    alone = replace(many, parent=np.full(many.n, -1))
    assert chosen(alone).tolist() == list(range(many.n - MOST_NODES, many.n))
    rows = set(chosen(many).tolist())
    assert len(rows) <= MOST_NODES
    assert all(many.parent[row] in rows or many.parent[row] < 0 for row in rows)
    assert len(chosen(causes)) == causes.n


@pytest.mark.parametrize("sets", [[], ["venue.liquidation.fee_bps=50", "population.count=500"]])
def test_the_command_gives_the_scenario_again(sets: list[str]) -> None:
    scenario = Scenario.load("flash-crash", overrides=sets)
    words = shlex.split(command(scenario, seed=3) or "")
    assert words[:3] == ["cascade", "run", "flash-crash"]
    assert words[-2:] == ["--seed", "3"]
    assert words[3:-2:2] == ["--set"] * len(sets)
    assert scenario_hash(Scenario.load(words[2], overrides=words[4:-2:2])) == scenario_hash(scenario)


def test_numbers_in_words() -> None:
    assert [money(usd) for usd in (0.0, 0.4567, 12.3, 999.6, 210_000.0, 38.2e6, 999_960_000.0, -1.5e9)] == [
        "0 USD", "0.46 USD", "12.3 USD", "1,000 USD", "210,000 USD", "38.2 million USD", "1 billion USD",
        "−1.5 billion USD",
    ]  # fmt: skip
    assert [percent(share) for share in (0.0, 0.001, 0.5, 0.999, 1.0)] == ["0%", "under 1%", "50%", "over 99%", "100%"]
    assert [span(seconds) for seconds in (1.0, 90.0, 540.0, 3_600.0, 12_600.0)] == [
        "1 second", "90 seconds", "9 minutes", "1 hour", "3.5 hours",
    ]  # fmt: skip


def test_clocks() -> None:
    assert Clock.of(None).text(3_725.0) == "1:02:05"
    assert Clock.of("2021-05-19T06:00").text(3_725.0) == "19 May 07:02:05"
    assert Clock.of("2021-05-19T06:00+02:00").text(0.0) == "19 May 04:00:00"
    assert Clock.of("tomorrow").start is None
