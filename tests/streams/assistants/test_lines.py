"""Lines of JSON that are not encoded anew are the very bytes that the encoder would write."""

from __future__ import annotations

import random

from emitter_stream.engine.sources import to_line
from emitter_stream.streams.assistants.lines import LineMaker
from emitter_stream.types.assistants.event import EventView

PIECES = ["a", " b\n", '"q"', "\ud800", "é", "\ufdd0\ufdd1", None, 1]


def test_a_line_is_what_the_encoder_writes_whatever_came_before_it():
    """Pieces of any kind, and numbers that are equal but written in another way, in any order."""
    rng = random.Random(1)
    for _ in range(300):
        make = LineMaker()
        for _ in range(12):
            text = {"value": rng.choice(PIECES)}
            element = {"index": rng.choice([0, 0, 0, 1, 0.0, False]), "type": "text", "text": text}
            data = {"id": rng.choice("mmn"), "delta": {"content": [element]}}
            if rng.random() < 0.1:
                data["more"] = rng.choice([1, 1.0, True, None])
            event = {"event": "thread.message.delta", "data": data}
            assert make((EventView(event),)) == to_line(event)
