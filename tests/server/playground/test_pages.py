"""The playground over HTTP: the page and its files, what they may do, and what they may not have."""

from __future__ import annotations

import configparser
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from server_helpers import HEADERS, Raw

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "emitter_stream" / "server" / "playground" / "assets"
NAMES = sorted(path.name for path in ASSETS.iterdir())
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@pytest.fixture
def site(server) -> Raw:
    """Raw requests to the server's root."""
    return Raw(server.base_url.removesuffix("/v1"))


class Tags(HTMLParser):
    """Notes a page's elements, with their attributes and the text in them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        self.text[self._open] = self.text.get(self._open, "") + data.strip()


def test_the_page_needs_no_key(site):
    """A browser gets the page before it can have a key; it is a page, and never an old one."""
    reply = site("GET", "/", headers={})
    assert reply.status == 200
    assert reply.headers["content-type"] == TYPES[".html"]
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.raw == (ASSETS / "index.html").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_its_files(site, name):
    """Each file is given out with its type, without a key."""
    reply = site("GET", f"/playground/{name}", headers={})
    assert reply.status == 200
    assert reply.headers["content-type"] == TYPES[Path(name).suffix]
    assert reply.raw == (ASSETS / name).read_bytes()


@pytest.mark.parametrize("path", ["/", "/playground/app.js", "/playground/theme.css"])
def test_what_they_may_do(site, path):
    """The policy lets in the page's own files alone, and nobody puts the page into a frame."""
    headers = site("GET", path, headers={}).headers
    policy = dict(
        rule.split(" ", 1) if " " in rule else (rule, "")
        for rule in headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_what_is_there_already_is_not_sent_again(site):
    """A browser that has a file is told so, with the same headers."""
    first = site("GET", "/", headers={})
    again = site("GET", "/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.raw) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    other = site("GET", "/", headers={"If-None-Match": '"another"'})
    assert other.raw == first.raw


def test_head(site):
    """HEAD has the headers and no body."""
    reply = site("HEAD", "/", headers={})
    assert (reply.status, reply.raw) == (200, b"")
    assert int(reply.headers["content-length"]) == (ASSETS / "index.html").stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        *("/playground/pages.py", "/playground/__init__.py", "/playground/nothing.js"),
        *("/playground/../pages.py", "/playground/..%2fpages.py", "/playground/%2e%2e%2fpages.py"),
        *("/playground/..%5cpages.py", "/playground/assets/app.js", "/playground/app.js%00.css"),
        *("/playground//etc/passwd", "/playground/%2fetc%2fpasswd", "/playground/", "/playground"),
        *("/v1/playground/app.js", "/openai/playground/app.js", "/index.html"),
    ],
)
def test_no_other_files(site, path):
    """A path is a name in a table: nothing else of the machine can be had by one."""
    reply = site("GET", path, headers=HEADERS)
    assert reply.status == 404 and reply.error["message"].startswith("Invalid URL")
    assert site("GET", path, headers={}).status in (401, 404)


@pytest.mark.parametrize("path", ["/", "/playground/app.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_is_open(site, method, path):
    """Without a key the page can be read, and that is all."""
    assert site(method, path, headers={}).status == 401
    assert site(method, path, headers=HEADERS).status == 405


def test_the_doors_are_the_same(site):
    """Names that are not the server's and foreign pages are refused here too; the API asks for a key."""
    assert site("GET", "/", headers={"Host": "evil.example"}).status == 400
    assert site("GET", "/", headers={"Origin": "http://evil.example"}).status == 403
    assert site("GET", "/v1/assistants", headers={"OpenAI-Beta": "assistants=v2"}).status == 401


def test_the_page_has_nothing_in_line():
    """The page has no script, style or listener in it, and loads only its own files."""
    found = Tags((ASSETS / "index.html").read_text(encoding="utf-8"))
    attributes = {name for _, attrs in found.tags for name in attrs}
    assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
    assert found.text.get("script", "") == "" and "style" not in dict(found.tags)
    links = [attrs[key] for _, attrs in found.tags for key in ("src", "href") if key in attrs]
    loaded = [link for link in links if not link.startswith("#")]
    assert loaded and all(link.removeprefix("playground/") in NAMES for link in loaded)
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_page_names_its_fields():
    """Each field has a label, each button a text, each dialog and region a name."""
    source = (ASSETS / "index.html").read_text(encoding="utf-8")
    found = Tags(source)
    assert found.tags[0] == ("html", {"lang": "en"})
    for tag, attrs in found.tags:
        if tag in ("dialog", "section", "nav") or attrs.get("role") in ("tabpanel", "tablist"):
            assert attrs.keys() & {"aria-label", "aria-labelledby"}, attrs
    named = set(re.findall(r'aria-(?:labelledby|controls)="([\w-]+)"', source))
    assert named <= {attrs.get("id") for _, attrs in found.tags}
    labelled = re.findall(r"<label[^>]*>.*?</label>", source, re.DOTALL)
    fields = re.findall(r"<(?:input|select|textarea)\b", source)
    assert len(fields) == len(re.findall(r"<(?:input|select|textarea)\b", "".join(labelled))) + 1
    assert '<label class="aside" for="say">' in source


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_the_scripts_make_no_markup(name):
    """No script has a way from a text to markup or code, keeps a key, or asks another server."""
    source = (ASSETS / name).read_text(encoding="utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
        r"|\beval\(|new Function|srcdoc|javascript:|setAttribute\('on|sessionStorage|document\.cookie"
        r"|window\.open|location\.href *="
    )
    assert re.findall(forbidden, source) == []
    assert set(re.findall(r"https?://[^'\"` ]+", source)) <= {"http://www.w3.org/2000/svg"}
    assert ("localStorage" in source) == (name == "memory.js")
    for imported in re.findall(r"(?m)^(?:import|export) .* from '([^']+)'", source):
        assert imported.startswith("./") and imported[2:] in NAMES
    assert source.count("\n") < 500


def test_it_is_small():
    """The whole page is less than a picture."""
    assert sum((ASSETS / name).stat().st_size for name in NAMES) < 200_000


def test_it_goes_into_the_wheel():
    """Each file is one of setup.cfg's, so an installed server has its page."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["emitter_stream"].split()
    packed = {path for pattern in patterns for path in (ROOT / "emitter_stream").glob(pattern)}
    assert {ASSETS / name for name in NAMES} <= packed
