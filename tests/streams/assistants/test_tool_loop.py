"""run_tools: one stream through all rounds of a run that calls functions."""

from __future__ import annotations

import contextlib
import threading

import pytest
from parity import node_peer
from parity.compare import HERE, NAMES, PATIENCE, Recorder, difference, load_golden
from parity.transcripts import DONE, answered, called, encode, run, said, started, step
from rounds import ANSWERED, LOOP_NAMES, asking, asks, echo, outputs
from scripted_server import answer, sse

from emitter_stream import (
    APIError,
    AssistantEventHandler,
    BadRequestError,
    OpenAI,
    OpenAIError,
    function_tool,
)
from emitter_stream.server import LocalServer

ROUNDS = [f"tool_loop_round_{number}" for number in (1, 2, 3, 4)]
BODIES = [(HERE / "more_scenarios" / f"{name}.sse").read_bytes() for name in ROUNDS]


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
    """Twenty loops at once each get their own results."""
    client, assistant, _ = live
    streams = []
    for number in range(20):
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
