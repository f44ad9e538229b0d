"""The laboratory without a server: messages, access, uploads, limits, and a view's run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from app import protocol
from app.access import Access, is_loopback
from app.catalogue import Catalogue, check_upload
from app.limits import Limits, check_size
from app.view import View
from app.worker import Config, Worker
from experiments import InputError
from experiments.config import load
from experiments.contagion import contagion
from experiments.measures import kpis
from experiments.run import simulate
from experiments.scenario import Scenario

SMALL = """
extends = "flash-crash"
hours = 0.05
[population]
count = 200
"""


def small(**more: Any) -> View:
    catalogue = Catalogue(None, most_uploads=4)
    wanted = protocol.Open(do="open", scenario=catalogue.add(SMALL, name="small"), **more)
    return View(wanted, catalogue.find(wanted.scenario), limits=Limits(), studies=[])


# ---- messages


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("", "not JSON", ""),
        ("[" * 100_000, "not JSON", ""),
        ("7", "expected a JSON object", ""),
        ("{}", "Unable to extract tag", ""),
        ('{"do": "dance"}', "dance", ""),
        ('{"do": "step", "ticks": 0}', "step.ticks: Input should be greater than or equal to 1", "step.ticks"),
        ('{"do": "step", "ticks": "3"}', "valid integer", "step.ticks"),
        ('{"do": "pause", "now": true}', "Extra inputs", "pause.now"),
        ('{"do": "set", "path": "assets.ETH.haircut", "value": NaN}', "not JSON", ""),
        ('{"do": "set", "path": "assets.ETH.haircut", "value": [1]}', "set.value", "set.value"),
        ('{"do": "open", "scenario": "calm", "seed": -1}', "open.seed", "open.seed"),
    ],
)
def test_what_is_no_message_gets_one_line(text: str, message: str, where: str) -> None:
    with pytest.raises(protocol.Malformed) as caught:
        protocol.parse(text)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.where.startswith(where)


def test_messages_and_their_schema() -> None:
    said = protocol.parse('{"do": "open", "scenario": "calm", "compare": {"set": {"assets.ETH.haircut": 0.3}}}')
    assert said.compare.set == {"assets.ETH.haircut": 0.3}
    known = json.dumps(protocol.schema())
    assert all(f'"{word}"' in known for word in ("open", "play", "jump", "shock", "export", "ack"))


# ---- access


def test_only_pages_of_this_machine_may_open_views() -> None:
    access = Access(None)

    def refused(host: str, origin: str | None = None) -> bool:
        headers = {"host": host, **({"origin": origin} if origin else {})}
        return access.refusal(headers=headers, query={}, cookies={}, browser_call=True) is not None

    assert not refused("127.0.0.1:8765")
    assert not refused("localhost:8765", "http://localhost:8765")
    assert not refused("[::1]:8765", "http://[::1]:8765")
    assert refused("localhost:8765", "http://evil.example")
    assert refused("127.0.0.1:8765", "http://127.0.0.1:9999")
    assert refused("rebound.example:8765", "http://rebound.example:8765")
    assert refused("127.0.0.1:8765", "null")


def test_others_need_the_token() -> None:
    access = Access("secret")

    def refused(**more: Any) -> bool:
        told = {"headers": {"host": "10.0.0.5:8765"}, "query": {}, "cookies": {}, "browser_call": False, **more}
        return access.refusal(**told) is not None

    host = {"host": "10.0.0.5:8765"}
    assert refused()
    assert refused(query={"token": "Secret"})
    assert refused(query={"token": ""})
    assert not refused(query={"token": "secret"})
    assert not refused(cookies={"cascade_token": "secret"})
    assert not refused(headers={**host, "x-cascade-token": "secret"})
    assert not refused(headers={**host, "authorization": "Bearer secret"})
    assert refused(headers={**host, "authorization": "Basic secret"})
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")


# ---- uploads and limits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("summary = ", "not TOML"),
        ("a = " + "[" * 5_000 + "]" * 5_000, "tables within tables"),
        ("a = " + "[" * 50 + "]" * 50, "more than 24 tables within tables"),
        ('extends = "../../secrets"', "no embedded scenario"),
        ('extends = ["flash-crash", "/etc/hosts"]', "no embedded scenario"),
        ('[reference]\nkind = "replay"\nfile = "/etc/passwd"', "reference.file: an upload can name no file"),
        ('[population]\nkind = "file"\nfile = "x"', "population.file"),
        ('[venues.a]\nextends = "/etc/hosts"', "venues.a.extends: '/etc/hosts' is no embedded"),
    ],
)
def test_an_upload_can_reach_no_file(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_upload(text, depth=24)
    assert message in str(caught.value)


def test_old_uploads_give_way() -> None:
    catalogue = Catalogue(None, most_uploads=2)
    keys = [catalogue.add(f"summary = '{n}'", name="x") for n in range(3)]
    assert catalogue.add("summary = '2'", name="x") == keys[2]
    with pytest.raises(InputError, match="no scenario"):
        catalogue.find(keys[0])
    assert catalogue.find(keys[1]).text == "summary = '1'"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("population.count=30000", "30,038 accounts"),
        ("hours=1000", "3,600,000 ticks; at most 100,000"),
        ("agents.market_makers.makers_per_book=9000", "64,020 accounts"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_built(override: str, message: str) -> None:
    check_size(Scenario.load("flash-crash"), Limits())
    with pytest.raises(InputError) as caught:
        check_size(Scenario.load("flash-crash", overrides=[override]), Limits())
    assert message in str(caught.value)


def test_a_view_takes_no_setting_that_has_no_slider() -> None:
    for path, value in (("population.file", "x"), ("reference.file", "/etc/passwd"), ("summary", "x")):
        with pytest.raises(InputError, match="no setting of this scenario"):
            small(set={path: value})
    with pytest.raises(InputError, match=r"expected a number in \[0, 1\]"):
        small(set={"assets.ETH.haircut": 3.0})
    with pytest.raises(InputError, match="no venue"):
        small(venue="../x")


# ---- a view's run


def test_what_was_done_in_a_session_replays_to_the_same_figures() -> None:
    view = small(seed=4, set={"assets.BTC.haircut": 0.25})
    view.advance(30)
    view.set(protocol.Set(do="set", path="venue.liquidation.fee_bps", value=250.0))
    view.shock(protocol.Shock(do="shock", kind="drop", asset="ETH", percent=15.0))
    view.advance(20)
    view.shock(protocol.Shock(do="shock", kind="account_fails"))
    view.shock(protocol.Shock(do="shock", kind="keeper_outage", seconds=10.0))
    view.advance(1_000_000)
    assert view.frame()["done"]
    told = view.export(protocol.Export(do="export"))
    written, _ = load(Scenario, told["toml"])
    assert len(written.interventions) == 4
    trace = view.sides["a"].venues[""].trace()
    figures = kpis(trace, None, contagion(trace))
    again = simulate(written, seed=4, twin=False)
    assert int(figures["liquidation_count"] or 0) > 0
    assert {name: value for name, value in again.kpis.items() if value != figures[name]} == {}
    assert "--seed 4" in told["toml"].splitlines()[0]


def test_two_designs_run_on_the_same_random_numbers() -> None:
    view = small(compare=protocol.Compare(set={"assets.ETH.haircut": 0.6}))
    assert view.world()["compare"]
    view.shock(protocol.Shock(do="shock", kind="drop", asset="ETH", percent=10.0))
    view.advance(60)
    one, other = (session.venues[""].recorder for session in view.sides.values())
    assert one.n == other.n == 60
    assert (one.ticks["reference"][:5] == other.ticks["reference"][:5]).all()
    a, b = (session.venues[""].interventions.scenario.assets["ETH"].haircut for session in view.sides.values())
    assert (a, b) == (0.15, 0.6)
    view.set(protocol.Set(do="set", path="assets.ETH.haircut", value=0.5, side="b"))
    a, b = (session.venues[""].interventions.scenario.assets["ETH"].haircut for session in view.sides.values())
    assert (a, b) == (0.15, 0.5)
    assert set(view.frame()["sides"]) == {"a", "b"}
    assert len(view.sides["a"].as_scenario().interventions) == 1
    assert len(view.sides["b"].as_scenario().interventions) == 2


def test_restart_forgets_what_was_done() -> None:
    view = small()
    view.set(protocol.Set(do="set", path="assets.ETH.haircut", value=0.5))
    view.advance(5)
    view.restart()
    assert view.tick == 0
    assert view.sides["a"].as_scenario() == view.sides["a"].scenario


def test_an_account_is_explained_to_the_cent() -> None:
    view = small()
    view.advance(10)
    view.shock(protocol.Shock(do="shock", kind="drop", asset="ETH", percent=25.0))
    view.advance(60)
    world = view.sides["a"].venues[""].built.world
    row = int(world.events["account"][0])
    told = view.account(protocol.Account(do="account", account=row))
    assert told["fills"]
    found = told["liquidations"][0]
    assert max(found["causes"].values()) > 0.0
    assert abs(sum(found["causes"].values()) - found["loss_usd"]) < 0.1
    held = next(n for n in range(len(world.ledger.names)) if (world.ledger.positions["lots"][n] != 0).any())
    told = view.account(protocol.Account(do="account", account=held))
    equity = world.ledger.assess(world.instruments, world.assets, world.margin)[held, 0] / 1e6
    assert abs(sum(line["counted_usd"] for line in told["collateral"]) - equity) < 0.1
    assert told["lines"][0]["rows"]
    with pytest.raises(InputError, match="no account 9999999"):
        view.account(protocol.Account(do="account", account=9_999_999))


def test_what_cannot_be_done_is_said_and_changes_nothing() -> None:
    view = small()
    for message, said in (
        (protocol.Set(do="set", path="hours", value=2.0), "hours cannot be changed in a running world"),
        (protocol.Set(do="set", path="assets.ETH.haircut", value=0.5, side="b"), "there is no side b"),
        (protocol.Shock(do="shock", kind="drop", asset="DOGE"), "no asset 'DOGE'"),
        (protocol.Shock(do="shock", kind="drop", percent=100.0), "a price falls by less than 100"),
        (protocol.Shock(do="shock", kind="account_fails", account=3), "nobody may liquidate it"),
        (protocol.Shock(do="shock", kind="account_fails", account=10_000_000), "no such account"),
    ):
        act = view.set if isinstance(message, protocol.Set) else view.shock
        with pytest.raises(InputError, match=said):
            act(message)  # type: ignore[arg-type]
    assert view.sides["a"].as_scenario() == view.sides["a"].scenario
    view.advance(1_000)
    with pytest.raises(InputError, match="the run is over"):
        view.shock(protocol.Shock(do="shock", kind="drop"))


# ---- the worker's loop


@contextmanager
def worker() -> Iterator[Connection]:
    """This end of the pipe of a worker that runs in a thread."""
    here, there = Pipe()

    def run() -> None:
        with suppress(EOFError, OSError):
            Worker(there, Config()).run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield here
    here.close()
    thread.join(10.0)
    assert not thread.is_alive(), "a closed view ends its worker"


def say(conn: Connection, **message: Any) -> None:
    envelope: dict[str, Any] = {"message": message}
    if message["do"] == "open":
        envelope["source"] = {"name": "small", "file": None, "text": SMALL}
    conn.send_bytes(json.dumps(envelope).encode())


def next_of(conn: Connection, kind: str, *, seconds: float = 60.0) -> dict[str, Any]:
    """The next message of a kind; others before it are dropped, and frames among them acknowledged."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if conn.poll(0.1):
            found: dict[str, Any] = json.loads(conn.recv_bytes())
            if found["is"] == kind:
                return found
            if found["is"] == "frame":
                say(conn, do="ack", number=found["number"])
    raise AssertionError(f"no {kind} came")


