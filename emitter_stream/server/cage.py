"""Where the interpreter's code runs: the strongest cage that this machine has.

| cage | what it is |
| --- | --- |
| `bubblewrap` | namespaces of its own: no network, no other process, of the system's files only the programs', read-only, and one writable folder; the kernel's filters on top |
| `kernel` | the filters alone: Landlock for files and other processes, seccomp for everything that starts, signals or connects |
| `limits` | time, memory, sizes; where the kernel is not Linux, or too old. Files, network and other processes are open |

A cage is tried before it is trusted: what a container forbids is found out here, not by a model.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from . import inside

Kind = Literal["bubblewrap", "kernel", "limits"]

DATA = "/mnt/data"  # the writable folder in bubblewrap
_PATIENCE = 20.0  # seconds for a cage to be tried
_WORDS: dict[str, str] = {
    "bubblewrap": "in bubblewrap: no network, no other process, a read-only system, one writable "
    "folder",
    "kernel": "behind the kernel's filters, without bubblewrap: no network, no other process, of "
    "the files only Python and one writable folder",
    "limits": "with limits on time and memory alone: it can read files and use the network. "
    "Install bubblewrap",
}
# What programs need of a system. No /etc, no /home, no /proc, no /var.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
_SINGLE = ("/etc/ld.so.cache", "/etc/localtime")

_BOOT = (
    inspect.getsource(inside)
    + """
import json
given = json.loads(sys.argv[1])
limit(given["bounds"])
done = [drop_rights()]
if given["readable"]:
    done.append(close_files(given["readable"], given["writable"]))
done.append(forbid_calls())
if given["probe"]:
    print(json.dumps(done))
    sys.exit()
if given["strict"] and not all(done):
    sys.exit("The interpreter cannot be closed in.")
os.environ.pop("PWD", None)  # bubblewrap's
del sys.argv[1:], json, given, done, limit, close_files, drop_rights, forbid_calls
source = sys.stdin.buffer.read().decode()
exec(compile(source, "<code_interpreter>", "exec"), {"__name__": "__main__"})
"""
)
_PYTHON = ("-I", "-S", "-B", "-u", "-X", "utf8", "-c", _BOOT)


@dataclass(frozen=True)
class Cage:
    """One way to run Python apart from this process."""

    kind: Kind

    @property
    def words(self) -> str:
        """How code is run, for people."""
        return _WORDS[self.kind]

    @property
    def data(self) -> str | None:
        """The writable folder's name in there, if it has one of its own."""
        return DATA if self.kind == "bubblewrap" else None

    def command(
        self, folder: str, scratch: str, bounds: dict[str, int], *, probe: bool = False
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command that runs the source on its input, and its environment.

        It works in `folder`; `scratch` is for what programs put into `/tmp`.
        """
        given = {"bounds": bounds, "readable": [], "writable": [], "probe": probe}
        given["strict"] = self.kind != "limits"
        # Windows cannot start Python without this one variable.
        env = {key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}
        if self.kind == "bubblewrap":
            return [*_bubblewrap(folder, scratch), *_PYTHON, json.dumps(given)], env
        if self.kind == "kernel":
            given["readable"] = [*_SYSTEM, *_SINGLE, *_python(), "/dev/null", "/dev/urandom"]
            given["writable"] = [folder, scratch]
        return [sys.executable, *_PYTHON, json.dumps(given)], env


def _python() -> list[str]:
    """Return where this Python is: its program and its library."""
    program = os.path.realpath(sys.executable)
    return [os.path.dirname(program), os.path.realpath(sys.base_prefix)]


def _bubblewrap(folder: str, scratch: str) -> list[str]:
    options = ["--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv"]
    options += ["--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    for path in _SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _python():
        if not path.startswith(_SYSTEM):
            options += ["--ro-bind", path, path]
    for path in _SINGLE:
        options += ["--ro-bind-try", path, path]
    options += ["--dev", "/dev", "--remount-ro", "/dev"]
    options += ["--bind", scratch, "/tmp", "--bind", folder, DATA]
    options += ["--remount-ro", "/", "--chdir", DATA]
    return [shutil.which("bwrap") or "bwrap", *options, "--", os.path.realpath(sys.executable)]


_found: list[Cage] = []


async def find_cage() -> Cage:
    """Return the strongest cage that works here; it is looked for once."""
    if not _found:
        _found.append(await _find())
    return _found[0]


async def _find() -> Cage:
    if sys.platform == "linux":
        kinds: Sequence[Kind] = ("bubblewrap", "kernel")
        for kind in kinds:
            if await works(Cage(kind)):
                return Cage(kind)
        _hide_this_process()
    return Cage("limits")


async def works(cage: Cage) -> bool:
    """Try a cage: whether Python starts in there, and all that it is to be closed by holds."""
    if cage.kind == "bubblewrap" and shutil.which("bwrap") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="emitter-stream-") as folder:
        data, scratch = os.path.join(folder, "data"), os.path.join(folder, "tmp")
        os.mkdir(data)
        os.mkdir(scratch)
        command, env = cage.command(data, scratch, {}, probe=True)
        # Files, as where code is run: no pipe that somebody could hold open.
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=data,
                    env=env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                return False
            try:
                status = await asyncio.wait_for(process.wait(), _PATIENCE)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()
                return False
            output.seek(0)
            said = output.read(1000)
    try:
        return status == 0 and all(json.loads(said))
    except ValueError:
        return False


def _hide_this_process() -> None:
    """Keep the memory and the environment of this process from others of the same user.

    As good as it gets where files cannot be closed: it holds for users, and against root as far as
    the code gave up root's rights.
    """
    import ctypes

    set_dumpable = 4
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_dumpable, 0, 0, 0, 0)
