"""The command line: what goes to which stream, exit codes, and no traceback for what a user can cause."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments import cli, config, library, show
from experiments.folder import atomic
from experiments.liquidation_map import LiquidationMap
from experiments.progress import Progress, display
from experiments.report.facts import facts
from experiments.report.story import story
from market.errors import InputError
from market.parameters import Count, Share, parameters
from tests.synthetic import synthetic_result
from tests.unit.test_liquidation_map import some_map

ROOT = Path(__file__).resolve().parents[2]


@parameters
class Source:
    """Where prices come from."""

    kind: str = "model"
    """Rule."""
    file: str = ""
    """Table."""
    start: str = ""
    """First instant."""


@parameters
class Scenario:
    """A stand-in for the scenario, with the keys the command line writes to."""

    summary: str = ""
    """One line."""
    accounts: Count = 10
    """Number of accounts."""
    haircut: Share = 0.1
    """Discount on collateral value."""
    hours: Share = 0.5
    """Length."""
    reference: Source = Source()
    """Prices."""
    population: Source = Source()
    """Accounts."""


def load(
    name: str, *, venue: str | None = None, overrides: Sequence[str | config.Override] = ()
) -> tuple[Scenario, dict[str, str]]:
    layers = () if venue is None else (config.Layer(file=library.find_venue(venue), holds=(("haircut",),)),)
    return config.load(Scenario, library.find(name), layers=layers, overrides=overrides)


# Made while the modules are the real ones; tests put a stand-in in the place of the scenario's.
FIGURES = synthetic_result(bad_debt_usd=1234.5, liquidation_count=3, amplification=math.nan)
OPENING = story(facts(FIGURES))


def made_result() -> Any:
    """What a run returns."""
    result: Any = FIGURES

    def save(target: Path, *, overwrite: bool) -> Path:
        with atomic(target, replace=overwrite) as folder:
            (folder / "run.json").write_text("{}")
        return target

    result.save = save
    return result


@dataclass
class Engine:
    """Stands in for the simulation; `during` is what happens inside it."""

    calls: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def simulate(self, scenario: Scenario, *, seed: int, twin: bool, progress: Progress, snapshots: bool) -> Any:
        self.calls.append((scenario, {"seed": seed, "twin": twin, "snapshots": snapshots}))
        progress(label="simulating", done=0, total=100, liquidations=0)
        self.during()
        return made_result()

    def liquidation_map(self, scenario: Scenario, *, seed: int) -> LiquidationMap:
        self.calls.append((scenario, {"seed": seed}))
        return some_map(102_000.0)

    def modules(self) -> dict[str, ModuleType]:
        found = {name: ModuleType(f"experiments.{name}") for name in ("scenario", "run", "liquidation_map")}
        found["scenario"].__dict__["Scenario"] = Scenario
        found["scenario"].__dict__["load"] = load
        found["run"].__dict__["simulate"] = self.simulate
        found["liquidation_map"].__dict__["liquidation_map"] = self.liquidation_map
        return {module.__name__: module for module in found.values()}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "flash-crash.toml").write_text('summary = "It falls."\naccounts = 7\n')
    monkeypatch.setattr(library, "FOLDERS", (tmp_path / "scenarios",))
    monkeypatch.chdir(tmp_path)
    return made


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.app(list(arguments))
    return int(caught.value.code or 0)


def outputs(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "scenarios")


@pytest.mark.usefixtures("engine")
def test_run_prints_a_table_and_says_where_the_report_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run") == 0
    out, err = capsys.readouterr()
    assert OPENING.headline in " ".join(out.split())
    assert "bad debt, gross 1,234 USD" in " ".join(out.split())
    assert "note: prices.csv: BTCUSDT read as BTC; <angle> & ampersand" in out
    assert "report: results/runs/flash-crash-seed1/report.html" in out
    assert err == "simulating ...\nwriting the report ...\n"
    assert Path("results/runs/flash-crash-seed1/run.json").is_file()
    assert call("run") == 0, "the default folder of an earlier run is replaced"


def test_the_default_folder_of_a_changed_scenario_is_its_own(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ((), ("--set", "haircut=0.2"), ("--set", "haircut=0.3"), ("--hours", "0.2"), ("--no-twin",)):
        assert call("run", *arguments) == 0
    names = sorted(path.name for path in Path("results/runs").iterdir())
    assert len(names) == 5
    assert {"flash-crash-seed1", "flash-crash-seed1-no-twin"} < set(names)
    assert sum(re.fullmatch("flash-crash-seed1-[0-9a-f]{8}", name) is not None for name in names) == 3
    capsys.readouterr()
    Path("results/runs/flash-crash-seed1/thesis.txt").write_text("x")
    assert call("run") == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert call("run", "--out", "results/runs/flash-crash-seed1", "--overwrite") == 2
    assert len(engine.calls) == 5, "found before the simulation starts"
    assert Path("results/runs/flash-crash-seed1/thesis.txt").is_file()


def test_run_passes_everything_on(engine: Engine) -> None:
    options = ["--prices", "p.csv", "--start", "2021-05-19T06:00", "--hours", "0.25", "--accounts", "a.csv"]
    more = ["--set", "haircut=0.3", "--set", "accounts=8", "--seed", "0", "--no-twin", "--out", "there"]
    assert call("run", "flash-crash", *options, *more) == 0
    (scenario, given), *_ = engine.calls
    assert given == {"seed": 0, "twin": False, "snapshots": True}
    assert scenario == Scenario(
        summary="It falls.",
        accounts=8,
        haircut=0.3,
        hours=0.25,
        reference=Source(kind="replay", file="p.csv", start="2021-05-19T06:00"),
        population=Source(kind="file", file="a.csv"),
    )
    assert Path("there/run.json").is_file()


@pytest.mark.usefixtures("engine")
def test_json_is_all_there_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--json", "--seed", "4") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["scenario"], data["seed"], data["folder"]) == ("flash-crash", 4, "results/runs/flash-crash-seed4")
    assert (data["bad_debt_usd"], data["liquidation_count"], data["amplification"]) == (1234.5, 3, None)
    assert call("scenarios", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"flash-crash": "It falls."}
    assert call("explain", "flash-crash", "--json", "--set", "haircut=0.2") == 0
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["haircut"] == {
        "value": 0.2,
        "unit": "share",
        "source": "--set",
        "bounds": "[0, 1]",
        "help": "Discount on collateral value.",
    }
    assert call("map", "--json", "--out", "map.html") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["asset"] == "BTC"
    assert Path("map.html").is_file()
    assert call("map", "--out", "map.html") == 0, "an earlier map is replaced"


def test_map_replaces_no_other_file(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    Path("thesis.html").write_text("x")
    assert call("map", "--out", "thesis.html") == 2
    assert capsys.readouterr().err.startswith("error: thesis.html: exists and is not a page of `cascade map`")
    assert Path("thesis.html").read_text() == "x"
    assert engine.calls == []


@pytest.mark.usefixtures("engine")
def test_tables_in_a_pipe_are_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("scenarios") == 0
    assert capsys.readouterr().out == "scenario     what happens\nflash-crash  It falls.\n"
    assert call("explain", "flash-crash") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split() == ["accounts", "7", "count", "scenarios/flash-crash.toml:2", "Number", "of", "accounts."]
        for line in lines
    )
    assert len(lines) == 1 + 10
    assert call("map") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "If BTC falls by 11%" in lines[0]
    assert "BTC alone: more to be closed than there is depth from a fall of 11% or a rise of 11% on" in lines
    first = lines.index("BTC alone: more to be closed than there is depth from a fall of 11% or a rise of 11% on") + 2
    assert lines[first].split() == ["−50%", "30,000", "50", "0.5", "0.1", "4.90", "0.0"]
    assert max(len(line) for line in lines) <= show.WIDTH


@pytest.mark.usefixtures("engine")
def test_on_a_narrow_terminal_explain_keeps_keys_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    key = "agents.market_makers.default.volatility_elasticity"
    show.print_values([(key, "0.5", "ratio", "presets/perp-venue.toml:12", "How fast it widens. " * 5)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == key
    assert lines[1].split() == ["=", "0.5", "ratio"]
    assert max(map(len, lines[1:])) <= 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "flashcrash"], "error: no scenario 'flashcrash'; did you mean 'flash-crash'?"),
        (["run", "--set", "hircut=1"], "error: --set hircut=1: hircut: unknown key; did you mean 'haircut'?"),
        (["run", "--hours", "5"], "error: --hours 5.0: hours: expected a number in [0, 1] (share), got 5.0"),
        (["run", "--out", "scenarios"], "error: scenarios: exists and is not the folder of an earlier run"),
        (["run", "--out", "scenarios/flash-crash.toml"], "error: scenarios/flash-crash.toml: exists and is not a fol"),
        (["explain", "flash-crash", "--set", "x"], "error: --set x: expected key.path=value"),
    ],
)
def test_wrong_input_is_one_line(
    engine: Engine, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert engine.calls == []


@pytest.mark.usefixtures("engine")
def test_every_mistake_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.toml").write_text("haircut = 2\nacounts = 3\n")
    assert call("run", "own.toml") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: own.toml:1: haircut: expected a number in [0, 1] (share), got 2",
        "error: own.toml:2: acounts: unknown key; did you mean 'accounts'?",
    ]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "arguments", [["run", "--seed", "-1"], ["run", "--seed", "x"], ["run", "--sed", "1"], ["runn"], ["run", "a", "b"]]
)
def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


def raiser(error: BaseException) -> Callable[[], None]:
    def during() -> None:
        raise error

    return during


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted, nothing written"),
        (InputError("p.csv: row 3: prices fall back in time"), 2, "error: p.csv: row 3: prices fall back in time"),
        (PermissionError(13, "Permission denied", "p.csv"), 2, "error: p.csv: Permission denied"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device"),
    ],
)
def test_failures_during_a_run(
    engine: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: BaseException, code: int, message: str
) -> None:
    engine.during = raiser(error)
    assert call("run", "--out", "there") == code
    assert capsys.readouterr().err.splitlines() == ["simulating ...", message]
    assert outputs(tmp_path) == []


def test_mistakes_of_the_program_are_not_hidden(engine: Engine) -> None:
    engine.during = raiser(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.app(["run"])


def test_an_explicit_folder_is_replaced_only_when_told(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--out", "there") == 0
    assert call("run", "--out", "there") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert len(engine.calls) == 1, "found before the simulation starts"
    assert call("run", "--out", "there", "--overwrite") == 0


HANGING = """
import sys, time
from tests.unit.test_cli import Engine
from experiments import cli

