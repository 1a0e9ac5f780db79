"""The package's face: what can be imported from it, and what importing it brings along."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import emitter_stream
import emitter_stream.server
import emitter_stream.types

ROOT = Path(__file__).parent.parent

# What nobody who only streams should wait for, or have to install.
HEAVY = (
    "asyncio",
    "emitter_stream.aio",
    "emitter_stream.cli",
    "emitter_stream.pytest_plugin",
    "emitter_stream.server",
    "emitter_stream.show",
    "emitter_stream.terminal_chat",
    "emitter_stream.testing",
    "hypothesis",
    "openai",
    "pydantic",
    "pytest",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)


def run(code: str) -> str:
    """Run code in an interpreter of its own, which must not complain; give what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "module",
    [emitter_stream, emitter_stream.types, emitter_stream.server],
    ids=lambda m: m.__name__,
)
def test_all(module):
    """`__all__` is sorted, without doubles, and has every public name of the module's own."""
    names = module.__all__
    # The order that ruff keeps: constants, classes, the rest.
    rank = {name: (not name.isupper(), name[0].islower(), name) for name in names}
    assert names == sorted(set(names), key=rank.__getitem__)
    submodules = {path.stem for path in Path(module.__file__).parent.iterdir()}
    public = {name for name in vars(module) if name[0].isalpha()} - submodules
    assert public == set(names) - submodules
    for name in names:
        assert getattr(module, name) is not None


def test_every_error_is_there():
    """Each error and warning that the library defines can be imported from the top."""
    from emitter_stream import exceptions

    defined = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert defined <= set(emitter_stream.__all__)


def test_star_import():
    """`from emitter_stream import *` brings exactly `__all__`."""
    code = (
        "before = {*vars(), 'before'}; from emitter_stream import *; print(*vars().keys() - before)"
    )
    assert sorted(run(code).split()) == sorted(emitter_stream.__all__)


def test_version():
    """The version that is installed is the source's, and goes into the User-Agent."""
    version = metadata.version("emitter-stream")
    configured = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"\nversion = {version}\n" in configured
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", version)
    code = "import emitter_stream; print(emitter_stream.__version__)"
    assert run(code).strip() == version


def test_core_dependencies():
    """The package needs four others, with the urllib3 that one of them has anyway; more are extras."""
    needed = [line for line in metadata.requires("emitter-stream") or () if "extra ==" not in line]
    names = sorted(re.split(r"[^\w-]", line, maxsplit=1)[0] for line in needed)
    assert names == ["attrs", "pyee", "requests", "sseclient-py", "urllib3"]


def test_import_is_light():
    """Importing the package, and making a client, brings no server, no asyncio, no test code."""
    code = (
        "import sys, emitter_stream; emitter_stream.OpenAI('any', base_url='http://127.0.0.1:9');"
        "print(*sys.modules)"
    )
    loaded = set(run(code).split())
    assert "emitter_stream.client" in loaded
    assert {name for name in loaded if name in HEAVY} == set()


def test_command_starts_light():
    """The command says its help without the server's libraries, which may not be installed."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['sqlalchemy', 'starlette', 'uvicorn']));"
        "from emitter_stream import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: print(cli.main.__module__)"
    )
    shown = run(code)
    assert "serve" in shown and shown.endswith("emitter_stream.cli\n")
    without = (
        "import sys; sys.modules.update(dict.fromkeys(['starlette']));"
        "sys.stderr = sys.stdout; from emitter_stream import cli; print(cli.main(['serve']))"
    )
    assert "pip install 'emitter-stream[server]'" in run(without)


def test_typed():
    """The package says that it is typed, and so do its metadata."""
    assert (Path(emitter_stream.__file__).parent / "py.typed").is_file()
    assert "Typing :: Typed" in (metadata.metadata("emitter-stream").get_all("Classifier") or ())


def test_tox_asks_for_extras_that_there_are():
    """Each extra that tox.ini names is one of setup.cfg's."""
    root = Path(__file__).parent.parent
    setup, tox = configparser.ConfigParser(), configparser.RawConfigParser()
    setup.read(root / "setup.cfg")
    tox.read(root / "tox.ini")
    named = {tox[section]["extras"] for section in tox.sections() if "extras" in tox[section]}
    assert named
    for extras in named:
        for extra in extras.replace(",", " ").split():
            assert extra in setup["options.extras_require"]
