"""The Node SDK's listener calls, call by call, for every frozen event stream."""

from __future__ import annotations

import pytest
from parity.compare import HERE, VECTORS, Recorder, difference, load_golden
from scripted_server import sse

from emitter_stream.engine import shared
from emitter_stream.sse import EventSource

pytestmark = pytest.mark.usefixtures("long_tick")

# The 161 goldens were made in pieces of 7 as well; whole is piece None. Where the framing is
# chunked, each piece is a chunk and reaches the reader alone; else each piece is a packet. The others
# are about what the core makes of events: they come in small pieces only.
CUTS = ((None, "length"), (1, "chunked"), (7, "chunked"), (1000, "close"))
ROWS = [
    (name, *cut)
    for name, (scenario, _) in VECTORS.items()
    for cut in (CUTS if scenario.parent.name == "scenarios" else CUTS[1:3])
]


def check(stream, name: str) -> None:
    """Compare the whole result of a stream with the golden file."""
    problem = difference(Recorder(stream).result(), load_golden(VECTORS[name][1]))
    assert problem is None, f"{name}: {problem}"


def test_vectors_are_complete():
    """All 161 original vectors are here, each with its golden file."""
    assert len(list((HERE / "scenarios").glob("*.sse"))) == 161
    assert all(golden.exists() for _, golden in VECTORS.values())


@pytest.mark.parametrize(("name", "piece", "framing"), ROWS)
def test_same_calls_as_node(stream_of, name, piece, framing):
    """Trace, finals and state are Node's, however the body is cut."""
    body = VECTORS[name][0].read_bytes()
    check(stream_of(sse(body, piece, framing)), name)


@pytest.mark.parametrize("name", VECTORS)
def test_same_calls_as_node_where_one_thread_reads_for_many(stream_of, monkeypatch, name):
    """Trace, finals and state are Node's also if a stream has no thread of its own."""
    monkeypatch.setattr(shared, "FROM", 0)
    check(stream_of(sse(VECTORS[name][0].read_bytes(), 7, "close")), name)


@pytest.mark.parametrize("name", [name for name in VECTORS if name.startswith("sse_")])
def test_same_calls_as_node_in_single_byte_packets(stream_of, name):
    """Trace, finals and state are Node's when each byte is a packet of its own."""
    check(stream_of(sse(VECTORS[name][0].read_bytes(), 1, "close")), name)


@pytest.mark.parametrize("name", ["typical_full_run", "malformed_json", "sse_unterminated_last"])
def test_same_calls_as_node_when_compressed(stream_of, name):
    """Trace, finals and state are Node's when the body is gzip, in pieces of 1,000 bytes."""
    check(stream_of(sse(VECTORS[name][0].read_bytes(), 1000, "gzip")), name)


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
