"""A Starlette app that relays a run to the browser as server-sent events, and a reader of it."""

import asyncio
import json
import socket
import urllib.request
from collections.abc import AsyncIterator

import _setup
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from emitter_stream import EventSource
from emitter_stream.aio import AsyncOpenAI

_setup.use_embedded_server()
client = AsyncOpenAI()


async def ask(request: Request) -> StreamingResponse:
    assistant = await client.beta.assistants.create(model="gpt-4o")

    async def relay() -> AsyncIterator[str]:
        # A browser that goes away ends the request; one that reads slowly holds it back.
        async with client.beta.threads.create_and_run_stream(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": request.query_params["q"]}]},
        ) as stream:
            async for piece in stream.text_deltas:
                yield f"event: text\ndata: {json.dumps(piece)}\n\n"
            yield f"event: done\ndata: {json.dumps((await stream.final_run()).status)}\n\n"

    return StreamingResponse(relay(), media_type="text/event-stream")


def read(url: str) -> None:  # in a browser: new EventSource(url)
    with urllib.request.urlopen(url) as response:
        for event in EventSource(response).events():
            print(event.event, event.data)


async def main() -> None:
    app = Starlette(routes=[Route("/ask", ask)])
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/ask?q=What+is+a+relay%3F"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.to_thread(read, url)
        server.should_exit = True
        await serving
    await client.close()


asyncio.run(main())
