"""Files and uploads as one transaction sees them. Their bytes are the caller's business."""

from __future__ import annotations

import ntpath
import posixpath
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from ..http.errors import bad_request, not_found, shorten
from . import objects
from .file_rows import FileRow, UploadPartRow, UploadRow
from .objects import Json
from .records import Page, Records

MAX_UPLOAD = 8 * 1024**3  # bytes of all parts
UPLOAD_LIFETIME = 3600  # seconds
_MAX_NAME = 255


def base_name(name: str) -> str:
    """Return the last part of a path of either kind of system, as the name that a file has."""
    plain = posixpath.basename(ntpath.basename(name.replace("\x00", "")))
    plain = "".join(c for c in plain if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()
    if plain in ("", ".", ".."):
        return "upload"
    return plain if len(plain) <= _MAX_NAME else plain[:200] + plain[-50:]


class FileRecords:
    """What can be done with files and uploads."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.session = records.session
        self.now = records.now

    def find(self, file_id: str) -> FileRow:
        """Return a file; `ApiError` 404 if there is none, or its time is over."""
        row = self.records.find(FileRow, file_id)
        if row.expires_at is not None and row.expires_at <= self.now:
            raise not_found("file", file_id)
        return row

    def check(self, file_ids: Iterable[str]) -> None:
        """Refuse ids that are no files'."""
        wanted = list(dict.fromkeys(file_ids))
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            query = select(FileRow.id, FileRow.expires_at).where(
                FileRow.id.in_(one for one in some if "\0" not in one)
            )
            there = {
                file_id
                for file_id, expires_at in self.session.execute(query)
                if expires_at is None or expires_at > self.now
            }
            for file_id in some:
                if file_id not in there:
                    raise not_found("file", file_id)

    def add(self, file_id: str, name: str, purpose: str, size: int, expires: Json | None) -> Json:
        """Make the row of a file whose bytes are there."""
        body: Json = {
            "id": file_id,
            "object": "file",
            "bytes": size,
            "created_at": self.now,
            "filename": base_name(name),
            "purpose": purpose,
            "status": "processed",
        }
        expires_at = None
        if expires is not None:
            expires_at = body["expires_at"] = self.now + expires["seconds"]
        self.session.add(
            FileRow(id=file_id, purpose=purpose, size=size, expires_at=expires_at, body=body)
        )
        return body

    def page(self, page: Page, purpose: str | None) -> Json:
        scope: Json = {} if purpose is None else {"purpose": purpose}
        return self.records.page(FileRow, page, **scope)

    def delete(self, file_id: str) -> Json:
        """Delete a file, from all vector stores too."""
        self.session.delete(self.find(file_id))
        return {"id": file_id, "object": "file", "deleted": True}

    def names(self) -> set[str]:
        """Return what the bytes of all files and parts are called."""
        names = set(self.session.scalars(select(FileRow.id)))
        return names | set(self.session.scalars(select(UploadPartRow.id)))

    def drop_expired(self) -> list[str]:
        """Delete the rows of what is past its time; returns what their bytes are called."""
        gone: list[str] = []
        for file in self.session.scalars(select(FileRow).where(FileRow.expires_at <= self.now)):
            gone.append(file.id)
            self.session.delete(file)
        query = select(UploadRow).where(
            UploadRow.status == "pending", UploadRow.expires_at <= self.now
        )
        for upload in self.session.scalars(query).all():
            gone += self._end(upload, "expired")
        return gone

    # uploads

    def create_upload(self, params: Json) -> Json:
        if params["bytes"] > MAX_UPLOAD:
            raise bad_request(
                f"Invalid 'bytes': an upload has at most {MAX_UPLOAD} bytes.",
                "bytes",
                "integer_above_max_value",
            )
        body: Json = {
            "id": objects.new_id("upload"),
            "object": "upload",
            "bytes": params["bytes"],
            "created_at": self.now,
            "filename": base_name(params["filename"]),
            "purpose": params["purpose"],
            "status": "pending",
            "expires_at": self.now + UPLOAD_LIFETIME,
        }
        kept = {**body, "expires_after": params.get("expires_after")}
        self.session.add(
            UploadRow(id=body["id"], status="pending", expires_at=body["expires_at"], body=kept)
        )
        return body

    def pending(self, upload_id: str) -> UploadRow:
        """Return an upload that takes parts; nobody else ends it until the transaction is over."""
        row = self.records.find(UploadRow, upload_id, lock=True)
        status = row.status
        if status == "pending" and row.expires_at <= self.now:
            status = "expired"
        if status != "pending":
            raise bad_request(f"Upload {shorten(upload_id)} is {status}: it can not be changed.")
        return row

    def check_room(self, upload_id: str, size: int) -> None:
        """Refuse a part that makes an upload larger than was said."""
        row = self.pending(upload_id)
        query = select(func.sum(UploadPartRow.size)).where(UploadPartRow.upload_id == upload_id)
        before = self.session.scalar(query) or 0
        if before + size > row.body["bytes"]:
            raise bad_request(
                f"The parts of upload {upload_id} have more bytes than its {row.body['bytes']}."
            )

    def add_part(self, upload_id: str, part_id: str, size: int) -> Json:
        self.check_room(upload_id, size)
        body = {
            "id": part_id,
            "object": "upload.part",
            "created_at": self.now,
            "upload_id": upload_id,
        }
        self.session.add(UploadPartRow(id=part_id, upload_id=upload_id, size=size, body=body))
        return body

    def check_parts(self, upload_id: str, part_ids: Sequence[str]) -> UploadRow:
        """Return an upload whose parts, in this order, are all of it."""
        row = self.pending(upload_id)
        sizes = {
            part.id: part.size for part in self.records.rows(UploadPartRow, upload_id=upload_id)
        }
        for part_id in part_ids:
            if part_id not in sizes:
                raise bad_request(
                    f"Invalid 'part_ids': upload {upload_id} has no part '{shorten(part_id)}'.",
                    "part_ids",
                    "invalid_value",
                )
        if len(set(part_ids)) < len(part_ids):
            raise bad_request(
                "Invalid 'part_ids': a part stands there twice.", "part_ids", "invalid_value"
            )
        total = sum(sizes[part_id] for part_id in part_ids)
        if total != row.body["bytes"]:
            raise bad_request(
                f"The parts have {total} bytes, the upload was said to have {row.body['bytes']}.",
                "part_ids",
                "invalid_value",
            )
        return row

    def complete(self, upload_id: str, part_ids: Sequence[str], file_id: str) -> tuple[Json, Json]:
        """Make the file of an upload whose bytes are put together; returns both objects."""
        row = self.check_parts(upload_id, part_ids)
        kept = row.body
        file = self.add(
            file_id, kept["filename"], kept["purpose"], kept["bytes"], kept.get("expires_after")
        )
        self._end(row, "completed", file=file)
        return shown_upload(row.body), file

    def cancel(self, upload_id: str) -> tuple[Json, list[str]]:
        """Cancel an upload; returns it and what the bytes of its parts are called."""
        row = self.pending(upload_id)
        gone = self._end(row, "cancelled")
        return shown_upload(row.body), gone

    def _end(self, row: UploadRow, status: str, **fields: Json) -> list[str]:
        row.status = status
        self.records.change(row, status=status, **fields)
        parts = self.records.rows(UploadPartRow, upload_id=row.id)
        for part in parts:
            self.session.delete(part)
        return [part.id for part in parts]


def shown_upload(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "expires_after"}
