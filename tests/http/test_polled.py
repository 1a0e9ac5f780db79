"""A body that is read without waiting is the one that http.client reads, whatever its framing."""

from __future__ import annotations

import gc
import http.client
import random
import socket
import threading
import weakref

import pytest
import requests
import urllib3
from left_behind import wait_until

from emitter_stream.http.polled import Lease, PolledBody, WouldWait, can_be_polled

PIECES = [b"a", b"event: x\ndata: {}\n\n", b"b" * 300, b"\r\n", b"0\r\n\r\n", b"c" * 20_000]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"


def chunked(pieces: list[bytes], *, extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """Give a chunked body, without its last chunk."""
    return b"".join(b"%x%b%b%b\r\n" % (len(p), extension, end, p) for p in pieces)


BODIES = {
    "chunks": CHUNKED + chunked(PIECES) + b"0\r\n\r\n",
    "one": CHUNKED + chunked([b"a"]) + b"0\r\n\r\n",
    "empty": CHUNKED + b"0\r\n\r\n",
    "extensions": CHUNKED + chunked(PIECES, extension=b";a=b") + b"0;c\r\n\r\n",
    "line feeds": CHUNKED + chunked(PIECES, end=b"\n") + b"0\n\n",
    "trailers": CHUNKED + chunked(PIECES) + b"0\r\nA: b\r\nC: d\r\n\r\n",
    "no end of trailers": CHUNKED + chunked(PIECES) + b"0\r\nA: b\r\n",
    "padded sizes": CHUNKED + b"0001\r\na\r\n 2 \r\nbc\r\n0x1\r\nd\r\n0\r\n\r\n",
    "cut in a size": CHUNKED + chunked(PIECES) + b"1",
    "cut in a chunk": CHUNKED + chunked(PIECES) + b"10\r\nabc",
    "cut behind a chunk": CHUNKED + chunked(PIECES),
    "cut in a line end": CHUNKED + chunked(PIECES)[:-1],
    "no size": CHUNKED + chunked(PIECES) + b"\r\n\r\n",
    "a word for a size": CHUNKED + chunked(PIECES) + b"size\r\nabc",
    "a size without end": CHUNKED + chunked(PIECES) + b"1" * 70_000,
    "a trailer without end": CHUNKED + chunked(PIECES) + b"0\r\n" + b"A" * 70_000,
    "nothing": CHUNKED,
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    "a length of nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "more than a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdefg",
    "less than a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    "until it is closed": CLOSED + b"".join(PIECES),
    "closed at once": CLOSED,
}


class Answer:
    """One end of a pair of sockets, and http.client's answer that is read from it."""

    def __init__(self) -> None:
        self.server, self.client = socket.socketpair()
        self.client.settimeout(60)
        self.answer = http.client.HTTPResponse(self.client, method="GET")
        self.body: PolledBody | None = None

    def poll(self) -> PolledBody:
        """Read it without waiting from now on."""
        self.body = PolledBody(self.client, self.answer, None)
        return self.body

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        if self.body is not None and self.client.fileno() >= 0:
            self.body.give_back()
        self.answer.close()
        self.server.close()
        self.client.close()


def outcome_of(error: Exception) -> str:
    """Name what a body ended in; urllib3's word for one that is too short is another."""
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "IncompleteRead"
    return type(error).__name__


def waited(sent: bytes) -> tuple[bytes, str]:
    """Read an answer as urllib3 does; give the body and what it ended in."""
    with Answer() as answer:

        def send() -> None:
            answer.server.sendall(sent)
            answer.server.close()

        sender = threading.Thread(target=send)
        sender.start()
        answer.answer.begin()
        found = b""
        try:
            if answer.answer.chunked:
                while piece := answer.answer.read1(65_536):
                    found += piece
            else:
                raw = urllib3.HTTPResponse(
                    answer.answer,
                    headers=dict(answer.answer.getheaders()),
                    preload_content=False,
                    request_method="POST",
                )
                while piece := raw.read1(65_536):
                    found += piece
        except Exception as error:  # noqa: BLE001 - that is what is asked
            return found, outcome_of(error)
        finally:
            sender.join()
        return found, "end"


def polled(sent: bytes, cuts: list[int]) -> tuple[bytes, str]:
    """Read an answer that comes in pieces, without waiting, as far as it is there."""
    with Answer() as answer:
        head = sent.index(b"\r\n\r\n") + 4
        begun = random.Random(len(cuts)).randint(head, min(len(sent), head + 20))
        answer.server.sendall(sent[:begun])
        answer.answer.begin()
        if answer.answer.isclosed():
            return b"", "end"
        assert can_be_polled(answer.client, answer.answer)
        body = answer.poll()
        found = b""
        for start, stop in zip([begun, *cuts], [*cuts, len(sent)], strict=True):
            answer.server.sendall(sent[start:stop])
            try:
                while piece := body.read1(65_536):
                    found += piece
                return found, "end"
            except WouldWait:
                assert not body.has_more()
            except Exception as error:  # noqa: BLE001
                return found, outcome_of(error)
        answer.server.close()
        try:
            while piece := body.read1(65_536):
                found += piece
        except Exception as error:  # noqa: BLE001
            return found, outcome_of(error)
        return found, "end"


@pytest.mark.parametrize("name", BODIES)
def test_the_same_body(name):
    """However an answer is cut, its body and its end are those that http.client finds."""
    sent = BODIES[name]
    expected = waited(sent)
    head = sent.index(b"\r\n\r\n") + 4
    first = min(head + 20, len(sent))
    for seed in range(0, 40, 3):
        random_cuts = random.Random(seed)
        places = range(first, len(sent))
        near = [place for place in places if place < first + 60 or place > len(sent) - 20]
        chosen = random_cuts.sample(near, min(len(near), seed)) if seed else []
        found = polled(sent, sorted(chosen))
        assert found == expected, (seed, len(found[0]), len(expected[0]), found[1], expected[1])


def test_every_byte_on_its_own():
    """A body that comes byte by byte loses nothing, not in the framing either."""
    sent = CHUNKED + chunked([b"ab", b"cdef" * 5], extension=b"; x") + b"0\r\nA: b\r\n\r\n"
    head = len(CHUNKED)
    assert polled(sent, list(range(head + 20, len(sent)))) == (b"ab" + b"cdef" * 5, "end")


def test_what_lies_behind_the_end():
    """A connection on which more came than the answer serves no other request."""
    with Answer() as answer:
        answer.server.sendall(CHUNKED + chunked([b"a"]) + b"0\r\n\r\nHTTP/1.1 200 OK\r\n")
        answer.answer.begin()
        body = answer.poll()
        assert body.read1(10) == b"a"
        assert body.has_more()
        assert body.read1(10) == b""
        assert not body.give_back()


def test_the_end_is_waited_for_a_moment():
    """What has said all may still get its end, so that its connection serves again."""
    with Answer() as answer:
        answer.server.sendall(CHUNKED + chunked([b"a"]))
        answer.answer.begin()
        body = answer.poll()
        assert body.read1(10) == b"a"
        assert not body.ends(0)
        assert not body.ends(0.01)
        answer.server.sendall(b"0\r\n\r\n")
        assert wait_until(lambda: body.ends(60))
        assert body.give_back()
        assert answer.client.gettimeout() == 60


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("is_whole", [True, False])
def test_of_the_response_nothing_is_kept_but_its_connection(is_whole, is_kept):
    """It is given back or closed all the same, and its socket with it."""
    held = []

    class Pool:
        def _put_conn(self, connection: object) -> None:
            held.append(connection)

    class Connection:
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    with Answer() as answer:
        answer.server.sendall(BODIES["one"] if is_whole else CHUNKED + chunked([b"a"]))
        answer.answer.begin()
        connection = Connection()
        response = urllib3.HTTPResponse(
            answer.answer,
            pool=Pool(),
            connection=connection,
            original_response=answer.answer,
            preload_content=False,
        )
        body = answer.poll()
        lease = Lease.of(response)
        gone = weakref.ref(response)
        del response
        gc.collect()
        assert gone() is None
        assert not connection.is_closed
        if not is_kept:
            answer.client.close()  # as http.client does where no other request may follow
        assert body.read1(10) == b"a"
        assert body.ends(60 if is_whole else 0) is is_whole
        assert answer.client.fileno() >= 0
        assert body.give_back() is is_whole
        assert answer.answer.isclosed()
        assert (answer.client.fileno() >= 0) is is_kept
        if not is_whole:
            lease.close()
        lease.release_conn()
        lease.release_conn()
        lease.close()
    assert held == [connection]
    assert connection.is_closed is not is_whole


def test_a_response_of_another_kind_is_kept():
    """Nobody knows what closes it but itself."""

    class Own(urllib3.HTTPResponse):
        pass

    own = Own()
    assert Lease.of(own) is own


def test_what_cannot_be_polled():
    """A socket of another kind, and an answer that somebody reads already, are left alone."""

    class Other(socket.socket):
        pass

    with Answer() as answer:
        answer.server.sendall(CLOSED)
        answer.answer.begin()
        assert can_be_polled(answer.client, answer.answer)
        other = Other(fileno=socket.socket().detach())
        assert not can_be_polled(other, answer.answer)
        assert not can_be_polled(answer.server, answer.answer)
        other.close()
        answer.answer.close()
        assert not can_be_polled(answer.client, answer.answer)
    assert not can_be_polled(None, requests.Response())
