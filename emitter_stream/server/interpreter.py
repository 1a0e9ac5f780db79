"""Run a piece of Python apart from the server: the code interpreter's other half.

The code gets an interpreter of its own without site-packages, an empty environment, a folder of its
own, limits on time, memory, disk and output, and the strongest cage that the machine has (see
`cage.py`): with bubblewrap or the kernel's filters neither the server's environment and memory, nor its
files, nor the network can be reached, and no process outlives its time, whoever runs the server.
What no cage stops: a hole in the kernel, and use of the processor up to the limits. Where there are
limits alone, which the server says at its start, it is no place for code from strangers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, field

from .cage import Cage, find_cage

CHECK_EVERY = 0.1  # seconds between two looks at the size of the folder
MOST_FILES = 1000


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes; `disk` is what the code may add to its folder, `file` what to one file."""

    wall: float = 10.0
    cpu: int = 5
    memory: int = 512 * 1024 * 1024
    file: int = 8 * 1024 * 1024
    disk: int = 64 * 1024 * 1024
    output: int = 64 * 1024

    def bounds(self) -> dict[str, int]:
        """Return those that the system holds a process to."""
        return {
            "RLIMIT_CPU": self.cpu,
            "RLIMIT_AS": self.memory,
            "RLIMIT_FSIZE": self.file,
            "RLIMIT_NPROC": 0,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 32,
        }


@dataclass
class Sandbox:
    """Runs code, at most `at_once` pieces at a time, in `cage` or else the strongest there is."""

    limits: Limits = field(default_factory=Limits)
    at_once: int = 4
    cage: Cage | None = None

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)

    async def run(self, source: str, folder: str | None = None) -> str:
        """Return what the code printed, a traceback included; cancelling kills it.

        It works in `folder`, where files may lie already and where its own are found afterwards; in
        a cage with a file system of its own that is `cage.data` (`/mnt/data`). Without one it gets an
        empty folder, which goes away.
        """
        async with self._slots:
            cage = self.cage or await find_cage()
            with tempfile.TemporaryDirectory(
                prefix="emitter-stream-", ignore_cleanup_errors=True
            ) as own:
                scratch, empty = os.path.join(own, "tmp"), os.path.join(own, "data")
                os.mkdir(scratch)
                if folder is None:
                    os.mkdir(empty)
                return await self._run_in(cage, folder or empty, scratch, source)

    async def _run_in(self, cage: Cage, folder: str, scratch: str, source: str) -> str:
        limits = self.limits
        command, env = cage.command(folder, scratch, limits.bounds())
        before = _size((folder,), limits.disk * 1024)
        # Files, not pipes: nothing has to be read while the code runs, the limit on file size
        # holds for its output too, and its end is its end, even if something it started holds on
        # to the output. (From Python 3.13 on asyncio waits for a pipe's end as well, for ever if
        # nobody reads the pipe.)
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
            stdin.write(source.encode())
            stdin.seek(0)
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            note = ""
            try:
                inner = cage.kind == "bubblewrap"
                note = await self._watch(process, (folder, scratch), before, inner)
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

    async def _watch(
        self,
        process: asyncio.subprocess.Process,
        folders: tuple[str, ...],
        before: int,
        in_bubblewrap: bool,
    ) -> str:
        """Wait for the end, or for the first limit that the system does not hold by itself."""
        loop, limits = asyncio.get_running_loop(), self.limits
        end = asyncio.ensure_future(process.wait())
        deadline = loop.time() + limits.wall
        try:
            while (left := deadline - loop.time()) > 0:
                done, _ = await asyncio.wait({end}, timeout=min(CHECK_EVERY, left))
                if done:
                    status = end.result()
                    if in_bubblewrap and status > 128:  # how it tells a signal
                        status = 128 - status
                    return self._ending(status)
                if _size(folders, before + limits.disk) > before + limits.disk:
                    return f"\n[stopped: more on disk than {limits.disk} bytes, or {MOST_FILES} files]\n"
        finally:
            end.cancel()
        return f"\n[stopped after {limits.wall:g} seconds]\n"

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


def _size(folders: tuple[str, ...], enough: int) -> int:
    """Return what all files in these folders take on the disk, or more than `enough` if that is much.

    Links are not followed, and no more than `MOST_FILES` looked at: more files are too many.
    """
    total, seen, left = 0, 0, list(folders)
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_FILES or total > enough:
                    return enough + 1
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += getattr(found, "st_blocks", found.st_size // 512) * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
    return total
