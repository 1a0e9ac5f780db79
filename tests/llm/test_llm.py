"""A real model behind all three packages: the same programs, the same results; and what ours adds."""

from __future__ import annotations

import asyncio

import openai
import programs
import pytest
from parity import node_peer

from emitter_stream import (
    APIUserAbortError,
    BadRequestError,
    LengthFinishReasonError,
    OpenAI,
)
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import LocalServer, Upstream

LONG = 600.0  # seconds: a model on a machine that has other things to do

needs_node = pytest.mark.skipif(node_peer.find() is None, reason="the Node SDK is not installed")
assistants_go = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def ours(base_url: str) -> OpenAI:
    """Give a client of this package."""
    return OpenAI(api_key="any", base_url=base_url, timeout=LONG)


@pytest.fixture(scope="module")
def results(llama) -> dict[str, list]:
    """Run each program once with this package."""
    with ours(llama) as client:
        return {program.__name__: program(client) for program in programs.PROGRAMS}


# The three packages


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_the_official_python_package(llama, results, program):
    """The official Python package finds the same."""
    with openai.OpenAI(api_key="any", base_url=llama, timeout=LONG) as client:
        assert program(client) == results[program.__name__]


@needs_node
@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_the_official_node_package(llama, results, program):
    """The official Node package finds the same."""
    assert programs.in_node(program.__name__, llama) == results[program.__name__]


def test_what_the_programs_found(results):
    """The programs did what they are for: texts, cuts, a function call, errors."""
    whole, reason, pieces, tokens, deltas = results["chat_text"]
    assert whole == "".join(pieces) == "".join(deltas)
    assert (reason, tokens) == ("length", 12)
    person, cut = results["chat_json"]
    assert person.keys() == {"name", "age"} and cut == "length"
    (name, arguments), result, _ = results["chat_tools"]
    assert (name, arguments, result) == (
        "get_weather",
        '{"city": "Paris"}',
        "4 degrees in Paris",
    )
    assert results["chat_abort"] == [3, "length"]
    assert results["chat_overflow"] == [["BadRequestError", 400]] * 2
    text, pieces, kinds, _ = results["responses_text"]
    assert text == "".join(pieces)
    assert "response.completed" in kinds
    assert results["responses_tools"] == [
        [["get_weather", '{"city": "Paris"}']],
        '{"city": "Paris"}',
    ]
    assert results["responses_overflow"] == [["BadRequestError", 400]]


# What this package adds: Responses with listeners, on which the official ones fail here


def test_responses_with_listeners(llama, results):
    """Events without indexes are repaired: listeners, snapshots and the final response are whole."""
    text, pieces, _, _ = results["responses_text"]
    stream = ours(llama).responses.stream(
        model="m", input="Say hello to Ada.", max_output_tokens=12, **programs.EXACT
    )
    heard: list[str] = []
    snapshots: list[str] = []
    stream.on("response.output_text.delta", lambda event: heard.append(event.delta))
    stream.on("response.output_text.delta", lambda event: snapshots.append(event.snapshot))
    assert stream.final_response(LONG).output_text == text
    assert heard == pieces
    assert snapshots[-1] == text
    assert stream.repairs["R4"] > 0


def test_responses_call_functions(llama):
    """A function call comes through the listeners, its arguments piece by piece."""
    stream = ours(llama).responses.stream(
        model="m",
        input=programs.shots_as_items(),
        max_output_tokens=40,
        tools=[{"type": "function", **programs.WEATHER, "strict": False}],
        **programs.EXACT,
    )
    arguments: list[str] = []
    stream.on("response.function_call_arguments.delta", lambda event: arguments.append(event.delta))
    (call,) = (item for item in stream.final_response(LONG).output if item.type == "function_call")
    assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')
    assert "".join(arguments) == call.arguments


