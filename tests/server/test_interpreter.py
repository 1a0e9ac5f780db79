"""The interpreter's code starts no processes, whoever runs it, and nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from emitter_stream.server.interpreter import Limits, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")

STAY = "    import time; time.sleep(60)\n"
STARTS = {
    "fork": f"import os\nif os.fork() == 0:\n{STAY}",
    "a new session": f"import os\nif os.fork() == 0:\n    os.setsid()\n{STAY}",
    "a grandchild": "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n    "
    f"{STAY}",
    "a terminal": "import pty\npty.fork()",
    "subprocess": "import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)",
    "spawn": "import os\nos.posix_spawn('/bin/sleep', ['sleep', '60'], {})",
    "multiprocessing": "import multiprocessing as m\nm.get_context('fork').Process().start()",
    "a thread that forks": "import os, threading\n"
    "t = threading.Thread(target=os.fork); t.start(); t.join()",
    "vfork, by its number": "import ctypes, errno, os\nc = ctypes.CDLL(None, use_errno=True)\n"
    "numbers = {'x86_64': (56, 57, 58, 435), 'aarch64': (220, 435)}[os.uname().machine]\n"
    "found = [c.syscall(n, 17, 0, 0, 0, 0) for n in numbers]\n"
    "assert set(found) == {-1}, found\nraise OSError(ctypes.get_errno(), 'refused')",
    "a bomb": "import os\nwhile True:\n    os.fork()",
    "another program that forks": "import os, sys\n"
    "os.execv('/bin/sh', ['sh', '-c', 'sleep 60 & sleep 60 & echo started'])",
}


def processes_in(folder: Path) -> list[str]:
    """Give the processes that work in a folder below this one."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if place.startswith(str(folder)):
            found.append(process.name)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the sandbox makes its folders in this test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("start", STARTS)
def test_no_process_is_started(folder, start):
    """Every way to start a process is refused, to root as well, and nothing runs afterwards."""
    output = asyncio.run(Sandbox().run(STARTS[start]))
    assert re.search("temporarily unavailable|refused|annot fork|can't start", output), output
    assert "started" not in output.split("\n")
    assert processes_in(folder) == [] and list(folder.iterdir()) == []


@pytest.mark.parametrize("end", ["cancelled", "out of time"])
def test_code_that_goes_its_own_way_is_killed(folder, end):
    """Code that becomes another program and ignores signals ends when it must."""
    source = (
        "import os, signal\n"
        "for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "os.execv('/bin/sleep', ['sleep', '60'])"
    )

    async def main() -> None:
        task = asyncio.create_task(
            Sandbox(Limits(wall=0.5 if end == "out of time" else 60)).run(source)
        )
        if end == "cancelled":
            while not processes_in(folder):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert "stopped after 0.5 seconds" in await task

    asyncio.run(main())
    assert processes_in(folder) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root is not bound")
def test_root_is_not_special():
    """Root cannot lift the ban, which a limit it could."""
    source = (
        "import contextlib, os, resource\n"
        "with contextlib.suppress(ValueError):  # root without this right\n"
        "    resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY,) * 2)\n"
        "os.fork()"
    )
    assert "BlockingIOError" in asyncio.run(Sandbox().run(source))


def test_ordinary_code_is_not_held_up(folder):
    """Ordinary code runs as before: imports, files, arithmetic."""
    source = "import json, decimal\nopen('f', 'w').write(json.dumps([1]))\nprint(open('f').read())"
    assert asyncio.run(Sandbox().run(source)) == "[1]\n"
