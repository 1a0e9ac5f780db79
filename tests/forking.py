"""Forks for the scripts of test_fork.py, which run in processes of their own (also by hand)."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable

PATIENCE = 120.0  # seconds after which a child that does not end hangs


def in_child(work: Callable[[], object]) -> str:
    """Fork; give what ``work()`` returns or raises there, as text, or ``"hung"``."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            said = repr(work())
        except BaseException as error:  # noqa: BLE001 - the parent is told
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    return heard(pid, reader)


def heard(pid: int, reader: int) -> str:
    """Give what a child writes before it ends, or ``"hung"``."""
    with os.fdopen(reader, "rb") as pipe:
        if not select.select([pipe], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hung"
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


def end_of(pid: int) -> int | str:
    """Give a child's exit status, or ``"hung"``."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"


def say(*what: object) -> None:
    """Write a line for the test."""
    print(*what, flush=True)


def answered() -> str:
    """Wait for a line of the test."""
    return sys.stdin.readline().strip()
