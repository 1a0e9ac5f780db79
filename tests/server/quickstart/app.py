"""The routes that OpenAI's quickstart for assistants has, on this package's asyncio client.

| route | what it does |
| --- | --- |
| `POST /api/assistants` | makes the assistant: `{"assistantId"}` |
| `POST /api/assistants/threads` | makes a thread: `{"threadId"}` |
| `POST /api/assistants/threads/ID/messages` | adds `{"content"}` and streams a run, a JSON event a line |
| `POST /api/assistants/threads/ID/actions` | goes on with a run: `{"toolCallOutputs", "runId"}`, streamed |
| `GET`, `POST`, `DELETE /api/assistants/files` | the files of the assistant's vector store |
| `GET /api/files/ID` | a file, to download or to show |
| `GET /` | the page that uses all of these |
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from emitter_stream.aio import AsyncOpenAI

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Determine the weather at a location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "A city"}},
            "required": ["location"],
        },
    },
}


class Quickstart:
    """One assistant, with a vector store of its own that is made when a file comes."""

    def __init__(self, base_url: str) -> None:
        self.client = AsyncOpenAI(base_url=base_url, api_key="any")
        self.assistant_id = ""

    async def make_assistant(self, request: Request) -> Response:
        assistant = await self.client.beta.assistants.create(
            name="Quickstart",
            instructions="You are a helpful assistant.",
            model="gpt-4o",
            tools=[{"type": "code_interpreter"}, WEATHER, {"type": "file_search"}],
        )
        self.assistant_id = assistant.id
        return JSONResponse({"assistantId": assistant.id})

    async def make_thread(self, request: Request) -> Response:
        thread = await self.client.beta.threads.create()
        return JSONResponse({"threadId": thread.id})

    async def send(self, request: Request) -> Response:
        thread = request.path_params["thread"]
        content = (await request.json())["content"]
        await self.client.beta.threads.messages.create(thread, role="user", content=content)
        runs = self.client.beta.threads.runs
        return streamed(runs.stream(thread, assistant_id=self.assistant_id))

    async def act(self, request: Request) -> Response:
        body = await request.json()
        runs = self.client.beta.threads.runs
        return streamed(
            runs.submit_tool_outputs_stream(
                body["runId"],
                thread_id=request.path_params["thread"],
                tool_outputs=body["toolCallOutputs"],
            )
        )

    async def files(self, request: Request) -> Response:
        store = await self._store()
        inside = self.client.vector_stores.files
        if request.method == "POST":
            async with request.form() as form:
                sent: Any = form["file"]
                made = await self.client.files.create(
                    file=(sent.filename, sent.file), purpose="assistants"
                )
            await inside.create(store, file_id=made.id)
            return Response()
        if request.method == "DELETE":
            file_id = (await request.json())["fileId"]
            await inside.delete(file_id, vector_store_id=store)
            return Response()
        shown = []
        async for file in inside.list(store):
            known = await self.client.files.retrieve(file.id)
            one = {"file_id": file.id, "filename": known.filename, "status": file.status}
            shown.append(one)
        return JSONResponse(shown)

    async def _store(self) -> str:
        assistants = self.client.beta.assistants
        assistant = await assistants.retrieve(self.assistant_id)
        search = assistant.tool_resources and assistant.tool_resources.file_search
        if search and search.vector_store_ids:
            return str(search.vector_store_ids[0])
        store = await self.client.vector_stores.create(name="of the quickstart")
        resources = {"file_search": {"vector_store_ids": [store.id]}}
        await assistants.update(self.assistant_id, tool_resources=resources)
        return store.id

    async def file(self, request: Request) -> Response:
        file = await self.client.files.retrieve(request.path_params["file"])
        content = await self.client.files.content(file.id)
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}"
        }
        kind = "image/png" if file.filename.endswith(".png") else "application/octet-stream"
        return StreamingResponse(content.aiter_bytes(), headers=headers, media_type=kind)


def streamed(stream: Any) -> Response:
    async def lines() -> AsyncIterator[bytes]:
        async with stream:
            async for line in stream.to_readable_stream():
                yield line

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def page(request: Request) -> Response:
    return FileResponse(Path(__file__).with_name("page.html"))


def app(base_url: str) -> Starlette:
    """Return the program for a server of the API."""
    quickstart = Quickstart(base_url)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with quickstart.client:
            yield

    thread = "/api/assistants/threads/{thread}"
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", page),
            Route("/api/assistants", quickstart.make_assistant, methods=["POST"]),
            Route("/api/assistants/threads", quickstart.make_thread, methods=["POST"]),
            Route(f"{thread}/messages", quickstart.send, methods=["POST"]),
            Route(f"{thread}/actions", quickstart.act, methods=["POST"]),
            Route("/api/assistants/files", quickstart.files, methods=["GET", "POST", "DELETE"]),
            Route("/api/files/{file}", quickstart.file),
        ],
    )
