"""`with` and iterators: what leaving one does, and that a slow one loses nothing."""

from __future__ import annotations

import gc
import threading

import pytest
from five_deltas import FIVE, HALF, Tap, flood, gated, many
from parity.compare import PATIENCE, Recorder
from parity.transcripts import answered, encode
from scripted_server import hang, sse

from emitter_stream import APIError, APIUserAbortError, AssistantStream
from emitter_stream.engine.delivery import Delivery

# --- rule 4: with


def test_with_waits_for_the_end(stream_of):
    """A normal exit of with waits until the stream has ended."""
    tap = Tap()
    with stream_of(sse(encode(FIVE), 10)) as stream:
        assert stream.on("textDelta", tap) is stream
    assert stream.ended
    assert tap.got == [*"abcde"]


def test_with_raises_the_streams_error(stream_of):
    """A normal exit of with raises the error of the stream."""
    stream = stream_of(sse(b'event: error\ndata: {"message":"no luck"}\n\n'))
    with pytest.raises(APIError, match="no luck"), stream as entered:
        assert entered is stream
    assert stream.errored


def test_with_does_not_raise_an_abort_that_happened_inside(stream_of):
    """An abort inside of with is the user's own doing, and not raised at its end."""
    with stream_of(gated(FIVE[:HALF], [], threading.Event())) as stream:
        stream.abort()
    assert (stream.ended, stream.aborted) == (True, True)
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)


def test_with_left_by_an_exception_aborts(stream_of):
    """Left by an exception, with aborts the request and lets the exception through."""
    recorder = None
    with pytest.raises(KeyError, match="mine"), stream_of(hang(encode(FIVE[:HALF]))) as stream:
        recorder = Recorder(stream)
        stream_of.server.wait_for_requests(1)
        raise KeyError("mine")
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert recorder.ended.wait(PATIENCE)
    assert (stream.ended, stream.aborted) == (True, True)
    assert recorder.names[-2:] == ["abort", "end"]


def test_with_left_by_an_exception_after_the_end(stream_of):
    """Left by an exception after the stream's end, with changes nothing about the stream."""
    with pytest.raises(KeyError), stream_of(sse(encode(FIVE))) as stream:
        stream.done(timeout=PATIENCE)
        raise KeyError
    assert not stream.aborted


# --- rule 5: iterators


def test_leaving_a_for_over_the_stream_aborts(stream_of):
    """break in `for event in stream` aborts the request."""
    stream = stream_of(hang(encode(FIVE[:HALF])))
    recorder = Recorder(stream, ("error", "abort", "end"))
    for event in stream:
        assert event.event == "thread.run.created"
        break
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert recorder.ended.wait(PATIENCE)
    assert recorder.names == ["abort", "end"]
    assert stream.aborted


def test_leaving_a_for_by_an_exception_aborts(stream_of):
    """An exception in the body of `for event in stream` aborts the request too."""

    def loop(stream):
        for _ in stream:
            raise KeyError

    stream = stream_of(hang(encode(FIVE[:HALF])))
    try:
        loop(stream)
    except KeyError as error:
        error.__traceback__ = None
    gc.collect()
    assert stream_of.server.client_closed.wait(PATIENCE)
    with pytest.raises(APIUserAbortError):
        stream.done()
    assert stream.aborted


@pytest.mark.parametrize("kind", ["events", "text_deltas"])
def test_leaving_events_or_text_deltas_only_detaches(stream_of, kind):
    """break in a loop over events or text_deltas leaves the stream running."""
    tap = Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", tap)
    iterator = stream.events("textDelta") if kind == "events" else stream.text_deltas
    for _ in iterator:
        break
    del iterator
    stream.done(timeout=PATIENCE)
    assert tap.got == [*"abcde"]
    assert not stream.aborted


@pytest.mark.parametrize("kind", ["for", "events"])
def test_a_slow_consumer_holds_the_server_back_and_loses_nothing(stream_of, kind):
    """A consumer that does not take what comes holds the server back; then it gets everything."""
    sent, held_back = [0], threading.Event()
    stream = stream_of(flood(sent, held_back, 1_000, 64_000))
    iterator = {
        "for": lambda: (e.data.delta for e in stream if e.event == "thread.message.delta"),
        "events": lambda: (args[0] for args in stream.events("textDelta")),
    }[kind]()
    next(iterator)
    assert held_back.wait(PATIENCE)
    assert sum(1 for _ in iterator) == 999
    stream.done(timeout=PATIENCE)


