"""Streams of responses that go on where the server cannot continue them: by asking for the response."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from response_wire import answer_in, response
from scripted_server import PATIENCE, Exchange, Script, answer, sse

from emitter_stream import (
    AbortController,
    APIConnectionError,
    APIUserAbortError,
    NotFoundError,
    OpenAI,
)
from emitter_stream.server import LocalServer, Text

WORDS = [f"word{number} " for number in range(6)]
ANSWER = "".join(WORDS)
NUMBERED = [{**event, "sequence_number": n} for n, event in enumerate(answer_in(*WORDS))]
UNNUMBERED = answer_in(*WORDS)
WHOLE = NUMBERED[-1]["response"]
WORKING = {**WHOLE, "status": "in_progress", "output": []}
SOON = [("openai-poll-after-ms", "1")]
NOT_FOUND = {"error": {"message": "There is no such response.", "type": "invalid_request_error"}}
CUT = 6  # events that come before the connection breaks: three words


def frames(events: list[dict[str, Any]]) -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def broken(events: list[dict[str, Any]], *, end: bool = False) -> Script:
    """Make a script that sends these events and breaks the connection, or ends the answer."""

    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.body(frames(events))
        if end:
            exchange.finish()
        else:
            exchange.cut()

    return script


FIRST = broken(NUMBERED[:CUT])
POLLED = (answer(200, WORKING, headers=SOON), answer(200, WHOLE))
# What a server does that is asked for the events behind a number, and from when on it is polled.
WAYS = {
    "404": (FIRST, answer(404, NOT_FOUND), *POLLED),
    "400": (FIRST, answer(400, {"error": {"message": "Unknown: 'starting_after'."}}), *POLLED),
    "405": (FIRST, answer(405, b"no", "text/plain"), *POLLED),
    "json": (FIRST, answer(200, WORKING), *POLLED),
    "nothing": (FIRST, broken([], end=True), *POLLED),
    "a-bit": (FIRST, broken(NUMBERED[CUT : CUT + 1], end=True), broken([], end=True), *POLLED),
    "unnumbered": (broken(UNNUMBERED[:CUT]), *POLLED),
    "broken-again": (FIRST, broken(NUMBERED[CUT:7]), answer(404, NOT_FOUND), *POLLED),
}


def note(stream: Any) -> list[Any]:
    """Write down all that is heard."""
    heard: list[Any] = []
    stream.on("event", heard.append)
    return heard


def check(heard: list[Any], *, is_numbered: bool = True) -> None:
    """Everything came once and whole."""
    kinds = [event.type for event in heard]
    once = [kind for kind in kinds if kind != "response.output_text.delta"]
    assert once == [e["type"] for e in NUMBERED if e["type"] != "response.output_text.delta"]
    assert "".join(e.delta for e in heard if e.type == "response.output_text.delta") == ANSWER
    assert heard[-1].response.to_dict() == WHOLE
    if is_numbered:
        assert [event.sequence_number for event in heard] == list(range(len(heard)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_polling(connect, way, inline):
    """However a server says that it cannot go on, every listener hears every text once and whole."""
    client = connect(*WAYS[way])
    stream = client.responses.stream(
        model="m", input="hi", include=iter(["x"]), resume=True, inline=inline
    )
    heard = note(stream)
    assert stream.final_response().output_text == ANSWER
    check(heard, is_numbered=way != "unnumbered")
    targets = [request.target for request in connect.server.requests[1:]]
    assert targets[-2:] == ["/v1/responses/resp_1?include%5B%5D=x"] * 2
    assert all("stream=true" in target for target in targets[:-2])
    assert len(targets) == len(WAYS[way]) - 1


@pytest.mark.parametrize("way", WAYS)
def test_asyncio(aio_connect, way):
    """The streams of asyncio are the same."""

    async def main() -> None:
        async with aio_connect(*WAYS[way]) as client:
            stream = client.responses.stream(model="m", input="hi", resume=True)
            heard = note(stream)
            assert (await stream.final_response()).output_text == ANSWER
            check(heard, is_numbered=way != "unnumbered")

    asyncio.run(main())


def test_a_server_that_gives_all_again(connect):
    """What comes again, since `starting_after` means nothing to the server, is not heard again."""
    client = connect(FIRST, sse(frames(NUMBERED)))
    stream = client.responses.stream(model="m", input="hi", resume=True)
    heard = note(stream)
    stream.done()
    assert [event.to_dict() for event in heard] == NUMBERED


def test_a_response_that_is_not_stored(connect):
    """Where the response is not to be had, the error is what the server says of it."""
    client = connect(FIRST, answer(404, NOT_FOUND))
    stream = client.responses.stream(model="m", input="hi", store=False, resume=True)
    with pytest.raises(NotFoundError, match="no such response"):
        stream.done()
    assert len(connect.server.requests) == 3


def test_before_the_first_event(connect):
    """A connection that breaks before anybody knows the response is an error, as without `resume`."""
    client = connect(broken([]))
    stream = client.responses.stream(model="m", input="hi", resume=True)
    with pytest.raises(APIConnectionError):
        stream.done()


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_other_ends(connect, status):
    """A response that did not come to its end says so, with what there is of its texts."""
    ended = response(status, WHOLE["output"])
    client = connect(FIRST, answer(404, NOT_FOUND), answer(200, ended))
    stream = client.responses.stream(model="m", input="hi", resume=True)
    heard = note(stream)
    final = stream.final_response()
    assert (final.status, final.output_text) == (status, ANSWER)
    assert heard[-1].type == f"response.{'incomplete' if status == 'cancelled' else status}"


def test_an_abort(connect):
    """An abort ends the waiting for a response at once."""
    client = connect(
        FIRST,
        answer(404, NOT_FOUND),
        answer(200, WORKING, headers=[("openai-poll-after-ms", "600000")]),
    )
    stream = client.responses.stream(model="m", input="hi", resume=True)
    note(stream)
    connect.server.wait_for_requests(3)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done()


def unanswered(exchange: Exchange) -> None:
    """Take a request and never answer it."""
    exchange.wait_for_close()


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
@pytest.mark.parametrize("asked", [1, 2], ids=["first", "second"])
def test_an_abort_during_a_request(connect, inline, asked):
    """An abort takes a request for the response back at once, though it is never answered."""
    client = connect(FIRST, answer(404, NOT_FOUND), *POLLED[: asked - 1], unanswered)
    stream = client.responses.stream(model="m", input="hi", resume=True, inline=inline)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stream.final_response)
        connect.server.wait_for_requests(2 + asked)
        stream.abort()
        assert connect.server.client_closed.wait(PATIENCE)
        with pytest.raises(APIUserAbortError):
            waiting.result(PATIENCE)


def test_a_signal_during_a_request(connect):
    """The signal of a call does the same; its reason is the cause."""
    client, controller, reason = (
        connect(FIRST, answer(404, NOT_FOUND), unanswered),
        AbortController(),
        ValueError("enough"),
    )
    stream = client.responses.stream(model="m", input="hi", resume=True, signal=controller.signal)
    note(stream)
    connect.server.wait_for_requests(3)
    controller.abort(reason)
    assert connect.server.client_closed.wait(PATIENCE)
    with pytest.raises(APIUserAbortError) as caught:
        stream.done()
    assert caught.value.__cause__ is reason


def test_an_abort_during_a_request_of_asyncio(aio_connect):
    """A stream of asyncio is aborted as quickly."""

    async def main() -> None:
        async with aio_connect(FIRST, answer(404, NOT_FOUND), unanswered) as client:
            stream = client.responses.stream(model="m", input="hi", resume=True)
            note(stream)
            server = aio_connect.server
            await asyncio.to_thread(server.wait_for_requests, 3)
            stream.abort()
            assert await asyncio.to_thread(server.client_closed.wait, PATIENCE)
            with pytest.raises(APIUserAbortError):
                await stream.done()

    asyncio.run(main())


def test_a_response_again(connect):
    """A response that is heard again by its id goes on in the same way."""
    client = connect(FIRST, answer(404, NOT_FOUND), *POLLED)
    stream = client.responses.stream(response_id="resp_1", starting_after=3, resume=True)
    heard = note(stream)
    stream.done()
    assert [event.sequence_number for event in heard] == list(range(4, 4 + len(heard)))
    assert "".join(e.delta for e in heard if e.type == "response.output_text.delta") == "".join(
        WORDS[1:]
    )


def test_a_cancel_at_this_project_s_server():
    """A response that somebody cancels, which no event says, ends soon for who has come back."""

    class Slow:
        async def respond(self, turn: Any) -> Any:
            yield Text("one")
            await asyncio.Event().wait()

    with (
        LocalServer(model=Slow()) as server,
        OpenAI("any", base_url=server.base_url) as client,
    ):
        stream = client.responses.stream(model="m", input="hi", background=True, resume=True)
        said = threading.Event()
        stream.on("response.output_text.delta", lambda _: said.set())
        assert said.wait(120)
        client.responses.cancel(stream.current_response_snapshot.id)
        final = stream.final_response()
    assert (final.status, final.output_text) == ("cancelled", "one")
