"""Start the server inside this process, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, final

import uvicorn

from .._open_streams import let_run_out
from .cage import find_cage
from .files.folder import Bytes, Folder
from .files.ingest import Embedder
from .http.app import create_app
from .http.connection import connections_of
from .http.doors import Doors
from .http.keys import Keys
from .http.places import Places
from .models.model import Model
from .models.scripted import ScriptedModel
from .models.upstream import Upstream
from .runs.lifecycle import Lifecycle
from .runs.runs import RunEngine
from .search.embeddings import UpstreamEmbeddings
from .store.schema import check_name, is_postgres, without_password
from .store.store import Clock, Database, DatabaseUnusable

if TYPE_CHECKING:
    from .files.large import LargeObjects
    from .store.postgres import PostgresDatabase

CodeInterpreter = Literal["off", "local"]

GRACE = 2  # seconds for the streams' clients to read the end


class _Uvicorn(uvicorn.Server):
    """Says when it is ready, and ends the runs before it waits for their streams to end."""

    def __init__(self, config: uvicorn.Config, engine: RunEngine, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()

    def end(self) -> None:
        """Have it end, from any thread."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # it has ended, and its loop is closed
            self._loop.call_soon_threadsafe(self._asked.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Do what uvicorn does each second; its own looks each tenth of one whether it is to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._asked.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as soon as all is sent. Uvicorn's own takes a tenth of a second where nothing is."""
        await self._engine.stop()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        cut = self._loop.call_later(GRACE, self._cut_off)
        try:
            while self.server_state.connections or self.server_state.tasks:
                await asyncio.sleep(0.005)
        finally:
            cut.cancel()
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()

    def _cut_off(self) -> None:
        """Drop the clients that do not read what is left of their streams.

        Uvicorn's own way, cancelling their tasks, logs a traceback and leaves the sockets open.
        """
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


@final
class LocalServer:
    """An Assistants v2 server in this process.

        with LocalServer() as server:
            client = OpenAI(base_url=server.base_url, api_key="any")

    `db` is a file, `:memory:`, or `postgresql://...`, which several servers can share; `tokens_per_second` is the scripted model's pace (0 or None: as
    fast as possible); `model` replaces that model: `Upstream(...)`, or one of your own.
    Uploaded files lie in the folder `files`, by default beside the database, in PostgreSQL itself, or in
    a folder that goes away with the server if the database is in memory. With `embeddings`, the name of a model of the upstream's
    (or an object with `embed`), files are also searched by what they mean.
    `code_interpreter` says whether code that the model writes is run: `local` does, on this machine,
    in the strongest cage that it has (see `interpreter.py`); `off`, the default with an upstream, does not offer that tool. The
    scripted model's own code is always run. `run_lifetime` is in seconds. `port` 0 takes a
    free one. Requests must name loopback, `host` or one of `allowed_hosts` (a name, `*.name` or
    `*`), and come with a key: one of those in `api_key_file`, each of which sees its own objects only,
    else any. A server that others can reach needs that file, or `any_key=True`; one on every address
    the file or names. `allow_origins` are the web pages whose scripts may use it. Of more than
    `max_connections` at once (by default what the system's limit of open files has room for, at most 10,000)
    the others are answered 503. A server can be started once; `start` raises `OSError` if the address is taken and
    `DatabaseUnusable` if the database cannot be opened.
    """

    def __init__(
        self,
        *,
        db: str = ":memory:",
        files: str | None = None,
        embeddings: str | Embedder | None = None,
        tokens_per_second: float | None = None,
        model: Model | None = None,
        code_interpreter: CodeInterpreter | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allowed_hosts: Iterable[str] = (),
        allow_origins: Iterable[str] = (),
        api_key_file: str | None = None,
        any_key: bool = False,
        max_connections: int | None = None,
        run_lifetime: int = 600,
        clock: Clock = time.time,
    ) -> None:
        self._db_path = db
        self._files_path = files
        self._model: Model = ScriptedModel(tokens_per_second) if model is None else model
        self._embedder = _embedder_of(self._model, embeddings)
        self._has_code = _runs_code(self._model, code_interpreter)
        if not host:
            raise ValueError("an empty host would listen on every address; name one")
        self._address = (host, port)
        keys = Keys.read(api_key_file) if api_key_file is not None else None
        self._doors = Doors(host, allowed_hosts, allow_origins, keys, any_key=any_key)
        self._keys = f"those in {api_key_file}" if keys is not None else "any"
        self._places = Places(max_connections)
        self._lifetime = run_lifetime
        self._clock = clock
        self._base_url: str | None = None
        self._bound: tuple[str, int]  # once it is started
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None
        self._pid = os.getpid()  # of the process that it runs in
        self._failure: BaseException | None = None

    @property
    def base_url(self) -> str:
        """The address for clients, with the `/v1`. The server must have been started."""
        if self._base_url is None:
            raise RuntimeError("the server has not been started")
        return self._base_url

    def start(self) -> LocalServer:
        """Start and wait until requests are taken."""
        if self._thread is not None:
            raise RuntimeError("a LocalServer can be started once")
        # Bound here and handed over: nobody can take the port in between.
        listener = _bind(*self._address)
        try:
            database = _open_database(self._db_path, self._clock)
        except BaseException:
            listener.close()
            raise
        try:
            stored = _open_files(self._files_path, self._db_path, database)
        except BaseException:
            listener.close()
            database.close()
            raise
        self._base_url = _url(listener)
        self._listener, self._pid = listener, os.getpid()
        _started.add(self)
        self._bound = listener.getsockname()[:2]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._serve,
            args=(listener, database, stored, ready),
            name="assistants-server",
            daemon=True,  # a server that nobody stopped must not keep the process alive
        )
        self._thread.start()
        ready.wait()
        if self._server is None or not self._server.started:
            self._thread.join()
            raise RuntimeError("the server could not be started") from self._failure
        return self

    def describe(self) -> list[str]:
        """Say, in a line each, what answers, how code is run, and which keys open it.

        The cage for code is looked for first, which takes a moment; not from a running event loop.
        """
        model = getattr(self._model, "words", type(self._model).__name__)
        code = "off"
        if self._has_code:
            code = asyncio.run(find_cage()).words
        return [
            f"model: {model}",
            f"code interpreter: {code}",
            f"keys: {self._keys}",
            f"database: {without_password(self._db_path)}",
        ]

    def stop(self) -> None:
        """Stop and wait until all threads and sockets are gone; it may be called again.

        Runs that are at work become `failed`; their streams say so and end. In a process that was
        forked from the server's it does nothing, and so does the end of a `with`.
        """
        if self._is_elsewhere():
            return
        if self._server is not None:
            self._server.end()
        if self._thread is not None:
            self._thread.join()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Stop; at a normal exit, when the streams of this process that read from here are over.

        Those that somebody hears run to their end, the others are read to theirs, inline ones are
        aborted. Ctrl-C ends that wait. A stream on an event loop is waited for unless this thread
        runs the loop.
        """
        try:
            if kind is None and self.running and not self._is_elsewhere():
                let_run_out(*self._bound)
        finally:
            self.stop()

    def _is_elsewhere(self) -> bool:
        return self._pid != os.getpid()

    def _serve(
        self,
        listener: socket.socket,
        database: Database | PostgresDatabase,
        stored: Bytes,
        ready: threading.Event,
    ) -> None:
        try:
            asyncio.run(self._serve_async(listener, database, stored, ready))
        except Exception as exc:  # noqa: BLE001  (`start` raises it again)
            self._failure = exc
        finally:
            listener.close()
            database.close()
            stored.close()
            ready.set()

    async def _serve_async(
        self,
        listener: socket.socket,
        database: Database | PostgresDatabase,
        stored: Bytes,
        ready: threading.Event,
    ) -> None:
        engine = RunEngine(
            database,
            self._model,
            self._lifetime,
            has_code=self._has_code,
            stored=stored,
            embedder=self._embedder,
        )
        await engine.desk.start()
        config = uvicorn.Config(
            create_app(engine, self._doors),
            # No settings of the process are touched, logging included.
            log_config=None,
            log_level=None,
            access_log=False,
            http=connections_of(self._places),
            ws="none",
            server_header=False,
            timeout_keep_alive=60,
        )
        self._server = _Uvicorn(config, engine, ready)
        await self._server.serve(sockets=[listener])


_started: weakref.WeakSet[LocalServer] = weakref.WeakSet()


def _close_listeners() -> None:
    """Close the copies of the listening sockets, in a child: they would keep the addresses taken."""
    for server in list(_started):
        if server._listener is not None:
            with contextlib.suppress(OSError):
                os.close(server._listener.detach())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_listeners)


def _embedder_of(model: Model, asked: str | Embedder | None) -> Embedder | None:
    if not isinstance(asked, str):
        return asked
    if not isinstance(model, Upstream):
        raise ValueError("embeddings by name need an upstream that makes them")  # noqa: TRY004
    return UpstreamEmbeddings(model, asked)


def _runs_code(model: Model, asked: CodeInterpreter | None) -> bool:
    if asked not in (None, "off", "local"):
        raise ValueError("the code interpreter is off or local")
    if isinstance(model, ScriptedModel):
        return True
    return bool(getattr(model, "runs_code", True)) if asked is None else asked == "local"


def _open_database(path: str, clock: Clock) -> Database | PostgresDatabase:
    """Open a database and close the runs that a killed server left in the middle."""
    if is_postgres(path):
        try:
            from .store.postgres import PostgresDatabase
        except ImportError as exc:
            raise DatabaseUnusable(
                f"PostgreSQL needs {exc.name}: pip install 'emitter-stream[postgres]'"
            ) from exc
        # Others may be at work on theirs: each sees to it in time whose process is gone.
        return PostgresDatabase(path, None if clock is time.time else clock)
    check_name(path)
    database = Database(path, clock)
    try:
        database.call_now(lambda session: Lifecycle(session, int(clock())).recover())
    except Exception as exc:
        database.close()
        raise DatabaseUnusable(f"cannot use the database {path}: {exc}") from exc
    return database


def _open_files(
    path: str | None, name: str, database: Database | PostgresDatabase
) -> Folder | LargeObjects:
    """Open where files lie: the folder named, else the one beside the database, or PostgreSQL itself."""
    if path is None and not isinstance(database, Database):
        from .files.large import LargeObjects

        return LargeObjects(database)
    if path is None and name not in ("", ":memory:"):
        path = f"{name}-files"
    try:
        return Folder(path)
    except OSError as exc:
        raise DatabaseUnusable(f"cannot use the folder {path}: {exc.strerror or exc}") from exc


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on the connections; without, each answer on a
    # kept connection waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}/v1"
