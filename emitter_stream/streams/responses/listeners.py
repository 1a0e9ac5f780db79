"""The events of a Responses stream that can be listened to: the API's own, and ``event`` for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .accumulator import KNOWN

__all__ = ["LISTENERS", "OPEN_PREFIX"]

LISTENERS: Final[Mapping[str, int]] = {"event": 1, **dict.fromkeys(sorted(KNOWN), 1)}
"""Each name, with the number of arguments that it passes."""

OPEN_PREFIX: Final = "response."
"""What the names begin with that can be listened to although they are not known here."""
