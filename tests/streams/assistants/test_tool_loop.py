"""run_tools: one stream through all rounds of a run that calls functions."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest
from parity import node_peer
from parity.compare import HERE, NAMES, PATIENCE, Recorder, difference, load_golden
from parity.transcripts import DONE, answered, called, encode, run, said, started, step
from scripted_server import answer, sse

from emitter_stream import (
    AbortController,
    APIError,
    APIUserAbortError,
    AssistantEventHandler,
    AssistantStream,
    BadRequestError,
    FunctionCall,
    OpenAI,
    OpenAIError,
    function_tool,
)
from emitter_stream.server import LocalServer

LOOP_NAMES = ("functionToolCall", "functionToolCallResult")
ROUNDS = [f"tool_loop_round_{number}" for number in (1, 2, 3, 4)]
BODIES = [(HERE / "more_scenarios" / f"{name}.sse").read_bytes() for name in ROUNDS]


def asks(*calls, **more) -> tuple:
    """Make the event of a run that requires these calls, each (id, name, arguments)."""
    required = [
        {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call, name, arguments in calls
    ]
    return asks_for(
        {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": required}}
    )


def asks_for(action) -> tuple:
    """Make the event of a run that requires this action."""
    return run("requires_action", required_action=action)


def asking(*calls) -> bytes:
    """Make the stream of a run that requires these calls."""
    return encode([*started(), asks(*calls), DONE])


ANSWERED = encode(answered("That", " is", " it"))


@pytest.fixture
def loop(connect):
    """Start a run with tools against a server that plays these bodies, a request each."""

    def start(tools, *bodies, **params) -> AssistantStream:
        scripts = [sse(body) if isinstance(body, bytes) else body for body in bodies]
        client = connect(*scripts)
        start.server = connect.server
        return client.beta.threads.runs.run_tools(
            "thread_1", assistant_id="asst_1", tools=tools, **params
        )

    return start


def outputs(request) -> list[str]:
    """Give the outputs that a request submits."""
    return [output["output"] for output in request.json()["tool_outputs"]]


def echo(x: int = 0) -> str:
    return f"echo {x}"


# --- all rounds


def f0(x: int = 0) -> int:
    return x + 1


def f1(x: int) -> dict:
    return {"x": x}


def f2() -> None:
    return None


def merged_golden() -> dict:
    """Join what Node does with each round, a stream of its own there, to one stream."""
    goldens = [load_golden(HERE / "more_golden" / f"{name}.json") for name in ROUNDS]
    inner = [call for golden in goldens for call in golden["trace"][1:-2]]
    last = goldens[-1]
    steps: dict = {}
    messages: dict = {}
    for golden in goldens:
        steps.update({one["id"]: one for one in golden["final"]["run_steps"]})
        messages.update({one["id"]: one for one in golden["final"]["messages"]})
    final = {**last["final"], "messages": [*messages.values()], "run_steps": [*steps.values()]}
    trace = [last["trace"][0], *inner, *last["trace"][-2:]]
    return {"trace": trace, "final": final, "state": last["state"]}


def test_each_round_gives_the_calls_of_node(loop, long_tick):
    """Between connect and run, each round's calls are those of the Node SDK's stream of it."""
    recorder = Recorder(loop([f0, f1, f2], *BODIES), (*NAMES, *LOOP_NAMES))
    result = recorder.result()
    ours = [call for call in result["trace"] if call[0] not in LOOP_NAMES]
    assert difference({**result, "trace": ours}, merged_golden()) is None
    for name in ("connect", "run", "end"):
        assert recorder.names.count(name) == 1


@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
def test_node_reproduces_the_rounds():
    """The frozen calls of the rounds are what Node does today."""
    traces = node_peer.traces(dict(zip(ROUNDS, BODIES, strict=True)))
    for name in ROUNDS:
        assert traces[name] == load_golden(HERE / "more_golden" / f"{name}.json")


def test_calls_and_results_come_between_the_rounds(loop, long_tick):
    """All calls of a round are told, then their results in order, then the next round comes."""
    names = ("thread.run.requires_action", *LOOP_NAMES, "thread.run.queued", "run")
    recorder = Recorder(loop([f0, f1, f2], *BODIES), names)
    recorder.stream.done(timeout=PATIENCE)
    call, result = LOOP_NAMES
    asked, queued = names[0], names[3]
    assert recorder.names == [
        queued,
        *(asked, call, call, result, result, queued),
        *(asked, call, call, call, result, result, result, queued),
        *(asked, call, call, result, result, queued),
        "run",
    ]
    assert recorder.of(call)[:2] == [
        [{"id": "call_0", "name": "f0", "arguments": '{"x": 1}'}],
        [{"id": "call_1", "name": "f1", "arguments": '{"x": 2}'}],
    ]
    assert [args[0] for args in recorder.of(result)] == [
        *("2", '{"x":2}'),
        *("1", '{"x":3}', "null"),
        *("5", '{"x":5}'),
    ]


def test_what_is_sent(loop):
    """The first request has the functions' schemas; the others the outputs, in the calls' order."""
    code = {"type": "code_interpreter"}
    stream = loop([f0, f1, f2, code], *BODIES, instructions="Go", extra_headers={"X-A": "b"})
    stream.done(timeout=PATIENCE)
    first, *others = loop.server.requests
    assert first.target == "/v1/threads/thread_1/runs"
    assert first.json() == {
        "assistant_id": "asst_1",
        "instructions": "Go",
        "tools": [function_tool(f0), function_tool(f1), function_tool(f2), code],
        "stream": True,
    }
    assert [request.target for request in others] == [
        "/v1/threads/thread_1/runs/run_1/submit_tool_outputs"
    ] * 3
    assert [request.json() for request in others] == [
        {
            "tool_outputs": [
                {"tool_call_id": f"call_{at}", "output": o} for at, o in enumerate(os)
            ],
            "stream": True,
        }
        for os in (["2", '{"x":2}'], ["1", '{"x":3}', "null"], ["5", '{"x":5}'])
    ]
    assert {request.headers["x-a"] for request in loop.server.requests} == {"b"}


def test_the_assistants_own_tools_stand_on_request(loop):
    """With send_tools=False no tools are sent, and the functions are called all the same."""
    stream = loop([echo], asking(("c", "echo", "{}")), ANSWERED, send_tools=False)
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    first, second = loop.server.requests
    assert "tools" not in first.json()
    assert outputs(second) == ["echo 0"]


def test_a_run_without_calls_is_one_round(loop):
    """A run that answers at once is a stream like any other."""
    stream = loop([echo], ANSWERED)
    assert stream.final_messages(timeout=PATIENCE)[-1].content[0].text.value == "That is it"
    assert len(loop.server.requests) == 1


def test_finals_and_snapshots_span_the_rounds(loop):
    """A step begun in one round and ended in the next is one step; all messages are final ones."""
    stream = loop([f0, f1, f2], *BODIES)
    steps = stream.final_run_steps(timeout=PATIENCE)
    assert [one.id for one in steps] == [f"step_{number}" for number in (1, 2, 3, 4, 5)]
    assert {one.status for one in steps} == {"completed"}
    texts = [message.content[0].text.value for message in stream.final_messages()]
    assert texts == ["Wait a moment", "It is 15"]
    assert stream.final_run().usage.total_tokens == 99


def test_the_open_step_is_there_while_functions_run(loop):
    """A function can look at the run that called it: the run waits, its step is open."""
    seen = []
    holder = []
    ready = threading.Event()

    def look() -> None:
        assert ready.wait(PATIENCE)
        (stream,) = holder
        seen.append((stream.current_run().status, stream.current_run_step_snapshot().id))

    frames = [*started(), *called(1, ["{}"], completed=False), asks(("call_0", "look", "{}")), DONE]
    holder.append(loop([look], encode(frames), ANSWERED))
    ready.set()
    holder[0].done(timeout=PATIENCE)
    assert seen == [("requires_action", "step_1")]


def test_iterators_go_through_all_rounds(loop):
    """`for event in stream`, events() and text_deltas see every round."""
    stream = loop([f0, f1, f2], *BODIES)
    texts, calls = stream.text_deltas, stream.events("functionToolCall")
    names = [event.event for event in stream]
    assert names.count("thread.run.requires_action") == 3
    assert names[-1] == "thread.run.completed"
    assert "".join(texts) == "Wait a momentIt is 15"
    assert [call.name for (call,) in calls] == ["f0", "f1", "f0", "f1", "f2", "f0", "f1"]


def test_a_late_listener_is_given_calls_and_results(loop):
    """A listener attached after the rounds have gone by hears of their calls too."""
    heard: list = []
    first = threading.Event()
    stream = loop([f0, f1, f2], *BODIES).on("end", first.set)
    assert first.wait(PATIENCE)
    stream.on("functionToolCall", lambda call: heard.append(call.name))
    stream.on("functionToolCallResult", heard.append)
    stream.done(timeout=PATIENCE)
    assert heard[:7] == ["f0", "f1", "f0", "f1", "f2", "f0", "f1"]
    assert heard[7:] == ["2", '{"x":2}', "1", '{"x":3}', "null", "5", '{"x":5}']


def test_an_event_handler_goes_through_all_rounds(loop):
    """With event_handler, `with` starts the run and one handler hears every round."""
    tools: list = []

    class Handler(AssistantEventHandler):
        def on_tool_call_created(self, tool_call):
            tools.append(tool_call.id)

    manager = loop([f0, f1, f2], *BODIES, event_handler=Handler())
    with manager as handler:
        handler.until_done()
    assert len(tools) == 7
    assert len(loop.server.requests) == 4


def test_other_streams_have_no_such_events(stream_of):
    """On a stream without the loop the loop's events are names that never come."""
    stream = stream_of(sse(ANSWERED))
    with pytest.raises(ValueError, match="never emits 'functionToolCall'"):
        stream.on("functionToolCall", print)
    stream.done(timeout=PATIENCE)


