"""Writes what type checkers are told of each API's events, from the API's one table of them.

    python tests/write_listeners.py

One overload for each signature, in which a listener, a decorated function, `emitted` and `events`
get the classes of what the event passes; for the streams of threads and of asyncio, each its own
module, as asyncio is not to be imported without need. `TABLES` has a row for each API.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from emitter_stream.streams.assistants import events as assistants
from emitter_stream.streams.chat import events as chat
from emitter_stream.streams.responses import events as responses

PACKAGE = Path(__file__).parent.parent / "emitter_stream"
BASE = {
    "connect": (),
    "end": (),
    "error": ("OpenAIError",),
    "abort": ("APIUserAbortError",),
}
ON = """Call ``listener`` at each ``event``, by ``once`` at the next only; return the stream.

            Node: ``on``, ``once``.

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that
            returns the function. Raises ``ValueError`` for a name that is never emitted,
            ``TypeError`` for a listener that needs more than the event passes{more}.
            """
EMITTED = """Wait for the next ``event``; return its argument, or a tuple of several. Node: ``emitted``.

            Raises the stream's error if that comes instead (``"error"`` returns it), an
            ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError``
            after ``timeout`` seconds.
            """
EVENTS = """Return an iterator over the arguments of each ``event``, always as a tuple. Node: ``events``.

            It listens from now on, and loses nothing. At the end of the stream it raises the
            stream's error, except that ``"error"`` and ``"abort"`` yield theirs. Leaving it early
            only detaches it.
            """


Groups = dict[tuple[str, ...], list[str]]
"""The names of the events that pass arguments of these classes."""


@attrs.frozen
class Side:
    """The streams of threads, or those of asyncio."""

    prefix: str  # of names
    file: str
    base: str
    iterator: str
    awaited: str  # what `emitted` returns, with its result at {}
    more: str
    imports: str  # of the base, and of what the overloads say


THREADS = Side(
    prefix="",
    file="listeners.py",
    base="EventStream",
    iterator="EventIterator",
    awaited="{}",
    more=", or is an ``async def``",
    imports="""\
from ...engine.stream import EventStream
|
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar, overload

    from typing_extensions import Self

    from ..._typing import Defaulted, Listener0, Listener1, Listener2, Result
    from ...engine.stream import EventIterator
""",
)
LOOP = Side(
    prefix="Async",
    file="aio_listeners.py",
    base="AsyncEventStream",
    iterator="AsyncEventIterator",
    awaited="Coroutine[Any, Any, {}]",
    more="",
    imports="""\
from ...engine.loop.stream import AsyncEventStream
|
    from collections.abc import Callable, Coroutine
    from typing import Any, Literal, TypeVar, overload

    from typing_extensions import Self

    from ..._typing import AsyncListener0, AsyncListener1, AsyncListener2, Defaulted
    from ...engine.loop.iterator import AsyncEventIterator
""",
)


@attrs.frozen
class Table:
    """The events of one API, and what is made of them."""

    folder: str
    name: str  # of the classes: {Async}<name>Listeners
    signatures: dict[str, tuple[str, ...]]
    imports: str  # of the classes in the signatures
    stem: str = ""  # what the names of the files begin with


def imported(module: str, signatures: dict[str, tuple[str, ...]]) -> str:
    """Return the import of all classes in these signatures."""
    names = {name for classes in signatures.values() for name in classes} - {"Any", "str"}
    lines = "".join(f"        {name},\n" for name in sorted(names, key=str.lower))
    return f"    from {module} import (\n{lines}    )\n"


TABLES = [
    Table(
        "streams/assistants",
        "Assistant",
        {**assistants.SIGNATURES, **assistants.LOOP_SIGNATURES},
        """\
    from ...types import (
        AssistantStreamEvent,
        ImageFile,
        Message,
        MessageDelta,
        MessageDeltaEvent,
        Run,
        RunStep,
        RunStepDelta,
        RunStepDeltaEvent,
        Text,
        TextDelta,
        Thread,
        ToolCall,
        ToolCallDelta,
    )
    from .tool_loop import FunctionCall
""",
    ),
    Table("streams/chat", "Chat", chat.SIGNATURES, imported("...types.chat", chat.SIGNATURES)),
    Table(
        "streams/chat",
        "ChatRunner",
        chat.RUNNER_SIGNATURES,
        imported("...types.chat", chat.RUNNER_SIGNATURES),
        stem="runner_",
    ),
    Table(
        "streams/responses",
        "Response",
        responses.SIGNATURES,
        imported("...types.responses", responses.SIGNATURES),
    ),
]
FILES = [(table, side) for table in TABLES for side in (THREADS, LOOP)]


def path_of(table: Table, side: Side) -> Path:
    """Return where a module is."""
    return PACKAGE / table.folder / f"{table.stem}{side.file}"


def written(table: Table, side: Side) -> str:
    """Return what a module should be."""
    groups: Groups = {}
    for name, classes in {**BASE, **table.signatures}.items():
        groups.setdefault(classes, []).append(name)
    base_import, _, imports = side.imports.partition("|\n")
    for unused in {0, 1, 2} - {len(classes) for classes in groups}:
        imports = imports.replace(f"{side.prefix}Listener{unused}, ", "")
    name = f"{side.prefix}{table.name}Listeners"
    parts = [
        f"""\
