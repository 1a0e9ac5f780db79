"""How a program ends that has streams: which of them it waits for, and when it does not.

A program that runs to its end waits for its streams, as one in Node does. One that an exception
has ended, or Ctrl-C, aborts them and waits only for listeners that are running. The interpreter's
own wait for threads knows no such difference, and cannot leave a thread that sits where nothing
wakes it (in a connect, in somebody's iterable); so it is told that the streams' threads are daemons,
and the wait is made here.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - so that what it registers below comes after ours
import contextlib
import functools
import opcode
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from .. import _fork, _open_streams
from .._bell import Flag
from ..exceptions import APIUserAbortError

__all__ = ["Held", "StreamThread", "Threadlike", "coming", "is_waiting_here", "runs"]

GRACE = 0.1  # seconds for aborted streams to close what they read, where nothing may wake them


class Threadlike(Protocol):
    """What moves a stream on: a thread, or those that move many on together."""

    @property
    def ident(self) -> int | None:
        """``None`` before it is started."""
        ...

    def is_alive(self) -> bool: ...

    def join(self, timeout: float | None = None) -> None: ...


class Held(Protocol):
    """A stream that a program's end has to do with."""

    thread: Threadlike | None
    """What moves it on, from before that starts; ``None`` if nothing does."""

    @property
    def elsewhere(self) -> bool:
        """Whether it lives on in another process."""
        ...

    def settled(self) -> bool:
        """Return whether it has ended and every listener has been called."""
        ...

    def wait_settled(self, seconds: float) -> None:
        """Wait until that is so, so many seconds at most."""

    def wind_up(self) -> None:
        """Run to the end by itself, though nobody listens or takes what an iterator holds."""

    def stop(self, error: APIUserAbortError) -> None:
        """Abort."""


coming = Flag()
"""Set once the main thread has ended: nobody is left to attach a listener."""

_waited = False  # whether the wait for streams is over
# Whether Ctrl-C has ended it: Python 3.15 comes back to the threads that are left.
_left = False


class StreamThread(threading.Thread):
    """The thread of a stream: a daemon to the interpreter, and to nobody else.

    Who asks, and the threads that a listener starts, which inherit it, see none.
    """

    def __init__(self, run: Callable[[], object], name: str) -> None:
        try:
            super().__init__(target=run, name=name, daemon=not _waited)
        except RuntimeError:  # an interpreter in the interpreter may have none
            super().__init__(target=run, name=name, daemon=False)

    def start(self) -> None:
        super().start()
        self._daemonic = False

    def run(self) -> None:
        self._daemonic = False
        super().run()


def is_waiting_here() -> bool:
    """Return whether this is the thread that ends the program."""
    return coming.is_set() and threading.current_thread() is threading.main_thread()


def _at_exit() -> None:
    """See to it that the streams are waited for, when the main thread has just ended.

    A thread waits, and the interpreter for that, so that who waits for the main thread sees its end.
    """
    sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)  # Ctrl-C from here on
    aborting = _ended_by_exception()
    if aborting:  # before anybody hears of the end: no event is to come between
        _abort([one for one in _held() if runs(one)])
    coming.set()
    if not any(map(runs, _held())):
        return
    waiting = threading.Thread(
        target=_wait, args=(aborting,), name="emitter-stream-end", daemon=False
    )
    try:
        waiting.start()
    except RuntimeError:  # early releases of Python 3.12 start none by now
        _wait(aborting)


def _unraisable(report: Callable[[Any], object], raised: Any) -> None:
    """Hear of Ctrl-C while the interpreter waits for threads: nothing else does.

    It would go on without a word to them, and with a status that tells nothing.
    """
    at_end = issubclass(raised.exc_type, KeyboardInterrupt | SystemExit) and is_waiting_here()
    if not at_end or not any(map(runs, _held())):
        report(raised)
    elif issubclass(raised.exc_type, KeyboardInterrupt):
        _interrupted()
    else:  # of the handler of another signal
        _wait(aborting=True)
        report(raised)


def _interrupted() -> None:
    """Abort, and let the interpreter end by the signal, as it does after any Ctrl-C."""
    global _left
    with contextlib.suppress(KeyboardInterrupt):  # again: not even for a running listener
        _wait(aborting=True)
    _left = True
    # Python clears `sys` after the program's modules, whose files are written out by then, and
    # after it has put the signals' handlers back. That it was Ctrl-C it notes for itself where no
    # program comes, from 3.14 on.
    sys.emitter_stream_end = _EndsBySignal()  # type: ignore[attr-defined]


class _EndsBySignal:
    """Ends the process as Ctrl-C does, when it is cleared."""

    def __del__(
        self,  # what it needs is held here: the modules are gone
        kill: Callable[[int, int], None] = os.kill,
        process: Callable[[], int] = os.getpid,
        number: int = signal.SIGINT,
    ) -> None:
        kill(process(), number)


def _wait(aborting: bool) -> None:
    """Wait for the streams, those too that are made meanwhile; abort them first, or let them run."""
    global _waited
    threads = []
    while True:
        # Set before the look: a stream made at this moment is seen here, or its thread is no daemon.
        _waited = True
        running = [one for one in _held() if runs(one)]
        if not running:
            break
        _waited = False
        if _left:
            break
        if aborting:
            threads += [one.thread for one in running]
            _abort(running)
        else:
            for one in running:
                one.wind_up()
        running[0].wait_settled(1.0)  # and look again: a thread may have died of whatever
    limit = time.monotonic() + GRACE
    for thread in threads:
        assert thread is not None
        thread.join(max(0.0, limit - time.monotonic()))


def _abort(streams: list[Held]) -> None:
    for one in streams:
        one.stop(APIUserAbortError("The program was ended."))


def _begin_anew() -> None:
    """Be at no end, in a child."""
    global _waited, _left
    _waited, _left = False, False


def runs(one: Held) -> bool:
    """Return whether a stream has not come to its end and something moves it there."""
    thread = one.thread
    if thread is None or one.elsewhere or one.settled():
        return False
    return thread.ident is None or thread.is_alive()  # it is about to start, or has


def _held() -> list[Held]:
    """Return the streams that something moves on."""
    streams: list[Any] = _open_streams.everyone()
    return [one for one in streams if one.thread is not None]


def _ended_by_exception() -> bool:
    """Return whether an exception that nobody caught has ended the main program.

    The interpreter has reported it by now, and keeps it in ``sys``. So does a prompt with each of
    its errors, and goes on; and so do pytest and notebooks with what they caught in frames of
    their own. Where the interpreter itself caught it there is no frame below, and the program's
    own did not come to return.
    """
    traceback = getattr(sys, "last_traceback", None)
    if traceback is None or hasattr(sys, "ps1"):
        return False
    frame = traceback.tb_frame
    last = opcode.opname[frame.f_code.co_code[frame.f_lasti]]
    # `-m`, a folder and an archive are run by the module runpy.
    is_program = frame.f_back is None and frame.f_globals.get("__name__") in ("__main__", "runpy")
    return is_program and not last.startswith("RETURN")


_fork.renew(_begin_anew)

# Called before the interpreter waits for its threads; atexit's own functions come after that, too
# late for a thread that waits for a listener. The last one registered is called first: an executor,
# which waits for its own threads there, may have one that waits for a stream.
with contextlib.suppress(RuntimeError):  # imported when that has been
    threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