def test_a_server_cannot_pass_for_the_loop(loop):
    """An event of the server under one of the loop's names is an unknown event and no call."""
    fakes = [
        (name, {"id": "x", "name": "y", "arguments": "z"}) for name in (*LOOP_NAMES, "nextRound")
    ]
    frames = answered("hello")
    body = encode([*frames[:-2], *fakes, *frames[-2:]])
    recorder = Recorder(loop([echo], body), ("event", *LOOP_NAMES))
    recorder.stream.done(timeout=PATIENCE)
    assert set(recorder.names) == {"event"}
    assert [args[0]["event"] for args in recorder.of("event")][-4:-1] == [*LOOP_NAMES, "nextRound"]


def other_server_rounds(*, again: bool) -> list[bytes]:
    """Make two rounds of a server that is not OpenAI's, in how the open step goes on."""
    first = [*started(), *called(1, ["{}"], completed=False), asks(("call_0", "echo", "{}")), DONE]
    empty = {"type": "tool_calls", "tool_calls": []}
    middle = [step(1, "created", empty), step(1, "completed", empty)] if again else []
    return [
        encode(first),
        encode([run("in_progress"), *middle, *said(2, ["done"]), run("completed"), DONE]),
    ]


@pytest.mark.parametrize("again", [False, True])
def test_servers_that_forget_or_repeat_the_open_step(loop, again):
    """A next round that begins the step anew, or never ends it, is taken as Node takes it."""
    stream = loop([echo], *other_server_rounds(again=again))
    steps = stream.final_run_steps(timeout=PATIENCE)
    assert {one.id for one in steps} == {"step_1", "step_2"}
    assert stream.final_messages()[0].content[0].text.value == "done"


