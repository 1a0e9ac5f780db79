"""The event-stream format, by the WHATWG rules, at any cutting of the bytes."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import tries

from emitter_stream import OpenAIError
from emitter_stream.sse import EventSource

BOM = "\ufeff"


def reference(body: bytes) -> list[tuple]:
    """Read a whole body, written down from the standard's own words (section 9.2.6).

    One difference, which is Node's: the end of the body ends the last line and the last event.
    """
    text = body.decode("utf-8", "replace")
    text = text.removeprefix(BOM)
    lines = re.split("\r\n|\n|\r", text)
    events, data, name, last_id, retry = [], "", "", "", None
    for line in [*lines, ""]:
        if not line:
            if data:
                events.append((name or "message", data.removesuffix("\n"), last_id, retry))
            data, name, retry = "", "", None
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
            elif field == "retry" and re.fullmatch("[0-9]+", value):
                retry = int(value)
    return events


def read(chunks, **options) -> list[tuple]:
    """Read chunks with the library; a field that was never sent may be None or empty."""
    events = EventSource(chunks, **options).events()
    return [(e.event, e.data, e.id or "", e.retry) for e in events]


def cut_at(body: bytes, places) -> list[bytes]:
    """Cut a body at these places."""
    edges = [0, *sorted(min(place, len(body)) for place in places), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(edges)]


FRAGMENTS = [
    *(b"data", b"event", b"id", b"retry", b"Data", b"x", b"[DONE]", b"42", b"\xd9\xa3", b"-1"),
    *(b":", b": ", b" ", b"\t", b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"),
    *(b"\n\r", b"data: a", b"data: b\n", b"event: e\n", b"id: 7\n", b"retry: 10\n", b": c\n"),
    *(b"\xef\xbb\xbf", b"\xef\xbb", "é😀".encode(), b"\xf0\x9f", b"\xff", b"\xe2\x82", b"\xc3"),
    *(c.encode() for c in "\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e"),
    b"\xed\xa0\x80",  # a surrogate half, which UTF-8 does not allow
]
BODIES = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=30)


@pytest.mark.tries
@settings(max_examples=tries(200, 600))
@given(BODIES, CUTS)
@example(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\n\r\rdata: c", [1, 2, 10, 11, 12, 13])
@example(b"data: a\r\r\ndata: b\r\n\n", [8, 9, 10])
@example(b"\xef\xbb\xbf\xef\xbb\xbfdata: two marks\n\n", [3])
@example(b"data: \xf0\x9f\x98\x80\n\n", [7, 8, 9])
@example(b"retry: 10\nid: 1\nretry\nretry: x\nid: a\0b\ndata: the last that counts\n\n", [])
def test_any_cutting_gives_the_events_of_the_standard(body, places):
    """However the bytes are cut, the events are those of an independent reading of the standard."""
    expected = reference(body)
    assert read([body]) == expected
    assert read(cut_at(body, places)) == expected
    assert read(body[at : at + 1] for at in range(len(body))) == expected


@pytest.mark.tries
@given(st.binary(max_size=300), CUTS)
@settings(max_examples=tries(80, 200))
def test_any_bytes_are_read(body, places):
    """No bytes at all make the reader fail, and their cutting does not matter."""
    assert read(cut_at(body, places)) == reference(body)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: a\n\n", ["a"]),
        (b"data: a\r\r", ["a"]),
        (b"data: a\r\n\r\n", ["a"]),
        (b"data: a\ndata: b\rdata: c\r\ndata: d\n\r\n", ["a\nb\nc\nd"]),
        (b"data: a\n\rdata: b\r\n\n", ["a", "b"]),
        (b"data: a\r\n\ndata: b\n\n", ["a", "b"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
        (b"data: \xef\xbb\xbfa\n\n", ["\ufeffa"]),
        (b":\n: data: no\n:data: no\n\ndata: a\n\n", ["a"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a \n\n", [" a "]),
        (b"data:\ta\n\n", ["\ta"]),
        (b"data : a\n\n", []),
        (b" data: a\n\n", []),
        (b"DATA: a\n\n", []),
        (b"data\n\n", [""]),
        (b"data:\n\n", [""]),
        (b"data\ndata\n\n", ["\n"]),
        (b"data: a: b\n\n", ["a: b"]),
        (b"datax: a\n\ndat: a\n\n", []),
        (b"event: x\n\ndata: a\n\n", ["a"]),
        (b"data: a\n \ndata: b\n\n", ["a\nb"]),
        (b"data: a", ["a"]),
        (b"data: a\n", ["a"]),
        (b"data: a\r\n", ["a"]),
        (b"dat", []),
        (b"", []),
        (b"\n\r\n\r\r\n\n", []),
        (b"\xef\xbb", []),
    ],
)
def test_fields_and_line_ends(body, data):
    """Fields, comments and line ends are read as the standard says."""
    assert [event[1] for event in read([body])] == data
    assert [event[1] for event in read([bytes([byte]) for byte in body])] == data


@pytest.mark.parametrize(
    "mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]
)
def test_what_is_not_a_line_end(mark):
    """Only LF, CR and CRLF end a line; what Python's splitlines adds stays inside the data."""
    body = f"data: a{mark}b\n\n".encode()
    assert [event[1] for event in read([body])] == [f"a{mark}b"]
    assert [event[1] for event in read([bytes([byte]) for byte in body])] == [f"a{mark}b"]


