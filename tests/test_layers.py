"""The layers of ARCHITECTURE.md, read from the imports: left imports right, never back."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "emitter_stream"
FILES = sorted(PACKAGE.rglob("*.py"))

# The client side from the ground up: folders, and the modules beside them. Each imports only from
# those before it. What imports these and is imported by none of them need not be here.
ORDER = [
    f"emitter_stream.{name}"
    for name in (
        *("exceptions", "_typing", "_not_given", "_names", "_open_streams", "_fork", "_bell"),
        *(
            "abort",
            "sse",
            "types",
            "http",
            "engine",
            "tools",
            "recordings",
            "streams",
            "resources",
            "client",
        ),
    )
]

# Where nothing may stand that belongs to one API: these serve the next kind of stream as well.
GENERIC = [
    "emitter_stream.sse",
    "emitter_stream.abort",
    "emitter_stream._fork",
    "emitter_stream._bell",
    "emitter_stream.http",
    "emitter_stream.engine",
]

# What only computes: the cores of the streams, and what they consist of.
CORES = ["core", "growth", "delta"]

# Modules that do something or look at the world; a core only computes.
WORLD = {
    *("asyncio", "concurrent", "datetime", "http", "io", "logging", "multiprocessing", "os"),
    *("pathlib", "queue", "random", "select", "selectors", "signal", "socket", "ssl"),
    *("subprocess", "tempfile", "threading", "time", "urllib"),
    *("pyee", "requests", "sseclient", "urllib3"),
}

HOMES = {
    "pydantic": {"emitter_stream.tools", "emitter_stream.server"},
    "pyee": {"emitter_stream.engine"},
    "sseclient": {"emitter_stream.sse"},
    "requests": {"emitter_stream.http"},
    "urllib3": {"emitter_stream.http"},
    "h11": {"emitter_stream.server"},
    "httpx2": {"emitter_stream.server"},
    "alembic": {"emitter_stream.server"},
    "psycopg": {"emitter_stream.server"},
    "pypdf": {"emitter_stream.server"},
    "python_multipart": {"emitter_stream.server"},
    "sqlalchemy": {"emitter_stream.server"},
    "starlette": {"emitter_stream.server"},
    "uvicorn": {"emitter_stream.server"},
}
EVERYWHERE = {"attrs", "typing_extensions"}


def module_of(path: Path) -> str:
    """Give the dotted name of the module in a file."""
    parts = ("emitter_stream", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    """Give the unit of ORDER that a module belongs to, else its top-level module or package."""
    units = [unit for unit in ORDER if f"{module}.".startswith(f"{unit}.")]
    return max(units, key=len) if units else ".".join(module.split(".")[:2])


MODULES = {module_of(path): path for path in FILES}


@functools.cache  # read when a test asks for it, not by each worker when it collects
def imports_of(module: str) -> tuple[set[str], set[str]]:
    """Give what a module imports, wherever it does: modules of this package, and other packages."""
    own, other = set(), set()
    path = MODULES[module]
    package = ("emitter_stream", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            found = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in found:
            if name.split(".")[0] != "emitter_stream":
                other.add(name.split(".")[0])
                continue
            if name not in MODULES:  # something in a module
                name = name.rpartition(".")[0]
            if name != "emitter_stream":
                own.add(name)
    return own, other


def uses(module: str) -> tuple[set[str], set[str]]:
    """Give what a module imports: units other than its own, and other packages."""
    own, other = imports_of(module)
    return {unit_of(name) for name in own} - {unit_of(module)}, other


def test_the_files_are_there():
    """The units are found, so that none of these tests passes for want of files."""
    units = {unit_of(module) for module in MODULES}
    others = ("resources", "client", "server", "cli")
    assert {*GENERIC, *ORDER, *(f"emitter_stream.{name}" for name in others)} <= units


@pytest.mark.parametrize("unit", ORDER)
def test_order(unit):
    """A layer imports from those below it, never from one above."""
    below = set(ORDER[: ORDER.index(unit)])
    for module in MODULES:
        if unit_of(module) == unit:
            above = uses(module)[0] - below
            assert not above, f"{module} imports {above}; if that is meant, see to ORDER"


def test_no_circles():
    """No two units import each other, not even by way of others, and not in a function either."""
    graph = defaultdict(set)
    for module in MODULES:
        if module != "emitter_stream":
            graph[unit_of(module)] |= uses(module)[0]
    done: set[str] = set()

    def visit(unit: str, way: tuple[str, ...]) -> None:
        assert unit not in way, " -> ".join((*way, unit))
        if unit not in done:
            for imported in sorted(graph[unit]):
                visit(imported, (*way, unit))
            done.add(unit)

    for unit in sorted(graph):
        visit(unit, ())


def test_core_does_nothing():
    """A core imports no thread, clock, socket or file, and none of the libraries that have them."""
    parts = [module.split(".") for module in MODULES]
    cores = [".".join(p) for p in parts if p[1:2] == ["streams"] and p[-1] in CORES]
    assert cores
    for core in cores:
        assert uses(core)[1] & WORLD == set(), core


def test_no_stream_knows_another():
    """A folder of streams/ imports from no other one: each API can be read, and taken out, alone."""
    for module in MODULES:
        if module.startswith("emitter_stream.streams."):
            here = module.split(".")[2]
            names = {name.split(".")[2] for name in imports_of(module)[0] if name.count(".") > 2}
            folders = {name for name in names if (PACKAGE / "streams" / name).is_dir()}
            assert folders <= {here}, module


def test_one_home_for_each_library():
    """A third-party package is imported by one unit only, so that it can be exchanged there."""
    homes = defaultdict(set)
    for module in MODULES:
        for name in uses(module)[1] - sys.stdlib_module_names - EVERYWHERE:
            homes[name].add(unit_of(module))
    assert {name: homes[name] for name in HOMES} == HOMES
    shared = {name: units for name, units in homes.items() if len(units) > 1}
    assert set(shared) == {"pydantic"}


def test_server_stands_alone():
    """The server shares nothing with the client side, so it cannot mirror its mistakes.

    But for who reads from it in its own process, which it has to ask before it stops; and where it
    is a client itself it reads events by the same rules, which stand in a leaf.
    """
    neutral = {"emitter_stream._open_streams"}
    leaves = {"emitter_stream.sse", "emitter_stream.exceptions"}
    shared = {
        "emitter_stream.server.local": neutral,
        "emitter_stream.server.models.upstream": leaves,
    }
    assert not any(uses(module)[0] for module in MODULES if unit_of(module) in neutral)
    for module in MODULES:
        if unit_of(module) == "emitter_stream.server":
            assert uses(module)[0] <= shared.get(module, set()), module


def test_face_only_imports():
    """The package's `__init__.py` has imports, a docstring and `__all__`, nothing else."""
    face = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    doc, *rest = face.body
    assert isinstance(doc, ast.Expr)
    others = [node for node in rest if not isinstance(node, ast.ImportFrom)]
    assert [ast.unparse(node.targets[0]) for node in others if isinstance(node, ast.Assign)] == [
        "__all__"
    ]
    assert len(others) == 1


def words_of(path: Path) -> set[str]:
    """Give the names that a module uses and the strings in it, but for its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            words.add(node.value)
        words |= {
            value
            for name, value in ast.iter_fields(node)
            if name in ("id", "attr", "arg", "name", "asname") and isinstance(value, str)
        }
    return words


@pytest.mark.parametrize("unit", GENERIC)
def test_generic_modules_know_no_api(unit):
    """Where all kinds of streams are served, no name and no string is one that only an API has."""
    api = re.compile(
        r"(?i)assistant|thread\.|run_?step|tool_?call|message_?delta|text_?delta|requires_action"
        r"|chat|completion|choices|response\.|output_text|run_id|thread_id"
    )
    for module, path in MODULES.items():
        if unit_of(module) == unit:
            found = {word for word in words_of(path) if api.search(word)}
            assert found == set(), module
