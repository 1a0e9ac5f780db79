"""Streams that go on when their connection breaks, and streams of runs that others began."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from proxy import Proxy
from scripted_server import PATIENCE, Exchange, answer, cut_off

from emitter_stream import (
    APIConnectionError,
    APIUserAbortError,
    AssistantStream,
    NotFoundError,
    OpenAI,
)
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import Call, Input, LocalServer, Round, Text

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

WORDS = [f"word{number} " for number in range(40)]
ANSWER = "".join(WORDS)
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
# Of the answer, headers included: before its first event, in its middle, near its end.
CUTS = [(600,), (2_500,), (5_000, 900), (7_000, 700, 700, 3_000), (9_000,)]


class Talker:
    """Says forty words, after a call of `look_up` if there is one."""

    async def respond(self, turn):
        if turn.tools and not any(isinstance(one, Round) for one in turn.history):
            yield Call("function", "look_up")
            for piece in ('{"key": ', '"value"', "}"):
                yield Input(piece)
            return
        for word in WORDS:
            yield Text(word)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(model=Talker()) as shared:
        yield shared


@pytest.fixture
def through(server) -> Iterator[Callable[..., OpenAI]]:
    """Make clients whose connections are cut after so many bytes each."""
    parts = urlsplit(server.base_url)
    made: list[Any] = []

    def make(*cuts: int, kind: Any = OpenAI) -> Any:
        proxy = Proxy((parts.hostname, parts.port), cuts)
        client = kind("any", base_url=f"http://127.0.0.1:{proxy.port}/v1")
        client.proxy = proxy
        made.extend([client] if kind is OpenAI else [])
        made.append(proxy)
        return client

    yield make
    for one in made:
        one.close()


@pytest.fixture
def plain(server) -> Iterator[OpenAI]:
    with OpenAI("any", base_url=server.base_url) as client:
        yield client


@pytest.fixture
def ids(plain) -> dict[str, str]:
    """A thread with a question, and an assistant."""
    thread = plain.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
    assistant = plain.beta.assistants.create(model="m")
    return {"thread_id": thread.id, "assistant_id": assistant.id}


@pytest.fixture(params=["attached", "polled"])
def way(request, monkeypatch) -> str:
    """By the run's events; and by asking for the run, where a server has no such thing."""
    if request.param == "polled":
        monkeypatch.setattr("emitter_stream.server.http.app.FIRST_EVENT", "x-other")
        monkeypatch.setattr("emitter_stream.resources._poll._DEFAULT_INTERVAL_MS", 20)
    return request.param


def note(stream: AssistantStream) -> dict[str, list[Any]]:
    """Write down what each listener hears."""
    heard: dict[str, list[Any]] = {}
    for name in ("event", "textCreated", "textDelta", "textDone", "messageDone", "run"):
        heard[name] = []
        stream.on(name, lambda *args, name=name: heard[name].append(args[0]))
    for name in ("toolCallCreated", "toolCallDelta", "toolCallDone", "runStepDone", "end"):
        heard[name] = []
        stream.on(name, lambda *args, name=name: heard[name].append(args[:1]))
    return heard


def check(heard: dict[str, list[Any]], way: str) -> None:
    """Everything came once and whole."""
    assert "".join(delta.value for delta in heard["textDelta"]) == ANSWER
    assert [text.value for text in heard["textDone"]] == [ANSWER]
    assert len(heard["textCreated"]) == len(heard["messageDone"]) == len(heard["end"]) == 1
    assert heard["messageDone"][0].status == "completed"
    if way == "attached":
        assert len(heard["textDelta"]) == len(WORDS)


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_a_run(through, ids, way, cuts, inline):
    """Wherever the connection breaks, and however often, every listener hears all of it once."""
    client = through(*cuts)
    stream = client.beta.threads.runs.stream(**ids, resume=True, inline=inline)
    heard = note(stream)
    if cuts[0] == 600:  # nobody knows the run yet
        with pytest.raises(APIConnectionError):
            stream.until_done()
        return
    stream.until_done()
    check(heard, way)
    assert client.proxy.cut_count >= 1
    assert heard["run"][0].status == "completed"
    assert len(heard["runStepDone"]) == 1
    names = [event.event for event in heard["event"]]
    assert names[0] == "thread.run.created" and names[-1] == "thread.run.completed"


