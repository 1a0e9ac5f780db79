"""A stream that may end in any way, as long as it ends."""

from __future__ import annotations

from parity.compare import PATIENCE, Recorder
from parity.transcripts import answered, encode

from emitter_stream import OpenAIError

BODY = encode(answered("a", "b"))


def ends(stream) -> OpenAIError | None:
    """Let a stream end, well or with an OpenAIError, and give the error."""
    recorder = Recorder(stream)
    error = None
    try:
        stream.done(timeout=PATIENCE * 2)
    except OpenAIError as caught:
        error = caught
    assert recorder.names[-1] == "end"
    assert recorder.names.count("end") == 1
    assert recorder.names.count("error") == (error is not None)
    assert len(str(error)) < 2_000
    return error
