"""The laboratory in a real browser: updates a second with all views on, time until the page is there, memory.

A server of its own, headless Chromium, 10,000 accounts, one view. `--minutes` says how long memory is watched; the run
is started again whenever it is over. Wall times: nothing else should be running.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser import Tab, browser

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = "flash-crash"


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """(address, process) of a server on a port of its own."""
    command = [sys.executable, "-m", "app", "app", SCENARIO, "--no-open", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found
    try:
        yield found[0], server.pid
    finally:
        server.terminate()
        server.wait(30)


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its descendants; pages that they share are counted once (Pss)."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return total / 1024


def heap_mb(tab: Tab) -> float:
    """JavaScript heap of the page after a collection."""
    session = tab.context.new_cdp_session(tab.page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 1e6


def open_run(tab: Tab, address: str) -> dict[str, float]:
    """Seconds until the start page can be used, and until the first frame of a run is drawn."""
    began = time.perf_counter()
    tab.page.goto(address)
    tab.wait("document.querySelectorAll('#start-scenario option').length > 1")
    ready = time.perf_counter() - began
    began = time.perf_counter()
    tab.page.locator("#go").click()
    tab.wait("app.model?.sides.a.states.length > 0 && !app.due")
    return {"page_ready_seconds": ready, "first_frame_seconds": time.perf_counter() - began}


def updates(tab: Tab, *, speed: int, seconds: float) -> dict[str, float]:
    """Frames drawn and ticks passed a second while playing."""
    tab.page.locator("#time select").select_option(str(speed))
    if not tab.of("app.playing"):
        tab.page.locator("[data-do=play]").click()
    tab.page.wait_for_timeout(1_000)
    before, began = tab.of("[app.updates, app.tick]"), time.perf_counter()
    tab.page.wait_for_timeout(1_000 * seconds)
    after, passed = tab.of("[app.updates, app.tick]"), time.perf_counter() - began
    return {"updates_per_second": (after[0] - before[0]) / passed, "ticks_per_second": (after[1] - before[1]) / passed}


def watched(tab: Tab, pid: int, minutes: float) -> list[dict[str, float]]:
    """Memory of page and server every half minute of play, the run begun again when it is over."""
    made = []
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < 60.0 * minutes:
        if tab.of("app.model.done"):
            tab.page.keyboard.press("r")
            tab.wait("app.tick === 0")
            tab.page.locator("[data-do=play]").click()
        made.append({"minutes": passed / 60.0, "page_mb": heap_mb(tab), "server_mb": memory_mb(pid)})
        tab.page.wait_for_timeout(min(30_000.0, 1_000.0 * max(1.0, 60.0 * minutes - passed)))
    return made


def measure(*, minutes: float, seconds: float) -> dict[str, Any]:
    """All of it."""
    with serving() as (address, pid), browser() as chrome:
        tab = Tab(chrome)
        tab.page.set_default_timeout(180_000)
        figures: dict[str, Any] = open_run(tab, address)
        figures["accounts"] = tab.of("app.model.world.accounts")
        figures["calm"] = updates(tab, speed=60, seconds=seconds)
        tab.page.locator("[data-do=jump]").click()
        tab.wait("app.model.sides.a.events.length > 0 && !app.playing")
        figures["cascade"] = updates(tab, speed=60, seconds=seconds)
        tab.page.locator("#time select").select_option("600")
        figures["memory"] = watched(tab, pid, minutes)
        figures["console"] = tab.said
        return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long memory is watched")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long updates are counted, calm and in a cascade"
    )
    options = parser.parse_args()
    print(json.dumps(measure(minutes=options.minutes, seconds=options.seconds), indent=1))


if __name__ == "__main__":
    main()
