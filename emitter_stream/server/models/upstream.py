"""Any endpoint that speaks Chat Completions or Responses, as the server's model."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import os
import re
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx2

from ...exceptions import OpenAIError
from ...sse import FrameCutter, read_frame
from . import upstream_chat, upstream_responses, upstream_wire
from .cleaning import Secrets, hide_in_logs
from .model import ModelError, Part, Turn
from .upstream_errors import Failure, read_failure
from .upstream_reader import AnswerReader
from .upstream_request import Json, has_code, without_older_half

Api = Literal["chat", "responses", "auto"]

CONNECT_TIMEOUT = 10.0  # seconds
RETRIES = 2
FIRST_PAUSE = 0.5  # seconds, doubling
LONGEST_PAUSE = 20.0  # what an upstream may ask for
MOST_HALVINGS = 3
MOST_BYTES = 64 * 1024 * 1024  # of a whole answer
MOST_ERROR_BYTES = 64 * 1024

_DIALECTS: dict[str, Any] = {"chat": upstream_chat, "responses": upstream_responses}
# Not all of azure.com: anybody's machine can have a name there.
_AZURE = re.compile(
    r".*\.(?:(?:openai|cognitiveservices)\.azure\.(?:com|us|cn)"
    r"|(?:services|inference|models)\.ai\.azure\.com)"
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PRIVATE = re.compile(r"(?i)auth|key|token|secret|cookie|password")
# Before the answer has begun these say only that the connection did not hold.
_LOST = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ReadError,
    httpx2.WriteError,
    httpx2.RemoteProtocolError,
    httpx2.ProxyError,
)


class Upstream:
    """A model behind an endpoint that speaks Chat Completions or Responses.

        LocalServer(model=Upstream("http://localhost:11434/v1", model="qwen3:8b"))

    - `url`: the base, like `OPENAI_BASE_URL`; without a path, `/v1`. A query is kept.
    - `model`: sent instead of the run's model.
    - `api`: `chat`, `responses`, or `auto`: responses on api.openai.com, else chat; where there is no
      `/responses` after all it becomes chat.
    - `headers`: sent with each request; a value `env:NAME` is taken from the environment.
    - `timeout`: seconds between two reads.
    - `key`: by default `EMITTER_STREAM_UPSTREAM_KEY` of the environment, else `OPENAI_API_KEY` for
      api.openai.com or `AZURE_OPENAI_API_KEY` for Azure's hosts, and for no other.

    Keys, and headers that hold such, appear in no message, log or repr. Redirects are not followed.
    Raises `ValueError` for a URL, a header or a timeout that cannot be used.
    """

    keeps_limits = True
    reads_images = True  # files as addresses that hold them
    runs_code = False  # what a language model wrote is run only where that is asked for

    def __init__(
        self,
        url: str,
        model: str | None = None,
        api: Api = "auto",
        headers: Mapping[str, str] | None = None,
        timeout: float = 300,
        key: str | None = None,
    ) -> None:
        if api not in ("chat", "responses", "auto"):
            raise ValueError("the upstream's API is chat, responses or auto")
        if not 0 < timeout < float("inf"):
            raise ValueError("the upstream's timeout must be a number of seconds above 0")
        self._base = _base_of(url)
        host = (self._base.hostname or "").lower().rstrip(".")
        is_openai, is_azure = host == "api.openai.com", _AZURE.fullmatch(host) is not None
        self._limit_name = "max_completion_tokens" if is_openai or is_azure else "max_tokens"
        self._model = model
        self._is_auto = api == "auto"
        self._api: str = api if api != "auto" else "responses" if is_openai else "chat"
        self._timeout = timeout
        self._timeouts = httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT, pool=None)
        key = key or os.environ.get("EMITTER_STREAM_UPSTREAM_KEY")
        if not key and (is_openai or is_azure):
            key = os.environ.get("OPENAI_API_KEY" if is_openai else "AZURE_OPENAI_API_KEY")
        key = (key or "").strip()
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "emitter-stream",
        }
        if key:
            _check_header("the upstream's key", key)
            name, value = ("api-key", key) if is_azure else ("Authorization", f"Bearer {key}")
            self._headers[name] = value
        private = [key]
        for name, value in (headers or {}).items():
            found = _header_value(name, value)
            same = next((n for n in self._headers if n.lower() == name.lower()), name)
            self._headers.pop(same, None)
            self._headers[name] = found
            if found != value or _PRIVATE.search(name):
                private += [found, *found.split()]
        self._secrets = Secrets(private)
        # Fields that were refused, by the API and the model.
        self._refused: dict[tuple[str, str], set[str]] = {}
        # Of each event loop the client, and what it sends by if that is not httpx2's own.
        self._clients: weakref.WeakKeyDictionary[
            Any, tuple[httpx2.AsyncClient, httpx2.AsyncBaseTransport | None]
        ] = weakref.WeakKeyDictionary()
        self._urls: dict[str, httpx2.URL] = {}
        hide_in_logs()

    def __repr__(self) -> str:
        place = self._secrets.hide(urlunsplit(self._base._replace(query="")))
        return f"Upstream({place!r}, model={self._model!r}, api={self._api!r})"

    @property
    def words(self) -> str:
        """Say what answers, for people."""
        place = self._secrets.hide(urlunsplit(self._base._replace(query="")))
        api = f"auto, now {self._api}" if self._is_auto else self._api
        return f"{place} ({api}), {self._model or 'each as the run names it'}"

    async def aclose(self) -> None:
        """Close the connections that this event loop's runs have left open."""
        found = self._clients.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[0].aclose()

    async def respond(self, turn: Turn) -> AsyncIterator[Part]:
        """Ask, again where that may help, and stream the answer. Raises `ModelError`."""
        model = self._model or turn.model
        retries, halvings = 0, 0
        while True:
            api = self._api
            refused = self._refused.setdefault((api, model), set())
            body = _DIALECTS[api].request(turn, model, self._limit_name, refused)
            begun = False
            try:
                answer = self._ask(api, turn, body)
                try:
                    async for batch in answer:
                        for part in batch:
                            begun = True
                            yield part
                finally:
                    await answer.aclose()
                return
            except _Lost as lost:
                if retries == RETRIES:
                    raise ModelError("server_error", str(lost)) from None
                pause = None
            except Failure as failure:
                if begun:
                    raise failure.error() from None
                if self._is_auto and api == "responses" and _has_no_such_path(failure):
                    self._api = "chat"
                    continue
                if failure.is_about_context:
                    shorter = without_older_half(turn) if halvings < MOST_HALVINGS else None
                    if shorter is None:
                        raise ModelError("invalid_prompt", failure.message) from None
                    turn, halvings = shorter, halvings + 1
                    continue
                named = _named(failure, _DIALECTS[api].OPTIONAL, body)
                if named:
                    refused |= named
                    continue
                if retries == RETRIES or not failure.may_pass:
                    raise failure.error() from None
                pause = failure.retry_after
            await asyncio.sleep(FIRST_PAUSE * 2**retries if pause is None else pause)
            retries += 1

    async def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts, by `/embeddings`. Raises `ModelError`."""
        url = urlunsplit(self._base._replace(path=self._base.path + "/embeddings"))
        body = {"model": model, "input": texts, "encoding_format": "float"}
        headers = {**self._headers, "Accept": "application/json"}
        try:
            response = await self._connections()[0].post(
                url, content=json.dumps(body), headers=headers
            )
        except httpx2.HTTPError as exc:
            raise ModelError("server_error", str(self._unheard(exc))) from None
        if not 200 <= response.status_code < 300:
            raise read_failure(response.status_code, response.content, self._secrets).error()
        try:
            data = sorted(response.json()["data"], key=lambda one: one["index"])
            vectors = [[float(value) for value in one["embedding"]] for one in data]
        except (ValueError, KeyError, TypeError, AttributeError):
            vectors = []
        if len(vectors) != len(texts) or len(set(map(len, vectors))) != 1:
            raise ModelError(
                "server_error", "The upstream's embeddings are not what was asked for."
            )
        return vectors

    async def _ask(self, api: str, turn: Turn, body: Json) -> AsyncGenerator[list[Part], None]:
        """Ask once; yields what comes at once together. Raises `Failure` for an error that is told, `_Lost` if nothing was heard."""
        dialect = _DIALECTS[api]
        sent = next((body[n] for n in body if n.startswith("max_")), None)
        reader = dialect.Reader(self._secrets, has_code(turn), sent)
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            response = await self._send(dialect.PATH, content)
        except httpx2.HTTPError as exc:
            raise self._unheard(exc) from None
        try:
            if not 200 <= response.status_code < 300:
                raise await self._read_failure(response)
            async for batch in self._read(response, reader):
                yield batch
        except (Failure, ModelError):
            yield list(reader.flush())
            raise
        finally:
            await response.aclose()
        batch, error = _taken(reader.end())
        yield batch
        if error is not None:
            raise error

    async def _read(
        self, response: httpx2.Response, reader: AnswerReader
    ) -> AsyncGenerator[list[Part], None]:
        """Read an answer to its end, or to where its connection breaks."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == "text/html":
                raise read_failure(None, "", self._secrets)
            if kind.endswith("json"):
                whole = await _read_up_to(response, MOST_BYTES + 1)
                if len(whole) > MOST_BYTES:
                    raise ModelError("server_error", "The upstream's answer is too large.")
                batch, error = _taken(reader.whole(whole))
                yield batch
                if error is not None:
                    raise error
                return
            cutter = FrameCutter()
            chunks = response.aiter_bytes()
            async for chunk in chunks:
                batch, error = _taken(_parts_of(cutter.feed(chunk), reader))
                if batch:
                    yield batch
                if error is not None:
                    raise error
                if reader.over:
                    await _finish(chunks)
                    return
            batch, error = _taken(_parts_of(cutter.end(), reader))
            yield batch
            if error is not None:
                raise error
        except httpx2.HTTPError as exc:
            # An answer that had begun is looked at for its end; one that went silent has none.
            is_silent = isinstance(exc, httpx2.ReadTimeout) and not reader.finish
            if is_silent or not reader.begun:
                raise self._unheard(exc) from None
        except OpenAIError:
            raise ModelError("server_error", "The upstream sent too large an event.") from None

    async def _send(self, path: str, content: bytes) -> httpx2.Response:
        """Send a request; without what a client does besides, which takes as long as a connection."""
        url = self._urls.get(path)
        if url is None:
            url = httpx2.URL(urlunsplit(self._base._replace(path=self._base.path + path)))
            self._urls[path] = url
        seconds = {"timeout": self._timeouts.as_dict()}
        request = httpx2.Request(
            "POST", url, content=content, headers=self._headers, extensions=seconds
        )
        client, wires = self._connections()
        if wires is None:
            return await client.send(request, stream=True)
        return await wires.handle_async_request(request)

    def _connections(self) -> tuple[httpx2.AsyncClient, httpx2.AsyncBaseTransport | None]:
        """Return this event loop's."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            wires = upstream_wire.transport()
            client = httpx2.AsyncClient(
                timeout=self._timeouts,
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
                follow_redirects=False,
                transport=wires,
            )
            found = self._clients[loop] = client, wires
        return found

    async def _read_failure(self, response: httpx2.Response) -> Failure:
        status = response.status_code
        try:
            body = await _read_up_to(response, MOST_ERROR_BYTES)
        except httpx2.HTTPError:
            body = b""
        failure = read_failure(status, body, self._secrets)
        if status < 400:
            failure.message = f"The upstream answered with status {status}, which is no answer."
        failure.may_pass = not failure.has_no_quota and (status in (408, 409, 429) or status >= 500)
        failure.retry_after = _retry_after(response.headers)
        return failure

    def _unheard(self, exc: httpx2.HTTPError) -> Exception:
        """Say why nothing was heard, without the words of the library: they may quote a header."""
        if isinstance(exc, _LOST):
            return _Lost("The upstream cannot be reached, or closed the connection.")
        if isinstance(exc, httpx2.ReadTimeout):
            words = f"The upstream sent nothing for {self._timeout:g} seconds."
        else:
            words = f"The upstream could not be asked: {type(exc).__name__}."
        return ModelError("server_error", words)


class _Lost(Exception):
    """There was no connection, or it broke before anything was heard."""


def _base_of(url: str) -> SplitResult:
    refusal = ValueError("the upstream must be a URL that begins with http:// or https://")
    try:
        parts = urlsplit(url.strip())
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise refusal from None
    if not port_is_one or parts.scheme not in ("http", "https") or not parts.hostname:
        raise refusal
    if "@" in parts.netloc:
        raise ValueError("the upstream's URL may have no user name and no password in it")
    path = parts.path.rstrip("/") or "/v1"
    return parts._replace(path=path, fragment="")


def _header_value(name: str, value: str) -> str:
    """Return the value to be sent for a header, if it is one."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("the name of an upstream's header is not one that HTTP has")
    if value.startswith("env:"):
        variable = value.removeprefix("env:")
        if variable not in os.environ:
            raise ValueError(f"the upstream's header {name}: there is no variable {variable}")
        value = os.environ[variable]
    value = value.strip()
    _check_header(f"the upstream's header {name}", value)
    return value


