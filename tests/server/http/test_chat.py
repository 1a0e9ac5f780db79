"""`/v1/chat/completions`: both Python packages, Node's, and raw requests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from answer_programs import ANSWER, ASK, HELLO, Saying, chat, chat_aio, run_async, run_node
from server_helpers import BOTH, PATIENCE, RAIN, WEATHER, GatedModel, Raw

from emitter_stream import OpenAI
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import LocalServer, Text
from emitter_stream.server.models.model import Call, Input, ModelError, Refusal, Stop, Usage

PATH = "/chat/completions"


def ask(raw: Raw, **params: Any) -> Any:
    """Ask for a completion with raw requests."""
    return raw("POST", PATH, {"model": "m", "messages": HELLO, **params})


def chunks_of(raw: bytes) -> list[Any]:
    """Give the chunks of a stream; its end has to be as the API's."""
    *frames, done, rest = raw.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    assert all(one.startswith("data: ") and "\n" not in one for one in frames)
    return [json.loads(one.removeprefix("data: ")) for one in frames]


def test_same_program_on_both_packages(server):
    """A program gives the same with the official package and this one, plain and asyncio."""
    with openai.OpenAI(api_key="any", base_url=server.base_url) as theirs:
        expected = chat(theirs)
    with OpenAI(api_key="any", base_url=server.base_url) as ours:
        assert chat(ours) == expected
    for kind in (openai.AsyncOpenAI, AsyncOpenAI):
        assert run_async(chat_aio, kind, server.base_url) == expected
    assert expected[0] == expected[3] == ANSWER
    assert expected[4] == {"city": "Oslo", "degrees": 17}
    name = WEATHER["function"]["name"]
    arguments = '{"location": "Oslo", "unit": "Celsius"}'
    assert expected[5:7] == [
        ["tool_calls", name, arguments],
        f"Of course. {name} says: 17 degrees.",
    ]
    assert expected[7] == [[index, ANSWER] for index in range(3)]


def test_same_program_on_node(server):
    """Node's package gets the same, its stream helper and its runTools included."""
    whole, chunks, content, parsed, answer, calls = run_node("chat", server.base_url)
    with OpenAI(api_key="any", base_url=server.base_url) as client:
        expected = chat(client)
    assert [whole, chunks, content, parsed] == [*expected[:2], *expected[3:5]]
    assert (answer, [calls[0][0], calls[0][1]]) == (expected[6], expected[5][1:])


@pytest.mark.parametrize("stream", [False, True])
def test_run_tools(server, stream):
    """The tool loop goes on to the answer, with chunks and without."""

    def get_rain_probability(location: str) -> str:
        """Get the probability of rain for a specific location."""
        return f"6% in {location}"

    with OpenAI(api_key="any", base_url=server.base_url) as client:
        runner = client.chat.completions.run_tools(
            model="m",
            messages=[{"role": "user", "content": BOTH}],
            tools=[get_rain_probability],
            stream=stream,
        )
        content = runner.final_content(timeout=PATIENCE)
        assert content == "Of course. get_rain_probability says: 6% in San Francisco."
        assert len(runner.all_chat_completions()) == 2


def test_wire(raw):
    """A stream is nameless frames and `[DONE]`; each chunk has the completion's id and a choice."""
    reply = ask(raw, stream=True)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    chunks = chunks_of(reply.raw)
    assert len({(one["id"], one["created"], one["model"], one["object"]) for one in chunks}) == 1
    assert all("usage" not in one and len(one["choices"]) == 1 for one in chunks)
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(one["content"] for one in deltas[1:-1]) == ANSWER and deltas[-1] == {}


