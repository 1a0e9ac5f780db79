"""Run a piece of Python apart from the server: the code interpreter's other half.

The code gets an interpreter of its own without site-packages, an empty environment, an empty
directory that goes away afterwards, and limits on time, memory, file size and output. It cannot
start processes, which might outlive it: on Linux the kernel refuses them to everybody, elsewhere to
all but root. That stops accidents, not an attacker: it is no place for code from strangers. The
scripted model only ever sends code that it wrote itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, field

from . import forkless

# The limits are set by the child, before it reads the code: setting them between fork and exec
# would run Python in a forked copy of a process with threads, which may deadlock.
_BOOT = (
    inspect.getsource(forkless)
    + """
try:
    import resource
except ImportError:
    pass
else:
    for name, value in (
        ("RLIMIT_CPU", int(sys.argv[1])), ("RLIMIT_AS", int(sys.argv[2])),
        ("RLIMIT_FSIZE", int(sys.argv[3])),
        ("RLIMIT_NPROC", 0), ("RLIMIT_CORE", 0), ("RLIMIT_NOFILE", 32),
    ):
        # At the hard limit for CPU time it is SIGKILL, which does not say why.
        hard = value + (name == "RLIMIT_CPU")
        try:
            resource.setrlimit(getattr(resource, name), (value, hard))
        except (AttributeError, ValueError, OSError):
            pass
    del resource, name, value, hard
forbid_processes()
del sys.argv[1:]
source = sys.stdin.buffer.read().decode()
exec(compile(source, "<code_interpreter>", "exec"), {"__name__": "__main__"})
"""
)


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes."""

    wall: float = 10.0
    cpu: int = 5
    memory: int = 512 * 1024 * 1024
    file: int = 1024 * 1024
    output: int = 64 * 1024


@dataclass
class Sandbox:
    """Runs code, at most `at_once` pieces at a time."""

    limits: Limits = field(default_factory=Limits)
    at_once: int = 4

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)

    async def run(self, source: str) -> str:
        """Return what the code printed, a traceback included; cancelling kills it."""
        async with self._slots:
            with tempfile.TemporaryDirectory(
                prefix="emitter-stream-", ignore_cleanup_errors=True
            ) as folder:
                return await self._run_in(folder, source)

    async def _run_in(self, folder: str, source: str) -> str:
        limits = self.limits
        bounds = [str(bound) for bound in (limits.cpu, limits.memory, limits.file)]
        # Windows cannot start Python without this one variable.
        env = {key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}
        # Files, not pipes: nothing has to be read while the code runs, the limit on file size
        # holds for its output too, and its end is its end, even if something it started holds on
        # to the output. (From Python 3.13 on asyncio waits for a pipe's end as well, for ever if
        # nobody reads the pipe.)
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
            stdin.write(source.encode())
            stdin.seek(0)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-B", "-u", "-X", "utf8", "-c", _BOOT, *bounds),
                cwd=folder,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            note = ""
            try:
                note = self._ending(await asyncio.wait_for(process.wait(), limits.wall))
            except asyncio.TimeoutError:
                note = f"\n[stopped after {limits.wall:g} seconds]\n"
            finally:
                _kill(process)
                # Shielded: a second cancel must not leave a child that nobody waits for.
                await asyncio.shield(process.wait())
            stdout.seek(0)
            output = stdout.read(limits.output + 1)
        if len(output) > limits.output:
            output = output[: limits.output]
            note = "\n[output cut off]\n" + note
        return output.decode("utf-8", "replace") + note

    def _ending(self, status: int) -> str:
        """Say what ended the code if it was a signal, which leaves no trace in its output."""
        if status >= 0 or sys.platform == "win32":
            return ""
        if status == -signal.SIGXCPU:
            return f"\n[stopped after {self.limits.cpu:g} seconds of processor time]\n"
        return f"\n[ended by signal {-status}]\n"


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the child with all that it started, if there is anything left of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
