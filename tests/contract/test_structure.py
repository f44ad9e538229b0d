"""The architecture, held by reading the source: who may import whom, where numba and randomness live, how long things
may be, and that every parameter explains itself."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from experiments.fields import LEAF, specs

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("market", "agents", "experiments", "app")

MAY_IMPORT = {
    "market.kernels": {"market.kernels"},
    "market": {"market", "market.kernels"},
    "agents.kernels": {"agents.kernels", "market.kernels"},
    "agents": {"agents", "agents.kernels", "market", "market.kernels"},
    "experiments": {"experiments", "agents", "agents.kernels", "market", "market.kernels"},
    "app": {"app", "experiments"},
}
OWN = {*MAY_IMPORT, "benchmarks", "tests"}

SCREEN_LINES, KERNEL_SCREEN_LINES, FILE_LINES = 70, 110, 600

STREAMS = "market/streams.py"
TYPES_OF_RANDOMNESS = {"Generator", "BitGenerator"}
SEEDED_GENERATORS = {*TYPES_OF_RANDOMNESS, "Philox", "PCG64", "SeedSequence", "default_rng"}


def sources(*folders: str) -> list[str]:
    """Python files below the folders, as paths from the root."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file.relative_to(ROOT).as_posix() for file in files]


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def layer(module: str) -> str:
    """The part of the project a module belongs to; "" for other people's."""
    parts = module.split(".")
    for name in (".".join(parts[:2]), parts[0]):
        if name in OWN:
            return name
    return ""


def imports(path: str) -> Iterator[tuple[int, str]]:
    """Line and module of every import, wherever it stands; `from a import b` counts as a.b."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def test_imports_go_one_way() -> None:
    wrong = []
    for path in sources(*PACKAGES):
        own = layer(path.removesuffix(".py").replace("/", "."))
        for line, module in imports(path):
            if module.startswith(".") or (layer(module) and layer(module) not in MAY_IMPORT[own]):
                wrong.append(f"{path}:{line}: {own} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_numba_is_imported_only_by_kernels() -> None:
    wrong = [
        f"{path}:{line}"
        for path in sources(*PACKAGES)
        for line, module in imports(path)
        if module.split(".")[0] in ("numba", "llvmlite") and Path(path).parent.name != "kernels"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_market_needs_neither_mesa_nor_pandas() -> None:
    modules = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources("market")]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*sorted({'mesa', 'pandas', 'plotly', 'networkx', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def random_state(path: str) -> Iterator[tuple[int, str]]:
    """Every use of a random source that is not a named stream."""
    if path == STREAMS or not path.startswith(PACKAGES):
        allowed = SEEDED_GENERATORS
    else:
        allowed = TYPES_OF_RANDOMNESS
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] == "random" or (parts[:2] == ["numpy", "random"] and parts[-1] not in allowed):
            yield line, f"import of {module}"
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Attribute):
            continue
        if ast.unparse(node.value) in ("np.random", "numpy.random") and node.attr not in allowed:
            yield node.lineno, ast.unparse(node)
        # Mesa's own source, which every model and agent shares
        if node.attr == "shuffle_do" or ast.unparse(node) in ("self.random", "model.random", "self.model.random"):
            yield node.lineno, ast.unparse(node)


def test_no_global_random_state() -> None:
    paths = sources(*PACKAGES, "benchmarks", "tests")
    wrong = [f"{path}:{line}: {what}" for path in paths for line, what in random_state(path)]
    assert not wrong, "\n".join(wrong)


def test_functions_fit_a_screen_and_files_hold_one_subject() -> None:
    wrong = []
    for path in sources(*PACKAGES, "benchmarks", "tests"):
        limit = KERNEL_SCREEN_LINES if Path(path).parent.name == "kernels" else SCREEN_LINES
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > limit:
                    wrong.append(f"{path}:{node.lineno}: {node.name} has {length} lines, more than {limit}")
        length = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        if length > FILE_LINES:
            wrong.append(f"{path}: {length} lines, more than {FILE_LINES}")
    assert not wrong, "\n".join(wrong)


def test_no_file_knows_this_machine_or_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    folders = ("work", "root", "tmp", r"home/\w+", r"Users/\w+", r"opt/\w*pypi[\w-]*")
    hosts = (r"pypi\.", r"pythonhosted\.", r"npmjs\.", r"proxy\.golang\.", r"crates\.")
    forbidden = re.compile(rf"(?<![\w.~-])/(?:{'|'.join(folders)})/|(?:{'|'.join(hosts)})(?:org|com|io)")
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if found := forbidden.search(line):
                wrong.append(f"{name}:{number}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def parameter_classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Path and definition of every class decorated with `parameters` in the product."""
    for path in sources(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                decorators = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
                if "parameters" in decorators:
                    yield path, node


def test_every_parameter_says_what_it_is() -> None:
    wrong = []
    for path, cls in parameter_classes():
        if not ast.get_docstring(cls):
            wrong.append(f"{path}:{cls.lineno}: {cls.name} has no docstring")
        for node, after in zip(cls.body, [*cls.body[1:], ast.Pass()], strict=True):
            if not isinstance(node, ast.AnnAssign) or ast.unparse(node.target) == "kind":
                continue
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if not documented:
                wrong.append(f"{path}:{node.lineno}: {cls.name}.{ast.unparse(node.target)} has no docstring under it")
    assert not wrong, "\n".join(wrong)


def test_every_number_among_the_parameters_has_a_unit() -> None:
    wrong = []
    for path, node in parameter_classes():
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        cls = getattr(module, node.name)
        for name, spec in specs(cls).items():
            if spec.shape == LEAF and re.search(r"\bnumber\b", spec.expected) and not spec.unit:
                wrong.append(f"{path}: {node.name}.{name}: {spec.expected}: use a type of market/parameters.py")
            kinds = [specs(member)["kind"].default for member in spec.members if len(spec.members) > 1]
            if len(set(kinds)) < len(kinds):
                wrong.append(f"{path}: {node.name}.{name}: two rules of one kind")
    assert not wrong, "\n".join(wrong)