def hang():
    print("ready", flush=True)
    time.sleep(60)

sys.modules.update(Engine(during=hang).modules())
sys.argv = ["cascade", "run", sys.argv[1], "--out", sys.argv[2]]
cli.main()
"""


@pytest.mark.parametrize(
    ("sent", "code", "last"),
    [(signal.SIGINT, 130, "interrupted, nothing written"), (signal.SIGTERM, 143, "simulating ...")],
)
def test_signals(tmp_path: Path, sent: signal.Signals, code: int, last: str) -> None:
    (tmp_path / "own.toml").write_text("")
    child = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(tmp_path / "own.toml"), str(tmp_path / "there")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(sent)
    _, err = child.communicate()
    assert child.returncode == code
    assert err.splitlines()[-1] == last
    assert [path.name for path in tmp_path.iterdir()] == ["own.toml"]


def scenarios_into(stdout: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.cli", "scenarios"]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = scenarios_into(writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_printing_to_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = scenarios_into(full.fileno())
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from experiments import cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'pandas', 'mesa', 'plotly', 'networkx', 'pyarrow'}\n"
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "explain" in done.stdout
    assert done.stderr.strip() == ""


class Screen:
    """A terminal, or a file, that keeps what is written."""

    def __init__(self, *, terminal: bool) -> None:
        self.text, self._terminal = "", terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""

    def isatty(self) -> bool:
        return self._terminal


def test_progress_on_a_terminal_and_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for terminal in (True, False):
        screen: Any = Screen(terminal=terminal)
        clock = iter(range(0, 1000, 6))
        with monkeypatch.context() as patch, display(screen) as progress:
            if not terminal:
                patch.setattr("time.monotonic", lambda clock=clock: float(next(clock)))
            progress(label="compiling", done=0, total=0, liquidations=0)
            for done in range(0, 5000, 1000):
                progress(label="simulating", done=done, total=5000, liquidations=done // 1000)
        if terminal:
            assert "4,000 / 5,000 ticks" in screen.text
            assert "4 liquidations" in screen.text
        else:
            assert screen.text.splitlines() == [
                "compiling ...",
                "simulating ...",
                "simulating: 2,000 / 5,000 ticks, 167 ticks/s, 2 liquidations",
                "simulating: 4,000 / 5,000 ticks, 167 ticks/s, 4 liquidations",
            ]
