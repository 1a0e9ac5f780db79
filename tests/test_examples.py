"""The examples, run as a user runs them, and the official SDKs' reference programs beside them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from launcher import Program
from parity import node_peer

from emitter_stream import OpenAI
from emitter_stream.server import LocalServer

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
LARGER = {
    "reload"
}  # several servers and a page: longer than an example is, and run by its own test
# Run as a user runs them, with interpreters of their own; the others are forked.
ALONE = {"node_port", "aio"}
NAMES = sorted(path.stem for path in EXAMPLES.glob("[!_]*.py"))
TIMEOUT = 240

PROGRAM = """
import sys
sys.path[0] = "examples"
__file__ = sys.argv.pop()
with open(__file__, encoding="utf-8") as file:
    source = file.read()
exec(compile(source, __file__, "exec"))
"""

ANSWER = """
assistant > code_interpreter

from fractions import Fraction

# 3x + 11 = 14
# as a*x + b = c*x + d
a, b = Fraction("3"), Fraction("11")
c, d = Fraction("0"), Fraction("14")

if a != c:
    print("x =", (d - b) / (a - c))
elif b == d:
    print("every x is a solution")
else:
    print("there is no solution")

output >

x = 1

assistant > Of course, Jane Doe. The solution of 3x + 11 = 14 is: x = 1."""

NODE_PROGRAM = r"""
const { OpenAI } = require('openai');
const openai = new OpenAI();
(async () => {
  const assistant = await openai.beta.assistants.create({
    name: 'Math Tutor',
    instructions: 'Please address the user as Jane Doe. The user has a premium account.',
    tools: [{ type: 'code_interpreter' }],
    model: 'gpt-4o',
  });
  const thread = await openai.beta.threads.create();
  const message = await openai.beta.threads.messages.create(thread.id, {
    role: 'user',
    content: 'I need to solve the equation `3x + 11 = 14`. Can you help me?',
  });
  const run = openai.beta.threads.runs.stream(thread.id, {
      assistant_id: assistant.id
    })
      .on('textCreated', (text) => process.stdout.write('\nassistant > '))
      .on('textDelta', (textDelta, snapshot) => process.stdout.write(textDelta.value))
      .on('toolCallCreated', (toolCall) => process.stdout.write(`\nassistant > ${toolCall.type}\n\n`))
      .on('toolCallDelta', (toolCallDelta, snapshot) => {
        if (toolCallDelta.type === 'code_interpreter') {
          if (toolCallDelta.code_interpreter.input) {
            process.stdout.write(toolCallDelta.code_interpreter.input);
          }
          if (toolCallDelta.code_interpreter.outputs) {
            process.stdout.write("\noutput >\n");
            toolCallDelta.code_interpreter.outputs.forEach(output => {
              if (output.type === "logs") {
                process.stdout.write(`\n${output.logs}\n`);
              }
            });
          }
        }
      });
})();
"""


# Those that are run as a user runs them; the others in a process that has imported the library.
ALONE = {"node_port", "aio", "structured_output"}


def environment(**more: str) -> dict[str, str]:
    """Give fresh environment variables: nothing of the user's, no OPENAI_*."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {**kept, "PYTHONWARNINGS": "error", **more}


