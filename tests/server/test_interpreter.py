"""The interpreter's cage: what code may do in there, and each way out with what stops it.

Every test runs in each cage that this machine has, as the user that runs the tests and, where that
is root and there is a Python for everybody, as a user without rights as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from left_behind import wait_until
from samples import tries
from server_helpers import PATIENCE

from emitter_stream.server import cage as cages
from emitter_stream.server.cage import Cage, Kind, find_cage, works
from emitter_stream.server.interpreter import Limits, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the cages are Linux's")

SECRET = "sk-SECRET-of-the-server"
NOBODY = 65534
IS_ROOT = sys.platform == "linux" and os.getuid() == 0

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


async def _cages() -> list[Kind]:
    kinds: tuple[Kind, ...] = ("bubblewrap", "kernel")
    return [kind for kind in kinds if await works(Cage(kind))]


@pytest.fixture(scope="module")
def present() -> list[Kind]:
    return asyncio.run(_cages())


@pytest.fixture(params=["bubblewrap", "kernel"])
def cage(request, present) -> Cage:
    if request.param not in present:
        pytest.skip(f"there is no {request.param} here")
    return Cage(request.param)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the sandbox makes its folders in this test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def run(cage: Cage, source: str, **limits: float) -> str:
    return asyncio.run(Sandbox(Limits(**limits), cage=cage).run(source))


def processes_in(folder: Path) -> list[str]:
    """Give the processes that work in, or see, a folder below this one."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            place = os.readlink(process / "cwd")
            seen = (process / "mountinfo").read_text()
        except OSError:
            continue
        # In a cage the folder is mounted: from the file system that has it, at another name.
        name = str(folder).removeprefix("/tmp")
        if place.startswith(str(folder)) or f"{name}/" in seen:
            found.append(process.name)
    return found


@pytest.mark.parametrize("start", STARTS)
def test_no_process_is_started(cage, folder, start):
    """Every way to start a process is refused, to root as well, and nothing runs afterwards."""
    output = run(cage, STARTS[start])
    assert re.search("temporarily unavailable|refused|annot fork|can't start|devices", output), (
        output
    )
    assert "started" not in output.split("\n")
    assert list(folder.iterdir()) == []
    assert wait_until(lambda: not processes_in(folder))  # the kernel ends bubblewrap's with it


@pytest.mark.parametrize("end", ["cancelled", "out of time"])
def test_code_that_goes_its_own_way_is_killed(cage, folder, end):
    """Code that becomes another program and ignores signals ends when it must."""
    source = (
        "import os, signal\n"
        "for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "open('ready', 'w').close()\n"
        "os.execv('/bin/sleep', ['sleep', '60'])"
    )

    async def main() -> None:
        limits = Limits(wall=0.5 if end == "out of time" else 60)
        task = asyncio.create_task(Sandbox(limits, cage=cage).run(source))
        if end == "cancelled":
            while not list(folder.glob("*/data/ready")):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert "stopped after 0.5 seconds" in await task
        while processes_in(folder):  # the kernel ends what was in bubblewrap with it
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 3 * PATIENCE))


# Each program tries something, and prints ESCAPED if it got there.
ESCAPES = {
    "the parent's environment": "import os\n"
    "print(open(f'/proc/{os.getppid()}/environ').read())\nprint('ESCAPED')",
    "the parent's memory": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')\nprint('ESCAPED')",
    "anybody's environment": "import os\nfor n in range(1, 70000):\n    try:\n"
    "        open(f'/proc/{n}/environ').read()\n"
    "        if n != os.getpid(): print('ESCAPED')\n    except OSError:\n        pass",
    "its command line": "import os\nopen(f'/proc/{os.getppid()}/cmdline')\nprint('ESCAPED')",
    "its memory by a call": "import ctypes, os\nb = ctypes.create_string_buffer(64)\n"
    "v = (ctypes.c_size_t * 2)(ctypes.addressof(b), 64)\n"
    "if ctypes.CDLL(None).process_vm_readv(os.getppid(), v, 1, v, 1, 0) >= 0: print('ESCAPED')",
    "tracing it": "import ctypes, os\n"
    "if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0: print('ESCAPED')",
    "killing it": "import os, signal\nos.kill(os.getppid(), 0)\nprint('ESCAPED')",
    "killing everybody": "import os\nos.kill(-1, 0)\nprint('ESCAPED')",
    "a signal by its queue": "import ctypes, os\ni = (ctypes.c_int * 32)(0, 0, -1)\n"
    "n = {'x86_64': 129, 'aarch64': 138}[os.uname().machine]\n"
    "if ctypes.CDLL(None).syscall(n, os.getppid(), 0, i) == 0: print('ESCAPED')",
    "a signal by an owned pipe": "import fcntl, os\nr, w = os.pipe()\n"
    "fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())\nprint('ESCAPED')",
    "its limits": "import os, resource\n"
    "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))\nprint('ESCAPED')",
    "more memory": "import resource as r\n"
    "r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY,) * 2)\nprint('ESCAPED')",
    "a gigabyte": "b = bytearray(2**30)\nprint('ESCAPED')",
    "a gigabyte in shared memory": "import mmap\nm = mmap.mmap(-1, 2**30)\nprint('ESCAPED')",
    "memory in a file": "import os\nos.memfd_create('x')\nprint('ESCAPED')",
    "memory in /dev/shm": "open('/dev/shm/x', 'wb').write(bytes(2**20))\nprint('ESCAPED')",
    "a large file": "f = open('x', 'wb')\nfor _ in range(64): f.write(bytes(2**20))\n"
    "f.flush()\nprint('ESCAPED')",
    "many descriptors": "import os\nfor _ in range(100): os.dup(0)\nprint('ESCAPED')",
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 5)\n"
    "print('ESCAPED')",
    "the network by datagrams": "import socket\n"
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))\n"
    "print('ESCAPED')",
    "listening": "import socket\nsocket.create_server(('127.0.0.1', 0))\nprint('ESCAPED')",
    "a socket of the system's": "import socket\nsocket.socket(socket.AF_UNIX)\nprint('ESCAPED')",
    "a socket by io_uring": "import ctypes\np = (ctypes.c_uint32 * 64)()\n"
    "if ctypes.CDLL(None).syscall(425, 8, p) >= 0: print('ESCAPED')",
    "the server's files": "print(open(FILE).read())\nprint('ESCAPED')",
    "the server's folder": "import os\nos.listdir(os.path.dirname(FILE))\nprint('ESCAPED')",
    "changing the server's files": "open(FILE, 'a').write('x')\nprint('ESCAPED')",
    "removing the server's files": "import os\nos.unlink(FILE)\nprint('ESCAPED')",
    "renaming the server's files": "import os\nos.rename(FILE, 'mine')\nprint('ESCAPED')",
    "linking to the server's files": "import os\nos.symlink(FILE, 'mine')\n"
    "print(open('mine').read())\nprint('ESCAPED')",
    "passwords": "print(open('/etc/shadow').read())\nprint('ESCAPED')",
    "who is there": "print(open('/etc/passwd').read())\nprint('ESCAPED')",
    "the home": "import os\nprint(os.listdir('/home'), os.listdir('/root/.ssh'))\nprint('ESCAPED')",
    "writing elsewhere": "open('/usr/lib/x', 'w')\nprint('ESCAPED')",
    "writing beside the folder": "open('../x', 'w')\nprint('ESCAPED')",
    "a mount": "import ctypes\n"
    "if ctypes.CDLL(None).mount(b'none', b'.', b'tmpfs', 0, 0) == 0: print('ESCAPED')",
    "other namespaces": "import ctypes\n"
    "if ctypes.CDLL(None).unshare(0x10000000) == 0: print('ESCAPED')",
    "a device": "import os, stat\nos.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(254, 0))\n"
    "print('ESCAPED')",
    "another user": "import os\nos.setuid(0 if os.getuid() else 1)\nprint('ESCAPED')",
    "root's rights back": "import ctypes\nh = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
    "if ctypes.CDLL(None).capset(h, (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)) == 0:\n"
    "    print('ESCAPED')",
    "its own environment": "import os\nif 'SECRET' in str(dict(os.environ)): print('ESCAPED')",
}


