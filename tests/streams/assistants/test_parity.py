"""The Node SDK's listener calls, call by call, for every frozen event stream."""

from __future__ import annotations

import pytest
from parity.compare import HERE, VECTORS, Recorder, difference_from, expected, load_golden

from emitter_stream.engine import shared
from emitter_stream.sse import EventSource

pytestmark = pytest.mark.usefixtures("long_tick")

# Where the framing is chunked, each piece is a chunk and reaches the reader alone; else each piece
# is a packet.
WHOLE, CHUNKS, PACKETS = (None, "length"), (7, "chunked"), (1000, "close")
BYTES, BYTE_PACKETS = (1, "chunked"), (1, "close")
# A reader is woken for each byte that is a chunk: the long bodies would take most of the time of
# all vectors, and that events are the same from single bytes is seen of each below.
SHORT = 2_000


def cuts_of(name: str, size: int) -> list[tuple[int | None, str]]:
    """Say in which pieces a vector comes.

    The 161 goldens were made whole and in pieces of 7. The others are about what the core makes of
    events: they come in small pieces only.
    """
    is_original = VECTORS[name][0].parent.name == "scenarios"
    is_of_bytes = name.startswith("sse_")
    return [
        CHUNKS,
        *((WHOLE, PACKETS) if is_original else ()),
        *((BYTES,) if size < SHORT or is_of_bytes else ()),
        *((BYTE_PACKETS,) if is_of_bytes else ()),
    ]


def check(stream, theirs, what: str) -> None:
    """Compare the whole result of a stream with what is expected."""
    problem = difference_from(theirs, Recorder(stream).result())
    assert problem is None, f"{what}: {problem}"


def test_vectors_are_complete():
    """All 161 original vectors are here, each with its golden file."""
    assert len(list((HERE / "scenarios").glob("*.sse"))) == 161
    assert all(golden.exists() for _, golden in VECTORS.values())


@pytest.mark.parametrize("name", VECTORS)
def test_same_calls_as_node(vector_stream, monkeypatch, name):
    """Trace, finals and state are Node's, however the body is cut, and whoever reads it."""
    scenario, golden = VECTORS[name]
    theirs = expected(load_golden(golden))
    for piece, framing in cuts_of(name, scenario.stat().st_size):
        check(vector_stream(name, piece, framing), theirs, f"{name}, pieces of {piece}, {framing}")
    monkeypatch.setattr(shared, "FROM", 0)
    check(vector_stream(name, 7, "close"), theirs, f"{name}, where one thread reads for many")


@pytest.mark.parametrize("name", ["typical_full_run", "malformed_json", "sse_unterminated_last"])
def test_same_calls_as_node_when_compressed(vector_stream, name):
    """Trace, finals and state are Node's when the body is gzip, in pieces of 1,000 bytes."""
    check(vector_stream(name, 1000, "gzip"), expected(load_golden(VECTORS[name][1])), name)


@pytest.mark.parametrize("name", VECTORS)
def test_same_events_in_single_bytes(name):
    """The event source gives the same events from single bytes as from the whole body."""
    body = VECTORS[name][0].read_bytes()
    whole = [fields(event) for event in EventSource([body]).events()]
    cut = [
        fields(event)
        for event in EventSource(body[at : at + 1] for at in range(len(body))).events()
    ]
    assert cut == whole


def fields(event) -> tuple:
    """Give an event's four fields."""
    return event.event, event.data, event.id, event.retry
