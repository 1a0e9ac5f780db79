"""``client.beta.threads.runs.steps``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from .._not_given import NOT_GIVEN, NotGiven
from ..types import RunStep, RunStepInclude
from ._api import Extras, Resource
from ._page import CursorPage
from ._path import url_path

if TYPE_CHECKING:
    from ..http.transport import Timeout

__all__ = ["Steps"]


class Steps(Resource):
    """The steps of runs."""

    def retrieve(
        self,
        step_id: str,
        *,
        thread_id: str,
        run_id: str,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> RunStep:
        """Get a step by its id; a ``NotFoundError`` if there is none.

        ``include`` asks for what is left out otherwise: the contents of file search results.
        """
        return self._api.fetch(
            RunStep,
            "GET",
            url_path("/threads/{}/runs/{}/steps/{}", thread_id, run_id, step_id),
            query={"include": include},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def list(
        self,
        run_id: str,
        *,
        thread_id: str,
        after: str | NotGiven = NOT_GIVEN,
        before: str | NotGiven = NOT_GIVEN,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> CursorPage[RunStep]:
        """List the steps of a run, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one. ``include`` as for ``retrieve``.
        """
        return self._api.fetch_page(
            RunStep,
            url_path("/threads/{}/runs/{}/steps", thread_id, run_id),
            query={
                "after": after,
                "before": before,
                "include": include,
                "limit": limit,
                "order": order,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )
