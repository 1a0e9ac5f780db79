"""A timeline in the terminal, drawn with rich."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .scale import Scale
from .text import brief, is_bad, is_good, seconds
from .timeline import Call, Lane, Timeline

__all__ = ["draw"]

_MOST_LANES = 100
_LABEL = 26  # columns at most

# What stands for: a solid bar, nothing happening, more and more pieces.
_UNICODE = ("\u2501", "\u2500", "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588")
_ASCII = ("=", "-", ".:+*#")


def draw(timeline: Timeline, console: Console | None = None) -> None:
    """Draw a timeline to the width of ``console``, by default of the terminal."""
    console = console or Console()
    console.print(Group(*_parts(timeline, console)))


def _parts(timeline: Timeline, console: Console) -> Iterator[RenderableType]:
    yield _title(timeline)
    yield ""
    yield _figures(timeline)
    yield ""
    yield _lanes(timeline, console)
    if timeline.calls:
        yield ""
        yield _calls(timeline)
    if timeline.error is not None:
        yield Panel(Text(timeline.error), title="error", title_align="left", style="red")
    if timeline.torn or not timeline.ended:
        yield Text("The recording was broken off: it has no end.", style="yellow")


def _title(timeline: Timeline) -> Text:
    title = Text()
    title.append(timeline.path, style="bold")
    title.append("  ")
    bad = bool(timeline.error) or is_bad(timeline.status)
    title.append(brief(timeline.state, 60), style="bold red" if bad else "bold green")
    for fact in (timeline.model, timeline.id, timeline.created):
        if fact:
            title.append(f"  {brief(fact, 60)}", style="dim")
    return title


def _figures(timeline: Timeline) -> Columns:
    figures = [
        ("time to first token", seconds(timeline.first_token)),
        ("tokens a second", "\u2013" if timeline.rate is None else f"{timeline.rate:,.1f}"),
        ("tokens (deltas)", f"{len(timeline.pieces):,}"),
        ("tool calls", f"{len(timeline.calls):,}"),
        ("events", f"{timeline.events:,}"),
        ("duration", seconds(timeline.duration)),
    ]
    if timeline.completion_tokens is not None:
        figures.insert(3, ("tokens (billed)", f"{timeline.completion_tokens:,}"))
    cells = [
        Text.assemble((value, "bold"), "\n", (name, "dim"), no_wrap=True) for name, value in figures
    ]
    return Columns(cells, padding=(0, 4), equal=False)


def _lanes(timeline: Timeline, console: Console) -> Table:
    solid, idle, levels = _UNICODE if console.encoding.startswith("utf") else _ASCII
    every = timeline.rows()
    rows = [
        (f"  {name}" if isinstance(row, Call) and row.lane else name, row)
        for name, row in every[:_MOST_LANES]
    ]
    label_width = min(max((len(label) for label, _ in rows), default=3), _LABEL)
    width = max(console.width - label_width - 14, 10)
    scale = Scale(timeline.duration, width)
    most = max((max(scale.counts(lane.pieces), default=0) for _, lane in rows if lane), default=0)
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(width=label_width, no_wrap=True, overflow="ellipsis")
    table.add_column(width=width, no_wrap=True, overflow="crop")
    table.add_column(justify="right", no_wrap=True, min_width=9)
    table.add_row("", _axis(scale), "")
    table.add_row(
        timeline.what, _statuses(timeline, scale, solid), Text(seconds(timeline.duration))
    )
    for label, lane in rows:
        bar = _bar(lane, timeline, scale, most, (solid, idle, levels))
        took = (timeline.duration if lane.end is None else lane.end) - lane.start
        table.add_row(Text(label), bar, Text(seconds(took), style="dim"))
    left = len(every) - len(rows)
    if left:
        table.add_row("", Text(f"and {left:,} more", style="dim"), "")
    return table


def _axis(scale: Scale) -> Text:
    line = ""
    for t, label in scale.labels(max(scale.width // 10, 2)):
        at = scale.bin(t)
        if at >= len(line) and at + len(label) <= scale.width:
            line = f"{line:<{at}}{label} "
    return Text(line.rstrip(), style="dim")


def _statuses(timeline: Timeline, scale: Scale, solid: str) -> Text:
    bar = Text()
    for number, (start, end, status) in enumerate(timeline.spans, 1):
        bar.append(" " * (scale.bin(start) - len(bar)))
        last = number == len(timeline.statuses)
        room = (scale.width if last else scale.bin(end)) - len(bar)
        name = status if len(status) + 2 <= room else ""
        style = "red" if is_bad(status) else "green" if is_good(status) else "blue"
        bar.append(f"{name} " if name else "", style=style)
        bar.append(solid * (room - len(name) - bool(name)), style=style)
    return bar


def _bar(
    lane: Lane | Call,
    timeline: Timeline,
    scale: Scale,
    most: int,
    characters: tuple[str, str, str],
) -> Text:
    solid, idle, levels = characters
    first = scale.bin(lane.start)
    last = scale.bin(timeline.duration if lane.end is None else lane.end)
    bar = Text(" " * first)
    bad = is_bad(lane.status)
    if not lane.pieces:
        colour = "red" if bad else "blue" if isinstance(lane, Lane) else "magenta"
        bar.append(solid * (last - first + 1), style=colour)
        return bar
    colour = "red" if bad else "cyan" if isinstance(lane, Lane) else "magenta"
    counts = scale.counts(lane.pieces)
    for count in counts[first : last + 1]:
        if count:
            level = (count * len(levels) - 1) // most
            bar.append(levels[min(level, len(levels) - 1)], style=colour)
        else:
            bar.append(idle, style="dim")
    return bar


def _calls(timeline: Timeline) -> Table:
    table = Table(title="Tool calls", title_justify="left", title_style="bold", box=box.SIMPLE)
    table.add_column("", justify="right")
    table.add_column("tool", overflow="fold")
    table.add_column("at", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("input", overflow="fold", ratio=1)
    table.add_column("output", overflow="fold", ratio=1)
    for call in timeline.calls[:_MOST_LANES]:
        table.add_row(
            str(call.number),
            Text(brief(call.name, 80)),
            seconds(call.start),
            seconds(None if call.end is None else call.end - call.start),
            Text(brief(call.input, 500)),
            Text(brief(call.output, 500)),
        )
    return table
