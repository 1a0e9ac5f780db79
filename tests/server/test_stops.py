"""The end of `with LocalServer()`: the streams of this process that read from it come first."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

import pytest
from sent_signals import sender

from emitter_stream import APIUserAbortError, OpenAI
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import LocalServer

PACE = 150  # tokens a second, so that a run takes a while


def a_run(client) -> dict:
    """Make what a run needs: its thread, a message on that, an assistant."""
    assistant = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Say hello"}])
    return {"thread_id": thread.id, "assistant_id": assistant.id}


@pytest.mark.parametrize("host", ["as it is", "localhost"])
def test_a_chain_at_the_end_of_the_block_is_heard(host):
    """Nobody waits in the block, and everything comes all the same."""
    heard = []
    with LocalServer(tokens_per_second=PACE) as server:
        url = server.base_url
        if host == "localhost":
            url = url.replace("127.0.0.1", "localhost")
        client = OpenAI(base_url=url, api_key="sk-test")
        client.beta.threads.runs.stream(**a_run(client)).on(
            "textDelta", lambda delta: heard.append(delta.value)
        ).on("textDone", lambda text: heard.append(text.value)).on(
            "end", lambda: heard.append("end")
        )
    assert len(heard) > 2 and heard[-1] == "end"
    assert "".join(heard[:-2]) == heard[-2]


def test_a_stream_that_a_listener_makes_is_waited_for_too():
    """The end of one stream may be the beginning of the next."""
    heard = []
    with LocalServer() as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        made = a_run(client)

        def again():
            runs = client.beta.threads.runs
            runs.stream(**made).on("run", lambda run: heard.append(run.status))

        client.beta.threads.runs.stream(**made).on("end", again)
    assert heard == ["completed"]


def test_an_unheard_stream_is_read_to_its_end(monkeypatch):
    """Nobody listens: the run is completed all the same, and nothing is reported."""
    reported = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))
    with LocalServer(tokens_per_second=PACE) as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**a_run(client))
    assert stream.ended and not stream.errored
    assert stream.final_run().status == "completed"
    assert reported == []


def test_an_iterator_that_is_begun_and_left_holds_nobody_back():
    """What it has not taken is read for it."""
    with LocalServer() as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**a_run(client))
        kept = iter(stream)
        next(kept)
    assert stream.ended and not stream.errored
    assert [event.event for event in kept][-1] == "thread.run.completed"


def test_an_inline_stream_is_aborted():
    """Nothing moves it any more, and its next wait says so."""
    with LocalServer(tokens_per_second=PACE) as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**a_run(client), inline=True)
    with pytest.raises(APIUserAbortError):
        stream.done()


def test_an_exception_does_not_begin_the_wait():
    """Left by an exception the server stops at once, though the stream would never end."""
    with pytest.raises(ZeroDivisionError), LocalServer(tokens_per_second=0.001) as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**a_run(client)).on("run", lambda run: None)
        stream.emitted("event")
        raise ZeroDivisionError
    assert not server.running
    stream.abort()


def test_ctrl_c_ends_the_wait():
    """It leaves the `with`, and the server is stopped by then."""
    with pytest.raises(KeyboardInterrupt), LocalServer(tokens_per_second=0.001) as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**a_run(client)).on("run", lambda run: None)
        stream.emitted("event")
        main, send = threading.main_thread().ident, sender(signal.SIGINT)

        def interrupt():
            while "let_run_out" not in names_of(main):
                threading.Event().wait(0.01)
            send()

        threading.Thread(target=interrupt, daemon=True).start()
    assert not server.running
    stream.abort()


def names_of(thread) -> list[str]:
    """Give the names of the functions that a thread is in."""
    names, frame = [], sys._current_frames().get(thread)
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def test_a_stream_on_a_loop_of_another_thread():
    """It is waited for as the others are."""
    heard, made = [], threading.Event()

    async def main(url, needs):
        client = AsyncOpenAI(base_url=url, api_key="sk-test")
        stream = client.beta.threads.runs.stream(**needs)
        stream.on("run", lambda run: heard.append(run.status))
        made.set()
        await stream.done()

    with LocalServer(tokens_per_second=PACE) as server:
        needs = a_run(OpenAI(base_url=server.base_url, api_key="sk-test"))
        other = threading.Thread(target=lambda: asyncio.run(main(server.base_url, needs)))
        other.start()
        assert made.wait(120)
    other.join()
    assert heard == ["completed"]


@pytest.mark.parametrize("closed", [False, True])
def test_a_stream_on_a_loop_that_no_longer_runs(closed):
    """It can never end, and nobody waits for it."""

    async def main(url, needs):
        return AsyncOpenAI(base_url=url, api_key="sk-test").beta.threads.runs.stream(**needs)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    with LocalServer(tokens_per_second=PACE) as server:
        needs = a_run(OpenAI(base_url=server.base_url, api_key="sk-test"))
        stream = loop.run_until_complete(main(server.base_url, needs))
        if closed:
            loop.close()
    assert not server.running
    if not closed:
        stream.abort()
        with pytest.raises(APIUserAbortError):
            loop.run_until_complete(stream.done())
        loop.close()


def test_in_a_coroutine_on_the_streams_own_loop():
    """The thread that runs the loop does not wait for itself."""

    async def main():
        with LocalServer(tokens_per_second=PACE) as server:
            needs = a_run(OpenAI(base_url=server.base_url, api_key="sk-test"))
            stream = AsyncOpenAI(base_url=server.base_url, api_key="sk-test").beta.threads.runs
            running = stream.stream(**needs)
        assert not server.running
        running.abort()

    asyncio.run(main())


def test_streams_of_another_server_are_left_alone():
    """Only those that read from this server are waited for."""
    with LocalServer(tokens_per_second=0.001) as slow:
        slow_client = OpenAI(base_url=slow.base_url, api_key="sk-test")
        stream = slow_client.beta.threads.runs.stream(**a_run(slow_client))
        stream.on("run", lambda run: None)
        with LocalServer():
            pass
        assert not stream.ended
        stream.abort()
    assert stream.aborted
