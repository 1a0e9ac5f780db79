"""Streams recorded from real servers, read from beside the repository where they are present."""

from __future__ import annotations

from pathlib import Path

import pytest
from parity import node_peer
from parity.compare import PATIENCE, Recorder, difference, plain
from scripted_server import sse

FOLDER = Path(__file__).parents[3] / "shared" / "wire" / "recordings"
RECORDINGS = {path.stem: path for path in sorted(FOLDER.glob("*.sse"))}

pytestmark = [
    pytest.mark.skipif(not RECORDINGS, reason="no recordings here"),
    pytest.mark.usefixtures("long_tick"),
]
each = pytest.mark.parametrize("name", RECORDINGS)


@pytest.fixture
def record(stream_of):
    """Play a recording in pieces of 300 bytes, and give what its listeners heard."""

    def play(name: str) -> Recorder:
        recorder = Recorder(stream_of(sse(RECORDINGS[name].read_bytes(), 300)))
        recorder.objects = {kind: [] for kind in ("textDelta", "textDone", "toolCallDone")}
        recorder.objects |= {kind: [] for kind in ("toolCallCreated", "messageDone", "event")}
        for kind, seen in recorder.objects.items():
            recorder.stream.on(kind, seen.append)
        recorder.stream.done(timeout=PATIENCE)
        return recorder

    return play


@each
def test_a_recording_ends_well(record, name):
    """A recorded stream ends with run and end, without an error."""
    recorder = record(name)
    assert recorder.names[0] == "connect"
    assert recorder.names[-2:] == ["run", "end"]
    assert not {"error", "abort"} & set(recorder.names)
    for count in (recorder.names.count(one) for one in ("connect", "run", "end")):
        assert count == 1


@each
def test_deltas_joined_are_the_completed_text(record, name):
    """The text deltas of each message, joined, are the text of the message that is done."""
    recorder = record(name)
    joined: dict = {}
    for delta, message in recorder.of("messageDelta"):
        for block in delta.get("content", []):
            if block["type"] == "text":
                key = (message["id"], block["index"]["__number__"])
                joined[key] = joined.get(key, "") + (block["text"].get("value") or "")
    done = {
        (message["id"], str(index)): block["text"]["value"]
        for (message,) in recorder.of("messageDone")
        for index, block in enumerate(message["content"])
        if block["type"] == "text"
    }
    assert joined == done
    texts = [text["value"] for text, _ in recorder.of("textDone")]
    assert texts == list(done.values())


@each
def test_tool_calls_are_whole_when_done(record, name):
    """Each tool call created is done once, with all of its arguments or input."""
    recorder = record(name)
    created = [call["id"] for (call,) in recorder.of("toolCallCreated")]
    done = [call["id"] for (call,) in recorder.of("toolCallDone")]
    assert done == created
    final = plain(recorder.stream.final_run())
    action = final.get("required_action") or {}
    required = action.get("submit_tool_outputs", {}).get("tool_calls", [])
    by_id = {call["id"]: call for (call,) in recorder.of("toolCallDone")}
    for call in required:
        assert by_id[call["id"]]["function"]["arguments"] == call["function"]["arguments"]
    for step in plain(recorder.stream.final_run_steps()):
        for call in step["step_details"].get("tool_calls", []):
            if call["id"] in by_id and call["type"] == "code_interpreter":
                mine = by_id[call["id"]]["code_interpreter"]["input"]
                assert mine == call["code_interpreter"]["input"]


@each
def test_every_event_comes_out_exactly_as_it_came(record, name):
    """to_dict of every event is what stands in the recording."""
    import json

    recorder = record(name)
    body = RECORDINGS[name].read_text(encoding="utf-8")
    sent = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if fields.get("data", "[DONE]") != "[DONE]":
            sent.append({"event": fields["event"], "data": json.loads(fields["data"])})
    assert [event.to_dict() for event in recorder.objects["event"]] == sent


@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
def test_recordings_give_the_calls_of_node(record):
    """Every call for a recorded stream is the one that the Node SDK makes."""
    node = node_peer.traces({name: path.read_bytes() for name, path in RECORDINGS.items()})
    for name in RECORDINGS:
        problem = difference(record(name).result(), node[name])
        assert problem is None, f"{name}: {problem}"
