"""Replays: spoilt files, the pace, aborts."""

from __future__ import annotations

import itertools
import json
import threading

import pytest
from parity.transcripts import answered, started
from recorded import HEADER, tool_run, write
from replays import failure_of, listen, replayed

from emitter_stream import APIUserAbortError, AssistantStream, OpenAIError, RecordingWarning
from emitter_stream.recordings import Player, Recording, ReplaySource

# Truncated and spoilt files


def test_cut_at_every_line(tmp_path):
    """Cut after any line, a recording plays what is left, as a stream that broke off there."""
    path = write(tmp_path / "run.jsonl", tool_run())
    lines = path.read_bytes().splitlines(keepends=True)
    whole = replayed(path)["trace"]
    for count in range(2, len(lines)):
        path.write_bytes(b"".join(lines[:count]))
        result = replayed(path)
        played = result["trace"]
        assert [call[0] for call in played].count("event") == count - 2
        if count < len(lines) - 1:
            assert [call[0] for call in played[-2:]] == ["error", "end"]
            assert played[:-2] == whole[: len(played) - 2]
        else:
            assert played == whole  # only the end was lost: the run had come to its own
    path.write_bytes(lines[0])
    assert [call[0] for call in replayed(path)["trace"]] == ["error", "end"]


def test_torn_in_every_line(tmp_path):
    """Torn inside any line, it says so where it is opened, and what stands before plays."""
    path = write(tmp_path / "run.jsonl", answered("a", "b"))
    data = path.read_bytes()
    starts = [0, *(at + 1 for at in range(len(data)) if data[at : at + 1] == b"\n")]
    for start, end in list(itertools.pairwise(starts))[1:]:
        path.write_bytes(data[:start])
        cut = replayed(path)
        for torn in (start + 1, (start + end) // 2, end - 2):
            path.write_bytes(data[:torn])
            with pytest.warns(RecordingWarning, match="is torn") as caught:
                assert replayed(path) == cut
            assert caught[0].filename == replayed.__code__.co_filename


def test_torn_inside_a_character(tmp_path):
    """Torn between the bytes of one character, it plays what stands before."""
    path = tmp_path / "run.jsonl"
    AssistantStream.replay(write(path, answered("\u20ac")), None).record(
        tmp_path / "utf-8.jsonl"
    ).done()
    data = (tmp_path / "utf-8.jsonl").read_bytes()
    at = data.index("\u20ac".encode())
    for torn in (at + 1, at + 2):
        path.write_bytes(data[:torn])
        with pytest.warns(RecordingWarning, match="is torn"):
            recording = Recording.load(path)
        assert recording.torn
        assert [entry.kind for entry in recording.entries()].count("event") == 7


def test_last_line_without_its_newline(tmp_path):
    """A last line that is whole but for its line feed counts."""
    path = write(tmp_path / "run.jsonl", answered("a"))
    whole = replayed(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert replayed(path) == whole


def test_carriage_returns(tmp_path):
    """Line ends that a version control system changed do no harm."""
    path = write(tmp_path / "run.jsonl", answered("a"))
    whole = replayed(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert replayed(path) == whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no recording"),
        (b"\n\n", "is no recording"),
        (b'{"format": "emitter-stre', "is no recording"),
        (b"event: thread.created\ndata: {}\n\n", "is no recording"),
        (b"[]\n", "is no recording"),
        (b"\xff\xfe\x00", "is no recording"),
        (json.dumps(HEADER | {"version": 3}).encode(), "version 3; this emitter_stream reads up"),
        (json.dumps(HEADER | {"version": "1"}).encode(), "no valid version"),
        (json.dumps(HEADER | {"version": True}).encode(), "no valid version"),
    ],
)
def test_not_a_recording(tmp_path, content, message):
    """What is no recording, or a newer one, is refused with a clear error at once."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(OpenAIError, match=message):
        AssistantStream.replay(path)


def test_no_file(tmp_path):
    """A file that is not there is the usual error, at once."""
    with pytest.raises(FileNotFoundError):
        AssistantStream.replay(tmp_path / "run.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"t": 1, "event":', "Line 4 .* is damaged"),
        (b"[1]", "Line 4 .* is damaged"),
        (b"\xff", "Line 4 .* is damaged"),
        (b'{"t": "1", "event": "x"}', "Line 4 .* no valid time: '1'"),
        (b'{"t": -1, "event": "x"}', "Line 4 .* no valid time"),
        (b'{"t": 1e999, "event": "x"}', "Line 4 .* no valid time"),
        (b'{"event": "x"}', "Line 4 .* no valid time"),
    ],
)
def test_damaged_in_the_middle(tmp_path, line, message):
    """A damaged line that is not the last ends the replay with an error that names it."""
    path = write(tmp_path / "run.jsonl", answered("a"))
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]) + b"\n")
    with pytest.raises(OpenAIError, match=message):
        AssistantStream.replay(path, None).done()


def test_unknown_lines_and_keys(tmp_path):
    """Lines and keys that a later library may add are skipped, and empty lines are."""
    path = write(tmp_path / "run.jsonl", answered("a"))
    whole = replayed(path)
    lines = path.read_bytes().splitlines()
    lines[3:3] = [b'{"t": 0.1, "note": "x"}', b"", b'{"more": 1}']
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert replayed(path) == whole


def test_unknown_error_class(tmp_path):
    """An error of a class that is not known here is an `OpenAIError` with its message."""
    error = {"class": "QuotaError", "message": "no more"}
    stream = AssistantStream.replay(write(tmp_path / "run.jsonl", started(), error), None)
    assert (type(found := failure_of(stream)), str(found)) == (OpenAIError, "no more")


# Time


class Clock:
    """A clock that goes on only by being waited for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        self.now += seconds
        return False


@pytest.mark.parametrize(("speed", "pause"), [(1.0, 0.1), (2, 0.05), (0.5, 0.2)])
def test_pace(tmp_path, speed, pause):
    """Pauses are as long as they were, divided by the speed."""
    clock = Clock()
    entries = Recording.load(write(tmp_path / "run.jsonl", started())).entries()
    player = Player(entries, speed, clock=clock, wait=clock.wait)
    player.connect()
    while player.next():
        pass
    assert clock.waits == [pause] * 5


def test_as_fast_as_possible(tmp_path):
    """Without a speed nothing is waited for."""
    clock = Clock()
    entries = Recording.load(write(tmp_path / "run.jsonl", started())).entries()
    player = Player(entries, None, clock=clock, wait=clock.wait)
    player.connect()
    while player.next():
        pass
    assert clock.waits == []


def test_slow_listeners_do_not_add_up(tmp_path):
    """Time that listeners take is taken from the pauses; time before anybody listens is not."""
    clock = Clock()
    entries = Recording.load(write(tmp_path / "run.jsonl", started())).entries()
    player = Player(entries, 1.0, clock=clock, wait=clock.wait)
    player.connect()
    clock.now += 50
    player.next()
    clock.now += 0.07
    player.next()
    clock.now += 10
    player.next()
    assert clock.waits == [0.1, 0.1, 0.03]


@pytest.mark.parametrize("before", [True, False], ids=["before connect", "between events"])
def test_abort_wakes_a_pause(tmp_path, before):
    """An abort ends a pause of any length at once."""
    path = write(tmp_path / "run.jsonl", started(), gap=1e9)
    if not before:
        text = path.read_text().replace('"t": 1000000000.0', '"t": 0')
        path.write_text(text.replace('"t": 2000000000.0', '"t": 0'))
    stream = AssistantStream.replay(path)
    heard = listen(stream)
    if before:
        stream.start().abort()
    else:
        stream.on("thread.run.created", lambda: threading.Thread(target=stream.abort).start())
    assert isinstance(failure_of(stream), APIUserAbortError)
    assert heard.names == [*([] if before else ["connect", "event"]), "abort", "end"]


def test_abort_without_pauses(tmp_path):
    """A replay as fast as possible is ended between two events."""
    stream = AssistantStream.replay(write(tmp_path / "run.jsonl", answered("a", "b", "c")), None)
    heard = []
    stream.on("textDelta", lambda delta: (heard.append(delta.value), stream.abort()))
    assert isinstance(failure_of(stream), APIUserAbortError)
    assert heard == ["a"]


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_impossible_speed(tmp_path, speed):
    """A speed at which nothing can be played is a `ValueError`."""
    with pytest.raises(ValueError, match="speed"):
        AssistantStream.replay(write(tmp_path / "run.jsonl", started()), speed)


def test_signal(tmp_path):
    """A replay takes a signal as other streams do."""
    from emitter_stream import AbortController

    controller = AbortController()
    path = write(tmp_path / "run.jsonl", started(), gap=1e9)
    stream = AssistantStream.replay(path, signal=controller.signal)
    controller.abort()
    assert isinstance(failure_of(stream), APIUserAbortError)


def test_replay_gives_the_path_of_iterators(tmp_path):
    """Iterators and finals of a replay work as those of any stream."""
    path = write(tmp_path / "run.jsonl", answered("a", "b"))
    assert "".join(AssistantStream.replay(path, None).text_deltas) == "ab"
    with AssistantStream.replay(path, 1000) as stream:
        assert stream.final_messages()[0].content[0].text.value == "ab"


def test_source_has_no_secrets(tmp_path):
    """A replay's source has nothing to take out, and nothing to close."""
    source = ReplaySource(Player([], None))
    source.close()
    assert source.redact({"a": 1}) == {"a": 1}
