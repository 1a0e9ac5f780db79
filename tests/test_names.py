"""What ported programs write as Node has it: names, the order of ids, `stream=True`."""

from __future__ import annotations

import asyncio
import re
import traceback

import pytest
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import answer, sse

from emitter_stream import AssistantEventHandler, AssistantStream, OpenAI
from emitter_stream.aio import AsyncAssistantEventHandler, AsyncAssistantStream, AsyncOpenAI

BODY = encode(answered("a", "b"))


def snake(name):
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


def check(thing, *names):
    """See that each Node name is an AttributeError with the Python name in it, and no attribute."""
    for name in names:
        assert hasattr(thing, snake(name)), name
        with pytest.raises(
            AttributeError, match=f"'{name}'; did you mean '{snake(name)}'"
        ) as caught:
            getattr(thing, name)
        assert type(thing).__name__ in str(caught.value)
        assert not hasattr(thing, name)


STREAM = "untilDone finalRun finalMessages finalRunSteps toReadableStream currentEvent currentRun "
STREAM += "currentMessageSnapshot currentRunStepSnapshot textDeltas"
HANDLER = "untilDone onTextDelta onToolCallCreated onEnd onEvent"
RUNS = "createAndStream createAndPoll submitToolOutputs submitToolOutputsAndPoll runTools"
RUNS += " submitToolOutputsStream"
THREADS = "createAndRun createAndRunPoll createAndRunStream"


def test_node_names_of_streams_and_handlers():
    """A stream and a handler tell the right name."""
    stream = AssistantStream.from_events([])
    check(stream, *STREAM.split(), "fromReadableStream")
    stream.abort()
    for name in HANDLER.split():
        with pytest.raises(AttributeError, match=f"did you mean '{snake(name)}'"):
            getattr(AssistantEventHandler(), name)


def test_node_names_of_clients_and_their_methods():
    """So do clients, and every group of methods."""
    client = OpenAI("sk-test")
    check(client, "withOptions")
    check(client.beta.threads, *THREADS.split())
    check(client.beta.threads.runs, *RUNS.split())


def test_node_names_for_asyncio():
    """And all of it on asyncio."""

    async def look():
        stream = AsyncAssistantStream.from_events([])
        check(stream, *STREAM.split(), "fromReadableStream")
        stream.abort()
        async with AsyncOpenAI("sk-test") as client:
            check(client, "withOptions")
            check(client.beta.threads, *THREADS.split())
            check(client.beta.threads.runs, *RUNS.split())

    asyncio.run(look())
    for name in HANDLER.split():
        with pytest.raises(AttributeError, match=f"did you mean '{snake(name)}'"):
            getattr(AsyncAssistantEventHandler(), name)


@pytest.mark.parametrize("kind", [AssistantStream, AsyncAssistantStream])
def test_the_node_name_of_a_class_method(kind):
    """`AssistantStream.fromReadableStream` is asked of the class."""
    with pytest.raises(AttributeError, match="did you mean 'from_readable_stream'"):
        kind.fromReadableStream([])
    assert not hasattr(kind, "fromReadableStream")


def test_other_misspelt_names():
    """A name that is only near is guessed; one that is near nothing is an ordinary error."""
    runs = OpenAI("sk-test").beta.threads.runs
    with pytest.raises(AttributeError, match="did you mean 'retrieve'"):
        _ = runs.retreive
    with pytest.raises(AttributeError) as caught:
        _ = runs.quux
    assert "did you mean" not in str(caught.value)
    with pytest.raises(AttributeError) as caught:
        _ = runs._quux
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("kind", [OpenAI, AsyncOpenAI])
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("apiKey", "api_key"),
        ("baseURL", "base_url"),
        ("maxRetries", "max_retries"),
        ("http_client", "session"),
        ("timout", "timeout"),
    ],
)
def test_misspelt_settings_of_a_client(kind, name, meant):
    """A client tells the right name of a setting, and its frames have no key."""
    with pytest.raises(TypeError, match=f"no setting '{name}'; did you mean '{meant}'") as caught:
        kind(api_key="sk-secret", **{name: "x"})
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    assert "sk-secret" not in repr([frame.f_locals for frame in frames[1:]])


