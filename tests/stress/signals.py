"""Signals, again and again, while the main thread reads a growing text or iterates a stream.

    python tests/stress/signals.py [SIGNALS]

The handler reads the text, attaches and detaches. Ends with status 1 if a text was wrong, a piece was lost or
the main thread stood still.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from emitter_stream import AssistantStream

PERIOD = 0.0002  # seconds between two signals


def events(done: list[bool]) -> Iterator[dict[str, Any]]:
    """Give pieces of text that say their number, until it is enough."""
    yield {"event": "thread.message.created", "data": {"id": "m", "content": []}}
    number = 0
    while not done:
        text = {"value": f"{number % 10}"}
        content = [{"index": 0, "type": "text", "text": text}]
        yield {
            "event": "thread.message.delta",
            "data": {"id": "m", "delta": {"content": content}},
        }
        number += 1
    yield {"event": "thread.run.completed", "data": {"id": "r", "status": "completed"}}


def is_right(text: str, start: int) -> bool:
    """Tell whether ``text`` goes on in the order of its numbers from ``start`` on."""
    return text[start:] == ("0123456789" * (len(text) // 10 + 2))[start : len(text)]


def stress(signals: int) -> tuple[int, int, int]:
    """Return how many signals came, reads were made, and answers were wrong."""
    done: list[bool] = []
    stream = AssistantStream.from_events(events(done))
    pieces = stream.text_deltas
    first = next(pieces)
    text = stream.current_message_snapshot().content[0].text
    count = reads = wrong = 0

    def handler(*_: object) -> None:
        nonlocal count, wrong
        count += 1
        value = text.value
        wrong += not is_right(value, max(0, len(value) - 50))
        stream.on("textDelta", handler_listens).off("textDelta", handler_listens)
        if count < signals:
            signal.setitimer(signal.ITIMER_REAL, PERIOD)
        else:
            done.append(True)

    def handler_listens() -> None:
        """Listen for a moment."""

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, PERIOD)
    expected = int(first)
    for piece in pieces:
        expected = (expected + 1) % 10
        value = text.value
        reads += 1
        wrong += piece != str(expected) or not is_right(value, max(0, len(value) - 50))
    return count, reads, wrong


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    faulthandler.dump_traceback_later(60 + wanted / 200, exit=True)
    begun = time.monotonic()
    count, reads, wrong = stress(wanted)
    seconds = time.monotonic() - begun
    print(f"{count} signals during {reads} reads in {seconds:.1f} s: {wrong} wrong")
    sys.exit(wrong != 0 or count < wanted)
