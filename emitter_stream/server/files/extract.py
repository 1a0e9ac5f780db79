"""From a file's bytes to chunks of text. It is a program of its own, and imports nothing of the package.

    python extract.py PATH NAME SIZE OVERLAP MEMORY SECONDS    writes a JSON string a line, then {}

What is read may have been made to harm: to unpack without end, to keep a reader busy for ever, to be
something else than its name says. So it is read in a process whose memory, time and output have
limits, with counts of its own before these, and what is wrong ends as `Unreadable`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

MAX_BYTES = 512 * 1024 * 1024
MAX_TEXT = 20_000_000  # characters, about five million tokens
MAX_RATIO = 200  # how much larger than packed a part may be, above a few megabytes
_BIG_PART = 8 * 1024 * 1024
_READ = 1024 * 1024

_TEXT_ENDINGS = """
    c cc cpp cs css csv go h hpp htm html ini java js json jsonl kt log lua md markdown php pl py r rb
    rs rst rtf sh sql svg swift tex toml ts tsv txt xml yaml yml
"""
_TEXT = frozenset(_TEXT_ENDINGS.split())
_HTML = frozenset(("html", "htm"))
_BINARY = {
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"RIFF": "a media file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\x1f\x8b": "a compressed file",
    b"BZh": "a compressed file",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"OggS": "a media file",
    b"ID3": "a media file",
    b"SQLite format 3\x00": "a database",
}
_PIECES = re.compile(r"\s*[\w'\u2019]+|\s*[^\w\s]|\s+")
_LONG_WORD = 64  # characters of a word that count as one token


class Unreadable(Exception):
    """Why there is no text: a code of the API's, and the words to go with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Unreadable:
    return Unreadable("invalid_file", message)


def kind_of(path: str, name: str) -> str:
    """Say what a file is, by its first bytes and its name: text, html, pdf, docx or pptx."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        raise invalid("The file is empty.")
    if size > MAX_BYTES:
        raise invalid(f"The file is too large: {size} bytes, and at most {MAX_BYTES} can be read.")
    kind = "text"
    if b"%PDF-" in head[:1024]:
        kind = "pdf"
    elif head.startswith(b"PK\x03\x04"):
        kind = _kind_of_package(path)
    elif not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        for magic, what in _BINARY.items():
            if head.startswith(magic) and (len(magic) > 2 or b"\x00" in head):
                if ending in _TEXT:
                    raise invalid(f"The name says text (.{ending}), the content is {what}.")
                raise Unreadable("unsupported_file", f"No text can be read from {what}.")
        if b"\x00" in head:
            if ending in _TEXT or ending in ("pdf", "docx", "pptx"):
                raise invalid(f"The content is not what the name says (.{ending}).")
            raise Unreadable("unsupported_file", "The file is of a kind that cannot be read.")
    if ending in ("pdf", "docx", "pptx") and kind != ending:
        raise invalid(f"The content is not what the name says (.{ending}).")
    if kind in ("pdf", "docx", "pptx") and ending in _TEXT:
        raise invalid(f"The name says text (.{ending}), the content is {kind}.")
    return "html" if kind == "text" and ending in _HTML else kind


def _kind_of_package(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as package:
            names = set(package.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise invalid("The file begins as a zip archive and is none.") from None
    if "word/document.xml" in names:
        return "docx"
    if any(name.startswith("ppt/slides/slide") for name in names):
        return "pptx"
    raise Unreadable("unsupported_file", "Of packed files only .docx and .pptx can be read.")


def text_of(path: str, name: str) -> Iterator[str]:
    """Yield the text of a file in pieces; raises `Unreadable`."""
    kind = kind_of(path, name)
    reader = {"text": _plain, "html": _html, "pdf": _pdf, "docx": _docx, "pptx": _pptx}[kind]
    length = 0
    seen = False
    for piece in reader(path):
        length += len(piece)
        if length > MAX_TEXT:
            raise invalid(f"The text is too long: more than {MAX_TEXT} characters.")
        seen = seen or not piece.isspace()
        yield piece
    if not seen:
        raise invalid("There is no text in the file.")


def _plain(path: str) -> Iterator[str]:
    with open(path, "rb") as file:
        head = file.read(4)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        with open(path, encoding="utf-16" if wide else "utf-8-sig", newline=None) as text:
            while piece := text.read(_READ):
                if "\x00" in piece:
                    raise invalid("The file is no text: there are zero bytes in it.")
                yield piece
    except UnicodeError:
        raise invalid("The text is not in UTF-8, UTF-16 or ASCII.") from None


class _Words(HTMLParser):
    """What a reader of a page sees, a line each block."""

    _SILENT = frozenset(("script", "style", "noscript", "template", "svg"))
    _INLINE = frozenset(
        (
            *("a", "abbr", "b", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span"),
            *("strong", "sub", "sup", "u", "var"),
        )
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if self._silent:
            self._depth += tag == self._silent
        elif tag in self._SILENT:
            self._silent, self._depth = tag, 1
        elif tag not in self._INLINE:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._depth -= tag == self._silent
            if self._depth == 0:
                self._silent = ""
        elif tag not in self._INLINE:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def _html(path: str) -> Iterator[str]:
    words = _Words()
    for piece in _plain(path):
        words.feed(piece)
        yield from words.found
        words.found.clear()
    words.close()
    yield from words.found


def _pdf(path: str) -> Iterator[str]:
    try:
        import pypdf
    except ImportError:
        raise Unreadable(
            "unsupported_file", "This server cannot read PDF: it has no pypdf."
        ) from None
    import logging

    logging.disable(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise invalid("The PDF is locked with a password.")
        for page in reader.pages:
            yield page.extract_text() + "\n\n"
    except (Unreadable, MemoryError):
        raise
    except RecursionError:
        raise invalid("The PDF is nested too deeply.") from None
    except Exception as exc:  # noqa: BLE001 - pypdf raises nearly anything on broken files
        raise invalid(f"The PDF cannot be read: {type(exc).__name__}.") from None


def _part(package: zipfile.ZipFile, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the elements of an XML part at their ends, read piece by piece."""
    info = package.getinfo(name)
    parser: Any = ElementTree.XMLPullParser(events=("start", "end"))
    count, depth = 0, 0
    with package.open(info) as file:
        while data := file.read(64 * 1024):
            count += len(data)
            if count > _BIG_PART and count > MAX_RATIO * max(1, info.compress_size):
                raise invalid("The file unpacks to far more than it should: it is refused.")
            if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
                raise invalid("The file has a document type, which no Office file has.")
            parser.feed(data)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if depth > 1000:
                    raise invalid("The file is nested too deeply.")
                if event == "end":
                    yield element.tag.rpartition("}")[2], element


