"""What moves a stream on: from its source through its core to the listeners.

The rules of delivery are in ``delivery``. Who drives is not known here: a thread of the stream that
never stops, or whoever waits, for as long as it waits.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ..abort import AbortController, AbortSignal
from ..exceptions import APIUserAbortError, OpenAIError, as_openai_error, redacted
from ..http.polled import WouldWait
from . import shared
from .codec import WireEvent
from .core import Core
from .delivery import Delivery
from .sources import Source

__all__ = ["Aborts", "Mover"]


class Mover:
    """Reads a source, feeds a core, has the listeners called. One thread at a time.

    ``open``, ``connect``, then ``move`` until there is no more, then ``end``. Between two events it
    can be left and taken up again, by another thread as well: where it stands is in here. A
    ``deadline`` is a time of ``time.monotonic()``.
    """

    def __init__(self, source: Source, core: Core, delivery: Delivery) -> None:
        self._source = source
        self._core = core
        self._delivery = delivery
        self._batch: Iterator[WireEvent] = iter(())  # what was read and not delivered yet
        self.is_connected = False

    @property
    def elsewhere(self) -> bool:
        """Whether this is a child, and the stream moves on in the process that made it."""
        return self._delivery.elsewhere

    def open(self, deadline: float | None = None) -> bool:
        """Wait until the source can be read; return whether that was before ``deadline``."""
        if self._delivery.stopping is not None:
            raise self._delivery.stopping
        if not self._is_ready(deadline):
            return False
        self._source.open()
        return True

    def connect(self) -> None:
        """Begin to deliver."""
        core, delivery = self._core, self._delivery
        self.is_connected = True
        delivery.begin()
        delivery.token.acquire()
        if not delivery.ended:
            if delivery.recorder is not None:
                self._source = delivery.recorder.tap(self._source, core)
            core.wanted, core.listened = delivery.wanted, delivery.emitter.ready
            delivery.emit("connect", ())
        delivery.release()

    def move(
        self, is_so: Callable[[], object] | None = None, deadline: float | None = None
    ) -> bool:
        """Read and deliver until the end, or until it is so after some event, or ``deadline``.

        Return whether there may be more. Raises what ends the stream: an ``OpenAIError``, or
        anything that came out of the source.
        """
        source, delivery = self._source, self._delivery
        enter, deliver, feed = delivery.in_context, delivery.deliver, self._core.feed
        delivery.token.acquire()  # let go while it reads
        while not delivery.attention or self._attend():
            if is_so is None:
                enter(deliver, itertools.starmap(feed, self._batch))
                if delivery.attention:
                    continue  # there may be more of it
            for event, data in self._batch:
                enter(deliver, [feed(event, data)])
                if delivery.attention and not self._attend():
                    return False
                if is_so is not None and (
                    is_so() or (deadline is not None and time.monotonic() >= deadline)
                ):
                    delivery.release()
                    return True
            if delivery.release():  # nothing might wake us in the read
                delivery.token.acquire()
                continue
            try:
                if deadline is not None and not self._is_ready(deadline):
                    return True
                events = source.read()
            except BaseException:
                delivery.token.acquire()
                raise
            delivery.token.acquire()
            if not self._takes(events):
                return False
        return False

    def poll(self) -> shared.Polled | None:
        """Let ``step`` move the stream on from now on; return what tells when there is something.

        ``None`` where the source can only be waited for.
        """
        poll = getattr(self._source, "poll", None)
        polled: shared.Polled | None = None if poll is None else poll()
        return polled

    def step(self) -> bool:
        """Deliver what has come, without waiting for more; return whether there may be more.

        Raises what ``move`` does.
        """
        delivery = self._delivery
        enter, deliver, feed = delivery.in_context, delivery.deliver, self._core.feed
        events: Iterable[WireEvent] | None = ()
        try:
            events = self._source.read()
        except WouldWait:
            pass
        except BaseException:
            self._take_token()
            raise
        # `_take_token` and `_takes` are called where there is more to do: this is done for each delta.
        if not delivery.token.acquire(False):
            self._take_token()
        if events is None or delivery.attention:
            if not self._takes(events):
                return False
        else:
            self._batch = iter(events)
        while True:
            enter(deliver, itertools.starmap(feed, self._batch))
            if delivery.attention:
                if not self._attend():
                    return False
                continue  # there may be more of it
            if not delivery.release():
                return True
            self._take_token()

    def end(
        self,
        error: OpenAIError | None,
        take: Callable[[BaseException], OpenAIError] = as_openai_error,
    ) -> None:
        """Close the source, make the last calls and let go of the token.

        ``take`` makes the stream's error of what comes out of closing.
        """
        delivery = self._delivery
        if delivery.elsewhere:
            return
        try:
            self._source.close()
        except BaseException as raised:  # noqa: BLE001 - nothing else would hear of it
            if error is None or not isinstance(raised, Exception):
                error = take(raised)
        # A core does not know what it must not show. What has a cause is no core's.
        if error is not None and error.__cause__ is None:
            error = redacted(error, self._source.redact)
        if not delivery.inside():
            delivery.begin()
            delivery.token.acquire()
            error = delivery.stopping or error  # aborted before anybody heard of the error
        elif isinstance(error, APIUserAbortError):
            error = delivery.stopping or error  # the one that knows the reason
        delivery.finish(error)
        delivery.release()

    def abandon(self, error: APIUserAbortError) -> None:
        """Close the source without a call to anybody."""
        with contextlib.suppress(Exception):
            self._source.close()
        if self._delivery.recorder is not None:
            with contextlib.suppress(Exception):
                self._delivery.recorder.finish(error)

    def _is_ready(self, deadline: float | None) -> bool:
        return deadline is None or self._source.ready(max(0.0, deadline - time.monotonic()))

    def _takes(self, events: Iterable[WireEvent] | None) -> bool:
        """Begin with what was read, or end with it (*token*); return whether there may be more."""
        delivery = self._delivery
        if delivery.attention and not self._attend():
            return False
        if events is None:
            delivery.in_context(delivery.deliver, [self._core.finish()])
            return False
        self._batch = iter(events)
        return True

    def _take_token(self) -> None:
        delivery = self._delivery
        if not delivery.token.acquire(False):
            shared.leave()  # a late listener is being given what it missed
            delivery.token.acquire()

    def _attend(self) -> bool:
        """See to what came up meanwhile; return whether to read on. Raises the abort."""
        delivery = self._delivery
        delivery.attend()
        self._core.wanted = delivery.wanted
        if delivery.ended or delivery.elsewhere:
            return False
        if delivery.stopping is not None:
            raise delivery.stopping
        return True


class Stoppable(Protocol):
    """The delivery of a stream, as far as an abort has to do with it."""

    def stop(self, error: APIUserAbortError) -> None:
        """Abort."""


class Aborts:
    """The switches that abort a stream: its own controller, and a signal that it was given.

    A signal may live on long after the stream, so it must not know who moves that. The controller is
    made when it is asked for: most streams are never aborted, and it would be five objects of each.
    """

    def __init__(self, delivery: Stoppable, signal: AbortSignal | None) -> None:
        self._delivery = delivery
        self._signal = signal
        self._is_removed = False
        if signal is not None:
            signal.add_callback(self._forward)

    @property
    def controller(self) -> AbortController:
        """The stream's own."""
        if "_controller" not in self.__dict__:
            made = AbortController()
            if not self._is_removed:
                made.signal.add_callback(self._stop)
            # One operation: another thread, or the handler of an operating system signal, may be
            # asking for it as well.
            self.__dict__.setdefault("_controller", made)
        found: AbortController = self.__dict__["_controller"]
        return found

    def remove(self) -> None:
        """Be told of no abort any more; twice is once."""
        self._is_removed = True
        if "_controller" in self.__dict__:
            self.controller.signal.remove_callback(self._stop)
        if self._signal is not None:
            self._signal.remove_callback(self._forward)

    def _forward(self) -> None:
        assert self._signal is not None
        self.controller.abort(self._signal.reason)

    def _stop(self) -> None:
        error = APIUserAbortError()
        reason = self.controller.signal.reason
        if isinstance(reason, BaseException):
            error.__cause__ = reason
        self._delivery.stop(error)