def test_a_step_that_goes_on_in_the_next_round(loop):
    """Deltas of the open step that come in the next round grow the same step."""
    first = [*started(), *called(1, ["{}"], completed=False), asks(("call_0", "echo", "{}")), DONE]
    grown = called(1, ["{}"], ["5"], completed=False)[4:]
    rest = [*grown, *called(1, ["{}"], ["5"])[-1:], *said(2, ["done"]), run("completed"), DONE]
    recorder = Recorder(
        loop([echo], encode(first), encode(rest)), ("toolCallCreated", "toolCallDone")
    )
    steps = recorder.stream.final_run_steps(timeout=PATIENCE)
    assert [len(one.step_details.tool_calls) for one in steps if one.type == "tool_calls"] == [2]
    assert recorder.names[-1] == "toolCallDone"


def test_a_round_that_is_cut_off_is_an_error(loop):
    """A later round that stops before the run's end is an error, not the round before's success."""
    stream = loop([echo], asking(("c", "echo", "{}")), encode([run("queued"), DONE]))
    with pytest.raises(OpenAIError, match="Final run has not been received"):
        stream.done(timeout=PATIENCE)


def test_a_submission_that_is_refused_is_the_streams_error(loop):
    """An HTTP error at a later round is the stream's error, as at the first."""
    refused = answer(400, {"error": {"message": "no such run", "type": "invalid_request_error"}})
    recorder = Recorder(loop([echo], asking(("c", "echo", "{}")), refused))
    with pytest.raises(BadRequestError, match="no such run"):
        recorder.stream.done(timeout=PATIENCE)
    assert recorder.names[-2:] == ["error", "end"]


def test_the_api_key_is_redacted_in_every_round(loop):
    """A server that repeats the key in a later round does not get it into the error."""
    body = encode([("error", {"message": "bad sk-test"})])
    stream = loop([echo], asking(("c", "echo", "{}")), body)
    with pytest.raises(APIError) as raised:
        stream.done(timeout=PATIENCE)
    assert "sk-test" not in str(raised.value)


# --- how functions are called


def test_calls_of_one_round_run_side_by_side(loop):
    """The functions of one round are all under way at once; the results keep the calls' order."""
    together = threading.Barrier(3)
    last_first = [threading.Event() for _ in range(4)]
    last_first[3].set()

    def wait(number: int) -> int:
        together.wait(PATIENCE)
        assert last_first[number + 1].wait(PATIENCE)
        last_first[number].set()
        return number

    calls = [(f"c{number}", "wait", json.dumps({"number": number})) for number in range(3)]
    recorder = Recorder(loop([wait], asking(*calls), ANSWERED), LOOP_NAMES)
    recorder.stream.done(timeout=PATIENCE)
    assert [args[0] for args in recorder.of("functionToolCallResult")] == ["0", "1", "2"]
    assert loop.server.requests[1].json()["tool_outputs"] == [
        {"tool_call_id": f"c{number}", "output": str(number)} for number in range(3)
    ]


def test_a_result_is_told_while_others_are_awaited(loop):
    """A result comes as soon as it and those before it are there."""
    heard = threading.Event()

    def first() -> str:
        return "first"

    def second() -> str:
        return "heard" if heard.wait(PATIENCE) else "not heard"

    stream = loop([first, second], asking(("a", "first", "{}"), ("b", "second", "{}")), ANSWERED)
    stream.on("functionToolCallResult", lambda output: heard.set()).done(timeout=PATIENCE)
    assert outputs(loop.server.requests[1]) == ["first", "heard"]


def test_one_by_one(loop, long_tick):
    """With parallel=False each call is told, run and answered before the next is."""
    running = threading.Lock()
    order: list = []

    def work(number: int) -> int:
        assert running.acquire(blocking=False)
        order.append(f"run {number}")
        running.release()
        return number

    calls = [(f"c{number}", "work", json.dumps({"number": number})) for number in range(3)]
    stream = loop([work], asking(*calls), ANSWERED, parallel=False)
    stream.on("functionToolCall", lambda call: order.append(f"call {call.id}"))
    stream.on("functionToolCallResult", lambda output: order.append(f"result {output}"))
    stream.done(timeout=PATIENCE)
    assert order == [text for n in range(3) for text in (f"call c{n}", f"run {n}", f"result {n}")]
    assert outputs(loop.server.requests[1]) == ["0", "1", "2"]


def test_very_many_calls_are_worked_off(loop):
    """More calls than threads are all answered, in order."""
    calls = [(f"c{number}", "echo", json.dumps({"x": number})) for number in range(500)]
    loop([echo], asking(*calls), ANSWERED).done(timeout=PATIENCE)
    assert outputs(loop.server.requests[1]) == [f"echo {number}" for number in range(500)]


def test_a_listener_is_told_before_the_function_runs(loop):
    """functionToolCall is over before the function begins; it has id, name and raw arguments."""
    told: list[FunctionCall] = []
    arguments = ' {"x" : 5.0}'

    def check(x: int) -> str:
        return f"{len(told)} {type(x).__name__}"

    stream = loop([check], asking(("call_a", "check", arguments)), ANSWERED)
    stream.on("functionToolCall", told.append).done(timeout=PATIENCE)
    (call,) = told
    assert (call.id, call.name, call.arguments) == ("call_a", "check", arguments)
    assert repr(call).startswith("FunctionCall(id='call_a', name='check'")
    assert outputs(loop.server.requests[1]) == ["1 int"]


def test_a_stream_may_be_made_in_a_function(loop, connect):
    """A function may run a stream of its own: an assistant that asks another."""
    inner = []

    def ask() -> str:
        stream = inner[0].beta.threads.runs.stream("thread_2", assistant_id="asst_2")
        return stream.final_messages(timeout=PATIENCE)[0].content[0].text.value

    inner.append(connect(sse(ANSWERED)))
    loop([ask], asking(("c", "ask", "{}")), ANSWERED).done(timeout=PATIENCE)
    assert outputs(loop.server.requests[1]) == ["That is it"]


# --- what the model gets wrong


def test_the_model_is_told_what_was_wrong_and_tries_again(loop):
    """Unknown functions and arguments that do not parse or fit are answered; the loop goes on."""
    first = asking(("a", "eco", "{}"), ("b", "echo", "{"), ("c", "echo", '{"x": "y"}'))
    second = asking(("d", "echo", '{"x": 4}'))
    recorder = Recorder(loop([echo], first, second, ANSWERED), LOOP_NAMES)
    recorder.stream.done(timeout=PATIENCE)
    _, answers, again = loop.server.requests
    unknown, no_json, unfit = outputs(answers)
    assert unknown == "There is no function 'eco'; there are: 'echo'. Please try again."
    assert no_json.startswith("The arguments for echo are no valid JSON")
    assert unfit.startswith("The arguments do not fit echo:\n- x: Input should be a valid integer")
    assert unfit.endswith(', not "y"\nPlease try again.')
    assert outputs(again) == ["echo 4"]
    assert recorder.names.count("functionToolCall") == 4
    assert [args[0] for args in recorder.of("functionToolCallResult")][:3] == [
        unknown,
        no_json,
        unfit,
    ]


