"""An upstream that gives canned answers, and what it takes to ask it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, final

from server_helpers import PATIENCE

from emitter_stream.server import Call, Input, Refusal, Said, Stop, Text, Turn, Upstream, Usage

KEY = "sk-TEST-SECRET-0123456789"
SSE = "text/event-stream"


class Answer:
    """One answer. `pieces` are written one by one; with `stays` the connection is then left open."""

    def __init__(
        self,
        *pieces: bytes | str,
        status: int = 200,
        kind: str = SSE,
        headers: dict[str, str] | None = None,
        stays: bool = False,
    ) -> None:
        self.pieces = [p.encode() if isinstance(p, str) else p for p in pieces]
        self.status, self.kind, self.stays = status, kind, stays
        self.headers = headers or {}


def error(status: int, body: Any, **headers: str) -> Answer:
    """An error as JSON, with no wait before the next try."""
    return Answer(
        json.dumps(body),
        status=status,
        kind="application/json",
        headers={"retry-after": "0"} | headers,
    )


def sse(*events: Any) -> str:
    """Events as they stand in a stream of Chat Completions."""
    return "".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events)


def named(*events: dict[str, Any]) -> str:
    """Events as they stand in a stream of Responses."""
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def called(*calls: dict[str, Any]) -> dict[str, Any]:
    return delta(tool_calls=list(calls))


def piece(arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments, "name": name}
    return {**fields, "function": {k: v for k, v in function.items() if v is not None}}


STOP = delta("stop")
HELLO = sse(delta(content="Hello."), STOP, "[DONE]")


@final
class Canned:
    """Serves one answer after the other, to whatever is asked; keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.paths: list[str] = []
        self.heads: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.asked = threading.Event()
        self.left = threading.Event()  # a client closed a connection that stays
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="canned upstream")
        self._thread.start()
        assert ready.wait(PATIENCE)
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def _run(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._end = asyncio.Event()
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._end.wait()
            server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(main())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        head = {name.lower(): value.strip() for name, _, value in pairs}
        body = json.loads(await reader.readexactly(int(head["content-length"])))
        self.paths.append(first.split()[1])
        self.heads.append(head)
        self.bodies.append(body)
        self.asked.set()
        if not self.answers:
            return  # no word at all
        answer = self.answers.pop(0)
        headers = {"content-type": answer.kind, "connection": "close", **answer.headers}
        start = f"HTTP/1.1 {answer.status} X\r\n"
        start += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(start.encode("latin-1") + b"\r\n")
        for one in answer.pieces:
            writer.write(one)
            await writer.drain()
            await asyncio.sleep(0)
        if answer.stays:
            await reader.read()  # until the other side closes
            self.left.set()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


def question(text: str = "Hi", **fields: Any) -> Turn:
    given = {"model": "gpt-4o", "instructions": "Be brief.", "history": (Said("user", text),)}
    return Turn(**{**given, **fields})


def function(name: str, **fields: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "parameters": parameters, **fields}}


TOOLS = (function("weather"), function("clock"))


class Heard:
    """What an upstream's answer came to."""

    def __init__(self) -> None:
        self.text = ""
        self.calls: list[list[Any]] = []  # kind, name, input, id, extra
        self.pieces: list[str] = []
        self.usage: Usage | None = None
        self.stop: str | None = None
        self.error: Exception | None = None

    @property
    def inputs(self) -> list[tuple[str, Any]]:
        return [(call[1], json.loads(call[2])) for call in self.calls]


def ask(model: Upstream, turn: Turn | None = None) -> Heard:
    """Ask once, and put together what is heard."""
    heard = Heard()
    keys: dict[str, list[Any]] = {}

    async def main() -> None:
        try:
            async for part in model.respond(turn or question()):
                if isinstance(part, (Text, Refusal)):
                    assert not heard.calls
                    heard.text += part.piece
                    heard.pieces.append(part.piece)
                elif isinstance(part, Call):
                    heard.calls.append([part.kind, part.name, "", part.id, part.extra])
                    keys[part.key] = heard.calls[-1]
                elif isinstance(part, Input):
                    keys[part.key][2] += part.piece
                    if part.extra is not None:
                        keys[part.key][4] = part.extra
                elif isinstance(part, Usage):
                    heard.usage = part
                elif isinstance(part, Stop):
                    heard.stop = part.reason
        except Exception as exc:  # noqa: BLE001  (the tests look at it)
            heard.error = exc
        finally:
            await model.aclose()

    asyncio.run(main())
    return heard
