"""What the engine asks of a core: events in, listener calls out, no thread and no clock in between."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..exceptions import OpenAIError
from .codec import Codec, WireEvent
from .growth import Path

if TYPE_CHECKING:
    from .sources import Source

__all__ = ["Core", "Emission", "EventLog"]

Emission = tuple[str, tuple[Any, ...]]
"""A listener call: the event's name and its arguments. ``history.KEEP`` stands before what is kept."""


class Core(Protocol):
    """Turns the events of one stream into listener calls, and keeps the stream's snapshots.

    Fed by one thread at a time; what other threads may ask of it is replaced whole, never half.
    """

    wanted: Container[str]
    """The names whose emissions are to be made; the others may be left out."""

    listened: Container[str]
    """The names that somebody listens to. Fewer than ``wanted`` as long as all is kept."""

    @property
    def codec(self) -> Codec:
        """How its events stand on the wire."""
        ...

    @property
    def events(self) -> Mapping[str, int]:
        """The names it emits, with the number of arguments of each."""
        ...

    @property
    def open_prefix(self) -> str:
        """What other names begin with that can be listened to, with one argument; ``""`` for none."""
        ...

    @property
    def aliases(self) -> Container[str]:
        """Those of the names that only repeat what another says."""
        ...

    @property
    def made(self) -> Mapping[str, str]:
        """The names of events that come from no server, each as the object that it must be."""
        ...

    @property
    def current_event(self) -> object:
        """The event that was fed last, as a listener gets it; ``None`` before the first."""
        ...

    def feed(self, event: Any, data: Any, /) -> Iterable[Emission]:
        """Take one event, by its name and data or as ``GROWTH``; give the calls it leads to.

        Each is asked for when the one before has taken place. Raises ``OpenAIError`` for an event that
        ends the stream.
        """
        ...

    def finish(self) -> Iterable[Emission]:
        """Take the end of the events; raises ``OpenAIError`` if they end too early."""
        ...

    def growth(self) -> Path | None:
        """Return where the last event's text stands, if the next may differ in that alone."""
        ...

    def grown(self, piece: Any, /) -> WireEvent:
        """Return the event that ``GROWTH`` with ``piece`` stands for, by its name and data."""
        ...


class EventLog(Protocol):
    """What writes a stream down while it is read."""

    def tap(self, source: Source, core: Core) -> Source:
        """Return a source that gives the same events, and notes them before anybody acts on them."""
        ...

    def connected(self) -> None:
        """Note that the answer began."""
        ...

    def noted(self, events: Iterable[WireEvent], core: Core) -> Iterator[WireEvent]:
        """Yield events that have been read, each after it was noted."""
        ...

    def finish(self, error: OpenAIError | None) -> None:
        """Note the end."""
        ...
