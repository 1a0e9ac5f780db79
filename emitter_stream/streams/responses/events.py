"""The events of Responses streams: their names, and the classes of what they pass, once.

``listeners.py`` is made of them, for type checkers, by ``python tests/write_listeners.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...types.responses import EVENT_CLASSES

__all__ = ["EVENTS", "OPEN_PREFIX", "SIGNATURES"]

SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "event": ("ResponseStreamEvent",),
    **{name: (event.__name__,) for name, event in EVENT_CLASSES.items()},
}
"""Each event's name and the classes of the arguments that it passes: the API's own names, and
``event`` for each of them."""

EVENTS: Final[Mapping[str, int]] = {name: len(classes) for name, classes in SIGNATURES.items()}
"""Each event's name and how many arguments it passes."""

OPEN_PREFIX: Final = "response."
"""What the names begin with that can be listened to although they are not known here."""
