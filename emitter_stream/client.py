"""The client: who is asking, where, and with which settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from ._names import PythonNames, check_settings
from ._not_given import NOT_GIVEN, NotGiven
from .exceptions import OpenAIError
from .http.secrets import Secret, hidden, hide_headers
from .http.transport import (
    DEFAULT_TIMEOUT,
    Session,
    Timeout,
    TokenProvider,
    Transport,
    checked_headers,
    checked_key,
)
from .resources import Api, Beta, Chat, Files, Models, Responses, Uploads, VectorStores
from .resources._body import merge_headers
from .sse import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_MAX_RETRIES",
    "BaseClient",
    "OpenAI",
    "environment_variable",
]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DEFAULT_MAX_RETRIES = 2
VERSION = __version__ = "0.1.0"
"""That of ``setup.cfg``. To ask the installation for it takes as long as 1,000 deltas."""


class BaseClient(PythonNames):
    """The settings of a client, and how its copies come by theirs."""

    _api: Api
    _api_key: str
    _token_provider: TokenProvider | None
    _transport_class: ClassVar[type[Transport]] = Transport
    base_url: str = ""  # as long as there is none, for the repr of a client that is refused
    _elsewhere: ClassVar[Mapping[str, str]] = {
        "assistants": "beta.assistants",
        "threads": "beta.threads",
        "runs": "beta.threads.runs",
        "messages": "beta.threads.messages",
        "completions": "chat.completions",
        **dict.fromkeys(
            ["audio", "batches", "embeddings", "fine_tuning", "images", "moderations", "realtime"],
            "in the official package, whose client may be used beside this one",
        ),
    }

    if not TYPE_CHECKING:  # or any name would do for type checkers

        def __new__(cls, *args, **kwargs):
            """See that the settings are some: the ``TypeError`` has the nearest name."""
            names = list(kwargs)
            del args, kwargs  # a traceback may show this method's variables
            check_settings(cls.__init__, names)
            return super().__new__(cls)

    def __init__(
        self,
        api_key: str | TokenProvider | None = None,
        *,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        max_retries: int = DEFAULT_MAX_RETRIES,
        default_headers: Mapping[str, str | None] | None = None,
        default_query: Mapping[str, object] | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        session: Session | None = None,
    ) -> None:
        # Each secret is hidden first of all: a traceback may show this method's variables.
        api_key = hidden(environment_variable("OPENAI_API_KEY") if api_key is None else api_key)
        base_url = _hidden_url(_text(base_url) or environment_variable("OPENAI_BASE_URL"))
        default_headers = hide_headers(default_headers)
        self._take_key(api_key)
        self.organization = organization or environment_variable("OPENAI_ORG_ID")
        self.project = project or environment_variable("OPENAI_PROJECT_ID")
        self.base_url = _checked_url(base_url)
        self.timeout: Timeout = DEFAULT_TIMEOUT if isinstance(timeout, NotGiven) else timeout
        self.max_retries = _checked_retries(max_retries)
        self.max_event_bytes = max_event_bytes
        self._session = _checked_session(session)
        self._headers = merge_headers(checked_headers(default_headers))
        self._query = dict(default_query or {})
        self._connect(self._transport())

    @property
    def api_key(self) -> str:
        """The key, which no ``repr`` shows; empty where a function gives it."""
        return self._api_key

    @api_key.setter
    def api_key(self, key: str | TokenProvider) -> None: ...  # for type checkers: see __setattr__

    def _take_key(self, api_key: str | TokenProvider | None) -> None:
        self._token_provider = api_key if callable(api_key) else None
        self._api_key = "" if callable(api_key) else _checked_key(api_key)

    def _transport(self) -> Transport:
        headers = {
            **self._credentials(),
            "User-Agent": f"emitter_stream/{VERSION}",
        }
        if self.organization:
            headers["OpenAI-Organization"] = self.organization
        if self.project:
            headers["OpenAI-Project"] = self.project
        transport = self._transport_class(
            base_url=self.base_url,
            headers=headers,
            timeout=self.timeout,
            max_retries=self.max_retries,
            max_event_bytes=self.max_event_bytes,
            session=self._session,
        )
        transport.token_provider = self._token_provider
        return transport

    def _credentials(self) -> Mapping[str, str]:
        """Return the headers that say who asks; none where a function gives the key."""
        return {"Authorization": Secret(f"Bearer {self._api_key}")} if self._api_key else {}

    def _connect(self, transport: Transport) -> None:
        """Begin to use a transport: here is where ``beta`` is made."""
        self._api = Api(
            transport,
            headers=self._headers,
            query=self._query,
            timeout=self.timeout,
            max_retries=self.max_retries,
            is_hosted=self.base_url == DEFAULT_BASE_URL,
        )

    def copy(
        self,
        *,
        api_key: str | TokenProvider | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        max_retries: int | None = None,
        default_headers: Mapping[str, str | None] | None = None,
        default_query: Mapping[str, object] | None = None,
        max_event_bytes: int | None = None,
        session: Session | None = None,
    ) -> Self:
        """Return a client with the same settings but for those given.

        ``default_headers`` and ``default_query`` are added to those there are. As long as only
        these, ``timeout`` and ``max_retries`` change, both clients share their connections, and
        closing one closes the other.
        """
        api_key, base_url = hidden(api_key), _hidden_url(_text(base_url))
        default_headers = hide_headers(default_headers)
        settles = (api_key, organization, project, base_url, max_event_bytes, session)
        shares = all(setting is None for setting in settles)
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        changes = {
            "organization": organization,
            "project": project,
            "base_url": None if base_url is None else _checked_url(base_url),
            "max_retries": None if max_retries is None else _checked_retries(max_retries),
            "max_event_bytes": max_event_bytes,
            "_session": _checked_session(session),
        }
        other.__dict__.update((name, new) for name, new in changes.items() if new is not None)
        if api_key is not None:
            other._take_key(api_key)
        if not isinstance(timeout, NotGiven):
            other.__dict__["timeout"] = timeout
        other._headers = merge_headers(self._headers, checked_headers(default_headers))
        other._query = {**self._query, **(default_query or {})}
        other._connect(self._api.transport if shares else other._transport())
        return other

    with_options = copy

    def __setattr__(self, name: str, value: Any) -> None:
        # As with the official SDKs' clients: the next request goes by what is set. One that was
        # given away with `with_options` keeps its own.
        if name in _SETTINGS and "_api" in self.__dict__:
            self.__dict__.update(self.copy(**{name: value}).__dict__)
        else:
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={_without_password(self.base_url)!r})"


_SETTINGS = frozenset(("api_key", "base_url", "max_retries", "organization", "project", "timeout"))


class OpenAI(BaseClient):
    """A client: ``responses``, ``chat``, ``models``; ``beta`` has Assistants.

    Every argument but ``api_key`` is by keyword. What is left out comes from the environment:

    - ``api_key``: ``OPENAI_API_KEY``; without either, an ``OpenAIError``. It may be a function that
      returns the key: it is called on the thread that sends a request, each time one is sent
    - ``organization``, ``project``: ``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``
    - ``base_url``: ``OPENAI_BASE_URL``, or OpenAI's own address

    ``timeout`` is the longest wait for a connection and between two reads, in seconds: a number,
    a ``(connect, read)`` pair or ``None`` for ever; 600 by default. ``max_retries`` is how often a
    request is sent again that failed in passing. ``default_headers`` and ``default_query`` go
    with each request; a header given as ``None`` is not sent. ``max_event_bytes`` is how large one
    event of a stream may be, or an answer that is no stream, after decompression (64 MiB).

    ``session`` is a ``requests.Session`` whose ``verify``, ``cert``, ``proxies``, ``trust_env``,
    ``headers``, ``params``, ``hooks``, ``auth`` and adapters count, and whose cookies are sent. It
    is neither changed nor closed, and no cookie is put into it. Its ``auth`` may replace the
    ``Authorization`` header. A request that goes by an adapter of another kind than requests' own
    ``HTTPAdapter`` may be aborted from its headers on only.

    It can be used from several threads. ``with`` or ``close()`` closes its connections.
    """

    def _connect(self, transport: Transport) -> None:
        super()._connect(transport)
        self.beta = Beta(self._api)
        self.chat = Chat(self._api)
        self.files = Files(self._api)
        self.models = Models(self._api)
        self.responses = Responses(self._api)
        self.uploads = Uploads(self._api)
        self.vector_stores = VectorStores(self._api)

    def close(self) -> None:
        """Close the connections. Streams that are under way are not ended."""
        self._api.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def environment_variable(name: str) -> str | None:
    """Return an environment variable; one that is set to nothing counts as not set."""
    return os.environ.get(name, "").strip() or None


def _checked_key(api_key: Any) -> str:
    if not api_key:
        raise OpenAIError(
            "There is no API key: pass api_key= to OpenAI() or set the environment variable "
            "OPENAI_API_KEY. (A server that asks for none takes any.)"
        )
    if not isinstance(api_key, str):
        raise TypeError(
            f"api_key must be a str or a function that returns one, not {_type_name(api_key)}"
        )
    return checked_key(api_key)


def _type_name(value: object) -> str:
    return "bytes" if isinstance(value, bytes) else type(value).__name__


def _checked_retries(max_retries: int) -> int:
    if not isinstance(max_retries, int) or max_retries < 0:
        raise ValueError(f"max_retries must be a number from 0 on, not {max_retries!r}")
    return max_retries


def _checked_url(url: str | None) -> str:
    if url is None:
        return DEFAULT_BASE_URL
    if not re.match(r"https?://[^/?#\s]+[^?#\s]*\Z", url, re.IGNORECASE) or not _has_port(url):
        raise OpenAIError(
            f"base_url must be like {DEFAULT_BASE_URL}, not {_without_password(url)!r}"
        )
    checked: str = _hidden_url(url.rstrip("/"))
    return checked


def _has_port(url: str) -> bool:
    """Return whether the port is a number, if there is one, and no piece of a password."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _text(url: object) -> str | None:
    """Return an address as text: it may be an ``httpx.URL``, as in the official SDK."""
    return None if url is None else str(url)


def _hidden_url(url: str | None) -> Any:
    """Return an address as a secret if there may be a password in it."""
    return hidden(url) if isinstance(url, str) and "@" in url else url


def _without_password(url: str) -> str:
    return re.sub(r"\A([^/@]*//)?.*@", r"\1***@", url)


def _checked_session(session: Session | None) -> Session | None:
    if session is not None and not isinstance(session, Session):
        raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
    return session
