"""The playground in Chromium: a run of each kind, as somebody sees it who sits before it."""

from __future__ import annotations

import re

from playground_models import HOSTILE, Fails, Hostile, Says

EQUATION = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
WEATHER = "What's the weather in Oslo and Lima?"


def say(page, text: str) -> None:
    """Type into the message box and send it, by the keyboard alone; wait for the run to be there."""
    runs = page.locator("#entries > .run")
    before = runs.count()
    page.locator("#say").fill(text)
    page.keyboard.press("Enter")
    runs.nth(before).wait_for()


def wait_for(page, status: str) -> None:
    """Wait until the last run is so."""
    page.wait_for_selector(f"#entries > .run:last-child[data-status={status}]")


def events(page) -> list[str]:
    """Name the events that are listed."""
    return page.locator("#events > li .event").all_inner_texts()


def answer(page) -> str:
    """Give the text of the last message."""
    return page.locator(".message .text").last.inner_text()


def test_a_plain_answer(start, gate, visit):
    """The answer streams, and what it cost is said; the events stand beside it, in their order."""
    page = visit(start(model=gate))
    say(page, "Hello there")
    page.wait_for_selector(".message .text >> text=one")
    assert page.locator(".said.user p").inner_text() == "Hello there"
    assert page.locator("#stop").is_visible() and not page.locator("#send").is_visible()
    gate.open()
    wait_for(page, "completed")
    assert answer(page) == "one two"
    assert re.search(
        r"completed\s.*\s.*to first token\s\d+ tokens", page.locator(".foot").inner_text()
    )
    names = events(page)
    assert names[:3] == ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
    assert names[-3:] == ["thread.run.step.completed", "thread.run.completed", "done"]
    assert (
        page.locator("#events > li", has_text="thread.message.delta").inner_text().count("\u00d72")
    )
    assert (
        page.locator("#send").is_visible() and page.evaluate("document.activeElement.id") == "say"
    )


def test_an_event_can_be_opened(server, visit):
    """A line of events opens to each of them, and that to all it brought."""
    page = visit(server)
    say(page, "Hello")
    wait_for(page, "completed")
    line = page.locator("#events > li", has_text="thread.message.delta")
    line.locator("summary").first.click()
    line.locator(".inner details").nth(1).locator("summary").click()
    assert '"object": "thread.message.delta"' in line.locator(".inner pre").inner_text()
    line = page.locator("#events > li", has_text="thread.run.completed")
    line.locator("summary").click()
    assert '"status": "completed"' in line.locator("pre").inner_text()


def test_the_code_interpreter(server, visit):
    """The code is shown as it is written, and what it printed below it."""
    page = visit(server)
    page.click("text=Solve an equation")
    assert page.locator("#say").input_value() == EQUATION
    assert page.locator("#code-interpreter").is_checked()
    page.keyboard.press("Enter")
    wait_for(page, "completed")
    call = page.locator(".call")
    assert call.locator("strong").inner_text() == "Code interpreter"
    assert "from fractions import Fraction" in call.locator("pre").first.inner_text()
    assert call.locator(".output").inner_text().strip() == "x = 1"
    assert "x = 1" in answer(page)


def test_outputs_by_hand(server, visit):
    """A run waits for what its functions return, which is typed in; then it goes on."""
    page = visit(server)
    page.click("text=Call a function")
    assert page.locator("#functions .chip").inner_text() == "get_weather"
    page.keyboard.press("Enter")
    wait_for(page, "requires_action")
    calls = page.locator(".call")
    assert calls.locator("pre").all_inner_texts() == ['{"city": "Oslo"}', '{"city": "Lima"}']
    assert calls.locator(".state").all_inner_texts() == ["waits for its output"] * 2
    page.wait_for_function("document.activeElement.matches('.call textarea')")
    page.keyboard.type("4 degrees")
    page.keyboard.press("Tab")
    page.keyboard.type("19 degrees")
    page.keyboard.press("Control+Enter")
    wait_for(page, "completed")
    assert answer(page) == "Of course. get_weather says: 4 degrees. get_weather says: 19 degrees."
    assert calls.locator(".output").all_inner_texts() == ["4 degrees", "19 degrees"]
    assert calls.locator(".state").all_inner_texts() == ["completed"] * 2
    assert events(page).count("done") == 2
    # What was given once is there the next time.
    say(page, WEATHER)
    wait_for(page, "requires_action")
    assert page.locator(".call textarea").first.input_value() == "19 degrees"