def test_without_it_nothing_changes(through, ids):
    """Without `resume` a broken connection is the stream's error, as before."""
    stream = through(3_000).beta.threads.runs.stream(**ids)
    with pytest.raises(APIConnectionError):
        stream.until_done()


def test_a_thread_and_run(through, ids, way):
    """`create_and_run_stream` goes on as well."""
    stream = through(6_000).beta.threads.create_and_run_stream(
        assistant_id=ids["assistant_id"],
        thread={"messages": [{"role": "user", "content": "Hello"}]},
        resume=True,
    )
    heard = note(stream)
    stream.until_done()
    check(heard, way)
    assert [event.event for event in heard["event"]].count("thread.created") == 1


@pytest.mark.parametrize("cut", [1_500, 2_500, 4_000, 6_000])
def test_tool_outputs(through, plain, ids, way, cut):
    """`submit_tool_outputs_stream` goes on behind the events of the stream before it."""
    first = plain.beta.threads.runs.stream(**ids, tools=TOOLS)
    run = first.final_run()
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    stream = through(cut).beta.threads.runs.submit_tool_outputs_stream(
        run.id,
        thread_id=ids["thread_id"],
        tool_outputs=[{"tool_call_id": call.id, "output": "57"}],
        resume=True,
    )
    heard = note(stream)
    stream.until_done()
    check(heard, way)
    assert heard["run"][0].status == "completed"


@pytest.mark.parametrize("cuts", [(2_500,), (4_000,), (0, 5_000), (3_500, 600, 0, 4_000)], ids=str)
@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_run_tools(through, ids, way, cuts, inline):
    """`run_tools` goes on in each of its rounds; no function is called twice."""
    called: list[str] = []

    def look_up(key: str) -> str:
        """Look something up."""
        called.append(key)
        return "57"

    stream = through(*cuts).beta.threads.runs.run_tools(
        **ids, tools=[look_up], resume=True, inline=inline
    )
    heard = note(stream)
    stream.until_done()
    check(heard, way)
    assert called == ["value"]
    assert len(heard["toolCallCreated"]) == len(heard["toolCallDone"]) == 1


def test_asyncio(through, ids, way):
    """The streams of asyncio go on in the same way."""

    async def main() -> None:
        client = through(4_500, 800, kind=AsyncOpenAI)
        async with client:
            stream = client.beta.threads.runs.stream(**ids, resume=True)
            heard = note(stream)
            await stream.until_done()
            check(heard, way)

    asyncio.run(main())


def test_an_iterator(through, ids, way):
    """A loop over a stream goes on over a broken connection."""
    stream = through(5_000, 900).beta.threads.runs.stream(**ids, resume=True)
    names = [event.event for event in stream]
    assert names[-1] == "thread.run.completed"
    assert names.count("thread.message.completed") == 1


def test_a_server_that_is_gone(through, ids, monkeypatch):
    """A server that does not come back is the error it is without `resume`."""
    monkeypatch.setattr("emitter_stream.engine.resuming._TRIES", 2)
    monkeypatch.setattr("emitter_stream.engine.resuming._SHORTEST", 0.01)
    client = through(4_000, *[1] * 60)
    stream = client.beta.threads.runs.stream(**ids, resume=True)
    with pytest.raises(APIConnectionError):
        stream.until_done()


def test_an_abort_while_the_server_is_gone(through, ids, monkeypatch):
    """An abort ends the wait for a server at once."""
    waits = threading.Event()
    monkeypatch.setattr("emitter_stream.engine.resuming._SHORTEST", 600.0)
    monkeypatch.setattr("emitter_stream.engine.resuming._LONGEST", 600.0)
    client = through(4_000, *[1] * 60).with_options(max_retries=0)
    stream = client.beta.threads.runs.stream(**ids, resume=True)
    stream.on("event", lambda *_: waits.set())
    assert waits.wait(60)
    stream.abort()
    with pytest.raises(Exception, match="aborted"):
        stream.until_done()


RUN = {"id": "run_1", "object": "thread.run", "thread_id": "thread_1", "status": "in_progress"}
BEGUN = f"event: thread.run.created\ndata: {json.dumps(RUN)}\n\n".encode()
NO_STEPS = {"object": "list", "data": [], "has_more": False}