def _office(path: str, names: object) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as package:
            for name in names(package.namelist()):  # type: ignore[operator]
                for tag, element in _part(package, name):
                    if tag == "t":
                        yield element.text or ""
                    elif tag == "tab":
                        yield "\t"
                    elif tag in ("p", "br", "cr"):
                        yield "\n"
                    if tag in ("p", "tbl", "sp"):
                        element.clear()
                yield "\n\n"
    except Unreadable:
        raise
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError, OSError) as exc:
        raise invalid(f"The file cannot be unpacked: {type(exc).__name__}.") from None
    except (RuntimeError, NotImplementedError, ValueError) as exc:  # locked, or packed in odd ways
        raise invalid(f"The file cannot be unpacked: {type(exc).__name__}.") from None


def _docx(path: str) -> Iterator[str]:
    notes = ("word/footnotes.xml", "word/endnotes.xml")
    return _office(path, lambda names: ["word/document.xml", *(n for n in notes if n in names)])


def _pptx(path: str) -> Iterator[str]:
    slide = re.compile(r"ppt/slides/slide(\d{1,6})\.xml")

    def slides(names: list[str]) -> list[str]:
        found = [(int(match[1]), name) for name in names if (match := slide.fullmatch(name))]
        return [name for _, name in sorted(found)]

    return _office(path, slides)


def chunks_of(text: Iterator[str], size: int, overlap: int) -> Iterator[str]:
    """Cut text into chunks of `size` tokens of which `overlap` are the last ones of the chunk before.

    A token is a word or a mark, with the space in front; a very long word is several.
    """
    tokens: list[str] = []
    fresh = 0  # tokens that are in no chunk yet, but for space
    for token in _tokens(text):
        tokens.append(token)
        fresh += not token.isspace()
        if len(tokens) == size:
            yield "".join(tokens).strip()
            del tokens[: size - overlap]
            fresh = 0
    if fresh:
        last = "".join(tokens).strip()
        if last:
            yield last


def _tokens(text: Iterator[str]) -> Iterator[str]:
    rest = ""
    for piece in text:
        rest += piece
        if len(rest) < 4096:
            continue
        found = _PIECES.findall(rest)
        rest = found.pop()  # it may go on
        yield from _short(found)
        if len(rest) > _READ:
            yield from _short([rest])
            rest = ""
    yield from _short(_PIECES.findall(rest))


def _short(tokens: list[str]) -> Iterator[str]:
    for token in tokens:
        if len(token) <= _LONG_WORD:
            yield token
        else:
            for start in range(0, len(token), _LONG_WORD):
                yield token[start : start + _LONG_WORD]


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    for name, value in (
        ("RLIMIT_AS", memory),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", 16 * MAX_TEXT),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 64),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def main(arguments: list[str]) -> None:
    path, name, *numbers = arguments
    size, overlap, memory, seconds = map(int, numbers)
    _limit(memory, seconds)
    end: dict[str, str] = {}
    try:
        for chunk in chunks_of(text_of(path, name), size, overlap):
            sys.stdout.write(json.dumps(chunk) + "\n")
    except Unreadable as exc:
        end = {"code": exc.code, "message": exc.message}
    except MemoryError:
        end = {"code": "invalid_file", "message": "The file takes too much memory to be read."}
    except RecursionError:
        end = {"code": "invalid_file", "message": "The file is nested too deeply."}
    sys.stdout.write(json.dumps(end) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
