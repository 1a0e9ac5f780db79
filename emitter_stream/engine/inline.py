"""Streams that are moved on by whoever waits for them, on its own thread and in its own context.

Nothing is delivered unless somebody waits or iterates. One thread at a time is *at the wheel*: it
reads, feeds the core and calls the listeners. Others wait until what they wait for is so, or until
the wheel is free.

    who waits               for what                            who wakes it
    at the wheel            the source, or its opening          the source; abort, by interrupt
    wait_until(), others    it is so, the end, the wheel        notify, leaving the wheel, stop
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from threading import get_ident

from .. import _open_streams
from ..exceptions import APIUserAbortError, OpenAIError, as_openai_error
from . import shared
from .delivery import Delivery
from .mover import Aborts, Mover
from .policy import INSIDE

__all__ = ["InlineDriver", "never"]


class InlineDriver:
    """Drives one stream, from within the waits for it.

    The stream and its iterators hold it, and it is held by nothing else: once they are gone nobody
    can wait any more, and the request is closed.
    """

    thread = None  # that moves it on

    def __init__(self, mover: Mover, delivery: Delivery, aborts: Aborts) -> None:
        self._mover = mover
        self.delivery = delivery
        self._aborts = aborts
        # Id of the thread; taken under the delivery's lock.
        self._at_wheel: int | None = None
        self._has_begun = False
        self._others = 0  # threads that wait for the wheel
        self._has_read_all = False
        self._error: OpenAIError | None = None  # that it ended in, once all has been read
        self.origin: tuple[str, int] | None = None  # that it reads from, once that is known
        _open_drivers.add(self)
        _open_streams.add(self)

    def wait_until(self, is_so: Callable[[], object], timeout: float | None) -> bool:
        """Move the stream on until ``is_so()`` or the end; return whether that came in time.

        The time is looked at after each event's calls, and limits each wait for the server.
        Raises what a listener raised in a call that was made from here.
        """
        delivery = self.delivery
        if delivery.elsewhere:
            return bool(is_so()) or delivery.settled()
        me = get_ident()
        if self._at_wheel == me or delivery.inside():
            raise RuntimeError(INSIDE)
        shared.leave_for_stream()  # in a listener of another one
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._has_begun:
            delivery.go()
            self._has_begun = True
        in_time = True
        while not (is_so() or (delivery.finished and delivery.settled())):
            if not in_time:
                return False
            # An exception may come at any moment, out of a signal's handler. So the wheel is left
            # also where it was just about to be taken, and the token with it.
            try:
                with delivery.lock:
                    if self._at_wheel is None:
                        self._at_wheel = me
                if self._at_wheel == me:
                    self._drive(is_so, deadline)
                else:
                    self._let_drive(is_so, deadline)
            except BaseException:
                if delivery.inside():
                    delivery.release()
                raise
            finally:
                if self._at_wheel == me:
                    self._at_wheel = None
                    self.wake_others()
            if self._mover.elsewhere:  # forked by a listener, which has returned
                return bool(is_so()) or delivery.settled()
            in_time = deadline is None or time.monotonic() < deadline
        return True

    def settled(self) -> bool:
        """Return whether the stream has ended and every listener has been given everything."""
        return self.delivery.settled()

    def leave(self) -> None:
        """Abort what is left, with the calls that follow of it, and raise no error."""
        if self.delivery.elsewhere:
            return
        self._aborts.controller.abort()
        try:
            self.wait_until(never, None)
        except Exception as error:  # noqa: BLE001 - of a listener of the last calls
            shared.report(error)

    def close(self) -> None:
        """Abort what is left of a stream that nobody will wait for; nobody is called."""
        if self.delivery.elsewhere or self.delivery.settled():
            return
        error = APIUserAbortError()
        self._aborts.remove()
        self.delivery.stop(error)
        if self._at_wheel is None:
            self._mover.abandon(error)

    def wind_up(self) -> None:
        """Abort: it moves only when somebody waits, and will be told then."""
        self._aborts.controller.abort()

    def wait_over(self, seconds: float) -> bool:
        """Return whether it is over or aborted."""
        return self.delivery.elsewhere or self.delivery.stopping is not None or self.settled()

    def __del__(self) -> None:
        self.close()

    def wake_others(self) -> None:
        """Let threads that wait for the wheel look whether what they wait for is so."""
        if self._others:
            self.delivery.notify()

    def _drive(self, is_so: Callable[[], object], deadline: float | None) -> None:
        """Move on; at the end make the last calls (at the wheel)."""
        mover = self._mover
        if not self._has_read_all:
            try:
                if not mover.is_connected:
                    if not mover.open(deadline):
                        return
                    mover.connect()
                    if is_so():
                        return
                if mover.move(None if is_so is never and deadline is None else is_so, deadline):
                    return
            except BaseException as error:
                if self.delivery.elsewhere:  # it is the child's own, of whatever it forked for
                    raise
                self._take_error(error)  # passed on when all is told
            self._has_read_all = True
        mover.end(self._error, self._take_error)
        self._aborts.remove()
        self._pass_on()

    def _take_error(self, raised: BaseException) -> OpenAIError:
        delivery = self.delivery
        own = raised if delivery.raised is None else delivery.raised  # a listener's came wrapped
        if isinstance(own, Exception):
            error = as_openai_error(raised)
            delivery.passing = None if own is error else own
        else:
            self._aborts.controller.abort(own)
            error = delivery.stopping or as_openai_error(raised)
            delivery.passing = own
        self._error = error
        return error

    def _pass_on(self) -> None:
        """Raise what leaves the wait as it is: a listener's exception, Ctrl-C."""
        passing = self.delivery.take_passing()
        if passing is not None:
            raise passing

    def _let_drive(self, is_so: Callable[[], object], deadline: float | None) -> None:
        """Wait while another thread is at the wheel."""
        delivery = self.delivery
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        with delivery.lock:
            self._others += 1
        try:
            delivery.watch(
                lambda: (
                    self._at_wheel is None
                    or delivery.stopping is not None
                    or is_so()
                    or delivery.settled()
                ),
                seconds,
            )
        finally:
            with delivery.lock:
                self._others -= 1
        if delivery.stopping is None or delivery.settled():
            return
        # The other may sit where nothing wakes it, in somebody's iterable: it reads without the
        # token. Where it calls a listener, that is waited for.
        if delivery.token.acquire(
            True, -1 if seconds is None else min(seconds, threading.TIMEOUT_MAX)
        ):
            is_over = delivery.finished
            try:
                delivery.finish(delivery.stopping)
            finally:
                delivery.release()
            if not is_over:  # else it is the other's to pass on
                self._pass_on()


def never() -> bool:
    """Return ``False``: wait for the end."""
    return False


_open_drivers: weakref.WeakSet[InlineDriver] = weakref.WeakSet()


def _close_all() -> None:
    """Abort what nobody waits for at the end of the program.

    The program's own threads have ended by now, but for daemons.
    """
    with contextlib.suppress(RuntimeError):  # a daemon thread has just made a stream
        for driver in list(_open_drivers):
            driver.close()


atexit.register(_close_all)