def test_several_calls_and_choices(raw):
    """Calls side by side have their numbers, in each of several choices."""
    body = {"messages": [{"role": "user", "content": BOTH}], "tools": [WEATHER, RAIN], "n": 2}
    whole = ask(raw, **body).body
    wanted = [
        [call["function"] for call in choice["message"]["tool_calls"]]
        for choice in whole["choices"]
    ]
    found: list[list[dict[str, str]]] = [[{}, {}], [{}, {}]]
    for chunk in chunks_of(ask(raw, **body, stream=True).raw):
        [choice] = chunk["choices"]
        for call in choice["delta"].get("tool_calls", ()):
            into = found[choice["index"]][call["index"]]
            for key, piece in call["function"].items():
                into[key] = into.get(key, "") + piece
    assert found == wanted and found[0] == found[1]
    assert [call["name"] for call in found[0]] == [
        tool["function"]["name"] for tool in (WEATHER, RAIN)
    ]


def test_choices_of_tools(raw):
    """`none`, `required`, a named tool and allowed ones are obeyed."""
    name = RAIN["function"]["name"]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": name}}]}
    for choice, called in (
        ("none", None),
        ("required", WEATHER["function"]["name"]),
        ({"type": "function", "function": {"name": name}}, name),
        ({"type": "allowed_tools", "allowed_tools": allowed}, name),
    ):
        message = ask(raw, tools=[WEATHER, RAIN], tool_choice=choice).body["choices"][0]["message"]
        found = [call["function"]["name"] for call in message.get("tool_calls", ())]
        assert found == ([called] if called else [])


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_limit(raw, name):
    """An answer at its limit is cut off there, and says so."""
    body = ask(raw, **{name: 2}).body
    [choice] = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello!", "length")
    assert body["usage"]["completion_tokens"] == 2


def test_system_and_developer(raw):
    """What the system or the developer says are the instructions."""
    for role in ("system", "developer"):
        messages = [{"role": role, "content": "Please address the user as Jane Doe."}, *HELLO]
        [choice] = ask(raw, messages=messages).body["choices"]
        assert choice["message"]["content"].startswith("Hello, Jane Doe!")


def test_kept_completions(server):
    """With `store` a completion can be read, listed by model and metadata, changed and deleted."""
    for kind in (openai.OpenAI, OpenAI):
        model = f"kept-{kind.__module__}"
        with kind(api_key="any", base_url=server.base_url) as client:
            completions = client.chat.completions
            made = [
                completions.create(model=model, messages=HELLO, store=True, metadata={"n": str(n)})
                for n in range(3)
            ]
            ids = [one.id for one in made]
            assert [one.id for one in completions.list(model=model, limit=2)] == ids
            found = list(completions.list(model=model, metadata={"n": "1"}, order="desc"))
            assert [one.id for one in found] == ids[1:2]
            got = completions.retrieve(ids[0])
            assert got.choices[0].message.content == ANSWER
            assert completions.update(ids[0], metadata={"n": "9"}).metadata == {"n": "9"}
            [message] = completions.messages.list(ids[0])
            assert (message.role, message.content) == ("user", "Hello?")
            assert completions.delete(ids[0]).deleted
            left = completions.create(model=model, messages=HELLO).id
            for gone in (ids[0], left):
                with pytest.raises(Exception, match="No chat completion found"):
                    completions.retrieve(gone)


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REFUSALS = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "assistant", "tool_calls": [CALL]}, *HELLO]}, "messages"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "messages[0].content[0].type",
    ),
    ({"model": ""}, "model"),
    ({"n": 0}, "n"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
]


@pytest.mark.parametrize(("params", "param"), REFUSALS, ids=[param for _, param in REFUSALS])
def test_refusals(raw, params, param):
    """What makes no question is a 400 in the API's form that names the parameter."""
    reply = ask(raw, **params)
    assert (reply.status, reply.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelError("rate_limit_exceeded", "Slow down."), 429, "rate_limit_exceeded"),
        (ModelError("invalid_prompt", "Too long."), 400, "invalid_prompt"),
        (ModelError("server_error", "Sorry."), 500, "server_error"),
        (RuntimeError("secret"), 500, "server_error"),
        (KeyboardInterrupt(), 500, "server_error"),
        (asyncio.CancelledError(), 500, None),
    ],
    ids=str,
)
def test_models_that_fail(start, error, status, code):
    """An error before the answer is its status; one within it ends the stream, and says so."""
    raw = Raw(start(model=Saying(error=error)).base_url)
    for stream in (False, True):
        reply = ask(raw, stream=stream)
        assert (reply.status, reply.error["code"]) == (status, code)
        assert "secret" not in reply.error["message"]
    raw = Raw(start(model=Saying(Text("one"), error=error)).base_url)
    assert ask(raw).status == status
    frames = ask(raw, stream=True).raw.decode().split("\n\n")
    assert json.loads(frames[-2].removeprefix("data: "))["error"]["code"] == code