def test_tools_that_are_no_functions_are_ignored(loop):
    """Calls of other types in the required action are left to others."""
    calls = [
        {"id": "a", "type": "browser", "browser": {}},
        {"id": "b", "type": "function", "function": {"name": "echo", "arguments": "{}"}},
        "odd",
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    loop([echo], encode([*started(), asks_for(action), DONE]), ANSWERED).done(timeout=PATIENCE)
    assert loop.server.requests[1].json()["tool_outputs"] == [
        {"tool_call_id": "b", "output": "echo 0"}
    ]


def submit(*calls):
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": list(calls)}}


CALL = {"id": "a", "type": "function", "function": {"name": "echo", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (submit(), "requires action but no function call"),
        (submit({"id": "a", "type": "browser"}), "requires action but no function call"),
        (submit(CALL, CALL), "several function calls of one id"),
        (submit({**CALL, "id": None}), "without a proper id, name or arguments"),
        (submit({**CALL, "function": None}), "without a proper id, name or arguments"),
        (submit({**CALL, "function": {"name": "echo"}}), "without a proper id, name or arguments"),
        ({"type": "submit_tool_outputs"}, "requires action but no function call"),
        ({"type": "confirm", "confirm": {}}, "an action of type 'confirm'"),
        (None, "an action of type None"),
        ("odd", "an action of type None"),
    ],
)
def test_actions_that_cannot_be_done(loop, action, message):
    """An action that is no set of function calls ends the stream with a clear error."""
    recorder = Recorder(loop([echo], encode([*started(), asks_for(action), DONE])))
    with pytest.raises(OpenAIError, match=message) as raised:
        recorder.stream.done(timeout=PATIENCE)
    assert "The run run_1 still waits for outputs" in str(raised.value)
    assert recorder.names[-2:] == ["error", "end"]
    assert len(loop.server.requests) == 1


@pytest.mark.parametrize("data", [None, [], {"status": "requires_action"}])
def test_a_run_without_an_id_cannot_go_on(loop, data):
    """Without the run's id nothing can be submitted: an error."""
    stream = loop([echo], encode([("thread.run.requires_action", data), DONE]))
    with pytest.raises(OpenAIError, match="has no id"):
        stream.done(timeout=PATIENCE)


def test_the_name_of_the_event_or_the_status_says_that_the_run_waits(loop):
    """A run requires action if its last event's name says so or its status does."""
    name, data = asks(("c", "echo", "{}"))
    stream = loop(
        [echo],
        encode([(name, {**data, "status": "odd"}), DONE]),
        encode([("thread.run.incomplete", data), DONE]),
        ANSWERED,
    )
    stream.done(timeout=PATIENCE)
    assert len(loop.server.requests) == 3


# --- errors and bounds


class Broken(Exception):
    pass


def test_a_function_that_raises_ends_the_stream(loop):
    """The stream's error has the function's exception as its cause; nothing is submitted."""

    def fail() -> None:
        raise Broken("no luck")

    recorder = Recorder(loop([fail], asking(("c", "fail", "{}"))))
    with pytest.raises(OpenAIError, match="The function 'fail' raised Broken: no luck") as raised:
        recorder.stream.done(timeout=PATIENCE)
    assert isinstance(raised.value.__cause__, Broken)
    assert "The run run_1 still waits for outputs" in str(raised.value)
    assert recorder.names[-2:] == ["error", "end"]
    assert len(loop.server.requests) == 1


def test_other_functions_of_the_round_are_awaited_when_one_raises(loop):
    """As in Node the error comes when all functions of the round are done, the first one's first."""
    done: list[str] = []
    gate = threading.Event()

    def fail(number: int) -> None:
        gate.set()
        raise Broken(str(number))

    def slow() -> None:
        assert gate.wait(PATIENCE)
        done.append("slow")

    calls = [("a", "fail", '{"number": 1}'), ("b", "slow", "{}"), ("c", "fail", '{"number": 2}')]
    stream = loop([fail, slow], asking(*calls))
    with pytest.raises(OpenAIError) as raised:
        stream.done(timeout=PATIENCE)
    assert str(raised.value.__cause__) == "1"
    assert done == ["slow"]


def test_one_by_one_the_functions_behind_an_error_do_not_run(loop):
    """With parallel=False a function that raises is the last that is called."""
    ran: list[int] = []

    def work(number: int) -> None:
        ran.append(number)
        if number == 1:
            raise Broken

    calls = [(f"c{number}", "work", json.dumps({"number": number})) for number in range(3)]
    stream = loop([work], asking(*calls), parallel=False)
    with pytest.raises(OpenAIError, match="Broken"):
        stream.done(timeout=PATIENCE)
    assert ran == [0, 1]


def test_an_error_can_be_reported_to_the_model(loop):
    """With on_tool_error="report" the model is told, and the loop goes on."""

    def fail() -> None:
        raise Broken("no luck")

    stream = loop(
        [fail, echo],
        asking(("a", "fail", "{}"), ("b", "echo", "{}")),
        ANSWERED,
        on_tool_error="report",
    )
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert outputs(loop.server.requests[1]) == [
        "The function fail raised Broken: no luck",
        "echo 0",
    ]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration])
