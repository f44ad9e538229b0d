"""Where the command `cascade` (and `python -m app`) begins: all commands of experiments, and those of the app."""

from __future__ import annotations

import sys

from experiments import interrupts


def main() -> None:
    """Load the commands and run the one that was asked for."""
    interrupts.install()
    try:
        import app.commands  # noqa: F401  registers them
        from experiments import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