LONG = many(20_000)


LONG_BODY = encode(LONG)


def test_a_consumer_that_waits_itself_does_not_deadlock(stream_of):
    """done in the middle of an iteration lifts the bound; the iterator still gives everything."""
    stream = stream_of(sse(LONG_BODY))
    iterator = stream.text_deltas
    first = next(iterator)
    stream.done(timeout=PATIENCE)
    assert [first, *iterator] == [f"{number}," for number in range(20_000)]


@pytest.mark.parametrize("kind", ["for", "events"])
def test_threads_that_share_an_iterator(kind, monkeypatch):
    """Each event goes to exactly one of them, and the end comes to all."""
    wait_until = Delivery.wait_until

    def wait_and_let_others_run(*args):
        seen = wait_until(*args)
        threading.Event().wait(0.0005)  # between being woken and taking, where others may take
        return seen

    monkeypatch.setattr(Delivery, "wait_until", wait_and_let_others_run)
    pieces = [f"{number} " for number in range(300)]
    taken = threading.Semaphore(0)

    def events():
        for name, data in answered(*pieces)[:-1]:
            yield {"event": name, "data": data}
            if "delta" in name:  # the next comes when somebody has this one, and all wait again
                assert taken.acquire(timeout=PATIENCE)

    stream = AssistantStream.from_events(events())
    iterator = iter(stream) if kind == "for" else stream.events("messageDelta")
    got: list = []
    ended: list = []

    def consume():
        for item in iterator:
            if kind == "events":
                got.append(item[0].content[0].text.value)
            elif item.event == "thread.message.delta":
                got.append(item.data.delta.content[0].text.value)
            else:
                continue
            taken.release()
        ended.append(True)

    threads = [threading.Thread(target=consume, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert got == pieces
    assert ended == [True] * 4
    stream.done(timeout=PATIENCE)


def test_another_thread_that_waits_lifts_the_bound(stream_of):
    """final_run in another thread comes back though the consumer takes nothing meanwhile."""
    stream = stream_of(sse(LONG_BODY))
    iterator = stream.text_deltas
    first = next(iterator)
    runs: list = []
    waiter = threading.Thread(target=lambda: runs.append(stream.final_run(timeout=PATIENCE)))
    waiter.start()
    waiter.join(PATIENCE)
    assert [one.status for one in runs] == ["completed"]
    assert [first, *iterator] == [f"{number}," for number in range(20_000)]


def test_two_iterators_one_after_the_other_do_not_deadlock(stream_of):
    """One iterator can be read to its end while another one of the same stream lies still."""
    stream = stream_of(sse(LONG_BODY))
    one, two = stream.text_deltas, stream.events("messageDelta")
    next(one)
    next(two)
    assert sum(1 for _ in two) == 19_999
    assert sum(1 for _ in one) == 19_999
    stream.done(timeout=PATIENCE)


def test_emitted_in_the_middle_of_an_iteration_does_not_deadlock(stream_of):
    """emitted of something far ahead lifts the bound too."""
    stream = stream_of(sse(LONG_BODY))
    count = 0
    for _ in stream.text_deltas:
        count += 1
        if count == 3:
            assert stream.emitted("run", timeout=PATIENCE).status == "completed"
    assert count == 20_000


def test_with_in_the_middle_of_an_iteration_does_not_deadlock(stream_of):
    """The end of with waits, so it lifts the bound as well."""
    with stream_of(sse(LONG_BODY)) as stream:
        iterator = stream.text_deltas
        next(iterator)
    assert sum(1 for _ in iterator) == 19_999


def test_an_iterator_attaches_when_it_is_made(stream_of):
    """An iterator made before, and read after the end, gives everything."""
    stream = stream_of(sse(encode(FIVE)))
    whole, deltas, events = iter(stream), stream.text_deltas, stream.events("textDone")
    stream.done(timeout=PATIENCE)
    assert len(list(whole)) == len(FIVE) - 1
    assert list(deltas) == [*"abcde"]
    assert len(list(events)) == 1


def test_an_iterator_that_is_dropped_unread_does_not_hold_the_stream_up(stream_of):
    """events made and thrown away, never read, leave the stream free to run."""
    stream = stream_of(sse(LONG_BODY))
    ended = threading.Event()
    stream.on("end", ended.set)
    for _ in range(3):
        stream.events("textDelta")
        stream.text_deltas  # noqa: B018
    gc.collect()
    assert ended.wait(PATIENCE)