def test_a_cut_answer_is_not_parsed(llama):
    """Where JSON is asked for, an answer that was cut off is an error that has what came."""
    stream = ours(llama).chat.completions.stream(
        model="m",
        messages=programs.HELLO,
        max_tokens=3,
        response_format={"type": "json_schema", "json_schema": programs.FORMAT},
        **programs.EXACT,
    )
    with pytest.raises(LengthFinishReasonError) as caught:
        stream.final_chat_completion(LONG)
    assert caught.value.completion.choices[0].finish_reason == "length"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_abort_frees_the_model(llama, api):
    """An abort in a listener ends the request at once: the one slot serves the next."""
    client = ours(llama)
    if api == "chat":
        messages = [{"role": "user", "content": "Count to 300."}]
        stream = client.chat.completions.stream(
            model="m", messages=messages, max_tokens=300, **programs.EXACT
        )
        stream.on("content", lambda: stream.abort())
    else:
        stream = client.responses.stream(
            model="m", input="Count to 300.", max_output_tokens=300, **programs.EXACT
        )
        stream.on("response.output_text.delta", lambda: stream.abort())
    with pytest.raises(APIUserAbortError):
        stream.done(LONG)
    after = client.chat.completions.create(
        model="m", messages=programs.HELLO, max_tokens=2, **programs.EXACT
    )
    assert after.choices[0].finish_reason == "length"


def test_context_overflow_as_a_stream(llama):
    """A request that the context does not hold fails the stream with the server's words."""
    for stream in (
        ours(llama).chat.completions.stream(
            model="m", messages=[{"role": "user", "content": programs.GIVEN["LONG"]}]
        ),
        ours(llama).responses.stream(model="m", input=programs.GIVEN["LONG"]),
    ):
        with pytest.raises(BadRequestError, match="context") as caught:
            stream.done(LONG)
        assert caught.value.type == "exceed_context_size_error"


def test_on_an_event_loop(llama, results):
    """The client for asyncio hears the same."""

    async def main():
        async with AsyncOpenAI(api_key="any", base_url=llama, timeout=LONG) as client:
            ask = {"max_tokens": 12, **programs.EXACT}
            stream = client.chat.completions.stream(model="m", messages=programs.HELLO, **ask)
            heard: list[str] = []
            stream.on("content", heard.append)
            text = await stream.final_content()
            response = client.responses.stream(
                model="m", input="Say hello to Ada.", max_output_tokens=12, **programs.EXACT
            )
            return text, heard, (await response.final_response()).output_text

    text, heard, other = asyncio.run(main())
    assert (text, heard) == (results["chat_text"][0], results["chat_text"][4])
    assert other == results["responses_text"][0]


def test_recorded_and_replayed(llama, results, tmp_path):
    """What a real model said plays again, event by event."""
    from emitter_stream import ChatCompletionStream

    path = tmp_path / "chat.jsonl"
    ask = {"max_tokens": 12, **programs.EXACT}
    stream = ours(llama).chat.completions.stream(model="m", messages=programs.HELLO, **ask)
    assert stream.record(path).final_content(LONG) == results["chat_text"][0]
    heard: list[str] = []
    again = ChatCompletionStream.replay(path, None).on("content", heard.append)
    assert again.final_content() == results["chat_text"][0]
    assert heard == results["chat_text"][4]


# Assistants over the model


@pytest.fixture(scope="module", params=["chat", "responses"])
def assistants_server(request, llama):
    """Start an embedded server over the model, by each of the model's two APIs."""
    upstream = Upstream(llama, "smollm2", request.param, timeout=LONG)
    with LocalServer(model=upstream, tokens_per_second=0) as server:
        yield server.base_url


@assistants_go
def test_assistants(assistants_server):
    """The reference program gives the same by all three packages, on the real model."""
    found = programs.assistants(ours(assistants_server))
    assert found[0] == "completed"
    assert found[1]
    assert found[2] > 0
    with openai.OpenAI(api_key="any", base_url=assistants_server, timeout=LONG) as client:
        assert programs.assistants(client) == found
    if node_peer.find() is not None:
        assert programs.in_node("assistants", assistants_server) == found


def test_assistants_call_functions(assistants_server):
    """A run of tools over the real model: the call, the function, the answer."""
    client = ours(assistants_server)
    assistant = client.beta.assistants.create(model="m", temperature=0)
    thread = client.beta.threads.create(
        messages=[{"role": one["role"], "content": one["content"]} for one in programs.shots()]
    )
    calls: list[str] = []

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        calls.append(city)
        return f"4 degrees in {city}"

    run = client.beta.threads.runs.run_tools(
        thread.id,
        assistant_id=assistant.id,
        tools=[get_weather],
        max_rounds=2,
        max_completion_tokens=300,
    )
    run.on("error", lambda: None)
    run.done(LONG)
    assert calls[0] == "Paris"
