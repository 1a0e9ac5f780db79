"""Who is called, when and with what: the rules of delivery, without a thread, a loop or a clock.

Two drivers keep them, ``delivery`` for threads and ``loop.delivery`` for asyncio. They wait and wake
and make the calls; what is to be done, and whether it may be by now, is decided here.

The phases of a stream:

    WAITING ---begin---> UNDER_WAY ---close---> CLOSING ---tell(end)---> ENDED ---over---> OVER
       |                                           ^
       +------------------close--------------------+

    phase       what is called                      what leads out of it
    WAITING     nothing; events wait, unread        a listener whose chain is over, go, an abort
    UNDER_WAY   the listeners of each event         the end of the events, an error, an abort
    CLOSING     those of `error` or `abort`,        they have been called
                if it ended in one
    ENDED       those of `end`                      they have been called
    OVER        late listeners alone                nothing

Beside that a stream *keeps* its deliveries, for listeners that come late, until somebody says go.
Go, like an abort, may be said at any moment and counts from the next *gap* on, so that an event is
kept whole or not at all. (On a loop nothing is kept: whoever makes a stream there attaches what he
wants to before anything is called.)

    a listener attached in      hears
    WAITING                     everything
    a later phase, before go    what it missed, before anything newer, also when all is over
    a later phase, after go     what comes after it

What holds the reader back in a gap is a buffer of an iterator that is full, until somebody waits for
the stream. An error is *heard* if there is a listener of ``error``, an open iterator, or somebody
who waits; one that is not heard is reported. Of an inline stream whoever waits is told, and what
a listener raised leaves the wait as it is.

Longer than 500 lines: the rules of one state, which each of them reads and changes.

A step marked *token* may only be taken by who delivers, one at a time. The others may come at any
moment, from any thread; each is whole, under a lock that nobody waits or calls a listener with.
"""

from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Callable, Collection, Container, Iterable
from typing import Any, Protocol

from .. import _fork, _open_streams
from ..exceptions import APIUserAbortError, OpenAIError, described
from .core import Emission, EventLog
from .emitter import Emitter, Registration, _nothing, find
from .history import KEEP, History, Late
from .work import works_for

__all__ = ["BUFFER_BOUND", "BUFFER_ROOM", "INSIDE", "Ahead", "Phase", "Policy", "listener_error"]

BUFFER_BOUND = 256  # events that an iterator may lag behind before the reader is held back
BUFFER_ROOM = BUFFER_BOUND // 2  # at which it is let go on: not for each one, in turns with it

INSIDE = "a listener cannot wait for its own stream: the stream waits for the listener"


_NONE: list[Any] = []  # of all streams that have none of something; never written to
_NO_HISTORY = History()  # of all streams that keep nothing, or nothing any more
_NO_HISTORY.full = True


class Phase(enum.IntEnum):
    """Where a stream is in its life."""

    WAITING = 0
    UNDER_WAY = 1
    CLOSING = 2
    ENDED = 3
    OVER = 4


class Ahead(Protocol):
    """What an iterator has not taken yet."""

    @property
    def items(self) -> Collection[object]: ...


