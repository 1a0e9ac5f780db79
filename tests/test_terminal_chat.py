"""`emitter-stream chat`, by each of the three APIs, as a user types it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from launcher import COMMAND, Program

from emitter_stream import OpenAI, function_tool
from emitter_stream.cli import main
from emitter_stream.server import LocalServer, Text

APIS = ["responses", "chat", "assistants"]
TIMEOUT = 240

FUNCTIONS = '''
UNIT = "degrees"

def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    return f"18 {UNIT} in {city}"

def _hidden(): ...
'''
CALLED = """\
function > get_weather {"city": "Oslo"}
function > get_weather {"city": "Lima"}
output > 18 degrees in Oslo
output > 18 degrees in Lima
assistant > Of course. get_weather says: 18 degrees in Oslo. get_weather says: 18 degrees in Lima.
"""


class Gate:
    """A model that says one word of its first answer and then waits until it is cancelled."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def respond(self, turn):
        self.asked.append(" | ".join(message.text for message in turn.messages))
        if len(self.asked) == 1:
            yield Text("wait")
            await asyncio.Event().wait()
        yield Text("done")


class Escapes:
    """A model that would like to colour the terminal."""

    async def respond(self, turn):
        yield Text("\x1b[31mred\x9b0m")


@pytest.fixture
def scripted(monkeypatch) -> Iterator[LocalServer]:
    """Run a server that the command finds in the environment."""
    with LocalServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        yield server


def typed(monkeypatch, *lines: str) -> None:
    """Give the command these lines as its input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


@pytest.mark.parametrize("api", APIS)
def test_one_question(scripted, capsys, api):
    """A question among the arguments is answered, and that is all."""
    assert main(["chat", "--api", api, "--instructions", "Be brief", "Why", "me?"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith('assistant > Hello! You asked: "Why me?". My instructions are: "Be brief')
    assert out.count("\n") == 1 and out.endswith("\n")
    assert err == ""


@pytest.mark.parametrize("api", APIS)
def test_dialogue(scripted, capsys, monkeypatch, api):
    """Each line of the input is a question, and the model knows those before."""
    typed(monkeypatch, "I am Ada", "", "Who am I?")
    assert main(["chat", "--api", api]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert 'You asked: "I am Ada"' in first
    assert 'You asked: "Who am I?". Before that you said: "I am Ada"' in second


@pytest.mark.parametrize("api", APIS)
def test_functions_of_a_file(scripted, capsys, tmp_path, api):
    """The public functions of a file are called, and their calls and results shown."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    arguments = ["chat", "--api", api, "--functions", str(tmp_path / "functions.py")]
    assert main([*arguments, "What is the weather in Oslo and Lima?"]) == 0
    assert capsys.readouterr().out == CALLED


def test_tools_of_the_server(scripted, capsys):
    """The code of the interpreter and its output are shown; the assistant made for it is deleted."""
    question = "Solve 3x + 11 = 14."
    assert main(["chat", "--api", "assistants", "--tool", "code_interpreter", question]) == 0
    out = capsys.readouterr().out
    assert out.startswith("code_interpreter > from fractions import Fraction\n")
    assert "\noutput > x = 1\n" in out
    assert out.endswith("\nassistant > Of course. The solution of 3x + 11 = 14 is: x = 1.\n")
    with OpenAI("any", base_url=scripted.base_url) as client:
        assert list(client.beta.assistants.list()) == []


def test_outputs_by_hand(scripted, capsys, monkeypatch):
    """An assistant's own functions are answered by the user; its thread can be gone on with."""

    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        raise AssertionError

    with OpenAI("any", base_url=scripted.base_url) as client:
        tools = [function_tool(get_weather)]
        assistant = client.beta.assistants.create(model="gpt-4o", tools=tools).id
        thread = client.beta.threads.create().id
        given = ["chat", "--assistant", assistant, "--thread", thread]
        typed(monkeypatch, "What is the weather in Oslo and Lima?", "fine", "wet")
        assert main(given) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == CALLED.splitlines()[:2]
        assert lines[-1].endswith("get_weather says: fine. get_weather says: wet.")
        assert len(list(client.beta.threads.messages.list(thread))) == 2
        assert client.beta.assistants.retrieve(assistant).id == assistant

        typed(monkeypatch, "What is the weather in Oslo?")  # and no output
        assert main(given) == 1
        assert "the input ended" in capsys.readouterr().err
        assert next(iter(client.beta.threads.runs.list(thread))).status == "cancelled"


