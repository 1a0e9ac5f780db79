"""The bytes of a stream: names, order, fields, and deltas that add up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from server_helpers import BOTH, EQUATION, RAIN, WEATHER, Raw, read_frames

from emitter_stream.server.models.model import Call, Input, Text


def words(text: str) -> list[str]:
    return text.split()


RUN_KEYS = words(
    "id object created_at assistant_id thread_id status started_at expires_at cancelled_at "
    "failed_at completed_at required_action last_error model instructions tools tool_resources "
    "metadata temperature top_p reasoning_effort max_completion_tokens max_prompt_tokens "
    "truncation_strategy incomplete_details usage response_format tool_choice parallel_tool_calls"
)
STEP_KEYS = words(
    "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at "
    "expired_at failed_at last_error step_details usage metadata"
)
MESSAGE_KEYS = words(
    "id object created_at assistant_id thread_id run_id status incomplete_details incomplete_at "
    "completed_at role content attachments metadata"
)
OPENING = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
STEP = ["thread.run.step.created", "thread.run.step.in_progress"]
MESSAGE = [
    *STEP,
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
]


def names(events) -> list[str]:
    """Give the events' names, a run of deltas as one."""
    found: list[str] = []
    for name, _ in events:
        if not (name.endswith("delta") and found and found[-1] == name):
            found.append(name)
    return found


def test_plain_answer(raw):
    """A plain run streams opening, one message step, completed and done, in the API's order."""
    events = raw.run("Hello").events()
    assert names(events) == [*OPENING, *MESSAGE, "thread.run.completed", "done"]
    assert events[-1] == ("done", "[DONE]")


def test_object_fields(raw):
    """Runs, steps and messages have the recorded fields, in the recorded order."""
    keys = {"thread.run": RUN_KEYS, "thread.run.step": STEP_KEYS, "thread.message": MESSAGE_KEYS}
    for _, data in raw.run("Hello").events()[:-1]:
        if data["object"] in keys:
            assert list(data) == keys[data["object"]]


def test_statuses_and_times(raw):
    """The status follows the event name; expires_at goes and usage comes when the run ends."""
    for name, data in raw.run(EQUATION, [{"type": "code_interpreter"}]).events()[:-1]:
        kind, _, verb = name.rpartition(".")
        if verb == "delta":
            continue
        expected = {
            "thread.run": {"created": "queued"}.get(verb, verb),
            "thread.run.step": "in_progress" if verb == "created" else verb,
            "thread.message": "in_progress" if verb == "created" else verb,
        }[kind]
        assert data["status"] == expected
        assert (data.get("completed_at") is not None) == (verb == "completed")
        if kind == "thread.run":
            assert (data["expires_at"] is None) == (verb == "completed")
        if kind != "thread.message":
            assert (data["usage"] is not None) == (verb == "completed")


def test_usage_adds_up(raw):
    """The run's usage is the sum of its steps'."""
    events = raw.run(EQUATION, [{"type": "code_interpreter"}]).events()
    steps = [data["usage"] for name, data in events if name == "thread.run.step.completed"]
    total = dict(events)["thread.run.completed"]["usage"]
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert total[key] == sum(step[key] for step in steps) > 0


def test_message_deltas(raw):
    """Text deltas joined give the message; only the first has annotations; the id is in the step."""
    events = raw.run("Hello").events()
    deltas = [data for name, data in events if name == "thread.message.delta"]
    texts = [delta["delta"]["content"][0] for delta in deltas]
    message = dict(events)["thread.message.completed"]
    assert (
        "".join(part["text"]["value"] for part in texts) == message["content"][0]["text"]["value"]
    )
    assert texts[0]["text"]["annotations"] == []
    assert all(set(part["text"]) == {"value"} for part in texts[1:])
    step = dict(events)["thread.run.step.created"]
    assert step["step_details"]["message_creation"]["message_id"] == message["id"]
    assert all(set(d) == {"id", "object", "delta"} and d["id"] == message["id"] for d in deltas)


