"""A real headless Chromium for tests of pages; without one they are skipped, and say so."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 200.0
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Path of a Chromium: the one that CASCADE_CHROMIUM names, else one that is installed. Skips the test without."""
    pytest.importorskip("playwright", reason="playwright is not installed (it is in .[dev])")
    found = os.environ.get("CASCADE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install one (Debian: chromium) or name it in CASCADE_CHROMIUM")
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """A browser without a window."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A page and everything that its console said."""

    def __init__(self, browser: Any, *, width: int = 1280, height: int = 800, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, file: Path) -> Tab:
        """Open a file from disk, and wait until its model is there."""
        self.page.goto(file.resolve().as_uri())
        self.wait("app?.model && app.updates > 0")
        return self

    def of(self, expression: str) -> Any:
        """A value in the page; `app` is the application."""
        return self.page.evaluate(f"() => {{ const app = window.cascade; return {expression}; }}")

    def wait(self, condition: str) -> None:
        """Wait until a condition on `app` holds; asked from outside, for the server forbids eval in the page."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.of(f"Boolean({condition})"):
            assert time.monotonic() < end, f"never: {condition}"
            self.page.wait_for_timeout(20)
