"""Streams that fail, and servers that let them."""

from __future__ import annotations

import pytest
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import answered, encode

from emitter_stream import OpenAIError

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)
HALF = encode(FIVE[:10])  # three of the five deltas
FRAMINGS = ("chunked", "length", "close", "gzip")
WAITS = ("done", "until_done", "final_run", "final_messages", "final_run_steps")
KEY = "sk-very-secret-0123456789"


def failure(stream, kind=OpenAIError, names=NAMES):
    """Let a stream fail; check how a failing stream ends, and give its error and recorder."""
    recorder = Recorder(stream, names)
    errors: list = []
    stream.on("error", errors.append)
    with pytest.raises(kind) as caught:
        stream.done(timeout=PATIENCE)
    error = caught.value
    assert errors == [error]
    assert recorder.names[-2:] == ["error", "end"]
    assert recorder.names.count("error") == recorder.names.count("end") == 1
    assert not {"run", "abort"} & set(recorder.names)
    assert (stream.ended, stream.errored, stream.aborted) == (True, True, False)
    for wait in WAITS:
        with pytest.raises(kind) as again:
            getattr(stream, wait)(timeout=PATIENCE)
        assert again.value is error
    return error, recorder


def silent(exchange):
    """Send not even a status line, until the client closes."""
    exchange.wait_for_close()
