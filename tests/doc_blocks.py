"""The blocks of code in README.md and docs/: read, and those in Python run, a page in one process.

A page's Python blocks are run one after the other, each as a program of its own: with variables of
its own, a client, and a thread with a question for an assistant; the next begins when its streams
have ended. A comment before a block says otherwise: `<!-- goes on -->`, it has the variables of the
block before it; `<!-- alone -->`, it is run as a file, in a process of its own, with no variables
and no server.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
TIMEOUT = 120

# What Sphinx does in place of a block, and what stands in a page that is no code.
DIRECTIVES = {"{toctree}", "{literalinclude}", "{include}", "{eval-rst}"}
MARKS = ("goes on", "alone")

# One process imports the library, and forks for each page.
RUNNER = """\
import contextlib, gc, io, json, os, sys, threading, traceback
import emitter_stream.aio, emitter_stream.server
from emitter_stream import EventStream, OpenAI

gc.collect()
gc.freeze()  # what is here already: each child would look through it at its end, for half a second

for line in sys.stdin:
    page, folder, blocks = json.loads(line)
    pid = os.fork()
    if not pid:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()

os.chdir(folder)
os.dup2(os.open("complaints", os.O_WRONLY | os.O_CREAT), 2)
client = OpenAI()
space = {}

def prepared():
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
    question = {"role": "user", "content": "Please solve the equation 3x + 11 = 14."}
    thread = client.beta.threads.create(messages=[question])
    return {"__name__": "__main__", "client": client, "assistant": assistant, "thread": thread}

def streams():
    return [one for one in threading.enumerate() if one.name.startswith("emitter-stream")]

results = []
for line, source, goes_on in blocks:
    out, err = io.StringIO(), io.StringIO()
    space = space if goes_on else prepared()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(compile("\\n" * line + source, page, "exec"), space)
        except BaseException:
            traceback.print_exc()
        for value in list(space.values()):
            if isinstance(value, EventStream):
                value.start()  # as the end of a program does, if nobody listened
        while streams():
            streams()[0].join()
    results.append((out.getvalue(), err.getvalue()))
with open("results", "w") as file:
    json.dump(results, file)
"""


class Block(NamedTuple):
    """A block of code: its page; its first line's number, from 0; its language; text; its mark."""

    page: str
    line: int
    language: str
    text: str
    mark: str | None

    @property
    def place(self) -> str:
        """Where it stands, as an editor takes it."""
        return f"{self.page}:{self.line + 1}"


def read_blocks(path: Path) -> list[Block]:
    """Read all blocks of a page; whatever is not closed, or is nothing that is known here, fails."""
    name = path.relative_to(ROOT).as_posix()
    blocks = []
    begun: Block | None = None
    mark: str | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True)):
        fence = re.match(r"\s*(```+|~~~+)(.*)", line)
        if fence is None:
            where = f"{name}:{number + 1}"
            assert begun is not None or not line.startswith(("    ", "\t")), f"indented: {where}"
            if begun is not None:
                begun = begun._replace(text=begun.text + line)
            elif comment := re.fullmatch(r"<!-- (.*) -->\n", line):
                mark = comment[1]
                assert mark in MARKS, where
            elif line.strip():
                mark = None
        elif begun is None:
            begun = Block(name, number + 1, fence[2].strip(), "", mark)
            mark = None
        else:
            assert line == "```\n", f"{name}:{number + 1}"
            blocks.append(begun)
            begun = None
    assert begun is None, f"a block that is not closed: {begun and begun.place}"
    return [one for one in blocks if one.language.split(" ")[0] not in DIRECTIVES]


BLOCKS = {path: read_blocks(path) for path in PAGES}


def blocks_in(language: str, *pages: Path) -> list[Block]:
    """Give the blocks in a language, of these pages or else of all."""
    chosen = pages or tuple(PAGES)
    return [block for page in chosen for block in BLOCKS[page] if block.language == language]


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
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@contextlib.contextmanager
def started_runner(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the process that runs pages."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", RUNNER]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as runner:
        yield runner
        runner.stdin.close()
        assert runner.wait(TIMEOUT) == 0


def printed_by(blocks: list[Block], runner: subprocess.Popen[str], folder: Path) -> list[str]:
    """Run a page's Python blocks; give what each printed. None may fail or complain."""
    together = [block for block in blocks if block.mark != "alone"]
    given = [(block.line, block.text, block.mark == "goes on") for block in together]
    results = iter(())
    if together:
        runner.stdin.write(json.dumps([blocks[0].page, str(folder), given]) + "\n")
        runner.stdin.flush()
        stuck = threading.Timer(TIMEOUT, runner.kill)
        stuck.start()
        status = runner.stdout.readline()
        stuck.cancel()
        said = (folder / "complaints").read_text(encoding="utf-8")
        assert (status, said) == ("0\n", ""), blocks[0].page
        results = iter(json.loads((folder / "results").read_text(encoding="utf-8")))
    printed, complaints = [], []
    for block in blocks:
        if block.mark == "alone":
            out, err = run_alone(block, folder), ""
        else:
            out, err = next(results)
        printed.append(out)
        if err:
            complaints.append(f"{block.place}\n{err}")
    assert not complaints, "\n".join(complaints)
    return printed


def run_alone(block: Block, folder: Path) -> str:
    """Run a block as somebody would who has pasted it into a file."""
    file = folder / "program.py"
    file.write_text(block.text, encoding="utf-8")
    variables = {"PATH": os.environ.get("PATH", ""), "PYTHONWARNINGS": "error"}
    variables["PYTHONPATH"] = str(ROOT)
    return run([sys.executable, str(file)], variables, folder=folder)


def check_comments(block: Block, printed: str) -> None:
    """Compare what a block printed with what its comments with an arrow say, in their order."""
    at = 0
    for expected in re.findall(r"# -> (.*)", block.text):
        pattern = ".*".join(map(re.escape, expected.split("...")))
        found = re.compile(f"{pattern}$", re.MULTILINE).search(printed, at)
        assert found, f"{block.place}: {expected!r} is not in {printed[at:]!r}"
        at = found.end()
