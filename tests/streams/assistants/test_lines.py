"""Lines of JSON that are not encoded anew are the very bytes that the encoder would write."""

from __future__ import annotations

import contextlib
import random

import pytest
from deltas import MESSAGE, STEP, call_delta, frame_of, message_delta

from emitter_stream.engine.growth import GROWTH, GrowthMatcher
from emitter_stream.engine.sources import to_line
from emitter_stream.engine.wire import loads
from emitter_stream.exceptions import OpenAIError
from emitter_stream.streams.assistants.core import AssistantCore
from emitter_stream.streams.assistants.events import EACH
from emitter_stream.streams.assistants.lines import LineMaker

PIECES = ["a", " b\n", '"q"', "\ud800", "é", "\ufdd0\ufdd1", "", "a"]


def a_delta(rng: random.Random) -> tuple[str, dict]:
    """Make a delta of a text or of a call, mostly one that is as the others."""
    piece = rng.choice(PIECES)
    if rng.random() < 0.2:
        return call_delta(piece, rng.choice(["function", "code_interpreter"]))
    event = message_delta(piece)
    if rng.random() < 0.15:
        event[1]["more"] = rng.choice([1, 1.0, True, None, "\udfff", "\ufdd0\ufdd1"])
    return event


@pytest.mark.parametrize("by_bytes", [True, False], ids=["by bytes", "by shape"])
def test_a_line_is_what_the_encoder_writes_whatever_came_before_it(by_bytes):
    """Pieces of any kind, of texts and calls, recognised in either way, in any order."""
    rng = random.Random(1)
    for _ in range(200):
        core, matcher, make = AssistantCore(), GrowthMatcher(), LineMaker()
        for event in (MESSAGE, STEP, *(a_delta(rng) for _ in range(14))):
            frame = frame_of(event)
            piece = matcher.match(frame) if by_bytes else None
            with contextlib.suppress(OpenAIError):  # of another kind of call under the same index
                for name, args in core.feed(*(event if piece is None else (GROWTH, piece))):
                    if name == EACH:
                        assert make(args) == to_line({"event": event[0], "data": event[1]})
            if piece is None:
                text = frame.partition(b"data: ")[2].decode()
                path = core.growth()
                if path is None:
                    matcher.forget()
                else:
                    matcher.learn(frame, text, loads(text), path)
