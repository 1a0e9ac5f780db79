"""What becomes of runs: cancelled, left alone by their client, expired, failed, many at once."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from samples import tries
from server_helpers import BOTH, EQUATION, PATIENCE, WEATHER, Raw, wait_for_run

from emitter_stream.server import Call, Image, Input, LocalServer, Text, Turn


def server_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("assistants")]


def stream_path(raw: Raw, question: str = "Hello") -> str:
    return f"/threads/{raw.thread(question)}/runs"


def test_cancel_in_a_live_stream(gated):
    """A cancelled run tells its own stream: cancelling, message.incomplete, step, run, done."""
    path = stream_path(gated)
    with gated.stream(path, {"assistant_id": gated.assistant()}) as stream:
        run = stream.until("thread.run.created")
        stream.until("thread.message.delta")
        reply = gated("POST", f"{path}/{run['id']}/cancel")
        assert reply.status == 200 and reply.body["status"] == "cancelling"
        rest = list(stream.events)
    assert [name for name, _ in rest] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
        "done",
    ]
    message, step, ended = (data for _, data in rest[1:4])
    assert message["incomplete_details"] == {"reason": "run_cancelled"}
    assert message["content"][0]["text"]["value"] == "one"
    assert step["cancelled_at"] and ended["cancelled_at"] and ended["expires_at"] is None
    assert wait_for_run(gated, run["thread_id"], run["id"]) == ended
    assert gated("POST", f"{path}/{run['id']}/cancel").status == 400
    thread = f"/threads/{run['thread_id']}"
    assert gated("GET", f"{thread}/messages/{message['id']}").body == message


def test_cancel_while_outputs_are_awaited(raw):
    """A run that waits for tool outputs can be cancelled, and then takes none."""
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    assert raw("POST", f"{path}/cancel").body["status"] == "cancelling"
    assert wait_for_run(raw, run["thread_id"], run["id"])["status"] == "cancelled"
    (step,) = raw("GET", f"{path}/steps").body["data"]
    assert step["status"] == "cancelled"
    call = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"]
    outputs = {"tool_outputs": [{"tool_call_id": call, "output": "1"}]}
    reply = raw("POST", f"{path}/submit_tool_outputs", outputs)
    assert reply.status == 400
    assert reply.error["message"] == 'Runs in status "cancelled" do not accept tool outputs.'


def test_client_goes_away(gated, gate):
    """A client that leaves in mid-stream ends nothing: the run completes and can be read."""
    path = stream_path(gated)
    stream = gated.stream(path, {"assistant_id": gated.assistant()})
    run = stream.until("thread.run.created")
    stream.until("thread.message.delta")
    stream.close()
    gate.open()
    ended = wait_for_run(gated, run["thread_id"], run["id"])
    assert ended["status"] == "completed"
    messages = gated("GET", f"/threads/{run['thread_id']}/messages").body["data"]
    assert messages[0]["content"][0]["text"]["value"] == "one two"
    assert messages[0]["status"] == "completed"


def test_polled_run(raw):
    """A run without stream goes on in the background; its steps can be read one by one."""
    path = stream_path(raw, EQUATION)
    tools = [{"type": "code_interpreter"}]
    run = raw("POST", path, {"assistant_id": raw.assistant(tools=tools)}).body
    assert run["status"] == "queued"
    assert wait_for_run(raw, run["thread_id"], run["id"])["status"] == "completed"
    steps = raw("GET", f"{path}/{run['id']}/steps?order=asc").body["data"]
    assert [step["type"] for step in steps] == ["tool_calls", "message_creation"]
    for step in steps:
        assert raw("GET", f"{path}/{run['id']}/steps/{step['id']}").body == step


def test_waiting_for_outputs_expires(start):
    """A run that gets no outputs in its ten minutes is expired, with its step."""
    now = [1_800_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    assert run["expires_at"] == run["created_at"] + 600
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    now[0] += 599
    assert raw("GET", path).body["status"] == "requires_action"
    now[0] += 1
    assert raw("GET", path).body["status"] == "expired"
    assert raw("GET", f"{path}/steps").body["data"][0]["status"] == "expired"
    said = {"role": "user", "content": "Still there?"}
    assert raw("POST", f"/threads/{run['thread_id']}/messages", said).status == 200


def test_working_too_long_expires(start, gate):
    """A run that is still at work when its time is over says so in its stream."""
    # Long enough for a busy machine to come to the model before.
    raw = Raw(start(model=gate, run_lifetime=3).base_url)
    with raw.stream(stream_path(raw), {"assistant_id": raw.assistant()}) as stream:
        message = stream.until("thread.message.incomplete")
        assert message["incomplete_details"] == {"reason": "run_expired"}
        assert stream.until("thread.run.expired")["status"] == "expired"
        assert next(stream.events)[0] == "done"


class Broken:
    """A model that says a word and fails, or breaks the rules of the protocol."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    async def respond(self, turn):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


BROKEN = {
    "raises": [Text("one"), ValueError("secret")],
    "text after a call": [Call("function", "f"), Text("one")],
    "input without a call": [Input("{}")],
    "endless rounds": [Call("code_interpreter"), Input("1")],
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.sample(2)
def test_model_fails(start, case):
    """An error in the model fails the run, closes what is open, and gives no details away."""
    raw = Raw(start(model=Broken(*BROKEN[case])).base_url)
    events = raw.run("Hello").events()
    assert [name for name, _ in events[-2:]] == ["thread.run.failed", "done"]
    run = events[-2][1]
    assert run["last_error"]["code"] == "server_error" and run["failed_at"]
    assert "secret" not in str(events)
    if case == "raises":
        message, step = events[-4][1], events[-3][1]
        assert message["incomplete_details"] == {"reason": "run_failed"}
        assert step["status"] == "failed" and step["last_error"] == run["last_error"]
    path = f"/threads/{run['thread_id']}/runs"
    assert raw("POST", path, {"assistant_id": raw.assistant()}).status == 200


def test_model_says_nothing(start):
    """A run without any output is complete all the same."""
    raw = Raw(start(model=Broken()).base_url)
    assert [name for name, _ in raw.run("Hello").events()][-2:] == ["thread.run.completed", "done"]


def test_text_before_calls(start):
    """A model may speak before it calls: a message step, then a tool step."""
    model = Broken(Text("Let me see."), Call("function", "f"), Input("{}"))
    events = Raw(start(model=model).base_url).run("Hello").events()
    steps = [data["type"] for name, data in events if name == "thread.run.step.created"]
    assert steps == ["message_creation", "tool_calls"]
    assert events[-2][0] == "thread.run.requires_action"


def test_delete_a_thread_at_work(gated, gate):
    """Deleting a thread ends its run and takes everything in it away."""
    path = stream_path(gated)
    with gated.stream(path, {"assistant_id": gated.assistant()}) as stream:
        run = stream.until("thread.run.created")
        stream.until("thread.message.delta")
        reply = gated("DELETE", f"/threads/{run['thread_id']}")
        assert reply.body == {"id": run["thread_id"], "object": "thread.deleted", "deleted": True}
        assert [name for name, _ in stream.events][-2:] == ["thread.run.cancelled", "done"]
    assert gate.closed.wait(PATIENCE)
    for suffix in ("", "/messages", "/runs", f"/runs/{run['id']}"):
        assert gated("GET", f"/threads/{run['thread_id']}{suffix}").status == 404


def test_only_one_of_many_gets_the_thread(gated, gate):
    """Of many runs asked for at once on one thread exactly one is created."""
    path, body = stream_path(gated), {"assistant_id": gated.assistant()}
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: gated("POST", path, body), range(16)))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 15
    gate.open()


@pytest.mark.tries
def test_many_streams_at_once(start):
    """Dozens of streams run side by side, each whole and with its own text."""
    raw = Raw(start(tokens_per_second=200).base_url)
    before = set(server_threads())
    assistant = raw.assistant()
    paths = [stream_path(raw, f"I am number {n}") for n in range(tries(24, 60))]
    streams = [raw.stream(path, {"assistant_id": assistant}) for path in paths]
    # The loop's and the database's, however many streams.
    assert len(set(server_threads()) - before) <= 1
    for n, stream in enumerate(streams):
        with stream:
            text = stream.until("thread.message.completed")["content"][0]["text"]["value"]
            assert f"I am number {n}" in text
            assert stream.until("thread.run.completed")
            assert next(stream.events) == ("done", "[DONE]")


def test_stop_with_live_streams(gate):
    """Stopping ends the live streams in an orderly way and hangs on nobody."""
    before = set(server_threads())
    with LocalServer(model=gate) as server:
        raw = Raw(server.base_url)
        stream = raw.stream(stream_path(raw), {"assistant_id": raw.assistant()})
        stream.until("thread.message.delta")
        silent = raw.connection()
        silent.connect()  # and one that never sends a request
        server.stop()
        assert [name for name, _ in stream.events][-2:] == ["thread.run.failed", "done"]
    stream.close()
    silent.close()
    server.stop()  # again: nothing happens
    assert set(server_threads()) == before


class Torrent:
    """A model that says more than fits into the buffers between server and client."""

    def __init__(self) -> None:
        self.done = threading.Event()

    async def respond(self, turn):
        for _ in range(500):
            yield Text(" word" * 4000)
        self.done.set()


def test_a_client_that_does_not_read(caplog):
    """A client that stops reading holds up neither the run nor the stop of the server."""
    model = Torrent()
    with LocalServer(model=model) as server:
        raw = Raw(server.base_url)
        path = stream_path(raw)
        with raw.stream(path, {"assistant_id": raw.assistant()}) as stream:
            run = stream.until("thread.run.created")
            assert model.done.wait(PATIENCE)
            assert wait_for_run(raw, run["thread_id"], run["id"])["status"] == "completed"
            server.stop()
    assert not caplog.records


def test_start_errors(start, tmp_path):
    """What cannot be started says so at once and leaves nothing behind."""
    from emitter_stream.server.store.store import DatabaseUnusable

    taken = int(start().base_url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(OSError, match=r"[Aa]ddress"):
        start(port=taken)
    with pytest.raises(DatabaseUnusable):
        start(db=str(tmp_path))
    (tmp_path / "text.db").write_bytes(b"this is not a database, " * 100)
    with pytest.raises(DatabaseUnusable):
        start(db=str(tmp_path / "text.db"))
    start(db=str(tmp_path / "one.db"))
    with pytest.raises(DatabaseUnusable, match="another server"):
        start(db=str(tmp_path / "one.db"))
    server = LocalServer()
    with pytest.raises(RuntimeError, match="not been started"):
        server.base_url  # noqa: B018


@pytest.mark.tries
def test_cancel_at_any_point(raw):
    """Wherever a cancel falls, the run ends, nothing in it stays open, and the thread is free."""
    assistant = raw.assistant(tools=[{"type": "code_interpreter"}])
    for count in range(1, 40, tries(7, 2)):
        path = stream_path(raw, EQUATION)
        with raw.stream(path, {"assistant_id": assistant}) as stream:
            run = next(stream.events)[1]
            for _, _ in zip(range(count), stream.events, strict=False):
                pass
            reply = raw("POST", f"{path}/{run['id']}/cancel")
            ended = wait_for_run(raw, run["thread_id"], run["id"])
            expected = ("cancelled",) if reply.status == 200 else ("completed",)
            assert ended["status"] in expected
            assert [name for name, _ in stream.events][-1] == "done"
        thread = f"/threads/{run['thread_id']}"
        steps = raw("GET", f"{thread}/runs/{run['id']}/steps").body["data"]
        messages = raw("GET", f"{thread}/messages").body["data"]
        assert "in_progress" not in [one["status"] for one in steps + messages]
        assert raw("POST", path, {"assistant_id": assistant}).status == 200


class Listening:
    """Says one word; keeps what it was shown."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    async def respond(self, turn: Turn) -> AsyncIterator[Text]:
        self.turns.append(turn)
        yield Text("Yes.")


def test_a_run_reads_as_far_back_as_it_may(start):
    """Of a long thread a run reads the newest messages that its limits allow, in their order."""
    model = Listening()
    raw = Raw(start(model=model).base_url)
    assistant, thread = raw.assistant(), raw.thread(*(f"message {n}" for n in range(250)))

    def read(**fields: object) -> list[str]:
        body = {"assistant_id": assistant, **fields}
        with raw.stream(f"/threads/{thread}/runs", body) as stream:
            stream.until("done")
        return [said.text for said in model.turns[-1].messages]

    everything = [f"message {n}" for n in range(250)]
    assert read() == everything
    everything.append("Yes.")  # of the run before
    last = {"type": "last_messages", "last_messages": 3}
    assert read(truncation_strategy=last) == everything[-3:]
    everything.append("Yes.")
    shown = read(max_prompt_tokens=256)
    assert shown == everything[-len(shown) :] and 100 < len(shown) < 200
    everything.append("Yes.")
    last = {"type": "last_messages", "last_messages": 200}
    assert read(truncation_strategy=last) == everything[-200:]


def test_a_run_reads_what_was_said_as_it_was(start):
    """Text of any characters, several texts and images reach the model as they were sent."""
    model = Listening()
    raw = Raw(start(model=model).base_url)
    texts = ["a\x00b", 'say "no"', "\\u0041 \\", "😀\u2028\ud7ff", "\x1f\t\r\n", "[1]", "null", " "]
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "One"}, image, {"type": "text", "text": "x\x00"}]
    said = [{"role": "user", "content": text} for text in texts]
    said.append({"role": "assistant", "content": parts})
    said.append({"role": "user", "content": [{"type": "text", "text": "Two"}]})
    thread = raw("POST", "/threads", {"messages": said}).body["id"]
    with raw.stream(f"/threads/{thread}/runs", {"assistant_id": raw.assistant()}) as stream:
        stream.until("done")
    shown = [(one.role, *one.parts) for one in model.turns[-1].messages]
    assert shown == [
        *(("user", text) for text in texts),
        ("assistant", "One", Image(url="https://example.com/a.png"), "x\x00"),
        ("user", "Two"),
    ]
