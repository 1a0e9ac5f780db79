"""The playground's modules one by one, in the browser for which they are written."""

from __future__ import annotations

import json

import pytest

MARKDOWN = """async ([pieces, notes]) => {
    const { Markdown, marked } = await import('/playground/markdown.js');
    const root = document.createElement('div');
    const cite = (at) => Object.assign(document.createElement('sup'), { textContent: at + 1 });
    const view = new Markdown(root, cite);
    let text = '';
    for (const piece of pieces) view.write(marked((text += piece), notes));
    return new XMLSerializer().serializeToString(root).replaceAll(' xmlns="http://www.w3.org/1999/xhtml"', '');
}"""


@pytest.fixture(scope="module")
def parts(chromium, server):
    """A page that only lends its modules."""
    page = chromium.new_page()
    page.goto(server.base_url.removesuffix("/v1"))
    yield page
    page.close()


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("plain & <b>text</b>", "<p>plain &amp; &lt;b&gt;text&lt;/b&gt;</p>"),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        (
            "**bold** and *slanted* and `code`",
            "<p><strong>bold</strong> and <em>slanted</em> and <code>code</code></p>",
        ),
        ("2 * 3 * 4, a_b_c, **", "<p>2 * 3 * 4, a_b_c, **</p>"),
        ("# Title\ntext", "<h4>Title</h4><p>text</p>"),
        ("- a\n- b\n  - c", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
        (
            "```py\nx = 1\n\n# y\n```\nafter",
            '<pre><code data-language="py">x = 1\n\n# y</code></pre><p>after</p>',
        ),
        ("```\nnot closed", '<pre><code data-language="">not closed</code></pre>'),
        ("a\n\n---\n\nb", "<p>a</p><hr /><p>b</p>"),
        ("[x](javascript:1) ![y](z)", "<p>[x](javascript:1) ![y](z)</p>"),
        (
            "| a | b |\n|---|---|\n| 1 | 2 |",
            '<div class="scroll"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>',
        ),
    ],
)
def test_markdown(parts, text, markup):
    """What models write of Markdown becomes elements, the same at once and sign by sign."""
    for pieces in ([text], list(text)):
        found = parts.evaluate(MARKDOWN, [pieces, []])
        assert found == f"<div>{markup}</div>"


def test_citations(parts):
    """A citation stands in its place, counted in characters; signs of ours in a text are not ours."""
    text = "\U0001f600 see\u301010:0\u2020a.txt\u3011, \ue0007\ue001"
    notes = [{"start": 5, "end": 17}, {"start": 900, "end": 950}]
    found = parts.evaluate(MARKDOWN, [[text], notes])
    assert found == "<div><p>\U0001f600 see<sup>1</sup>, \ufffd7\ufffd</p></div>"


@pytest.mark.parametrize(
    "text",
    [
        "**a " * 60_000,
        "`a``" * 60_000,
        ">" * 200_000,
        "- " * 100_000,
        "# " + " " * 200_000 + "x",
        " " * 200_000 + "|\n-",
    ],
    ids=["stars", "ticks", "quotes", "items", "title", "spaces"],
)
def test_texts_made_to_take_long(parts, text):
    """No text makes the page stand still or fall over."""
    parts.evaluate(MARKDOWN, [[text], []])


def test_events_in_any_pieces(parts):
    """Events are the same wherever the body is cut, with any ends of lines."""
    body = "event: a\r\ndata: 1\r\n\r\n: note\ndata: \u00e9\ndata:2\n\rdata: x\r\revent: b\n\ndata: not ended"
    found = parts.evaluate(
        """async (body) => {
            const { events } = await import('/playground/sse.js');
            const bytes = new TextEncoder().encode(body);
            const seen = new Set();
            for (let at = 0; at <= bytes.length; at += 1) {
                const got = [];
                const stream = new ReadableStream({ start(c) {
                    c.enqueue(bytes.slice(0, at)); c.enqueue(bytes.slice(at)); c.close(); } });
                for await (const event of events(stream)) got.push(event);
                seen.add(JSON.stringify(got));
            }
            return [...seen];
        }""",
        body,
    )
    assert [json.loads(one) for one in found] == [
        [
            {"event": "a", "data": "1"},
            {"event": "message", "data": "\u00e9\n2"},
            {"event": "message", "data": "x"},
        ]
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ([0x89, 0x50, 0x4E, 0x47, 0x0D], "image/png"),
        ([0xFF, 0xD8, 0xFF, 0xE0], "image/jpeg"),
        (list(b"GIF89a"), "image/gif"),
        (list(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), None),
        (list(b"<!doctype html>"), None),
        ([], None),
    ],
)
def test_pictures(parts, data, kind):
    """What is shown as a picture has a picture's bytes; SVG and HTML are none."""
    read = "async (d) => (await import('/playground/pictures.js')).kindOf(new Uint8Array(d))"
    assert parts.evaluate(read, data) == kind


def test_visible(parts):
    """Control characters are shown as signs, as `show` has them."""
    read = "async (t) => (await import('/playground/dom.js')).visible(t)"
    assert parts.evaluate(read, "a\tb\nc\r\nd\u00e9\U0001f600") == "a\tb\nc\nd\u00e9\U0001f600"
    assert (
        parts.evaluate(read, "\x1b\x00\r\x7f\x9b\u202e") == "\u241b\u2400\u240d\u2421\ufffd\ufffd"
    )


@pytest.mark.parametrize("duration", [0, 1e-3, 300, 1000, 4400, 59_000, 86_400_000])
def test_scale(parts, duration):
    """Whatever the duration, the marks are few, begin at 0 and lie inside."""
    read = "async (d) => new (await import('/playground/timeline.js')).Scale(d).labels(5)"
    labels = parts.evaluate(read, duration)
    assert 1 <= len(labels) <= 6
    assert labels[0] == [0, "0"] and labels[-1][0] <= duration * (1 + 1e-9)
