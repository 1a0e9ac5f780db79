"""A timeline as one HTML page that loads nothing and runs nothing.

Every string of the recording goes through ``_text``; the page's policy forbids scripts, styles
other than its own, and any request, should one get through all the same.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator

from .scale import Scale
from .text import brief, seconds, visible
from .timeline import Call, Lane, Timeline

__all__ = ["page"]

_BINS = 160
_MOST_LANES = 300
_MOST_TEXT = 20_000
_BAD = ("failed", "expired", "incomplete", "cancelled")

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4;
  --grid: #e6eaee; --step: #9db8e8; --message: #0f766e; --tool: #8250df; --bad: #c62828;
  --good: #1a7f37; --wait: #8c959f; --code: #f0f2f5; --tint: #cdeae6; --tooltint: #e5dbf8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #171b21; --ink: #e6e9ed; --soft: #9aa4af; --line: #2c333c;
    --grid: #252b33; --step: #3d5a94; --message: #4fd1c1; --tool: #b695f8; --bad: #ff7b72;
    --good: #56d364; --wait: #5c6672; --code: #10141a; --tint: #1b3d3b; --tooltint: #342a50;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 48px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 6px 14px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 14px; }
.pill { border: 1.5px solid currentColor; border-radius: 99px; padding: 0 11px; font-size: .85rem;
  font-weight: 600; color: var(--good); }
.pill.bad { color: var(--bad); }
.facts { flex-basis: 100%; margin: 0; color: var(--soft); font-size: .9rem;
  overflow-wrap: anywhere; }
section, .notice { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px 20px; margin-top: 18px; }
.notice { border-color: var(--bad); border-left-width: 6px; overflow-wrap: anywhere;
  white-space: pre-wrap; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr));
  gap: 12px; margin: 18px 0 0; }
dl.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 12px 16px; display: flex; flex-direction: column-reverse;
  justify-content: flex-end; }
dt { color: var(--soft); font-size: .84rem; }
dd { margin: 0; font-size: 1.45rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.lanes { list-style: none; margin: 0; padding: 0; }
.lanes li { display: grid; grid-template-columns: minmax(90px, 190px) 1fr 76px; gap: 0 14px;
  align-items: center; }
.lanes .name { font-size: .9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lanes .tool .name { padding-left: 18px; color: var(--tool); }
.lanes .took { text-align: right; color: var(--soft); font-size: .85rem;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; overflow: visible; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.g { stroke: var(--grid); stroke-width: 1; }
.step { fill: var(--step); } .message { fill: var(--tint); } .toolspan { fill: var(--tooltint); }
.pieces { fill: var(--message); } .tool .pieces { fill: var(--tool); }
.bad { fill: var(--bad); } .good { fill: var(--good); } .wait { fill: var(--wait); }
.first { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 3 3; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 0; padding: 0;
  list-style: none; color: var(--soft); font-size: .84rem; }
.key svg { display: inline-block; width: 14px; height: 12px; vertical-align: -1px;
  margin-right: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: .84rem; }
th, td { padding: 8px 16px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; padding-bottom: 0; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.n { text-align: right; }
pre { margin: 0; padding: 6px 9px; background: var(--code); border-radius: 6px; max-height: 260px;
  overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.45 ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
td pre { min-width: 150px; }
.said { margin: 0 0 16px; } .said:last-child { margin: 0; }
.said h3 { font-size: .9rem; margin: 0 0 4px; color: var(--soft); font-weight: 600; }
.said p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .84rem; margin-top: 18px; }
@media (max-width: 640px) {
  .lanes li { grid-template-columns: 92px 1fr 58px; gap: 0 8px; }
  main { padding: 16px 10px 32px; } section { padding: 14px 12px; }
}
"""


