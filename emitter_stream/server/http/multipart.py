"""Bodies of multipart/form-data: small fields as text, one file as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ..files.folder import Writer
from .errors import ApiError, bad_request, shorten

MAX_FIELDS = 32
MAX_FIELD = 64 * 1024  # bytes
_SLACK = 64 * 1024  # what a form has beside its file


@dataclass
class Form:
    """What came: the fields, and of the file its name; its bytes went to the writer."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str | None = None


class _Parts:
    """Takes what the parser finds, to be worked on where one can wait."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytes]] = []
        self._name = b""
        self._value = b""

    def callbacks(self) -> dict[str, Callable[..., None]]:
        def header_field(data: bytes, start: int, end: int) -> None:
            self._name += data[start:end]

        def header_value(data: bytes, start: int, end: int) -> None:
            self._value += data[start:end]

        def header_end() -> None:
            if self._name.lower() == b"content-disposition":
                self.found.append(("header", self._value))
            self._name = self._value = b""

        def part_data(data: bytes, start: int, end: int) -> None:
            self.found.append(("data", data[start:end]))

        return {
            "on_part_begin": lambda: self.found.append(("begin", b"")),
            "on_part_data": part_data,
            "on_part_end": lambda: self.found.append(("end", b"")),
            "on_header_field": header_field,
            "on_header_value": header_value,
            "on_header_end": header_end,
            "on_end": lambda: self.found.append(("over", b"")),
        }


async def read_form(request: Request, file_field: str, writer: Writer, most: int) -> Form:
    """Read a form whose field `file_field` is a file of at most `most` bytes.

    Raises `ApiError` 400 for what is no such form, 413 for a file that is too large.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise bad_request(
            "The request must be multipart/form-data with a boundary, as SDKs send files."
        )
    if _length(request) > most + _SLACK * MAX_FIELDS:
        raise _too_large(most)
    parts, form = _Parts(), Form()
    name, is_file, text, is_over = "", False, bytearray(), False
    try:
        # It refuses a boundary that is too long.
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        async for chunk in request.stream():
            parser.write(chunk)
            found, parts.found = parts.found, []
            for what, data in found:
                if what == "begin":
                    name, is_file, text = "", False, bytearray()
                elif what == "header":
                    name, is_file = _disposition(data, file_field, form)
                elif what == "data" and is_file:
                    await writer.write(data)
                    if writer.size > most:
                        raise _too_large(most)
                elif what == "data":
                    text += data
                    if len(text) > MAX_FIELD:
                        raise bad_request(f"The field '{shorten(name)}' is too long.", name)
                elif what == "end" and not is_file and name:
                    form.fields[name] = text.decode("utf-8", "replace")
                    if len(form.fields) > MAX_FIELDS:
                        raise bad_request(f"The form has more than {MAX_FIELDS} fields.")
                elif what == "over":
                    is_over = True
        parser.finalize()
    except ClientDisconnect:
        raise bad_request("The client went away before the body was complete.") from None
    except FormParserError:
        raise bad_request("The body is no multipart/form-data as its boundary says.") from None
    if not is_over:
        raise bad_request("The body ends in the middle of the form.")
    return form


def _length(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _disposition(value: bytes, file_field: str, form: Form) -> tuple[str, bool]:
    """Return a part's name, and whether it is the file, which may come once."""
    _, options = parse_options_header(value)
    name = options.get(b"name", b"").decode("utf-8", "replace")
    file_name = options.get(b"filename")
    if name != file_field:
        return name, False
    if form.file_name is not None:
        raise bad_request(f"The form has two files: '{file_field}' may come once.", file_field)
    if file_name is None:
        raise bad_request(
            f"Invalid type for '{file_field}': expected a file, but got a string instead.",
            file_field,
            "invalid_type",
        )
    form.file_name = file_name.decode("utf-8", "replace")
    return name, True


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"The file is larger than {most} bytes.", code="file_too_large")
