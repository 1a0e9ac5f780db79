"""A stream with everything in it."""

from __future__ import annotations

import contextlib

from parity.compare import PATIENCE
from parity.transcripts import DONE, called, message, message_delta, run, said, started

from emitter_stream import OpenAIError

IMAGE = {"type": "image_file", "image_file": {"file_id": "file_1"}}
EVERYTHING = [
    *started(),
    *called(1, ["{", "}"]),
    *said(2, ["a", "b"]),
    message(3, "created"),
    message_delta(3, {"index": 0, **IMAGE}),
    message(3, "completed", [IMAGE]),
    run("completed"),
    DONE,
]


def finish(stream) -> None:
    """Let the stream go, wait for its end and let an error of it pass."""
    with contextlib.suppress(OpenAIError):
        stream.done(timeout=PATIENCE)
