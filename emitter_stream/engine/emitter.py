"""The registry of listeners: who is called for which event, in which order, with how much.

pyee keeps the registrations. It is handed ``Registration`` objects instead of the listeners, since
it knows a listener by its hash and would take the same function attached twice for one. What is to
be called is kept beside it, as a ready tuple an event: ``for registration in emitter.ready[name]:
registration.call(*args)`` is all that an emission does.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping

import attrs
import pyee

from ..exceptions import shown

__all__ = ["Emitter", "Registration", "find", "fit", "is_coroutine_function"]

_PACKAGE = f"{__name__.partition('.')[0]}."

Listener = Callable[..., object]


def _nothing(*args: object) -> None:
    """Take the place of a listener that was removed while its event is being delivered."""


@attrs.define(eq=False)
class Registration:
    """One attachment of one listener.

    ``call`` takes exactly the event's arguments. Whoever delivers reads it anew for each call, so
    that exchanging it (``_nothing`` at removal) takes effect in the middle of a delivery.
    """

    event: str
    listener: Listener
    call: Callable[..., object]

    def __call__(self, *args: object) -> object:  # what pyee asks of a handler
        return self.call(*args)


class Emitter:
    """Listeners by event, in the order they were attached.

    ``arity`` gives the number of arguments of every event that can be listened to. So can be what
    begins with ``open_prefix``, if there is one, with one argument. Methods may be called from any
    thread; ``ready`` is replaced entry by entry, so it can be read without a lock.
    """

    # Names that it warned of. An empty set of each one's own was an object of 216 bytes.
    _doubted: frozenset[str] = frozenset()

    def __init__(
        self,
        arity: Mapping[str, int],
        *,
        open_prefix: str = "",
        coroutines: bool = False,
        hint: str = "",
    ) -> None:
        self._arity = arity
        self._open_prefix = open_prefix
        self._coroutines = coroutines
        self._hint = hint
        self._registry = pyee.EventEmitter()
        # Re-entrant: a handler of an operating system signal may abort while its own thread holds
        # it. Whoever delivers shares it.
        self.lock = threading.RLock()
        self._changes: list[Callable[[], None]] = []
        self._changing = False
        self.ready: dict[str, tuple[Registration, ...]] = {}

    def begin_anew(self) -> None:
        """Forget all listeners, in a child: a delivery that is under way calls none of them."""
        self.lock = threading.RLock()
        for registrations in self.ready.values():
            for registration in registrations:
                registration.call = _nothing
        self.ready.clear()
        self._registry = pyee.EventEmitter()
        self._changes = []
        self._changing = False

    def check(self, event: str) -> None:
        """Raise ``ValueError`` for an event that is never emitted, naming the nearest that is."""
        if isinstance(event, str) and event in self._arity:
            return
        if isinstance(event, str) and self._is_open(event):
            self._doubt(event)
            return
        near = _nearest(str(event), self._arity)
        guess = f"; did you mean {near!r}?" if near else f"; there are: {', '.join(self._arity)}"
        raise ValueError(f"this stream never emits {event!r}{guess}")

    def _doubt(self, event: str) -> None:
        """Warn of a name that may be new to this library, but is one slip away from a known one."""
        meant = next((name for name in self._arity if _is_slip(event, name)), None)
        if meant is None or event in self._doubted:
            return
        self._doubted |= {event}  # a decorator asks twice
        level, frame = 1, sys._getframe()
        while frame.f_back and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            level, frame = level + 1, frame.f_back
        warnings.warn(
            f"no event {event!r} is known; did you mean {meant!r}?", UserWarning, stacklevel=level
        )

    def _is_open(self, event: str) -> bool:
        prefix = self._open_prefix
        return bool(prefix) and event.startswith(prefix) and event != prefix

    def register(self, event: str, listener: Listener, *, once: bool = False) -> Registration:
        """Return a registration, not attached yet, with its arity settled.

        Raises ``ValueError`` for an unknown event, ``TypeError`` for a listener that cannot be
        called with the event's arguments.
        """
        self.check(event)
        call = fit(event, listener, self._arity.get(event, 1))
        if not self._coroutines and is_coroutine_function(listener):
            raise TypeError(
                f"the listener for {event!r} is an `async def`, which this stream cannot await"
                f"{self._hint}"
            )
        registration = Registration(event, listener, call)
        if once:
            registration.call = functools.partial(self._call_once, registration, call)
        return registration

    def attach(self, registration: Registration) -> None:
        """Attach a registration behind those that its event has."""

        def add() -> None:
            self._registry.add_listener(registration.event, registration)
            self._refresh(registration.event)

        self._change(add)

    def detach(self, registration: Registration) -> None:
        """Take a registration away; it is not called again, even by a delivery under way."""
        registration.call = _nothing

        def remove() -> None:
            if self.has(registration):
                self._registry.remove_listener(registration.event, registration)
                self._refresh(registration.event)

        self._change(remove)

    def has(self, registration: Registration) -> bool:
        """Return whether ``registration`` is attached."""
        return registration in self.ready.get(registration.event, ())

    def find(self, event: str, listener: Listener) -> Registration | None:
        """Return the oldest registration of ``listener`` for ``event``, or ``None``."""
        return find(listener, self.ready.get(event, ()))

    def _call_once(self, registration: Registration, call: Listener, *args: object) -> object:
        self.detach(registration)
        return call(*args)

    def _change(self, change: Callable[[], None]) -> None:
        """Make a change now, or right after the one that this thread is in the middle of.

        pyee's lock is not re-entrant, and an iterator that the garbage collector finds while we are
        under it detaches itself.
        """
        with self.lock:
            self._changes.append(change)
            if self._changing:
                return
            try:
                self._changing = True
                while self._changes:
                    # Taken out when it is done: a handler's exception may come in between, and
                    # done twice is once.
                    self._changes[0]()
                    del self._changes[0]
            finally:
                self._changing = False

    def _refresh(self, event: str) -> None:
        attached = self._registry.listeners(event)
        if attached:
            self.ready[event] = tuple(attached)  # type: ignore[arg-type]
        else:
            self.ready.pop(event, None)


def find(listener: Listener, registrations: Iterable[Registration]) -> Registration | None:
    """Return the first of ``registrations`` that is of ``listener``, or ``None``."""
    for registration in registrations:
        # `==` finds bound methods: each access to obj.method makes a new object. Identity first,
        # since `==` of a listener may be anything.
        if registration.listener is listener or registration.listener == listener:
            return registration
    return None


def fit(event: str, listener: Listener, count: int) -> Callable[..., object]:
    """Return what to call with ``count`` arguments: ``listener``, or it without the surplus ones.

    JavaScript drops surplus arguments and ported listeners rely on it. Raises ``TypeError`` for a
    listener that needs more than the event passes, a keyword included, and for one of which nothing
    tells what it takes: a guess would fail in the middle of the stream.
    """
    if not callable(listener):
        raise TypeError(
            f"the listener for {event!r} is not callable: {shown(listener)}"
            + ("; give the function itself, not what it returned" if listener is None else "")
        )
    if _innermost(listener) is print:  # it takes everything, but Python 3.10 has no signature of it
        return listener
    try:
        parameters = inspect.signature(listener).parameters.values()
    except (TypeError, ValueError):  # some builtins have none, and `__signature__` may be anything
        instead = "`lambda first: f(first)`" if count else "`lambda: f()`"
        raise TypeError(
            f"nothing tells how many arguments the listener for {event!r} takes, {shown(listener)}; put a "
            f"function around it that does, such as {instead}"
        ) from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in positional)
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed > count or keywords:
        wants = f"{needed} arguments" + "".join(f", keyword {name!r}" for name in keywords)
        raise TypeError(
            f"the listener for {event!r} needs {wants}, but {event!r} passes {count}: {shown(listener)}"
        )
    if len(positional) >= count or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return listener
    taken = len(positional)
    if count == 2 and taken == 1:  # the common case by far: `lambda delta: ...` on textDelta
        return lambda first, _second: listener(first)
    return lambda *args: listener(*args[:taken])


def is_coroutine_function(listener: Listener) -> bool:
    """Return whether what ``listener`` returns is to be awaited, as far as can be told."""
    listener = _innermost(listener)
    return inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(
        getattr(listener, "__call__", None)  # noqa: B004 - an instance with `async def __call__`
    )


def _innermost(listener: Listener) -> Listener:
    """Return what a partial, or a partial of one, calls in the end."""
    while isinstance(listener, functools.partial):
        listener = listener.func
    return listener


def _is_slip(event: str, name: str) -> bool:
    """Return whether two names differ in their case, underscores or one slip of the keyboard."""
    if event.replace("_", "").lower() == name.replace("_", "").lower():
        return True
    event, name = _without_common_head(event, name)
    event, name = _without_common_head(event[::-1], name[::-1])
    return max(len(event), len(name)) <= 1 or (len(event) == 2 and event == name[::-1])


def _without_common_head(one: str, other: str) -> tuple[str, str]:
    pairs = enumerate(zip(one, other, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return one[end:], other[end:]


def _nearest(event: str, known: Mapping[str, int]) -> str | None:
    """Return the known name most like ``event``, whatever its case and underscores."""

    def plain(name: str) -> str:
        return name.replace("_", "").lower()

    by_plain = {plain(name): name for name in known}
    found = difflib.get_close_matches(plain(event.removeprefix("on_")), by_plain, 1, 0.6)
    return by_plain[found[0]] if found else None
