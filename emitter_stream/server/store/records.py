"""Reading and writing the stored objects, and cursor pagination over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import JSON, Text, cast, false, func, select

from ..http.errors import bad_request, not_found, shorten
from . import file_rows, objects
from .objects import Json
from .run_rows import RunRows
from .store import (
    AssistantRow,
    CompletionRow,
    MessageRow,
    Owned,
    ResponseRow,
    Row,
    RunRow,
    StepRow,
    ThreadRow,
    Transaction,
)

R = TypeVar("R", bound=Row)

KINDS: dict[type[Row], str] = {
    AssistantRow: "assistant",
    ThreadRow: "thread",
    MessageRow: "message",
    RunRow: "run",
    StepRow: "run step",
    CompletionRow: "chat completion",
    ResponseRow: "response",
    file_rows.FileRow: "file",
    file_rows.UploadRow: "upload",
    file_rows.UploadPartRow: "upload part",
    file_rows.StoreRow: "vector store",
    file_rows.StoreFileRow: "vector store file",
    file_rows.BatchRow: "file batch",
}


@dataclass(frozen=True)
class Page:
    """What part of a list is wanted. `after` and `before` are object ids."""

    limit: int = 20
    order: str = "desc"
    after: str | None = None
    before: str | None = None


def listed(data: list[Json], *, has_more: bool) -> Json:
    """Return one page as the API's list object."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def _readable(body: Any) -> Any:
    """Return a body as PostgreSQL can look into it: a zero byte anywhere in it would be an error.

    The escape of a backslash before the same letters becomes another text, which is JSON too.
    """
    return cast(func.replace(cast(body, Text), "\\u0000", "\\u0020"), JSON)


class Records:
    """The objects as one transaction sees them. `now` is in unix seconds.

    From here on the transaction sees, and makes, only what belongs to `owner`; None: everything.
    """

    def __init__(self, session: Transaction, now: int, owner: str | None = None) -> None:
        self.session = session
        self.now = now
        session.owner = owner
        self.run_rows = RunRows(session)
        self.wants_reading = False  # whether files were put into a vector store

    def find(self, table: type[R], object_id: str, *, lock: bool = False, **scope: Any) -> R:
        """Return the row with this id within `scope`; `ApiError` 404 if there is none.

        `lock`: as it is now, and no other transaction changes it until this one is over. Whoever
        changes a row by what is in it has to ask for that; it is free where there is one process.
        """
        if "\0" in object_id:  # which some databases cannot even be asked for
            raise not_found(KINDS[table], object_id)
        query = select(table).filter_by(id=object_id, **scope)
        if lock:
            query = query.with_for_update(key_share=True)
            query = query.execution_options(populate_existing=True)
        row = self.session.scalars(query).one_or_none()
        if row is None:
            raise not_found(KINDS[table], object_id)
        return row

    def body(self, table: type[Owned], object_id: str, *, lock: bool = False) -> Json:
        """Return what such a row has as its body; `lock`, and what is raised, as in `find`."""
        body = self.run_rows.owned(table, object_id, lock=lock)
        if body is None:
            raise not_found(KINDS[table], object_id)
        return body

    def rows(self, table: type[R], **scope: Any) -> list[R]:
        """Return all rows within `scope`, oldest first."""
        return list(self.session.scalars(select(table).filter_by(**scope).order_by(table.seq)))

    def page(
        self, table: type[R], page: Page, metadata: Mapping[str, str] | None = None, **scope: Any
    ) -> Json:
        """Return one page as the API's list object, of those with this `metadata`.

        `after` pages forward and `before` backward in the order asked for; either way `has_more`
        says whether there is more in the direction of travel.
        """
        descending = page.order == "desc"
        query = select(table).filter_by(**scope)
        for key, value in (metadata or {}).items():
            body = _readable(table.body) if self.session.direct is None else table.body
            # SQLite's paths end at a zero byte, and PostgreSQL cannot be asked for one.
            found = false() if "\0" in key else body["metadata"][key].as_string() == value
            query = query.where(found)
        for name, cursor in (("after", page.after), ("before", page.before)):
            if cursor is not None:
                seq = self._cursor(table, name, cursor, scope)
                # "after" in descending order means older, that is, a smaller seq.
                smaller = descending == (name == "after")
                query = query.where(table.seq < seq if smaller else table.seq > seq)
        backward = page.before is not None and page.after is None
        falling = descending != backward
        query = query.order_by(table.seq.desc() if falling else table.seq).limit(page.limit + 1)
        bodies = [row.body for row in self.session.scalars(query)]
        data = bodies[: page.limit]
        if backward:
            data.reverse()
        return listed(data, has_more=len(bodies) > page.limit)

    def _cursor(self, table: type[R], name: str, cursor: str, scope: Json) -> int:
        row = self.session.scalars(select(table).filter_by(id=cursor, **scope)).one_or_none()
        if row is None:
            raise bad_request(
                f"Invalid '{name}': no {KINDS[table]} found with id '{shorten(cursor)}'.",
                name,
                "invalid_value",
            )
        return row.seq

    def change(self, row: Row, **fields: Any) -> Json:
        """Set fields of the object and return the new object."""
        row.body = {**row.body, **fields}
        return row.body

    def update(self, table: type[Row], params: Json, object_id: str, **scope: Any) -> Json:
        row = self.find(table, object_id, lock=True, **scope)
        row.body = objects.update(row.body, params)
        return row.body

    # assistants

    def create_assistant(self, params: Json) -> Json:
        body = objects.assistant(params, self.now)
        self.session.add(AssistantRow(id=body["id"], body=body))
        return body

    def delete(self, table: type[Row], kind: str, object_id: str, **scope: Any) -> Json:
        self.session.delete(self.find(table, object_id, **scope))
        return {"id": object_id, "object": f"{kind}.deleted", "deleted": True}

    # threads and messages

    def create_thread(self, params: Json, tool_resources: Json | None = None) -> Json:
        body = objects.thread(params, self.now, tool_resources or {})
        self.session.add(ThreadRow(id=body["id"], body=body))
        self.session.flush()
        self.add_messages(body["id"], params.get("messages") or [])
        return body

    def add_messages(self, thread_id: str, messages: list[Json]) -> list[Json]:
        """Append messages; they need an existing thread."""
        bodies = [objects.user_message(thread_id, params, self.now) for params in messages]
        for body in bodies:
            # One by one: a bulk insert may number the rows in another order.
            self.session.add(MessageRow(id=body["id"], thread_id=thread_id, body=body))
            self.session.flush()
        return bodies

    def create_message(self, thread_id: str, params: Json) -> Json:
        self.body(ThreadRow, thread_id, lock=True)
        active = self.run_rows.active_run(thread_id)
        if active is not None:
            raise bad_request(f"Can't add messages to {thread_id} while a run {active} is active.")
        return self.add_messages(thread_id, [params])[0]

    def delete_message(self, thread_id: str, message_id: str) -> Json:
        row = self.find(MessageRow, message_id, lock=True, thread_id=thread_id)
        if row.body["status"] == "in_progress":
            raise bad_request(
                f"Can't delete message {message_id} while run {row.run_id} is writing it."
            )
        return self.delete(MessageRow, "thread.message", message_id, thread_id=thread_id)

    def find_run(self, thread_id: str, run_id: str) -> RunRow:
        self.find(ThreadRow, thread_id)
        return self.find(RunRow, run_id, thread_id=thread_id)
