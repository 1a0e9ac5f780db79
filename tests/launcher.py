"""Programs in processes of their own, forked off one that has imported the library.

A new interpreter that imports the library takes a third of a second of processor time, with the
server more than one; a fork takes a few milliseconds. In `tox -e exhaustive`, and where there is no
fork, each program has an interpreter of its own; so has what is about an import or a command line.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from samples import EXHAUSTIVE
from scripted_server import PATIENCE

if TYPE_CHECKING:
    from typing_extensions import Self

COMMAND = "import sys; from emitter_stream.cli import main; sys.exit(main())"  # emitter-stream
SERVER = "emitter_stream.aio, emitter_stream.server"  # what a server and its clients import

TESTS = Path(__file__).parent
# None that a test has set. As where tox runs them, what is printed waits for a flush.
VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds") and not EXHAUSTIVE

# What has imported, and forks. A program is run by its last line: it ends as one that is run by
# `python -c`, with no frame below that of the main module, and with the whole end of an interpreter.
PARENT = """\
import {modules}

def next_program(control):
    import gc, json, os, select, signal, socket, sys
    look, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    children = {{}}
    while True:
        ready = select.select([control, look], [], [])[0]
        if look in ready:
            os.read(look, 1000)
            for pid in list(children):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    tell(children.pop(pid), os.waitstatus_to_exitcode(status)).close()
        if control in ready:
            _, given, _, _ = socket.recv_fds(control, 1, 5)
            if not given:
                os._exit(0)  # whoever asked is gone
            told = socket.socket(fileno=given[4])
            pid = os.fork()
            if not pid:
                break
            children[pid] = tell(told, pid)
            for file in given[:4]:
                os.close(file)

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for own in (control, told, *children.values()):
        own.close()
    for file in (look, wake):
        os.close(file)
    for number, file in enumerate(given[:3]):
        os.dup2(file, number)
        os.close(file)
    # A flag of the parent's is no longer waited for; the programs here wait for this one.
    from emitter_stream import _fork
    from emitter_stream.engine import program_end
    program_end.coming._generation = _fork.generation
    with open(given[3], encoding="utf-8") as file:
        source, sys.argv, variables, folder = json.load(file)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    return compile(source, "<string>", "exec")

def tell(told, number):
    try:
        told.send(b"%d\\n" % number)
    except OSError:
        pass  # nobody waits for it any more
    return told

import socket
exec(next_program(socket.socket(fileno={control})), globals())
"""


class Parent:
    """A process that has imported modules, and forks a child for each program."""

    def __init__(self, modules: str, flags: tuple[str, ...]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            source = PARENT.format(modules=modules, control=theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-c", source],
                stdin=subprocess.PIPE,  # as those of the children: Python looks what they are
                stdout=subprocess.PIPE,
                cwd=TESTS.parent,
                env={**VARIABLES, "PYTHONPATH": str(TESTS)},
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def fork(self, *files: int) -> None:
        """Start a child with these as its stdin, stdout, stderr, its work and what is told of it."""
        socket.send_fds(self._control, [b"."], files)

    def _end(self) -> None:
        self._control.close()
        self._process.communicate()


_parents: dict[tuple[str, tuple[str, ...]], Parent] = {}


class Forked:
    """A process that a `Parent` has forked: what of a `subprocess.Popen` is needed of it."""

    def __init__(self, parent: Parent, work: list[object], *files: int) -> None:
        self._told, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            json.dump(work, file)
            file.seek(0)
            parent.fork(*files, file.fileno(), theirs.fileno())
        self._lines = self._told.makefile("rb", buffering=0)
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        line = self._lines.readline()
        assert line, "the process that forks has ended"
        return int(line)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked program", timeout or 0.0)
            self.returncode = self._number()
            self._lines.close()
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, number)


class Program:
    """A program that runs in a process of its own; its errors are kept in a file.

    `stdin` and `stdout` are pipes, of text. It is killed when it takes too long.
    """

    def __init__(
        self,
        source: str,
        *arguments: str,
        flags: tuple[str, ...] = (),
        modules: str = "emitter_stream",
        env: dict[str, str] | None = None,
        cwd: str | Path | None = None,
        alone: bool = False,
    ) -> None:
        """Start it; `alone`, it has an interpreter of its own that imports what it needs."""
        env = {**os.environ} if env is None else env
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `__exit__` closes them
        stdin, ours_in = os.pipe()
        ours_out, stdout = os.pipe()
        files = (stdin, stdout, self._errors.fileno())
        self.process: Forked | subprocess.Popen[bytes]
        if FORKS and not alone:
            key = (modules, flags)
            if key not in _parents:
                _parents[key] = Parent(modules, flags)
            work = [source, ["-c", *arguments], env, str(cwd or os.getcwd())]
            self.process = Forked(_parents[key], work, *files)
        else:
            command = [sys.executable, *flags, "-c", source, *arguments]
            paths = os.pathsep.join(filter(None, (str(TESTS), env.get("PYTHONPATH"))))
            env = {**env, "PYTHONPATH": paths}
            self.process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=self._errors
            )
        os.close(stdin)
        os.close(stdout)
        self.stdin = open(ours_in, "w", encoding="utf-8")  # noqa: SIM115
        self.stdout = open(ours_out, encoding="utf-8")  # noqa: SIM115
        self._killer = threading.Timer(PATIENCE * 2, self.kill)
        self._killer.daemon = True
        self._killer.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def poll(self) -> int | None:
        """Give the exit status, `None` while it runs."""
        return self.process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status, negative if a signal ended it."""
        return self.process.wait(timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def errors(self) -> str:
        """Give what it has written to stderr so far."""
        file = self._errors.fileno()  # whose place in the file is that of the program, too
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def say(self, line: str) -> None:
        """Write a line to its stdin."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def outcome(self) -> tuple[int, str, str]:
        """Wait for its end; give its status, what it still wrote to stdout, and its errors."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        said = "" if self.stdout.closed else self.stdout.read()
        return self.wait(), said, self.errors()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave nothing of it."""
        self._killer.cancel()
        self._killer.join()
        self.kill()
        self.wait()
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self._errors.close()
