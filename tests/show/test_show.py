"""Pictures of recorded runs: the figures, the drawing in the terminal, the page."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from parity.compare import HERE
from parity.transcripts import answered, called, run, said, started
from pictures import EVIL, Page, drawn, timeline_of
from recorded import tool_run, write
from samples import tries

from emitter_stream.show import Timeline, visible
from emitter_stream.show.html import page
from emitter_stream.show.scale import Scale
from emitter_stream.show.text import brief, seconds
from emitter_stream.sse import EventSource

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture
def tools(tmp_path) -> Timeline:
    """Read a run that calls two tools and answers; an event each 0.1 s."""
    return timeline_of(write(tmp_path / "run.jsonl", tool_run()))


def evil_run() -> list:
    """Make a run in which every string that can be anything is hostile."""
    frames = called(1, [EVIL])
    for name, data in frames:
        if name == "thread.run.step.delta":
            call = data["delta"]["step_details"]["tool_calls"][0]["function"]
            if "name" in call:
                call["name"] = EVIL
        elif name == "thread.run.step.completed":
            data["step_details"]["tool_calls"][0]["function"]["output"] = EVIL
    frames += said(2, [EVIL, EVIL])
    for name, data in frames:
        data["status"] = EVIL
        if name.startswith("thread.run.step.") and "type" in data:
            data["type"] = EVIL
        if name == "thread.message.created":
            data["role"] = EVIL
    more = {"id": EVIL, "model": EVIL, "usage": {"completion_tokens": EVIL}}
    return [run("in_progress", **more), *frames, (f"thread.run.{EVIL}", more), (EVIL, EVIL)]


@pytest.fixture
def evil(tmp_path) -> Timeline:
    """Read a hostile recording with a hostile name."""
    error = {"class": "RateLimitError", "message": EVIL, "status_code": 429}
    return timeline_of(write(tmp_path / "<b>evil&.jsonl", evil_run(), error))


# What there is to be drawn


def test_figures(tools):
    """Tokens and rate are those of all pieces, the first token that of the first text."""
    assert (tools.status, tools.model, tools.completion_tokens) == ("completed", "gpt-4o", 9)
    assert len(tools.pieces) == 4 + 3
    assert tools.first_token == pytest.approx(1.8)  # not that of a tool's arguments
    assert tools.rate == pytest.approx(10)
    assert tools.connected == pytest.approx(0.1)
    assert tools.duration == pytest.approx(0.1 * (tools.events + 2))
    assert (tools.ended, tools.torn, tools.error) == (True, False, None)


def test_lanes(tools):
    """Each step and message has a lane from where it was created to where it was done."""
    assert [(lane.kind, lane.number, lane.label) for lane in tools.lanes] == [
        ("step", 1, "tool calls"),
        ("step", 2, "message creation"),
        ("message", 1, "assistant"),
    ]
    assert [lane.status for lane in tools.lanes] == ["completed"] * 3
    assert all(lane.start < lane.end for lane in tools.lanes)
    assert tools.lanes[2].text == "It is 4 degrees in Oslo."
    assert [status for _, status in tools.statuses] == ["queued", "in_progress", "completed"]


def test_calls(tools):
    """Each tool call has its name, its times, its input and its output."""
    assert [(call.name, call.input, call.output) for call in tools.calls] == [
        ("f0", '{"city":"Oslo"}', '{"degrees": 4}'),
        ("f1", '{"zone":"CET"}', "14:05"),
    ]
    assert all(call.lane is tools.lanes[0] and call.start < call.end for call in tools.calls)


def test_broken_off(tmp_path):
    """A run that broke off has lanes without an end, and says what is wrong."""
    frames = [*started(), *said(1, ["a", "b"])[:6]]
    timeline = timeline_of(write(tmp_path / "run.jsonl", frames, None))
    assert [lane.end for lane in timeline.lanes] == [None, None]
    assert not timeline.ended
    assert "Final run has not been received" in timeline.error
    assert "broken off" in drawn(timeline)
    assert "broken off" in page(timeline)


def test_error(tmp_path):
    """The error that ended a run is drawn."""
    error = {"class": "RateLimitError", "message": "slow down", "status_code": 429}
    timeline = timeline_of(write(tmp_path / "run.jsonl", started(), error))
    assert timeline.error == "RateLimitError: slow down"
    assert "RateLimitError: slow down" in drawn(timeline)
    assert "RateLimitError: slow down" in page(timeline)


@pytest.mark.tries
@pytest.mark.parametrize("folder", ["scenarios", "more_scenarios"])
def test_every_scenario_can_be_drawn(tmp_path, folder):
    """Whatever a server sends, there is a picture of it."""
    path = tmp_path / "run.jsonl"
    for scenario in sorted((HERE / folder).glob("*.sse"))[:: tries(4, 1)]:
        frames = []
        for event in EventSource([scenario.read_bytes()]).events():
            try:
                frames.append((event.event or None, json.loads(event.data)))
            except (ValueError, RecursionError):
                break
        write(path, frames)
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?<=[ \[])-?(Infinity|NaN)(?=[,}\]])", "1e999", text))
        timeline = timeline_of(path)
        assert "run" in drawn(timeline, 60)
        assert Page(page(timeline)).problems == []


# The terminal


def test_drawing(tools):
    """The drawing has a lane for each step, message and call, and the figures."""
    text = drawn(tools)
    for part in (
        *("completed", "gpt-4o", "1.80 s", "time to first token", "10.0", "tokens a second"),
        *("step 1 tool calls", "  f0", "message 1 assistant", "Tool calls", '{"city":"Oslo"}'),
        *("{", "14:05", "0", "1 s", "2 s"),
    ):
        assert part in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 130, 250])
def test_every_width(tools, evil, width):
    """No line is wider than the terminal."""
    for timeline in (tools, evil):
        assert max(map(len, drawn(timeline, width).splitlines())) <= width


def test_terminal_of_few_characters(tools):
    """A terminal without Unicode gets a drawing in ASCII."""
    text = drawn(tools, encoding="ascii")
    assert "====" in text and "step 1 tool calls" in text


def test_nothing_moves_the_cursor(evil):
    """No control character of a recording reaches the terminal, nor a mark-up of rich."""
    text = drawn(evil, 120)
    assert re.findall(r"[^\n -~\u00a0-\U0010ffff]|[\u202e\ud800]", text) == []
    assert "<script>" in text


def test_markup_is_text(tmp_path):
    """What looks like mark-up for rich is shown as it is."""
    timeline = timeline_of(write(tmp_path / "[red].jsonl", answered("[bold]x[/bold]")))
    assert "[red].jsonl" in drawn(timeline, 200)


# The page


def test_page(tools):
    """The page is whole, and has what the drawing has."""
    source = page(tools)
    found = Page(source)
    assert found.problems == []
    assert source.startswith("<!doctype html>")
    text = "".join(found.text)
    for part in ("completed", "1.80 s", "step 1", "message 1", '{"city":"Oslo"}', "14:05"):
        assert part in text


def test_page_of_a_hostile_recording(evil):
    """Whatever a recording has in it is text on the page, and nothing else."""
    source = page(evil)
    found = Page(source)
    assert found.problems == []
    assert not found.tags & {"script", "img", "b", "iframe", "link", "object", "a", "form"}
    assert not any(name.startswith("on") for name in found.attributes)
    assert visible(EVIL) in "".join(found.text)
    assert re.findall(r"[^\n -~\u00a0-\U0010ffff]|[\u202e\ud800]", source) == []
    source.encode()


def test_page_needs_nothing(tools, evil):
    """The page loads nothing, and its policy allows nothing but its own style."""
    for source in (page(tools), page(evil)):
        found = Page(source)
        assert not found.attributes & {"src", "href", "xlink:href", "style", "action", "srcset"}
        style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)[1]
        assert "url(" not in style and "@import" not in style
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)[1]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert source.index("Content-Security-Policy") < source.index("<style>")


def test_page_is_accessible(tools):
    """The page names its language, its sections and each of its drawings."""
    source = page(tools)
    assert '<html lang="en">' in source
    drawings = re.findall(r"<svg[^>]*>", source)
    assert drawings and all("aria-" in drawing for drawing in drawings)
    found = Page(source)
    assert len(found.ids) == len(set(found.ids))
    assert set(re.findall(r'aria-labelledby="(\w+)"', source)) == set(found.ids)
    assert "prefers-color-scheme: dark" in source


def test_long_recordings_stay_small(tmp_path):
    """Long texts and many steps are cut, and the page says how much was left out."""
    frames = started()
    for number in range(1, 400):
        frames += said(number, ["x"])
    frames += said(400, ["y" * 100_000])
    timeline = timeline_of(write(tmp_path / "run.jsonl", [*frames, run("completed")]))
    assert "and 500 more" in page(timeline)
    assert "and 700 more" in drawn(timeline)
    assert len(page(timeline)) < 1_500_000
    alone = timeline_of(write(tmp_path / "run.jsonl", answered("y" * 100_000)))
    assert "80,000 more characters" in page(alone)


# In a browser


def browse(source: str, folder: Path, *options: str) -> bytes:
    """Open a page in a headless browser; give what it prints."""
    file = folder / "page.html"
    file.write_text(source, encoding="utf-8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *(f"--user-data-dir={folder / 'profile'}", "--window-size=1200,1100"),
    ]
    done = subprocess.run(
        [*command, *options, file.as_uri()], capture_output=True, timeout=120, check=True
    )
    return done.stdout


def pixels(path: Path) -> set[tuple[int, ...]]:
    """Give the colours in a PNG file of 8 bits a channel, without its alpha channel."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, chunk = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert depth == 8
            size = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += chunk
        at += length + 12
    raw, row, found = zlib.decompress(packed), width * size + 1, set()
    before = bytearray(width * size)
    for start in range(0, len(raw), row):
        method, line = raw[start], bytearray(raw[start + 1 : start + row])
        for i in range(len(line)):
            a = line[i - size] if i >= size else 0
            b, c = before[i], before[i - size] if i >= size else 0
            if method == 4:
                p = a + b - c
                nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (
                line[i] + (0, a, b, (a + b) // 2, nearest if method == 4 else 0)[method]
            ) & 255
        before = line
        found.update(zip(*(line[k::size] for k in range(3)), strict=True))
    return found


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize(("scheme", "expected"), [(1, "light"), (0, "dark")])
@pytest.mark.sample(2, 1)
def test_page_in_a_browser(tools, tmp_path, scheme, expected):
    """The browser draws the page in the colours of the reader's scheme."""
    picture = tmp_path / "page.png"
    browse(
        page(tools),
        tmp_path,
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    seen = pixels(picture)
    style = re.search(r"<style>(.*?)</style>", page(tools), re.DOTALL)[1]
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    for name in ("page", "card", "step", "tint", "message", "tool", "good"):
        code = re.search(rf"--{name}: #(\w+)", light if expected == "light" else dark)[1]
        code = code if len(code) == 6 else "".join(2 * digit for digit in code)
        assert tuple(bytes.fromhex(code)) in seen, name


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_hostile_page_in_a_browser(evil, tmp_path):
    """In the browser a hostile recording runs nothing and makes no element of its own."""
    shown = browse(page(evil), tmp_path, "--dump-dom").decode()
    assert "<title>&lt;b&gt;evil&amp;.jsonl" in shown
    assert "<script" not in shown and "<img" not in shown


# Small parts


def test_visible():
    """Control characters are shown and not sent; lines, tabs and letters stay."""
    assert visible("a\tb\nc\r\nd\u00e9\U0001f600") == "a\tb\nc\nd\u00e9\U0001f600"
    assert visible("\x1b\x00\r\x7f\x9b\u202e\ud800") == "\u241b\u2400\u240d\u2421\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (0.0, "0 ms"),
        (0.7041, "704 ms"),
        (4.378, "4.38 s"),
        (125.0, "2 min 5 s"),
        (7_260.0, "2 h 1 min"),
        (1e250, "1e+250 s"),
    ],
)
def test_seconds(value, text):
    """Durations are written as people write them."""
    assert seconds(value) == text


def test_brief():
    """A text that is cut says how much is missing."""
    assert brief("abc", 3) == "abc"
    assert brief("abcdefgh", 3) == "abc\u2026 (5 more characters)"


@pytest.mark.parametrize("duration", [0.0, 1e-9, 0.3, 1.0, 4.4, 59.0, 86_400.0, 1e299])
def test_scale(duration):
    """Whatever the duration, the marks are few, begin at 0 and lie inside."""
    scale = Scale(duration, 80)
    labels = scale.labels(8)
    assert 1 <= len(labels) <= 9
    assert labels[0][0] == 0
    assert labels[-1][0] <= duration * (1 + 1e-9)
    assert all(0 <= scale.bin(t) < 80 and 0 <= scale.share(t) <= 1 for t, _ in labels)
