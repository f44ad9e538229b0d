"""Commands that the app adds. They import what they need when they run, so that `--help` is immediate."""

from __future__ import annotations

from app.replay.command import replay
from experiments import cli

cli.command(replay)