def start(*command: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program in a session of its own, so that what it starts can be ended with it."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a program, which has to be a good one; give what it printed."""
    try:
        printed, complaints = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        end(process)
        pytest.fail(f"{process.args} does not end; so far: {process.communicate()}")
    assert (process.returncode, complaints) == (0, ""), printed
    return printed


def outcome(process: subprocess.Popen[str] | Program) -> str:
    """Wait for the end of an example, which has to be a good one; give what it printed."""
    if not isinstance(process, Program):
        return output(process)
    status, printed, complaints = process.outcome()
    assert (status, complaints) == (0, ""), printed
    return printed


def end(process: subprocess.Popen[str]) -> None:
    """End a program and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def squeezed(text: str) -> str:
    """Leave out empty lines: the two reference programs set different ones around an output."""
    return re.sub(r"\n+", "\n", text)


@pytest.fixture(scope="module")
def printed() -> Iterator[dict[str, str]]:
    """Run all examples side by side; give what they print.

    One starts the server that each has when it is run by hand; to start as many as there are examples
    takes longer than all else here, so the others are given one to talk to.
    """
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(LocalServer(tokens_per_second=60))
        given = {"OPENAI_BASE_URL": shared.base_url, "OPENAI_API_KEY": "any"}
        processes: dict[str, subprocess.Popen[str] | Program] = {}
        for name in {*NAMES} - LARGER:
            file = f"examples/{name}.py"
            if name in ALONE:
                variables = {} if name == "node_port" else given
                process = stack.enter_context(start(sys.executable, file, **variables))
                stack.callback(end, process)
                processes[name] = process
            else:
                flags, variables = ("-W", "error"), environment(**given)
                program = Program(PROGRAM, file, flags=flags, env=variables, cwd=ROOT)
                processes[name] = stack.enter_context(program)
        yield {name: outcome(process) for name, process in processes.items()}


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """Run a server in this process; give the environment variables that lead to it."""
    with LocalServer() as running:
        yield {"OPENAI_BASE_URL": running.base_url, "OPENAI_API_KEY": "any"}


def test_every_example_is_checked():
    """Each example has a test of what it prints, named after it."""
    assert {name for name in NAMES if f"test_{name}" not in globals()} == set()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_length(path):
    """An example can be read at a glance: it has fewer than 60 lines."""
    most = 150 if path.stem in LARGER else 60
    assert len(path.read_text(encoding="utf-8").splitlines()) < most


@pytest.mark.exhaustive
def test_reload():
    """The answer is whole although its reader comes again in the middle, and a server is killed."""
    process = start(sys.executable, "examples/reload.py")
    try:
        printed, _ = process.communicate(
            timeout=TIMEOUT
        )  # the servers say that files are their own
    finally:
        end(process)
    assert process.returncode == 0
    assert "[reloaded]" in printed
    assert printed.splitlines()[-1] == "completed"


def test_node_port(printed):
    """The Node reference streams the code, its output and the answer."""
    assert squeezed(printed["node_port"]) == squeezed(ANSWER)


def test_any_model(printed):
    """Without an upstream the Node reference over any model prints what the scripted model says."""
    assert squeezed(printed["any_model"]) == squeezed(ANSWER)


def test_python_style(printed):
    """The Python reference prints what the Node reference prints."""
    assert squeezed(printed["python_style"]) == squeezed(printed["node_port"])


def test_function_calling(printed):
    """Two calls are made, and both outputs stand in the answer of the second stream."""
    calls, answer, status, rest = printed["function_calling"].rsplit("\n", 3)
    assert calls.splitlines() == [
        'get_weather{"city": "Oslo"}',
        'get_weather{"city": "Lima"}',
    ]
    for city in ("Oslo", "Lima"):
        assert f"18 degrees and dry in {city}" in answer
    assert (status, rest) == ("completed", "")


def test_file_search(printed):
    """Citations are replaced in the text, and listed with the names of their files."""
    shown = printed["file_search"].splitlines()
    assert shown[0].startswith("completed FileCounts(") and "assistant > file_search" in shown
    assert 'brka-10k.txt says: "Berkshire Hathaway had about 383,000 employees' in shown[-2]
    assert shown[-2].endswith("[0].") and shown[-1] == "[0] brka-10k.txt"


def test_code_files(printed):
    """The plot comes as an image, the written file as a path in the text; both are saved."""
    shown = printed["code_files"]
    assert shown.startswith("saved plot.png, ") and "3 rows, 1 columns of numbers" in shown
    assert shown.splitlines()[-1] == "saved summary.csv, 45 bytes"


def test_iterate(printed):
    """Every event is counted, the deltas lead up to the whole text, and text comes alone."""
    lines = printed["iterate"].splitlines()
    assert lines[0] == "   1 thread.created"
    assert "   1 thread.run.completed" in lines
    deltas = [line for line in lines if re.fullmatch(r" *\d+ '.*'|\"'\"", line)]
    assert int(deltas[-1].split()[0]) > int(deltas[0].split()[0])
    assert lines[-2].startswith('assistant > Hello! You asked: "What is text?"')
    assert lines[-1] == "completed"


def test_abort(printed):
    """Each way to abort ends its stream, and the listeners of `abort` and `end` hear of it."""
    # Two threads print at once: the end of a line may come after what the other says.
    lines = [line for line in re.split(r"\n|(?=stream \d)", printed["abort"]) if line]
    assert lines[:2] == ["the end", "Request was aborted. True"]
    assert sorted(lines[2:4]) == ["stream 1 was aborted", "stream 2 was aborted"]
    assert lines[4:] == ["<AssistantStream aborted>"]


def test_background(printed):
    """The words come on the stream's thread while the main thread finds primes."""
    text = printed["background"]
    assert "working on MainThread\n" in text
    assert "listening on emitter-stream-" in text
    words = re.findall(r"^(['\"].*['\"]) came at prime (\d+)$", text, re.MULTILINE)
    primes = [int(prime) for _, prime in words]
    assert primes == sorted(primes)
    answer = text.splitlines()[-1]
    assert "".join(word[1:-1] for word, _ in words) == answer
    assert answer.startswith('Hello! You asked: "How many prime numbers are there?"')


def test_browser_relay(printed):
    """What the relay passes on is a whole stream at the other end."""
    connected, answer, status = printed["browser_relay"].splitlines()
    assert (connected, status) == ("connected", "completed")
    assert answer.startswith('Hello! You asked: "What is a relay?"')


def test_record_replay(printed):
    """The replay says what the stream said, and uses the tool it used."""
    live, tool, replay, figures, calls = printed["record_replay"].splitlines()
    assert live.removeprefix("live: ") == replay.removeprefix("replay: ")
    assert live.endswith("The solution of 3x + 11 = 14 is: x = 1.")
    assert tool == "replay: uses code_interpreter"
    assert re.fullmatch(r"\d+ events, 1 tool call, completed", figures)
    assert re.fullmatch(r"\d+ calls, from connect to end", calls)


def test_tool_loop(printed):
    """Two rounds of calls, their results and the answer come on one stream."""
    lines = printed["tool_loop"].splitlines()
    assert lines[:6] == [
        'calling get_weather {"city": "Oslo"}',
        'calling get_weather {"city": "Lima"}',
        '-> {"city":"Oslo","degrees":18,"sky":"clear"}',
        '-> {"city":"Lima","degrees":18,"sky":"clear"}',
        'calling get_time {"city": "Oslo"}',
        "-> noon in Oslo",
    ]
    assert lines[6].endswith("get_time says: noon in Oslo.")
    assert lines[7:] == ["completed 3 steps"]


def test_aio(printed):
    """Coroutines hear the text, three streams run side by side, the slow one is aborted."""
    lines = printed["aio"].splitlines()
    assert lines[0].startswith('Hello! You asked: "What is a coroutine?"')
    assert lines[1] == "completed"
    assert len(set(lines[2].strip("[]").split(", "))) == 1
    assert lines[3].startswith('Hello! You asked: "What is text?"')
    assert lines[4:] == ["too slow", "Request was aborted. <AsyncAssistantStream aborted>"]


def test_chat(printed):
    """The text, its length, how it ended and its cost."""
    answer, length, reason, cost = printed["chat"].splitlines()
    assert answer.startswith('Hello! You asked: "What is a stream?"')
    assert (length, reason) == (f"{len(answer)} characters", "stop")
    assert re.fullmatch(r"\d+ tokens", cost)


def test_chat_tools(printed):
    """Both calls, their results and the answer that has them."""
    lines = printed["chat_tools"].splitlines()
    assert lines[:4] == [
        'calling get_weather {"city": "Oslo"}',
        'calling get_weather {"city": "Lima"}',
        "-> 18 degrees and dry in Oslo",
        "-> 18 degrees and dry in Lima",
    ]
    assert lines[4].endswith("get_weather says: 18 degrees and dry in Lima.")
    assert lines[5:] == ["2 completions"]


def test_responses(printed):
    """Two responses, of which the second knows the first."""
    created, first, status, second, length = printed["responses"].splitlines()
    assert (created, status) == ("status: in_progress", "status: completed")
    assert first.startswith('Hello! You asked: "What is a listener?"')
    assert 'Before that you said: "What is a listener?"' in second
    assert length == f"{len(second)} characters"


def test_structured_output(printed):
    """The text grows to a whole object, which is an instance of the model."""
    *snapshots, fields = printed["structured_output"].splitlines()
    assert json.loads(snapshots[-1]) == {"city": "Oslo", "degrees": 17}
    assert len(snapshots) > 5 and all(snapshots[-1].startswith(one) for one in snapshots)
    assert fields == "Oslo 17"


def test_local_model(printed):
    """The model is the server's first; a server that keeps to the API needs no repairs."""
    model, answer, end, repairs = printed["local_model"].splitlines()
    assert (model, end, repairs) == ("model: scripted", "ended by: stop", "repairs: {}")
    assert answer.startswith('Hello! You asked: "Who are you?"')


def test_responses_aio(printed):
    """A coroutine hears the text, and two answers come side by side."""
    answer, status, one, two = printed["responses_aio"].splitlines()
    assert answer.startswith('Hello! You asked: "What is a loop?"')
    assert status == "status: completed"
    assert '"One?"' in one and '"Two?"' in two


WITH_NODE = [
    path.stem
    for path in sorted(EXAMPLES.glob("*.py"))
    if "\n# Node:\n" in path.read_text(encoding="utf-8")
]


@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
@pytest.mark.parametrize("name", WITH_NODE)
@pytest.mark.sample(3)
def test_node_program_in_an_example(server, printed, name):
    """The Node program at the end of an example prints the same."""
    folder, node = node_peer.find()
    lines = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").partition("\n# Node:\n")[2]
    source = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines.splitlines())
    imports = re.compile(r"^import (.+) from ('.+');$", re.MULTILINE)
    needed = [name.strip("'") for _, name in imports.findall(source)]
    if "zod" in needed and not (folder / "zod").is_dir():
        pytest.skip("no zod for Node here")
    # What a module's `import` looks for is not said by NODE_PATH.
    source = imports.sub(r"const \1 = require(\2);", source)
    source = f"(async () => {{{source}\n}})();"
    variables = {**server, "NODE_PATH": str(folder.resolve()), "NODE_NO_WARNINGS": "1"}
    expected = printed[name].removesuffix("repairs: {}\n")
    assert output(start(node, "-e", source, **variables)) == expected


