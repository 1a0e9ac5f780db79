"""How a response's stream goes on after its connection broke: behind the last event's number."""

from __future__ import annotations

from collections.abc import Callable

from ..._bell import Flag
from ...engine.codec import WireEvent
from ...engine.sources import Source
from ...exceptions import APIError
from .core import ResponseCore

__all__ = ["ResponseResumption"]

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))


class ResponseResumption:
    """What is known of one stream. ``again(response_id, starting_after)`` asks for what is missing."""

    def __init__(self, core: ResponseCore, again: Callable[[str, int], Source]) -> None:
        self._core = core
        self._again = again
        self._last: int | None = None
        self._is_over = False

    def passed(self, event: WireEvent) -> bool:
        data = event[1]
        if isinstance(data, dict):
            number = data.get("sequence_number")
            if isinstance(number, int):
                self._last = number
            self._is_over = data.get("type") in _ENDS
        return self._is_over

    def is_over(self) -> bool:
        return self._is_over

    def following(self, interrupted: Flag) -> Source | None:
        snapshot = self._core.snapshot
        response_id = None if snapshot is None else snapshot.to_dict().get("id")
        if self._last is None or not isinstance(response_id, str):
            return None
        return self._again(response_id, self._last)

    def refused(self, error: APIError) -> bool:
        return False
