"""Streams on an event loop: coroutine listeners, iterators, several at once, and a time limit."""

import asyncio

import _setup

from emitter_stream import APIUserAbortError
from emitter_stream.aio import AsyncAssistantStream, AsyncOpenAI
from emitter_stream.types import Text, TextDelta

_setup.use_embedded_server()


async def save(text: str) -> None:
    """Stand for a database or a web socket."""
    await asyncio.sleep(0.001)


async def listen(stream: AsyncAssistantStream) -> None:
    async def text_delta(delta: TextDelta, snapshot: Text) -> None:
        await save(snapshot.value)  # the next event waits for this
        print(delta.value, end="")

    run = await stream.on("textDelta", text_delta).on("textDone", lambda: print()).final_run()
    print(run.status)


async def count(stream: AsyncAssistantStream) -> int:
    return len([delta async for delta, _ in stream.events("textDelta")])


async def main() -> None:
    async with AsyncOpenAI() as client:
        assistant = await client.beta.assistants.create(model="gpt-4o")

        def ask(question: str) -> AsyncAssistantStream:
            return client.beta.threads.create_and_run_stream(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": question}]},
            )

        await listen(ask("What is a coroutine?"))
        print(await asyncio.gather(*(count(ask("How many?")) for _ in range(3))))
        async with ask("What is text?") as stream:
            print("".join([piece async for piece in stream.text_deltas]))

        slow = ask("What takes so long?")
        try:
            await asyncio.wait_for(slow.final_run(), timeout=0.2)
        except asyncio.TimeoutError:
            print("too slow")
        try:
            await slow.done()
        except APIUserAbortError as error:
            print(error, slow)


asyncio.run(main())
