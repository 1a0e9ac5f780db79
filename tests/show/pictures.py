"""Pictures of recordings, and what tests look for in them."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from emitter_stream.recordings import Recording
from emitter_stream.show import Timeline
from emitter_stream.show.terminal import draw

EVIL = (
    '"><script>document.title="hacked"</script><img src=x onerror="document.title=1">'
    "\x1b[31m\x9b2J\u202e'`&amp;</style></title></pre>\ud800"
)


def timeline_of(path: Path) -> Timeline:
    """Read a recording."""
    return Timeline.of(Recording.load(path))


def drawn(timeline: Timeline, width: int = 100, encoding: str = "utf-8") -> str:
    """Draw in a terminal of this width that takes no colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    draw(timeline, Console(file=file, width=width, color_system=None))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


class Page(HTMLParser):
    """Checks that a page's elements are closed, and notes what it has."""

    def __init__(self, source: str):
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        self.problems += [f"open: {tag}" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"closed: {tag}")

    def handle_data(self, data):
        self.text.append(data)
