"""`/v1/vector_stores`: stores, the files in them, batches, search."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..answers.hearing import refusal_of
from ..models.model import ModelError
from ..runs.runs import RunEngine
from ..store.objects import Json
from ..store.vectors import STATES, StoreRecords
from . import bodies, file_bodies
from .problems import unsupported
from .reading import read_body, read_page

logger = logging.getLogger("emitter_stream.server")

Handler = Callable[[Request], Awaitable[Response]]

POLL_AFTER = {"openai-poll-after-ms": "200"}
DEFAULT_RESULTS = 10


class VectorStoresApi:
    """The handlers of vector stores."""

    def __init__(self, engine: RunEngine) -> None:
        self.engine = engine
        self.desk = engine.desk

    async def create(self, request: Request) -> Response:
        params = await read_body(request, file_bodies.Store)
        return await self._answer(lambda s: s.create(params))

    async def list(self, request: Request) -> Response:
        page = read_page(request)
        return await self._answer(lambda s: s.page(page))

    async def get(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        return await self._answer(lambda s: s.get(store), POLL_AFTER)

    async def update(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        params = await read_body(request, file_bodies.StoreUpdate)
        return await self._answer(lambda s: s.update(store, params))

    async def delete(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        return await self._answer(lambda s: s.delete(store), frees=True)

    async def search(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        params = await read_body(request, file_bodies.Search)
        query = params["query"]
        queries = [query] if isinstance(query, str) else query
        ranking = params.get("ranking_options") or {}
        try:
            hits = await self.desk.search(
                [store],
                queries,
                most=params.get("max_num_results") or DEFAULT_RESULTS,
                threshold=ranking.get("score_threshold") or 0.0,
                filters=params.get("filters"),
            )
        except ModelError as exc:  # that of the embeddings; not its message, see `hearing`
            logger.warning("a search failed: the model says %s", exc.code)
            raise refusal_of(exc) from None
        data = [
            {
                "file_id": hit.found.file_id,
                "filename": hit.found.name,
                "score": hit.score,
                "attributes": hit.found.attributes,
                "content": [{"type": "text", "text": hit.found.text}],
            }
            for hit in hits
        ]
        return JSONResponse(
            {
                "object": "vector_store.search_results.page",
                "search_query": queries,
                "data": data,
                "has_more": False,
                "next_page": None,
            }
        )

    # files

    async def add_file(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        params = await read_body(request, file_bodies.StoreFile)
        return await self._answer(lambda s: s.add_file(store, params))

    async def list_files(self, request: Request) -> Response:
        store, page, status = request.path_params["store_id"], read_page(request), state(request)
        return await self._answer(lambda s: s.page_files(store, page, status))

    async def get_file(self, request: Request) -> Response:
        store, file = request.path_params["store_id"], request.path_params["file_id"]
        return await self._answer(lambda s: s.find_file(store, file).body, POLL_AFTER)

    async def update_file(self, request: Request) -> Response:
        store, file = request.path_params["store_id"], request.path_params["file_id"]
        params = await read_body(request, file_bodies.StoreFileUpdate)
        return await self._answer(lambda s: s.update_file(store, file, params["attributes"]))

    async def delete_file(self, request: Request) -> Response:
        store, file = request.path_params["store_id"], request.path_params["file_id"]
        return await self._answer(lambda s: s.delete_file(store, file), frees=True)

    async def file_content(self, request: Request) -> Response:
        store, file = request.path_params["store_id"], request.path_params["file_id"]

        def work(stores: StoreRecords) -> Json:
            return {
                "object": "vector_store.file_content.page",
                "data": [{"type": "text", "text": text} for text in stores.content(store, file)],
                "has_more": False,
                "next_page": None,
            }

        return await self._answer(work)

    # batches

    async def create_batch(self, request: Request) -> Response:
        store = request.path_params["store_id"]
        params = await read_body(request, file_bodies.Batch)
        return await self._answer(lambda s: s.create_batch(store, params))

    async def get_batch(self, request: Request) -> Response:
        store, batch = request.path_params["store_id"], request.path_params["batch_id"]
        return await self._answer(lambda s: s.get_batch(store, batch), POLL_AFTER)

    async def cancel_batch(self, request: Request) -> Response:
        store, batch = request.path_params["store_id"], request.path_params["batch_id"]
        await read_body(request, bodies.Empty)
        return await self._answer(lambda s: s.cancel_batch(store, batch))

    async def list_batch_files(self, request: Request) -> Response:
        store, batch = request.path_params["store_id"], request.path_params["batch_id"]
        page, status = read_page(request), state(request)
        return await self._answer(lambda s: s.page_files(store, page, status, batch))

    async def _answer(
        self,
        work: Callable[[StoreRecords], Json],
        headers: Mapping[str, str] | None = None,
        *,
        frees: bool = False,
    ) -> Response:
        body = await self.engine.transact(lambda s: work(StoreRecords(s)), frees=frees)
        return JSONResponse(body, headers=headers)

    def table(self) -> dict[str, dict[str, Handler]]:
        store = "/v1/vector_stores/{store_id}"
        file, batch = f"{store}/files/{{file_id}}", f"{store}/file_batches/{{batch_id}}"
        return {
            "/v1/vector_stores": {"GET": self.list, "POST": self.create},
            store: {"GET": self.get, "POST": self.update, "DELETE": self.delete},
            f"{store}/search": {"POST": self.search},
            f"{store}/files": {"GET": self.list_files, "POST": self.add_file},
            file: {"GET": self.get_file, "POST": self.update_file, "DELETE": self.delete_file},
            f"{file}/content": {"GET": self.file_content},
            f"{store}/file_batches": {"POST": self.create_batch},
            batch: {"GET": self.get_batch},
            f"{batch}/cancel": {"POST": self.cancel_batch},
            f"{batch}/files": {"GET": self.list_batch_files},
        }


def state(request: Request) -> str | None:
    """Return the state that the files of a list are to be in."""
    wanted = request.query_params.get("filter")
    if wanted is not None and wanted not in STATES:
        raise unsupported("filter", wanted, [f"'{name}'" for name in STATES])
    return wanted
