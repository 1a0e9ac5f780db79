"""``client.beta.threads.runs.steps``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._not_given import NOT_GIVEN, NotGiven
from ..types import RunStep, RunStepInclude
from ._api import Resource, parted
from ._page import CursorPage
from ._params import CallOptions, StepListParams
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
        **options: Unpack[CallOptions],
    ) -> RunStep:
        """Get a step by its id; a ``NotFoundError`` if there is none.

        ``include`` asks for what is left out otherwise: the contents of file search results.
        """
        path = url_path("/threads/{}/runs/{}/steps/{}", thread_id, run_id, step_id)
        query, extras = {"include": include}, parted(options)[1]
        return self._api.fetch(RunStep, "GET", path, query=query, extras=extras)

    def list(
        self, run_id: str, *, thread_id: str, **params: Unpack[StepListParams]
    ) -> CursorPage[RunStep]:
        """List the steps of a run, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one. ``include`` as for ``retrieve``.
        """
        path = url_path("/threads/{}/runs/{}/steps", thread_id, run_id)
        query, extras = parted(params)
        return self._api.fetch_page(RunStep, path, query=query, extras=extras)
