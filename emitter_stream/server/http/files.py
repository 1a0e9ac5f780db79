"""`/v1/files` and `/v1/uploads`: bytes come in by forms, and go out as attachments."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..files.desk import MAX_FILE, MAX_PART, new_file_id
from ..runs.runs import RunEngine
from ..store import objects
from ..store.files import FileRecords
from ..store.objects import Json
from . import bodies, file_bodies
from .multipart import Form, read_form
from .reading import read_body, read_page

Handler = Callable[[Request], Awaitable[Response]]

_NESTED = re.compile(r"(\w+)\[(\w+)\]")
_WHOLE = re.compile("-?[0-9]{1,15}")
MOST_FILES = 10_000  # of a page of the list


class FilesApi:
    """The handlers of files and uploads."""

    def __init__(self, engine: RunEngine) -> None:
        self.engine = engine
        self.desk = engine.desk

    async def create(self, request: Request) -> Response:
        self.engine.refuse_if_stopping()
        file_id = new_file_id()
        writer = self.desk.stored.writer(file_id)
        try:
            form = await read_form(request, "file", writer, MAX_FILE)
            params = bodies.checked(file_bodies.NewFile, fields_of(form, "file"))
        except BaseException:
            await writer.discard()
            raise
        return JSONResponse(await self.desk.keep(writer, file_id, params["file"], params))

    async def list(self, request: Request) -> Response:
        page = read_page(request, limit=MOST_FILES, most=MOST_FILES)
        purpose = request.query_params.get("purpose")
        return await self._answer(lambda files: files.page(page, purpose))

    async def get(self, request: Request) -> Response:
        file_id = request.path_params["file_id"]
        return await self._answer(lambda files: files.find(file_id).body)

    async def delete(self, request: Request) -> Response:
        return JSONResponse(await self.desk.delete(request.path_params["file_id"]))

    async def content(self, request: Request) -> Response:
        file, data = await self.desk.content(request.path_params["file_id"])
        # Whatever a file says of itself, no browser may take it for a page of this server's.
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file['filename'], safe='')}",
            "content-length": str(file["bytes"]),
            "x-content-type-options": "nosniff",
        }
        if request.method == "HEAD":
            return Response(headers=headers, media_type="application/octet-stream")
        return StreamingResponse(
            closing(data), headers=headers, media_type="application/octet-stream"
        )

    async def create_upload(self, request: Request) -> Response:
        params = await read_body(request, file_bodies.NewUpload)
        return await self._answer(lambda files: files.create_upload(params))

    async def add_part(self, request: Request) -> Response:
        upload_id = request.path_params["upload_id"]
        await self.engine.transact(lambda s: FileRecords(s).check_room(upload_id, 0))
        part_id = objects.new_id("part")
        writer = self.desk.stored.writer(part_id)
        try:
            form = await read_form(request, "data", writer, MAX_PART)
            bodies.checked(file_bodies.NewPart, fields_of(form, "data"))
        except BaseException:
            await writer.discard()
            raise
        return JSONResponse(await self.desk.keep_part(writer, upload_id, part_id))

    async def complete_upload(self, request: Request) -> Response:
        params = await read_body(request, file_bodies.CompleteUpload)
        upload_id = request.path_params["upload_id"]
        whole = await self.desk.complete(upload_id, params["part_ids"], params.get("md5"))
        return JSONResponse(whole)

    async def cancel_upload(self, request: Request) -> Response:
        await read_body(request, bodies.Empty)
        return JSONResponse(await self.desk.cancel_upload(request.path_params["upload_id"]))

    async def _answer(self, work: Callable[[FileRecords], Json]) -> Response:
        return JSONResponse(await self.engine.transact(lambda s: work(FileRecords(s))))

    def table(self) -> dict[str, dict[str, Handler]]:
        upload = "/v1/uploads/{upload_id}"
        return {
            "/v1/files": {"GET": self.list, "POST": self.create},
            "/v1/files/{file_id}": {"GET": self.get, "DELETE": self.delete},
            "/v1/files/{file_id}/content": {"GET": self.content},
            "/v1/uploads": {"POST": self.create_upload},
            f"{upload}/parts": {"POST": self.add_part},
            f"{upload}/complete": {"POST": self.complete_upload},
            f"{upload}/cancel": {"POST": self.cancel_upload},
        }


def fields_of(form: Form, file_field: str) -> Json:
    """Return a form as the object that it stands for: `a[b]` is a field of an object `a`."""
    built: Json = {} if form.file_name is None else {file_field: form.file_name}
    for name, value in form.fields.items():
        nested = _NESTED.fullmatch(name)
        if nested is None:
            built[name] = value
        else:
            inner = built.setdefault(nested[1], {})
            if isinstance(inner, dict):
                inner[nested[2]] = int(value) if _WHOLE.fullmatch(value) else value
    text = built.get("expires_after")
    if isinstance(text, str):  # some clients send objects as JSON
        with contextlib.suppress(ValueError, RecursionError):
            built["expires_after"] = json.loads(text)
    return built


async def closing(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Stream, and close the file also when the client leaves early."""
    try:
        async for piece in data:
            yield piece
    finally:
        await data.aclose()  # type: ignore[attr-defined]
