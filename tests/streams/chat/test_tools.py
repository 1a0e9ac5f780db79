"""Runs of tools over chat completions: whose functions, how they are called, how it ends."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
from chat_wire import ASK, calling, saying, whole, whole_call

from emitter_stream import (
    APIUserAbortError,
    ChatCompletionRunner,
    ChatCompletionStreamingRunner,
    LengthFinishReasonError,
    OpenAIError,
    function_tool,
)


def get_weather(city: str, days: int = 1) -> dict:
    """Tell the weather."""
    return {"city": city, "days": days}


def test_a_plain_function_is_a_tool(connect):
    """A function's schema comes from its hints, and its arguments are converted by them."""
    client = connect(calling(("get_weather", '{"city": "Rome", "days": 2}')), saying("sunny"))
    heard = []
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=True)
    run.on("functionToolCallResult", heard.append)
    assert isinstance(run, ChatCompletionStreamingRunner)
    assert run.final_content() == "sunny"
    assert heard == ['{"city":"Rome","days":2}']
    first, second = (request.json() for request in connect.server.requests)
    assert first["tools"] == [function_tool(get_weather)]
    assert first["tool_choice"] == "auto"
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("arguments", ['{"town": "Rome"}', "{", "[]"])
def test_arguments_that_do_not_fit_are_told_to_the_model(connect, arguments):
    """The model hears what was wrong with its arguments, and the run goes on."""
    client = connect(calling(("get_weather", arguments)), saying("sorry"))
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=True)
    assert run.final_content() == "sorry"
    assert "get_weather" in run.final_function_tool_call_result()


def test_a_class_as_parameters_makes_instances(connect):
    """Parameters that are a class are sent as a strict schema, and the function gets an instance."""

    @dataclasses.dataclass
    class Place:
        city: str

    given = []
    tool = {"function": {"function": given.append, "name": "go", "parameters": Place}}
    client = connect(calling(("go", '{"city": "Rome"}')), saying("there"))
    run = client.chat.completions.run_tools(
        **ASK, tools=[{"type": "function", **tool}], stream=True
    )
    assert run.final_content() == "there"
    assert given == [Place("Rome")]
    assert connect.server.requests[0].json()["tools"][0]["function"]["strict"] is True


def test_a_function_that_raises_ends_the_run(connect):
    """Its exception is the cause, the other functions run to their end, no request follows."""
    other = threading.Event()

    def bad(arguments):
        raise KeyError("x")

    def good(arguments):
        other.set()

    tools = [{"type": "function", "function": {"function": f}} for f in (bad, good)]
    client = connect(calling(("bad", "{}"), ("good", "{}")))
    run = client.chat.completions.run_tools(**ASK, tools=tools, stream=True)
    with pytest.raises(OpenAIError, match="KeyError") as caught:
        run.done()
    assert isinstance(caught.value.__cause__, KeyError)
    assert other.is_set()
    assert len(connect.server.requests) == 1
    assert [message.role for message in run.messages[1:]] == ["assistant"]


def test_a_function_that_raises_can_be_reported(connect):
    """With ``on_tool_error="report"`` the model is told instead."""

    def bad(city: str):
        raise KeyError("x")

    client = connect(calling(("bad", '{"city": "a"}')), saying("oh"))
    run = client.chat.completions.run_tools(**ASK, tools=[bad], stream=True, on_tool_error="report")
    assert run.final_content() == "oh"
    assert "KeyError" in run.final_function_tool_call_result()


def test_functions_must_not_wait_for_the_run(connect):
    """A function, and ``after_completion``, that wait for their own run get a ``RuntimeError``."""
    caught = []

    def wait(run):
        try:
            run.done()
        except RuntimeError as error:
            caught.append(error)

    def function(arguments, runner):
        wait(runner)
        runner.messages.append({"role": "user", "content": "and this"})

    client = connect(calling(("function", "{}")), saying("done"))
    run = client.chat.completions.run_tools(
        **ASK,
        tools=[{"type": "function", "function": {"function": function}}],
        stream=True,
        after_completion=lambda completion, runner: wait(runner),
    )
    assert run.final_content() == "done"
    assert len(caught) == 3
    assert connect.server.requests[1].json()["messages"][-2]["content"] == "and this"


