"""The stream that users hold: listeners, waits, iterators, over one background thread.

Nothing in here knows what the events mean: a core does (streams/), and a subclass names them.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._fork import LeftBehind
from .._names import PythonNames
from .._not_given import NOT_GIVEN, NotGiven
from ..abort import AbortController, AbortSignal
from ..exceptions import APIUserAbortError, OpenAIError, as_openai_error
from ..types._model import untouched
from . import opening, shared
from .ahead import OpenedAhead
from .core import Core
from .delivery import Delivery
from .emitter import Emitter
from .inline import InlineDriver, never
from .iterator import Buffer, EventIterator, InlineBuffer
from .mover import Aborts, Mover
from .policy import Policy
from .program_end import Threadlike
from .sources import Source, origin_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["OWN_ERRORS", "AnyStream", "EventIterator", "EventStream", "as_passed", "events_of"]

_T = TypeVar("_T")
_D = TypeVar("_D", bound=Policy)

BASE_EVENTS: Mapping[str, int] = {"connect": 0, "error": 1, "abort": 1, "end": 0}
"""What every stream emits, with the number of arguments."""

OWN_ERRORS = {"error": OpenAIError, "abort": APIUserAbortError}
"""What an iterator over these events does not raise at the end, since it yields it."""


@functools.cache  # one dict a kind of stream, and not a stream
def events_of(core: type[Core]) -> Mapping[str, int]:
    """Return what a stream of such a core emits, with the number of arguments."""
    kind: Any = core  # of a property of a protocol a checker does not know that a class has it
    return {**BASE_EVENTS, **kind.events}


class AnyStream(PythonNames, Generic[_D]):
    """What streams of threads and of asyncio say of themselves."""

    _delivery: _D

    @property
    def ended(self) -> bool:
        """Whether the stream is over. Node: ``ended``."""
        return self._delivery.ended

    @property
    def errored(self) -> bool:
        """Whether an error or an abort ended the stream. Node: ``errored``."""
        return self._delivery.error is not None

    @property
    def aborted(self) -> bool:
        """Whether an abort ended the stream. Node: ``aborted``."""
        return isinstance(self._delivery.error, APIUserAbortError)

    @property
    def was_told(self) -> bool:
        """Whether a wait or an iteration has raised what ended the stream."""
        return self._delivery.told

    def __repr__(self) -> str:
        state = "aborted" if self.aborted else "errored" if self.errored else "ended"
        return f"<{type(self).__name__} {state if self.ended else 'running'}>"

    def __del__(self) -> None:
        # Nobody can attach a listener any more, so there is no reason to wait for one. (Inline, what
        # becomes of it is up to the driver, which iterators may still have.)
        delivery = getattr(self, "_delivery", None)
        if delivery is not None:
            delivery.go()


class EventStream(AnyStream[Delivery]):
    """A live stream with chainable listeners, as the Node SDK's ``EventStream``.

    Subclasses name their events and their core. The background thread starts with the object; it
    does not hold the object, so that a stream nobody can listen to any more runs on by itself.

    With ``inline=True`` there is none. The request is sent at once all the same, on a short-lived
    thread that waits for the headers and calls nobody; what goes wrong with it is raised by the
    first wait. Nothing is delivered unless somebody waits or iterates, and that thread then reads
    the answer and calls the listeners, in its own context. ``timeout`` of a wait is looked at
    between events, and limits each wait for the server. An exception of a listener leaves the wait
    as it is, ``error`` still gets the ``OpenAIError``; one that is no ``Exception`` aborts. What is
    left when the stream and its iterators are dropped, or the program ends, is aborted.
    """

    def __init__(
        self,
        source: Source,
        core: Core,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        everything = events_of(type(core))
        origin = origin_of(source)
        if inline and not source.opens_at_once:
            source = OpenedAhead(source)
        self._core = core
        self._source = source
        self._emitter = Emitter(
            everything,
            open_prefix=core.open_prefix,
            hint="; those of emitter_stream.aio.AsyncOpenAI can",
        )
        delivery = self._delivery = Delivery(
            self._emitter, core, everything, core.aliases, source, inline=inline
        )
        aborts = self._aborts = Aborts(delivery, signal)
        self._waits: Delivery | InlineDriver = delivery  # who is asked to wait
        if inline:
            self._waits = InlineDriver(Mover(source, core, delivery), delivery, aborts)
            self._waits.origin = origin
            return
        delivery.origin = origin
        try:
            _Reader(source, core, delivery, aborts).start()
        except RuntimeError as error:
            source.close()
            raise OpenAIError(
                f"No thread can be started for the stream: {error}. Some releases of Python 3.12 "
                f"start none once the main thread has ended; let it wait for the stream before."
            ) from error

    @property
    def controller(self) -> AbortController:
        """What aborts the stream, with a reason if there is one. Node: ``controller``."""
        return self._aborts.controller

    # Listeners

    # Each subclass declares them to type checkers, with the events that it has.
    if not TYPE_CHECKING:

        def on(self, event: str, listener: Callable[..., object] | NotGiven = NOT_GIVEN) -> Any:
            """Call ``listener`` at each ``event``, on the stream's thread; return the stream.

            (Inline, on the thread of whoever waits.)

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that returns
            the function. Raises ``ValueError`` for a name that is never emitted, ``TypeError`` for a
            listener that needs more than the event passes. Node: ``on``.
            """
            return self._attach(event, listener, once=False)

        def once(self, event: str, listener: Callable[..., object] | NotGiven = NOT_GIVEN) -> Any:
            """Call ``listener`` at the next ``event`` only; else like ``on``. Node: ``once``."""
            return self._attach(event, listener, once=True)

    def off(self, event: str, listener: Callable[..., object]) -> Self:
        """Take one registration of ``listener`` away, the oldest first; return the stream.

        An unknown one is no error. Node: ``off``.
        """
        self._delivery.detach(event, listener)
        return self

    def _attach(self, event: str, listener: Callable[..., object] | NotGiven, *, once: bool) -> Any:
        if isinstance(listener, NotGiven):
            self._emitter.check(event)

            def decorate(function: Callable[..., object]) -> Callable[..., object]:
                self._delivery.attach(
                    self._emitter.register(event, function, once=once), stacklevel=3
                )
                return function

            return decorate
        self._delivery.attach(self._emitter.register(event, listener, once=once), stacklevel=4)
        return self

    # Going, waiting, ending

    def start(self) -> Self:
        """Begin to deliver now; return the stream.

        Without it, delivery begins 20 ms after the last ``on`` of a chain, or when somebody waits
        or iterates. Afterwards a listener hears only what comes after it, as in Node. An inline
        stream still needs somebody who waits.
        """
        self._delivery.go()
        return self

    def abort(self) -> None:
        """End the request: ``abort``, then ``end``; waiting methods raise ``APIUserAbortError``.

        From any thread, from a listener, from a signal handler; again does nothing. Inline, the
        listeners are called by the next wait, iteration or end of the ``with``. Node: ``abort``.
        """
        self.controller.abort()

    def done(self, timeout: float | None = None) -> None:
        """Wait until the stream has ended and every listener has been called.

        Raises the stream's error; ``TimeoutError`` after ``timeout`` seconds, which leaves the
        stream running; ``RuntimeError`` in a listener of this stream. Node: ``done``.
        """
        self._wait(never, timeout)
        failure = self._delivery.failure()
        if failure is not None:
            raise failure

    def until_done(self, timeout: float | None = None) -> None:
        """Do what ``done`` does, by the official Python SDK's name for it."""
        self.done(timeout)

    def emitted(self, event: str, timeout: float | None = None) -> Any:
        """Wait for the next ``event``; return its argument, or a tuple of several.

        Raises the stream's error if that comes instead (``"error"`` returns it), an
        ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError`` after
        ``timeout`` seconds. Node: ``emitted``.
        """
        heard: list[tuple[Any, ...]] = []
        delivery = self._delivery

        def hear(*args: Any) -> None:
            heard.append(args)
            delivery.notify()

        delivery.refuse_elsewhere()
        delivery.refuse_inside()
        registration = self._emitter.register(event, hear, once=True)
        try:
            with self._left_at_ctrl_c():
                delivery.attach(registration)
                self._wait(lambda: bool(heard), timeout)
        finally:
            self._emitter.detach(registration)
        if heard:
            args = heard[0]
            return args[0] if len(args) == 1 else args or None
        failure = delivery.failure()
        if failure is None:
            failure = OpenAIError(f"The stream ended without the event {event!r}.")
        raise failure

    def events(self, event: str) -> EventIterator[tuple[Any, ...]]:
        """Return an iterator over the arguments of each ``event``, always as a tuple.

        It listens from now on. A slow consumer holds the reader back and loses nothing. At the
        end of the stream it raises the stream's error, except that ``"error"`` and ``"abort"``
        yield theirs. Leaving it early only detaches it. Node: ``events``.
        """
        return self._iterator(EventIterator, event, as_passed, quiet=OWN_ERRORS.get(event))

    def _iterator(
        self,
        kind: type[EventIterator[_T]],
        event: str,
        convert: Callable[[tuple[Any, ...]], _T] | None,
        *,
        last_only: bool = False,
        **options: Any,
    ) -> EventIterator[_T]:
        self._emitter.check(event)
        waits = self._waits
        buffer: Buffer | InlineBuffer
        if isinstance(waits, InlineDriver):
            buffer = InlineBuffer(waits, last_only=last_only)
        else:
            buffer = Buffer(waits)
        with self._left_at_ctrl_c():
            return kind(self._delivery, buffer, event, convert, self.controller.abort, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; abort if an exception left the block.

        In a child of the process that made the stream it does nothing.
        """
        if self._delivery.elsewhere:
            return
        if kind is not None:
            self.leave()
            return
        with contextlib.suppress(APIUserAbortError):
            self.done()

    def leave(self) -> None:
        """Abort what is left, without error; inline this makes the calls that follow of it."""
        if isinstance(self._waits, InlineDriver):
            self._waits.leave()
        else:
            self.abort()

    def _wait(self, is_so: Callable[[], bool], timeout: float | None) -> None:
        with self._left_at_ctrl_c():
            if not self._waits.wait_until(is_so, _seconds(timeout)):
                raise TimeoutError(f"the stream was still running after {timeout} seconds")

    @contextlib.contextmanager
    def _left_at_ctrl_c(self) -> Iterator[None]:
        """Abort at a Ctrl-C, also one that comes before the wait itself has begun."""
        try:
            yield
        except KeyboardInterrupt:
            self.leave()
            raise


class _Reader(Mover):
    """What the background thread does; it must not know the stream, see ``EventStream``.

    To the thread that reads for many it is a stream of those.
    """

    def __init__(self, source: Source, core: Core, delivery: Delivery, aborts: Aborts) -> None:
        super().__init__(source, core, delivery)
        self._aborts = aborts

    @property
    def thread(self) -> Threadlike | None:
        """What moves the stream on."""
        return self._delivery.thread

    @thread.setter
    def thread(self, thread: Threadlike | None) -> None:
        self._delivery.thread = thread

    def start(self) -> None:
        """Have the source opened. Raises ``RuntimeError`` if no thread can be started."""
        # What the source calls (somebody's iterable, hooks of the HTTP library) has a copy of the
        # caller's context as well, one of its own.
        context = contextvars.copy_context()

        def job() -> Callable[[], object] | None:
            return context.run(self._open, context)

        shared.live.add(self)
        try:
            self.thread = opening.for_threads
            opening.for_threads.open_soon(job)
        except RuntimeError:
            self.thread = None
            shared.live.discard(self)
            raise

    def _open(self, context: contextvars.Context) -> Callable[[], object] | None:
        """Open the source; return what is to be done on this thread then, if anything is."""
        self.thread = threading.current_thread()
        try:
            self.open()
            # Whoever has to wait for a listener keeps the thread.
            if self._delivery.begin_if_due(time.monotonic()) and self._is_handed_over():
                return None
        except BaseException as raised:  # noqa: BLE001 - listeners are told
            error = self._taken(raised)
            return lambda: context.run(self.end, error)
        return functools.partial(context.run, self._move)

    def _move(self) -> None:
        """Deliver all that comes, once the source is open; or as long as few streams are read."""
        error: OpenAIError | None = None
        try:
            if not self.is_connected and self._is_handed_over():
                return
            self.move()
        except BaseException as raised:  # noqa: BLE001 - listeners are told
            error = self._taken(raised)
        self.end(error)

    def _is_handed_over(self) -> bool:
        """Begin to deliver; have the stream read along with others, if they are many."""
        self.connect()
        return shared.hand_over(self, self.poll)

    def _taken(self, raised: BaseException) -> OpenAIError:
        """Return the stream's error for what was raised."""
        if self.elsewhere and not isinstance(raised, LeftBehind):
            raise raised  # in a child that a listener forked: nobody is to make a stream's error of it
        return as_openai_error(raised)

    def end(
        self,
        error: OpenAIError | None,
        take: Callable[[BaseException], OpenAIError] = as_openai_error,
    ) -> None:
        """Make the last calls; nothing is left of it."""
        shared.live.discard(self)
        super().end(error, take)
        self._aborts.remove()


def as_passed(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of an event as they came, whatever a listener wrote to them."""
    return tuple(map(untouched, args))


def _seconds(timeout: float | None) -> float | None:
    """Return ``timeout`` as a lock takes it; ``None`` and infinity wait for ever."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or math.isnan(timeout):
        raise TypeError(f"timeout is a number of seconds or None, not {timeout!r}")
    return None if timeout > threading.TIMEOUT_MAX else timeout