def test_invalid_utf8_becomes_replacement_characters():
    """Bytes that are not UTF-8 become U+FFFD, wherever the chunk ends."""
    body = b"data: a\xffb\xe2\x82\n\ndata: \xf0\x9f\x98\n\n"
    for size in range(1, len(body)):
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        assert [event[1] for event in read(chunks)] == ["a\ufffdb\ufffd", "\ufffd"]


def test_event_name():
    """The last event line of an event names it; without one, or if it is empty, it is a message."""
    body = b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent:\ndata: 3\n\ndata: 4\nevent:c\n\n"
    assert [event[0] for event in read([body])] == ["b", "message", "message", "c"]


def test_id_stays_until_the_next_and_may_not_hold_nul():
    """An id counts for the later events too, an empty one clears it, one with NUL is ignored."""
    body = b"id: 1\ndata\n\ndata\n\nid: a\0b\ndata\n\nid\ndata\n\n"
    assert [event[2] for event in read([body])] == ["1", "1", "1", ""]


@pytest.mark.parametrize(
    ("line", "retry"),
    [
        (b"retry: 1500", 1500),
        (b"retry:7", 7),
        (b"retry: 1.5", None),
        (b"retry: -1", None),
        (b"retry: +1", None),
        (b"retry: 1_000", None),
        (b"retry:", None),
        ("retry: ٣".encode(), None),
        ("retry: ²".encode(), None),
    ],
)
def test_retry_is_ascii_digits_only(line, retry):
    """A retry of anything but ASCII digits is ignored."""
    assert [event[3] for event in read([line + b"\ndata: a\n\n"])] == [retry]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: a\n\n"],
        [b"data: a\n", b"\n"],
        [b"data: a\r\n\r\n"],
        [b"data: a\r\n\r"],
        [b"data: a\r\r"],
        [b"data: a\r", b"\r"],
        [b"data: a\r\n\n"],
        [b": c\n", b"da", b"ta: a\n\n"],
    ],
)
def test_an_event_comes_out_the_moment_its_blank_line_is_in(chunks):
    """No byte after the blank line is waited for, not even the LF that a CR may have."""
    taken = []

    def source():
        for chunk in [*chunks, b"never read"]:
            taken.append(chunk)
            yield chunk

    events = EventSource(source()).events()
    assert next(events).data == "a"
    assert taken == chunks


