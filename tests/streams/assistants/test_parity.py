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


def ways_of(name: str) -> list[tuple[int | None, str, bool]]:
    """Say in which pieces a vector comes, and whether one thread reads for many streams.

    The 161 goldens were made whole and in pieces of 7. The others are about what the core makes of
    events: they come in small pieces only.
    """
    scenario = VECTORS[name][0]
    is_original = scenario.parent.name == "scenarios"
    is_of_bytes = name.startswith("sse_")
    cuts = [
        CHUNKS,
        *((WHOLE, PACKETS) if is_original else ()),
        *((BYTES,) if scenario.stat().st_size < SHORT or is_of_bytes else ()),
        *((BYTE_PACKETS,) if is_of_bytes else ()),
    ]
    return [*((*cut, False) for cut in cuts), (7, "close", True)]


def check(vector_stream, monkeypatch, name: str, ways) -> None:
    """Compare the whole result of a vector's streams with its golden file."""
    theirs = expected(load_golden(VECTORS[name][1]))
    for piece, framing, shares in ways:
        with monkeypatch.context() as patch:
            if shares:
                patch.setattr(shared, "FROM", 0)
            problem = difference_from(
                theirs, Recorder(vector_stream(name, piece, framing)).result()
            )
        assert problem is None, f"{name}, pieces of {piece}, {framing}, {shares=}: {problem}"


def test_vectors_are_complete():
    """All 161 original vectors are here, each with its golden file."""
    assert len(list((HERE / "scenarios").glob("*.sse"))) == 161
    assert all(golden.exists() for _, golden in VECTORS.values())


@pytest.mark.parametrize(("number", "name"), [*enumerate(VECTORS)], ids=VECTORS)
def test_same_calls_as_node(vector_stream, monkeypatch, number, name):
    """Trace, finals and state are Node's: one vector is cut in this way, the next in that."""
    ways = ways_of(name)
    check(vector_stream, monkeypatch, name, [ways[number % len(ways)]])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", VECTORS)
def test_same_calls_as_node_in_every_way(vector_stream, monkeypatch, name):
    """Trace, finals and state are Node's, however the body is cut, and whoever reads it."""
    check(vector_stream, monkeypatch, name, ways_of(name))


@pytest.mark.parametrize("name", ["typical_full_run", "malformed_json", "sse_unterminated_last"])
def test_same_calls_as_node_when_compressed(vector_stream, monkeypatch, name):
    """Trace, finals and state are Node's when the body is gzip, in pieces of 1,000 bytes."""
    check(vector_stream, monkeypatch, name, [(1000, "gzip", False)])


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.sample(4)
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