def test_a_subclass_takes_what_it_likes():
    """A client's subclass may have settings of its own."""

    class Tenant(OpenAI):
        def __init__(self, tenant, **settings):
            super().__init__(api_key="sk-test", **settings)
            self.tenant = tenant

    class Anything(OpenAI):
        def __init__(self, **settings):
            super().__init__(api_key="sk-test")
            self.settings = settings

    assert Tenant(tenant="one", max_retries=1).with_options(timeout=1).tenant == "one"
    assert Anything(apiKey="x").settings == {"apiKey": "x"}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("threads", "beta.threads"),
        ("completions", "chat.completions"),
        ("embeddings", "the official package"),
    ],
)
def test_names_that_are_elsewhere(name, place):
    """A name that is looked for in the wrong place is told where it is."""
    client = OpenAI("sk-test")
    with pytest.raises(AttributeError, match=f"'{name}'; it is .*{place}"):
        getattr(client, name)
    assert not hasattr(client, name)


def test_values_alone():
    """A call with values and no names is told the names, in Python's spelling."""
    client = OpenAI("sk-test")
    with pytest.raises(TypeError, match=r"Write responses.stream\(model=..., input=...\)"):
        client.responses.stream("gpt-4o", "Hello!")
    with pytest.raises(TypeError, match="max_chat_completions="):
        client.chat.completions.run_tools({"model": "m"}, {"maxChatCompletions": 2})


def test_an_error_of_a_property_is_seen():
    """An AttributeError inside a user's own property is told as it is."""

    class Handler(AssistantEventHandler):
        @property
        def mine(self):
            return object().inner

    with pytest.raises(AttributeError, match="inner"):
        _ = Handler().mine


# --- the order of ids

T, R, M, S, A = "thread_1", "run_1", "msg_1", "step_1", "asst_1"
OUTPUTS = [{"tool_call_id": "call_1", "output": "1"}]

# The call as it is written in older Node programs or with a wrong place, and what to write.
CALLS = {
    "runs": [
        ("retrieve", (T, R), {}, f"retrieve('{R}', thread_id='{T}')"),
        ("retrieve", (R, T), {}, f"retrieve('{R}', thread_id='{T}')"),
        ("retrieve", (R, {"thread_id": T}), {}, f"retrieve('{R}', thread_id=...)"),
        ("retrieve", (T,), {"run_id": R}, f"retrieve('{R}', thread_id='{T}')"),
        ("retrieve", (T,), {"thread_id": R}, f"retrieve('{R}', thread_id='{T}')"),
        ("retrieve", (), {"run_id": T, "thread_id": R}, f"retrieve('{R}', thread_id='{T}')"),
        ("retrieve", ("one", "two"), {}, "retrieve('two', thread_id='one')"),
        ("cancel", (T, R), {}, f"cancel('{R}', thread_id='{T}')"),
        ("update", (T, R), {"metadata": {}}, f"update('{R}', thread_id='{T}', metadata=...)"),
        ("update", (T, R, {"metadata": {}}), {}, f"update('{R}', thread_id='{T}', metadata=...)"),
        ("poll", (T, R), {}, f"poll('{R}', '{T}')"),
        (
            "submit_tool_outputs_stream",
            (T, R),
            {"tool_outputs": OUTPUTS},
            f"submit_tool_outputs_stream('{R}', thread_id='{T}', tool_outputs=...)",
        ),
        (
            "submit_tool_outputs_stream",
            (R, {"thread_id": T, "tool_outputs": OUTPUTS}),
            {},
            f"submit_tool_outputs_stream('{R}', thread_id=..., tool_outputs=...)",
        ),
        (
            "submit_tool_outputs",
            (T, R, {"tool_outputs": OUTPUTS}),
            {},
            f"submit_tool_outputs('{R}', thread_id='{T}', tool_outputs=...)",
        ),
        (
            "submit_tool_outputs_and_poll",
            (T, R),
            {"tool_outputs": OUTPUTS},
            f"submit_tool_outputs_and_poll('{R}', thread_id='{T}', tool_outputs=...)",
        ),
        ("stream", (T, {"assistant_id": A}), {}, f"stream('{T}', assistant_id=...)"),
        ("stream", (T, A), {}, f"stream('{T}', assistant_id='{A}')"),
        ("stream", (A,), {"assistant_id": T}, f"stream('{T}', assistant_id='{A}')"),
        ("create", (A, T), {}, f"create('{T}', assistant_id='{A}')"),
    ],
    "runs.steps": [
        ("retrieve", (T, R, S), {}, f"retrieve('{S}', thread_id='{T}', run_id='{R}')"),
        ("retrieve", ("a", "b", "c"), {}, "retrieve('c', thread_id='a', run_id='b')"),
        ("list", (T, R), {}, f"list('{R}', thread_id='{T}')"),
    ],
    "messages": [
        ("retrieve", (T, M), {}, f"retrieve('{M}', thread_id='{T}')"),
        ("update", (T, M), {"metadata": {}}, f"update('{M}', thread_id='{T}', metadata=...)"),
        ("delete", (T, M), {}, f"delete('{M}', thread_id='{T}')"),
        (
            "create",
            (T, {"role": "user", "content": "x"}),
            {},
            f"create('{T}', role=..., content=...)",
        ),
    ],
    "": [
        (
            "create_and_run_stream",
            ({"assistant_id": A},),
            {},
            "create_and_run_stream(assistant_id=...)",
        ),
        ("create_and_run", ({"assistant_id": A},), {}, "create_and_run(assistant_id=...)"),
    ],
}
ROWS = [(group, *row) for group, rows in CALLS.items() for row in rows]
IDS = [
    f"{group or 'threads'}.{row[0]}-{at}"
    for group, rows in CALLS.items()
    for at, row in enumerate(rows)
]


