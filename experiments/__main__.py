"""Where the command `cascade` (and `python -m experiments`) begins: Ctrl-C is in order before anything is loaded."""

from __future__ import annotations

import sys

from experiments import interrupts


def main() -> None:
    """Load the commands and run the one that was asked for."""
    interrupts.install()
    try:
        from experiments import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
