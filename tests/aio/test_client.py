"""The client for asyncio: the plain one's methods, errors and options, on a loop."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading

import openai
import pytest
from aio_streams import until
from left_behind import stream_threads, wait_until
from parity.transcripts import run
from scripted_server import answer

from emitter_stream import NotFoundError, OpenAI
from emitter_stream.aio import AsyncOpenAI

# --- the client


THREAD = {"id": "thread_1", "object": "thread"}


def test_methods_do_not_hold_the_loop(connect):
    """Calls run side by side, and the loop goes on while they wait."""
    gate = threading.Event()

    def script(exchange):
        exchange.wait(gate)
        answer(200, THREAD)(exchange)

    async def main():
        async with connect(script) as client:
            tasks = [asyncio.create_task(client.beta.threads.retrieve("t")) for _ in range(40)]
            await asyncio.to_thread(connect.server.wait_for_requests, 40)
            gate.set()
            return [one.id for one in await asyncio.gather(*tasks)]

    assert asyncio.run(main()) == ["thread_1"] * 40
    assert wait_until(lambda: not stream_threads())


def test_cancelling_a_call_ends_its_request(connect):
    """A request, and a poll that sleeps, end with their task; the threads end too."""

    async def main():
        client = connect(lambda exchange: exchange.wait_for_close())
        task = asyncio.create_task(client.beta.threads.create())
        await asyncio.to_thread(connect.server.wait_for_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(connect.server.client_closed)
        client = connect(answer(200, run("queued")[1]))
        poll = client.beta.threads.runs.poll("run_1", "thread_1", poll_interval_ms=10**7)
        task = asyncio.create_task(poll)
        await asyncio.to_thread(connect.server.wait_for_requests, 1)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert wait_until(lambda: not stream_threads())


def test_errors_and_options_of_calls(connect):
    """A call raises what the plain client's raises, and copies keep their settings."""

    async def main():
        client = connect(answer(404, {"error": {"message": "no such thread"}}))
        with pytest.raises(NotFoundError, match="no such thread"):
            await client.beta.threads.retrieve("t")
        with pytest.raises(ValueError, match="thread id cannot be ''"):
            await client.beta.threads.retrieve("")
        with pytest.raises(TypeError, match="nonsense"):
            await client.beta.threads.retrieve("t", nonsense=1)
        other = client.with_options(default_headers={"X-One": "1"})
        assert type(other) is AsyncOpenAI
        with pytest.raises(NotFoundError):
            await other.beta.threads.retrieve("t")
        assert connect.server.requests[-1].headers["x-one"] == "1"
        assert repr(client).startswith("AsyncOpenAI(base_url=")
        await client.close()

    asyncio.run(main())


def test_a_client_serves_several_loops(connect):
    """It is bound to none: one asyncio.run after the other can use it."""
    client = connect(answer(200, THREAD))
    for _ in range(2):
        assert asyncio.run(client.beta.threads.retrieve("t")).id == "thread_1"
    asyncio.run(client.close())


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", [AsyncOpenAI, openai.AsyncOpenAI])
def test_the_same_program_with_both_clients(server, kind):
    """Every method against the embedded server, by the official package's client as by ours."""

    async def main():
        async with kind(api_key="any", base_url=server.base_url) as client:
            return await program(client.beta)

    shapes = asyncio.run(main())
    assert shapes["text"].startswith('Hello again! You asked: "message 4".')
    assert shapes["pages"] == [f"message {n}" for n in range(5)]
    assert shapes["statuses"] == ["completed"] * 4
    assert shapes["deleted"] == [True] * 3
    assert shapes["events"][0] == "thread.run.created"
    assert shapes["events"][-1] == "thread.run.completed"
    assert shapes["created"] == "thread.created"
    assert shapes["steps"] == ["message_creation"] * 2