def test_every_kind_of_exception_ends_the_stream(loop, error):
    """An exception that is no Exception is not lost in its thread."""

    def fail() -> None:
        raise error("out")

    stream = loop([fail], asking(("c", "fail", "{}")))
    with pytest.raises(OpenAIError, match=f"raised {error.__name__}: out") as raised:
        stream.done(timeout=PATIENCE)
    assert isinstance(raised.value.__cause__, error)


def test_a_result_that_json_cannot_say_is_an_error(loop):
    """A result that JSON cannot say ends the stream like an exception in the function."""
    stream = loop({"make": object}, asking(("c", "make", "{}")))
    with pytest.raises(
        OpenAIError, match="The function 'make' raised TypeError: object is nothing"
    ):
        stream.done(timeout=PATIENCE)


def test_max_rounds_bounds_the_loop(loop):
    """A run that asks once more than max_rounds times is an error; the last call is not run."""
    ran: list[int] = []

    def count() -> int:
        ran.append(1)
        return len(ran)

    asked = asking(("c", "count", "{}"))
    recorder = Recorder(loop([count], asked, asked, asked, max_rounds=2), ("error", *LOOP_NAMES))
    with pytest.raises(OpenAIError, match="more than max_rounds=2 times"):
        recorder.stream.done(timeout=PATIENCE)
    assert len(ran) == 2
    assert recorder.names == [*LOOP_NAMES, *LOOP_NAMES, "error"]


def test_ten_rounds_by_default(loop):
    """Ten rounds of calls go through; at the eleventh it ends."""
    asked = asking(("c", "echo", "{}"))
    stream = loop([echo], *[asked] * 10, ANSWERED)
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    stream = loop([echo], asked)
    with pytest.raises(OpenAIError, match="max_rounds=10"):
        stream.done(timeout=PATIENCE)
    assert len(loop.server.requests) == 11


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"max_rounds": 0}, ValueError),
        ({"on_tool_error": "ignore"}, ValueError),
        ({"tools": [5]}, TypeError),
        ({"temperature": float("nan")}, ValueError),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_sent(connect, params, error):
    """What is wrong with the arguments is raised by run_tools itself."""
    client = connect(sse(ANSWERED))
    params = {"tools": [echo], **params}
    with pytest.raises(error):
        client.beta.threads.runs.run_tools("thread_1", assistant_id="asst_1", **params)
    assert connect.server.requests == []


def test_async_functions_are_pointed_to_aio(connect):
    """An async def as a tool is a TypeError that says where it can be used."""

    async def work() -> None:
        pass

    client = connect(sse(ANSWERED))
    with pytest.raises(TypeError, match=r"'work' is an `async def`.*emitter_stream\.aio"):
        client.beta.threads.runs.run_tools("thread_1", assistant_id="asst_1", tools=[work])


# --- aborts


class Stuck:
    """A function that begins, says so, and ends when the test lets it."""

    def __init__(self):
        self.begun = threading.Semaphore(0)  # released by each call
        self.gate = threading.Event()
        self.threads: list[threading.Thread] = []

    def work(self, number: int = 0) -> str:
        self.threads.append(threading.current_thread())
        self.begun.release()
        assert self.gate.wait(PATIENCE)
        return "too late"


@pytest.fixture
def stuck():
    """Give a function that hangs, and let it go at the end."""
    stuck = Stuck()
    yield stuck
    stuck.gate.set()
    for thread in stuck.threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("how", ["abort", "signal", "with"])
def test_an_abort_while_a_function_runs(loop, stuck, how, parallel):
    """The stream ends at once, while the function still runs; nothing is submitted, ever."""
    controller = AbortController()
    calls = [(f"c{number}", "work", json.dumps({"number": number})) for number in range(2)]
    stream = loop(
        [stuck.work], asking(*calls), ANSWERED, signal=controller.signal, parallel=parallel
    )
    recorder = Recorder(stream)
    running = 2 if parallel else 1
    for _ in range(running):
        assert stuck.begun.acquire(timeout=PATIENCE)
    if how == "abort":
        stream.abort()
    elif how == "signal":
        controller.abort()
    else:
        with pytest.raises(KeyError), stream:
            raise KeyError
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert recorder.names[-2:] == ["abort", "end"]
    assert all(thread.is_alive() and thread.daemon for thread in stuck.threads)
    stuck.gate.set()
    for thread in stuck.threads:
        thread.join(PATIENCE)
    assert len(loop.server.requests) == 1
    assert len(stuck.threads) == running


