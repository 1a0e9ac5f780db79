"""Draw the moving picture of the terminal: `python docs/make_pictures.py`.

The dialogue is held with the scripted model, so that it is the same each time. Who does not show
movement (a reader's wish, or another program than a browser) shows the end of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from emitter_stream import OpenAI
from emitter_stream.server import LocalServer
from emitter_stream.terminal_chat import DIALOGUES, Settings

PICTURES = Path(__file__).parent / "pictures"

COMMAND = "emitter-stream chat --api assistants --tool code_interpreter"
QUESTIONS = ["Please solve 3x + 11 = 14."]

COLUMNS, CELL, ROW = 84, 8.4, 19  # of 14 px
LEFT, TOP = 18, 58
COLOURS = {
    "$": "#7ee787",
    "you": "#7ee787",
    "assistant": "#79c0ff",
    "output": "#d2a8ff",
    "code_interpreter": "#ffa657",
}

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #e6edf3; white-space: pre; animation: come 1ms backwards }}
@keyframes come {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }}
@media (prefers-reduced-motion: reduce) {{ text {{ animation: none }} }}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#30363d"/>
<circle cx="20" cy="20" r="6" fill="#ff5f57"/><circle cx="40" cy="20" r="6" fill="#febc2e"/><circle cx="60" cy="20" r="6" fill="#28c840"/>
"""


def dialogue() -> list[tuple[float, str]]:
    """Hold the dialogue; return what comes on the screen, each piece with its time in seconds."""
    shown: list[tuple[float, str]] = []
    now = 0.5

    def put(text: str, seconds: float) -> None:
        nonlocal now
        shown.append((now, text))
        now += seconds

    def typed(prompt: str, text: str) -> None:
        put(prompt, 0.8)
        for character in text:
            put(character, 0.045)
        put("\n", 0.6)

    with LocalServer() as server, OpenAI("any", base_url=server.base_url) as client:
        settings = Settings("gpt-4o", tools=("code_interpreter",))
        talk = DIALOGUES["assistants"](client, settings, lambda text: put(text, 0.07), input)
        typed("$ ", COMMAND)
        for question in QUESTIONS:
            typed("you > ", question)
            talk.ask(question)
        put("you > ", 0)
        talk.close()
    return shown


def placed(shown: list[tuple[float, str]]) -> Iterator[tuple[float, int, int, str, str]]:
    """Give each piece as the screen has it: time, row, column, colour, text."""
    row = column = 0
    for time, text in shown:
        for number, line in enumerate(text.split("\n")):
            if number:
                row, column = row + 1, 0
            while line:
                label = line.split(" > ")[0].strip() if column == 0 else ""
                part, line = line[: COLUMNS - column], line[COLUMNS - column :]
                yield time, row, column, COLOURS.get(label, ""), part
                column += len(part)
                if line:
                    row, column = row + 1, 0


def svg(shown: list[tuple[float, str]], title: str) -> str:
    """Draw it."""
    pieces = list(placed(shown))
    width = round(2 * LEFT + COLUMNS * CELL)
    height = TOP + ROW * (1 + max(row for _, row, *_ in pieces))
    parts = [HEAD.format(width=width, height=height, title=escape(title))]
    for time, row, column, colour, text in pieces:
        if text.strip():
            fill = f";fill:{colour}" if colour else ""
            parts.append(
                f'<text xml:space="preserve" x="{LEFT + column * CELL:.1f}" y="{TOP + row * ROW}" '
                f'textLength="{len(text) * CELL:.1f}" style="animation-delay:{time:.2f}s{fill}">'
                f"{escape(text)}</text>\n"
            )
    return "".join((*parts, "</svg>\n"))


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    title = "A dialogue in the terminal"
    (PICTURES / "chat.svg").write_text(svg(dialogue(), title), encoding="utf-8")
