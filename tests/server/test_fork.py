"""A fork beside an embedded server: the child's copies of server and streams are nobody's."""

from __future__ import annotations

import os

import pytest
from launcher import SERVER, Program

BEGIN = """
import asyncio, os
from emitter_stream import OpenAI
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import LocalServer

def ask(client, word):
    stream = client.responses.stream(model="m", input=word)
    return stream.final_response(timeout=120).output_text

async def ask_soon(word):
    async with AsyncOpenAI(base_url=server.base_url, api_key="any") as client:
        stream = client.responses.stream(model="m", input=word)
        return (await stream.final_response(timeout=120)).output_text

def in_child(do):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
"""

PROGRAMS = {
    "the server": """
with LocalServer() as server:
    client = OpenAI(base_url=server.base_url, api_key="any")
    ask(client, "before")

    def child():
        server.stop()
        assert '"child"' in ask(client, "child")

    in_child(child)
    assert '"after"' in ask(client, "after")
""",
    "the end of its with": """
pid = 1
with LocalServer() as server:
    client = OpenAI(base_url=server.base_url, api_key="any")
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        assert '"after"' in ask(client, "after")
if not pid:
    os._exit(0)
""",
    "an asyncio client": """
with LocalServer() as server:
    asyncio.run(ask_soon("before"))

    def child():
        assert '"child"' in asyncio.run(ask_soon("child"))

    in_child(child)
    assert '"after"' in asyncio.run(ask_soon("after"))
""",
    "a live asyncio stream": """
async def main():
    async with AsyncOpenAI(base_url=server.base_url, api_key="any") as client:
        live = client.responses.stream(model="m", input="live")
        in_child(live.abort)
        assert '"live"' in (await live.final_response(timeout=120)).output_text

with LocalServer() as server:
    asyncio.run(main())
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_fork_beside_a_server(name):
    """The child gets answers of its own; its copies end nothing; the parent goes on."""
    flags = ("-W", "error", "-W", "ignore::DeprecationWarning")
    with Program(BEGIN + PROGRAMS[name], flags=flags, modules=SERVER) as process:
        status, _, errors = process.outcome()
    assert (status, errors) == (0, "")
