"""Files of all kinds that the server reads, good ones and bad ones, made when they are needed."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from typing import Any

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"


def form(
    fields: dict[str, str], name: str, file: str | None, data: bytes
) -> tuple[bytes, dict[str, str]]:
    """Return a form's body and its headers; `file` is the file's name, None: it has none."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    of_file = "" if file is None else f'; filename="{file}"'
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{of_file}\r\n\r\n'
    parts += [head.encode(), data, f"\r\n--{boundary}--\r\n".encode()]
    headers = {
        "Authorization": "Bearer any",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    return b"".join(parts), headers


def upload(raw: Any, name: str, data: bytes, purpose: str = "assistants", **fields: str) -> str:
    """Upload a file and return its id."""
    body, headers = form({"purpose": purpose, **fields}, "file", name, data)
    reply = raw("POST", "/files", body, headers)
    assert reply.status == 200, reply.raw
    return reply.body["id"]


def store_of(raw: Any, *file_ids: str, **fields: Any) -> str:
    """Make a vector store of files, and wait until all of them have been read or refused."""
    store = raw("POST", "/vector_stores", {"file_ids": list(file_ids), **fields}).body["id"]
    settled(raw, store)
    return store


def settled(raw: Any, store: str) -> dict[str, Any]:
    for _ in range(6_000):
        body = raw("GET", f"/vector_stores/{store}").body
        if body["status"] != "in_progress":
            return body
        time.sleep(0.02)  # as a polling client does
    raise AssertionError(body)


def found(raw: Any, store: str, query: Any, **params: Any) -> list[Any]:
    reply = raw("POST", f"/vector_stores/{store}/search", {"query": query, **params})
    assert reply.status == 200, reply.raw
    return reply.body["data"]


def package(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/"), text)
    return file.getvalue()


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    document = f'<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>'
    return package(**{"word/document.xml": document})


def pptx(*slides: str) -> bytes:
    parts = {
        f"ppt/slides/slide{number}.xml": f'<a:sld xmlns:a="{_A}"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:sld>'
        for number, text in enumerate(slides, 1)
    }
    return package(**parts)


def pdf(*lines: str) -> bytes:
    """One page with these lines, written by hand."""
    shown = " ".join(f"({line}) Tj T*" for line in lines)
    return pdf_of(f"BT /F1 12 Tf 14 TL 50 700 Td {shown} ET")


def pdf_of(content: str) -> bytes:
    font = "<< /Font << /F1 5 0 R >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources {font} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    file, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    return file + f"xref\n0 6\n0000000000 65535 f \n{table}{end}".encode()


def looping_pdf() -> bytes:
    """A PDF whose pages have themselves as children."""
    whole = pdf("never seen")
    return whole.replace(b"/Kids [3 0 R] /Count 1 ", b"/Kids [2 0 R] /Count 1 ")


def zip_bomb() -> bytes:
    """A docx of some thirty kilobytes that unpacks to 30 MB."""
    return docx("a" * 30_000_000)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
