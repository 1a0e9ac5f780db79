"""The README: every block of code in it is run, every table is compared with the library."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from parity import node_peer
from recorded import tool_run, write

import emitter_stream
from emitter_stream import AssistantStream, OpenAI
from emitter_stream.engine.stream import BASE_EVENTS
from emitter_stream.server import LocalServer
from emitter_stream.server.http.app import Api
from emitter_stream.streams.assistants.core import EVENTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TIMEOUT = 60

TWO_COMMANDS = """\
pip install -e '.[server]' && python examples/node_port.py     # the Node reference, live, on the embedded server
pip install tox && tox                                          # every check: tests on each Python present, types, lint, examples, README
"""

# What each Python block finds: a client, and a thread with a question for an assistant.
PREAMBLE = """\
import sys
from emitter_stream import OpenAI
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "Please solve the equation 3x + 11 = 14."}]
)
line, source = int(sys.argv[1]), sys.stdin.read()
exec(compile("\\n" * line + source, "README.md", "exec"))
"""

NODE_PREAMBLE = """\
const { OpenAI } = require('openai');
const openai = new OpenAI();
(async () => {
const assistant = await openai.beta.assistants.create({
  model: 'gpt-4o', tools: [{ type: 'code_interpreter' }],
});
const thread = await openai.beta.threads.create({
  messages: [{ role: 'user', content: 'Please solve the equation 3x + 11 = 14.' }],
});
%s
})();
"""


class Block(NamedTuple):
    """A block of code: the number of its first line, counted from 0; its language; its text."""

    line: int
    language: str
    text: str


def read_blocks() -> list[Block]:
    """Read all blocks; whatever is not closed, or is nothing that is known here, fails."""
    blocks = []
    begun: Block | None = None
    for number, line in enumerate(README.splitlines(keepends=True)):
        fence = re.match(r"\s*(```+|~~~+)(.*)", line)
        if fence is None:
            assert begun is not None or not line.startswith(("    ", "\t")), "an indented block"
            if begun is not None:
                begun = begun._replace(text=begun.text + line)
        elif begun is None:
            begun = Block(number + 1, fence[2].strip(), "")
        else:
            assert line == "```\n"
            blocks.append(begun)
            begun = None
    assert begun is None, "a block that is not closed"
    return blocks


BLOCKS = read_blocks()


def blocks_in(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def at_line(block: Block) -> str:
    return f"line {block.line + 1}"


def table(header: str) -> list[list[str]]:
    """Give the rows of the table that has this header line, cell by cell."""
    rows = README.split(f"{header}\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Start a server for the blocks; give the environment variables that lead to it."""
    with LocalServer() as server:
        yield {
            "PATH": os.environ.get("PATH", ""),
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "any",
            "PYTHONWARNINGS": "error",
        }