def test_an_abort_in_functionToolCall(loop, stuck):
    """A listener that aborts at functionToolCall keeps the function from being called."""
    stream = loop([stuck.work], asking(("a", "work", "{}"), ("b", "work", "{}")), ANSWERED)
    calls: list = []
    stream.on("functionToolCall", lambda call: (calls.append(call.id), stream.abort()))
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert calls == ["a"]
    assert stuck.threads == []


def test_an_abort_in_functionToolCallResult(loop):
    """A listener that aborts at the last functionToolCallResult keeps it from being submitted."""
    stream = loop([echo], asking(("a", "echo", "{}")), ANSWERED)
    stream.on("functionToolCallResult", lambda output: stream.abort())
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert len(loop.server.requests) == 1


def test_an_abort_by_the_function_itself(loop):
    """A function may abort its own stream."""
    holder: list = []
    ready = threading.Event()

    def stop() -> str:
        assert ready.wait(PATIENCE)
        holder[0].abort()
        return "stopped"

    holder.append(loop([stop], asking(("a", "stop", "{}")), ANSWERED))
    ready.set()
    with pytest.raises(APIUserAbortError):
        holder[0].done(timeout=PATIENCE)
    assert len(loop.server.requests) == 1


@pytest.mark.parametrize("at", ["headers", "body"])
def test_an_abort_in_a_later_round(loop, at):
    """An abort while a later round is awaited or read closes its connection."""
    arrived = threading.Event()

    def hangs(exchange):
        if at == "body":
            exchange.head()
            exchange.body(encode([run("queued")]))
        arrived.set()
        exchange.wait_for_close()

    stream = loop([echo], asking(("a", "echo", "{}")), hangs).start()
    assert arrived.wait(PATIENCE)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert loop.server.client_closed.wait(PATIENCE)


def test_a_listener_that_raises_at_a_call(loop, stuck):
    """A listener that raises at functionToolCall ends the stream; no function is called."""
    stream = loop([stuck.work], asking(("a", "work", "{}")), ANSWERED)

    def fail(call):
        raise Broken

    stream.on("functionToolCall", fail)
    with pytest.raises(OpenAIError, match="listener for 'functionToolCall'") as raised:
        stream.done(timeout=PATIENCE)
    assert isinstance(raised.value.__cause__, Broken)
    assert stuck.threads == []


# --- scripts


HEADER = textwrap.dedent("""
    import os, sys, threading
    from emitter_stream import OpenAI

    def say(words):  # in one piece: several threads say something
        os.write(1, f"{words}\\n".encode())

    def run_tools(*tools, **params):
        client = OpenAI(api_key="sk-test", base_url=sys.argv[1], max_retries=0, timeout=20)
        return client.beta.threads.runs.run_tools(
            "thread_1", assistant_id="asst_1", tools=tools, **params
        )
""")


def run_script(server, text: str, *, meanwhile=None) -> tuple[int, str, str]:
    """Run a script against a server in a process of its own; give exit code, output and errors."""
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c"]
        process = subprocess.Popen(
            [*command, HEADER + textwrap.dedent(text), server.url],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        killer = threading.Timer(PATIENCE * 2, process.kill)
        killer.start()
        try:
            with process.stdout:
                if meanwhile is not None:
                    meanwhile(process)
                out = process.stdout.read()
            code = process.wait()
        finally:
            killer.cancel()
            killer.join()
            process.kill()
            process.wait()
        errors.seek(0)
        return code, out, errors.read()


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3), reason="no thread starts once the main one has ended"
)
def test_a_script_that_ends_without_waiting_does_its_tool_rounds(serve):
    """Functions of several rounds run, and their stream ends, after a script's last line."""
    gate = threading.Event()

    def later(exchange):
        exchange.wait(gate)
        sse(asking(("a", "work", '{"x": 1}'), ("b", "work", '{"x": 2}')))(exchange)

    server = serve(later, sse(asking(("c", "work", '{"x": 3}'))), sse(ANSWERED))
    text = """
        def work(x: int) -> int:
            return x * x

        def tell():
            threading.main_thread().join()
            say("main thread ended")

        threading.Thread(target=tell).start()
        run_tools(work).on("functionToolCallResult", say).on("end", lambda: say("end"))
    """

    def open_gate(process):
        assert process.stdout.readline() == "main thread ended\n"
        gate.set()

    assert run_script(server, text, meanwhile=open_gate) == (0, "1\n4\n9\nend\n", "")
    assert [outputs(request) for request in server.requests[1:]] == [["1", "4"], ["9"]]


def test_where_no_thread_starts_functions_run_on_the_streams_own(loop, monkeypatch):
    """Where the interpreter starts no more threads, the stream's own thread calls the functions."""
    threads: list[str] = []
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "emitter-stream-tool":
            raise RuntimeError("can't start new thread")
        start(thread)

    def work(x: int) -> int:
        threads.append(threading.current_thread().name)
        return x

    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls = [(f"c{number}", "work", json.dumps({"x": number})) for number in range(3)]
    loop([work], asking(*calls), ANSWERED).done(timeout=PATIENCE)
    assert outputs(loop.server.requests[1]) == ["0", "1", "2"]
    assert len(set(threads)) == 1
    assert "tool" not in threads[0]