@pytest.mark.parametrize("answered", [0, 1, 2], ids=["run", "steps", "messages"])
def test_an_abort_during_a_request(connect, answered):
    """An abort takes back what a run is asked for by polling, though it is never answered."""

    def never(exchange: Exchange) -> None:
        exchange.wait_for_close()

    answers = (answer(200, {**RUN, "status": "completed"}), answer(200, NO_STEPS))
    client = connect(cut_off(BEGUN), *answers[:answered], never)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", resume=True)
    note(stream)
    asked = connect.server.wait_for_requests(2 + answered)[-1].target
    stream.abort()
    assert connect.server.client_closed.wait(PATIENCE), asked
    with pytest.raises(APIUserAbortError):
        stream.until_done()


def test_attach(plain, ids):
    """A run that is over can be streamed again, from any number of event on."""
    first = plain.beta.threads.runs.stream(**ids)
    told = [event.to_dict() for event in first]
    run_id = told[0]["data"]["id"]
    for after in (0, 1, 12, len(told) - 1, len(told)):
        stream = plain.beta.threads.runs.attach(run_id, thread_id=ids["thread_id"], after=after)
        assert [event.to_dict() for event in stream] == told[after:]
        assert stream.final_run().status == "completed"
        assert stream.final_messages()[0].content[0].text.value == ANSWER


def test_attach_to_a_run_that_waits(plain, ids):
    """A stream that is attached goes on when somebody submits the outputs."""
    first = plain.beta.threads.runs.stream(**ids, tools=TOOLS)
    run = first.final_run()
    stream = plain.beta.threads.runs.attach(run.id, thread_id=ids["thread_id"])
    heard = note(stream)
    stream.emitted("thread.run.requires_action")
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    plain.beta.threads.runs.submit_tool_outputs(
        run.id,
        thread_id=ids["thread_id"],
        tool_outputs=[{"tool_call_id": call.id, "output": "57"}],
    )
    stream.until_done()
    check(heard, "attached")
    assert stream.final_run().status == "completed"


@pytest.mark.parametrize("cuts", [(3_000,), (5_000, 4_000)], ids=str)
def test_attach_that_goes_on(through, plain, ids, cuts):
    """A stream that is attached goes on over broken connections too."""
    run_id = plain.beta.threads.runs.create_and_poll(**ids).id
    stream = through(*cuts).beta.threads.runs.attach(
        run_id, thread_id=ids["thread_id"], resume=True
    )
    heard = note(stream)
    stream.until_done()
    check(heard, "attached")


def test_attach_to_nothing(plain, ids):
    """A run that is not there is a 404."""
    stream = plain.beta.threads.runs.attach("run_none", thread_id=ids["thread_id"])
    with pytest.raises(NotFoundError):
        stream.until_done()


def test_asyncio_attaches(server, plain, ids):
    """`attach` of asyncio is the same."""
    run_id = plain.beta.threads.runs.create_and_poll(**ids).id

    async def main() -> str:
        async with AsyncOpenAI("any", base_url=server.base_url) as client:
            stream = client.beta.threads.runs.attach(run_id, thread_id=ids["thread_id"])
            return "".join([piece async for piece in stream.text_deltas])

    assert asyncio.run(main()) == ANSWER


@pytest.mark.parametrize("cuts", [(3_000,), (6_000, 2_000)], ids=str)
def test_a_response(through, cuts):
    """The stream of a response in the background goes on behind its last event's number."""
    client = through(*cuts)
    stream = client.responses.stream(model="m", input="Hello", background=True, resume=True)
    numbers: list[int] = []
    stream.on("event", lambda event: numbers.append(event.sequence_number))
    assert stream.final_response().output_text == ANSWER
    assert numbers == list(range(len(numbers)))
    assert client.proxy.cut_count == len(cuts)


def test_a_response_that_is_gone(through):
    """Where the server has the response no more, the error is that of the connection or a 404."""
    stream = through(3_000).responses.stream(model="m", input="Hello", store=False, resume=True)
    with pytest.raises((APIConnectionError, NotFoundError)):
        stream.done()
