"""Frames that differ in one string are recognised many at once as they are one by one."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import tries

from emitter_stream.engine import growth
from emitter_stream.engine.growth import GrowthMatcher

TEXTS = st.sampled_from(
    ["", "a", "é", '"', "\\", "\n", "\t", "\x7f", "\ud83d", '"},"n":1', '","pad":"', "\\u0041"]
)
STRINGS = st.one_of(
    st.builds("word{}".format, st.integers(0, 9)).map(json.dumps),
    st.lists(TEXTS, max_size=3).map("".join).map(json.dumps),
    st.sampled_from(["é", "\u2028", "\x7f"]).map(lambda text: f'"{text}"'),
)
NO_STRINGS = st.sampled_from(
    ['"x', '"\\x"', '"a\tb"', '"a\nb"', '"a\x01b"', "1", '"a"b"', '"a\\"', '"\\ud8"', '"a\nb\tc"']
)


NUMBERS = st.integers(0, 10**6).map(str) | st.sampled_from(
    ["", "01", "-1", "1.0", "1e1", "\u0661", '"1"', "9" * 18, "9" * 19, "1,", " 1"]
)


def frame_of(piece: str, padding: str | None, number: str | None = None) -> bytes:
    padded = "" if padding is None else f',"more":[],"pad":{padding}'
    numbered = "" if number is None else f'"number":{number},'
    return f'data: {{{numbered}"id":1,"text":{piece}{padded}}}'.encode()


def odd(frame: bytes) -> st.SearchStrategy[bytes]:
    """Give frames that are almost like another."""
    return st.sampled_from(
        [
            frame,
            frame[:-1],
            frame + b" ",
            frame[6:],
            b"event: x\n" + frame,
            frame.replace(b'"text":', b'"text": '),
            frame.replace(b'"word', b'"\xff\xc3'),
            frame.replace(b',"more":[],"pad":', b"\t"),
            frame.replace(b'"pad":', b'"pad":"x","more":[],"pad":'),
            b"",
            b'data: {"id":1,"text":"}',
        ]
    )


def frames(*, padded: bool, numbered: bool) -> st.SearchStrategy[list[bytes]]:
    numbers = NUMBERS if numbered else st.none()
    usual = st.builds(frame_of, STRINGS, STRINGS if padded else st.none(), numbers)
    wrong = st.builds(frame_of, STRINGS | NO_STRINGS, NO_STRINGS if padded else st.none(), numbers)
    return st.lists(st.one_of(usual, usual, usual, wrong, usual.flatmap(odd)), max_size=8)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.tries
@settings(max_examples=tries(60, 200))
@given(data=st.data())
def test_many_frames_are_recognised_as_one_by_one(padded, data):
    """What is not JSON, or differs in more, ends what is recognised together, and is not guessed at."""
    matcher = GrowthMatcher("pad" if padded else "")
    learned = frame_of('"learned"', '"padding"' if padded else None)
    text = learned[6:].decode()
    matcher.learn(learned, text, json.loads(text), ("text",))
    given_frames = [learned, *data.draw(frames(padded=padded, numbered=False))]
    for at in range(len(given_frames)):
        one_by_one = []
        for frame in given_frames[at:]:
            piece = matcher.match(frame)
            if piece is None:
                break
            one_by_one.append(piece)
        assert matcher.matches(given_frames, at) == one_by_one


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.tries
@settings(max_examples=tries(60, 200))
@given(data=st.data())
def test_what_is_recognised_of_numbered_frames_is_what_their_json_says(padded, data):
    """Each gives its text, its padding and its number; alone or with others makes no difference."""
    matcher = GrowthMatcher("pad" if padded else "", "number")
    learned = frame_of('"learned"', '"padding"' if padded else None, "0")
    text = learned[6:].decode()
    matcher.learn(learned, text, json.loads(text), ("text",))
    assert matcher.match(learned) == ("learned", "padding" if padded else None, 0)
    given_frames = [learned, *data.draw(frames(padded=padded, numbered=True))]
    alone = [matcher.match(frame) for frame in given_frames]
    known = [*itertools.takewhile(lambda found: found is not None, alone)]
    assert matcher.matches(given_frames, 0) == known
    for frame, found in zip(given_frames, alone, strict=True):
        if found is None:
            continue
        value = json.loads(frame[6:].decode("utf-8", "replace"))
        expected = {"number": found[2], "id": 1, "text": found[0]}
        if padded:
            expected |= {"more": [], "pad": found[1]}
        assert value == expected
        assert type(value["number"]) is int


def test_usual_numbered_frames_are_recognised():
    """Of frames as they are sent each is, however far the numbers have come."""
    matcher = GrowthMatcher("pad", "number")
    sent = [frame_of(f'"{n} "', f'"{n}"', str(n)) for n in (7, 8, 9, 10, 1000, 10**17)]
    matcher.learn(sent[0], sent[0][6:].decode(), json.loads(sent[0][6:]), ("text",))
    assert matcher.matches(sent, 1) == [(f"{n} ", f"{n}", n) for n in (8, 9, 10, 1000, 10**17)]


IDS = st.sampled_from(
    ["a", "msg_1", "msg_2", "text", "id", "1", "n", "u0041", "a b", 'a"', "é", ""]
)
SHAPES = st.sampled_from(
    [
        '{{"id":{0},"text":{1}}}',
        '{{"id": {0}, "more": [], "text": {1}}}',
        '{{{0}:"text","id":{0},"text":{1}}}',
        '{{"id":{0},{0}:1,"text":{1},"text":{1}}}',
        '{{"id":{0},"text":{1},{0}:{1}}}',
        '{{"a":{{"id":{0},"text":"x"}},"id":{0},"text":{1}}}',
        '{{"text":{1},"id":{0}}}',
        '{{"\\"id":{0},"id":{0},"text":{1}}}',
    ]
)


@settings(max_examples=100)
@given(SHAPES, st.lists(st.tuples(IDS, STRINGS), min_size=1, max_size=4), IDS, STRINGS)
def test_what_one_stream_has_shown_holds_for_another_with_another_id(shape, before, own, piece):
    """It is recognised, or not, as it would be if nobody had read such a frame before."""

    def recognised(identifier: str, text: str) -> list[object]:
        matcher = GrowthMatcher()
        json_text = shape.format(json.dumps(identifier), text)
        frame = f"data: {json_text}".encode()
        data = json.loads(json_text)
        if data.get("text") != json.loads(text):  # the core would name no such path
            return []
        matcher.learn(frame, json_text, data, ("text",))
        other = frame.replace(text.encode(), b'"other"')
        return [matcher.match(frame), matcher.match(other)]

    growth._proven.clear()
    alone = recognised(own, piece)
    growth._proven.clear()
    for identifier, text in before:
        recognised(identifier, text)
    assert recognised(own, piece) == alone


def test_no_end_of_shapes_is_kept():
    """A server whose frames differ in more than their id does not fill the memory."""
    for number in range(1_000):
        text = f'{{"id":"a","n{number}":1,"text":"a"}}'
        GrowthMatcher().learn(f"data: {text}".encode(), text, json.loads(text), ("text",))
    assert 0 < len(growth._proven) <= 64


def test_nothing_is_recognised_before_a_frame_was_learned():
    """Without a frame to compare with, each takes the long way; also after it was forgotten."""
    matcher = GrowthMatcher()
    frame = frame_of('"a"', None)
    assert matcher.matches([frame], 0) == []
    matcher.learn(frame, frame[6:].decode(), {"id": 1, "text": "a"}, ("text",))
    assert matcher.matches([frame, frame], 0) == ["a", "a"]
    matcher.forget()
    assert matcher.matches([frame], 0) == []