def test_stop(start, gate, visit):
    """The stop button, and Escape, cancel the run; what was said stays, and one can go on."""
    page = visit(start(model=gate))
    for stop in (lambda: page.click("#stop"), lambda: page.keyboard.press("Escape")):
        say(page, "Hello")
        page.wait_for_selector(".run:last-child .text >> text=one")
        stop()
        wait_for(page, "cancelled")
        assert answer(page) == "one"
        page.wait_for_selector("#send:visible")
    assert "thread.run.cancelled" in events(page)


def test_stop_while_it_waits(server, visit):
    """A run that waits for outputs can be stopped as well."""
    page = visit(server)
    page.click("text=Call a function")
    page.keyboard.press("Enter")
    wait_for(page, "requires_action")
    page.keyboard.press("Escape")
    wait_for(page, "cancelled")
    assert page.locator(".call textarea").count() == 0
    page.wait_for_selector("#send:visible")


def test_a_failed_run(start, visit):
    """A run that failed says why, and what had been said stays."""
    page = visit(start(model=Fails()))
    say(page, "Hello")
    wait_for(page, "failed")
    assert answer(page) == "I was about to"
    assert page.locator(".run .notice").inner_text().startswith("Slow down. <img src=x onerror=")
    assert page.locator(".run img, .run script").count() == 0
    assert "failed" in page.locator(".foot .status.bad").inner_text()
    page.wait_for_selector("#send:visible")


def test_a_hostile_model(start, visit):
    """What a model says is text, wherever it is shown: in messages, calls, events, the drawing."""
    page = visit(start(model=Hostile()))
    page.evaluate("window.alert = () => (document.title = 'hacked')")
    page.click("text=Call a function")
    page.keyboard.press("Enter")
    wait_for(page, "requires_action")
    page.locator(".call textarea").fill(HOSTILE)
    page.click("text=Submit outputs")
    wait_for(page, "completed")
    for line in page.locator("#events > li > details > summary").all():
        line.click()
    page.click("#tab-timeline")
    page.click("#tab-code")
    text = answer(page)
    assert "<img src=x onerror=\"document.title='hacked'\"><script>" in text
    assert "[a link](javascript:document.title='hacked')" in text
    assert "![x](http://evil.example/x.png)" in text and "\u202e" not in text
    made = "#entries :is(img, script, svg, a, iframe, object, b, i, u)"
    assert page.locator(made).count() == page.locator(".thinking i").count()
    assert page.locator("#pane-inspector :is(img, script, a, iframe, object)").count() == 0
    assert "hacked" not in page.title()


def test_no_way_to_markup(server, visit):
    """The policy stops what would make markup of a text, were there such a place in the scripts."""
    page = visit(server, stopped=True)
    tried = """() => {
        const tried = [];
        for (const sink of ['innerHTML', 'outerHTML']) {
            try { document.getElementById('welcome')[sink] = '<b>x</b>'; tried.push(sink); } catch {}
        }
        try { document.write('<b>x</b>'); tried.push('write'); } catch {}
        return tried;
    }"""
    assert page.evaluate(tried) == []


def test_reload(server, visit):
    """The address keeps the thread: a reload, and another window, show what was said."""
    page = visit(server)
    page.click("text=Solve an equation")
    page.keyboard.press("Enter")
    wait_for(page, "completed")
    say(page, "Thank you")
    wait_for(page, "completed")
    before = page.locator("#entries").inner_text()
    fragment = "#" + page.url.split("#")[1]
    assert fragment.startswith("#thread_")
    page.reload()
    wait_for(page, "completed")
    for one in (page, visit(server, fragment)):
        wait_for(one, "completed")
        assert one.locator(".run").count() == 2
        plain = [
            re.sub(r"\n(completed)\n.*?\nInspect", r"\n\1", text, flags=re.DOTALL)
            for text in (before, one.locator("#entries").inner_text())
        ]
        assert plain[0] == plain[1]
    page.click("#tab-timeline")
    assert page.locator("#timeline .lanes .name").all_inner_texts()[1] == "run"


