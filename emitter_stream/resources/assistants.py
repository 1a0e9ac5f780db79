"""``client.beta.assistants``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import Assistant, AssistantDeleted
from ._api import Resource, parted
from ._page import CursorPage
from ._params import AssistantCreateParams, AssistantUpdateParams, CallOptions, ListParams
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Assistants"]


class Assistants(Resource):
    """Models with instructions and tools."""

    def create(self, **params: Unpack[AssistantCreateParams]) -> Assistant:
        """Create an assistant (Node: ``assistants.create``).

        ``tools`` are dicts such as ``{"type": "code_interpreter"}``.
        """
        body, extras = parted(params)
        return self._api.fetch(Assistant, "POST", "/assistants", body=body, extras=extras)

    def retrieve(self, assistant_id: str, **options: Unpack[CallOptions]) -> Assistant:
        """Get an assistant by its id; a ``NotFoundError`` if there is none."""
        path = url_path("/assistants/{}", assistant_id)
        return self._api.fetch(Assistant, "GET", path, extras=parted(options)[1])

    def update(self, assistant_id: str, **params: Unpack[AssistantUpdateParams]) -> Assistant:
        """Change what is given of an assistant; the rest stays. ``None`` clears a field."""
        path = url_path("/assistants/{}", assistant_id)
        body, extras = parted(params)
        return self._api.fetch(Assistant, "POST", path, body=body, extras=extras)

    def list(self, **params: Unpack[ListParams]) -> CursorPage[Assistant]:
        """List the assistants, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        query, extras = parted(params)
        return self._api.fetch_page(Assistant, "/assistants", query=query, extras=extras)

    def delete(self, assistant_id: str, **options: Unpack[CallOptions]) -> AssistantDeleted:
        """Delete an assistant; its threads and their messages stay."""
        path = url_path("/assistants/{}", assistant_id)
        return self._api.fetch(AssistantDeleted, "DELETE", path, extras=parted(options)[1])