def test_the_next_frame_waits_for_the_page_and_then_holds_all_that_is_new() -> None:
    with worker() as conn:
        say(conn, do="pause")
        assert "nothing is open yet" in next_of(conn, "error")["message"]
        say(conn, do="open", scenario="small")
        assert next_of(conn, "world")["books"]
        first = next_of(conn, "frame")
        assert first["tick"] == 0
        say(conn, do="play", ticks_per_second=400)
        say(conn, do="export")  # answered although the page has not drawn the frame yet
        next_of(conn, "export")
        time.sleep(0.6)
        assert not conn.poll(0.1), "a page that draws nothing gets nothing"
        say(conn, do="ack", number=first["number"] + 7)
        assert not conn.poll(0.3)
        say(conn, do="ack", number=first["number"])
        later = next_of(conn, "frame")
        assert later["tick"] > 20
        ticks = later["sides"]["a"]["series"]["tick"]
        assert (ticks[0], ticks[-1]) == (1, later["tick"])
        say(conn, do="pause")
        say(conn, do="ack", number=later["number"])


def test_jumps_stop_at_the_next_liquidation_and_mistakes_leave_the_run_alive() -> None:
    with worker() as conn:
        say(conn, do="open", scenario="small", seed=2)
        say(conn, do="shock", kind="drop", asset="BTC", percent=12)
        say(conn, do="set", path="assets.ETH.haircut", value=7.0)
        assert next_of(conn, "error")["where"] == "set"
        say(conn, do="jump")
        frame = next_of(conn, "frame")
        while not frame["sides"]["a"]["events"]["id"]:
            say(conn, do="ack", number=frame["number"])
            frame = next_of(conn, "frame")
        assert not frame["playing"]
        assert set(frame["sides"]["a"]["events"]["tick"]) == {frame["tick"]}
        say(conn, do="open", scenario="small", set={"nonsense": 1})
        assert "no setting" in next_of(conn, "error")["message"]
        say(conn, do="ack", number=frame["number"])
        say(conn, do="step", ticks=3)
        assert next_of(conn, "frame")["tick"] == frame["tick"] + 3


def test_a_study_says_where_a_run_lies(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from experiments.config import resolved_toml
    from experiments.distribution import distribution, folders

    scenario = Scenario.load("flash-crash", overrides=["hours=0.05"])
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "base.toml").write_text(resolved_toml(scenario))
    rows = {"changes": ["{}"] * 20 + ["{...}"] * 5, "bad_debt_usd": [float(n) for n in range(20)] + [1e9] * 5}
    pq.write_table(pa.table(rows), folder / "runs.parquet")
    found = distribution(scenario, folders([tmp_path]))
    assert found is not None
    told = found["bad_debt_usd"]
    assert (told["runs"], told["name"]) == (20, "export")
    assert told["quantiles"][0] == [0.0, 0.0]
    assert dict(map(tuple, told["quantiles"]))[0.5] == 9.5
    assert distribution(Scenario.load("calm"), folders([tmp_path])) is None


def test_a_store_says_where_a_run_lies(tmp_path: Path) -> None:
    """Runs of the base as it is, each seed once; neither changed designs nor runs that failed."""
    from experiments.config import resolved_toml
    from experiments.distribution import distribution, folders
    from experiments.store.rows import FAILED, OK, Row
    from experiments.store.store import Store

    scenario = Scenario.load("flash-crash", overrides=["hours=0.05"])
    store = Store(str(tmp_path / "store"))
    base = store.add_base(resolved_toml(scenario))

    def row(seed: int, debt: float, *, changes: str = "{}", status: str = OK) -> Row:
        return Row(
            key=f"{seed:016x}{int(debt):016x}", design=changes, seed=seed, base=base, changes=changes, twin=False,
            strategies="[]", manifest="m", results_version=1, wall_seconds=1.0, status=status,
            figures={} if status == FAILED else {"bad_debt_usd": debt},
        )  # fmt: skip

    rows = [row(seed, float(seed)) for seed in range(20)] + [replace(row(0, 0.0), key="f" * 32, twin=True)]
    store.write([*rows, row(90, 1e6, changes='{"hours": 2}'), row(91, 1e7, status=FAILED)])
    found = distribution(scenario, folders([tmp_path]))
    assert found is not None
    told = found["bad_debt_usd"]
    assert (told["runs"], told["name"]) == (20, "store")
    wanted = {0.0: 0.0, 0.05: 0.95, 0.25: 4.75, 0.5: 9.5, 0.75: 14.25, 0.95: 18.05, 1.0: 19.0}
    assert dict(map(tuple, told["quantiles"])) == pytest.approx(wanted)
    assert distribution(Scenario.load("calm"), folders([tmp_path])) is None