def test_errors_are_lines(scripted, capsys, monkeypatch, tmp_path):
    """What the server refuses is a line on stderr and status 1."""
    typed(monkeypatch, "Hello?", "Never asked")
    assert main(["chat", "--assistant", "asst_none"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("emitter-stream: HTTP 404") and "asst_none" in err
    assert main(["chat", "--functions", str(tmp_path / "none.py"), "Hello?"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_an_error_cannot_move_the_cursor(monkeypatch, capsys):
    """Control characters in a server's error are shown, not sent to the terminal."""
    monkeypatch.setattr(
        LocalServer, "start", lambda server: (_ for _ in ()).throw(OSError("\x1b[31m"))
    )
    assert main(["chat", "--scripted", "Red?"]) == 1
    assert capsys.readouterr().err == "emitter-stream: \u241b[31m\n"


@pytest.mark.parametrize(
    "code", ["def f(:", "import json\njson.loads('{')"], ids=["syntax", "error"]
)
def test_a_file_of_functions_that_fails(scripted, capsys, tmp_path, code):
    """The traceback of a file that cannot be run begins in that file."""
    (tmp_path / "mine.py").write_text(code)
    assert main(["chat", "--functions", str(tmp_path / "mine.py"), "Hello?"]) == 1
    _, err = capsys.readouterr()
    assert err.startswith("emitter-stream: ") and "mine.py' cannot be run:\n" in err
    assert "Error" in err.splitlines()[-1] and "terminal_chat.py" not in err and "runpy" not in err


@pytest.mark.parametrize(
    "given",
    [
        ["--api", "chat", "--tool", "code_interpreter"],
        ["--api", "responses", "--thread", "thread_1"],
        ["--assistant", "asst_1", "--tool", "code_interpreter"],
    ],
    ids=" ".join,
)
def test_options_without_effect(scripted, capsys, given):
    """Options that would be without effect are refused, and nothing is asked."""
    assert main(["chat", *given, "Hello?"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "go with" in err


@pytest.mark.parametrize("api", APIS)
def test_a_model_cannot_move_the_cursor(capsys, api):
    """Control characters of an answer are shown, not sent to the terminal."""
    with LocalServer(model=Escapes()) as server:
        assert main(["chat", "--base-url", server.base_url, "--api", api, "Red?"]) == 0
    assert capsys.readouterr().out == "assistant > \u241b[31mred\ufffd0m\n"


def test_without_a_key(monkeypatch, capsys):
    """Neither key nor address: the embedded server answers, and that is said."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert main(["chat", "Hi"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith('assistant > Hello! You asked: "Hi"')
    assert "the built-in scripted model answers" in err
    monkeypatch.setitem(sys.modules, "emitter_stream.server", None)
    assert main(["chat", "Hi"]) == 1
    assert "pip install 'emitter-stream[server]'" in capsys.readouterr().err


class Terminal:
    """The command at a terminal of its own; what it shows is read as it comes."""

    def __init__(self, *arguments: str) -> None:
        import pty

        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "emitter_stream", "chat", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with open(self._master, "rb", buffering=0, closefd=False) as file:
            while True:
                try:
                    data = file.read(1000)
                except OSError:  # how Linux says that nobody is at the other end
                    data = b""
                with self._more:
                    self.shown += data.decode(errors="replace")
                    self._more.notify_all()
                if not data:
                    return

    def sees(self, text: str) -> None:
        """Wait for a text, and forget what came up to it."""
        with self._more:
            assert self._more.wait_for(lambda: text in self.shown, TIMEOUT), repr(self.shown)
            self.shown = self.shown.split(text, 1)[1]

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def ctrl_c(self, until: str) -> None:
        """Press Ctrl-C, again where Python does not hear it, until a text is seen.

        One that comes between Python's last look for signals and a wait is heard when that ends.
        """
        with self._more:
            for _ in range(8):
                self.process.send_signal(signal.SIGINT)
                if self._more.wait_for(lambda: until in self.shown, TIMEOUT / 8):
                    break
            assert until in self.shown, repr(self.shown)
        self.sees(until)

    def end(self) -> int:
        """Wait for the end; return the status."""
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            os.close(self._master)


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
@pytest.mark.parametrize("api", APIS)
def test_ctrl_c(api):
    """Ctrl-C stops an answer alone; the model knows what was said; another at the prompt ends."""
    model = Gate()
    with LocalServer(model=model) as server:
        terminal = Terminal("--base-url", server.base_url, "--api", api)
        try:
            terminal.sees("you > ")
            terminal.type("first\n")
            terminal.sees("assistant > wait")
            terminal.ctrl_c(until="(stopped)")
            terminal.sees("you > ")
            terminal.type("second\n")
            terminal.sees("assistant > done")
            terminal.sees("you > ")
            while terminal.process.poll() is None:
                # One that comes between a prompt and its read waits for a key.
                terminal.process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    terminal.process.wait(5)
        finally:
            status = terminal.end()
    assert status == 0
    assert "Traceback" not in terminal.shown
    assert model.asked == ["first", "first | wait | second"]


def test_reader_that_goes_away(scripted):
    """`| head` ends the command without a complaint."""
    with Program(COMMAND, "chat", "Hello?") as process:
        process.stdout.close()
        assert process.outcome()[::2] == (1, "")
