"""How the events of one API stand on the wire: in frames, in lines of JSON, as objects."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Codec", "WireEvent"]

WireEvent = tuple[Any, Any]
"""An event as it came: its name, ``None`` if it had none, and its decoded data.

Or ``GROWTH`` and a string: the event before with that string in the place of its own; or ``GROWTH``
and two strings, the second of which is in the place of the event's padding; or these (``None`` for
the second where there is none) and the event's number.
"""


class Codec(Protocol):
    """What the engine asks of an API about its events. It keeps nothing between two of them."""

    @property
    def api(self) -> str:
        """The API's name, as a recording says it."""
        ...

    @property
    def whole(self) -> str:
        """The name of the emission that passes each event, as one argument or the first of them."""
        ...

    @property
    def padding(self) -> str:
        """The outermost field of an event whose string only pads it; ``""`` if there is none."""
        ...

    @property
    def number(self) -> str:
        """The outermost field of an event that counts the events; ``""`` if there is none."""
        ...

    def from_frame(self, name: str | None, text: str) -> WireEvent | None:
        """Read a server-sent event by its name and its data; ``None`` for a heartbeat.

        Raises ``OpenAIError`` for what is no event, ``APIError`` for one that is an error.
        """
        ...

    def from_object(self, value: Any) -> WireEvent:
        """Read an event that is there as an object: the JSON of a line, a dict, an SDK's object.

        What comes out shares nothing with ``value``. Raises like ``from_frame``.
        """
        ...

    def of_emission(self, args: tuple[Any, ...]) -> WireEvent:
        """Return the event that an emission of ``whole`` passed."""
        ...

    def to_object(self, event: WireEvent) -> Any:
        """Return the JSON that stands for an event in a line, which ``from_object`` reads."""
        ...