async def program(beta) -> dict:
    """Use every method of the API, in the words of the official package."""
    assistant = await beta.assistants.create(model="gpt-4o", name="one")
    assistant = await beta.assistants.update(assistant.id, name="two")
    assert (await beta.assistants.retrieve(assistant.id)).name == "two"
    assert assistant.id in [one.id async for one in beta.assistants.list(limit=1)]
    thread = await beta.threads.create(messages=[{"role": "user", "content": "message 0"}])
    await beta.threads.update(thread.id, metadata={"k": "v"})
    assert (await beta.threads.retrieve(thread.id)).metadata == {"k": "v"}
    for number in range(1, 5):
        await beta.threads.messages.create(thread.id, role="user", content=f"message {number}")
    page = await beta.threads.messages.list(thread.id, limit=2, order="asc")
    assert (len(page.data), page.has_next_page()) == (2, True)
    assert len((await page.get_next_page()).data) == 2
    listed = [one async for one in page]
    pages = [one.content[0].text.value for one in listed]
    assert len([one async for one in page.iter_pages()]) == 3
    kept = {"thread_id": thread.id}
    await beta.threads.messages.update(listed[0].id, **kept, metadata={"k": "v"})
    assert (await beta.threads.messages.retrieve(listed[0].id, **kept)).metadata == {"k": "v"}
    gone = await beta.threads.messages.delete(listed[0].id, **kept)
    runs = beta.threads.runs
    polled = await runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=1
    )
    made = await runs.create(thread.id, assistant_id=assistant.id, stream=False)
    made = await runs.poll(run_id=made.id, thread_id=thread.id, poll_interval_ms=1)
    await runs.update(made.id, **kept, metadata={"k": "v"})
    seen = await runs.retrieve(made.id, **kept)
    steps = [one async for one in runs.steps.list(made.id, **kept)]
    steps.append(await runs.steps.retrieve(steps[0].id, run_id=made.id, **kept))
    events = []
    async for event in await runs.create(thread.id, assistant_id=assistant.id, stream=True):
        events.append(event.event)
    assert len([one async for one in runs.list(thread.id)]) == 3
    async with runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        text = "".join([piece async for piece in stream.text_deltas])
        assert len(await stream.get_final_messages()) == 1
        final = await stream.get_final_run()
    question = {"messages": [{"role": "user", "content": "hi"}]}
    stream = await beta.threads.create_and_run(
        assistant_id=assistant.id, thread=question, stream=True
    )
    async for event in stream:
        created = event.event
        break
    await beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread=question, poll_interval_ms=1
    )
    async with beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread=question
    ) as stream:
        await stream.until_done()
    return {
        "text": text,
        "pages": pages,
        "events": events,
        "created": created,
        "statuses": [one.status for one in (polled, made, seen, final)],
        "steps": [one.type for one in steps],
        "deleted": [
            gone.deleted,
            (await beta.threads.delete(thread.id)).deleted,
            (await beta.assistants.delete(assistant.id)).deleted,
        ],
    }


def test_every_method_is_there():
    """What the plain client's resources have, these have, with the same parameters."""

    async def main():
        async with AsyncOpenAI("any") as client:
            with OpenAI("any") as plain_client:
                groups = (
                    "beta",
                    "chat",
                    "responses",
                    "models",
                    "files",
                    "uploads",
                    "vector_stores",
                )
                both = (plain_client, client)
                found = [pairs(*(getattr(one, group) for one in both)) for group in groups]
                return list(itertools.chain(*found))

    def pairs(plain_group, group):
        for name in dir(plain_group):
            if name.startswith("_"):
                continue
            one, other = getattr(plain_group, name), getattr(group, name)
            if callable(one):
                yield name, inspect.signature(one), inspect.signature(other), other.__doc__
            else:
                yield from pairs(one, other)

    found = asyncio.run(main())
    assert len(found) > 25
    for name, one, other, doc in found:
        assert one == other, name
        assert doc