def test_reload_in_the_middle(start, gate, visit):
    """A page that is loaded while the run is at work goes on with it, as it streams."""
    page = visit(start(model=gate))
    say(page, "Hello")
    page.wait_for_selector(".message .text >> text=one")
    page.reload()
    page.wait_for_selector("#stop:visible")
    page.wait_for_selector(".message .text >> text=one")
    gate.open()
    wait_for(page, "completed")
    assert answer(page) == "one two"
    page.wait_for_selector("#send:visible")


def test_events_after_a_reload(server, visit):
    """The events of a run of the last hour are there again, without their times."""
    page = visit(server)
    say(page, "Hello")
    wait_for(page, "completed")
    before = events(page)
    page.reload()
    page.wait_for_selector("#events >> text=done")
    assert events(page) == before
    assert set(page.locator("#events > li .t").all_inner_texts()) == {""}
    assert not page.is_visible("#save-recording")


def test_a_connection_that_breaks(start, gate, visit):
    """A stream that broke off goes on where it was, and nothing is there twice."""
    page = visit(start(model=gate))
    page.evaluate("""() => {
        const real = window.fetch;
        window.fetch = async (url, options) => {
            const response = await real(url, options);
            if (options.method !== 'POST' || !String(url).endsWith('/runs')) return response;
            const reader = response.body.getReader();
            return new Response(new ReadableStream({
                async pull(to) {
                    const { value } = await reader.read();
                    to.enqueue(value);
                    if (new TextDecoder().decode(value).includes('"one"')) to.error(new TypeError('network error'));
                },
            }), { headers: response.headers });
        };
    }""")
    say(page, "Hello")
    page.wait_for_selector(".message .text >> text=one")
    gate.open()
    wait_for(page, "completed")
    assert answer(page) == "one two"
    names = events(page)
    assert len([name for name in names if name.endswith("created")]) == 3


def test_reload_before_the_outputs(server, visit):
    """A run that waits for outputs still does after a reload, and takes them."""
    page = visit(server)
    page.click("text=Call a function")
    page.keyboard.press("Enter")
    wait_for(page, "requires_action")
    page.reload()
    wait_for(page, "requires_action")
    for box in page.locator(".call textarea").all():
        box.fill("cold")
    page.click("text=Submit outputs")
    wait_for(page, "completed")
    assert "get_weather says: cold." in answer(page)


def test_a_thread_that_there_is_not(server, visit):
    """An address with an unknown thread says so, and one can begin anew."""
    page = visit(server, "#thread_nothing", refused=(404,))
    page.wait_for_selector("#notice:visible")
    assert "No thread found" in page.locator("#notice").inner_text()
    say(page, "Hello")
    wait_for(page, "completed")


def test_threads_are_remembered(server, visit):
    """The threads of this browser are listed with what was said first; only their ids are kept."""
    page = visit(server)
    for text in ("The first one", "The second one"):
        page.click("#fresh")
        say(page, text)
        wait_for(page, "completed")
    page.click("#threads")
    page.wait_for_selector("#recent >> text=The second one")
    page.click("#recent >> text=The first one")
    page.wait_for_selector(".said.user >> text=The first one")
    kept = page.evaluate("JSON.stringify({...localStorage})")
    assert "thread_" in kept and "one" not in kept


def test_long_answers(start, visit):
    """A long answer is followed to its end, but not by who reads further up."""
    page = visit(start(model=Says(*(f"Line {n}\n\n" for n in range(300)))))
    say(page, "Hello")
    wait_for(page, "completed")
    at_end = "() => { const f = document.getElementById('flow'); return f.scrollHeight - f.scrollTop - f.clientHeight < 50 }"
    page.wait_for_function(at_end)
    assert page.locator(".text p").count() == 300
