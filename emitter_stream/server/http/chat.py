"""`/v1/chat/completions`: answers to a list of messages, streamed and whole, and kept ones."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..answers.completion import CompletionWriter, stored_messages
from ..answers.dialogue import chat_turn
from ..answers.hearing import Answer
from ..answers.work import Work, merged
from ..journal import note_end
from ..runs.feed import encode
from ..runs.lifecycle import Lifecycle
from ..runs.runs import RunEngine
from ..store.objects import Json
from ..store.store import CompletionRow
from . import answer_bodies
from .errors import ApiError
from .reading import cut_page, read_body, read_page

SSE_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_METADATA = re.compile(r"metadata\[(.{1,64})\]")
_DONE = b"data: [DONE]\n\n"


class ChatApi:
    """The handlers of the chat completions' routes, on one engine."""

    def __init__(self, engine: RunEngine) -> None:
        self.engine = engine

    async def create(self, request: Request) -> Response:
        params = await read_body(request, answer_bodies.ChatCompletion)
        turn, engine = chat_turn(params), self.engine
        engine.refuse_if_stopping()
        writer = CompletionWriter(params, int(engine.db.clock()))
        answers = [Answer(turn) for _ in range(params.get("n") or 1)]
        work = Work()
        clock = asyncio.get_running_loop().time
        begun_at = clock()

        async def answer() -> None:
            begun: set[int] = set()

            def begin(index: int) -> None:
                if index not in begun:
                    begun.add(index)
                    work.put(frame(writer.begin(index)))

            # All choices side by side.
            async with aclosing(merged([one.hear(engine.model) for one in answers])) as pieces:
                async for index, (piece, number) in pieces:
                    begin(index)
                    work.put(frame(writer.take(index, piece, number)))
            for index, one in enumerate(answers):
                begin(index)
                work.put(frame(writer.finish(index, one)))
            usage = writer.usage_chunk()
            if usage is not None:
                work.put(frame(usage))
            if params.get("store"):
                await self._keep(writer.stored(), params["messages"])
            work.put(_DONE)
            note_end(writer.id, "completed", writer.whole()["usage"], clock() - begun_at)

        async def failed(error: ApiError) -> None:
            note_end(writer.id, "failed", None, clock() - begun_at)
            if work.frames:  # else it is the answer's status
                work.put(frame(error.body()))

        engine.accompany(writer.id, work.start(answer, failed))
        if not params.get("stream"):
            await work.end(request)
            return JSONResponse(writer.whole())
        await work.begun()
        return StreamingResponse(
            work.follow_or_cancel(), media_type="text/event-stream", headers=SSE_HEADERS
        )

    async def _keep(self, body: Json, messages: list[Json]) -> None:
        kept = stored_messages(body["id"], messages)
        row = CompletionRow(id=body["id"], body=body, model=body["model"], messages=kept)
        await self.engine.transact(lambda s: s.session.add(row))

    async def list_all(self, request: Request) -> Response:
        page, query = read_page(request, "asc"), request.query_params
        scope = {"model": query["model"]} if query.get("model") else {}
        wanted = {
            match[1]: value
            for name, value in query.items()
            if (match := _METADATA.fullmatch(name)) is not None
        }
        return await self._answer(lambda s: s.page(CompletionRow, page, wanted, **scope))

    async def get(self, request: Request) -> Response:
        completion = request.path_params["completion_id"]
        return await self._answer(lambda s: s.find(CompletionRow, completion).body)

    async def update(self, request: Request) -> Response:
        completion = request.path_params["completion_id"]
        params = await read_body(request, answer_bodies.ChatUpdate)
        metadata = params["metadata"] or {}
        return await self._answer(
            lambda s: s.change(s.find(CompletionRow, completion), metadata=metadata)
        )

    async def delete(self, request: Request) -> Response:
        completion = request.path_params["completion_id"]
        return await self._answer(
            lambda s: s.delete(CompletionRow, "chat.completion", completion), frees=True
        )

    async def list_messages(self, request: Request) -> Response:
        completion, page = request.path_params["completion_id"], read_page(request, "asc")
        return await self._answer(
            lambda s: cut_page(s.find(CompletionRow, completion).messages, page)
        )

    async def _answer(self, work: Callable[[Lifecycle], Json], *, frees: bool = False) -> Response:
        return JSONResponse(await self.engine.transact(work, frees=frees))

    def table(self) -> dict[str, dict[str, Callable[[Request], Awaitable[Response]]]]:
        """Return the handlers by path and method."""
        one = "/v1/chat/completions/{completion_id}"
        return {
            "/v1/chat/completions": {"GET": self.list_all, "POST": self.create},
            one: {"GET": self.get, "POST": self.update, "DELETE": self.delete},
            f"{one}/messages": {"GET": self.list_messages},
        }


def frame(data: Json) -> bytes:
    """Encode one chunk as the API does: a line without a name, and a blank one."""
    return f"data: {encode(data)}\n\n".encode(errors="backslashreplace")
