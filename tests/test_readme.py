"""README.md and docs/: every block of code is run, every table is compared with the library."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from doc_blocks import (
    BLOCKS,
    PAGES,
    README,
    ROOT,
    Block,
    blocks_in,
    check_comments,
    printed_by,
    run,
    started_runner,
)
from parity import node_peer
from recorded import tool_run, write
from samples import EXHAUSTIVE

import emitter_stream
from emitter_stream import AssistantStream, OpenAI
from emitter_stream.cli import _parser
from emitter_stream.engine.stream import BASE_EVENTS
from emitter_stream.server import LocalServer, Upstream
from emitter_stream.server.http.app import Api
from emitter_stream.streams.assistants.events import EVENTS
from emitter_stream.streams.chat import events as chat
from emitter_stream.streams.responses import events as responses

DOCS = ROOT / "docs"

TWO_COMMANDS = """\
pip install -e '.[server]' && python examples/node_port.py     # the Node reference, live, on the embedded server
pip install tox && tox                                          # the checks: tests on each Python present, types, lint, examples, README
"""

NODE_PREAMBLE = """\
const { OpenAI } = require('openai');
const openai = new OpenAI();
(async () => {
let assistant, thread;
{ %s }
})();
"""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def table(path: Path, header: str) -> list[list[str]]:
    """Give the rows of the table that begins with this header, cell by cell."""
    rows = text_of(path).split(f"\n{header}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
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


@pytest.fixture(scope="module")
def runner(environment) -> Iterator[subprocess.Popen[str]]:
    """Start the process that runs pages."""
    with started_runner(environment) as started:
        yield started


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_block_is_left_out():
    """Every block is in a language that one of the tests below takes."""
    languages = {block.language for blocks in BLOCKS.values() for block in blocks}
    assert languages <= {"python", "js", "sh", "text", "output"}


def test_readme_is_short():
    """The README can be read in one go, and begins with three sentences and a whole program."""
    assert len(README.read_bytes()) <= 10_240
    first = blocks_in("python", README)[0]
    assert len(first.text.splitlines()) <= 15


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python(page, runner, tmp_path):
    """A page's Python blocks run as they stand, and print what comments and blocks after them say."""
    blocks = blocks_in("python", page)
    for block, printed in zip(blocks, printed_by(blocks, runner, tmp_path), strict=True):
        check_comments(block, printed)
        shown = BLOCKS[page][BLOCKS[page].index(block) + 1 :][:1]
        if shown and shown[0].language == "output":
            assert printed == shown[0].text, block.place


def test_the_first_program(tmp_path):
    """The first block of Python runs as pasted, with no key, and prints what the block after it shows."""
    first = blocks_in("python", README)[0]
    shown = BLOCKS[README][BLOCKS[README].index(first) + 1]
    assert shown.language == "text"
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONWARNINGS": "error"}
    environment["PYTHONPATH"] = str(ROOT)
    assert run([sys.executable, "-c", first.text], environment, folder=tmp_path) == shown.text


@pytest.mark.parametrize("block", blocks_in("js"), ids=lambda block: block.place)
def test_node_beside_python(block, environment, runner, tmp_path):
    """A Node block and the Python block after it listen to the same, and print the same."""
    blocks = BLOCKS[ROOT / block.page]
    python = blocks[blocks.index(block) + 1]
    assert python.language == "python"
    events = re.findall(r"""\.on(?:ce)?\(['"]([\w.]+)""", block.text)
    assert events and events == re.findall(r"""\.on(?:ce)?\(['"]([\w.]+)""", python.text)
    (printed,) = printed_by([python._replace(mark=None)], runner, tmp_path)
    assert len(printed) > 20
    peer = node_peer.find()
    if peer is not None:  # elsewhere the comparison of the names has to do
        variables = {**environment, "NODE_PATH": str(peer[0]), "NODE_NO_WARNINGS": "1"}
        assert run([peer[1], "-e", node_program(block)], variables) == printed


def node_program(block: Block) -> str:
    """Make a program of a Node block: with a client, in a function that may await."""
    source = block.text.replace("import OpenAI from 'openai';\n", "")
    source = source.replace("const openai = new OpenAI();\n", "")
    return NODE_PREAMBLE % source


def test_the_two_commands():
    """The two commands stand there to the letter, as the first block of shell."""
    assert blocks_in("sh", README)[0].text == TWO_COMMANDS


@pytest.mark.tries
@pytest.mark.parametrize("block", blocks_in("sh"), ids=lambda block: block.place)
def test_shell(block, tmp_path):
    """Each command of a shell block is one that is known, and works or is there to work.

    The library's own are read by default: tests of each command run it, and `tox -e exhaustive` these.
    """
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            check_command(words[:end], tmp_path)
            words = words[end + 1 :]


