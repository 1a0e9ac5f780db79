"""Raw requests, a model that does nothing until it is told to, and a server as a process."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, final
from urllib.parse import urlsplit

import official
from launcher import COMMAND, SERVER, Program

from emitter_stream.server import Text, Turn

PATIENCE = 120.0
HEADERS = {
    "Authorization": "Bearer any",
    "OpenAI-Beta": "assistants=v2",
    "Content-Type": "application/json",
}
EQUATION = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_temperature",
        "description": "Get the current temperature for a specific location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["Celsius", "Fahrenheit"]},
            },
            "required": ["location", "unit"],
        },
    },
}
RAIN = {
    "type": "function",
    "function": {
        "name": "get_rain_probability",
        "description": "Get the probability of rain for a specific location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}
BOTH = "What's the weather in San Francisco today and the likelihood it'll rain?"


class Reply:
    def __init__(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        assert set(self.body) == {"error"}, self.raw
        assert set(self.body["error"]) == {"message", "type", "param", "code"}
        assert "Traceback" not in self.raw.decode()
        return self.body["error"]

    def events(self) -> list[tuple[str, Any]]:
        """Read the body as frames of exactly two lines."""
        assert self.headers["content-type"] == "text/event-stream; charset=utf-8"
        return list(checked(read_frames(self.raw.decode().splitlines(keepends=True))))


def read_frames(lines: Iterator[str] | list[str]) -> Iterator[tuple[str, Any]]:
    frame: list[str] = []
    for line in lines:
        if line != "\n":
            frame.append(line)
            continue
        event, data = frame
        frame = []
        assert event.startswith("event: ") and data.startswith("data: ")
        name, text = event[7:].rstrip("\n"), data[6:].rstrip("\n")
        yield name, text if text == "[DONE]" else json.loads(text)
    assert not frame


def checked(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for event, data in events:
        official.check_event(event, data)
        yield event, data


class Raw:
    """Requests as bytes would go over the wire, without an SDK in between."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.host, self.port, self.prefix = parts.hostname, parts.port, parts.path

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = self.connection()
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body)
            connection.request(
                method, self.prefix + path, data, HEADERS if headers is None else headers
            )
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            reply = Reply(response.status, names, response.read())
            if names.get("content-type") == "application/json":
                official.check_answer(method, path, reply.status, reply.body)
            return reply
        finally:
            connection.close()

    def stream(self, path: str, body: Any) -> LiveStream:
        return LiveStream(self.connection(), self.prefix + path, body)

    def thread(self, *messages: str) -> str:
        said = [{"role": "user", "content": text} for text in messages]
        return self("POST", "/threads", {"messages": said}).body["id"]

    def assistant(self, **fields: Any) -> str:
        return self("POST", "/assistants", {"model": "gpt-4o", **fields}).body["id"]

    def run(self, question: str, tools: list[Any] | None = None, **fields: Any) -> Reply:
        """Make an assistant and a thread and stream a run to its end."""
        thread, assistant = self.thread(question), self.assistant(tools=tools or [])
        body = {"assistant_id": assistant, "stream": True, **fields}
        return self("POST", f"/threads/{thread}/runs", body)


@final
class LiveStream:
    """A streamed response that is read event by event."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, body: Any) -> None:
        self.connection = connection
        connection.request("POST", path, json.dumps({**body, "stream": True}), HEADERS)
        self.response = connection.getresponse()
        lines = (line.decode() for line in iter(self.response.readline, b""))
        self.events = checked(read_frames(lines))

    def until(self, name: str) -> Any:
        """Read up to the next event of this name and return its data."""
        for event, data in self.events:
            if event == name:
                return data
        raise AssertionError(f"the stream ended without {name}")

    def close(self) -> None:
        self.response.close()
        self.connection.close()

    def __enter__(self) -> LiveStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class GatedModel:
    """Says "one", waits until the test opens the gate, says " two"."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.closed = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate: asyncio.Event | None = None

    def open(self) -> None:
        assert self.waiting.wait(PATIENCE)
        self._loop.call_soon_threadsafe(self._gate.set)

    async def respond(self, turn: Turn) -> AsyncIterator[Text]:
        self._loop, self._gate = asyncio.get_running_loop(), asyncio.Event()
        try:
            yield Text("one")
            self.waiting.set()
            await self._gate.wait()
            yield Text(" two")
        finally:
            self.closed.set()


@final
class Process:
    """`emitter-stream serve` as a process of its own; `source` is what Python runs."""

    def __init__(self, *args: str, source: str = COMMAND, alone: bool = False) -> None:
        given = ("serve", "--port", "0", *args)
        flags = ("-W", "error")
        self.popen = Program(source, *given, flags=flags, modules=SERVER, alone=alone)
        line = self.popen.stdout.readline()
        match = re.fullmatch(r"OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1)\n", line)
        if match is None:
            with self.popen:
                self.popen.kill()
                raise AssertionError((line, self.popen.outcome()))
        self.base_url = match.group(1)

    def end(self, signal_number: int) -> tuple[int, str]:
        """Send a signal and return the exit status and what it wrote to stderr."""
        self.popen.send_signal(signal_number)
        return self.popen.wait(PATIENCE), self.popen.errors()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc: object) -> None:
        self.popen.__exit__()


def wait_for_run(raw: Raw, thread: str, run: str) -> dict[str, Any]:
    """Poll a run, as a client would, until nothing more happens to it."""
    pause = 0.001
    for _ in range(6_000):
        body = raw("GET", f"/threads/{thread}/runs/{run}").body
        if body["status"] not in ("queued", "in_progress", "cancelling"):
            return body
        time.sleep(pause)  # longer each time: some wait for seconds, and others need the processor
        pause = min(pause * 2, 0.05)
    raise AssertionError(f"the run is stuck: {body}")
