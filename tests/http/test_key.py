"""The API key is in no message, `repr` or log."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from pathlib import Path

import pytest
from failing import HALF, KEY
from parity.compare import PATIENCE
from parity.transcripts import encode
from scripted_server import answer, hang, sse

import emitter_stream
from emitter_stream import OpenAIError
from emitter_stream.aio import AsyncOpenAI

pytestmark = pytest.mark.usefixtures("long_tick")


# --- the key


ECHO = f"Incorrect API key provided: {KEY}"


def raw(data: bytes):
    """Make a script that sends these bytes as they are, and closes."""
    return lambda exchange: (exchange.raw(data), exchange.cut())


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = KEY.encode()
ELSEWHERE = [("Location", f"http://elsewhere.test/{KEY}")]
REPLIES = {
    "empty 401": answer(401, b""),
    "stall": hang(HALF),
    "401 that repeats it": answer(401, {"error": {"message": ECHO, "code": KEY}}),
    "page that repeats it": answer(200, ECHO.encode(), "text/html"),
    "event that repeats it": sse(encode([("error", {"message": ECHO})])),
    "broken event that repeats it": sse(b"data: {" + ECHO.encode() + b"\n\n"),
    "event that repeats it in an object": sse(encode([("error", {"a": [KEY], KEY: 1})])),
    "event that repeats it where messages are cut": sse(
        encode([("error", {"a": "x" * 125 + KEY})])
    ),
    "401 that repeats it as a string": answer(401, json.dumps(ECHO).encode()),
    "string that repeats it": answer(200, json.dumps(ECHO).encode()),
    "array that repeats it": answer(200, json.dumps([KEY, {KEY: KEY}]).encode()),
    "broken JSON that repeats it": answer(200, b"{" + ECHO.encode()),
    "headers that repeat it": answer(400, b"{}", headers=[("X-Key", KEY), ("X-Request-Id", KEY)]),
    "reason": raw(b"HTTP/1.1 401 " + SECRET + b"\r\nContent-Length: 0\r\n\r\n"),
    "content type": answer(200, b"hello", f"text/{KEY}"),
    "content type of an error": answer(400, b"hello", f"text/{KEY}"),
    "location": answer(307, b"", headers=ELSEWHERE),
    "status line": raw(b"Bearer " + SECRET + b"\r\n\r\n"),
    "status": raw(b"HTTP/1.1 " + SECRET + b" OK\r\n\r\n"),
    "chunk size": raw(CHUNKED % b"text/event-stream" + SECRET + b"\r\n"),
    "chunk size of JSON": raw(CHUNKED % b"application/json" + SECRET + b"\r\n"),
    "length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5, " + SECRET + b"\r\n\r\n"),
    "coding": answer(200, b"hello", "text/event-stream", [("Content-Encoding", f"gzip, {KEY}")]),
}


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("use", ["stream", "method"])
def test_the_api_key_is_in_no_message_repr_or_log(connect, caplog, reply, use):
    """Neither errors nor objects nor logs show the API key, wherever the server repeats it."""
    caplog.set_level(logging.DEBUG)
    client = connect(REPLIES[reply], api_key=KEY, timeout=0.2)
    texts = [repr(client), str(client), repr(client.beta.threads.runs)]
    with pytest.raises(OpenAIError) as caught:
        if use == "stream":
            stream = client.beta.threads.runs.stream("t", assistant_id="a")
            texts.append(repr(stream))
            stream.done(timeout=PATIENCE)
        else:
            client.beta.threads.retrieve("t")
    error: BaseException | None = caught.value
    texts.append("".join(traceback.format_exception(error)))
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), str(getattr(error, "message", ""))]
        texts += [repr(getattr(error, name, "")) for name in ("body", "code", "type", "request_id")]
        response = getattr(error, "response", None)
        texts += [repr(response), str(dict(getattr(response, "headers", {})))]
        texts.append(getattr(response, "text", ""))
        error = error.__cause__ or error.__context__
    for text in (*texts, caplog.text, *(str(record.__dict__) for record in caplog.records)):
        assert KEY not in text


def test_the_api_key_is_in_no_frame_around_the_last_listeners(serve):
    """On a loop, what calls the listeners of ``error`` and ``end`` knows the error as it is shown."""
    unfit = ("thread.run.step.delta", {"id": KEY, "delta": {}})  # the error names the id
    url = serve(sse(encode([unfit]))).url
    library = str(Path(emitter_stream.__file__).parent)
    seen = []

    def look(*args: object) -> None:
        frame = sys._getframe()
        while (frame := frame.f_back) is not None:
            if frame.f_code.co_filename.startswith(library):
                local = frame.f_locals.values()
                seen.extend(
                    (repr(v), repr(vars(v)) if isinstance(v, OpenAIError) else "") for v in local
                )

    async def main() -> None:
        async with AsyncOpenAI(api_key=KEY, base_url=url) as client:
            stream = client.beta.threads.runs.stream("t", assistant_id="a")
            with pytest.raises(OpenAIError):
                await stream.on("error", look).on("end", look).done(PATIENCE)

    asyncio.run(main())
    assert any("not open" in shown for shown, _ in seen)
    assert KEY not in str(seen)
