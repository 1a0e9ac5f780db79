"""The wheel: built from this source, installed without it, it streams."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from emitter_stream.server import LocalServer

ROOT = Path(__file__).parent.parent
TIMEOUT = 120

PROGRAM = """
import emitter_stream, os, sys
from emitter_stream import OpenAI

client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o")
stream = client.beta.threads.create_and_run_stream(
    assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Hello, wheel"}]}
)
words = []
stream.on("textDelta", lambda delta: words.append(delta.value)).until_done()
print(os.path.dirname(emitter_stream.__file__))
print(os.path.isfile(os.path.join(os.path.dirname(emitter_stream.__file__), "py.typed")))
print("".join(words))
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that has to end well, with nothing on its path but what is installed."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.exhaustive
def test_wheel(tmp_path):
    """The wheel in a fresh environment, with its four dependencies and no source, streams."""
    built = tmp_path / "built"
    source = copy_of_the_source(tmp_path / "source")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", built, source, cwd=tmp_path)
    (wheel,) = built.iterdir()
    with zipfile.ZipFile(wheel) as packed:
        assert data_files() <= set(packed.namelist())

    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(*pip, "--python", python, "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    with LocalServer() as server:
        variables = {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "any",
            "PYTHONWARNINGS": "error",
        }
        shown = run(python, "-c", PROGRAM, cwd=tmp_path, **variables).splitlines()
    package, typed, answer = shown
    assert Path(package).is_relative_to(home.resolve()) or Path(package).is_relative_to(home)
    assert typed == "True"
    assert answer.startswith('Hello! You asked: "Hello, wheel".')


def test_the_package_lies_in_a_folder_that_is_named():
    """So an editable install is a plain path, as `tox -e exhaustive` tries."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    assert settings["options"]["package_dir"].strip() == "=."


@pytest.mark.exhaustive
def test_an_editable_install_is_a_plain_path(tmp_path):
    """mypy and pyright see the package after `pip install -e`: they read no import hooks."""
    source = copy_of_the_source(tmp_path / "source")
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
    options = ("--quiet", "--no-deps", "--editable", source)
    run(*pip, "--python", python, "install", *options, cwd=tmp_path)
    (link,) = home.rglob("__editable__*.pth")
    assert link.read_text(encoding="utf-8").split() == [str(source)]


def data_files() -> set[str]:
    """Name what of the package is no module: pages, styles, scripts."""
    files = (path for path in (ROOT / "emitter_stream").rglob("*") if path.is_file())
    others = (path for path in files if path.suffix not in (".py", ".pyc"))
    return {path.relative_to(ROOT).as_posix() for path in others}


def copy_of_the_source(target: Path) -> Path:
    """Copy what is built: a build leaves its traces, and what an earlier one left would go into it."""
    for name in ("emitter_stream", "pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        copy(ROOT / name, target / name)
    return target


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a package without what Python compiled in it."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        return
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy(path, target / path.relative_to(source))
