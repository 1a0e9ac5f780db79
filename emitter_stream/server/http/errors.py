"""The errors a client can see, in the API's form."""

from __future__ import annotations

import json
from typing import Any


class ApiError(Exception):
    """A refusal: an HTTP status and the body `{"error": {message, type, param, code}}`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.type = type

    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def json(self) -> bytes:
        """Return the body for an answer that goes out without Starlette."""
        return json.dumps(self.body(), separators=(",", ":")).encode()


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def not_found(kind: str, object_id: str) -> ApiError:
    if kind == "file":
        return ApiError(404, f"No such File object: {shorten(object_id)}", param="id")
    return ApiError(404, f"No {kind} found with id '{shorten(object_id)}'.")


def storage_failed(full: bool) -> ApiError:
    """Return what a client hears while the database fails."""
    room = "its disk is full" if full else "it cannot be read or written"
    message = f"The server's database cannot be used at the moment: {room}."
    return ApiError(503, message, code="storage_unavailable", type="server_error")


def shorten(text: str, limit: int = 100) -> str:
    """Cut a caller's own text to a length that is safe to send back in a message."""
    return text if len(text) <= limit else text[:limit] + "..."