\"\"\"What type checkers are told of these events.

Written by ``python tests/write_listeners.py`` from ``events.py``; not to be changed by hand.
\"\"\"

from __future__ import annotations

from typing import TYPE_CHECKING

{base_import}
__all__ = ["{name}"]

if TYPE_CHECKING:
{imports}    from ...exceptions import APIUserAbortError, OpenAIError
{table.imports}
    # fmt: off
""",
        *type_variables(side, groups),
        f"\n    class {name}({side.base}):\n",
    ]
    parts += overloads_of_on(side, groups)
    parts.append("        once = on\n")  # to type checkers they are the same
    parts += overloads_of_waits(side, groups)
    parts.append(
        f"""\
    # fmt: on

else:

    class {name}({side.base}):
        \"\"\"The methods are those of the base; this is for type checkers.\"\"\"
"""
    )
    return "".join(parts)


def listener(side: Side, classes: tuple[str, ...]) -> str:
    """Return the type of an event's listeners."""
    of = f"[{', '.join(classes)}]" if classes else ""
    return f"{side.prefix}Listener{len(classes)}{of}"


def type_variables(side: Side, groups: Groups) -> list[str]:
    """Declare the decorated functions of each signature."""
    return [
        f'    _{side.prefix}F{number} = TypeVar("_{side.prefix}F{number}", '
        f"bound={listener(side, classes)})\n"
        for number, classes in enumerate(groups)
    ]


def overloads_of_on(side: Side, groups: Groups) -> list[str]:
    """Write `on`."""
    parts = []
    every = [name for names in groups.values() for name in names]
    result = "object" if side.prefix else "Result"
    # One overload for each number of arguments that a listener may take, and no union of them, from
    # which mypy would learn nothing of a lambda's arguments.
    for classes, names in [*groups.items(), ((), every)]:
        if len(classes) == 1:
            parts.append(
                f"        @overload\n"
                f"        def on(self, event: {literal(names)}, "
                f"listener: Defaulted[{classes[0]}, {result}]) -> Self: ...\n"
            )
        for count in range(len(classes), 0 if names is not every else -1, -1):
            taken = ", ".join(classes[:count])
            parts.append(
                f"        @overload\n"
                f"        def on(self, event: {literal(names)}, "
                f"listener: Callable[[{taken}], {result}]) -> Self: ...\n"
            )
    for number, names in enumerate(groups.values()):
        function = f"_{side.prefix}F{number}"
        parts.append(
            f"        @overload\n"
            f"        def on(self, event: {literal(names)}, "
            f"listener: None = None) -> Callable[[{function}], {function}]: ...\n"
        )
    parts.append(
        f"        def on(self, event: Any, listener: Any = None) -> Any:\n"
        f'            """{ON.format(more=side.more)}"""\n'
    )
    return parts


def overloads_of_waits(side: Side, groups: Groups) -> list[str]:
    """Write `emitted` and `events`."""
    emitted, events = [], []
    for classes, names in groups.items():
        several = f"tuple[{', '.join(classes) or '()'}]"
        result = several if len(classes) > 1 else (*classes, "None")[0]
        ignored = "" if emitted else "  # type: ignore[override]"
        emitted.append(
            f"        @overload{ignored}\n"
            f"        def emitted(self, event: {literal(names)}, timeout: float | None = None)"
            f" -> {side.awaited.format(result)}: ...\n"
        )
        events.append(
            f"        @overload{ignored}\n"
            f"        def events(self, event: {literal(names)}) -> {side.iterator}[{several}]: ...\n"
        )
    emitted.append(
        "        def emitted(self, event: Any, timeout: float | None = None) -> Any:\n"
        f'            """{EMITTED}"""\n'
    )
    events.append(f'        def events(self, event: Any) -> Any:\n            """{EVENTS}"""\n')
    return emitted + events


def literal(names: list[str]) -> str:
    """Return the type of these names."""
    return f"Literal[{', '.join(map(repr, names))}]".replace("'", '"')


if __name__ == "__main__":
    for each in FILES:
        path_of(*each).write_text(written(*each), encoding="utf-8")