def test_relay_sse(printed):
    """The reader gets each piece of text as an event of its own, and the status at the end."""
    events = [line.split(" ", 1) for line in printed["relay_sse"].splitlines()]
    text = "".join(json.loads(data) for name, data in events if name == "text")
    assert text.startswith('Hello! You asked: "What is a relay?"')
    assert len(events) > 20
    assert events[-1] == ["done", '"completed"']


def test_another_server(server):
    """With OPENAI_BASE_URL set, the examples use that server and start none."""
    shown = output(start(sys.executable, "examples/node_port.py", **server))
    assert squeezed(shown) == squeezed(ANSWER)
    with OpenAI("any", base_url=server["OPENAI_BASE_URL"]) as client:
        assert [one.name for one in client.beta.assistants.list()] == ["Math Tutor"]


def test_official_python_package(server, printed, monkeypatch, capsys):
    """The Python reference prints the same with the official package: only imports differ."""
    source = (EXAMPLES / "python_style.py").read_text(encoding="utf-8")
    ours = "from emitter_stream import AssistantEventHandler, OpenAI, override\n"
    theirs = (
        "from openai import AssistantEventHandler, OpenAI\nfrom typing_extensions import override\n"
    )
    setup = "import _setup\n", "_setup.use_embedded_server()\n"
    assert all(source.count(line) == 1 for line in (ours, *setup))
    for line in setup:
        source = source.replace(line, "")
    # The package warns at each call that the API is deprecated.
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(source.replace(ours, theirs), {"__name__": "__main__"})  # noqa: S102
    assert capsys.readouterr().out == printed["python_style"]


@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
def test_official_node_package(server, printed):
    """The Node reference prints the same with the official package for Node."""
    folder, node = node_peer.find()
    variables = {**server, "NODE_PATH": str(folder), "NODE_NO_WARNINGS": "1"}
    assert output(start(node, "-e", NODE_PROGRAM, **variables)) == printed["node_port"]
