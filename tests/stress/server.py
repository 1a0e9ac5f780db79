"""The server of the stress scripts, in a process of its own: it answers each request with its name.

``threads/NAME`` is JSON with that name, ``threads/NAME/runs`` a stream whose text is made of it, and
``threads/endless/runs`` one that goes on. With a certificate's file as argument it speaks TLS.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"


def frame(name: str, data: object) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return chunk(f"event: {name}\ndata: {text}\n\n".encode())


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(text: str) -> bytes:
    content = [{"index": 0, "type": "text", "text": {"value": text}}]
    return frame("thread.message.delta", {"id": "msg_1", "delta": {"content": content}})


async def answer(path: list[str], writer: asyncio.StreamWriter) -> None:
    name = path[path.index("threads") + 1]
    if path[-1] != "runs":
        writer.write(HEAD % b"application/json" + chunk(json.dumps({"id": name}).encode()))
        writer.write(b"0\r\n\r\n")
        return
    writer.write(HEAD % b"text/event-stream")
    writer.write(frame("thread.run.created", {"id": name, "status": "queued"}))
    writer.write(frame("thread.message.created", {"id": "msg_1", "content": []}))
    number = 0
    while name == "endless" or number < 10:
        writer.write(delta(f"{name}{number} "))
        await writer.drain()
        if name == "endless":
            await asyncio.sleep(0.001)
        number += 1
    writer.write(frame("thread.run.completed", {"id": name, "status": "completed"}))
    writer.write(frame("done", "[DONE]") + b"0\r\n\r\n")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.lower().split("\r\n")
            lengths = [line.split(":")[1] for line in lines if line.startswith("content-length:")]
            if lengths:
                await reader.readexactly(int(lengths[0]))
            await answer(head.split(" ")[1].partition("?")[0].split("/"), writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.transport.abort()


async def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started it is gone


if __name__ == "__main__":
    asyncio.run(main())