def test_code_interpreter(raw):
    """An equation is solved by code that is streamed, really run, and answered from its output."""
    events = raw.run(EQUATION, [{"type": "code_interpreter"}]).events()
    tool = [*STEP, "thread.run.step.delta", "thread.run.step.completed"]
    assert names(events) == [*OPENING, *tool, *MESSAGE, "thread.run.completed", "done"]
    deltas = [
        data["delta"]["step_details"]["tool_calls"][0]
        for name, data in events
        if name == "thread.run.step.delta"
    ]
    assert list(deltas[0]) == ["index", "id", "type", "code_interpreter"]
    assert deltas[0]["code_interpreter"] == {"input": "", "outputs": []}
    assert all(list(delta) == ["index", "type", "code_interpreter"] for delta in deltas[1:])
    outputs = deltas[-1]["code_interpreter"]["outputs"]
    assert outputs == [{"index": 0, "type": "logs", "logs": "x = 1\n"}]
    code = "".join(delta["code_interpreter"].get("input", "") for delta in deltas)
    done = next(data for name, data in events if name == "thread.run.step.completed")
    assert done["step_details"]["tool_calls"] == [
        {
            "id": deltas[0]["id"],
            "type": "code_interpreter",
            "code_interpreter": {
                "input": code,
                "outputs": [{"type": "logs", "logs": "x = 1\n"}],
            },
        }
    ]
    answer = dict(events)["thread.message.completed"]["content"][0]["text"]["value"]
    assert "x = 1" in answer


def test_function_calls(raw):
    """Two fitting functions make two calls in one step; the outputs' stream begins with that step."""
    events = raw.run(BOTH, [WEATHER, RAIN]).events()
    waiting = [*STEP, "thread.run.step.delta", "thread.run.requires_action", "done"]
    assert names(events) == [*OPENING, *waiting]
    run = dict(events)["thread.run.requires_action"]
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == [
        "get_current_temperature",
        "get_rain_probability",
    ]
    assert json.loads(calls[0]["function"]["arguments"])["location"] == "San Francisco"
    pieces = ["", ""]
    for name, data in events:
        if name == "thread.run.step.delta":
            (call,) = data["delta"]["step_details"]["tool_calls"]
            if "id" in call:
                assert call["function"]["arguments"] == "" and call["function"]["output"] is None
            pieces[call["index"]] += call["function"]["arguments"]
    assert pieces == [call["function"]["arguments"] for call in calls]

    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    outputs = [
        {"tool_call_id": call["id"], "output": f"{n} degrees"} for n, call in enumerate(calls)
    ]
    events2 = raw("POST", path, {"tool_outputs": outputs, "stream": True}).events()
    assert names(events2) == [
        "thread.run.step.completed",
        *OPENING[1:],
        *MESSAGE,
        "thread.run.completed",
        "done",
    ]
    step = events2[0][1]
    assert step["id"] == dict(events)["thread.run.step.created"]["id"]
    assert [c["function"]["output"] for c in step["step_details"]["tool_calls"]] == [
        "0 degrees",
        "1 degrees",
    ]
    text = dict(events2)["thread.message.completed"]["content"][0]["text"]["value"]
    assert "0 degrees" in text and "1 degrees" in text


def test_thread_and_run(raw):
    """create_and_run streams thread.created first."""
    body = {
        "assistant_id": raw.assistant(),
        "thread": {"messages": [{"role": "user", "content": "Hello"}]},
        "stream": True,
    }
    events = raw("POST", "/threads/runs", body).events()
    assert names(events)[:4] == ["thread.created", *OPENING]
    assert events[0][1]["tool_resources"] == {"code_interpreter": {"file_ids": []}}


class Talkative:
    """Says 300 words, or writes 300 lines of code if there is an interpreter."""

    async def respond(self, turn):
        if turn.tools:
            yield Call("code_interpreter")
            for _ in range(300):
                yield Input("1\n")
        else:
            for _ in range(300):
                yield Text(" word")


