"""When listeners are called, on threads: what keeps the rules of ``policy`` there.

One *delivery token* a stream says who may call listeners. The reader holds it except while it
reads, so nobody else can come between two events; when it does not (it sits in a read, or the
stream has ended), a short-lived thread takes it for what cannot wait: a late listener, an abort.

Nobody calls a listener while holding the lock, and nobody waits with it: who waits does so at a
bell, which is rung after a change.

    who waits             for what                                  who wakes it
    the reader, begin()   a listener's tick, or go()                attach, go, stop
    the reader, attend()  room in an iterator's buffer              next(), a waiting method, stop
    wait_until()          an event, or the end with all delivered   push, finish, release
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import threading
import time
import warnings
from collections.abc import Callable, Container
from typing import Any

from .. import _open_streams
from .._bell import Bell
from ..exceptions import APIUserAbortError, LateListenerWarning, OpenAIError
from . import program_end, shared
from .emitter import Emitter, Registration
from .policy import INSIDE, Ahead, Policy
from .sources import Source

__all__ = ["Delivery"]

TICK = 0.020  # seconds between the last listener of a chain and the first delivery


class Delivery(Policy):
    """The driver of one stream's rules, for threads.

    ``source`` is told to end a read that the reader sits in. Methods marked *token* may only be called by
    who holds the token.
    """

    thread: program_end.Threadlike | None = None  # that moves the stream on, if one does
    origin: tuple[str, int] | None = None  # that it reads from; inline the driver tells

    def __init__(
        self,
        emitter: Emitter,
        owner: object,
        everything: Container[str],
        aliases: Container[str],
        source: Source,
        *,
        inline: bool = False,
    ) -> None:
        super().__init__(emitter, owner, everything, aliases, keeps=True, inline=inline)
        self._source = source
        self.made_at = time.monotonic()
        self._changed = Bell()
        # It knows by itself whose it is: an exception out of a signal's handler may come right after
        # it was taken, before anything could be noted. Nobody takes it twice.
        self.token = threading.RLock()
        # Calls what calls listeners: inline as it is, else in one copy of its maker's context, which
        # they share. Only one thread at a time can be in a context; the token sees to that (*token*).
        self.in_context: Callable[..., Any] = (
            _directly if inline else contextvars.copy_context().run
        )
        if program_end.coming.raised:
            self.is_winding_up = True
        _open_streams.add(self)

    # For the user's side: any thread

    def attach(self, registration: Registration, stacklevel: int = 3) -> None:
        """Attach a listener, with what it missed if it is late and the user has not said go."""
        if self.elsewhere:
            return
        if not self.begun:
            self.tick_end = time.monotonic() + TICK
        unkept = self.admit(registration, inside=self.inside())
        self._changed.ring()
        if unkept is not None:
            self._serve_soon()
        if unkept:
            warnings.warn(
                f"the listener for {registration.event!r} was attached after {unkept} of these "
                f"events had gone by that are no longer kept; attach it before the stream is "
                f"under way",
                LateListenerWarning,
                stacklevel=stacklevel,
            )

    def go(self) -> None:
        """Begin to deliver; from now on a listener hears what comes after it."""
        if self.elsewhere:
            return
        self.say_go()
        self._changed.ring()

    def still(self) -> contextlib.AbstractContextManager[object]:
        """Return a context in which delivery does not begin, so that several steps count as one."""
        return self.lock

    def begin_anew(self) -> None:
        super().begin_anew()
        self.token = threading.RLock()

    def keeps_all(self) -> bool:
        return super().keeps_all() and not (self.begun and self.inside())

    def stop(self, error: APIUserAbortError) -> None:
        """Abort. The first call counts; one that was broken off is completed by the next."""
        if self.elsewhere or not self.ask_stop(error):
            return
        self._changed.ring()
        self._source.interrupt()
        # The reader may sit where nothing wakes it: in a connect, in somebody's iterable.
        self._serve_soon()

    def inside(self) -> bool:
        """Return whether this thread is the one that calls the listeners."""
        return self.token._is_owned()  # type: ignore[attr-defined,no-any-return]

    def refuse_inside(self) -> None:
        """Raise ``RuntimeError`` in a listener of this stream, and in a function that it calls."""
        if self.inside():
            raise RuntimeError(INSIDE)
        self.refuse_worker()

    def wait_until(self, is_so: Callable[[], object], timeout: float | None) -> bool:
        """Say go and wait until ``is_so()`` or the end; return whether that came in time."""
        if self.elsewhere:
            return bool(is_so() or self.settled())
        self.refuse_inside()
        shared.leave_for_stream()  # in a listener of another one
        waiter = object()
        try:
            self.begin_waiting(waiter)
            self.go()  # and a waiter lifts the bound of the buffers
            if self.has_late():
                self._serve_soon()  # of whom an exception in attach() may have told nobody
            return self._changed.wait_for(lambda: is_so() or self.settled(), timeout)
        finally:
            self.stop_waiting(waiter)

    def watch(self, is_so: Callable[[], object], seconds: float | None) -> None:
        """Wait until ``is_so()``, so many seconds at most, looking at each ``notify``."""
        self._changed.wait_for(is_so, seconds)

    def notify(self) -> None:
        """Wake everybody who waits, to look again."""
        self._changed.ring()

    def close_buffer(self, buffer: Ahead) -> None:
        """Forget a buffer; twice is once."""
        self.forget_buffer(buffer)
        self._changed.ring()

    def wind_up(self) -> None:
        """Run to the end by itself, though nobody listens or takes what an iterator holds."""
        if not self.is_winding_up:
            self.is_winding_up = True
            self._changed.ring()

    def wait_over(self, seconds: float) -> bool:
        """Wait until the stream is settled or can never be; return whether it came to that."""
        if not program_end.runs(self) or self.inside():
            return True
        return self._changed.wait_for(self.settled, seconds)

    def wait_settled(self, seconds: float) -> None:
        """Wait until the stream has ended and every listener has been given everything."""
        self._changed.wait_for(self.settled, seconds)

    def report(self, error: BaseException) -> None:
        self.in_context(shared.report, error)

    # For the reader

    def release(self) -> bool:
        """Give the token back (*token*), and do what others who found it taken have left to us.

        Return whether there is something to attend to before a read.
        """
        try:
            self.token.release()
        except RuntimeError:
            if self.elsewhere:  # forked by a listener: the token that is here now is nobody's
                return True
            raise
        if not self.attention:
            return False
        self._serve()
        return True

    def begin(self) -> None:
        """Wait until there is a listener whose tick is over, or go, or stop."""
        while not self.begin_if_due(time.monotonic()):
            due = self.begins_at()
            wait = None if due == math.inf else max(0.0, due - time.monotonic())
            self._changed.wait_for(functools.partial(self._begins_elsewhen, due), wait)

    def emit(self, name: str, args: tuple[Any, ...]) -> None:
        """Call the listeners of one event, in their context (*token*). Raises what ``deliver`` does."""
        self.in_context(self.deliver_one, name, args)

    def attend(self) -> None:
        """Do what is to be done between two events: late listeners, full buffers (*token*).

        Afterwards the stream may have ended: a late listener may have raised.
        """
        self._serve_late()
        while not self.gap():
            shared.leave()
            self._changed.wait_for(lambda: self.has_late() or not self.is_held_back())
            self._serve_late()

    def finish(self, error: OpenAIError | None) -> None:
        """End the stream: ``error`` or ``abort`` if there is one, then ``end`` (*token*).

        The first call counts. A further one goes on where an exception has ended this: inline, a
        handler of an operating system signal may raise at any moment.
        """
        last = self.close(error)
        while last:
            name, args = last[0]
            self.tell(name)
            try:
                self.emit(name, args)
            except OpenAIError as raised:
                self.raised_last(raised)
            del last[0]  # before anything at which a handler could raise: the listeners were called
        self.over()
        self._changed.ring()

    # Inside

    def _begins_elsewhen(self, due: float) -> bool:
        return self.begins_at() != due

    def _serve_late(self) -> None:
        """Give late listeners what they missed (*token*)."""
        while (failure := self.serve_late(self.in_context)) is not None:
            self.finish(failure)
            self._source.interrupt()

    def _serve_soon(self) -> None:
        """See to it that late listeners and an abort are served, whoever holds the token."""
        if self.inline:
            return  # whoever waits next does
        if self.inside():
            return  # we look after them before we let go, or at the next event
        thread = threading.Thread(target=self._serve, name="emitter-stream-serve", daemon=False)
        try:
            thread.start()
        except RuntimeError:  # no thread starts any more once the interpreter is shutting down
            if self.stopping is not None and program_end.is_waiting_here():
                self._serve()  # there is no thread left but the one that ends the program
                return
            if self.drop_late():  # waiters wait for it
                warnings.warn(
                    "a listener was attached after the stream and the main thread had ended, when "
                    "no thread can be started any more to give it what it missed",
                    LateListenerWarning,
                    stacklevel=2,
                )

    def _serve(self) -> None:
        """Do what cannot wait, unless somebody holds the token: that one will."""
        while self._is_due() and self.token.acquire(False):
            try:
                self._serve_late()
                if self.stopping is not None and not self.inline and not self.elsewhere:
                    self.finish(self.stopping)
            finally:
                if self.inside():  # not in a child that a listener forked
                    self.token.release()
        if self.finished:
            self.notify()

    def _is_due(self) -> bool:
        if self.elsewhere:
            return False
        stops = self.stopping is not None and not self.finished and not self.inline
        return stops or self.has_late()


def _directly(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function where its caller is, inline."""
    return function(*args)