def page(timeline: Timeline) -> str:
    """Return the page."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = timeline.path.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="referrer" content="no-referrer">\n',
            f"<title>{_text(brief(title, 200))} \u00b7 emitter-stream</title>\n",
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n",
            *_parts(timeline, title),
            "</main>\n</body>\n</html>\n",
        )
    )


def _text(value: str) -> str:
    return html.escape(visible(value), quote=True)


def _parts(timeline: Timeline, title: str) -> Iterator[str]:
    state = "error" if timeline.error else timeline.status or "no run"
    bad = " bad" if _is_bad(state) else ""
    facts = [fact for fact in (timeline.model, timeline.run_id, timeline.created) if fact]
    yield f'<header><h1>{_text(brief(title, 200))}</h1><span class="pill{bad}">'
    yield f"{_text(brief(state.replace('_', ' '), 60))}</span>"
    line = " \u00b7 ".join(_text(brief(fact, 120)) for fact in facts)
    yield f'<p class="facts">{line}</p></header>\n'
    if timeline.error is not None:
        yield f'<p class="notice" role="note">{_text(brief(timeline.error, _MOST_TEXT))}</p>\n'
    if timeline.torn or not timeline.ended:
        yield '<p class="notice" role="note">The recording was broken off: it has no end.</p>\n'
    yield from _figures(timeline)
    yield from _lanes(timeline)
    yield from _calls(timeline)
    yield from _messages(timeline)
    yield "<footer>Times are from the moment the request was sent. Drawn by "
    yield "<code>emitter-stream show</code>; tokens are counted as deltas.</footer>\n"


def _figures(timeline: Timeline) -> Iterator[str]:
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
    yield '<dl class="figures">'
    for name, value in figures:
        yield f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>"
    yield "</dl>\n"


def _lanes(timeline: Timeline) -> Iterator[str]:
    scale = Scale(timeline.duration, _BINS)
    labels = scale.labels(8)
    grid = "".join(
        f'<line class="g" x1="{_percent(scale.share(t))}" x2="{_percent(scale.share(t))}" '
        f'y1="0" y2="100%"/>'
        for t, _ in labels
    )
    rows = _rows(timeline)
    most = max((max(scale.counts(lane.pieces)) for _, lane in rows), default=1) or 1
    yield '<section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>\n<ol class="lanes">'
    yield '<li aria-hidden="true"><span></span><svg aria-hidden="true" height="20">'
    for t, label in labels:
        anchor = "end" if scale.share(t) > 0.97 else "start" if t == 0 else "middle"
        yield f'<text x="{_percent(scale.share(t))}" y="13" text-anchor="{anchor}">'
        yield f"{_text(label)}</text>"
    yield "</svg><span></span></li>\n"
    yield from _run(timeline, scale, grid)
    for name, lane in rows:
        yield from _lane(name, lane, timeline, scale, grid, most)
    yield "</ol>\n"
    left = len(timeline.lanes) + len(timeline.calls) - len(rows)
    if left:
        yield f"<p>and {left:,} more</p>\n"
    yield '<ul class="key">'
    for kind, meaning in (
        ('class="step"', "step"),
        ('class="message"', "message"),
        ('class="toolspan"', "tool call"),
        ('class="pieces"', "deltas: the taller, the more"),
        ('class="bad"', "failed, cancelled, expired"),
    ):
        swatch = f'<svg aria-hidden="true"><rect {kind} width="14" height="12" rx="3"/></svg>'
        yield f"<li>{swatch}{meaning}</li>"
    yield '<li><svg aria-hidden="true"><line class="first" x1="7" x2="7" y1="0" y2="12"/></svg>'
    yield "first token</li></ul></section>\n"


def _rows(timeline: Timeline) -> list[tuple[str, Lane | Call]]:
    rows: list[tuple[str, Lane | Call]] = []
    for lane in timeline.lanes:
        rows.append((f"{lane.kind} {lane.number} \u00b7 {brief(lane.label, 60)}", lane))
        rows.extend(
            (brief(call.name, 60) or "tool", call) for call in timeline.calls if call.lane is lane
        )
    return rows[:_MOST_LANES]


def _run(timeline: Timeline, scale: Scale, grid: str) -> Iterator[str]:
    said = ", ".join(f"{status} at {seconds(t)}" for t, status in timeline.statuses[:20])
    yield '<li><span class="name">run</span><svg height="26" role="img" '
    yield f'aria-label="{_text(said or "no run")}">{grid}'
    for number, (start, end, status) in enumerate(timeline.spans, 1):
        kind = "bad" if _is_bad(status) else "good" if status == "completed" else "wait"
        if number == len(timeline.statuses) and (timeline.ended or _is_bad(status)):
            yield f'<circle class="{kind}" cx="{_percent(scale.share(start))}" cy="13" r="6">'
            yield f"<title>{_text(status)} at {_text(seconds(start))}</title></circle>"
            continue
        left, right = scale.share(start), scale.share(end)
        yield f'<rect class="{kind}" x="{_percent(left)}" y="10" height="6" rx="3" '
        yield f'width="{_percent(right - left)}">'
        yield f"<title>{_text(status)}: {_text(seconds(end - start))}</title></rect>"
    yield f'</svg><span class="took">{_text(seconds(timeline.duration))}</span></li>\n'


def _lane(
    name: str, lane: Lane | Call, timeline: Timeline, scale: Scale, grid: str, most: int
) -> Iterator[str]:
    end = timeline.duration if lane.end is None else lane.end
    took = seconds(end - lane.start)
    status = lane.status if isinstance(lane, Lane) else ""
    about = f"{name}: from {seconds(lane.start)} on, {took}"
    if lane.pieces:
        about += f", {len(lane.pieces):,} deltas"
    about += f", {brief(status, 60)}" if status else ""
    about += "" if lane.end is not None else ", not ended"
    kind = "toolspan" if isinstance(lane, Call) else "bad" if _is_bad(status) else lane.kind
    row = ' class="tool"' if isinstance(lane, Call) else ""
    left, right = scale.share(lane.start), scale.share(end)
    yield f'<li{row}><span class="name" title="{_text(name)}">{_text(name)}</span>'
    yield f'<svg height="30" role="img" aria-label="{_text(about)}">{grid}'
    height, top = (8, 11) if kind == "step" else (24, 3)
    yield f'<rect class="{kind}" x="{_percent(left)}" y="{top}" height="{height}" rx="4" '
    yield f'width="{_percent(max(right - left, 0.002))}"><title>{_text(about)}</title></rect>'
    for number, count in enumerate(scale.counts(lane.pieces)):
        if count:
            tall = 4 + 18 * count / most
            yield f'<rect class="pieces" x="{_percent(number / _BINS)}" y="{26 - tall:.1f}" '
            yield f'width="{_percent(0.8 / _BINS)}" height="{tall:.1f}"/>'
    first = timeline.first_token
    if first is not None and first in lane.pieces:
        at = _percent(scale.share(first))
        yield f'<line class="first" x1="{at}" x2="{at}" y1="0" y2="30"/>'
    yield f'</svg><span class="took">{_text(took)}</span></li>\n'


def _calls(timeline: Timeline) -> Iterator[str]:
    if not timeline.calls:
        return
    yield '<section aria-labelledby="calls"><h2 id="calls">Tool calls</h2><div class="scroll">'
    yield '<table><thead><tr><th scope="col">Tool</th><th scope="col" class="n">At</th>'
    yield '<th scope="col" class="n">Took</th><th scope="col">Input</th>'
    yield '<th scope="col">Output</th></tr></thead><tbody>\n'
    for call in timeline.calls[:_MOST_LANES]:
        took = seconds(None if call.end is None else call.end - call.start)
        yield f'<tr><td>{_text(brief(call.name, 200))}</td><td class="n">'
        yield f'{_text(seconds(call.start))}</td><td class="n">{_text(took)}</td>'
        for text in (call.input, call.output):
            yield f"<td>{_pre(text)}</td>"
        yield "</tr>\n"
    yield "</tbody></table></div></section>\n"


def _pre(text: str) -> str:
    # Scrollable, so it must be reachable by keyboard.
    return f'<pre tabindex="0">{_text(brief(text, _MOST_TEXT))}</pre>' if text else "\u2013"


def _messages(timeline: Timeline) -> Iterator[str]:
    messages = [lane for lane in timeline.lanes if lane.kind == "message"][:_MOST_LANES]
    if not messages:
        return
    yield '<section aria-labelledby="messages"><h2 id="messages">Messages</h2>\n'
    for lane in messages:
        yield f'<article class="said"><h3>message {lane.number} \u00b7 '
        state = brief(lane.status, 60) or "not ended"
        yield f"{_text(brief(lane.label, 60))} \u00b7 {_text(state)}"
        yield f"</h3><p>{_text(brief(lane.text, _MOST_TEXT))}</p></article>\n"
    yield "</section>\n"


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"


def _is_bad(status: str) -> bool:
    return status == "error" or status in _BAD
