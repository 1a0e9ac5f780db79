"""What happened in a recorded stream, and when: lanes, tool calls, and the figures over all."""

from __future__ import annotations

import attrs

from ..recordings import Recording
from .text import brief, text_of, visible

__all__ = ["Call", "Lane", "Timeline"]


@attrs.define
class Lane:
    """What takes its time: a run step, a message, reasoning, a request of a run of tools.

    Times are in seconds since the first request was sent. ``end`` is ``None`` if it did not end;
    ``pieces`` are the times at which its deltas came.
    """

    kind: str  # "step", "message", "reasoning", "request"
    number: int
    id: str
    label: str
    start: float
    end: float | None = None
    status: str = ""
    pieces: list[float] = attrs.field(factory=list)
    text: str = ""


@attrs.define
class Call:
    """A tool call. ``input`` and ``output`` are empty where there was none."""

    number: int
    id: str
    type: str
    name: str
    lane: Lane | None
    start: float
    end: float | None = None
    status: str = ""
    input: str = ""
    output: str = ""
    pieces: list[float] = attrs.field(factory=list)


@attrs.define
class Timeline:
    """A whole recording. ``statuses`` are those of all of it, each with the time it began."""

    path: str
    what: str = "run"  # "run", "chat", "response"
    created: str = ""
    torn: bool = False
    ended: bool = False  # whether the recording has its end
    error: str | None = None
    connected: float | None = None
    duration: float = 0.0
    events: int = 0
    id: str = ""  # the run's, the completion's or the response's
    model: str = ""
    status: str = ""
    reason: str = ""  # why it is incomplete
    statuses: list[tuple[float, str]] = attrs.field(factory=list)
    lanes: list[Lane] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)
    completion_tokens: int | None = None

    @classmethod
    def of(cls, recording: Recording) -> Timeline:
        """Read a recording to its end, or to where it makes no sense any more (``error``)."""
        from .drafts import draft_of  # they make these classes

        timeline = cls(
            path=visible(recording.path),
            created=text_of(recording.header.get("created")),
            torn=recording.torn,
        )
        draft_of(recording, timeline).read(recording)
        return timeline

    @property
    def state(self) -> str:
        """How it ended, in a few words."""
        if self.error:
            return "error"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.status}{reason}" if self.status else f"no {self.what}"

    @property
    def spans(self) -> list[tuple[float, float, str]]:
        """From when to when all of it was in which status."""
        ends = [t for t, _ in self.statuses[1:]] + [self.duration]
        return [
            (start, end, status) for (start, status), end in zip(self.statuses, ends, strict=False)
        ]

    @property
    def pieces(self) -> list[float]:
        """When each piece of the model's output came: of text, of arguments, of code."""
        return sorted(t for pieces in self._spans() for t in pieces)

    @property
    def first_token(self) -> float | None:
        """Seconds from the request to the first piece of an answer's text.

        Neither reasoning nor what a tool is given counts: nobody reads an answer in it.
        """
        texts = [lane.pieces[0] for lane in self.lanes if lane.kind == "message" and lane.pieces]
        return min(texts, default=None)

    @property
    def rate(self) -> float | None:
        """Pieces a second, over the time in which they came; ``None`` if that is no time."""
        spans = [pieces for pieces in self._spans() if len(pieces) > 1]
        time = sum(pieces[-1] - pieces[0] for pieces in spans)
        # Each span has one gap fewer than pieces.
        return sum(len(pieces) - 1 for pieces in spans) / time if time > 0 else None

    def rows(self, between: str = " ") -> list[tuple[str, Lane | Call]]:
        """Return the lanes, and after each the calls made in it, with their names.

        A call that was made in none stands among the lanes, by its time. ``between`` stands
        between a lane's number and its label.
        """
        outer: list[Lane | Call] = [*self.lanes, *(call for call in self.calls if not call.lane)]
        rows: list[tuple[str, Lane | Call]] = []
        for row in sorted(outer, key=lambda row: row.start):
            if isinstance(row, Call):
                rows.append((brief(row.name, 60) or "tool", row))
                continue
            label = f"{row.kind} {row.number}"
            rows.append((f"{label}{between}{brief(row.label, 60)}" if row.label else label, row))
            rows += [
                (brief(call.name, 60) or "tool", call) for call in self.calls if call.lane is row
            ]
        return rows

    def _spans(self) -> list[list[float]]:
        return [lane.pieces for lane in self.lanes] + [call.pieces for call in self.calls]
