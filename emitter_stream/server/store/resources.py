"""What tools work with: the files and stores that assistants, threads, runs and messages name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .files import FileRecords
from .objects import Json
from .records import Records
from .store import Row, ThreadRow
from .vectors import THREAD_STORE, StoreRecords


class Equipped(Records):
    """Records that see to it that what is named is there, and is put where it is looked for.

    Ids that there are none of are refused; `vector_stores` are made; an attachment for file search
    goes into the thread's own store, which is made for the first one, and one for the code
    interpreter to the thread's files.
    """

    def create_assistant(self, params: Json) -> Json:
        return super().create_assistant(self.settled(params))

    def update(self, table: type[Row], params: Json, object_id: str, **scope: Any) -> Json:
        self.find(table, object_id, **scope)
        return super().update(table, self.settled(params), object_id, **scope)

    def create_thread(self, params: Json, tool_resources: Json | None = None) -> Json:
        thread = super().create_thread(self.settled(params), tool_resources)
        return self.find(ThreadRow, thread["id"]).body  # its messages may have given it a store

    def add_messages(self, thread_id: str, messages: list[Json]) -> list[Json]:
        for params in messages:
            self._attach(thread_id, params)
        return super().add_messages(thread_id, messages)

    def settled(self, params: Json) -> Json:
        """Return parameters whose `tool_resources` are checked, and name stores by their ids."""
        given = params.get("tool_resources")
        if not given:
            return params
        FileRecords(self).check((given.get("code_interpreter") or {}).get("file_ids") or ())
        search = given.get("file_search")
        if not search:
            return params
        stores = StoreRecords(self)
        ids = list(search.get("vector_store_ids") or ())
        stores.check(ids)
        ids += [stores.create(new)["id"] for new in search.get("vector_stores") or ()]
        kept = {name: value for name, value in search.items() if name != "vector_stores"}
        if ids:
            kept["vector_store_ids"] = ids
        return {**params, "tool_resources": {**given, "file_search": kept}}

    def _attach(self, thread_id: str, params: Json) -> None:
        files = FileRecords(self)
        if not isinstance(params["content"], str):
            images = [part for part in params["content"] if part["type"] == "image_file"]
            files.check(part["image_file"]["file_id"] for part in images)
        for attachment in params.get("attachments") or ():
            file_id = attachment.get("file_id")
            if file_id is None:
                continue
            files.check([file_id])
            kinds = {tool["type"] for tool in attachment.get("tools") or ()}
            if "code_interpreter" in kinds:
                self._add_code_file(thread_id, file_id)
            if "file_search" in kinds:
                self._add_search_file(thread_id, file_id)

    def _add_code_file(self, thread_id: str, file_id: str) -> None:
        row = self.find(ThreadRow, thread_id)
        resources = row.body["tool_resources"]
        ids = (resources.get("code_interpreter") or {}).get("file_ids") or []
        if file_id not in ids:
            code = {"file_ids": [*ids, file_id]}
            self.change(row, tool_resources={**resources, "code_interpreter": code})

    def _add_search_file(self, thread_id: str, file_id: str) -> None:
        row = self.find(ThreadRow, thread_id)
        resources = row.body["tool_resources"]
        ids: Sequence[str] = (resources.get("file_search") or {}).get("vector_store_ids") or ()
        stores = StoreRecords(self)
        if not ids:
            ids = [stores.create({"expires_after": THREAD_STORE})["id"]]
            search = {"vector_store_ids": list(ids)}
            self.change(row, tool_resources={**resources, "file_search": search})
        stores.add_file(ids[0], {"file_id": file_id})
