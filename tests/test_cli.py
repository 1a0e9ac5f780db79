"""The subcommands for recordings, run as a user runs them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from launcher import COMMAND, Program
from parity.transcripts import DONE, run, started, step, step_delta
from recorded import tool_run, write

from emitter_stream.cli import main


def command(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    with Program(COMMAND, *map(str, arguments), flags=("-W", "error"), **options) as program:
        return subprocess.CompletedProcess(arguments, *program.outcome())


@pytest.fixture
def path(tmp_path) -> Path:
    """Write a recording of a run that calls two tools and answers."""
    return write(tmp_path / "run.jsonl", tool_run(), gap=0.01)


SHOWN = """\
function > f0 {"city":"Oslo"}
function > f1 {"zone":"CET"}
output > {"degrees": 4}
output > 14:05
assistant > It is 4 degrees in Oslo.
run > completed
"""


@pytest.mark.parametrize("pace", [[], ["--speed", "5"], ["--fast"]])
def test_replay(path, pace):
    """`replay` prints the texts, and the tool calls with their input and output."""
    done = command("replay", path, *pace, alone=not pace)
    assert (done.returncode, done.stdout, done.stderr) == (0, SHOWN, "")


def test_replay_of_code(tmp_path, capsys):
    """The code of an interpreter and what it printed are shown as they come."""
    call = {"index": 0, "id": "call_1", "type": "code_interpreter"}
    logs = [{"index": 0, "type": "logs", "logs": "x = 1"}, {"index": 1, "type": "image"}]
    details = {"type": "tool_calls", "tool_calls": []}
    whole = {**call, "code_interpreter": {"input": "print(x)", "outputs": logs}}
    frames = [
        *started(),
        step(1, "created", details),
        step_delta(1, {**call, "code_interpreter": {"input": "print", "outputs": []}}),
        step_delta(1, {"index": 0, "type": call["type"], "code_interpreter": {"input": "(x)"}}),
        step_delta(1, {"index": 0, "type": call["type"], "code_interpreter": {"outputs": logs}}),
        step(1, "completed", {"type": "tool_calls", "tool_calls": [whole]}),
        run("completed"),
        DONE,
    ]
    assert main(["replay", str(write(tmp_path / "run.jsonl", frames)), "--fast"]) == 0
    assert capsys.readouterr().out == (
        "code_interpreter > print(x)\noutput > x = 1\noutput > [image ]\nrun > completed\n"
    )


def test_replay_of_an_error(tmp_path):
    """A recording that ended in an error is printed up to it, and the status is 1."""
    error = {"class": "RateLimitError", "message": "slow \x1b[31mdown", "status_code": 429}
    done = command("replay", write(tmp_path / "run.jsonl", tool_run()[:-1], error), "--fast")
    assert done.returncode == 1
    assert done.stdout == SHOWN.replace("run > completed\n", "")
    assert done.stderr == "emitter-stream: RateLimitError: slow \u241b[31mdown\n"


@pytest.mark.parametrize("subcommand", ["replay", "show"])
def test_torn(path, subcommand, tmp_path):
    """A torn last line is reported, and what stands before it is printed or drawn."""
    path.write_bytes(path.read_bytes()[:-10])
    done = command(subcommand, path, *(["--fast"] if subcommand == "replay" else []))
    assert done.returncode == 0
    assert done.stderr.startswith("emitter-stream: the last line of the recording")
    assert done.stderr.count("\n") == 1
    assert "Oslo" in done.stdout


@pytest.mark.parametrize("subcommand", ["replay", "show"])
def test_no_recording(tmp_path, subcommand):
    """A file that is none, or is not there, is a line on stderr and status 1."""
    (tmp_path / "other.txt").write_text("hello")
    for name, message in (("other.txt", "is no recording"), ("nowhere", "No such file")):
        done = command(subcommand, tmp_path / name)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "x"])
def test_impossible_speed(path, capsys, speed):
    """An impossible speed is refused as any other wrong argument."""
    with pytest.raises(SystemExit) as caught:
        main(["replay", str(path), "--speed", speed])
    assert caught.value.code == 2
    assert "speed" in capsys.readouterr().err


@pytest.mark.parametrize("subcommand", [["replay", "--fast"], ["show"]])
def test_reader_that_goes_away(path, subcommand):
    """`| head` ends the command without a complaint."""
    with Program(COMMAND, *subcommand, str(path)) as process:
        process.stdout.close()
        assert process.outcome()[::2] == (1, "")


class Closed(io.StringIO):
    """A pipe whose reader goes away in the middle of a line."""

    def fileno(self):
        return self.file.fileno()

    def write(self, text):
        if "4 degrees " in self.getvalue():
            raise BrokenPipeError
        return super().write(text)


def test_reader_that_goes_away_in_mid_line(path, monkeypatch, capsys):
    """No thread complains either when there is a line to be ended."""
    complaints = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    with open(os.devnull, "w") as file:
        monkeypatch.setattr(sys, "stdout", Closed())
        sys.stdout.file = file
        assert main(["replay", str(path), "--fast"]) == 1
    assert complaints == []
    assert capsys.readouterr().err == ""


def test_show(path):
    """`show` draws the run to the width of the terminal."""
    done = command("show", path, env={"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}, alone=True)
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("completed", "step 1 tool calls", "message 1 assistant", "Tool calls"):
        assert part in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_show_as_a_page(path, tmp_path):
    """`show --html` writes a page and prints nothing."""
    out = tmp_path / "run.html"
    done = command("show", path, "--html", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")


def test_page_that_cannot_be_written(path, tmp_path):
    """A page that cannot be written is a line on stderr and status 1."""
    done = command("show", path, "--html", tmp_path / "nowhere" / "run.html")
    assert done.returncode == 1
    assert done.stderr.startswith("emitter-stream: ") and "Traceback" not in done.stderr


def test_without_rich(path, monkeypatch, capsys, tmp_path):
    """Without the extra, `show` says how to get it; the page can be written all the same."""
    monkeypatch.setitem(sys.modules, "rich", None)
    for name in list(sys.modules):
        if name.startswith(("rich.", "emitter_stream.show.terminal")):
            monkeypatch.delitem(sys.modules, name)
    assert main(["show", str(path)]) == 1
    assert "pip install 'emitter-stream[show]'" in capsys.readouterr().err
    assert main(["show", str(path), "--html", str(tmp_path / "run.html")]) == 0