def test_max_completion_tokens(start):
    """The token limit cuts the message off: message.incomplete, step.completed, run.incomplete."""
    raw = Raw(start(model=Talkative()).base_url)
    events = raw.run("Hello", max_completion_tokens=256).events()
    assert names(events)[-4:] == [
        "thread.message.incomplete",
        "thread.run.step.completed",
        "thread.run.incomplete",
        "done",
    ]
    run = dict(events)["thread.run.incomplete"]
    assert run["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert run["usage"]["completion_tokens"] == 256
    message = dict(events)["thread.message.incomplete"]
    assert message["incomplete_details"] == {"reason": "max_tokens"} and message["incomplete_at"]
    assert message["content"][0]["text"]["value"] == " word" * 256


def test_max_completion_tokens_in_a_call(start):
    """A call that the limit cuts off is never run: its step is cancelled."""
    raw = Raw(start(model=Talkative()).base_url)
    events = raw.run("Go", [{"type": "code_interpreter"}], max_completion_tokens=256).events()
    assert names(events)[-3:] == ["thread.run.step.cancelled", "thread.run.incomplete", "done"]


def test_max_prompt_tokens(raw):
    """A prompt that cannot fit makes the run incomplete; older messages are left out first."""
    run = dict(raw.run("Hello " * 300, max_prompt_tokens=256).events())["thread.run.incomplete"]
    assert run["incomplete_details"] == {"reason": "max_prompt_tokens"}
    thread = raw.thread("first words " * 150, "Hello")
    body = {"assistant_id": raw.assistant(), "stream": True, "max_prompt_tokens": 256}
    events = raw("POST", f"/threads/{thread}/runs", body).events()
    text = dict(events)["thread.message.completed"]["content"][0]["text"]["value"]
    assert "Hello" in text and "first words" not in text


def test_no_buffering(gated, gate):
    """An event is with the client before the next one exists."""
    thread, assistant = gated.thread("Hello"), gated.assistant()
    with gated.stream(f"/threads/{thread}/runs", {"assistant_id": assistant}) as stream:
        delta = stream.until("thread.message.delta")
        assert delta["delta"]["content"][0]["text"]["value"] == "one"
        gate.open()
        message = stream.until("thread.message.completed")
        assert message["content"][0]["text"]["value"] == "one two"


RECORDINGS = Path(__file__).parents[4] / "shared" / "wire" / "recordings"
CASES = {
    "text": ("Hello", []),
    "code_interpreter": (EQUATION, [{"type": "code_interpreter"}]),
    "function_tool": (BOTH, [WEATHER]),
}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize("name", CASES)
def test_like_the_recordings(raw, name):
    """Every object has the keys, in order, and the types of the recorded one of that event.

    But for steps: the recorded ones are not as the API is described.
    """
    lines = (RECORDINGS / f"{name}.sse").read_text("utf-8").splitlines(keepends=True)
    recorded = {event: data for event, data in read_frames(lines) if event != "done"}
    ours = {event: data for event, data in raw.run(*CASES[name]).events() if event != "done"}
    for event, data in ours.items():
        if event.endswith("delta"):
            continue
        if data["object"] == "thread.run.step":
            theirs = recorded[event]
            theirs["expired_at"] = theirs.pop("expires_at") and None
            theirs["metadata"] = {}
            assert sorted(data) == sorted(theirs), event
        else:
            assert list(data) == list(recorded[event]), event
        for key, value in data.items():
            theirs = recorded[event][key]
            if key not in ("instructions", "output"):
                assert type(value) is type(theirs), (event, key)
    assert set(recorded) - set(ours) <= {"thread.created"}


def test_servers_are_independent(start):
    """Several servers in one process share nothing."""
    one, two = Raw(start().base_url), Raw(start().base_url)
    thread = one.thread("Hello")
    assert one("GET", f"/threads/{thread}").status == 200
    assert two("GET", f"/threads/{thread}").status == 404