class Victim:
    """A file and a port of the server's, which nobody may touch."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "server.db"
        self.file.write_text(SECRET)
        self.file.chmod(0o666)
        folder.chmod(0o777)

    def source(self, escape: str) -> str:
        return ESCAPES[escape].replace("FILE", repr(str(self.file))).replace("PORT", "9")


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_way_out(cage, tmp_path, monkeypatch, escape):
    """Each way out of the cage ends at something that holds for root as well."""
    monkeypatch.setenv("EMITTER_STREAM_UPSTREAM_KEY", SECRET)
    victim = Victim(tmp_path)
    output = run(cage, victim.source(escape), wall=PATIENCE)
    assert "ESCAPED" not in output and SECRET not in output, output
    assert victim.file.read_text() == SECRET


@pytest.mark.parametrize("change", ["os.chmod(FILE, 0)", "os.chown(FILE, 1, 1)", "os.utime(FILE)"])
def test_nothing_is_changed(cage, tmp_path, change):
    """A file's mode, owner and time stay, although no folder bounds these calls."""
    victim = Victim(tmp_path)
    before = victim.file.stat()
    run(cage, f"import os\n{change}".replace("FILE", repr(str(victim.file))))
    after = victim.file.stat()
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)
    assert before.st_mtime_ns == after.st_mtime_ns


AS_USER = """
import asyncio, ctypes, json, os, sys
from emitter_stream.server.cage import Cage, _hide_this_process
from emitter_stream.server.interpreter import Limits, Sandbox
given = json.load(sys.stdin)
# A Python that everybody may run; this one is perhaps root's.
sys.executable, sys.base_prefix = given["python"], "/usr"
os.setgroups([])
os.setgid(NOBODY)
os.setuid(NOBODY)
if given["kind"] == "limits":
    _hide_this_process()
cage = Cage(given["kind"])
async def main():
    box = Sandbox(Limits(wall=60), cage=cage)
    print(json.dumps([await box.run(source) for source in given["sources"]]))
asyncio.run(main())
""".replace("NOBODY", str(NOBODY))


def run_as_user(kind: str, sources: list[str]) -> list[str]:
    """Run programs in a cage of a process that has no rights."""
    python = os.path.realpath("/usr/bin/python3")
    if not IS_ROOT or not os.access(python, os.X_OK):
        pytest.skip("needs root, to be another, and a Python for everybody")
    env = {**os.environ, "EMITTER_STREAM_UPSTREAM_KEY": SECRET}
    given = {"kind": kind, "python": python, "sources": sources}
    process = subprocess.run(
        [sys.executable, "-c", AS_USER],
        input=json.dumps(given),
        env=env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=20 * PATIENCE,
        check=False,
    )
    if "no permissions" in process.stdout or "ermission denied" in process.stderr:
        pytest.skip(f"users may not do that here: {process.stderr[-200:]}")
    assert process.returncode == 0, process.stderr
    outputs: list[str] = json.loads(process.stdout)
    return outputs


@pytest.mark.tries
def test_no_way_out_for_a_user(cage, tmp_path):
    """The same holds where the server is run by a user."""
    victim = Victim(tmp_path)
    for place in tmp_path.parents[:3]:  # the user is let in as far as the file
        if "pytest" in str(place):
            place.chmod(place.stat().st_mode | 0o011)
    programs = {name: victim.source(name) for name in ESCAPES} | STARTS
    programs = dict([*programs.items()][:: tries(3, 1)])  # as root they are all tried
    outputs = run_as_user(cage.kind, ["print(6 * 7)", *programs.values()])
    if "bwrap:" in outputs[0]:
        pytest.skip(f"users have no namespaces here: {outputs[0]}")
    assert outputs[0] == "42\n"
    for name, output in zip(programs, outputs[1:], strict=True):
        assert "ESCAPED" not in output and SECRET not in output, (name, output)
        assert "started" not in output.split("\n"), name
    assert victim.file.read_text() == SECRET


