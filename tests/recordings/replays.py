"""Recording and replaying with all listeners attached as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from parity.compare import NAMES, PATIENCE, Recorder

from emitter_stream import AssistantStream, OpenAIError


def listen(stream, names: tuple[str, ...] = NAMES) -> Recorder:
    """Attach all listeners as one, so that they have a common order on the busiest machine."""
    with stream._delivery.still():
        return Recorder(stream, names)


def replayed(path: Path, names: tuple[str, ...] = NAMES) -> dict:
    """Replay without pauses; give trace, finals and state."""
    return listen(AssistantStream.replay(path, None), names).result()


def failure_of(stream) -> OpenAIError:
    """Wait for the error of a stream."""
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    return caught.value
