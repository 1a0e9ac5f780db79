"""The value of JSON that is still arriving, row by row as the Node SDK's parser has it."""

from __future__ import annotations

import contextlib
import json
import math
import random
from pathlib import Path

import pytest

from emitter_stream import OpenAIError
from emitter_stream.streams.partial_json import (
    GrowingJSON,
    JSONBudget,
    MalformedJSON,
    parse_partial,
    parse_whole,
)

ROWS = json.loads((Path(__file__).parent.parent / "parity_chat/partial-json.json").read_text())


def plain(value):
    """Give a value with its infinite numbers written as in the table."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"__number__": "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_the_table_is_whole():
    """All 446 rows are here, with both kinds of outcome."""
    assert len(ROWS) == 446
    assert sum("error" in row for row in ROWS) == 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ascii(row["in"]))
def test_same_value_as_node(row):
    """What there is of a text has the value that the Node SDK's parser gives it."""
    if "error" in row:
        with pytest.raises(MalformedJSON):
            parse_partial(row["in"])
    elif "12345678901234567890" in row["in"]:
        assert parse_partial(row["in"]) == {"n": 12345678901234567890}  # exact, unlike Node's
    else:
        assert plain(parse_partial(row["in"])) == row["out"]


def test_every_prefix_of_a_document_has_a_value():
    """A document cut anywhere has a value, and whole it has its own."""
    document = {"a": [1, -2.5e3, {"b": 'x\n\u00e9"\\', "c": None}], "d": True, "e": [[], {}]}
    text = json.dumps(document)
    for cut in range(1, len(text)):
        assert isinstance(parse_partial(text[:cut]), dict)
    assert parse_partial(text) == parse_whole(text) == document


@pytest.mark.parametrize("text", ["", "NaN", "[Infinity]", "{} x", "{", "[" * 100_000, "'a'"])
def test_whole_texts_are_read_strictly(text):
    """A complete text must be JSON to its end, and nothing that only JavaScript reads."""
    with pytest.raises(MalformedJSON):
        parse_whole(text)


def test_numbers_beyond_what_python_reads():
    """An integer of more digits than Python converts is infinite, as it is in JavaScript."""
    digits = "9" * 5000
    assert parse_whole(f"[-{digits}]") == parse_partial(f"[-{digits},") == [-math.inf]
    assert parse_partial(digits) == math.inf


@pytest.mark.parametrize("text", ["[" * 129, '{"a":' * 129])
def test_depth_is_bounded(text):
    """The 129th level is an error, for the parser and while the text grows."""
    with pytest.raises(OpenAIError):
        parse_partial(text)
    growing = GrowingJSON(JSONBudget())
    with pytest.raises(OpenAIError):
        for character in text:
            growing.add(character)


def test_brackets_in_strings_are_no_levels():
    """Brackets inside strings count for nothing, wherever the pieces are cut."""
    text = json.dumps(["[" * 500 + '"\\' + "{" * 500])
    rnd = random.Random(1)
    for _ in range(20):
        growing, rest = GrowingJSON(JSONBudget()), text
        while rest:
            cut = rnd.randint(1, 40)
            growing.add(rest[:cut])
            rest = rest[cut:]


def test_when_the_value_is_taken():
    """Up to 1,024 bytes at each piece, beyond after growth by half and at the last bracket."""
    growing = GrowingJSON(JSONBudget())
    assert not growing.add("  ")
    assert growing.add('{"a":"')
    assert not growing.add("")
    assert growing.add("x" * 1016)
    assert not growing.add("x")
    assert not growing.add("x" * 1022)
    assert growing.add("x" * 1000)
    assert not growing.add("x" * 1023)
    assert growing.add('"}')


def test_bytes_are_counted_as_utf8():
    """The limits count the bytes of UTF-8, four for a character that came in two halves."""
    growing = GrowingJSON(JSONBudget())
    assert growing.add('"' + "x" * 1019)
    assert growing.add("\ud83d")
    assert growing.add("\ude00")
    assert not growing.add("x")


def test_limits_of_a_stream():
    """16 MiB, and 65,536 pieces, for all the texts that share a budget."""
    budget = JSONBudget()
    GrowingJSON(budget).add('"' + "x" * (15 * 2**20))
    with pytest.raises(OpenAIError, match="16 MiB"):
        GrowingJSON(budget).add("x" * 2**20)
    growing = GrowingJSON(JSONBudget())
    for _ in range(65_536):
        growing.add(" ")
    with pytest.raises(OpenAIError, match="65,536"):
        growing.add(" ")


def test_a_text_that_is_not_parsed_after_all_gives_its_share_back():
    """A withdrawn text counts for nothing in the budget of its stream."""
    budget = JSONBudget()
    growing = GrowingJSON(budget)
    growing.add('{"a":1')
    growing.withdraw()
    assert (budget.bytes, budget.fragments, budget.work) == (0, 0, 0)


@pytest.mark.parametrize(
    "text",
    ['"' + "\\" * 2**20, '["' + '\\"' * 2**19, "[" + "1 2," * 2**18, '[["a\n",' * 60 + "x" * 2**20],
    ids=["backslashes", "escapes", "numbers", "broken"],
)
def test_hostile_texts_come_to_an_end(text):
    """A mebibyte that goes wrong, or never ends, is read in one go (quadratic, it would hang)."""
    with contextlib.suppress(MalformedJSON):
        assert isinstance(parse_partial(text), (list, str))
