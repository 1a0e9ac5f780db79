"""The stream that users of asyncio hold: listeners, waits, iterators, on one event loop.

As in ``engine.stream``, nothing in here knows what the events mean.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from ..._not_given import NOT_GIVEN, NotGiven
from ...abort import AbortController, AbortSignal
from ...exceptions import APIUserAbortError, OpenAIError
from ..core import Core
from ..emitter import Emitter
from ..stream import OWN_ERRORS, AnyStream, as_passed, events_of
from .delivery import LoopDelivery
from .iterator import AsyncEventIterator
from .reader import Reader

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncEventStream"]

_T = TypeVar("_T")


class AsyncEventStream(AnyStream[LoopDelivery]):
    """A live stream on an event loop: ``EventStream``, for asyncio.

    Listeners run on the loop in any case. With ``inline=True``, further, no event is delivered unless
    somebody waits or iterates: an iteration never runs ahead. An exception of a listener leaves the
    wait as it is; one that is no ``Exception`` aborts. The listeners' context is a copy of the one
    that the stream was made in.
    """

    def __init__(
        self,
        reader: Reader,
        core: Core,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                f"an {type(self).__name__} is made on a running event loop: in an `async def`"
            ) from None
        self._core = core
        self._reader = reader
        self._emitter = Emitter(
            events_of(type(core)), open_prefix=core.open_prefix, coroutines=True
        )
        self._delivery = LoopDelivery(reader, core, self._emitter, signal, inline=inline)

    @property
    def controller(self) -> AbortController:
        """What aborts the stream, with a reason if there is one. Node: ``controller``."""
        return self._delivery.aborts.controller

    # Listeners

    # Each subclass declares them to type checkers, with the events that it has.
    if not TYPE_CHECKING:

        def on(self, event: str, listener: Callable[..., object] | NotGiven = NOT_GIVEN) -> Any:
            """Call ``listener``, plain or ``async def``, at each ``event``; return the stream.

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that
            returns the function. Raises ``ValueError`` for a name that is never emitted,
            ``TypeError`` for a listener that needs more than the event passes. Node: ``on``.
            """
            return self._attach(event, listener, once=False)

        def once(self, event: str, listener: Callable[..., object] | NotGiven = NOT_GIVEN) -> Any:
            """Call ``listener`` at the next ``event`` only; else like ``on``. Node: ``once``."""
            return self._attach(event, listener, once=True)

    def off(self, event: str, listener: Callable[..., object]) -> Self:
        """Take one registration of ``listener`` away, the oldest first; return the stream.

        An unknown one is no error. Node: ``off``.
        """
        registration = self._emitter.find(event, listener)
        if registration is not None:
            self._emitter.detach(registration)
        return self

    def _attach(self, event: str, listener: Callable[..., object] | NotGiven, *, once: bool) -> Any:
        if isinstance(listener, NotGiven):
            self._emitter.check(event)

            def decorate(function: Callable[..., object]) -> Callable[..., object]:
                self._attach(event, function, once=once)
                return function

            return decorate
        self._delivery.attach(self._emitter.register(event, listener, once=once))
        return self

    # Going, waiting, ending

    def start(self) -> Self:
        """Begin to deliver even if nobody listens; return the stream. There is seldom a need."""
        self._delivery.go()
        return self

    def abort(self) -> None:
        """End the request: ``abort``, then ``end``; waiting methods raise ``APIUserAbortError``.

        From any thread, task or listener; again does nothing. A coroutine listener that is under
        way is not cancelled: ``abort`` comes when it is done. Node: ``abort``.
        """
        self.controller.abort()

    async def done(self, timeout: float | None = None) -> None:
        """Wait until the stream has ended and every listener is done.

        Raises the stream's error; ``TimeoutError`` after ``timeout`` seconds, which leaves the
        stream running; ``RuntimeError`` in a listener of this stream. A cancelled task aborts the
        request; so does one that an ``asyncio.timeout`` around this cancels. Node: ``done``.
        """
        self._delivery.check_outside()
        try:
            in_time = await self._delivery.wait_until(_never, timeout)
        except asyncio.CancelledError:
            self.abort()
            raise
        if not in_time:
            raise TimeoutError(f"the stream was still running after {timeout} seconds")
        failure = self._delivery.failure()
        if failure is not None:
            raise failure

    async def until_done(self, timeout: float | None = None) -> None:
        """Do what ``done`` does, by the official Python SDK's name for it."""
        await self.done(timeout)

    def emitted(self, event: str, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Wait for the next ``event`` from now on; return its argument, or a tuple of several.

        Raises the stream's error if that comes instead (``"error"`` returns it), an
        ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError`` after
        ``timeout`` seconds. Cancelling it does not abort, so that several can race. Node:
        ``emitted``.
        """
        heard: list[tuple[Any, ...]] = []

        def hear(*args: Any) -> None:
            heard.append(args)
            self._delivery.notify()

        self._delivery.refuse_elsewhere()
        registration = self._emitter.register(event, hear, once=True)
        self._delivery.attach(registration)

        async def wait() -> Any:
            try:
                self._delivery.check_outside()
                in_time = await self._delivery.wait_until(lambda: heard, timeout)
            finally:
                self._emitter.detach(registration)
            if heard:
                args = heard[0]
                return args[0] if len(args) == 1 else args or None
            if not in_time:
                raise TimeoutError(f"{event!r} had not come after {timeout} seconds")
            failure = self._delivery.failure()
            if failure is None:
                failure = OpenAIError(f"The stream ended without the event {event!r}.")
            raise failure

        return wait()

    def events(self, event: str) -> AsyncEventIterator[tuple[Any, ...]]:
        """Return an iterator over the arguments of each ``event``, always as a tuple.

        It listens from now on. A slow consumer holds the reader back and loses nothing. At the
        end of the stream it raises the stream's error, except that ``"error"`` and ``"abort"``
        yield theirs. Leaving it early only detaches it. Node: ``events``.
        """
        quiet = OWN_ERRORS.get(event)
        return AsyncEventIterator(self._delivery, event, as_passed, self.abort, quiet=quiet)

    def __await__(self) -> Generator[Any, Any, Self]:
        """Return the stream at once: ``await client...stream(...)``, as the official SDK has it."""
        return _itself(self).__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; abort if an exception left the block.

        In a child of the process that made the stream it does nothing.
        """
        if self._delivery.elsewhere:
            return
        if kind is not None:
            self.abort()
            return
        with contextlib.suppress(APIUserAbortError):
            await self.done()

    async def leave(self) -> None:
        """Abort what is left and wait for the calls that follow of it, without error."""
        self.abort()
        await self._delivery.wait_until(_never)
        self._delivery.failure()


async def _itself(thing: _T) -> _T:
    """Return ``thing`` without yielding to the loop, so that a chain after it misses nothing."""
    return thing


def _never() -> bool:
    return False