def test_a_function_that_goes_on_after_an_abort_does_not_keep_the_process(serve):
    """A script whose function hangs ends as soon as it has aborted."""
    server = serve(sse(asking(("a", "hang", "{}"))))
    text = """
        begun = threading.Event()

        def hang():
            begun.set()
            threading.Event().wait()

        stream = run_tools(hang).on("abort", lambda error: say("abort")).on("end", lambda: say("end"))
        begun.wait()
        stream.abort()
    """
    code, out, errors = run_script(server, text)
    assert (code, sorted(out.split("\n")), errors) == (0, ["", "abort", "end"], "")
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no signals of this kind")
def test_ctrl_c_while_a_function_runs(serve):
    """Ctrl-C in a wait ends it at once, aborts the stream and leaves the function behind."""
    server = serve(sse(asking(("a", "hang", "{}"))))
    text = """
        def hang():
            say("hanging")
            threading.Event().wait()

        stream = run_tools(hang).on("abort", lambda error: say("abort")).on("end", lambda: say("end"))
        try:
            stream.done()
        except KeyboardInterrupt:
            say("interrupted")
    """

    def interrupt(process):
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)

    code, out, errors = run_script(server, text, meanwhile=interrupt)
    assert (code, sorted(out.split()), errors) == (0, ["abort", "end", "interrupted"], "")
    assert len(server.requests) == 1


# --- the embedded server


def get_weather(city: str) -> dict:
    """Get the weather of a city."""
    return {"city": city, "degrees": len(city)}


def get_time(city: str) -> str:
    """Get the local time of a city."""
    return f"noon in {city}"


def send_email(address: str) -> None:
    """Send an email."""


QUESTION = (
    "Get the weather in Paris, Oslo and Rome, then the time in Oslo and Lima, then send an email."
)


@pytest.fixture
def live():
    """Give a client of an embedded server, its assistant and a thread with a question."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(LocalServer())
        client = stack.enter_context(OpenAI(base_url=server.base_url, api_key="any"))
        assistant = client.beta.assistants.create(model="gpt-4o")
        thread = client.beta.threads.create(messages=[{"role": "user", "content": QUESTION}])
        yield client, assistant, thread


@pytest.mark.parametrize("parallel", [True, False])
def test_three_rounds_against_the_embedded_server(live, parallel):
    """Three rounds of calls, several side by side, and an answer, on one stream."""
    client, assistant, thread = live
    recorder = Recorder(
        client.beta.threads.runs.run_tools(
            thread.id,
            assistant_id=assistant.id,
            tools=[get_weather, get_time, send_email],
            parallel=parallel,
        ),
        (*NAMES, *LOOP_NAMES),
    )
    stream = recorder.stream
    text = stream.final_messages(timeout=PATIENCE)[-1].content[0].text.value
    assert '{"city":"Oslo","degrees":4}' in text
    assert "noon in Lima" in text
    names = [args[0]["name"] for args in recorder.of("functionToolCall")]
    assert names == ["get_weather"] * 3 + ["get_time"] * 2 + ["send_email"]
    assert len(recorder.of("functionToolCallResult")) == 6
    for name in ("connect", "run", "end"):
        assert recorder.names.count(name) == 1
    steps = stream.final_run_steps()
    assert [one.type for one in steps] == ["tool_calls"] * 3 + ["message_creation"]
    assert [call.function.output for call in steps[1].step_details.tool_calls] == [
        "noon in Oslo",
        "noon in Lima",
    ]
    stored = client.beta.threads.runs.steps.list(
        stream.final_run().id, thread_id=thread.id, order="asc"
    )
    assert [one.to_dict() for one in stored] == [one.to_dict() for one in steps]


def test_many_streams_at_once(live):
    """Fifty loops at once each get their own results."""
    client, assistant, _ = live
    streams = []
    for number in range(50):
        thread = client.beta.threads.create(messages=[{"role": "user", "content": QUESTION}])

        def get_weather(city: str, number: int = number) -> str:
            """Get the weather of a city."""
            return f"{city} {number}"

        streams.append(
            client.beta.threads.runs.run_tools(
                thread.id,
                assistant_id=assistant.id,
                tools={"get_weather": get_weather, "get_time": get_time},
            )
        )
    for number, stream in enumerate(streams):
        outputs = [
            call.function.output for call in stream.final_run_steps(60)[0].step_details.tool_calls
        ]
        assert [output.split()[0] for output in outputs] == ["Paris", "Oslo", "Rome"]
        assert stream.final_run().status == "completed", number
