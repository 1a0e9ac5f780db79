"""What processes of one database say to each other: ids, nothing else; the rest is in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

CHANNEL = "emitter_stream"

Kind = Literal["events", "cancel"]


@dataclass(frozen=True)
class Message:
    """That `process` has told `events` of runs, or wants runs to be cancelled by who works on them.

    What is to be cancelled may be responses as well.
    """

    process: str
    kind: Kind
    runs: tuple[str, ...]

    def payloads(self) -> Iterator[str]:
        """Yield it as texts, none of which is longer than a database takes."""
        for start in range(0, len(self.runs), 200):
            yield " ".join((self.process, self.kind, *self.runs[start : start + 200]))

    @staticmethod
    def of(payload: str) -> Message:
        process, kind, *runs = payload.split(" ")
        return Message(process, "cancel" if kind == "cancel" else "events", tuple(runs))


Heard = Callable[[Message | None], None]
"""Takes a message; None: some may have been missed."""
