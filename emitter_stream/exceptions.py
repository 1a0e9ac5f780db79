"""Every error and warning of the library::

    OpenAIError                          anything that went wrong; a listener that raised is its __cause__
    |-- LengthFinishReasonError          an answer that was to be parsed was cut off at its limit
    |-- ContentFilterFinishReasonError   or by the content filter
    `-- APIError                         the server said so, or could not be reached
        |-- APIConnectionError           no connection, or it broke
        |   `-- APITimeoutError          no answer within the time allowed
        |-- APIUserAbortError            abort() was called
        `-- APIStatusError               an HTTP status of 4xx or 5xx (3xx: a redirect not followed)
            |-- BadRequestError          400
            |-- AuthenticationError      401
            |-- PermissionDeniedError    403
            |-- NotFoundError            404
            |-- ConflictError            409
            |-- UnprocessableEntityError 422
            |-- RateLimitError           429
            `-- InternalServerError      500 and above
    LateListenerWarning                  a listener came too late to be given all that it missed
    RecordingWarning                     a recording is not whole, or could not go on

The names are those of both official SDKs (Node's ``APIConnectionTimeoutError`` goes by its Python
name, ``APITimeoutError``). No error holds the request's headers, so none can show the API key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "APIUserAbortError",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "HTTPResponse",
    "InternalServerError",
    "LateListenerWarning",
    "LengthFinishReasonError",
    "NotFoundError",
    "OpenAIError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordingWarning",
    "UnprocessableEntityError",
    "as_openai_error",
    "described",
    "message_of",
    "redacted",
    "shown",
    "status_error",
]


class Headers(dict[str, str]):
    """The headers of an answer: a dict of lower-case names, in which any case finds them."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value, ``default`` if it did not come."""
        return super().get(name.lower(), default)


@attrs.frozen
class HTTPResponse:
    """What is kept of the HTTP response that an error came with.

    ``headers`` are the response's, with lower-case names, which any case finds; the request's are
    not kept.
    """

    status_code: int
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False, converter=Headers)
    text: str = attrs.field(repr=False)

    def json(self) -> Any:
        """Return the body as JSON; a ``ValueError`` if it is none."""
        return json.loads(self.text)


class OpenAIError(Exception):
    """The base of every error this library raises."""


class LengthFinishReasonError(OpenAIError):
    """An answer that was to be parsed, or a turn of ``run_tools``, ended at its limit of tokens.

    ``completion`` is what came.
    """

    def __init__(
        self,
        message: str = "The answer cannot be parsed: it ended at the limit of tokens.",
        *,
        completion: Any = None,
    ) -> None:
        super().__init__(message)
        self.completion = completion


class ContentFilterFinishReasonError(OpenAIError):
    """An answer that was to be parsed, or a turn of ``run_tools``, was ended by the content filter.

    ``completion`` is what came.
    """

    def __init__(
        self,
        message: str = "The answer cannot be parsed: the content filter has ended it.",
        *,
        completion: Any = None,
    ) -> None:
        super().__init__(message)
        self.completion = completion


class APIError(OpenAIError):
    """An error that the server sent, or that came of talking to it.

    Attributes: ``message``; ``body``, the decoded error body or ``None``; ``code``, ``param`` and
    ``type`` as the body has them; ``status_code``, ``response`` and ``request_id`` where an HTTP
    response came, ``None`` elsewhere.
    """

    def __init__(
        self,
        message: str,
        *,
        body: object = None,
        response: HTTPResponse | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.body = body
        self.response = response
        self.status_code: int | None = None if response is None else response.status_code
        if request_id is None and response is not None:
            request_id = response.headers.get("x-request-id")
        self.request_id = request_id
        fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
        self.code: str | None = _optional_str(fields.get("code"))
        self.param: str | None = _optional_str(fields.get("param"))
        self.type: str | None = _optional_str(fields.get("type"))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way back calls the class with args alone and would lose every keyword.
        return (type(self)._again, (self.message, self.body, self.response, self.request_id))

    @classmethod
    def _again(
        cls, message: str, body: object, response: HTTPResponse | None, request_id: str | None
    ) -> APIError:
        return cls(message, body=body, response=response, request_id=request_id)


class APIConnectionError(APIError):
    """The server could not be reached, or the connection broke before the answer was whole."""


class APITimeoutError(APIConnectionError):
    """The server did not answer, or a stream stood still, for longer than ``timeout=`` allows."""


class APIUserAbortError(APIError):
    """The stream was ended by ``abort()`` or by its signal.

    The reason that was given, if it is an exception, is the ``__cause__``.
    """

    def __init__(self, message: str = "Request was aborted.", **facts: Any) -> None:
        super().__init__(message, **facts)


class APIStatusError(APIError):
    """The server answered with an HTTP status that is not a success."""

    if TYPE_CHECKING:  # there is always one, as in the official SDK
        response: HTTPResponse
        status_code: int  # pyright: ignore[reportIncompatibleVariableOverride]


class BadRequestError(APIStatusError):
    """HTTP 400."""


class AuthenticationError(APIStatusError):
    """HTTP 401."""


class PermissionDeniedError(APIStatusError):
    """HTTP 403."""


class NotFoundError(APIStatusError):
    """HTTP 404."""


class ConflictError(APIStatusError):
    """HTTP 409."""


class UnprocessableEntityError(APIStatusError):
    """HTTP 422."""


class RateLimitError(APIStatusError):
    """HTTP 429."""


class InternalServerError(APIStatusError):
    """HTTP 500 and above."""


class LateListenerWarning(UserWarning):
    """A listener was attached after more had gone by than the stream keeps for late ones."""


class RecordingWarning(UserWarning):
    """A recording breaks off in the middle of a line, or one under way could not be written on."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error(status: int) -> type[APIStatusError]:
    """Return the error class of an HTTP status."""
    if status >= 500:
        return InternalServerError
    return _BY_STATUS.get(status, APIStatusError)


# What is somebody else's may raise anything where it is to be shown. None of that may take the place
# of what is to be said: a stream whose error cannot be told would never end.


def described(error: BaseException) -> str:
    """Return an exception's class and message, or the class alone if its ``__str__`` raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001
        return type(error).__name__


def message_of(error: BaseException) -> str:
    """Return an exception's message, or its class if it has none or its ``__str__`` raises."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # noqa: BLE001
        return type(error).__name__


def shown(value: object, limit: int | None = None) -> str:
    """Return ``repr(value)``, so many characters at most, or the class if its ``__repr__`` raises."""
    try:
        return repr(value)[:limit]
    except BaseException:  # noqa: BLE001
        return f"<{type(value).__name__}>"


def as_openai_error(error: BaseException) -> OpenAIError:
    """Return ``error``, or what a stream ends in because of it: an ``OpenAIError`` with its cause."""
    if isinstance(error, OpenAIError):
        return error
    wrapped = OpenAIError(f"The stream failed: {described(error)}")
    wrapped.__cause__ = error
    return wrapped


def redacted(error: OpenAIError, redact: Callable[[Any], Any]) -> OpenAIError:
    """Return an error that came of what a server sent, with ``redact`` done to all that it shows."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - see described()
        return error
    body = error.body if isinstance(error, APIError) else None
    if redact(message) == message and redact(body) == body:
        return error
    if isinstance(error, APIError):
        return type(error)(
            redact(message),
            body=redact(body),
            response=error.response,
            request_id=redact(error.request_id),
        )
    return OpenAIError(redact(message))


def _optional_str(value: object) -> str | None:
    return None if value is None else str(value)