class Policy:
    """The rules for one stream, and where it stands by them.

    ``everything`` contains each name that may be emitted, ``aliases`` those that only repeat what
    another says. ``keeps`` says whether deliveries are kept for late listeners. ``inline`` says that
    nothing is delivered unless somebody waits, and that then exceptions are told to who does.
    ``owner`` is whom the functions that the stream calls work for.
    """

    # What most streams, or all on a loop, have no other value of. Here and not in each: with more than
    # 29 attributes of its own, or one that is new after thousands were made, an object has a dict of
    # 1.4 KB. So what most streams will have a value of begins in `__init__`.
    inline = False
    keeping = False
    tick_end = -math.inf  # when the chain of the listener attached last is over
    _everything: Container[str] = ()
    _aliases: Container[str] = ()
    _history = _NO_HISTORY
    stopping: APIUserAbortError | None = None  # that an abort has asked for
    raised: BaseException | None = None  # by a listener, which ended the stream
    passing: BaseException | None = None  # inline: what leaves the next wait for the error, once
    told = False  # whether somebody was raised what the stream ended in
    recorder: EventLog | None = None  # set while nothing has begun
    is_winding_up = False
    buffers: list[Ahead] = _NONE
    _late: list[Late] = _NONE

    def __init__(
        self,
        emitter: Emitter,
        owner: object,
        everything: Container[str] = (),
        aliases: Container[str] = (),
        *,
        keeps: bool = False,
        inline: bool = False,
    ) -> None:
        self.emitter = emitter
        self.owner = owner
        self.lock = emitter.lock  # the registry's, since each is taken under the other
        self.phase = Phase.WAITING
        self.attention = False  # whether there is something to do in the next gap
        self.waiters: list[Any] = _NONE  # one for each wait, of the driver's kind
        self.error: OpenAIError | None = None  # that it ended in
        self._go_said = False
        self._last: list[Emission] | None = None  # calls that are still to be made
        self._generation = _fork.generation
        if inline:
            self.inline = True
        if keeps:
            self.keeping = True
            self._history = History()
            self._everything = everything
            self._aliases = aliases

    # What the drivers know how to do

    def report(self, error: BaseException) -> None:
        """Hand over an exception that nobody hears."""
        raise NotImplementedError

    def attach(self, registration: Registration, stacklevel: int = 3) -> None:
        """Attach a listener, and wake whom that concerns."""
        raise NotImplementedError

    def go(self) -> None:
        """Begin to deliver, if need be to nobody."""
        raise NotImplementedError

    # What may be asked at any moment

    @property
    def begun(self) -> bool:
        """Whether listeners may have been called."""
        return self.phase > Phase.WAITING

    @property
    def ended(self) -> bool:
        """Whether the listeners of ``end`` are being called, or have been."""
        return self.phase >= Phase.ENDED

    @property
    def finished(self) -> bool:
        """Whether the listeners of ``end`` have been called."""
        return self.phase is Phase.OVER

    @property
    def elsewhere(self) -> bool:
        """Whether the stream lives on in another process, of which this one is a child."""
        return self._generation != _fork.generation

    def settled(self) -> bool:
        """Return whether the stream has ended and every listener has been given everything.

        Raises ``OpenAIError`` where it will never be so: in a child of the process that made it.
        """
        if self.elsewhere:
            if not self.ended:
                self.refuse_elsewhere()
            return True
        return self.phase is Phase.OVER and not self._late

    def refuse_elsewhere(self) -> None:
        """Raise ``OpenAIError`` in a child of the process that made the stream."""
        if self.elsewhere:
            raise _fork.LeftBehind("stream")

    def refuse_worker(self) -> None:
        """Raise ``RuntimeError`` in a function that the stream calls and waits for."""
        if works_for(self.owner):
            raise RuntimeError(
                "a function that a stream calls cannot wait for it: the stream waits for the function"
            )

    def keeps_all(self) -> bool:
        """Return whether a listener that is attached now is given everything from the start on."""
        kept = self.keeping and not self._go_said and not self._history.full
        return not self.begun or kept

    def begins_at(self) -> float:
        """Return when delivery begins, as things are now, on the clock of ``tick_end``."""
        if self._go_said or self.stopping is not None or self.elsewhere:
            return -math.inf
        if not self.emitter.ready and not self.is_winding_up:
            return math.inf
        return self.tick_end

    def is_held_back(self) -> bool:
        """Return whether the next event has to wait, for an iterator that lags behind."""
        return (
            not self.waiters
            and not self.elsewhere
            and not self.is_winding_up
            and self.stopping is None
            and any(len(buffer.items) >= BUFFER_BOUND for buffer in self.buffers)
        )

    def has_late(self) -> bool:
        """Return whether a listener is still to be given what it missed."""
        return bool(self._late)

    @property
    def wanted(self) -> Container[str]:
        """The names whose events are to be made: all of them as long as they are kept."""
        return self._everything if self.keeping else self.emitter.ready

    def failure(self) -> BaseException | None:
        """Return what a wait raises after the end, if anything; it counts as told."""
        failure: BaseException | None = self.error
        if self.inline and isinstance(self.raised, Exception):
            failure = self.raised
        self.told = self.told or failure is not None
        return failure

    def take_passing(self) -> BaseException | None:
        """Return what leaves this wait in the place of the error, if anything; it is told once."""
        passing, self.passing = self.passing, None
        self.told = self.told or passing is not None
        return passing

    # What may be said at any moment

    def admit(self, registration: Registration, *, inside: bool = False) -> int | None:
        """Attach a listener, at once or, if it is late, when it has been given what it missed.

        ``inside`` is whether a listener of the stream does. Return ``None``, or for a late one how
        many of its events had gone by that are kept no longer.
        """
        with self.lock:
            late = self.keeping and self.begun and not self._go_said and not inside
            if late:
                self.attention = True
                entry = Late(registration, registration.call)
                registration.call = entry.hold
                self._late = self._late or []
                self._late.append(entry)
            if not late or self._history.full:
                self.emitter.attach(registration)
            return self._history.unkept[registration.event] if late else None

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

    def say_go(self) -> bool:
        """Let delivery begin; a listener from now on hears what comes after it. Return if that is new."""
        with self.lock:
            is_new = not self._go_said
            if is_new:
                self.attention = True
                self._go_said = True
            return is_new

    def ask_stop(self, error: APIUserAbortError) -> bool:
        """Let the stream end in an abort; return whether it had not ended. The first call counts."""
        with self.lock:
            if self.ended:
                return False
            self.attention = True
            self.stopping = self.stopping or error
            return True

    def hold_back_for(self, buffer: Ahead) -> None:
        """Let an iterator hold the reader back, from the next gap on."""
        with self.lock:
            self.buffers = self.buffers or []
            self.buffers.append(buffer)
            self.attention = True

    def forget_buffer(self, buffer: Ahead) -> None:
        """Let it do so no longer; twice is once."""
        with self.lock:
            if buffer in self.buffers:
                self.buffers.remove(buffer)

    def begin_waiting(self, waiter: object) -> None:
        """Add one to ``waiters``: until it is taken out nothing holds the reader back."""
        with self.lock:
            self.waiters = self.waiters or []
            self.waiters.append(waiter)

    def stop_waiting(self, waiter: object) -> None:
        """Take one out of ``waiters``; what held the reader back before may do so again."""
        with contextlib.suppress(ValueError):
            self.waiters.remove(waiter)
        self.attention = True

    def begin_anew(self) -> None:
        """Stand still, in a child; whoever is in here with the thread that forked finds its way out."""
        self.emitter.begin_anew()
        self.lock = self.emitter.lock
        for late in self._late:
            late.registration.call = _nothing
        self.attention = True

    # What is done by who delivers

    def begin_if_due(self, now: float = math.inf) -> bool:
        """Begin to deliver if that is due ``now``; return whether it has begun."""
        with self.lock:
            if self.phase is Phase.WAITING and self.begins_at() < now:
                self.phase = Phase.UNDER_WAY
            return self.begun

    def deliver(self, events: Iterable[Iterable[Emission]]) -> None:
        """Call the listeners of each emission of each event before the next is made (*token*).

        Until there is something to attend to: then the rest is left in ``events``. An emission under
        the name ``KEEP`` keeps those of its event that follow, as far as its recipe makes them; of
        these only what somebody listens to need be made now.

        Raises ``OpenAIError`` from what a listener raised; those behind it are not called, as in
        Node.
        """
        ready, keeping = self.emitter.ready, self.keeping  # which changes in a gap alone
        for emissions in events:
            if keeping:
                self._deliver_and_keep(emissions)
            else:
                for name, args in emissions:
                    registrations = ready.get(name, ())
                    try:
                        for registration in registrations:
                            registration.call(*args)
                    except BaseException as error:
                        raise self.ended_by(name, error) from error
                    # Let go of before the next is made: a text that somebody holds is copied when
                    # it grows.
                    args = ()
            if self.attention:
                return

    def deliver_one(self, name: str, args: tuple[Any, ...]) -> None:
        """Do what ``deliver`` does with one emission (*token*)."""
        # Without its loop, in which a signal's handler may still raise after the calls.
        if self.keeping:
            self._deliver_and_keep([(name, args)])
        else:
            self._call_all(name, args, self.emitter.ready.get(name, ()))

    def ended_by(self, name: str, error: BaseException) -> OpenAIError:
        """Return what the stream ends in when a listener of ``name`` has raised ``error`` (*token*)."""
        if self.elsewhere:  # it is the child's own, of whatever it forked for
            raise error
        if self.phase < Phase.CLOSING:
            self.raised = error
            if self.inline:
                self.passing = error
        return listener_error(name, error)

    def gap(self) -> bool:
        """Do what is due between two events; return whether the next may be delivered (*token*).

        Late listeners come first, by ``serve_late``.
        """
        with self.lock:
            if self._late:
                return False
            if self._go_said and self.keeping:
                self.keeping = False
                self._history = _NO_HISTORY
            self.attention = False  # before the look: who stops waiting now says so anew
            held_back = self.is_held_back()
            if held_back or self.stopping is not None or self.elsewhere:
                self.attention = True
            return not held_back

    def serve_late(self, call: Callable[..., object]) -> OpenAIError | None:
        """Give late listeners what they missed, by ``call(listener, *args)`` (*token*).

        Return what the stream is to end in, as soon as one has raised; ``None`` after all.
        """
        while self._late:
            failure: OpenAIError | None = None
            late = self._late[0]
            registration = late.registration
            try:
                for args in self._history.of(registration.event):
                    if not late.is_wanted():
                        break
                    call(late.call, *args)
                while late.held and late.is_wanted():
                    call(late.call, *late.held.popleft())
            except BaseException as error:  # noqa: BLE001 - the stream is told
                failure = self.ended_by(registration.event, error)
                failure.__cause__ = error
                if self.ended:
                    self.report(error)
                    failure = None
            with self.lock:
                del self._late[0]
                if late.is_wanted():
                    registration.call = late.call
                    if not self.emitter.has(registration):
                        self.emitter.attach(registration)
            if failure is not None:
                return failure
        return None

    def drop_late(self) -> bool:
        """Forget late listeners that nobody is left to serve; return whether there were any."""
        dropped = self.finished and bool(self._late)
        if dropped:
            self._late.clear()
        return dropped

    def close(self, error: OpenAIError | None) -> list[Emission]:
        """Let the stream end in ``error`` or well; the first call counts (*token*).

        Return the calls that are still to be made. ``tell`` comes before each; it is taken out when
        it has been made, and not before: an exception could come before the listeners do.
        """
        if self._last is not None:
            return self._last
        with self.lock:
            # Who attaches from now on is late, also if nothing came before.
            self.phase = Phase.CLOSING
            self.error = error
        if self.recorder is not None:
            try:
                self.recorder.finish(error)
            except BaseException as raised:  # noqa: BLE001 - the stream ends in any case
                self.report(raised)
        last: list[Emission] = [("end", ())]  # an empty deque is 0.7 KB of each stream
        if error is not None:
            name = "abort" if isinstance(error, APIUserAbortError) else "error"
            with self.lock:
                heard = self.waiters or self.buffers or name in self.emitter.ready
            if name == "error" and not heard and not self.inline:
                self.report(error)
            last.insert(0, (name, (error,)))
        self._last = last
        return last

    def tell(self, name: str) -> None:
        """Take note of which of the last calls is being made (*token*)."""
        if name == "end":
            self.phase = Phase.ENDED

    def raised_last(self, error: OpenAIError) -> None:
        """Take what ``deliver`` has raised of one of the last calls (*token*)."""
        raised = error if error.__cause__ is None else error.__cause__
        before = self.raised if self.passing is None else self.passing
        if not self.inline or not (before is None or isinstance(before, Exception)):
            self.report(raised)  # the stream has ended: there is no one else to tell
            return
        earlier = self.error if before is None else before
        if raised.__context__ is None and raised is not earlier:
            raised.__context__ = earlier
        self.passing = raised

    def over(self) -> None:
        """Take note that all calls have been made (*token*)."""
        with self.lock:
            self.phase = Phase.OVER
            self.attention = True  # for late listeners from now on

    # Inside

    def _call_all(
        self, name: str, args: tuple[Any, ...], registrations: tuple[Registration, ...]
    ) -> None:
        try:
            for registration in registrations:
                registration.call(*args)
        except BaseException as error:
            raise self.ended_by(name, error) from error

    def _deliver_and_keep(self, emissions: Iterable[Emission]) -> None:
        ready, history = self.emitter.ready, self._history
        recipe: Any = None
        ingredient: Any = None
        names: tuple[str, ...] = ()  # that the recipe makes
        for name, args in emissions:
            with self.lock:  # together, or admit() could come between
                if name == KEEP:
                    recipe, ingredient = args
                    history.keep_recipe(recipe, ingredient)
                    names = recipe.names
                elif name not in names:
                    history.keep(name, args, counts=name not in self._aliases)
                registrations = ready.get(name, ())
            if not registrations:
                continue
            try:
                self._call_all(name, args, registrations)
            except BaseException:
                if name in names:
                    history.cut_short(recipe, ingredient, name)
                raise
            args = ()  # as in `deliver`
        history.end_event()


def listener_error(name: str, error: BaseException) -> OpenAIError:
    """Return what the stream ends in when a listener has raised ``error``."""
    return OpenAIError(f"A listener for {name!r} raised {described(error)}")


def _begin_anew() -> None:
    """Leave the parent's streams alone, in a child."""
    for stream in _open_streams.leave_all():
        if isinstance(stream, Policy):
            stream.begin_anew()


_fork.renew(_begin_anew)
