"""Upstreams that fail: what is tried again, what the run's error says, and what nobody hears."""

from __future__ import annotations

import json
import logging
import socket

import pytest
from canned import HELLO, KEY, SSE, Answer, ask, delta, error, named, question, sse

from emitter_stream.server import ModelError, Upstream
from emitter_stream.server.models import upstream
from emitter_stream.server.models.cleaning import Secrets
from emitter_stream.server.models.upstream_errors import read_failure


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """The first pause is next to none."""
    monkeypatch.setattr(upstream, "FIRST_PAUSE", 0.001)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_tried_again(canned, status):
    """What may pass is tried twice more, whatever the other side says about it."""
    bad = error(status, {"error": {"message": "Busy."}})
    canned.answers = [bad, bad, Answer(HELLO)]
    assert ask(Upstream(canned.url)).text == "Hello."
    canned.answers = [bad] * 4
    assert ask(Upstream(canned.url)).error.message == "Busy."
    assert len(canned.bodies) == 6


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413])
def test_not_tried_again(canned, status):
    """What stays as it is is not asked for again; a redirect is not followed."""
    canned.answers = [error(status, {}, location="/v1/other")] * 2
    assert str(status) in ask(Upstream(canned.url)).error.message
    assert len(canned.bodies) == 1


def test_no_quota(canned):
    """A quota that is used up comes not back in a second."""
    canned.answers = [error(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})]
    assert ask(Upstream(canned.url)).error.code == "rate_limit_exceeded"
    assert len(canned.bodies) == 1


@pytest.mark.parametrize(
    "after", ["0.001", "99999", "soon", "-1", "nan", "Wed, 25 Nov 2026 06:48:19 GMT"]
)
def test_retry_after(canned, after):
    """A pause that is asked for is made if it is short, else our own."""
    canned.answers = [error(429, {}, **{"retry-after": after}), Answer(HELLO)]
    assert ask(Upstream(canned.url)).text == "Hello."


