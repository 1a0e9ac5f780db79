"""What the command says about itself: help with examples, the version, completion in shells."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from emitter_stream.cli import _parser, main

COMMANDS = ["serve", "chat", "replay", "show", "completion"]
SHELLS = ["bash", "zsh", "fish", "tcsh"]


def help_of(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_every_command_is_here(capsys):
    """The help names every subcommand, and these are all."""
    listed = re.findall(r"^    (\w+)(?: |$)", help_of(capsys), re.MULTILINE)
    assert listed == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_examples(command, capsys):
    """The help of each subcommand ends in examples, of which each is taken as it stands."""
    shown = help_of(capsys, command)
    examples = re.split(r"^examples?:\n", shown, flags=re.MULTILINE)[1].splitlines()
    assert examples
    for line in examples:
        words = shlex.split(re.sub(r"^eval \"\$\((.*)\)\"", r"\1", line.strip()), comments=True)
        words = words[: words.index(">")] if ">" in words else words
        assert words[:2] == ["emitter-stream", command]
        _parser().parse_args(words[1:])
    assert "(default: None)" not in shown and "[]" not in shown


@pytest.mark.parametrize("start", ["emitter_stream", "emitter_stream.cli"])
def test_version(start):
    """`python -m emitter_stream` is the command, and `--version` says the version."""
    done = subprocess.run(
        [sys.executable, "-m", start, "--version"],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert done.stdout == f"emitter-stream {metadata.version('emitter-stream')}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(shell, capsys):
    """The script knows the subcommands and their options, and is one that its shell can read."""
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert "upstream" in script and "speed" in script
    if shell in ("bash", "zsh") and shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, timeout=240, check=True)


def test_completion_without_its_extra(monkeypatch, capsys):
    """Without the library the command says how to get it."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'emitter-stream[completion]'" in capsys.readouterr().err