def method_of(client, group, name):
    thing = client.beta.threads
    for part in filter(None, group.split(".")):
        thing = getattr(thing, part)
    return getattr(thing, name)


@pytest.mark.parametrize(("group", "name", "args", "kwargs", "written"), ROWS, ids=IDS)
def test_another_order_of_ids_says_what_to_write(connect, group, name, args, kwargs, written):
    """An older Node program's call is an error with the call in it that is meant; nothing is sent."""
    client = connect(answer(200, {}))
    with pytest.raises(TypeError) as caught:
        method_of(client, group, name)(*args, **kwargs)
    assert written in str(caught.value)

    async def call():
        async with AsyncOpenAI("sk-test", base_url=connect.server.url) as other:
            result = method_of(other, group, name)(*args, **kwargs)
            if hasattr(result, "__await__"):
                await result

    with pytest.raises(TypeError) as caught:
        asyncio.run(call())
    assert written in str(caught.value)
    assert connect.server.requests == []


def test_ids_of_other_servers_go_anywhere(connect):
    """Only an id that looks like one of the API's, of another kind, is in the wrong place."""
    client = connect(answer(200, {"id": "x"}))
    client.beta.threads.runs.retrieve("0b5d", thread_id="9f11")
    client.beta.threads.runs.retrieve(run_id="runner-1", thread_id="threads-2")
    client.beta.threads.runs.retrieve("thread_of_mine", thread_id="run_of_mine")
    assert [request.target for request in connect.server.requests] == [
        "/v1/threads/9f11/runs/0b5d",
        "/v1/threads/threads-2/runs/runner-1",
        "/v1/threads/run_of_mine/runs/thread_of_mine",
    ]


# --- stream=True


@pytest.mark.parametrize("given", [True, False, None])
def test_stream_given_to_a_stream_is_ignored(connect, given):
    """Node's own methods take it and send true; so do these, on both sides."""
    client = connect(sse(BODY))
    threads = client.beta.threads
    runs = threads.runs
    outputs = {"thread_id": T, "tool_outputs": OUTPUTS}
    for stream in (
        runs.stream(T, assistant_id=A, stream=given),
        runs.create_and_stream(T, assistant_id=A, stream=given),
        runs.run_tools(T, assistant_id=A, tools=[], stream=given),
        runs.submit_tool_outputs_stream(R, stream=given, **outputs),
        threads.create_and_run_stream(assistant_id=A, stream=given),
    ):
        stream.done(PATIENCE)

    async def read():
        async with AsyncOpenAI("sk-test", base_url=connect.server.url) as other:
            threads = other.beta.threads
            for stream in (
                threads.runs.stream(T, assistant_id=A, stream=given),
                threads.runs.run_tools(T, assistant_id=A, tools=[], stream=given),
                threads.runs.submit_tool_outputs_stream(R, stream=given, **outputs),
                threads.create_and_run_stream(assistant_id=A, stream=given),
            ):
                await stream.done(PATIENCE)

    asyncio.run(read())
    assert [request.json()["stream"] for request in connect.server.requests] == [True] * 9
