"""What the server does with files: keeps them, reads them into vector stores, finds chunks."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..http.errors import bad_request
from ..search.embeddings import closeness, fused
from ..search.filters import fits
from ..search.sqlite import SqliteWords
from ..search.words import WordSearch, find_by_words
from ..store import objects
from ..store.files import FileRecords, shown_upload
from ..store.objects import Json
from ..store.records import Records
from ..store.store import StorageFailed
from ..store.vectors import Found, StoreRecords
from .folder import Bytes, Writer
from .ingest import Embedder, Ingester
from .reading import Reader

T = TypeVar("T")

MAX_FILE = 512 * 1024 * 1024  # bytes
MAX_PART = 64 * 1024 * 1024
SPARE = 4  # chunks that are looked at for each that is asked for
CANDIDATES = 200  # chunks found by their words, where their meaning counts too
EXPIRE_EVERY = 60.0  # seconds
LEFT_AFTER = 3600.0  # seconds after which nobody goes on with bytes that have no row
SWEEP_ROUNDS = 30  # between two looks for these, where other servers may have left them


@dataclass(frozen=True)
class Hit:
    """A chunk that was found, with its score of 0 to 1."""

    found: Found
    score: float


class Desk:
    """Files and vector stores; all methods belong on the event loop.

    `transact` runs work in a transaction. `is_alone`: no other process has the database.
    """

    def __init__(
        self,
        transact: Callable[..., Awaitable[Any]],
        stored: Bytes,
        *,
        words: WordSearch | None = None,
        embedder: Embedder | None = None,
        is_alone: bool = True,
    ) -> None:
        self.stored = stored
        self.embedder = embedder
        self._transact = transact
        self._words: WordSearch = words or SqliteWords()
        self._is_alone = is_alone
        self.ingester = Ingester(transact, Reader(stored), embedder)
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what a server that was killed has left."""
        if self._is_alone:
            await self._drop_unknown(0)
            await self._transact(lambda s: StoreRecords(s).release_claims())
        self.ingester.start()
        self._sweeper = asyncio.create_task(self._sweep(), name="expire files")

    async def stop(self) -> None:
        await self.ingester.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def _sweep(self) -> None:
        rounds = 0
        while True:
            with contextlib.suppress(StorageFailed):  # logged by the database
                gone: list[str] = await self._transact(_drop_expired, frees=True)
                await self.stored.delete(*gone)
                if not self._is_alone and rounds % SWEEP_ROUNDS == 0:
                    await self._drop_unknown(LEFT_AFTER)
            rounds += 1
            await asyncio.sleep(EXPIRE_EVERY)

    async def _drop_unknown(self, age: float) -> None:
        """Remove bytes without a row. The names are asked for first: what comes later is younger."""
        names: set[str] = await self._transact(lambda s: FileRecords(s).names())
        await self.stored.sweep(names.__contains__, age)

    # files

    async def keep(self, writer: Writer, file_id: str, name: str, params: Json) -> Json:
        """Make a file of bytes that have come; if that fails they go again."""
        try:
            await writer.commit()
            size = writer.size
            body: Json = await self._transact(
                lambda s: FileRecords(s).add(
                    file_id, name, params["purpose"], size, params.get("expires_after")
                )
            )
        except BaseException:
            await writer.discard()
            raise
        return body

    async def write(self, name: str, purpose: str, data: bytes) -> Json:
        """Make a file of the server's own."""
        file_id = new_file_id()
        writer = self.stored.writer(file_id)
        await writer.write(data)
        return await self.keep(writer, file_id, name, {"purpose": purpose})

    async def delete(self, file_id: str) -> Json:
        body: Json = await self._transact(lambda s: FileRecords(s).delete(file_id), frees=True)
        await self.stored.delete(file_id)
        return body

    async def content(self, file_id: str) -> tuple[Json, AsyncIterator[bytes]]:
        file: Json = await self._transact(lambda s: FileRecords(s).find(file_id).body)
        return file, self.stored.read(file_id)

    # uploads

    async def keep_part(self, writer: Writer, upload_id: str, part_id: str) -> Json:
        try:
            await writer.commit()
            size = writer.size
            body: Json = await self._transact(
                lambda s: FileRecords(s).add_part(upload_id, part_id, size)
            )
        except BaseException:
            await writer.discard()
            raise
        return body

    async def complete(self, upload_id: str, part_ids: Sequence[str], md5: str | None) -> Json:
        """Put the parts of an upload together."""
        await self._transact(lambda s: FileRecords(s).check_parts(upload_id, part_ids) and None)
        file_id = new_file_id()
        writer = self.stored.writer(file_id)
        try:
            for part_id in part_ids:
                async for data in self.stored.read(part_id):
                    await writer.write(data)
            await writer.commit()
            if md5 is not None and writer.md5.hexdigest() != md5.lower():
                raise bad_request(
                    "The MD5 of the parts is not the one that was given.", "md5", "invalid_value"
                )
            upload, file = await self._transact(
                lambda s: FileRecords(s).complete(upload_id, part_ids, file_id)
            )
        except BaseException:
            await writer.discard()
            raise
        await self.stored.delete(*part_ids)
        whole: Json = {**shown_upload(upload), "file": file}
        return whole

    async def cancel_upload(self, upload_id: str) -> Json:
        body: Json
        body, gone = await self._transact(lambda s: FileRecords(s).cancel(upload_id), frees=True)
        await self.stored.delete(*gone)
        return body

    # searching

    async def search(
        self,
        store_ids: Sequence[str],
        queries: Sequence[str],
        *,
        most: int,
        threshold: float = 0.0,
        filters: Json | None = None,
    ) -> list[Hit]:
        """Return the best chunks for any of the queries, best first."""
        if self.embedder is not None:
            return await self._search_both(store_ids, queries, most, threshold, filters)

        def work(records: Records) -> list[Hit]:
            scores, _ = self._by_words(records, store_ids, queries, SPARE * most, filters)
            return best(StoreRecords(records), scores, most, threshold)

        hits: list[Hit] = await self._transact(work)
        return hits

    def _by_words(
        self,
        records: Records,
        store_ids: Sequence[str],
        queries: Sequence[str],
        most: int,
        filters: Json | None,
    ) -> tuple[dict[int, float], frozenset[int] | None]:
        """Return the scores of chunks that have words of a query; and which the filters let be found."""
        stores = StoreRecords(records)
        for store_id in store_ids:
            stores.live(store_id)
        total = stores.count_chunks(store_ids)
        allowed = None
        if filters is not None:
            allowed = stores.chunks_of(store_ids, lambda given: fits(filters, given))
        scores: dict[int, float] = {}
        texts = stores.texts
        for query in queries:
            session = records.session
            found = find_by_words(
                self._words, session, store_ids, query, total, texts, most, allowed
            )
            for seq, score in found.items():
                scores[seq] = max(score, scores.get(seq, 0.0))
        return scores, allowed

    async def _search_both(
        self,
        store_ids: Sequence[str],
        queries: Sequence[str],
        most: int,
        threshold: float,
        filters: Json | None,
    ) -> list[Hit]:
        """Search by words and by meaning; the vectors are compared beside the event loop."""
        assert self.embedder is not None
        # A store that is not there, or another's, is no reason to ask anybody.
        await self._transact(lambda s: [StoreRecords(s).live(one) for one in store_ids] and None)
        asked = await self.embedder.embed(queries)

        def work(records: Records) -> tuple[dict[int, float], list[tuple[int, bytes]]]:
            words, allowed = self._by_words(records, store_ids, queries, CANDIDATES, filters)
            return words, StoreRecords(records).vectors(store_ids, allowed)

        words, vectors = await self._transact(work)
        meaning = await self.stored.call(lambda: closeness(asked, vectors))
        scores = fused(words, meaning)
        hits: list[Hit] = await self._transact(
            lambda s: best(StoreRecords(s), scores, most, threshold)
        )
        return hits


def best(stores: StoreRecords, scores: dict[int, float], most: int, threshold: float) -> list[Hit]:
    """Return the chunks with the best scores that can be found; each text of a file once."""
    # A few more than asked for: some may be of files that are still being read.
    wanted = heapq.nsmallest(SPARE * most, scores, key=lambda seq: (-scores[seq], seq))
    chunks = stores.look_up(wanted)
    hits: list[Hit] = []
    for seq in wanted:
        score = round(min(scores[seq], 1.0), 6)
        if seq in chunks and score >= threshold and len(hits) < most:
            hits.append(Hit(chunks[seq], score))
    return hits


def new_file_id() -> str:
    return objects.new_id("file").replace("_", "-")


def _drop_expired(records: Records) -> list[str]:
    StoreRecords(records).drop_expired()
    return FileRecords(records).drop_expired()
