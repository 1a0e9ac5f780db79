"""When listeners are called, and on whose time: the rules that Node's event loop gives for free.

One *delivery token* a stream says who may call listeners. The reader holds it except while it
reads, so nobody else can come between two events; when it does not (it sits in a read, or the
stream has ended), a short-lived thread takes it for what cannot wait: a late listener, an abort.

One lock guards the rest. Nobody calls a listener while holding it, and nobody waits with it: who
waits does so at a bell, which is rung after a change.

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
import weakref
from collections import deque
from collections.abc import Callable, Container, Iterable
from typing import Any

import attrs

from .. import _fork, _open_streams
from .._bell import Bell
from ..exceptions import APIUserAbortError, LateListenerWarning, OpenAIError, described
from . import program_end
from .core import Emission, EventLog
from .emitter import Emitter, Registration, _nothing, find
from .history import KEEP, History
from .work import works_for

__all__ = ["Buffer", "Delivery", "listener_error", "pop", "report"]

TICK = 0.020  # seconds between the last listener of a chain and the first delivery
BUFFER_BOUND = 256  # events that an iterator may lag behind before the reader is held back


@attrs.define(eq=False)
class _Late:
    """A listener that came after the beginning, and is still to be given what it missed.

    As long as everything is kept, it is attached once it has been given that. Later deliveries are
    kept no longer, so then it is attached at once, and what comes meanwhile is held for it.
    """

    registration: Registration
    call: Callable[..., object]
    held: deque[tuple[Any, ...]] = attrs.field(factory=deque)

    def hold(self, *args: Any) -> None:
        """Stand in for the listener."""
        self.held.append(args)


class Delivery:
    """The rules of delivery of one stream.

    ``everything`` contains each name that may be emitted, ``aliases`` those that only repeat what
    another says. ``interrupt`` ends a read that the reader sits in. ``inline`` says that nothing is
    delivered unless somebody waits, and that then exceptions are told to who does. Methods marked
    *token* may only be called by who holds the token.
    """

    def __init__(
        self,
        emitter: Emitter,
        everything: Container[str],
        aliases: Container[str],
        interrupt: Callable[[], None],
        *,
        inline: bool = False,
    ) -> None:
        self.owner: object = None  # whom the functions that the stream calls work for
        self.emitter = emitter
        self.inline = inline
        self._everything = everything
        self._aliases = aliases
        self._interrupt = interrupt
        # The registry's lock, since each is taken under the other.
        self.lock = emitter.lock
        self._changed = Bell()
        self._generation = _fork.generation
        # It knows by itself whose it is: an exception out of a signal's handler may come right after
        # it was taken, before anything could be noted. Nobody takes it twice.
        self._token = threading.RLock()
        # Take the token, waiting for it, so many seconds at most if not for ever: (True, seconds).
        # The lock's own method, for it is called for each read.
        self.acquire: Callable[..., bool] = self._token.acquire
        # Whether the user said go: from then on nothing is kept for late listeners. _going follows
        # between two events, so that an event is kept whole or not at all.
        self._go_said = False
        self._going = False
        self._begun = False
        self._tick_end = 0.0
        self._history = History()
        self._late: deque[_Late] = deque()
        self._buffers: list[Buffer] = []
        self._waiters: list[object] = []
        self.attention = False  # whether attend() has something to do before the next event
        self.stopping: APIUserAbortError | None = None
        self.ended = False
        self.finished = False  # ended, and the listeners of `end` have been called
        self.error: OpenAIError | None = None
        self._last: deque[tuple[str, tuple[Any, ...]]] | None = None  # calls still to be made
        self.raised: BaseException | None = None  # by a listener, which ended the stream
        self.raised_last: list[BaseException] = []  # inline: by listeners of the last calls
        self.told = False  # whether somebody was raised what the stream ended in
        self.made_at = time.monotonic()
        self.recorder: EventLog | None = None  # set while nothing has begun
        # Calls what calls listeners: inline as it is, else in one copy of its maker's context, which
        # they share. Only one thread at a time can be in a context; the token sees to that (*token*).
        self.in_context: Callable[..., Any] = (
            _directly if inline else contextvars.copy_context().run
        )
        self.thread: threading.Thread | None = None  # that moves the stream on, if one does
        self._is_winding_up = program_end.coming.is_set()
        self.origin: tuple[str, int] | None = None  # that it reads from, once that is known
        _deliveries.add(self)
        if not inline:
            _open_streams.add(self)
        program_end.held.add(self)

    # For the user's side: any thread

    def attach(self, registration: Registration, stacklevel: int = 3) -> None:
        """Attach a listener, with what it missed if it is late and the user has not said go."""
        if self.elsewhere:
            return
        unkept = 0
        with self.lock:
            late = self._begun and not self._go_said and not self.inside()
            if late:
                unkept = self._history.unkept[registration.event]
                self.attention = True
                entry = _Late(registration, registration.call)
                registration.call = entry.hold
                self._late.append(entry)
                self._changed.ring()
            if not late or self._history.full:
                self.emitter.attach(registration)
            if not self._begun:
                self._tick_end = time.monotonic() + TICK
                self._changed.ring()
        if late:
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
        with self.lock:
            if not self._go_said:
                self.attention = True
                self._go_said = True
        self._changed.ring()

    def still(self) -> contextlib.AbstractContextManager[object]:
        """Return a context in which delivery does not begin, so that several steps count as one."""
        return self.lock

    @property
    def elsewhere(self) -> bool:
        """Whether the stream lives on in another process, of which this one is a child."""
        return self._generation != _fork.generation

    def refuse_elsewhere(self) -> None:
        """Raise ``OpenAIError`` in a child of the process that made the stream."""
        if self.elsewhere:
            raise _fork.LeftBehind("stream")

    def begin_anew(self) -> None:
        """Stand still, in a child; whoever is in here with the thread that forked finds its way out."""
        self.emitter.begin_anew()
        self.lock = self.emitter.lock
        self._token = threading.RLock()
        self.acquire = self._token.acquire
        for late in self._late:
            late.registration.call = _nothing
        self.attention = True

    @property
    def begun(self) -> bool:
        """Whether listeners may have been called."""
        return self._begun

    def keeps_all(self) -> bool:
        """Return whether a listener that is attached now is given everything from the start on."""
        missed = self._go_said or self._history.full or self.inside()
        return not self._begun or not missed

    def detach(self, event: str, listener: Callable[..., object]) -> None:
        """Take the oldest registration of ``listener`` away, if there is one."""
        if self.elsewhere:
            return
        with self.lock:
            registration = self.emitter.find(event, listener)
            if registration is None:
                waiting = [late.registration for late in self._late]
                registration = find(listener, (r for r in waiting if r.event == event))
            if registration is not None:
                self.emitter.detach(registration)

    def stop(self, error: APIUserAbortError) -> None:
        """Abort. The first call counts; one that was broken off is completed by the next."""
        if self.elsewhere:
            return
        with self.lock:
            if self.ended:
                return
            self.attention = True
            self.stopping = self.stopping or error
        self._changed.ring()
        self._interrupt()
        # The reader may sit where nothing wakes it: in a connect, in somebody's iterable.
        self._serve_soon()

    def inside(self) -> bool:
        """Return whether this thread is the one that calls the listeners."""
        return self._token._is_owned()  # type: ignore[attr-defined,no-any-return]

    def refuse_inside(self) -> None:
        """Raise ``RuntimeError`` in a listener of this stream, and in a function that it calls."""
        if self.inside():
            raise RuntimeError(
                "a listener cannot wait for its own stream: the stream waits for the listener"
            )
        if works_for(self.owner):
            raise RuntimeError(
                "a function that a stream calls cannot wait for it: the stream waits for the function"
            )

    def wait_until(self, is_so: Callable[[], bool], timeout: float | None) -> bool:
        """Say go and wait until ``is_so()`` or the end; return whether that came in time."""
        if self.elsewhere:
            return bool(is_so()) or self.settled()
        self.refuse_inside()
        waiter = object()
        try:
            self._waiters.append(waiter)
            self.go()  # and a waiter lifts the bound of the buffers
            if self._late:
                self._serve_soon()  # of whom an exception in attach() may have told nobody
            return self._changed.wait_for(lambda: is_so() or self.settled(), timeout)
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def settled(self) -> bool:
        """Return whether the stream has ended and every listener has been given everything.

        Raises ``OpenAIError`` where it will never be so: in a child of the process that made it.
        """
        if self.elsewhere:
            if not self.ended:
                self.refuse_elsewhere()
            return True
        return self.finished and not self._late

    def watch(self, is_so: Callable[[], object], seconds: float | None) -> None:
        """Wait until ``is_so()``, so many seconds at most, looking at each ``notify``."""
        self._changed.wait_for(is_so, seconds)

    def failure(self) -> BaseException | None:
        """Return what a wait raises after the end, if anything; it counts as told."""
        failure: BaseException | None = self.error
        if self.inline and isinstance(self.raised, Exception):
            failure = self.raised
        self.told = self.told or failure is not None
        return failure

    def notify(self) -> None:
        """Wake everybody who waits, to look again."""
        self._changed.ring()

    def open_buffer(self) -> Buffer:
        """Return a buffer that holds the reader back."""
        buffer = Buffer(self)
        with self.lock:
            self._buffers.append(buffer)
            self.attention = True
        return buffer

    def close_buffer(self, buffer: Buffer) -> None:
        """Forget a buffer; twice is once."""
        with self.lock:
            if buffer in self._buffers:
                self._buffers.remove(buffer)
                self._changed.ring()

    def wind_up(self) -> None:
        """Run to the end by itself, though nobody listens or takes what an iterator holds."""
        if not self._is_winding_up:
            self._is_winding_up = True
            self._changed.ring()

    def wait_over(self, seconds: float) -> bool:
        """Wait until the stream is settled or can never be; return whether it came to that."""
        if not program_end.runs(self) or self.inside():
            return True
        return self._changed.wait_for(self.settled, seconds)

    def wait_settled(self, seconds: float) -> None:
        """Wait until the stream has ended and every listener has been given everything."""
        self._changed.wait_for(self.settled, seconds)

    # For the reader

    @property
    def wanted(self) -> Container[str]:
        """The names whose events are to be made: all of them as long as they are kept."""
        return self.emitter.ready if self._going else self._everything

    def release(self) -> bool:
        """Give the token back (*token*), and do what others who found it taken have left to us.

        Return whether there is something to attend to before a read.
        """
        try:
            self._token.release()
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
        while True:
            with self.lock:
                due = self._begins_at()
                wait = due - time.monotonic()
                if wait <= 0:
                    self._begun = True
                    return
            self._changed.wait_for(
                functools.partial(self._begins_elsewhen, due), None if wait == math.inf else wait
            )

    def emit(self, name: str, args: tuple[Any, ...]) -> None:
        """Call the listeners of one event, in their context (*token*). Raises what ``deliver`` does."""
        self.in_context(self._deliver_one, name, args)

    def deliver(self, emissions: Iterable[Emission]) -> None:
        """Call the listeners of each emission before the next is made (*token*, ``in_context``).

        An emission under the name ``KEEP`` keeps those that follow it, as far as its recipe makes
        them; of these only what somebody listens to need be made now.

        Raises ``OpenAIError`` from what a listener raised; those behind it are not called, as in
        Node.
        """
        if not self._going:
            self._deliver_and_keep(emissions)
            return
        ready = self.emitter.ready
        for name, args in emissions:
            registrations = ready.get(name, ())
            try:
                for registration in registrations:
                    registration.call(*args)
            except BaseException as error:
                if self.elsewhere:  # it is the child's own, of whatever it forked for
                    raise
                self.raised = error
                raise listener_error(name, error) from error

    def _deliver_one(self, name: str, args: tuple[Any, ...]) -> None:
        # Without the loop of `deliver`, in which a signal's handler may still raise after the calls.
        if not self._going:
            self._deliver_and_keep([(name, args)])
            return
        registrations = self.emitter.ready.get(name, ())
        try:
            for registration in registrations:
                registration.call(*args)
        except BaseException as error:
            if self.elsewhere:
                raise
            self.raised = error
            raise listener_error(name, error) from error

    def attend(self) -> None:
        """Do what is to be done between two events: late listeners, full buffers (*token*).

        Afterwards the stream may have ended: a late listener may have raised.
        """
        while True:
            self._serve_late()
            with self.lock:
                if self._late:
                    continue
                if self._go_said and not self._going:
                    self._going = True
                    self._history.clear()
                if not self._is_held_back():
                    self.attention = self.stopping is not None or self.elsewhere
                    return
            self._changed.wait_for(lambda: self._late or not self._is_held_back())

    def finish(self, error: OpenAIError | None) -> None:
        """End the stream: ``error`` or ``abort`` if there is one, then ``end`` (*token*).

        The first call counts. A further one goes on where an exception has ended this: inline, a
        handler of an operating system signal may raise at any moment.
        """
        if self._last is None:
            self._begin_to_end(error)
        assert self._last is not None
        while self._last:
            name, args = self._last[0]
            self.ended = name == "end"
            self._emit_last(name, args)
            del self._last[0]  # and not before: an exception could come before the listeners do
        with self.lock:
            self.finished = True
            self._changed.ring()
            self.attention = True  # for late listeners from now on

    # Inside

    def _deliver_and_keep(self, emissions: Iterable[Emission]) -> None:
        ready, history = self.emitter.ready, self._history
        recipe: Any = None
        ingredient: Any = None
        names: tuple[str, ...] = ()  # that the recipe makes
        for name, args in emissions:
            with self.lock:  # together, or attach() could come between
                if name == KEEP:
                    recipe, ingredient = args
                    history.keep_recipe(recipe, ingredient)
                    names = recipe.names
                elif name not in names:
                    history.keep(name, args, counts=name not in self._aliases)
                registrations = ready.get(name, ())
            try:
                for registration in registrations:
                    registration.call(*args)
            except BaseException as error:
                if self.elsewhere:
                    raise
                if name in names:
                    history.cut_short(recipe, ingredient, name)
                self.raised = error
                raise listener_error(name, error) from error
        history.end_event()

    def _begin_to_end(self, error: OpenAIError | None) -> None:
        with self.lock:
            self._begun = True  # who attaches from now on is late, also if nothing came before
        self.error = error
        if self.recorder is not None:
            try:
                self.recorder.finish(error)
            except BaseException as raised:  # noqa: BLE001 - the stream ends in any case
                self.in_context(report, raised)
        last: deque[tuple[str, tuple[Any, ...]]] = deque([("end", ())])
        if error is not None:
            name = "abort" if isinstance(error, APIUserAbortError) else "error"
            with self.lock:
                heard = self._waiters or self._buffers or name in self.emitter.ready
            if name == "error" and not heard and not self.inline:
                self.in_context(report, error)
            last.appendleft((name, (error,)))
        self._last = last

    def _emit_last(self, name: str, args: tuple[Any, ...]) -> None:
        ended_by = self.raised
        try:
            self.emit(name, args)
        except OpenAIError as error:
            raised = error if error.__cause__ is None else error.__cause__
            self.raised = ended_by
            if self.inline:
                self.raised_last.append(raised)
            else:  # the stream has ended: there is no one else to tell
                self.in_context(report, raised)

    def _begins_at(self) -> float:
        """Return when delivery begins, by ``time.monotonic()``, as things are now."""
        if self._go_said or self.stopping is not None or self.elsewhere:
            return -math.inf
        if not self.emitter.ready and not self._is_winding_up:
            return math.inf
        return self._tick_end

    def _begins_elsewhen(self, due: float) -> bool:
        return self._begins_at() != due

    def _is_held_back(self) -> bool:
        return (
            not self._waiters
            and not self.elsewhere
            and not self._is_winding_up
            and self.stopping is None
            and any(len(buffer.items) >= BUFFER_BOUND for buffer in self._buffers)
        )

    def _serve_late(self) -> None:
        """Give late listeners what they missed (*token*)."""
        while self._late:
            late = self._late[0]
            registration = late.registration
            try:
                for args in self._history.of(registration.event):
                    if registration.call != late.hold:  # taken away, perhaps by itself
                        break
                    self.in_context(late.call, *args)
                while late.held and registration.call == late.hold:
                    self.in_context(late.call, *late.held.popleft())
            except BaseException as error:
                if self.elsewhere:
                    raise
                if self.ended:
                    self.in_context(report, error)
                else:
                    wrapped = listener_error(registration.event, error)
                    wrapped.__cause__ = error
                    self.finish(wrapped)
                    self._interrupt()
            with self.lock:
                self._late.popleft()
                if registration.call == late.hold:
                    registration.call = late.call
                    if not self.emitter.has(registration):
                        self.emitter.attach(registration)

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
            if self.finished and self._late:
                self._late.clear()  # nobody is left to serve them, and waiters wait for it
                warnings.warn(
                    "a listener was attached after the stream and the main thread had ended, when "
                    "no thread can be started any more to give it what it missed",
                    LateListenerWarning,
                    stacklevel=2,
                )

    def _serve(self) -> None:
        """Do what cannot wait, unless somebody holds the token: that one will."""
        while self._is_due() and self._token.acquire(False):
            try:
                self._serve_late()
                if self.stopping is not None and not self.inline and not self.elsewhere:
                    self.finish(self.stopping)
            finally:
                if self.inside():  # not in a child that a listener forked
                    self._token.release()
        if self.finished:
            self.notify()

    def _is_due(self) -> bool:
        if self.elsewhere:
            return False
        stops = self.stopping is not None and not self.finished and not self.inline
        return stops or bool(self._late)


@attrs.define(eq=False)
class Buffer:
    """What an iterator has not taken yet.

    The stream knows the buffer and not the iterator, so that an iterator that is left is freed.
    """

    delivery: Delivery
    items: deque[tuple[Any, ...]] = attrs.field(factory=deque)
    waiters: list[object] = attrs.field(factory=list)  # one for each thread in take()

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.items.append(args)
        if len(self.items) >= BUFFER_BOUND:
            self.delivery.attention = True
        # The consumer is counted before it looks at `items`, so one of us sees the other.
        if self.waiters:
            self.delivery.notify()

    def close(self) -> None:
        """Hold nobody back any more; twice is once."""
        self.delivery.close_buffer(self)

    def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event's arguments; ``None`` when the stream has ended."""
        items = self.items
        while not items or (args := self._pop()) is None:
            waiter = object()
            try:
                self.waiters.append(waiter)
                self.delivery.wait_until(lambda: bool(items), None)
            finally:
                with contextlib.suppress(ValueError):
                    self.waiters.remove(waiter)
            if not items and self.delivery.settled():
                return None
        return args

    def _pop(self) -> tuple[Any, ...] | None:
        try:
            return pop(self.items, self.delivery)
        except IndexError:  # another thread that uses the same iterator was faster
            return None