@pytest.mark.parametrize("stream", [True, False])
def test_after_completion_takes_as_much_as_a_listener(connect, stream):
    """What it does not ask for is not passed, as JavaScript drops it; too much is refused at once."""
    call = calling(("function", "{}")) if stream else whole_call("function", "{}")
    done = saying("done") if stream else whole({"content": "done"})
    client = connect(call, done, call, done)
    tools = [{"type": "function", "function": {"name": "function", "function": lambda: "x"}}]
    heard = []

    def run(after):
        return client.chat.completions.run_tools(
            **ASK, tools=tools, stream=stream, after_completion=after
        )

    assert run(lambda one: heard.append(one.choices[0].finish_reason)).final_content() == "done"
    assert heard == ["tool_calls", "stop"]
    assert run(lambda: heard.append("called")).final_content() == "done"
    assert (len(heard), heard[2:]) == (4, ["called", "called"])

    async def later(completion): ...

    with pytest.raises(TypeError, match="after_completion is an `async def`"):
        run(later)
    with pytest.raises(TypeError, match="needs 3 arguments, but 'after_completion' passes 2"):
        run(lambda completion, runner, more: None)
    assert len(connect.server.requests) == 4


def test_abort_while_functions_run(connect):
    """The run ends at once; a function that goes on adds no message."""
    begun, leave = threading.Event(), threading.Event()

    def slow(arguments):
        begun.set()
        leave.wait(120)
        return "late"

    tools = [{"type": "function", "function": {"function": slow}}]
    client = connect(calling(("slow", "{}")))
    run = client.chat.completions.run_tools(**ASK, tools=tools, stream=True).start()
    assert begun.wait(120)
    run.abort()
    with pytest.raises(APIUserAbortError):
        run.done(10)
    leave.set()
    assert [message.role for message in run.messages[1:]] == ["assistant"]


def test_a_run_nobody_holds_has_a_runner_all_the_same(connect):
    """A stream that was let go runs on, and its functions get a runner to work with."""
    seen, done = [], threading.Event()

    def look(arguments, runner):
        seen.append((type(runner), len(runner.messages)))
        return "seen"

    client = connect(calling(("look", "{}")), saying("bye"))
    client.chat.completions.run_tools(
        **ASK, tools=[{"type": "function", "function": {"function": look}}], stream=True
    ).on("end", done.set)
    assert done.wait(120)
    assert seen == [(ChatCompletionStreamingRunner, 2)]


def test_a_run_whose_answers_come_whole(connect):
    """Without ``stream`` the events have no deltas; the finals are the same."""
    client = connect(whole_call("get_weather", '{"city": "Rome"}'), whole({"content": "sunny"}))
    heard = []
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather])
    for name in ("connect", "chatCompletion", "message", "content", "functionToolCall", "end"):
        run.on(name, lambda *args, name=name: heard.append(name))
    assert isinstance(run, ChatCompletionRunner)
    assert run.final_content() == "sunny"
    assert heard == [
        *("connect", "chatCompletion", "message", "functionToolCall", "message"),
        *("connect", "chatCompletion", "message", "content", "end"),
    ]
    assert run.total_usage().total_tokens == 6
    assert connect.server.requests[0].json()["stream"] is False  # as Node says it
    with pytest.raises(ValueError, match="never emits"):
        run.on("chunk", print)


def test_whole_answers_that_were_cut_off(connect):
    """A turn that ended at its limit is an error with what came."""
    client = connect(whole({"content": "so fa"}, "length"))
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather])
    with pytest.raises(LengthFinishReasonError) as caught:
        run.done()
    assert caught.value.completion.choices[0].message.content == "so fa"


def test_several_choices_need_create(connect):
    """``n`` above 1 is refused where the answers come whole, as in Node."""
    with pytest.raises(OpenAIError, match="n=1"):
        connect(saying("a")).chat.completions.run_tools(**ASK, tools=[], n=2)


def test_what_a_run_serializes_can_be_read_again(connect):
    """The lines of a run carry its tools' results, and a run comes out of them again."""
    client = connect(calling(("get_weather", '{"city": "Rome"}')), saying("sunny"))
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=True)
    lines = list(run.to_readable_stream())
    carried = [json.loads(line) for line in lines if b"chunk.message:" in line]
    assert [one["choices"] for one in carried] == [[]]
    payload = json.loads(carried[0]["object"].partition("message:")[2])
    assert payload["tool_call_ids"] == ["call_0"]
    again = ChatCompletionStreamingRunner.from_readable_stream(lines)
    assert list(again.to_readable_stream()) == lines
    assert again.final_content() == "sunny"
    assert [message.role for message in again.messages] == ["assistant", "tool", "assistant"]
    assert again.final_function_tool_call_result() == run.final_function_tool_call_result()
    assert len(again.all_chat_completions()) == 2


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "parameters": {}}},
        {"type": "function", "function": {"name": "f", "function": "no function"}},
        {"type": "function", "function": {"function": lambda a, b, c, d: None, "name": "f"}},
        7,
    ],
)
def test_what_is_no_tool(connect, tool):
    """What cannot be called is refused where the run is made."""
    with pytest.raises(TypeError):
        connect(saying("a")).chat.completions.run_tools(**ASK, tools=[tool], stream=True)
