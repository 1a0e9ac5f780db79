"""Reading what a server has sent ahead: all of it at once, and never by a wait."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest
from scripted_server import PATIENCE

from emitter_stream.http.floods import Flood

SIZE = 65_536
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = [bytes([letter]) * 5_000 for letter in b"abc"]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
def flood():
    """Make a flood of what a server has sent, and the server's side of the connection."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, theirs:

        def start(sent: bytes) -> tuple[Flood, socket.socket]:
            theirs.sendall(HEAD + sent)
            body = http.client.HTTPResponse(ours)
            body.begin()
            return Flood(body, ours), theirs

        yield start


def read_all(flood: Flood, count: int) -> bytes:
    """Read so many bytes, in as many reads as that takes."""
    read = b""
    while len(read) < count:
        read += flood.read1(SIZE)
    return read


def test_what_is_there_is_read_at_once(flood):
    """Several large chunks that have come are one read, however http.client buffers them."""
    reader, _ = flood(b"".join(map(chunk, LARGE)))
    assert reader.read1(SIZE) == b"".join(LARGE)


def test_no_more_than_asked_for(flood):
    """The size holds for all chunks together, and the next read goes on there."""
    reader, _ = flood(b"".join(map(chunk, LARGE)))
    first = reader.read1(7_000)
    assert len(first) <= 7_000
    assert first + read_all(reader, 15_000 - len(first)) == b"".join(LARGE)


@pytest.mark.parametrize(
    "begun",
    [b"1388", b"1388\r\n", b"\r\n", b"1388\r\nabc"],
    ids=["size", "line", "end", "data"],
)
def test_a_chunk_that_has_only_begun_is_not_waited_for(flood, begun):
    """What stands before it is given at once, whatever part of its framing is there."""
    reader, server = flood(chunk(LARGE[0]).removesuffix(b"\r\n" if begun == b"\r\n" else b""))
    got: list[bytes] = []
    done = threading.Event()

    def read():
        got.append(read_all(reader, 5_000))
        done.set()

    server.sendall(begun)
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert done.wait(PATIENCE / 2), "it waits for more"
    assert got[0][:5_000] == LARGE[0]


def test_small_pieces_come_one_by_one(flood):
    """A delta that arrives alone is given without a look for more."""
    reader, _ = flood(chunk(b"one") + chunk(b"two"))
    assert reader.read1(SIZE) == b"one"
    assert reader.read1(SIZE) == b"two"


def test_a_failure_behind_what_came_is_the_next_reads(flood):
    """What was read before a chunk that is none is given first."""
    reader, _ = flood(chunk(LARGE[0]) + b"nonsense\r\n" + LARGE[1])
    assert read_all(reader, 5_000) == LARGE[0]
    with pytest.raises(http.client.IncompleteRead):
        reader.read1(SIZE)


def test_the_end_may_be_read_again(flood):
    """Behind the last chunk there is nothing, as often as it is read."""
    reader, _ = flood(chunk(LARGE[0]) + b"0\r\n\r\n")
    assert read_all(reader, 5_000) == LARGE[0]
    assert reader.read1(SIZE) == b""
    assert reader.read1(SIZE) == b""