def pop(items: deque[tuple[Any, ...]], delivery: Delivery) -> tuple[Any, ...]:
    """Take the first of an iterator's items, and say so where that makes room.

    Raises ``IndexError`` if there is none. Of what a signal's handler raises meanwhile, none is lost.
    """
    first = items[0]
    try:
        args = items.popleft()
        if len(items) == BUFFER_BOUND - 1:
            delivery.notify()
        return args
    except IndexError:
        raise
    except BaseException:
        if not items or items[0] is not first:
            items.appendleft(first)
        raise


def listener_error(name: str, error: BaseException) -> OpenAIError:
    """Return what the stream ends in when a listener has raised ``error``."""
    return OpenAIError(f"A listener for {name!r} raised {described(error)}")


def report(error: BaseException) -> None:
    """Hand an exception that nobody hears to ``threading.excepthook``."""
    thread = threading.current_thread()
    hook_args = threading.ExceptHookArgs((type(error), error, error.__traceback__, thread))
    with contextlib.suppress(BaseException):  # a hook that raises must not keep `end` back
        threading.excepthook(hook_args)


def _directly(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function where its caller is, inline."""
    return function(*args)


_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()


def _begin_anew() -> None:
    """Leave the parent's streams alone, in a child."""
    global _deliveries
    deliveries, _deliveries = list(_deliveries), weakref.WeakSet()
    for delivery in deliveries:
        delivery.begin_anew()


_fork.renew(_begin_anew)
