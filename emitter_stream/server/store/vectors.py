"""Vector stores, the files in them and their chunks, as one transaction sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from ..http.errors import bad_request
from . import objects
from .file_rows import BatchRow, ChunkRow, FileRow, StoreFileRow, StoreRow
from .files import FileRecords
from .objects import Json
from .records import Page, Records

DAY = 86_400
DEFAULT_CHUNKS = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
THREAD_STORE = {"anchor": "last_active_at", "days": 7}
CLAIM = 60  # seconds after which another process may read a file, unless the claim is renewed
STATES = ("in_progress", "completed", "failed", "cancelled")


@dataclass(frozen=True)
class Reading:
    """A file that is to be read into a store."""

    seq: int
    store_id: str
    file_id: str
    name: str
    size: int  # of a chunk, in tokens
    overlap: int


@dataclass(frozen=True)
class Found:
    """A chunk, and where it stands."""

    seq: int
    file_id: str
    name: str
    number: int
    text: str
    attributes: Json


def _no_files() -> dict[str, int]:
    return dict.fromkeys((*STATES, "total"), 0)


def _chunks(
    reading: Reading, first: int, texts: Sequence[str], vectors: Sequence[bytes | None]
) -> list[Json]:
    return [
        {
            "store_id": reading.store_id,
            "store_file": reading.seq,
            "number": number,
            "text": text,
            "vector": vector,
        }
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), first)
    ]


class StoreRecords:
    """What can be done with vector stores."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.session = records.session
        self.now = records.now
        self.files = FileRecords(records)

    # stores

    def create(self, params: Json) -> Json:
        store_id = objects.new_id("vs")
        body: Json = {
            "id": store_id,
            "object": "vector_store",
            "created_at": self.now,
            "name": params.get("name") or "",
            "metadata": params.get("metadata") or {},
        }
        if params.get("expires_after") is not None:
            body["expires_after"] = params["expires_after"]
        row = StoreRow(id=store_id, last_active_at=self.now, body=body)
        self._touch(row)
        self.session.add(row)
        self.session.flush()
        self._add_files(row, params.get("file_ids") or [], params.get("chunking_strategy"), None)
        return self.shown([row.body])[0]

    def page(self, page: Page) -> Json:
        found = self.records.page(StoreRow, page)
        return {**found, "data": self.shown(found["data"])}

    def get(self, store_id: str) -> Json:
        return self.shown([self.records.find(StoreRow, store_id).body])[0]

    def update(self, store_id: str, params: Json) -> Json:
        row = self.records.find(StoreRow, store_id, lock=True)
        changes: Json = {}
        if "name" in params:
            changes["name"] = params["name"] or ""
        if "metadata" in params:
            changes["metadata"] = params["metadata"] or {}
        self.records.change(row, **changes)
        if "expires_after" in params:
            body = {name: value for name, value in row.body.items() if name != "expires_after"}
            if params["expires_after"] is not None:
                body["expires_after"] = params["expires_after"]
            row.body = body
            self._touch(row)
        self.session.flush()
        return self.get(store_id)

    def delete(self, store_id: str) -> Json:
        return self.records.delete(StoreRow, "vector_store", store_id)

    def live(self, store_id: str) -> StoreRow:
        """Return a store that is not past its time, which begins anew."""
        row = self.records.find(StoreRow, store_id)
        if row.expires_at is not None and row.expires_at <= self.now:
            raise bad_request(f"Vector store {store_id} has expired.", code="vector_store_expired")
        self._touch(row)
        return row

    def check(self, store_ids: Iterable[str]) -> None:
        """Refuse ids that are no stores'."""
        for store_id in store_ids:
            self.records.find(StoreRow, store_id)

    def drop_expired(self) -> None:
        """Take the chunks out of stores that are past their time."""
        expired = select(StoreRow.id).where(StoreRow.expires_at <= self.now)
        self.session.execute(delete(ChunkRow).where(ChunkRow.store_id.in_(expired)))

    def shown(self, bodies: Sequence[Json]) -> list[Json]:
        """Return stores with what they say of their files."""
        ids = [body["id"] for body in bodies]
        counts = {store_id: _no_files() for store_id in ids}
        sizes = dict.fromkeys(ids, 0)
        query = (
            select(
                StoreFileRow.store_id,
                StoreFileRow.status,
                func.count(),
                func.sum(StoreFileRow.usage_bytes),
            )
            .where(StoreFileRow.store_id.in_(ids))
            .group_by(StoreFileRow.store_id, StoreFileRow.status)
        )
        for store_id, status, count, size in self.session.execute(query):
            counts[store_id][status] += count
            counts[store_id]["total"] += count
            sizes[store_id] += int(size or 0)
        rows = {
            row.id: row
            for row in self.session.scalars(select(StoreRow).where(StoreRow.id.in_(ids)))
        }
        return [
            self._shown(body, rows[body["id"]], counts[body["id"]], sizes[body["id"]])
            for body in bodies
        ]

    def _shown(self, body: Json, row: StoreRow, counts: Json, size: int) -> Json:
        status = "in_progress" if counts["in_progress"] else "completed"
        if row.expires_at is not None and row.expires_at <= self.now:
            status = "expired"
        shown = {
            **body,
            "usage_bytes": size,
            "file_counts": counts,
            "status": status,
            "last_active_at": row.last_active_at,
        }
        return shown if row.expires_at is None else {**shown, "expires_at": row.expires_at}

    def _touch(self, row: StoreRow) -> None:
        row.last_active_at = self.now
        policy = row.body.get("expires_after")
        row.expires_at = None if policy is None else self.now + policy["days"] * DAY

    # files in stores

    def add_file(self, store_id: str, params: Json) -> Json:
        row = self.live(store_id)
        given = [params["file_id"]]
        strategy, attributes = params.get("chunking_strategy"), params.get("attributes")
        return self._add_files(row, given, strategy, attributes)[0].body

    def _add_files(
        self,
        store: StoreRow,
        file_ids: Sequence[str],
        strategy: Json | None,
        attributes: Mapping[str, Any] | None,
        batch_id: str | None = None,
    ) -> list[StoreFileRow]:
        """Put files into a store, to be read; one that is there is read anew."""
        wanted = list(dict.fromkeys(file_ids))
        self.files.check(wanted)
        for start in range(0, len(wanted), 500):
            some = [f"{store.id}/{file_id}" for file_id in wanted[start : start + 500]]
            self.session.execute(delete(StoreFileRow).where(StoreFileRow.id.in_(some)))
        static = (strategy or {}).get("static") or DEFAULT_CHUNKS
        rows = []
        for file_id in wanted:
            body: Json = {
                "id": file_id,
                "object": "vector_store.file",
                "usage_bytes": 0,
                "created_at": self.now,
                "vector_store_id": store.id,
                "status": "in_progress",
                "last_error": None,
                "chunking_strategy": {"type": "static", "static": static},
                "attributes": dict(attributes or {}),
            }
            row = StoreFileRow(
                id=f"{store.id}/{file_id}",
                store_id=store.id,
                file_id=file_id,
                batch_id=batch_id,
                status="in_progress",
                body=body,
            )
            self.session.add(row)
            rows.append(row)
        if rows:
            self.session.flush()
            self.records.wants_reading = True
        return rows

    def find_file(self, store_id: str, file_id: str, *, lock: bool = False) -> StoreFileRow:
        self.records.find(StoreRow, store_id)
        name = f"{store_id}/{file_id}"
        return self.records.find(StoreFileRow, name, lock=lock, store_id=store_id)

    def page_files(
        self, store_id: str, page: Page, status: str | None, batch_id: str | None = None
    ) -> Json:
        if batch_id is None:
            self.records.find(StoreRow, store_id)
        else:
            self._find_batch(store_id, batch_id)
        scope: Json = {"store_id": store_id}
        if status is not None:
            scope["status"] = status
        if batch_id is not None:
            scope["batch_id"] = batch_id
        whole = Page(
            page.limit,
            page.order,
            page.after and f"{store_id}/{page.after}",
            page.before and f"{store_id}/{page.before}",
        )
        return self.records.page(StoreFileRow, whole, **scope)

    def update_file(self, store_id: str, file_id: str, attributes: Json | None) -> Json:
        row = self.find_file(store_id, file_id, lock=True)
        return self.records.change(row, attributes=dict(attributes or {}))

    def delete_file(self, store_id: str, file_id: str) -> Json:
        self.session.delete(self.find_file(store_id, file_id))
        return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}

    def content(self, store_id: str, file_id: str) -> list[str]:
        row = self.find_file(store_id, file_id)
        query = select(ChunkRow.text).where(ChunkRow.store_file == row.seq)
        return list(self.session.scalars(query.order_by(ChunkRow.number)))

    # batches

    def create_batch(self, store_id: str, params: Json) -> Json:
        store = self.live(store_id)
        body: Json = {
            "id": objects.new_id("vsfb"),
            "object": "vector_store.files_batch",
            "created_at": self.now,
            "vector_store_id": store_id,
        }
        self.session.add(BatchRow(id=body["id"], store_id=store_id, body=body))
        self.session.flush()
        strategy, attributes = params.get("chunking_strategy"), params.get("attributes")
        if params.get("file_ids"):
            self._add_files(store, params["file_ids"], strategy, attributes, body["id"])
        for one in params.get("files") or ():
            own = one.get("chunking_strategy"), one.get("attributes")
            self._add_files(store, [one["file_id"]], *own, body["id"])
        return self.get_batch(store_id, body["id"])

    def _find_batch(self, store_id: str, batch_id: str) -> BatchRow:
        self.records.find(StoreRow, store_id)
        return self.records.find(BatchRow, batch_id, store_id=store_id)

    def get_batch(self, store_id: str, batch_id: str) -> Json:
        row = self._find_batch(store_id, batch_id)
        query = select(StoreFileRow.status, func.count()).where(StoreFileRow.batch_id == batch_id)
        counts = _no_files()
        for status, count in self.session.execute(query.group_by(StoreFileRow.status)):
            counts[status] += count
            counts["total"] += count
        status = "in_progress" if counts["in_progress"] else "completed"
        return {
            **row.body,
            "status": "cancelled" if row.cancelled else status,
            "file_counts": counts,
        }

    def cancel_batch(self, store_id: str, batch_id: str) -> Json:
        row = self._find_batch(store_id, batch_id)
        if self.get_batch(store_id, batch_id)["status"] != "in_progress":
            raise bad_request(f"File batch {batch_id} is not in progress: it can not be cancelled.")
        row.cancelled = True
        for file in self.records.rows(StoreFileRow, batch_id=batch_id, status="in_progress"):
            self._set_status(file, "cancelled")
            self._drop_chunks(file.seq)
        self.session.flush()
        return self.get_batch(store_id, batch_id)

    # reading

    def claim(self, most: int, unread: Sequence[int] = ()) -> list[Reading]:
        """Return files that are to be read, for this process to read before its claim ends.

        `unread` are those that it claimed before, and did not come to an end with.
        """
        if unread:
            mine = update(StoreFileRow).where(StoreFileRow.seq.in_(unread))
            self.session.execute(mine.values(claimed_until=0))
        query = (
            select(StoreFileRow, FileRow.body)
            .join(FileRow, FileRow.id == StoreFileRow.file_id)
            .where(StoreFileRow.status == "in_progress", StoreFileRow.claimed_until <= self.now)
            .order_by(StoreFileRow.seq)
            .limit(most)
            .with_for_update(skip_locked=True, of=StoreFileRow)
        )
        found = []
        for row, file in self.session.execute(query):
            row.claimed_until = self.now + CLAIM
            chunks = row.body["chunking_strategy"]["static"]
            size, overlap = chunks["max_chunk_size_tokens"], chunks["chunk_overlap_tokens"]
            name = file["filename"]
            found.append(Reading(row.seq, row.store_id, row.file_id, name, size, overlap))
        return found

    def renew_claims(self, seqs: Sequence[int]) -> None:
        """Go on reading what was claimed."""
        mine = update(StoreFileRow).where(StoreFileRow.seq.in_(seqs))
        self.session.execute(mine.values(claimed_until=self.now + CLAIM))

    def release_claims(self) -> None:
        """Let what a killed server began to read be begun anew."""
        self.session.execute(update(StoreFileRow).values(claimed_until=0))

    def add_chunks(
        self, reading: Reading, first: int, texts: Sequence[str], vectors: Sequence[bytes | None]
    ) -> bool:
        """Keep some chunks of a file; false if it is not to be read any more."""
        if first == 0:
            self._drop_chunks(reading.seq)  # of a process that was killed
        if self._reading(reading) is None:
            return False
        rows = _chunks(reading, first, texts, vectors)
        if rows:
            self.session.execute(insert(ChunkRow), rows)
        return True

    def add_whole(
        self, files: Sequence[tuple[Reading, Sequence[str], Sequence[bytes | None]]]
    ) -> None:
        """Keep all chunks of some files, which are then read; but for those not to be read any more."""
        seqs = [reading.seq for reading, _, _ in files]
        self.session.execute(delete(ChunkRow).where(ChunkRow.store_file.in_(seqs)))
        query = select(StoreFileRow).where(
            StoreFileRow.seq.in_(seqs), StoreFileRow.status == "in_progress"
        )
        query = query.order_by(StoreFileRow.seq).with_for_update(key_share=True)
        rows = {row.seq: row for row in self.session.scalars(query)}
        chunks: list[Json] = []
        for reading, texts, vectors in files:
            row = rows.get(reading.seq)
            if row is None:
                continue
            chunks += _chunks(reading, 0, texts, vectors)
            row.usage_bytes = sum(map(len, texts)) + sum(len(one or b"") for one in vectors)
            self._set_status(row, "completed", usage_bytes=row.usage_bytes)
        if chunks:
            self.session.execute(insert(ChunkRow), chunks)

    def finish(self, reading: Reading) -> None:
        row = self._reading(reading)
        if row is None:
            return
        query = select(
            func.sum(func.length(ChunkRow.text)),
            func.sum(func.coalesce(func.length(ChunkRow.vector), 0)),
        )
        words, vectors = self.session.execute(query.where(ChunkRow.store_file == row.seq)).one()
        row.usage_bytes = int(words or 0) + int(vectors or 0)
        self._set_status(row, "completed", usage_bytes=row.usage_bytes)

    def fail(self, reading: Reading, code: str, message: str) -> None:
        self._drop_chunks(reading.seq)
        row = self._reading(reading)
        if row is not None:
            self._set_status(row, "failed", last_error={"code": code, "message": message})

    def _reading(self, reading: Reading) -> StoreFileRow | None:
        # Its attributes may be changed meanwhile, or its batch be cancelled, by another process.
        lock = {"key_share": True}
        row = self.session.get(
            StoreFileRow, reading.seq, with_for_update=lock, populate_existing=True
        )
        return row if row is not None and row.status == "in_progress" else None

    def _set_status(self, row: StoreFileRow, status: str, **fields: Any) -> None:
        row.status = status
        self.records.change(row, status=status, **fields)

    def _drop_chunks(self, seq: int) -> None:
        self.session.execute(delete(ChunkRow).where(ChunkRow.store_file == seq))

    # searching

    def is_reading(self, store_ids: Sequence[str]) -> bool:
        """Whether files of these stores are still to be read."""
        query = select(StoreFileRow.seq).where(
            StoreFileRow.store_id.in_(store_ids), StoreFileRow.status == "in_progress"
        )
        return self.session.scalars(query.limit(1)).first() is not None

    def count_chunks(self, store_ids: Sequence[str]) -> int:
        query = select(func.count()).select_from(ChunkRow).where(ChunkRow.store_id.in_(store_ids))
        return self.session.scalar(query) or 0

    def chunks_of(self, store_ids: Sequence[str], fits: Callable[[Json], bool]) -> frozenset[int]:
        """Return the chunks of the files whose attributes fit."""
        files = self.session.execute(
            select(StoreFileRow.seq, StoreFileRow.body).where(
                StoreFileRow.store_id.in_(store_ids), StoreFileRow.status == "completed"
            )
        )
        fitting = [seq for seq, body in files if fits(body.get("attributes") or {})]
        found: set[int] = set()
        for start in range(0, len(fitting), 500):
            some = fitting[start : start + 500]
            query = select(ChunkRow.seq).where(ChunkRow.store_file.in_(some))
            found.update(self.session.scalars(query))
        return frozenset(found)

    def vectors(
        self, store_ids: Sequence[str], allowed: frozenset[int] | None
    ) -> list[tuple[int, bytes]]:
        """Return the vectors of chunks."""
        query = select(ChunkRow.seq, ChunkRow.vector).where(
            ChunkRow.store_id.in_(store_ids), ChunkRow.vector.is_not(None)
        )
        return [
            (seq, vector)
            for seq, vector in self.session.execute(query)
            if vector is not None and (allowed is None or seq in allowed)
        ]

    def texts(self, seqs: Sequence[int]) -> dict[int, str]:
        """Return the texts of chunks."""
        query = select(ChunkRow.seq, ChunkRow.text).where(ChunkRow.seq.in_(seqs))
        return {row.seq: row.text for row in self.session.execute(query)}

    def look_up(self, seqs: Sequence[int]) -> dict[int, Found]:
        """Return those of the chunks whose file has been read to its end."""
        # Their state is looked at here: asked for it, SQLite goes through all files by that index.
        query = (
            select(
                *(ChunkRow.seq, ChunkRow.number, ChunkRow.text, StoreFileRow.file_id),
                *(StoreFileRow.status, StoreFileRow.body, FileRow.body.label("file")),
            )
            .join(StoreFileRow, StoreFileRow.seq == ChunkRow.store_file)
            .join(FileRow, FileRow.id == StoreFileRow.file_id)
            .where(ChunkRow.seq.in_(seqs))
        )
        return {
            row.seq: Found(
                row.seq,
                row.file_id,
                row.file["filename"],
                row.number,
                row.text,
                row.body.get("attributes") or {},
            )
            for row in self.session.execute(query)
            if row.status == "completed"
        }
