"""The playground in Chromium: files with messages, files to search, pictures and citations."""

from __future__ import annotations

import json
import struct
import zlib

from server_helpers import Raw

DROP = """([selector, name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, { type: 'text/plain' }));
    for (const kind of ['dragover', 'drop']) document.querySelector(selector).dispatchEvent(
        new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='hacked'</script></svg>"


def png() -> bytes:
    """Make a picture of one red dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0\xff\0\0")
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def send(page, text: str) -> None:
    """Say something, and wait for the answer."""
    page.fill("#say", text)
    page.locator("#say").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#entries > .run:last-child[data-status=completed]")


def messages(page, raw: Raw) -> list:
    """Give the thread's messages, oldest first."""
    thread = page.url.split("#")[1]
    return raw("GET", f"/threads/{thread}/messages?order=asc").body["data"]


def test_a_file_with_a_message(start, visit):
    """A file that is dropped goes with the message, for the tools that there are."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    page.evaluate(DROP, ["#pane-chat", "notes.txt", "The answer is 42."])
    page.evaluate(DROP, ["#pane-chat", "other.txt", "Nothing."])
    page.wait_for_selector("#attached >> text=notes.txt")
    page.click("[aria-label='Remove other.txt']")
    assert page.is_checked("#file-search")
    send(page, "What is the answer?")
    assert page.locator("#attached li").count() == 0
    page.wait_for_selector(".said.user .chip >> text=notes.txt")
    (attachment,) = messages(page, raw)[0]["attachments"]
    assert attachment["tools"] == [{"type": "file_search"}]
    file = raw("GET", f"/files/{attachment['file_id']}").body
    assert (file["filename"], file["purpose"], file["bytes"]) == ("notes.txt", "assistants", 17)
    with page.expect_download() as download:
        page.click(".said.user .chip")
    assert download.value.suggested_filename == "notes.txt"
    page.reload()
    page.wait_for_selector(".said.user .chip >> text=notes.txt")


def test_pictures(start, visit):
    """A picture is shown as one; what only says that it is one is not."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    good = {"name": "dot.png", "mimeType": "image/png", "buffer": png()}
    bad = {"name": "evil.png", "mimeType": "image/png", "buffer": SVG}
    page.set_input_files("#attach-files", [good, bad])
    send(page, "What is this?")
    kinds = [part["type"] for part in messages(page, raw)[0]["content"]]
    assert kinds == ["text", "image_file", "image_file"]
    page.wait_for_selector(".said.user img")
    page.wait_for_selector(".said.user figure >> text=no picture")
    assert page.locator(".said.user img").count() == 1
    assert (
        page.locator(".said.user img").evaluate("i => i.decode().then(() => i.naturalWidth)") == 1
    )
    assert "hacked" not in page.title()


def test_what_cannot_be_sent(start, visit):
    """A file that the server refuses is said to be, and the message waits."""
    page = visit(start(), refused=(400,))
    error = {"message": "The disk is full.", "type": "server_error", "param": None, "code": None}
    page.route("**/v1/files", lambda route: route.fulfill(status=400, json={"error": error}))
    page.evaluate(DROP, ["#pane-chat", "notes.txt", "x"])
    page.wait_for_selector("#attached .hint.bad >> text=The disk is full.")
    page.fill("#say", "Hello")
    page.locator("#say").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice:visible")
    assert page.input_value("#say") == "Hello" and page.locator("#entries > li").count() == 0


def test_files_to_search(start, visit):
    """Files that are dropped on an assistant are read into its store; they can be taken out."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    assert not page.is_visible("#store")
    page.click("#file-search")
    page.click("#save")
    page.wait_for_selector("#delete-assistant:visible")
    page.evaluate(DROP, ["#store", "birds.txt", "The heron stands in the reeds."])
    page.wait_for_selector("#store-files .chip >> text=birds.txt")
    (assistant,) = raw("GET", "/assistants").body["data"]
    (store,) = assistant["tool_resources"]["file_search"]["vector_store_ids"]
    found = raw("POST", f"/vector_stores/{store}/search", {"query": "heron"}).body["data"]
    assert [one["filename"] for one in found] == ["birds.txt"]
    page.reload()
    page.wait_for_selector("#store-files .chip >> text=birds.txt")
    page.click("#store-files [aria-label^=Remove]")
    page.wait_for_selector("#store-files .chip", state="detached")
    assert raw("GET", f"/vector_stores/{store}/files").body["data"] == []


def test_files_of_a_new_assistant(start, visit):
    """Files that come before the assistant are its from the beginning."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    page.click("#file-search")
    for name in ("a.txt", "b.txt"):
        page.evaluate(DROP, ["#store", name, f"This is {name}."])
    page.wait_for_selector("#store-files .chip >> text=a.txt")
    page.wait_for_selector("#store-files .chip >> text=b.txt")
    page.click("#save")
    page.wait_for_selector("#delete-assistant:visible")
    (assistant,) = raw("GET", "/assistants").body["data"]
    (store,) = assistant["tool_resources"]["file_search"]["vector_store_ids"]
    files = raw("GET", f"/vector_stores/{store}/files").body["data"]
    assert [file["status"] for file in files] == ["completed"] * 2
    assert page.locator("#store-files .chip").count() == 2


def test_citations(start, visit):
    """A citation opens its place as text, markup or not; a written file is saved."""
    server = start()
    raw, page = Raw(server.base_url), visit(server)
    text = "<img src=x onerror=alert(1)> The heron stands in the reeds."
    page.evaluate(DROP, ["#pane-chat", "birds.html", text])
    send(page, "Which bird?")
    file = messages(page, raw)[0]["attachments"][0]["file_id"]
    said = "The heron \u30104:0\u2020birds.html\u3011. See [the list](sandbox:/mnt/data/list.csv)."
    notes = [
        {"type": "file_citation", "text": "\u30104:0\u2020birds.html\u3011", "start_index": 10,
         "end_index": 26, "file_citation": {"file_id": file}},
        {"type": "file_path", "text": "sandbox:/mnt/data/list.csv", "start_index": 43,
         "end_index": 69, "file_path": {"file_id": file}},
    ]  # fmt: skip
    assert said[10:26] == notes[0]["text"] and said[43:69] == notes[1]["text"]

    def cite(route) -> None:
        """Let the stored answer be one with citations."""
        response = route.fetch()
        body = response.json()
        for message in body["data"]:
            if message["role"] == "assistant":
                message["content"][0]["text"] = {"value": said, "annotations": notes}
        route.fulfill(response=response, body=json.dumps(body))

    page.route("**/messages?*", cite)
    page.reload()
    page.wait_for_selector(".message .text >> text=The heron")
    assert page.inner_text(".message .text") == "The heron 1. See the list2."
    page.click("button.cite >> nth=0")
    page.wait_for_selector("#place-dialog[open]")
    assert page.inner_text("#place-text") == text
    assert page.inner_text("#place-title") == "birds.html"
    page.keyboard.press("Escape")
    for link in ("button.cite >> nth=1", ".notes button >> text=list.csv"):
        with page.expect_download() as download:
            page.click(link)
        assert download.value.suggested_filename == "list.csv"


def test_a_search(start, visit):
    """A search shows what it found; its citation, live and after a reload, opens the text found."""
    page = visit(start())
    page.click("#file-search")
    text = "<b>The capital of France is Paris.</b> It lies on the Seine."
    page.evaluate(DROP, ["#store", "facts.md", text])
    page.wait_for_selector("#store-files .chip >> text=facts.md")
    send(page, "What is the capital of France?")
    for _ in ("live", "after a reload"):
        page.wait_for_selector("#entries > .run[data-status=completed]")
        assert page.inner_text(".call strong") == "File search"
        page.click(".result summary")
        assert "facts.md" in page.inner_text(".result summary")
        assert page.inner_text(".result pre").strip() == text
        assert "The capital of France is Paris" in page.inner_text(".message .text")
        assert "\u3010" not in page.inner_text(".message .text")
        page.click("button.cite")
        page.wait_for_selector("#place-dialog[open]")
        assert page.inner_text("#place-title") == "facts.md"
        assert page.inner_text("#place-text").strip() == text
        page.reload()
