"""What a request brings: its JSON body, and the parameters of a list."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from ..store.objects import Json
from ..store.records import Page, listed
from . import bodies
from .errors import ApiError, bad_request, shorten

MAX_BODY = 16 * 1024 * 1024
# Far below what any interpreter can take in a body, in storing it and in answering with it.
MAX_DEPTH = 100
BEYOND_ALL = 2**31 - 2  # events, of any run; and what comes behind it is a number to each database
# None at all, and what curl and urllib say of a body if nobody tells them, are taken too.
_IS_JSON = re.compile(
    r"\s*($|(application/([\w.-]+\+)?json|application/x-www-form-urlencoded)\s*($|;))",
    re.IGNORECASE,
)


def read_page(request: Request, order: str = "desc", *, limit: int = 20, most: int = 100) -> Page:
    """Read the list parameters, `order` if none is given; `ApiError` 400 for what makes no sense."""
    query = request.query_params
    raw = query.get("limit", str(limit))
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
    limit = bodies.checked_limit(limit, most)
    order = bodies.checked_order(query.get("order", order))
    return Page(limit, order, query.get("after") or None, query.get("before") or None)


def read_after(request: Request) -> int:
    """Read the number of the last event that a client has; `ApiError` 400 for what is none."""
    name, raw = "Last-Event-ID", request.headers.get("last-event-id", "")
    if not raw:
        name, raw = "after", request.query_params.get("after") or "0"
    if not (raw.isascii() and raw.isdecimal() and len(raw) < 16):
        raise bad_request(
            f"Invalid type for '{name}': expected the number of an event, but got "
            f"'{shorten(raw)}' instead.",
            name,
            "invalid_type",
        )
    return min(int(raw), BEYOND_ALL)


def cut_page(items: list[Json], page: Page) -> Json:
    """Return one page of `items`, which are oldest first, as the API's list object."""
    if page.order == "desc":
        items = items[::-1]
    start = 0
    if page.after is not None:
        found = [n for n, item in enumerate(items) if item["id"] == page.after]
        if not found:
            raise bad_request(
                f"Invalid 'after': nothing found with id '{shorten(page.after)}'.",
                "after",
                "invalid_value",
            )
        start = found[0] + 1
    end = start + page.limit
    return listed(items[start:end], has_more=len(items) > end)


async def read_body(request: Request, shape: type[bodies.Body]) -> Json:
    """Read a JSON body of the given shape; an empty body counts as an empty object."""
    kind = request.headers.get("content-type", "")
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_BODY:
                raise ApiError(413, f"The request body is larger than {MAX_BODY} bytes.")
    except ClientDisconnect:
        raise bad_request("The client went away before the body was complete.") from None
    if not raw.strip():
        return bodies.checked(shape, {})
    if not _IS_JSON.match(kind):
        given = shorten(kind)
        raise bad_request(
            f"Unsupported content type: '{given}'. This API method only accepts 'application/json' "
            f"requests, but you specified the header 'Content-Type: {given}'. Please try again with "
            f"a supported content type.",
            code="unsupported_content_type",
        )
    return bodies.checked(shape, parse_json(bytes(raw)))


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