def test_limits_alone():
    """Even with limits alone a user's environment, its processes and the network are out of reach."""
    names = ["the parent's environment", "the parent's memory", "killing it", "the network"]
    sources = [ESCAPES[name].replace("PORT", "9") for name in names]
    outputs = run_as_user("limits", [*sources, STARTS["a new session"], "print(6 * 7)"])
    for output in outputs[:-1]:
        assert "ESCAPED" not in output and SECRET not in output
        assert "Error" in output
    assert outputs[-1] == "42\n"


def test_the_disk_is_bounded(cage, folder):
    """Many small files are no way around the bound of one."""
    source = "n = 0\nwhile True:\n    n += 1\n    open(f'f{n}', 'wb').write(bytes(2**16))"
    output = run(cage, source, disk=4 * 2**20, wall=60)
    assert "stopped: more on disk than 4194304 bytes" in output
    source = "import os\nn = 0\nwhile True:\n    n += 1\n    os.mkdir(f'/tmp/{n}')"
    if cage.kind == "bubblewrap":
        assert "1000 files" in run(cage, source, wall=60)
    assert list(folder.iterdir()) == []


def test_time_is_bounded(cage):
    """Code that computes for ever ends at the limit of processor time, and says so."""
    output = run(cage, "print('begun')\nwhile True:\n    pass", cpu=1, wall=60)
    assert output == "begun\n\n[stopped after 1 seconds of processor time]\n"


def test_an_exit_status_is_no_signal(cage):
    """What code gives as its status tells nothing; what ended it does."""
    assert run(cage, "import sys\nprint(1)\nsys.exit(3)") == "1\n"
    assert run(cage, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)") == (
        "\n[ended by signal 9]\n"
    )


def test_ordinary_code_is_not_held_up(cage, folder):
    """Ordinary code runs as before: imports, files, temporary ones, arithmetic."""
    source = (
        "import csv, datetime, decimal, json, random, shutil, sqlite3, statistics, tempfile, zipfile\n"
        "open('f', 'w').write(json.dumps([1]))\n"
        "shutil.copy('f', 'g')\n"
        "with tempfile.NamedTemporaryFile() as t: t.write(b'x'); t.flush()\n"
        "with zipfile.ZipFile('z.zip', 'w') as z: z.write('f')\n"
        "db = sqlite3.connect('d.db'); db.execute('CREATE TABLE t (x)'); db.close()\n"
        "print(open('g').read(), datetime.date(2024, 1, 1), random.Random(1).random() < 1)"
    )
    assert run(cage, source) == "[1] 2024-01-01 True\n"


def test_a_folder_of_the_callers(cage, tmp_path):
    """Code works in the folder that it is given: what lies there it has, what it leaves is kept."""
    (tmp_path / "given").write_text("6")
    box = Sandbox(cage=cage)
    source = "open('made', 'w').write(open('given').read() + '7')\nimport os\nprint(os.getcwd())"
    output = asyncio.run(box.run(source, str(tmp_path)))
    assert (tmp_path / "made").read_text() == "67"
    assert output == (cage.data or str(tmp_path)) + "\n"


def test_the_strongest_is_taken(monkeypatch, present):
    """Bubblewrap if it works, else the kernel's filters, else limits; it is looked for once."""
    for works_here, kind in (
        (("bubblewrap", "kernel"), "bubblewrap"),
        (("kernel",), "kernel"),
        ((), "limits"),
    ):

        async def answers(cage: Cage, kinds: tuple[str, ...] = works_here) -> bool:
            return cage.kind in kinds

        monkeypatch.setattr(cages, "_found", [])
        monkeypatch.setattr(cages, "works", answers)
        monkeypatch.setattr(cages, "_hide_this_process", lambda: None)
        assert asyncio.run(find_cage()).kind == kind
        assert asyncio.run(find_cage()).words


def test_a_cage_that_does_not_hold_is_none(monkeypatch, tmp_path):
    """A bubblewrap that is not allowed to do its work, or only pretends to, is not taken."""
    for script in ("exit 1", "echo '[true, false, true]'", "echo nonsense", 'exec sh -c "exit 0"'):
        program = tmp_path / "bwrap"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert not asyncio.run(works(Cage("bubblewrap")))
    monkeypatch.setenv("PATH", "/nowhere")
    assert not asyncio.run(works(Cage("bubblewrap")))
