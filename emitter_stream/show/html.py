"""A timeline as one HTML page that loads nothing and runs nothing.

Every string of the recording is escaped by the template, `page.html.jinja`, and made `visible`
first; the page's policy forbids scripts, styles other than its own, and any request, should one get
through all the same.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

import attrs
import jinja2
import markupsafe

from .scale import Scale
from .text import brief, is_bad, is_good, seconds, visible
from .timeline import Call, Lane, Timeline

__all__ = ["page"]

_BINS = 160
_MOST_LANES = 300
_MOST_TEXT = 20_000
_SAID = ("message", "reasoning")
_KEY = (
    ("step", "step"),
    ("request", "request"),
    ("reasoning", "reasoning"),
    ("message", "message"),
    ("toolspan", "tool call"),
    ("pieces", "deltas: the taller, the more"),
    ("bad", "failed or cut short"),
)


def page(timeline: Timeline) -> str:
    """Return the page."""
    scale = Scale(timeline.duration, _BINS)
    rows = _rows(timeline, scale)
    style = _file("page.css")
    shown = {row.kind for row in rows} | {"pieces"}
    return _template().render(
        timeline=timeline,
        title=timeline.path.replace("\\", "/").rsplit("/", 1)[-1],
        bad=bool(timeline.error) or is_bad(timeline.status),
        style=markupsafe.Markup(style),
        digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        figures=_figures(timeline),
        scale=scale,
        place=lambda t: _percent(scale.share(t)),
        labels=scale.labels(6),
        rows=rows,
        left=len(timeline.rows()) - len(rows),
        said=[lane for lane in timeline.lanes if lane.kind in _SAID][:_MOST_LANES],
        KEY=[(kind, what) for kind, what in _KEY if kind in shown],
        BINS=_BINS,
        MOST_LANES=_MOST_LANES,
        MOST_TEXT=_MOST_TEXT,
    )


@attrs.frozen
class _Row:
    """A lane or a call as it is drawn. ``bars`` are the bins with deltas, each with its height."""

    name: str
    kind: str
    is_call: bool
    is_inner: bool  # whether it was made in a lane
    about: str
    took: str
    start: float
    width: float  # of the whole, from 0 to 1
    bars: list[tuple[int, float]]
    has_first: bool


@functools.cache
def _template() -> jinja2.Template:
    # Compiled once: that takes longer than to fill it in.
    environment = jinja2.Environment(
        keep_trailing_newline=True,
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(brief=brief, seconds=seconds, percent=_percent)
    environment.tests.update(bad=is_bad, good=is_good)
    return environment.from_string(_file("page.html.jinja"))


def _shown(value: Any) -> Any:
    is_text = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
    return visible(value) if is_text else value


@functools.cache
def _file(name: str) -> str:
    return resources.files(__name__.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")


def _figures(timeline: Timeline) -> list[tuple[str, str]]:
    rate = "\u2013" if timeline.rate is None else f"{timeline.rate:,.1f}"
    figures = [
        ("Time to first token", seconds(timeline.first_token)),
        ("Tokens a second", rate),
        ("Tokens (deltas)", f"{len(timeline.pieces):,}"),
        ("Tool calls", f"{len(timeline.calls):,}"),
        ("Events", f"{timeline.events:,}"),
        ("Duration", seconds(timeline.duration)),
    ]
    if timeline.completion_tokens is not None:
        figures.insert(3, ("Tokens billed", f"{timeline.completion_tokens:,}"))
    return figures


def _rows(timeline: Timeline, scale: Scale) -> list[_Row]:
    named = timeline.rows(" \u00b7 ")[:_MOST_LANES]
    most = max((max(scale.counts(lane.pieces)) for _, lane in named), default=1) or 1
    return [_row(name, lane, timeline, scale, most) for name, lane in named]


def _row(name: str, lane: Lane | Call, timeline: Timeline, scale: Scale, most: int) -> _Row:
    end = timeline.duration if lane.end is None else lane.end
    took = seconds(end - lane.start)
    status = lane.status
    about = f"{name}: from {seconds(lane.start)} on, {took}"
    if lane.pieces:
        about += f", {len(lane.pieces):,} deltas"
    about += f", {brief(status, 60)}" if status else ""
    about += "" if lane.end is not None else ", not ended"
    counts = enumerate(scale.counts(lane.pieces))
    return _Row(
        name=name,
        kind="bad" if is_bad(status) else "toolspan" if isinstance(lane, Call) else lane.kind,
        is_call=isinstance(lane, Call),
        is_inner=isinstance(lane, Call) and lane.lane is not None,
        about=about,
        took=took,
        start=lane.start,
        width=max(scale.share(end) - scale.share(lane.start), 0.002),
        bars=[(number, 4 + 18 * count / most) for number, count in counts if count],
        has_first=not isinstance(lane, Call)
        and lane.kind == "message"
        and timeline.first_token in lane.pieces[:1],
    )


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"
