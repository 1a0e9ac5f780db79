"""What the drafts of all APIs share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.core import Core, Emission
from ...exceptions import OpenAIError
from ...recordings import Entry, Recording
from ..text import text_of, visible
from ..timeline import Call, Lane, Timeline

__all__ = ["Draft", "inside", "listed"]


class Draft:
    """A timeline while it is being made.

    ``now`` is the time of what is being taken.
    """

    def __init__(self, timeline: Timeline, core: Core) -> None:
        self.timeline = timeline
        self.core = core
        self.now = 0.0

    def read(self, recording: Recording) -> None:
        """Take a recording to its end, or to where it makes no sense any more."""
        timeline = self.timeline
        try:
            for entry in recording.entries():
                self.now = timeline.duration = entry.t
                self._read(entry)
                if entry.error is not None:
                    raise entry.error
            self.take(self.core.finish())
        except OpenAIError as error:
            timeline.error = visible(f"{type(error).__name__}: {error}")
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            # The stream would end in an error here as well.
            timeline.error = visible(f"the events make no sense: {type(error).__name__}: {error}")

    def _read(self, entry: Entry) -> None:
        if entry.kind == "connect":
            self.timeline.connected = entry.t
            self.connected()
        elif entry.kind == "end":
            self.timeline.ended = True
        else:
            self.timeline.events += not entry.made
            core = self.core
            self.take(
                core.feed(
                    core.made.get(entry.name, entry.name) if entry.made else entry.name, entry.data
                )
            )
            self.taken(entry)

    def take(self, calls: Iterable[Emission]) -> None:
        """Take the listener calls that an event led to."""
        raise NotImplementedError

    def connected(self) -> None:
        """Take note that the answer began."""

    def taken(self, entry: Entry) -> None:
        """Look at an event that was taken."""

    def named(self, document: Any) -> None:
        """Take note of what a run, a completion or a response is called, and of its model."""
        timeline = self.timeline
        timeline.id = text_of(inside(document, "id")) or timeline.id
        timeline.model = text_of(inside(document, "model")) or timeline.model

    def status(self, status: str) -> None:
        """Take note of what all of it has come to."""
        timeline = self.timeline
        timeline.status = visible(status)
        if not timeline.statuses or timeline.statuses[-1][1] != timeline.status:
            timeline.statuses.append((self.now, timeline.status))

    def tokens(self, count: Any) -> None:
        """Take note of how many tokens were billed."""
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 10**12:
            self.timeline.completion_tokens = count

    def lane(self, kind: str, identifier: Any, label: str, start: float | None = None) -> Lane:
        """Begin a lane."""
        lanes = self.timeline.lanes
        number = 1 + sum(lane.kind == kind for lane in lanes)
        begun = self.now if start is None else start
        lanes.append(Lane(kind, number, text_of(identifier), label, begun))
        return lanes[-1]

    def call(self, identifier: Any, kind: Any, name: Any, lane: Lane | None) -> Call:
        """Begin a tool call."""
        calls = self.timeline.calls
        kind = text_of(kind)
        name = text_of(name) or kind.replace("_", " ") or "tool"
        calls.append(Call(len(calls) + 1, text_of(identifier), kind, name, lane, self.now))
        return calls[-1]


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def inside(value: Any, *path: str) -> Any:
    """Return what stands at ``path`` in nested objects, ``None`` if there is no such place."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
