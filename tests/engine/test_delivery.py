"""Section 4 of the contract: when events flow, and that none is lost."""

from __future__ import annotations

import threading

import pytest
from five_deltas import FIVE, HALF, Tap, five_names, flood, many
from left_behind import wait_until
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import DONE, encode, message, message_delta, run, started, step, text_delta
from scripted_server import ServerStopped, sse

from emitter_stream import OpenAIError

# --- the request


def test_the_request_is_sent_at_once(stream_of):
    """The request goes out without a listener and without waiting."""
    stream = stream_of(sse(encode(FIVE)))
    (request,) = stream_of.server.wait_for_requests(1)
    assert request.method == "POST"
    assert request.target == "/v1/threads/thread_1/runs"
    assert request.json() == {"assistant_id": "asst_1", "stream": True}
    assert request.headers["openai-beta"] == "assistants=v2"
    assert request.headers["authorization"] == "Bearer sk-test"
    stream.done(timeout=PATIENCE)


def test_the_three_ways_to_start_a_stream(connect):
    """The three streaming calls go to their paths with their bodies, stream being true."""
    client = connect(sse(encode(FIVE)))
    threads = client.beta.threads
    threads.runs.stream("thread_1", assistant_id="a", instructions="hi").done(timeout=PATIENCE)
    threads.create_and_run_stream(assistant_id="a").done(timeout=PATIENCE)
    outputs = [{"tool_call_id": "call_1", "output": "42"}]
    threads.runs.submit_tool_outputs_stream(
        "run_1", thread_id="thread_1", tool_outputs=outputs
    ).done(timeout=PATIENCE)
    first, second, third = connect.server.requests
    assert first.target == "/v1/threads/thread_1/runs"
    assert first.json() == {"assistant_id": "a", "instructions": "hi", "stream": True}
    assert second.target == "/v1/threads/runs"
    assert second.json() == {"assistant_id": "a", "stream": True}
    assert third.target == "/v1/threads/thread_1/runs/run_1/submit_tool_outputs"
    assert third.json() == {"tool_outputs": outputs, "stream": True}


# --- rule 1: nothing before there is somebody


def test_a_chain_written_in_one_go_misses_nothing(stream_of):
    """Listeners attached in a chain to a stream of a server that answers at once hear all."""
    for _ in range(20):
        recorder = Recorder(stream_of(sse(encode(FIVE))))
        assert recorder.ended.wait(PATIENCE)
        assert sorted(recorder.names) == sorted(five_names())


def test_nothing_is_delivered_before_there_is_a_listener(stream_of):
    """However long nobody listens, the first listener hears everything from connect on."""
    sent = threading.Event()

    def script(exchange):
        sse(encode(FIVE))(exchange)
        sent.set()

    stream = stream_of(script)
    assert sent.wait(PATIENCE)
    assert not wait_until(lambda: stream.ended or stream.current_event() is not None, 0.1)
    recorder = Recorder(stream)
    assert recorder.ended.wait(PATIENCE)
    assert sorted(recorder.names) == sorted(five_names())


def test_delivery_starts_by_itself_after_the_last_on(stream_of):
    """A listener and nobody who waits: the events come all the same."""
    tap = Tap()
    stream_of(sse(encode(FIVE))).on("textDelta", tap)
    tap.wait_for(5)
    assert tap.got == [*"abcde"]


@pytest.mark.parametrize(
    "go",
    [
        lambda stream: stream.start(),
        lambda stream: stream.done(timeout=PATIENCE),
        lambda stream: stream.until_done(timeout=PATIENCE),
        lambda stream: stream.final_run(timeout=PATIENCE),
        lambda stream: stream.final_messages(timeout=PATIENCE),
        lambda stream: stream.final_run_steps(timeout=PATIENCE),
        lambda stream: stream.get_final_run(),
        lambda stream: stream.get_final_messages(),
        lambda stream: stream.get_final_run_steps(),
        lambda stream: stream.emitted("textDelta", timeout=PATIENCE),
        lambda stream: next(iter(stream.events("textDelta"))),
        lambda stream: next(stream.text_deltas),
        list,
    ],
)
def test_each_way_of_saying_go(stream_of, go):
    """start, waiting and iterating let the events flow, to the listeners as well."""
    tap = Tap()
    go(stream_of(sse(encode(FIVE))).on("textDelta", tap))
    tap.wait_for(5)
    assert tap.got == [*"abcde"]


