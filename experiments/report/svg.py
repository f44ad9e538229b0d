"""Pictures in plain SVG: the frame of one, and words in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from experiments.report.picture import INK

WIDTH = 880.0


def document(parts: Sequence[str], *, height: float, said: str) -> str:
    """A picture `WIDTH` pixels wide; `said` is read out in its place."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{escape(said)}" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\">\n"
        f'<rect width="100%" height="100%" rx="10" fill="{INK["paper"]}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 11.5,
    colour: str = "ink",
    bold: bool = False,
    anchor: str = "start",
) -> str:
    """Words whose base line begins, ends or has its middle at (x, y) pixels."""
    weight = ' font-weight="650"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{INK[colour]}" text-anchor="{anchor}"{weight}>'
        f"{escape(words)}</text>"
    )
