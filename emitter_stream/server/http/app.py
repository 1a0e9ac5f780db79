"""The HTTP side: routes, headers, bodies in and out. What runs do stands in `..runs`."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..runs.feed import Feed
from ..runs.lifecycle import Lifecycle
from ..runs.runs import RunEngine
from ..store.objects import Json
from ..store.records import Page
from ..store.store import (
    AssistantRow,
    MessageRow,
    RunRow,
    StepRow,
    StorageFailed,
    ThreadRow,
)
from . import bodies
from .doors import Doors
from .errors import ApiError, bad_request, shorten

logger = logging.getLogger("emitter_stream.server")

MAX_BODY = 16 * 1024 * 1024
# Far below what any interpreter can take in a body, in storing it and in answering with it.
MAX_DEPTH = 100
Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The handlers of all routes, on one engine."""

    def __init__(self, engine: RunEngine) -> None:
        self.engine = engine

    # assistants

    async def create_assistant(self, request: Request) -> Response:
        params = await read_body(request, bodies.Assistant)
        return await self._answer(lambda s: s.create_assistant(params))

    async def list_assistants(self, request: Request) -> Response:
        page = read_page(request)
        return await self._answer(lambda s: s.page(AssistantRow, page))

    async def get_assistant(self, request: Request) -> Response:
        assistant = request.path_params["assistant_id"]
        return await self._answer(lambda s: s.find(AssistantRow, assistant).body)

    async def update_assistant(self, request: Request) -> Response:
        assistant = request.path_params["assistant_id"]
        params = await read_body(request, bodies.AssistantUpdate)
        return await self._answer(lambda s: s.update(AssistantRow, params, assistant))

    async def delete_assistant(self, request: Request) -> Response:
        assistant = request.path_params["assistant_id"]
        return await self._answer(
            lambda s: s.delete(AssistantRow, "assistant", assistant), frees=True
        )

    # threads

    async def create_thread(self, request: Request) -> Response:
        params = await read_body(request, bodies.Thread)
        return await self._answer(lambda s: s.create_thread(params))

    async def get_thread(self, request: Request) -> Response:
        thread = request.path_params["thread_id"]
        return await self._answer(lambda s: s.find(ThreadRow, thread).body)

    async def update_thread(self, request: Request) -> Response:
        thread = request.path_params["thread_id"]
        params = await read_body(request, bodies.ThreadUpdate)
        return await self._answer(lambda s: s.update(ThreadRow, params, thread))

    async def delete_thread(self, request: Request) -> Response:
        return JSONResponse(await self.engine.delete_thread(request.path_params["thread_id"]))

    # messages

    async def create_message(self, request: Request) -> Response:
        thread = request.path_params["thread_id"]
        params = await read_body(request, bodies.Message)
        return await self._answer(lambda s: s.create_message(thread, params))

    async def list_messages(self, request: Request) -> Response:
        thread, page = request.path_params["thread_id"], read_page(request)
        scope = {"thread_id": thread}
        if "run_id" in request.query_params:
            scope["run_id"] = request.query_params["run_id"]

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find(ThreadRow, thread)
            return lifecycle.page(MessageRow, page, **scope)

        return await self._answer(work)

    async def get_message(self, request: Request) -> Response:
        thread, message = ids(request, "thread_id", "message_id")

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find(ThreadRow, thread)
            return lifecycle.find(MessageRow, message, thread_id=thread).body

        return await self._answer(work)

    async def update_message(self, request: Request) -> Response:
        thread, message = ids(request, "thread_id", "message_id")
        params = await read_body(request, bodies.OnlyMetadata)
        return await self._answer(lambda s: s.update(MessageRow, params, message, thread_id=thread))

    async def delete_message(self, request: Request) -> Response:
        thread, message = ids(request, "thread_id", "message_id")
        return await self._answer(lambda s: s.delete_message(thread, message), frees=True)

    # runs

    async def create_run(self, request: Request) -> Response:
        thread = request.path_params["thread_id"]
        params = await read_body(request, bodies.Run)
        feed = Feed() if params.get("stream") else None
        return respond(await self.engine.create(thread, params, feed), feed)

    async def create_thread_and_run(self, request: Request) -> Response:
        params = await read_body(request, bodies.ThreadAndRun)
        feed = Feed() if params.get("stream") else None
        return respond(await self.engine.create_with_thread(params, feed), feed)

    async def list_runs(self, request: Request) -> Response:
        thread, page = request.path_params["thread_id"], read_page(request)

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find(ThreadRow, thread)
            return lifecycle.page(RunRow, page, thread_id=thread)

        return await self._answer(work)

    async def get_run(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        return await self._answer(lambda s: s.find_run(thread, run).body)

    async def update_run(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        params = await read_body(request, bodies.OnlyMetadata)
        return await self._answer(lambda s: s.update(RunRow, params, run, thread_id=thread))

    async def cancel_run(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        await read_body(request, bodies.Empty)
        return JSONResponse(await self.engine.cancel(thread, run))

    async def submit_outputs(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        params = await read_body(request, bodies.ToolOutputs)
        feed = Feed() if params.get("stream") else None
        body = await self.engine.submit(thread, run, params["tool_outputs"], feed)
        return respond(body, feed)

    # steps

    async def list_steps(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        page = read_page(request)

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find_run(thread, run)
            return lifecycle.page(StepRow, page, run_id=run)

        return await self._answer(work)

    async def get_step(self, request: Request) -> Response:
        thread, run, step = ids(request, "thread_id", "run_id", "step_id")

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find_run(thread, run)
            return lifecycle.find(StepRow, step, run_id=run).body

        return await self._answer(work)

    async def _answer(self, work: Callable[[Lifecycle], Json], *, frees: bool = False) -> Response:
        return JSONResponse(await self.engine.transact(work, frees=frees))

    def routes(self) -> list[Route]:
        thread, message = "/v1/threads/{thread_id}", "/v1/threads/{thread_id}/messages"
        run = f"{thread}/runs/{{run_id}}"
        table: dict[str, dict[str, Handler]] = {
            "/v1/assistants": {"GET": self.list_assistants, "POST": self.create_assistant},
            "/v1/assistants/{assistant_id}": {
                "GET": self.get_assistant,
                "POST": self.update_assistant,
                "DELETE": self.delete_assistant,
            },
            "/v1/threads": {"POST": self.create_thread},
            # Before the pattern with an id: "runs" is not one.
            "/v1/threads/runs": {"POST": self.create_thread_and_run},
            thread: {
                "GET": self.get_thread,
                "POST": self.update_thread,
                "DELETE": self.delete_thread,
            },
            message: {"GET": self.list_messages, "POST": self.create_message},
            f"{message}/{{message_id}}": {
                "GET": self.get_message,
                "POST": self.update_message,
                "DELETE": self.delete_message,
            },
            f"{thread}/runs": {"GET": self.list_runs, "POST": self.create_run},
            run: {"GET": self.get_run, "POST": self.update_run},
            f"{run}/cancel": {"POST": self.cancel_run},
            f"{run}/submit_tool_outputs": {"POST": self.submit_outputs},
            f"{run}/steps": {"GET": self.list_steps},
            f"{run}/steps/{{step_id}}": {"GET": self.get_step},
        }
        return [
            Route(path, by_method(handlers), methods=list(handlers))
            for path, handlers in table.items()
        ]


def by_method(handlers: dict[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        # Starlette answers HEAD wherever there is a GET.
        method = "GET" if request.method == "HEAD" else request.method
        try:
            check_beta(request)
            return await handlers[method](request)
        except Exception as exc:  # noqa: BLE001  (the last resort: it is logged, and told as a 500)
            return error_response(exc, request.scope)

    return handle


def check_beta(request: Request) -> None:
    # The header may come several times, and with several values.
    betas = ",".join(request.headers.getlist("openai-beta")).replace(" ", "").split(",")
    if "assistants=v2" not in betas:
        raise bad_request(
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please "
            "try again by setting the header 'OpenAI-Beta: assistants=v2'.",
            code="invalid_beta",
        )


def ids(request: Request, *names: str) -> list[str]:
    return [request.path_params[name] for name in names]


def respond(body: Json, feed: Feed | None) -> Response:
    if feed is None:
        return JSONResponse(body)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(feed.frames(), media_type="text/event-stream", headers=headers)


def read_page(request: Request) -> Page:
    """Read the list parameters; `ApiError` 400 for one that makes no sense."""
    query = request.query_params
    raw = query.get("limit", "20")
    try:
        # Not int() alone: it takes "1_0" and digits of other scripts, and fails on very long ones.
        if not raw.lstrip("+-").isdecimal() or not raw.isascii() or len(raw) > 9:
            raise ValueError
        limit = int(raw)
    except ValueError:
        raise bad_request(
            f"Invalid type for 'limit': expected an integer, but got '{shorten(raw)}' instead.",
            "limit",
            "invalid_type",
        ) from None
    limit = bodies.checked_limit(limit)
    order = bodies.checked_order(query.get("order", "desc"))
    return Page(limit, order, query.get("after") or None, query.get("before") or None)


async def read_body(request: Request, shape: type[bodies.Body]) -> Json:
    """Read a JSON body of the given shape; an empty body counts as an empty object."""
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_BODY:
                raise ApiError(413, f"The request body is larger than {MAX_BODY} bytes.")
    except ClientDisconnect:
        raise bad_request("The client went away before the body was complete.") from None
    return bodies.checked(shape, parse_json(bytes(raw)) if raw.strip() else {})


def parse_json(raw: bytes) -> Any:
    """Parse strict JSON: no NaN, no infinity, no half of a surrogate pair, no endless nesting."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        too_deep = _deeper_than(MAX_DEPTH, value)
        if b"\\u" in raw and not too_deep:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError:
        raise bad_request(
            "We could not parse the JSON body of your request: it is not valid JSON."
        ) from None
    except RecursionError:
        value, too_deep = None, True
    if too_deep:
        raise bad_request(
            f"The JSON body of your request is nested too deeply: at most {MAX_DEPTH} levels."
        )
    if not isinstance(value, dict):
        raise bad_request("The JSON body of your request must be an object.")
    return value


def _deeper_than(limit: int, value: Any) -> bool:
    """True if arrays and objects are nested more than `limit` deep; goes level by level."""
    level = [value]
    for _ in range(limit + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


class Envelope:
    """What every request gets: a request id, the doors' check, errors in the API's form."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = "req_" + secrets.token_hex(16)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = int((time.perf_counter() - begun) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"openai-version", b"2020-10-01"),
                    (b"openai-processing-ms", str(spent).encode()),
                ]
            await send(message)

        try:
            self.doors.check(scope)
        except ApiError as exc:
            await error_response(exc, scope)(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)


def error_response(exc: Exception, scope: Scope) -> Response:
    where = f"{shorten(scope['method'])} {shorten(scope['path'])}"
    headers: Mapping[str, str] | None = None
    if isinstance(exc, ApiError):
        error = exc
    elif isinstance(exc, HTTPException):
        headers = exc.headers
        if exc.status_code == 405:
            message = f"Not allowed to {where.replace(' ', ' on ', 1)}"
            error = ApiError(405, message, code="method_not_supported")
        else:
            error = ApiError(exc.status_code, f"Invalid URL ({where})")
    elif isinstance(exc, StorageFailed):  # logged once, by the database
        room = "its disk is full" if exc.full else "it cannot be read or written"
        message = f"The server's database cannot be used at the moment: {room}."
        error = ApiError(503, message, code="storage_unavailable", type="server_error")
    else:
        logger.error("%s failed", where, exc_info=exc)
        message = "The server had an error while processing your request."
        error = ApiError(500, message, type="server_error")
    return JSONResponse(error.body(), error.status, headers)


def create_app(engine: RunEngine, doors: Doors) -> ASGIApp:
    """Build the ASGI application on an engine, which it stops when it is shut down itself."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await engine.stop()

    async def no_route(request: Request, exc: Exception) -> Response:
        return error_response(exc, request.scope)

    app = Starlette(
        routes=Api(engine).routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: no_route},
    )
    app.router.redirect_slashes = False
    return Envelope(app, doors)
