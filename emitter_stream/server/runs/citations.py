"""Marks in what a model says, and what they stand for: cited files, and files that code wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..store.objects import Json

_SANDBOX = "sandbox:/mnt/data/"
_MARK = re.compile(r"【(\d{1,6}):(\d{1,6})†[^【】]{0,300}】|sandbox:/mnt/data/[^\s()\[\]\"'<>`]+")
# What may be the beginning of a mark, up to the text's end.
_BEGUN = re.compile(r"【[^【】]{0,330}\Z|sandbox:/mnt/data/[^\s()\[\]\"'<>`]{0,330}\Z")


class Citations:
    """Cuts a text that comes in pieces so that no mark is torn apart, and places annotations.

    `sources` are the cited files by the numbers in their marks, `written` those that code wrote, by
    their names. Places count code points.
    """

    def __init__(self, sources: Mapping[tuple[int, int], str], written: Mapping[str, str]) -> None:
        self.annotations: list[Json] = []
        self._sources = sources
        self._written = written
        self._held = ""
        self._length = 0  # of what has been given out

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that could be cited, so that texts need not come by here."""
        return not self._sources and not self._written

    def feed(self, piece: str) -> Iterator[tuple[str, list[Json]]]:
        """Yield what can be given out, each mark alone with its annotation."""
        if self.is_idle:
            yield piece, []
            return
        text = self._held + piece
        keep = self._incomplete(text)
        self._held = text[keep:]
        yield from self._cut(text[:keep])

    def end(self) -> Iterator[tuple[str, list[Json]]]:
        """Yield the rest."""
        rest, self._held = self._held, ""
        yield from self._cut(rest)

    def _incomplete(self, text: str) -> int:
        """Return from where on a text may be the beginning of a mark."""
        begun = _BEGUN.search(text)
        if begun is not None:
            return begun.start()
        if not self._written:
            return len(text)
        for length in range(min(len(_SANDBOX) - 1, len(text)), 0, -1):
            if text.endswith(_SANDBOX[:length]):
                return len(text) - length
        return len(text)

    def _cut(self, text: str) -> Iterator[tuple[str, list[Json]]]:
        done = 0
        for found in _MARK.finditer(text):
            annotation = self._annotation(found, self._length + found.start() - done)
            if annotation is None:
                continue
            if found.start() > done:
                yield self._give(text[done : found.start()]), []
            self.annotations.append(annotation)
            done = found.start() + len(annotation["text"])
            yield self._give(annotation["text"]), [annotation]
        if done < len(text):
            yield self._give(text[done:]), []

    def _give(self, text: str) -> str:
        self._length += len(text)
        return text

    def _annotation(self, found: re.Match[str], start: int) -> Json | None:
        text = found.group()
        if found[1] is not None:
            file_id = self._sources.get((int(found[1]), int(found[2])))
            kind = "file_citation"
        else:
            kind, name = "file_path", text.removeprefix(_SANDBOX)
            while name not in self._written and name[-1:] in ".,;:!?":  # the sentence's, not its
                name = name[:-1]
            file_id, text = self._written.get(name), _SANDBOX + name
        if file_id is None:
            return None
        return {
            "type": kind,
            "text": text,
            "start_index": start,
            "end_index": start + len(text),
            kind: {"file_id": file_id},
        }
