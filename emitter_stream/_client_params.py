"""The settings that every client takes, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ._not_given import NotGiven
    from .http.transport import Session, Timeout

__all__ = ["ClientParams"]


class ClientParams(TypedDict, total=False):
    """What ``OpenAI`` takes besides the address and the key; ``None`` leaves the default."""

    organization: str | None
    project: str | None
    timeout: Timeout | NotGiven
    max_retries: int | None
    default_headers: Mapping[str, str | None] | None
    default_query: Mapping[str, object] | None
    max_event_bytes: int | None
    session: Session | None
