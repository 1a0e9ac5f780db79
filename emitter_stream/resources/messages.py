"""``client.beta.threads.messages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._not_given import NOT_GIVEN, NotGiven
from ..types import Message, MessageDeleted
from ..types.params import Metadata
from ._api import Resource, parted
from ._page import CursorPage
from ._params import CallOptions, MessageCreateParams, MessageListParams
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Messages"]


class Messages(Resource):
    """The messages of threads."""

    def create(self, thread_id: str, **params: Unpack[MessageCreateParams]) -> Message:
        """Add a message to a thread (Node: ``messages.create``).

        ``content`` is a text or blocks such as ``{"type": "text", "text": "..."}``.
        """
        path = url_path("/threads/{}/messages", thread_id)
        body, extras = parted(params)
        return self._api.fetch(Message, "POST", path, body=body, extras=extras)

    def retrieve(
        self, message_id: str, *, thread_id: str, **options: Unpack[CallOptions]
    ) -> Message:
        """Get a message by its id; a ``NotFoundError`` if there is none."""
        path = url_path("/threads/{}/messages/{}", thread_id, message_id)
        return self._api.fetch(Message, "GET", path, extras=parted(options)[1])

    def update(
        self,
        message_id: str,
        *,
        thread_id: str,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        **options: Unpack[CallOptions],
    ) -> Message:
        """Change the metadata of a message."""
        path = url_path("/threads/{}/messages/{}", thread_id, message_id)
        body, extras = {"metadata": metadata}, parted(options)[1]
        return self._api.fetch(Message, "POST", path, body=body, extras=extras)

    def list(self, thread_id: str, **params: Unpack[MessageListParams]) -> CursorPage[Message]:
        """List the messages of a thread, newest first by default; of one run with ``run_id``.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        path = url_path("/threads/{}/messages", thread_id)
        query, extras = parted(params)
        return self._api.fetch_page(Message, path, query=query, extras=extras)

    def delete(
        self, message_id: str, *, thread_id: str, **options: Unpack[CallOptions]
    ) -> MessageDeleted:
        """Delete a message."""
        path = url_path("/threads/{}/messages/{}", thread_id, message_id)
        return self._api.fetch(MessageDeleted, "DELETE", path, extras=parted(options)[1])
