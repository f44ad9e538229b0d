"""The server's HTTP side in this process: lists, uploads, headers, and a fuzz of everything OpenAPI describes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance, unsupported_method
from starlette.websockets import WebSocketDisconnect

from app import server
from app.worker import Config
from experiments import InputError, library

SMALL = 'extends = "flash-crash"\nsummary = "mine"\nhours = 0.05\n[population]\ncount = 200\n'
LOCAL = "http://127.0.0.1:8765"
APP = server.make(None, config=Config())


@pytest.fixture
def client() -> TestClient:
    # Not entered: no process for views is started.
    return TestClient(APP, base_url=LOCAL)


def test_lists(client: TestClient) -> None:
    told = client.get("/api/scenarios").json()
    assert told["default"] == "flash-crash"
    assert {entry["name"] for entry in told["scenarios"]} == {*library.scenarios(), *library.systems()}
    assert client.get("/api/venues").json()["venues"] == library.venues()
    assert client.get("/api/health").json() == {"status": "ok", "runs": 0, "protocol": 1}
    assert "Open" in json.dumps(client.get("/api/protocol").json())


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "https://" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    script = client.get("/page/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for name in re.findall(r'from "\./([a-z/-]+\.js)"', client.get("/page/panels.js").text):
        assert client.get(f"/page/{name}").status_code == 200, name
    for path in ("/page/../server.py", "/page/%2e%2e%2fserver.py", "/page/none.js", "/page/theme.css/", "/page/views"):
        assert client.get(path).status_code == 404, path


def test_uploads_are_checked_and_can_be_opened(client: TestClient) -> None:
    told = client.post("/api/scenario", content=SMALL, headers={"x-name": "../../My scenario!.toml"})
    assert told.status_code == 201
    key = told.json()["id"]
    assert told.json()["summary"] == "mine"
    listed = {entry["name"]: entry["summary"] for entry in client.get("/api/scenarios").json()["scenarios"]}
    assert listed[key] == "uploaded: My-scenario"
    for text, status, said in (
        ("x" * 300_000, 413, "at most 262,144 bytes"),
        ("hours = ", 422, "not TOML"),
        (b"\xff\xfe", 422, "UTF-8"),
        (SMALL + "lots = 3", 422, "unknown key"),
        (SMALL.replace("200", "2_000_000"), 422, "accounts with all agents; at most 20,000"),
        ('extends = "/etc/passwd"', 422, "no embedded scenario"),
    ):
        refused = client.post("/api/scenario", content=text)
        assert refused.status_code == status, text[:40]
        assert said in refused.json()["detail"]


def test_other_sites_and_other_names_are_refused(client: TestClient) -> None:
    assert client.get("/api/health", headers={"host": "rebound.example"}).status_code == 403
    assert client.post("/api/scenario", content=SMALL, headers={"origin": "http://evil.example"}).status_code == 403
    evil = {"host": "127.0.0.1:8765", "origin": "http://evil.example"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=evil):
        pass


def test_beyond_this_machine_a_token_is_needed() -> None:
    guarded = server.make(None, config=Config(), token="secret")
    client = TestClient(guarded, base_url="http://10.0.0.5:8765")
    for path in ("/", "/api/health", "/page/main.js", "/openapi.json"):
        assert client.get(path).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass
    assert client.get("/?token=wrong").status_code == 403
    assert client.get("/?token=secret").status_code == 200
    assert client.get("/page/main.js").status_code == 200, "the page's parts come with its cookie"


def test_a_scenario_that_is_none_is_said_at_once() -> None:
    with pytest.raises(InputError, match="no scenario"):
        server.make("flash-crush", config=Config())


def test_too_many_views_are_refused() -> None:
    from app.limits import Limits

    full = server.make(None, config=Config(limits=Limits(runs=0)))
    with TestClient(full).websocket_connect("/ws", headers={"host": "127.0.0.1"}) as socket:
        told = socket.receive_json()
        assert told["is"] == "error"
        assert "no more fit" in told["message"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


fuzzed = schemathesis.openapi.from_asgi("/openapi.json", APP, headers={"host": "127.0.0.1"})


@fuzzed.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_the_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    # Any text is allowed as a scenario's body, and most of it is refused as no scenario.
    left_out = [positive_data_acceptance, negative_data_rejection, unsupported_method]
    case.call_and_validate(headers={"host": "127.0.0.1"}, excluded_checks=left_out)
