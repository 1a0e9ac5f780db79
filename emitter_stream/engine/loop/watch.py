"""A stream's body, read by its own event loop: the loop watches the socket, and no thread waits.

A thread (``opening``) connects and waits for the head of the answer; then it hands the source
over and goes on with another's, or ends. From there on everything happens in steps of the loop:

    delivery ----go_on----> wanted --(the socket is readable)--> a turn: reads what has come
        ^                                                             |
        +---------------------- arrive, one batch --------------------+

One turn reads once, and only if the delivery wants more: what is not wanted stays with the server. A
socket that is readable and not wanted is not watched until it is; where the delivery is as quick as
the server it is watched all the time, so that a delta costs no system call but the read and the loop's own.
What does not show at the socket (TLS, what came with the head, the end) is read in a turn that
the loop makes after those of others.

    who owns the source     from                    until
    the thread              start()                 it is open, and handed over to the loop
    the loop                the hand-over           the end, an error, an abort, the server's silence
    who finds the loop      the loop is closed
    closed (running.py)

Whoever takes it out of a list of one closes it. ``stop`` comes from any thread: it shuts the connection down at once,
the rest is done on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import weakref
from collections.abc import Iterable
from typing import Protocol

from ... import _fork
from ...exceptions import APIUserAbortError
from ...http.errors import late
from ...http.polled import WouldWait
from .. import shared
from ..codec import WireEvent
from . import running
from .inlet import Inlet

__all__ = ["Watch", "Watchable", "can_watch"]


class Watchable(shared.Polled, Protocol):
    """A source that never waits."""

    @property
    def linger(self) -> float:
        """For how many seconds the end of a body is waited for that has said all."""
        ...

    def read(self) -> Iterable[WireEvent] | None:
        """Return what has come, ``None`` at the end. Raises ``WouldWait`` where there is nothing."""
        ...

    def has_rest(self) -> bool:
        """Return whether the end of the body has come, if that is worth waiting for."""
        ...

    def let_go(self) -> None:
        """Close, without waiting for anything."""


class Watch:
    """Reads one stream on its loop. What is not marked as safe may only be called there."""

    _unclosed = False  # once it was taken out of the object

    def __init__(self, source: Watchable, inlet: Inlet) -> None:
        self.loop = inlet.loop
        self._inlet = inlet
        self._source = source
        self._descriptor = source.fileno()
        self._patience = source.patience
        self._generation = _fork.generation
        self._unclosed = True
        self._is_wanted = False  # whether the delivery waits for a batch
        self._is_watched = False  # whether the loop calls us when the socket is readable
        self._was_unwanted = False  # whether it called us in vain, since something was wanted last
        self._is_lingering = False  # all was said; only the end of the body is waited for
        self._heard_at = 0.0  # when something came last, or the wait for it began
        self._timer: asyncio.TimerHandle | None = None

    def hand_over(self) -> None:
        """Read on the loop from now on (safe); called once, by who owned the source.

        ``running`` knows of it by then.
        """
        try:
            self.loop.call_soon_threadsafe(self._begin)
        except RuntimeError:  # it is closed
            self.lose()

    def go_on(self) -> None:
        """Read once more."""
        if not self._unclosed or self._is_elsewhere():
            return
        self._is_wanted = True
        self._was_unwanted = False
        self._heard_at = self.loop.time()
        if self._source.has_more():
            self.loop.call_soon(self._turn)
        elif not self._is_watched:
            self._watch()

    def stop(self) -> None:
        """Close soon (safe); who waits in the source was woken."""
        with contextlib.suppress(RuntimeError):  # closed: who finds that calls lose()
            self.loop.call_soon_threadsafe(self._close, None)

    def lose(self) -> None:
        """Close: the loop is closed (safe)."""
        running.discard(self)
        if not self._is_elsewhere() and self._takes_out():
            with contextlib.suppress(Exception):
                self._source.let_go()

    def _begin(self) -> None:
        if not self._unclosed or self._is_elsewhere():
            return
        self._heard_at = self.loop.time()
        if self._patience is not None:
            self._timer = self.loop.call_later(self._patience, self._look)
        self._inlet.arrive(())

    def _watch(self) -> None:
        self._is_watched = True
        self.loop.add_reader(self._descriptor, self._readable)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self.loop.remove_reader(self._descriptor)

    def _readable(self) -> None:
        if self._is_wanted:
            self._turn()
        elif self._is_elsewhere():
            pass  # not ours to unwatch: the child of a fork shares what its parent's loop waits at
        elif self._is_lingering:
            self._source.has_rest()
            self._close(None)
        elif self._was_unwanted:
            self._unwatch()
        else:
            self._was_unwanted = True  # the delivery may be about to say that it wants more

    def _turn(self) -> None:
        """Read what has come, if that is wanted."""
        if not self._is_wanted or not self._unclosed or self._is_elsewhere():
            return
        error: BaseException | None = None
        try:
            events = self._source.read()
            if events is not None:
                self._is_wanted = False
                self._inlet.arrive(events)
                return
        except WouldWait:  # it was a part of what tells nothing alone
            self._heard_at = self.loop.time()
            if not self._is_watched:
                self._watch()
            return
        except (KeyboardInterrupt, SystemExit) as raised:  # something may be lost that was read
            error = APIUserAbortError()
            error.__cause__ = raised
            self._close(error)
            raise
        except BaseException as raised:  # noqa: BLE001 - the stream is told
            error = raised
        if error is not None or self._source.has_rest():
            self._close(error)
            return
        self._is_wanted, self._is_lingering = False, True
        self._stop_timer()
        self._timer = self.loop.call_later(self._source.linger, self._close, None)
        if not self._is_watched:
            self._watch()

    def _look(self) -> None:
        """See whether nothing came for too long."""
        assert self._patience is not None
        if self._is_elsewhere():
            return
        now = self.loop.time()
        late_at = self._heard_at + self._patience
        if not self._is_wanted:  # the time that a listener takes is no silence of the server
            late_at = now + self._patience
        elif late_at <= now:
            if not self._source.wait(0):
                self._close(late(self._patience))
                return
            # Something held the loop up, and it looked at clocks before sockets.
            self.loop.call_soon(self._turn)
            late_at = now + self._patience
        self._timer = self.loop.call_at(late_at, self._look)

    def _close(self, error: BaseException | None) -> None:
        """Close, and hand over what it ends in; again does nothing."""
        if self._is_elsewhere() or not self._takes_out():
            return
        self._is_wanted = False
        self._stop_timer()
        try:
            # Before the socket is closed or kept for another: its number may be that one's then.
            self._unwatch()
        finally:
            running.discard(self)
            try:
                self._source.let_go()
            except Exception as raised:  # noqa: BLE001
                error = raised if error is None else error
            self._inlet.source_closed(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _takes_out(self) -> bool:
        # One operation: two threads may be closing it.
        return bool(self.__dict__.pop("_unclosed", False))

    def _is_elsewhere(self) -> bool:
        return self._generation != _fork.generation


_able: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, bool] = weakref.WeakKeyDictionary()


def can_watch(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop calls back whenever a socket is readable, however many there are.

    Of asyncio's own that is known. uvloop never does when a connection was reset: the stream would stand still for ever.
    """
    if not isinstance(loop, asyncio.SelectorEventLoop):
        return False
    try:
        found = _able.get(loop)
        if found is None:
            found = _able[loop] = _tries_to_watch(loop)
    except TypeError:  # somebody's loop that cannot be referred to weakly
        found = _tries_to_watch(loop)
    return found


def _tries_to_watch(loop: asyncio.AbstractEventLoop) -> bool:
    # select() knows no descriptor beyond a thousand, and the loop would break at such a one.
    if isinstance(getattr(loop, "_selector", None), selectors.SelectSelector):
        return False
    try:
        ours, other = socket.socketpair()
    except OSError:
        return False
    with ours, other:
        try:
            loop.add_reader(ours.fileno(), _nothing)
            loop.remove_reader(ours.fileno())
        except Exception:  # noqa: BLE001 - a subclass may do as it likes
            return False
    return True


def _nothing() -> None:
    """Be a callback."""