def run(
    command: list[str], environment: dict[str, str], text: str = "", folder: Path | None = None
) -> str:
    """Run a program that has to end well and without a complaint; give what it printed."""
    done = subprocess.run(
        command,
        input=text,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def run_python(block: Block, environment: dict[str, str], folder: Path) -> str:
    command = [sys.executable, "-c", PREAMBLE, str(block.line)]
    return run(command, environment, block.text, folder)


def test_no_block_is_left_out():
    """Every block is in a language that one of the tests below takes."""
    assert {block.language for block in BLOCKS} == {"python", "js", "sh", "text"}


@pytest.mark.parametrize("block", blocks_in("python"), ids=at_line)
def test_python(block, environment, tmp_path):
    """A Python block runs as it stands, and prints what its comments with an arrow say."""
    printed = run_python(block, environment, tmp_path)
    at = 0
    for expected in re.findall(r"# -> (.*)", block.text):
        pattern = ".*".join(map(re.escape, expected.split("...")))
        found = re.compile(f"{pattern}$", re.MULTILINE).search(printed, at)
        assert found, f"{expected!r} is not in {printed[at:]!r}"
        at = found.end()


def test_the_first_program(tmp_path):
    """The first block of Python runs as pasted, with no key, and prints what the block after it shows."""
    program, shown = BLOCKS[:2]
    assert (program.language, shown.language) == ("python", "text")
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONWARNINGS": "error"}
    environment["PYTHONPATH"] = str(ROOT)
    assert run([sys.executable, "-c", program.text], environment, folder=tmp_path) == shown.text


@pytest.mark.parametrize("block", blocks_in("js"), ids=at_line)
def test_node_beside_python(block, environment, tmp_path):
    """A Node block and the Python block after it listen to the same, and print the same."""
    python = BLOCKS[BLOCKS.index(block) + 1]
    assert python.language == "python"
    events = re.findall(r"""\.on\(['"](\w+)""", block.text)
    assert events and events == re.findall(r"""\.on\(['"](\w+)""", python.text)
    printed = run_python(python, environment, tmp_path)
    assert printed.startswith("\nassistant > code_interpreter\n\nfrom fractions import Fraction")
    assert printed.endswith("assistant > Of course. The solution of 3x + 11 = 14 is: x = 1.")
    peer = node_peer.find()
    if peer is not None:  # elsewhere the comparison of the names has to do
        variables = {**environment, "NODE_PATH": str(peer[0]), "NODE_NO_WARNINGS": "1"}
        assert run([peer[1], "-e", NODE_PREAMBLE % block.text], variables) == printed


def test_the_two_commands():
    """The two commands stand there to the letter, as the first block of shell."""
    assert blocks_in("sh")[0].text == TWO_COMMANDS


@pytest.mark.parametrize("block", blocks_in("sh"), ids=at_line)
def test_shell(block, tmp_path):
    """Each command of a shell block is one that is known, and works or is there to work."""
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            check_command(words[:end], tmp_path)
            words = words[end + 1 :]


def check_command(words: list[str], folder: Path) -> None:
    if words[:2] == ["emitter-stream", "serve"]:
        serve(words[1:], folder)
    elif words[0] == "emitter-stream":
        write(folder / "run.jsonl", tool_run(), gap=0.01)
        run([sys.executable, "-m", "emitter_stream.cli", *words[1:]], {}, folder=folder)
    elif words[0] == "export":
        with LocalServer() as server:
            given = dict(word.split("=", 1) for word in words[1:])
            assert set(given) == {"OPENAI_BASE_URL", "OPENAI_API_KEY"}
            url = re.sub(
                r"http://127.0.0.1:\d+",
                server.base_url.removesuffix("/v1"),
                given["OPENAI_BASE_URL"],
            )
            with OpenAI(given["OPENAI_API_KEY"], base_url=url) as client:
                assert list(client.beta.assistants.list()) == []
    elif words[:3] == ["pip", "install", "-e"]:  # test_wheel.py installs
        assert words[3:] == [".[server]"]
        assert "server =" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    elif words[0] == "python":  # test_examples.py runs it
        assert (ROOT / words[1]).is_file() and len(words) == 2
    else:
        assert words in (["pip", "install", "tox"], ["tox"]), f"what is {words}?"
        assert (ROOT / "tox.ini").is_file()


def serve(arguments: list[str], folder: Path) -> None:
    """Run the command with these arguments, but on a free port, until it says where it is."""
    with subprocess.Popen(
        [sys.executable, "-m", "emitter_stream.cli", *arguments, "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline().startswith("OPENAI_BASE_URL=http://127.0.0.1:")
        finally:
            process.terminate()


def test_error_tree():
    """The tree of errors is the library's."""
    (_, block) = blocks_in("text")  # the first is what the first program prints
    parents: dict[int, str] = {}
    drawn = {}
    for line in block.text.splitlines():
        indent, name = re.match(r"([ |`-]*)(\w+) ", line).groups()
        depth = len(indent) // 4
        drawn[name] = parents.get(depth - 1, "Exception")
        parents[depth] = name
    there = {
        name: value.__base__.__name__
        for name, value in vars(emitter_stream).items()
        if isinstance(value, type) and issubclass(value, emitter_stream.OpenAIError)
    }
    assert drawn == there


NODE_NAMES = """
createAndRunStream runs.stream submitToolOutputsStream createAndRunPoll createAndPoll
submitToolOutputsAndPoll runs.poll .on .once .off .emitted .events .done .abort .controller signal
.ended .errored .aborted .currentEvent .currentRun .currentMessageSnapshot .currentRunStepSnapshot
.finalRun .finalMessages .finalRunSteps .toReadableStream .fromReadableStream
"""


def test_porting_table():
    """The porting table has all that Node has, and every name on its right side exists."""
    rows = table("| Node | here |")
    left = " ".join(row[0] for row in rows)
    assert [
        name for name in NODE_NAMES.split() if not re.search(rf"{re.escape(name)}\b", left)
    ] == []
    right = " ".join(row[1] for row in rows)
    client = OpenAI("any", base_url="http://127.0.0.1:9/v1")
    stream = AssistantStream.from_events([]).on("error", lambda: None)
    owners = {
        "client": client,
        "threads": client.beta.threads,
        "runs": client.beta.threads.runs,
        "stream": stream,
        "": stream,
        "AssistantStream": AssistantStream,
    }
    paths = re.findall(r"(?:`|with )(\w*)\.([a-z_.]+)", right)
    assert len(paths) > 20
    for owner, path in paths:
        found = owners[owner]
        for name in path.split("."):
            found = getattr(found, name)


def test_event_table():
    """The table of events has them all, each with as many arguments as it passes."""
    passed = {}
    for names, arguments in table("| event | arguments |"):
        count = 0 if arguments == "none" else 1
        if re.fullmatch(r"[\w ]+, [\w ]+", arguments):
            count = 2
        for name in re.findall(r"`([\w.]+)`", names):
            passed[name] = count
    del passed["thread.run.completed"]
    everything = {**BASE_EVENTS, **EVENTS}
    camel = {name: count for name, count in everything.items() if "." not in name}
    assert passed == camel
    assert "thread.run.completed" in everything


def test_route_table():
    """The table of routes is the server's."""
    written = {
        path.strip("`"): set(methods.split(", ")) for path, methods in table("| route | methods |")
    }
    there = {
        re.sub(r"\{[\w:]+\}", "{id}", route.path): route.methods - {"HEAD"}
        for route in Api(None).routes()
    }
    assert written == there


def test_links():
    """What the README links to is there."""
    targets = re.findall(r"\]\(([^)]*)\)", README)
    assert targets and all((ROOT / target).is_file() for target in targets)