def check_command(words: list[str], folder: Path) -> None:
    if words[:2] == ["emitter-stream", "serve"] and "--upstream" in words:
        given = _parser().parse_args(words[1:])  # upstreams are tried in tests/server
        Upstream(given.upstream, given.model, given.upstream_api)
    elif words[:2] == ["emitter-stream", "serve"] and "postgresql:" in " ".join(words):
        _parser().parse_args(words[1:])  # databases are tried in tests/server
    elif words[0] == "emitter-stream" and not EXHAUSTIVE:
        _parser().parse_args(words[1:])
    elif words[:2] == ["emitter-stream", "serve"]:
        serve(words[1:], folder)
    elif words[0] in ("ollama", "vllm", "llama-server"):
        assert words[1] in ("pull", "serve", "--model")  # others' commands
    elif words[:2] == ["emitter-stream", "chat"]:
        _parser().parse_args(words[1:])
        if "--scripted" in words:
            run([sys.executable, "-m", "emitter_stream", *words[1:]], {})
    elif words[0] == "eval":
        assert words[1] == "$(emitter-stream completion bash)"  # test_cli_help.py runs it
    elif words[0] == "emitter-stream":
        write(folder / "run.jsonl", tool_run(), gap=0.01)
        run([sys.executable, "-m", "emitter_stream.cli", *words[1:]], {}, folder=folder)
    elif words[0] == "export" and words[1].endswith("_KEY=..."):
        name = words[1].removesuffix("=...")
        source = (ROOT / "emitter_stream/server/models/upstream.py").read_text(encoding="utf-8")
        assert f'"{name}"' in source
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
    elif words[:2] == ["pip", "install"] and "emitter-stream[" in words[2]:
        setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
        extras = re.search(r"\[(.*)\]", words[2])[1].split(",")
        assert [extra for extra in extras if f"\n{extra} =\n" not in setup] == []
    elif words[0] == "python":  # test_examples.py runs it
        assert (ROOT / words[1]).is_file() and len(words) == 2
    else:
        assert words in (["pip", "install", "tox"], ["tox"]), f"what is {words}?"
        assert (ROOT / "tox.ini").is_file()


def serve(arguments: list[str], folder: Path) -> None:
    """Run the command with these arguments, but on a free port, until it says where it is."""
    (folder / "keys.txt").write_text("sk-of-the-docs\n", encoding="utf-8")
    address = re.compile(r"OPENAI_BASE_URL=http://(127\.0\.0\.1|0\.0\.0\.0):")
    with subprocess.Popen(
        [sys.executable, "-m", "emitter_stream.cli", *arguments, "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert address.match(process.stdout.readline())
        finally:
            process.terminate()


def test_error_tree():
    """The tree of errors is the library's."""
    (block,) = blocks_in("text", DOCS / "errors.md")
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
    rows = table(DOCS / "node.md", "| Node | here |")
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
    for names, arguments, _ in table(README, "| event | arguments | when |"):
        count = 0 if arguments == "none" else 1
        if re.fullmatch(r"[\w ]+, [\w ]+", arguments):
            count = 2
        for name in re.findall(r"`([\w.]+)`", names):
            passed[name] = count
    del passed["thread.run.completed"]
    everything = {**BASE_EVENTS, **EVENTS}
    camel = {name: count for name, count in everything.items() if not {*".*"} & {*name}}
    assert passed == camel
    assert "thread.run.completed" in everything


def test_tables_of_the_other_apis_events():
    """Chat's table of events has them all; that of Responses has only names that there are."""
    names = ", ".join(
        row[0] for row in table(DOCS / "listeners.md", "| event | arguments | when |")
    )
    there = {*chat.EVENTS, *chat.RUNNER_EVENTS, *BASE_EVENTS} - {"*"}
    assert set(re.findall(r"`([\w.]+)`", names)) == there
    names = ", ".join(row[0] for row in table(DOCS / "listeners.md", "| event | of the object |"))
    assert set(re.findall(r"`([\w.]+)`", names)) <= set(responses.EVENTS)


def test_route_table():
    """The table of routes is the server's."""
    written = {
        path.strip("`"): set(methods.split(", "))
        for path, methods in table(DOCS / "server.md", "| route | methods |")
    }
    there = {
        re.sub(r"\{[\w:]+\}", "{id}", route.path): route.methods - {"HEAD"}
        for route in Api(mock.MagicMock()).routes()
    }
    assert written == there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page):
    """What a page links to is there."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    targets = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]*)\)", text)}
    assert [one for one in targets if one and not (page.parent / one).is_file()] == []


def test_every_page_is_found():
    """README or the site's list of pages leads to every page."""
    listed = re.findall(r"^[\w-]+$", text_of(DOCS / "index.md"), re.MULTILINE)
    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} == set(listed)
    linked = re.findall(r"\]\(docs/([\w-]+)\.md\)", text_of(README))
    assert len(linked) > 15 and set(linked) <= set(listed)


def test_examples_page():
    """The page of examples names them all, and marks those that have their Node program."""
    rows = {row[0]: row[1] for row in table(DOCS / "examples.md", "| program | what it shows |")}
    marked = {}
    for cell in rows:
        name = re.search(r"\(\.\./examples/(\w+\.py)\)", cell)[1]
        marked[name] = cell.endswith(", N")
    there = {path.name: text_of(path) for path in (ROOT / "examples").glob("[!_]*.py")}
    assert marked == {name: "\n# Node:\n" in source for name, source in there.items()}


def test_picture():
    """The picture of the terminal is what the command prints today, and loads nothing."""
    maker = runpy.run_path(str(DOCS / "make_pictures.py"))
    drawn = maker["svg"](maker["dialogue"](), "A dialogue in the terminal")
    assert text_of(DOCS / "pictures" / "chat.svg") == drawn
    assert drawn.count("http") == 1  # the name space, which is no address
    assert "![" in text_of(README) and "docs/pictures/chat.svg" in text_of(README)