def test_events_before_a_broken_read_come_out():
    """An error of the byte source comes after the events that were complete before it."""

    def source():
        yield b"data: a\n\ndata: b\n\ndata: c"
        raise ConnectionError("gone")

    events = EventSource(source()).events()
    assert [next(events).data, next(events).data] == ["a", "b"]
    with pytest.raises(ConnectionError):
        next(events)


def test_empty_chunks_mean_nothing():
    """An empty chunk is not an end."""
    assert [event[1] for event in read([b"", b"data: a", b"", b"\n", b"", b"\n", b""])] == ["a"]


@pytest.mark.parametrize("piece", [256, 65536])
def test_a_large_event_in_small_pieces(piece):
    """One event of 4 MB in 256-byte pieces is read, in time linear in its size."""
    data = b"x" * 4_000_000
    body = b"data: " + data + b"\n\ndata: after\n\n"
    chunks = [body[at : at + piece] for at in range(0, len(body), piece)]
    assert [event[1] for event in read(chunks)] == [data.decode(), "after"]


def test_a_large_event_of_many_lines_in_small_pieces():
    """One event of 100,000 lines in 256-byte pieces is read, in time linear in its size."""
    body = b"data: " + b"\ndata: ".join([b"y" * 34] * 100_000) + b"\n\n"
    chunks = [body[at : at + 256] for at in range(0, len(body), 256)]
    assert [len(event[1]) for event in read(chunks)] == [35 * 100_000 - 1]


def test_many_events_in_one_chunk():
    """100,000 events in one chunk are read, in time linear in their number."""
    assert len(read([b"data: x\n\n" * 100_000])) == 100_000


@pytest.mark.parametrize("piece", [b"x" * 100, b"data: xxxxxxx\n", b"data: x\rid: 1\r"])
def test_an_event_without_end_is_an_error(piece):
    """An event that grows past max_event_bytes is an error, and no more of it is read."""
    taken = 0

    def source():
        nonlocal taken
        yield b"data: first\n\ndata: "
        while True:
            taken += len(piece)
            assert taken < 100_000
            yield piece

    events = EventSource(source(), max_event_bytes=10_000).events()
    assert next(events).data == "first"
    with pytest.raises(OpenAIError, match=r"10[,_ ]?000|max_event_bytes"):
        next(events)
    assert taken < 20_000


@pytest.mark.parametrize("size", [1, 7, None])
def test_the_limit_is_for_one_event_and_not_for_the_stream(size):
    """An event up to the limit is read, and a stream may be longer than it."""
    body = (b"data: " + b"x" * 900 + b"\n\n") * 5
    chunks = [body] if size is None else [body[at : at + size] for at in range(0, len(body), size)]
    assert len(read(chunks, max_event_bytes=1_000)) == 5


@pytest.mark.parametrize("size", [1, 7, None])
def test_the_limit_holds_however_the_event_is_cut(size):
    """An event over the limit is an error also when it comes whole, in one chunk."""
    body = b"data: small\n\ndata: " + b"x" * 1_100 + b"\n\n"
    chunks = [body] if size is None else [body[at : at + size] for at in range(0, len(body), size)]
    events = EventSource(chunks, max_event_bytes=1_000).events()
    assert next(events).data == "small"
    with pytest.raises(OpenAIError):
        next(events)


def test_keep_alive_comments_between_events_do_not_count():
    """Comments that end in a blank line may go on for ever, whatever the limit."""
    chunks = [b": ping\n\n"] * 500 + [b": ping\r\n\r\n"] * 500 + [b"data: a\n\n"]
    assert [event[1] for event in read(chunks, max_event_bytes=1_000)] == ["a"]


def test_comments_inside_an_event_count():
    """A server cannot fill the memory with comments that no blank line ever ends."""
    chunks = [b": ping\n"] * 500
    with pytest.raises(OpenAIError, match="1000 bytes"):
        read(chunks, max_event_bytes=1_000)