@pytest.mark.parametrize(
    "parts",
    [
        [Text("\ud800")],
        ["text"],
        [Input("{}")],
        [Call("code_interpreter")],
        [Call("function", "f"), Text("and")],
        [Call("function", "f", key="a"), Input("{}", key="b")],
        [Call("function", "f", key="a"), Call("function", "f", key="a")],
        [Text("a"), Stop("length"), Text("b")],
    ],
    ids=str,
)
def test_models_that_talk_nonsense(start, parts):
    """Nonsense ends its answer, and nothing else."""
    raw = Raw(start(model=Saying(*parts)).base_url)
    assert ask(raw).status == 500
    assert raw("GET", "/models").status == 200


def test_what_a_model_tells(start):
    """Refusals, usage, a filter's stop and calls that interleave come through."""
    told = Usage(prompt=7, completion=5, cached=3, reasoning=2)
    body = ask(Raw(start(model=Saying(Refusal("No"), Refusal("."), told)).base_url)).body
    assert body["choices"][0]["message"]["refusal"] == "No."
    assert body["choices"][0]["message"]["content"] is None
    usage = body["usage"]
    assert (usage["total_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (12, 3)
    body = ask(Raw(start(model=Saying(Text("x"), Stop("content_filter"))).base_url)).body
    assert body["choices"][0]["finish_reason"] == "content_filter"
    calls = [Call("function", "f", key="a", id="one"), Call("function", "g", key="b", id="two")]
    inputs = [Input("[1", key="a"), Input("[2", key="b"), Input("]", key="a"), Input("]", key="b")]
    message = ask(Raw(start(model=Saying(*calls, *inputs)).base_url)).body["choices"][0]["message"]
    assert [(one["id"], one["function"]["arguments"]) for one in message["tool_calls"]] == [
        ("one", "[1]"),
        ("two", "[2]"),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away(start, gate, stream):
    """The model hears at once that nobody waits for its answer any more."""
    raw = Raw(start(model=gate).base_url)
    connection = raw.connection()
    body = {"model": "m", "messages": HELLO, "stream": stream}
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Authorization": "Bearer any"}
    )
    assert gate.waiting.wait(PATIENCE) and not gate.closed.is_set()
    connection.close()
    assert gate.closed.wait(PATIENCE)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_stops(stream):
    """The answers of a server that stops end, and say why."""
    gate = GatedModel()
    with LocalServer(model=gate) as server:
        raw = Raw(server.base_url)
        connection = raw.connection()
        body = {"model": "m", "messages": HELLO, "stream": stream}
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"Authorization": "Bearer any"}
        )
        assert gate.waiting.wait(PATIENCE)
        server.stop()
        response = connection.getresponse()
        assert response.status == (200 if stream else 503)
        assert b"The server is stopping." in response.read()
        connection.close()


def test_azure_deployment(start):
    """Azure's client names a deployment in the path, and the model with it."""
    server = start()
    with openai.AzureOpenAI(
        azure_endpoint=server.base_url.removesuffix("/v1"), api_key="any", api_version="2024-10-21"
    ) as azure:
        made = azure.chat.completions.create(model="my-gpt", messages=HELLO)
        assert (made.model, made.choices[0].message.content) == ("my-gpt", ANSWER)


def test_questions_with_parts(raw):
    """Text may come in parts, beside images; the scripted model reads the text."""
    parts = [
        {"type": "text", "text": "Hello?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    reply = ask(raw, messages=[{"role": "user", "content": parts}])
    assert reply.body["choices"][0]["message"]["content"] == ANSWER
    assert ask(raw, messages=[{"role": "user", "content": ASK}]).status == 200
