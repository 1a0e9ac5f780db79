"""Changes of one object by two transactions at once, on PostgreSQL: none is lost, none is made twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from databases import new_database
from server_helpers import PATIENCE

from emitter_stream.server.http.errors import ApiError
from emitter_stream.server.store.files import FileRecords
from emitter_stream.server.store.postgres import PostgresDatabase
from emitter_stream.server.store.records import Records
from emitter_stream.server.store.vectors import StoreRecords

Work = Callable[[Records], Any]


@pytest.fixture
def database(postgres) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(new_database(postgres))
    yield database
    database.close()


def do(database: PostgresDatabase, work: Work) -> Any:
    return database.call_now(lambda session: work(Records(session, int(time.time()))))


def beside(database: PostgresDatabase, first: Work, second: Work) -> tuple[Any, Any]:
    """Do `second` while what `first` has changed is not committed; give what both returned."""
    with ThreadPoolExecutor() as pool:

        def both(records: Records) -> Any:
            result = first(records)
            records.session.flush()
            other = pool.submit(do, database, second)
            # It is through, or it waits for what is changed here.
            while not other.done():
                if records.session.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
                    break
            return result, other

        result, other = do(database, both)
        return result, other.result(PATIENCE)


def test_attributes_while_a_file_is_read(database):
    """A file whose attributes are changed while it is read has both: them, and that it was read."""

    def begin(records: Records) -> str:
        FileRecords(records).add("file-a", "a.txt", "assistants", 3, None)
        records.session.flush()
        return StoreRecords(records).create({"file_ids": ["file-a"]})["id"]

    store = do(database, begin)
    (reading,) = do(database, lambda records: StoreRecords(records).claim(1))
    beside(
        database,
        lambda records: StoreRecords(records).update_file(store, "file-a", {"k": "v"}),
        lambda records: StoreRecords(records).add_whole([(reading, ["abc"], [None])]),
    )
    body = do(database, lambda records: StoreRecords(records).find_file(store, "file-a").body)
    assert (body["status"], body["attributes"]) == ("completed", {"k": "v"})


def test_an_upload_that_is_completed_twice(database):
    """Of two that complete one upload at once, one makes its file."""

    def begin(records: Records) -> str:
        asked = {"filename": "a.txt", "purpose": "assistants", "bytes": 3}
        upload = FileRecords(records).create_upload(asked)["id"]
        records.session.flush()
        FileRecords(records).add_part(upload, "part_a", 3)
        return upload

    upload = do(database, begin)

    def complete(file_id: str) -> Work:
        def work(records: Records) -> str:
            try:
                FileRecords(records).complete(upload, ["part_a"], file_id)
            except ApiError as error:
                return error.message
            return file_id

        return work

    made, refused = beside(database, complete("file-a"), complete("file-b"))
    assert made == "file-a" and "completed" in refused
    assert do(database, lambda records: FileRecords(records).names()) == {"file-a"}