def test_start_returns_the_stream_and_can_be_called_again(stream_of):
    """start gives the stream back; a second one changes nothing."""
    tap = Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", tap)
    assert stream.start() is stream
    assert stream.start().start() is stream
    stream.done(timeout=PATIENCE)
    stream.start()
    assert tap.got == [*"abcde"]


def test_waiting_without_a_listener(stream_of):
    """A stream without a listener can be waited for."""
    stream = stream_of(sse(encode(FIVE)))
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert stream.final_messages()[0].content[0].text.value == "abcde"
    assert [one.id for one in stream.final_run_steps()] == ["step_1"]


def test_without_a_listener_the_server_is_held_back(stream_of):
    """Until somebody listens, what the server sends waits in the network, not in our memory."""
    sent, held_back = [0], threading.Event()
    stream = stream_of(flood(sent, held_back, 800, 64_000))
    assert held_back.wait(PATIENCE)
    assert sent[0] < 40_000_000
    tap = Tap()
    stream.on("textDelta", tap).done(timeout=PATIENCE * 3)
    assert len(tap.got) == 800


# --- under load


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.sample(2, 1)
def test_300_streams_started_in_a_loop_lose_no_call(connect, waiting):
    """300 streams at once, six listeners each, from a server that answers at once: no call lost."""
    client = connect(sse(encode(FIVE)))
    names = ("connect", "event", "textCreated", "textDelta", "textDone", "end")
    expected = {name: five_names().count(name) for name in names}
    recorders = []
    for _ in range(300):
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        recorders.append(Recorder(stream, names))
    for recorder in recorders:
        if waiting:
            recorder.stream.done(timeout=PATIENCE * 3)
        assert recorder.ended.wait(PATIENCE * 3)
    for recorder in recorders:
        assert {name: recorder.names.count(name) for name in names} == expected
        assert recorder.names[0] == "connect"
        assert recorder.names[-1] == "end"


def test_listeners_attached_from_many_threads_lose_no_call(stream_of):
    """Eight threads attach listeners while the events flow; each hears every event, in order."""
    stream = stream_of(sse(encode(many(300)), 200))
    taps = [Tap() for _ in range(40)]

    def attach(mine):
        for tap in mine:
            stream.on("textDelta", tap)

    threads = [threading.Thread(target=attach, args=(taps[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for tap in taps:
        tap.wait_for(300)
    stream.done(timeout=PATIENCE)
    assert all(tap.got == [f"{number}," for number in range(300)] for tap in taps)


def test_two_messages_image_and_text_in_order(stream_of):
    """Events of several messages come in the order in which Node gives them."""
    image = {"type": "image_file", "image_file": {"file_id": "file_1"}}
    frames = [
        *(*started(), step(1, "created"), message(1, "created")),
        message_delta(1, {"index": 0, **image}),
        text_delta(1, "hi", index=1, first=True),
        message(1, "completed", [image, {"type": "text", "text": {"value": "hi"}}]),
        *(step(1, "completed"), run("completed"), DONE),
    ]
    recorder = Recorder(stream_of(sse(encode(frames))), tuple(n for n in NAMES if n != "event"))
    recorder.stream.done(timeout=PATIENCE)
    assert recorder.names == [
        *("connect", "runStepCreated", "messageCreated", "messageDelta", "textCreated"),
        *("messageDelta", "textDelta", "imageFileDone", "textDone", "messageDone"),
        *("runStepDone", "run", "end"),
    ]


def test_an_error_of_a_script_is_no_error_of_the_stream(stream_of):
    """A server that stops in the middle is an error of the stream, whoever listens."""

    def stops(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        raise ServerStopped

    with pytest.raises(OpenAIError):
        stream_of(stops).done(timeout=PATIENCE)
