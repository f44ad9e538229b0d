"""The page with everything inside: modules, style, and the columns of a run."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "page"

_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE)


def bundle(entry: Path = PAGE / "main.js") -> str:
    """All modules that `entry` needs as one script: every module a function of its own, those it imports before it.

    Knows what the page's modules use: imports by name, exports of declarations.
    """
    order: list[Path] = []
    _visit(entry.resolve(), order)
    parts = [f'"use strict";\nconst modules = {{}};\n{_wrapped(module)}' for module in order[:1]]
    parts += [_wrapped(module) for module in order[1:]]
    return "(() => {\n" + "\n".join(parts) + "\n})();\n"


def _visit(module: Path, order: list[Path]) -> None:
    if module in order:
        return
    for found in _IMPORT.finditer(module.read_text(encoding="utf-8")):
        _visit((module.parent / found[2]).resolve(), order)
    order.append(module)


def _name(module: Path) -> str:
    return module.relative_to(PAGE).as_posix()


def _wrapped(module: Path) -> str:
    text = module.read_text(encoding="utf-8")
    exported = [found[1] for found in _EXPORT.finditer(text)]

    def fetched(found: re.Match[str]) -> str:
        names = found[1].replace(" as ", ": ").strip()
        return f'const {{ {names} }} = modules["{_name((module.parent / found[2]).resolve())}"];\n'

    body = _EXPORT.sub("", _IMPORT.sub(fetched, text))
    return f'modules["{_name(module)}"] = (() => {{\n{body}return {{ {", ".join(exported)} }};\n}})();'


def page(columns: str) -> str:
    """The HTML of a replay; `columns` from `Pack.text`."""
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    style = (PAGE / "theme.css").read_text(encoding="utf-8")
    script = bundle().replace("</script", "<\\/script")
    html = html.replace('<link rel="stylesheet" href="page/theme.css">', f"<style>\n{style}</style>")
    inline = f'<script type="text/plain" id="run">{columns}</script>\n<script>\n{script}</script>'
    return html.replace('<script type="module" src="page/main.js"></script>', inline)