def test_no_connection(canned):
    """Without a connection, or with one that breaks before a word, it is tried twice more."""
    heard = ask(Upstream(canned.url))  # there is no answer for any of them
    assert "cannot be reached" in heard.error.message and len(canned.bodies) == 3
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        nobody = Upstream(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert ask(nobody).error.code == "server_error"


def test_no_more_once_it_has_begun(canned):
    """After the first event nothing is asked twice; what was said stays."""
    wrong = {"error": {"message": "Gone.", "code": 503}}
    canned.answers = [Answer(sse(delta(content="I wi"), wrong))]
    heard = ask(Upstream(canned.url))
    assert (heard.text, heard.error.message, len(canned.bodies)) == ("I wi", "Gone.", 1)


def test_a_break_in_the_middle(canned):
    """A connection that breaks fails the run, unless the answer had all come."""
    head = {"content-length": "100000"}
    canned.answers = [
        Answer(sse(delta(content="a")), headers=head),
        Answer(sse(delta(content="a"), delta("stop")), headers=head),
    ]
    assert "cut off" in ask(Upstream(canned.url)).error.message
    heard = ask(Upstream(canned.url))
    assert (heard.text, heard.error) == ("a", None)


def test_silence(canned):
    """An upstream that says nothing for the timeout fails the run, once."""
    canned.answers = [Answer(sse(delta(content="a")), stays=True)]
    heard = ask(Upstream(canned.url, timeout=0.2))
    assert heard.text == "a" and "nothing for 0.2 seconds" in heard.error.message
    assert len(canned.bodies) == 1


WORDS = {
    "OpenAI's": (
        400,
        {"error": {"message": "No.", "type": "invalid_request_error"}},
        "invalid_prompt",
        "No.",
    ),
    "flat": (400, {"object": "error", "message": "No.", "code": 400}, "invalid_prompt", "No."),
    "a list": (
        400,
        [{"error": {"code": 400, "message": "No.", "status": "X"}}],
        "invalid_prompt",
        "No.",
    ),
    "a detail": (422, {"detail": "No."}, "invalid_prompt", "No."),
    "details": (
        422,
        {"detail": [{"loc": ["body", "x"], "msg": "No."}]},
        "invalid_prompt",
        "body.x: No.",
    ),
    "nested details": (422, {"message": {"detail": [{"msg": "No."}]}}, "invalid_prompt", "No."),
    "a string": (500, {"error": "No."}, "server_error", "No."),
    "text": (500, "No.", "server_error", "No."),
    "an event": (
        400,
        'event: error\ndata: {"error":{"message":"No."}}\n\n',
        "invalid_prompt",
        "No.",
    ),
    "blanks": (500, "No,\n\n\t no. ", "server_error", "No, no."),
    "a page": (502, "<html><body>nginx</body></html>", "server_error", "answered with status 502"),
    "a page in JSON": (502, {"error": {"message": "<h1>Bad</h1>"}}, "server_error", "status 502"),
    "nothing": (500, "", "server_error", "status 500"),
    "numbers": (500, {"error": 5}, "server_error", "status 500"),
    "a deep one": (500, "[" * 5000, "server_error", "[["),
    "too large": (413, {"error": {"message": "No."}}, "invalid_prompt", "No."),
    "a rate": (
        403,
        {"error": {"message": "No.", "code": "rate_limit_exceeded"}},
        "rate_limit_exceeded",
        "No.",
    ),
    "a context": (
        500,
        {"error": {"message": "the context window is full"}},
        "invalid_prompt",
        "context",
    ),
    "a key": (
        401,
        {"error": {"message": "No.", "type": "invalid_request_error"}},
        "server_error",
        "No.",
    ),
    "in a stream": (
        None,
        {"error": {"message": "No.", "type": "invalid_request_error"}},
        "invalid_prompt",
        "No.",
    ),
    "a rate in a stream": (
        None,
        {"error": {"message": "Rate limit reached"}},
        "rate_limit_exceeded",
        "Rate",
    ),
    "a number in a stream": (
        None,
        {"error": {"message": "No.", "code": "429"}},
        "rate_limit_exceeded",
        "No.",
    ),
    "a key in a stream": (
        None,
        {"error": {"message": "No.", "type": "invalid_request_error", "code": "invalid_api_key"}},
        "server_error",
        "No.",
    ),
}


@pytest.mark.parametrize("case", WORDS)
def test_errors_in_any_form(case):
    """An error's code and words are found, wherever they stand, and never HTML."""
    status, body, code, words = WORDS[case]
    text = body if isinstance(body, str) else json.dumps(body)
    error = read_failure(status, text.encode(), Secrets([])).error()
    assert error.code == code and words in error.message
    assert not error.message.lower().startswith("<") and len(error.message) <= 1000


def test_a_long_message_is_cut():
    """A message has a thousand characters at most, and no half of a key at its end."""
    text = ("x" * 990) + KEY
    message = read_failure(500, json.dumps({"error": text}), Secrets([KEY])).message
    assert len(message) <= 1000 and "sk-" not in message


IN_STREAM = {
    "an event": 'event: error\ndata: {"message":"Gone."}\n\n',
    "an event of text": "event: error\ndata: Gone.\n\n",
    "an object": sse({"object": "error", "message": "Gone."}),
    "in a choice": sse({"choices": [{"index": 0, "delta": {}, "error": {"message": "Gone."}}]}),
    "whole": '{"error": "Gone."}',
    "failed": named({"type": "response.failed", "response": {"error": {"message": "Gone."}}}),
    "of Responses": named({"type": "error", "message": "Gone.", "code": "server_error"}),
}


@pytest.mark.parametrize("case", IN_STREAM)
def test_errors_with_status_200(canned, case):
    """An error is one whatever the status that it comes with."""
    kind = "application/json" if case == "whole" else SSE
    canned.answers = [Answer(IN_STREAM[case], kind=kind)]
    api = "responses" if "esponse" in IN_STREAM[case] or "of R" in case else "chat"
    heard = ask(Upstream(canned.url, api=api))
    assert isinstance(heard.error, ModelError) and heard.error.message == "Gone."
    assert len(canned.bodies) == 1


def test_a_page_with_status_200(canned):
    """HTML is no answer."""
    canned.answers = [Answer("<html>Log in</html>", kind="text/html")]
    assert "<" not in ask(Upstream(canned.url)).error.message


def test_the_key_stands_nowhere(canned, caplog):
    """Whatever the upstream echoes the key in, it is in no error and no log, DEBUG included."""
    echo = {"x-echo": f"Bearer {KEY}", "location": f"http://{KEY}/"}
    split = "".join(f"\\u{ord(c):04x}" for c in KEY)
    canned.answers = [
        Answer(
            f'{{"error": {{"message": "No {split}", "code": "{KEY}"}}}}', status=401, headers=echo
        ),
        Answer(sse(delta(content=KEY), {"error": f"No {KEY}"}), headers=echo),
        Answer(f"<p>{KEY}</p>", status=302, headers=echo),
        Answer(f"No {KEY}", status=400, kind=f"text/plain; x={KEY}", headers=echo),
    ]
    with caplog.at_level(logging.DEBUG):
        for _ in range(4):
            heard = ask(Upstream(canned.url, key=KEY), question())
            assert isinstance(heard.error, ModelError)
            assert KEY not in heard.error.message + heard.text + repr(heard.error.__context__)
    assert caplog.records and KEY not in caplog.text
    assert canned.heads[0]["authorization"] == f"Bearer {KEY}"
