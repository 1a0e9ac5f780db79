"""The layers of ARCHITECTURE.md, read from the imports: left imports right, never back."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "emitter_stream"
FILES = sorted(PACKAGE.rglob("*.py"))

# The client side from the ground up. Each unit (a module, or a package with what is in it) imports
# only from those before it. What imports these and is imported by none of them need not be here.
ORDER = """
exceptions _typing _not_given abort _docstrings wire sse growth history types core transport sources emitter
delivery event_stream recording _json_types tools tool_loop assistant_stream event_handler resources
client
""".split()  # noqa: SIM905 - a line of names reads better than a list

# Where nothing may stand that belongs to one API: these serve the next kind of stream as well.
GENERIC = "sse transport wire growth history sources emitter delivery event_stream abort".split()  # noqa: SIM905

# Modules that do something or look at the world; a core only computes.
WORLD = {
    *("asyncio", "concurrent", "datetime", "http", "io", "logging", "multiprocessing", "os"),
    *("pathlib", "queue", "random", "select", "selectors", "signal", "socket", "ssl"),
    *("subprocess", "tempfile", "threading", "time", "urllib"),
    *("pyee", "requests", "sseclient", "urllib3"),
}

HOMES = {
    "pyee": {"emitter"},
    "sseclient": {"sse"},
    "requests": {"transport"},
    "urllib3": {"transport"},
    "sqlalchemy": {"server"},
    "starlette": {"server"},
    "uvicorn": {"server"},
}
EVERYWHERE = {"attrs", "typing_extensions"}


def unit_of(path: Path) -> str:
    """Give the name of the top-level module or package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Give what a file imports, wherever it does: units of this package, and other packages."""
    own, other = set(), set()
    package = ("emitter_stream", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            found = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in found:
            if name[0] != "emitter_stream":
                other.add(name[0])
            elif len(name) > 1:
                own.add(name[1])
    return own - {unit_of(path)}, other


IMPORTS = {path: imports_of(path) for path in FILES}


def test_the_files_are_there():
    """The units are found, so that none of these tests passes for want of files."""
    units = {unit_of(path) for path in FILES}
    assert {*GENERIC, "core", "assistant_stream", "resources", "client", "server", "cli"} <= units


@pytest.mark.parametrize("unit", ORDER)
def test_order(unit):
    """A layer imports from those below it, never from one above."""
    below = set(ORDER[: ORDER.index(unit)])
    for path in FILES:
        if unit_of(path) == unit:
            above = IMPORTS[path][0] - below
            assert not above, f"{path.name} imports {above}; if that is meant, see to ORDER"


def test_no_circles():
    """No two units import each other, not even by way of others, and not in a function either."""
    graph = defaultdict(set)
    for path in FILES:
        if path != PACKAGE / "__init__.py":
            graph[unit_of(path)] |= IMPORTS[path][0]
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
    cores = [path for path in FILES if unit_of(path) == "core"]
    assert cores
    for path in cores:
        assert IMPORTS[path][1] & WORLD == set(), path.name


def test_one_home_for_each_library():
    """A third-party package is imported by one unit only, so that it can be exchanged there."""
    homes = defaultdict(set)
    for path in FILES:
        for name in IMPORTS[path][1] - sys.stdlib_module_names - EVERYWHERE:
            homes[name].add(unit_of(path))
    assert {name: homes[name] for name in HOMES} == HOMES
    assert {name: units for name, units in homes.items() if len(units) > 1} == {}


def test_server_stands_alone():
    """The server shares nothing with the client side, so it cannot mirror its mistakes."""
    for path in FILES:
        if unit_of(path) == "server":
            assert IMPORTS[path][0] == set(), path.name


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


@pytest.mark.parametrize("name", GENERIC)
def test_generic_modules_know_no_api(name):
    """Where all kinds of streams are served, no code names what only Assistants have."""
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    with io.StringIO(source) as lines:
        tokens = list(tokenize.generate_tokens(lines.readline))
    code = " ".join(token.string for token in tokens if token.type != tokenize.COMMENT)
    assistants = r"(?i)assistants?\b|[\"']thread\.|run_?step|tool_?call|message_?delta|text_?delta"
    assert re.findall(assistants, code) == []
