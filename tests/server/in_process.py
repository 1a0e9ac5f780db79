"""The server's application without sockets: for tests that ask it thousands of things."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote_to_bytes

from server_helpers import HEADERS, Reply

from emitter_stream.server import ScriptedModel
from emitter_stream.server.files.folder import Folder
from emitter_stream.server.http.app import create_app
from emitter_stream.server.http.doors import Doors
from emitter_stream.server.runs.runs import RunEngine
from emitter_stream.server.store.store import Database


class InProcess:
    """Takes requests as `Raw` does, on an event loop that runs meanwhile only."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._database, self._files = Database(), Folder(None)
        self._engine = RunEngine(self._database, ScriptedModel(), stored=self._files)
        self._app = create_app(self._engine, Doors("127.0.0.1"))
        self._loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        await self._engine.desk.start()
        await self._engine.begin()

    async def _end(self) -> None:
        await self._engine.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def close(self) -> None:
        self._loop.run_until_complete(self._end())
        self._loop.close()
        self._database.close()
        self._files.close()

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] = HEADERS
    ) -> Reply:
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        return self._loop.run_until_complete(self._ask(method, path, data, headers))

    async def _ask(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Reply:
        place, _, query = path.partition("?")
        named = [(b"host", b"127.0.0.1"), (b"content-length", b"%d" % len(data))]
        named += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": "/v1" + unquote_to_bytes(place).decode("utf-8", "replace"),
            "query_string": query.encode(),
            "headers": named,
        }
        sent, told = [{"type": "http.request", "body": data}], list[Any]()

        async def receive() -> Any:
            return sent.pop() if sent else await asyncio.Future[Any]()

        async def send(message: Any) -> None:
            told.append(message)

        await asyncio.wait_for(self._app(scope, receive, send), 120)
        names = {name.decode().lower(): value.decode() for name, value in told[0]["headers"]}
        return Reply(told[0]["status"], names, b"".join(one.get("body", b"") for one in told))

    def thread_run(self) -> dict[str, Any]:
        """Make an assistant and a thread, and a run that comes to its end."""
        assistant = self("POST", "/assistants", {"model": "m"}).body["id"]
        said = {"messages": [{"role": "user", "content": "Hello"}]}
        thread = self("POST", "/threads", said).body["id"]
        body = {"assistant_id": assistant, "stream": True}
        events = self("POST", f"/threads/{thread}/runs", body).events()
        return dict(events)["thread.run.completed"]
