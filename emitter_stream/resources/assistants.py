"""``client.beta.assistants``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from .._not_given import NOT_GIVEN, NotGiven
from ..types import Assistant, AssistantDeleted
from ..types.params import (
    AssistantResponseFormatOptionParam,
    AssistantToolParam,
    Metadata,
    ReasoningEffort,
    ToolResourcesParam,
)
from ._api import Extras, Resource
from ._page import CursorPage
from ._path import url_path

if TYPE_CHECKING:
    from ..http.transport import Timeout

__all__ = ["Assistants"]


class Assistants(Resource):
    """Models with instructions and tools."""

    def create(
        self,
        *,
        model: str,
        description: str | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        name: str | NotGiven | None = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Assistant:
        """Create an assistant (Node: ``assistants.create``).

        ``tools`` are dicts such as ``{"type": "code_interpreter"}``.
        """
        return self._api.fetch(
            Assistant,
            "POST",
            "/assistants",
            body={
                "description": description,
                "instructions": instructions,
                "metadata": metadata,
                "model": model,
                "name": name,
                "reasoning_effort": reasoning_effort,
                "response_format": response_format,
                "temperature": temperature,
                "tool_resources": tool_resources,
                "tools": tools,
                "top_p": top_p,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def retrieve(
        self,
        assistant_id: str,
        *,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Assistant:
        """Get an assistant by its id; a ``NotFoundError`` if there is none."""
        return self._api.fetch(
            Assistant,
            "GET",
            url_path("/assistants/{}", assistant_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def update(
        self,
        assistant_id: str,
        *,
        description: str | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven = NOT_GIVEN,
        name: str | NotGiven | None = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Assistant:
        """Change what is given of an assistant; the rest stays. ``None`` clears a field."""
        return self._api.fetch(
            Assistant,
            "POST",
            url_path("/assistants/{}", assistant_id),
            body={
                "description": description,
                "instructions": instructions,
                "metadata": metadata,
                "model": model,
                "name": name,
                "reasoning_effort": reasoning_effort,
                "response_format": response_format,
                "temperature": temperature,
                "tool_resources": tool_resources,
                "tools": tools,
                "top_p": top_p,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def list(
        self,
        *,
        after: str | NotGiven = NOT_GIVEN,
        before: str | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> CursorPage[Assistant]:
        """List the assistants, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        return self._api.fetch_page(
            Assistant,
            "/assistants",
            query={"after": after, "before": before, "limit": limit, "order": order},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def delete(
        self,
        assistant_id: str,
        *,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> AssistantDeleted:
        """Delete an assistant; its threads and their messages stay."""
        return self._api.fetch(
            AssistantDeleted,
            "DELETE",
            url_path("/assistants/{}", assistant_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )
