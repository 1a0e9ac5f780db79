"""The HTTP side: routes, headers, bodies in and out. What runs do stands in `..runs`."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..journal import where
from ..playground import pages
from ..runs.feed import Feed
from ..runs.lifecycle import Lifecycle
from ..runs.runs import RunEngine
from ..runs.searching import CONTENT
from ..store.objects import Json, shown_step
from ..store.store import (
    AssistantRow,
    MessageRow,
    RunRow,
    StepRow,
    StorageFailed,
    ThreadRow,
)
from . import bodies, models
from .chat import SSE_HEADERS, ChatApi
from .doors import Doors, is_preflight
from .errors import ApiError, bad_request, shorten, storage_failed
from .feed_response import FeedResponse
from .files import FilesApi
from .keys import OWNER
from .paths import plain_path
from .problems import unsupported
from .reading import read_after, read_body, read_page
from .responses import ResponsesApi
from .vector_stores import POLL_AFTER, VectorStoresApi

logger = logging.getLogger("emitter_stream.server")

# On a stream of a run: the number of its first event. With it the rest can be had from `.../events`
# after the connection broke.
FIRST_EVENT = "emitter-stream-first-event"

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
        content = wants_content(request)
        params = await read_body(request, bodies.Run)
        feed = Feed() if params.get("stream") else None
        return respond(await self.engine.create(thread, params, feed, with_content=content), feed)

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
        body = await self.engine.transact(lambda s: s.find_run(thread, run).body)
        return JSONResponse(body, headers=POLL_AFTER)

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

    async def get_events(self, request: Request) -> Response:
        """Stream what a run has told from some number on, and what it tells until its end."""
        thread, run = ids(request, "thread_id", "run_id")
        feed = await self.engine.attach(thread, run, read_after(request))
        if feed is None:
            return Response(status_code=204)
        return respond({}, feed)

    # steps

    async def list_steps(self, request: Request) -> Response:
        thread, run = ids(request, "thread_id", "run_id")
        page = read_page(request)

        content = wants_content(request)

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find_run(thread, run)
            found = lifecycle.page(StepRow, page, run_id=run)
            return {**found, "data": [shown_step(one, content=content) for one in found["data"]]}

        return await self._answer(work)

    async def get_step(self, request: Request) -> Response:
        thread, run, step = ids(request, "thread_id", "run_id", "step_id")

        content = wants_content(request)

        def work(lifecycle: Lifecycle) -> Json:
            lifecycle.find_run(thread, run)
            return shown_step(lifecycle.find(StepRow, step, run_id=run).body, content=content)

        return await self._answer(work)

    # what is no Assistants API

    async def get_health(self, request: Request) -> Response:
        """Answer 200 if this server can take work, which needs its database."""
        self.engine.refuse_if_stopping()
        await self.engine.transact(lambda s: s.now)
        return JSONResponse({"status": "ok"})

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
            f"{run}/events": {"GET": self.get_events},
            f"{run}/steps": {"GET": self.list_steps},
            f"{run}/steps/{{step_id}}": {"GET": self.get_step},
            "/v1/models": {"GET": models.list_models},
            # A name may have slashes in it: `org/model`.
            "/v1/models/{model:path}": {"GET": models.get_model},
            "/healthz": {"GET": self.get_health},
            pages.PAGE: {"GET": pages.get_page},
            f"{pages.FOLDER}{{name}}": {"GET": pages.get_file},
            **ChatApi(self.engine).table(),
            **ResponsesApi(self.engine).table(),
            **FilesApi(self.engine).table(),
            **VectorStoresApi(self.engine).table(),
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
    path: str = request.scope["path"]  # `request.url` takes a tenth of a short request's time
    if not path.startswith(("/v1/assistants", "/v1/threads")):
        return
    if path.endswith("/events"):  # no route of the API's; a browser has no such header
        return
    # The header may come several times, and with several values.
    betas = ",".join(request.headers.getlist("openai-beta")).replace(" ", "").split(",")
    if "assistants=v1" in betas:
        raise bad_request(
            "This server has the Assistants API v2, not v1. Set the header 'OpenAI-Beta: "
            "assistants=v2' (an SDK from May 2024 on does), give the tool 'file_search' in place "
            "of 'retrieval', and 'tool_resources' or 'attachments' in place of 'file_ids'.",
            code="invalid_beta",
        )
    if "assistants=v2" not in betas:
        raise bad_request(
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please "
            "try again by setting the header 'OpenAI-Beta: assistants=v2'.",
            code="invalid_beta",
        )


def wants_content(request: Request) -> bool:
    """Say whether steps are to have the content of search results: `include` says so."""
    query = request.query_params
    for name in (*query.getlist("include[]"), *query.getlist("include")):
        if name != CONTENT:
            raise unsupported("include", name, [f"'{CONTENT}'"])
    return bool(query.getlist("include[]") or query.getlist("include"))


def ids(request: Request, *names: str) -> list[str]:
    return [request.path_params[name] for name in names]


def respond(body: Json, feed: Feed | None) -> Response:
    if feed is None:
        return JSONResponse(body)
    return FeedResponse(feed, {**SSE_HEADERS, FIRST_EVENT: str(feed.first)})


class Envelope:
    """What every request gets: a request id, the doors' check, errors in the API's form."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, deployment = plain_path(scope["path"])
        scope = {**scope, "path": path, "deployment": deployment}
        begun = time.perf_counter()
        request_id = "req_" + secrets.token_hex(16)
        cors = self.doors.cors(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = int((time.perf_counter() - begun) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"openai-version", b"2020-10-01"),
                    (b"openai-processing-ms", str(spent).encode()),
                    *cors,
                ]
            await send(message)

        try:
            # In this request's context, which the tasks that it starts have too.
            OWNER.set(self.doors.check(scope))
        except ApiError as exc:
            await error_response(exc, scope)(scope, receive, send_with_headers)
        else:
            if cors and is_preflight(scope):
                await Response(status_code=204)(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive, send_with_headers)


def error_response(exc: Exception, scope: Scope) -> Response:
    place = f"{shorten(scope['method'])} {shorten(scope['path'])}"
    headers: Mapping[str, str] | None = None
    if isinstance(exc, ApiError):
        error = exc
    elif isinstance(exc, HTTPException):
        headers = exc.headers
        if exc.status_code == 405:
            message = f"Not allowed to {place.replace(' ', ' on ', 1)}"
            error = ApiError(405, message, code="method_not_supported")
        else:
            error = ApiError(exc.status_code, f"Invalid URL ({place})")
    elif isinstance(exc, StorageFailed):  # logged once, by the database
        error = storage_failed(exc.full)
    else:
        logger.error("%s failed:\n%s", place, where(exc))
        message = "The server had an error while processing your request."
        error = ApiError(500, message, type="server_error")
    return JSONResponse(error.body(), error.status, headers)


def create_app(engine: RunEngine, doors: Doors) -> ASGIApp:
    """Build the ASGI application on an engine, which it stops when it is shut down itself."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await engine.begin()
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