def _check_header(what: str, value: str) -> None:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{what} has characters that HTTP does not take")


def _has_no_such_path(failure: Failure) -> bool:
    return failure.status in (404, 405, 501) and failure.code != "model_not_found"


def _named(failure: Failure, optional: Mapping[str, bool], body: Json) -> set[str]:
    """Return the fields of a request that its refusal names, of those that may be left out."""
    if failure.status not in (400, 422):
        return set()
    sent = set(body)
    if any({**tool, **tool.get("function", {})}.get("strict") for tool in body.get("tools", ())):
        sent.add("strict")
    return {
        field
        for field, quoted in optional.items()
        if field in sent and failure.names(field, quoted=quoted)
    }


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the upstream asks to be left alone, if it is not for too long."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = max(0.0, seconds)
    return seconds if 0 <= seconds <= LONGEST_PAUSE else None


def _parts_of(frames: Iterable[bytes], reader: AnswerReader) -> Iterator[Part]:
    for frame in frames:
        event = read_frame(frame)
        if event is not None and not reader.over:
            yield from reader.feed(event[0] or "", event[1])


def _taken(parts: Iterator[Part]) -> tuple[list[Part], Exception | None]:
    """Return the parts, and what was raised behind them."""
    taken: list[Part] = []
    try:
        taken.extend(parts)
    except (Failure, ModelError, OpenAIError) as exc:
        return taken, exc
    return taken, None


async def _read_up_to(response: httpx2.Response, size: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= size:
            break
    return bytes(body[:size])


async def _finish(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of a body whose content is all there, so that its connection can be used again."""

    async def read() -> None:
        async for _ in chunks:
            pass

    with contextlib.suppress(asyncio.TimeoutError, httpx2.HTTPError):
        await asyncio.wait_for(read(), 0.1)
