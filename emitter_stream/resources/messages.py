"""``client.beta.threads.messages``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from .._not_given import NOT_GIVEN, NotGiven
from ..types import Message, MessageDeleted
from ..types.params import AttachmentParam, MessageContentPartParam, Metadata
from ._api import Extras, Resource
from ._page import CursorPage
from ._path import url_path

if TYPE_CHECKING:
    from ..http.transport import Timeout

__all__ = ["Messages"]


class Messages(Resource):
    """The messages of threads."""

    def create(
        self,
        thread_id: str,
        *,
        role: Literal["user", "assistant"],
        content: str | Iterable[MessageContentPartParam],
        attachments: Iterable[AttachmentParam] | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Message:
        """Add a message to a thread (Node: ``messages.create``).

        ``content`` is a text or blocks such as ``{"type": "text", "text": "..."}``.
        """
        return self._api.fetch(
            Message,
            "POST",
            url_path("/threads/{}/messages", thread_id),
            body={
                "role": role,
                "content": content,
                "attachments": attachments,
                "metadata": metadata,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def retrieve(
        self,
        message_id: str,
        *,
        thread_id: str,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Message:
        """Get a message by its id; a ``NotFoundError`` if there is none."""
        return self._api.fetch(
            Message,
            "GET",
            url_path("/threads/{}/messages/{}", thread_id, message_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def update(
        self,
        message_id: str,
        *,
        thread_id: str,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Message:
        """Change the metadata of a message."""
        return self._api.fetch(
            Message,
            "POST",
            url_path("/threads/{}/messages/{}", thread_id, message_id),
            body={"metadata": metadata},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def list(
        self,
        thread_id: str,
        *,
        after: str | NotGiven = NOT_GIVEN,
        before: str | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        run_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> CursorPage[Message]:
        """List the messages of a thread, newest first by default; of one run with ``run_id``.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        return self._api.fetch_page(
            Message,
            url_path("/threads/{}/messages", thread_id),
            query={
                "after": after,
                "before": before,
                "limit": limit,
                "order": order,
                "run_id": run_id,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def delete(
        self,
        message_id: str,
        *,
        thread_id: str,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> MessageDeleted:
        """Delete a message."""
        return self._api.fetch(
            MessageDeleted,
            "DELETE",
            url_path("/threads/{}/messages/{}", thread_id, message_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )
