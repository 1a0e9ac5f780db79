"""`/v1/responses`: answers that are kept by default, can be read again and built upon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..answers.dialogue import image_files, input_items, response_turn
from ..answers.hearing import Answer
from ..answers.response import ResponseWriter, new_response, with_error
from ..answers.work import CANCELLED, Work
from ..journal import note_end
from ..models.model import Turn
from ..runs.feed import frame
from ..runs.lifecycle import Lifecycle
from ..runs.runs import SERVER_STOPPING, RunEngine
from ..runs.workspace import with_images
from ..store.files import FileRecords
from ..store.objects import Json, new_id
from ..store.store import ResponseRow, StorageFailed
from . import answer_bodies
from .bodies import Empty
from .chat import SSE_HEADERS
from .errors import ApiError, bad_request, shorten
from .keys import OWNER
from .reading import cut_page, read_body, read_page

_MOST_BEFORE = 1000  # responses in a chain
_LOST = ApiError(500, "The server was stopped in the middle of this response.")
_UNFINISHED = ("queued", "in_progress")
_LOOK_EVERY = 0.5  # seconds, for the end of a response that another process is at work on


class _Live:
    """A response that the model is at work on. Event number N is frame number N of its work."""

    def __init__(self, body: Json) -> None:
        self.writer = ResponseWriter(body)
        self.work = Work()
        self.owner = OWNER.get()

    def put(self, events: Iterable[Json]) -> None:
        for event in events:
            self.work.put(_frame(event))


class ResponsesApi:
    """The handlers of the responses' routes, on one engine."""

    def __init__(self, engine: RunEngine) -> None:
        self.engine = engine
        self._live: dict[str, _Live] = {}

    async def create(self, request: Request) -> Response:
        params = await read_body(request, answer_bodies.Response)
        engine, previous = self.engine, params.get("previous_response_id")
        engine.refuse_if_stopping()
        if not params.get("input") and previous is None:
            raise bad_request(
                "Missing required parameter: 'input'.", "input", "missing_required_parameter"
            )
        keeps, alone = params.get("store") is not False, bool(params.get("background"))
        if alone and not keeps:
            raise bad_request("Background responses have to be stored.", "store")
        own = input_items(params.get("input"), new_id)
        body = new_response(params, int(engine.db.clock()))

        def begin(lifecycle: Lifecycle) -> Turn:
            turn = response_turn(params, [*_items_before(lifecycle, previous), *own])
            FileRecords(lifecycle).check(image_files(own))
            if keeps:
                lifecycle.check_lease()
                row = ResponseRow(id=body["id"], body=body, input=own, events=[engine.me])
                lifecycle.session.add(row)
            return turn

        turn = await engine.transact(begin)
        live = _Live({**body, "output": []})
        writer, work = live.writer, live.work
        clock = asyncio.get_running_loop().time
        begun_at = clock()
        self._live[body["id"]] = live

        async def close(events: Iterable[Json]) -> None:
            """Keep the response and then tell its end: who hears it can read the response."""
            work.is_ending = True
            last = [_frame(event) for event in events]
            if keeps:
                frames = [one.decode() for one in (*work.frames, *last)]
                ended = await engine.transact(lambda s: _keep(s, writer.body, frames))
                if ended is not None:
                    writer.body, last = ended, _last_frames(ended, len(work.frames))
            self._live.pop(body["id"], None)
            for one in last:
                work.put(one)
            note_end(body["id"], writer.body["status"], writer.body["usage"], clock() - begun_at)

        async def respond() -> None:
            live.put(writer.begin())
            answer = Answer(await with_images(engine.desk, turn, engine.model))
            async with aclosing(answer.hear(engine.model)) as pieces:
                async for piece, number in pieces:
                    live.put(writer.take(piece, number))
            await close(writer.finish(answer, int(engine.db.clock())))

        async def failed(error: ApiError) -> None:
            try:
                if error is work.cancelled and error is not SERVER_STOPPING:
                    writer.cancel()
                    await close(())
                else:
                    await close(writer.fail(error))
            finally:
                self._live.pop(body["id"], None)

        engine.accompany(body["id"], work.start(respond, failed))
        if params.get("stream"):
            return _streamed(work.follow() if alone else work.follow_or_cancel())
        if not alone:
            await work.end(request)
        return JSONResponse(writer.body)

    async def get(self, request: Request) -> Response:
        query = request.query_params
        if query.get("stream") != "true":
            return JSONResponse(await self._body(request))
        after = query.get("starting_after", "-1")
        if not after.removeprefix("-").isdecimal() or not after.isascii() or len(after) > 9:
            raise bad_request(
                f"Invalid type for 'starting_after': expected an integer, but got "
                f"'{shorten(after)}' instead.",
                "starting_after",
                "invalid_type",
            )
        start, response = max(0, int(after) + 1), request.path_params["response_id"]
        live = self._at_work(response)
        if live is not None:
            return _streamed(live.work.follow(start))
        body, events = await self._stored(response)

        async def again() -> AsyncIterator[bytes]:
            nonlocal body, events
            while body["status"] in _UNFINISHED:  # another process is at work on it
                await asyncio.sleep(_LOOK_EVERY)
                try:
                    body, events = await self._stored(response)
                except (ApiError, StorageFailed):  # it was deleted, or cannot be read now
                    return
            for one in events[start:]:
                yield one.encode(errors="backslashreplace")
            if not events:
                for last in _last_frames(body, start):
                    yield last

        return _streamed(again())

    async def _stored(self, response: str) -> tuple[Json, list[str]]:
        """Return a response that nobody here is at work on, and its events once it is over.

        Until then the process that is at work on it stands in their place. Of one that another
        process ended there are none.
        """

        def work(lifecycle: Lifecycle) -> tuple[Json, list[str]]:
            row = lifecycle.find(ResponseRow, response)
            if not _is_lost(lifecycle, row):
                return row.body, row.events if row.body["status"] not in _UNFINISHED else []
            if not self.engine.is_shared:
                return with_error(row.body, _LOST), []
            # Its process may stand still and go on later: what is said here once has to stay.
            row = lifecycle.find(ResponseRow, response, lock=True)
            if _is_lost(lifecycle, row):
                row.body, row.events = with_error(row.body, _LOST), []
            return row.body, row.events

        return await self.engine.transact(work)

    async def delete(self, request: Request) -> Response:
        response = request.path_params["response_id"]
        live = self._at_work(response)
        if live is not None:
            live.work.cancel(CANCELLED)
            await asyncio.wait({live.work.task})

        def work(lifecycle: Lifecycle) -> Json:
            if lifecycle.find(ResponseRow, response).body["status"] in _UNFINISHED:
                self.engine.cancel_elsewhere(lifecycle, response)
            return lifecycle.delete(ResponseRow, "response", response)

        gone = await self.engine.transact(work, frees=True)
        return JSONResponse({**gone, "object": "response"})

    async def cancel(self, request: Request) -> Response:
        await read_body(request, Empty)
        body = await self._body(request)
        if not body["background"]:
            raise bad_request("Cannot cancel a synchronous response.")
        live = self._at_work(body["id"])
        if live is not None:
            live.work.cancel(CANCELLED)
            await asyncio.wait({live.work.task})
            body = live.writer.body
        elif body["status"] in _UNFINISHED:
            body = await self.engine.transact(self._cancel_elsewhere(body["id"]))
        return JSONResponse(body)

    def _cancel_elsewhere(self, response: str) -> Callable[[Lifecycle], Json]:
        """End a response that another process is at work on, which may add what it has of it."""

        def work(lifecycle: Lifecycle) -> Json:
            row = lifecycle.find(ResponseRow, response, lock=True)
            if row.body["status"] in _UNFINISHED:
                row.body, row.events = {**row.body, "status": "cancelled"}, []
                self.engine.cancel_elsewhere(lifecycle, response)
            return row.body

        return work

    async def list_input(self, request: Request) -> Response:
        """List what the response itself was asked, without what came before it."""
        response, page = request.path_params["response_id"], read_page(request)
        row = await self.engine.transact(lambda s: s.find(ResponseRow, response))
        return JSONResponse(cut_page(row.input, page))

    def _at_work(self, response: str) -> _Live | None:
        """Return a response that the model is at work on, if it is the asker's."""
        live = self._live.get(response)
        return live if live is not None and live.owner == OWNER.get() else None

    async def _body(self, request: Request) -> Json:
        response = request.path_params["response_id"]
        live = self._at_work(response)
        if live is None:
            return (await self._stored(response))[0]
        if live.work.is_ending:  # it has ended so when that is stored
            await asyncio.wait({live.work.task})
        elif live.writer.body["background"] and self.engine.is_shared:
            # Another process may have ended or deleted it, which is not heard of here at once.
            row = await self.engine.transact(lambda s: s.find(ResponseRow, response))
            if row.body["status"] not in _UNFINISHED:
                return row.body
        return live.writer.body

    def table(self) -> dict[str, dict[str, Callable[[Request], Awaitable[Response]]]]:
        """Return the handlers by path and method."""
        one = "/v1/responses/{response_id}"
        return {
            "/v1/responses": {"POST": self.create},
            one: {"GET": self.get, "DELETE": self.delete},
            f"{one}/cancel": {"POST": self.cancel},
            f"{one}/input_items": {"GET": self.list_input},
        }


def _items_before(lifecycle: Lifecycle, previous: str | None) -> list[Json]:
    """Return all that was asked and answered up to the response `previous`, oldest first."""
    chain: list[list[Json]] = []
    while previous is not None:
        row = lifecycle.session.scalars(select(ResponseRow).filter_by(id=previous)).one_or_none()
        if row is None:
            raise ApiError(
                # The API's own number; where there are owners another's id is as unknown as any.
                400 if lifecycle.session.owner is None else 404,
                f"Previous response with id '{shorten(previous)}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        if len(chain) == _MOST_BEFORE:
            raise bad_request(
                f"More than {_MOST_BEFORE} responses come before this one.", "previous_response_id"
            )
        chain.append([*row.input, *row.body["output"]])
        previous = row.body["previous_response_id"]
    return [item for items in reversed(chain) for item in items]


def _keep(lifecycle: Lifecycle, body: Json, events: list[str]) -> Json | None:
    """Store how a response ended; return how it did if another process has ended it otherwise."""
    try:
        row = lifecycle.find(ResponseRow, body["id"], lock=True)
    except ApiError:  # it was deleted meanwhile
        return None
    if row.body["status"] not in (*_UNFINISHED, body["status"]):
        return row.body
    row.body, row.events = body, events
    return None


def _is_lost(lifecycle: Lifecycle, row: ResponseRow) -> bool:
    """Return whether nobody is at work on a response that is not over."""
    if row.body["status"] not in _UNFINISHED:
        return False
    return not row.events or not lifecycle.is_alive(row.events[0])


def _last_frames(body: Json, number: int) -> list[bytes]:
    """Return what is told of the end of a response that another process ended; the next is `number`."""
    if body["status"] != "failed":  # of one that was cancelled nothing is
        return []
    return [_frame({"type": "response.failed", "sequence_number": number, "response": body})]


def _frame(event: Json) -> bytes:
    return frame(event["type"], event)


def _streamed(frames: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(frames, media_type="text/event-stream", headers=SSE_HEADERS)
