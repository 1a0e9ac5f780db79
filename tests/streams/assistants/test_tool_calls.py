"""run_tools: how functions are called, what models get wrong, errors and bounds."""

from __future__ import annotations

import json
import threading

import pytest
from parity.compare import PATIENCE, Recorder
from parity.transcripts import DONE, encode, started
from rounds import ANSWERED, LOOP_NAMES, Broken, asking, asks, asks_for, echo, outputs
from scripted_server import sse

from emitter_stream import FunctionCall, OpenAIError

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
