"""From arguments to bodies, queries and headers."""

import math

import pytest

from emitter_stream import types
from emitter_stream._not_given import NOT_GIVEN
from emitter_stream.resources._body import json_body, merge_headers, query_parameters


def test_what_is_not_given_is_left_out_and_none_is_null():
    """NOT_GIVEN leaves no trace, at any depth of dicts; None is sent."""
    body = json_body({"a": NOT_GIVEN, "b": None, "c": {"d": NOT_GIVEN, "e": None}})
    assert body == {"b": None, "c": {"e": None}}


def test_extra_fields_go_over_the_others():
    """extra_body adds fields and replaces those there are."""
    assert json_body({"a": 1, "b": 2}, {"b": 3, "c": [4]}) == {"a": 1, "b": 3, "c": [4]}


def test_objects_and_iterables_are_taken_anywhere():
    """Received objects, their lists, tuples and generators become plain JSON."""
    tools = types.Assistant({"tools": [{"type": "code_interpreter"}]}).tools
    content = ({"type": "text", "text": text} for text in ("a", "b"))
    body = json_body({"tools": tools, "more": (tools[0],), "content": content, "n": 1.5, "t": True})
    assert body == {
        "tools": [{"type": "code_interpreter"}],
        "more": [{"type": "code_interpreter"}],
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "n": 1.5,
        "t": True,
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"tools\[1\]\.x is a object"),
        (b"abc", r"tools\[1\]\.x is a bytes"),
        (math.nan, r"tools\[1\]\.x is nan"),
        ({1: "a"}, r"tools\[1\]\.x has the key 1"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value, message):
    """The message names the place in the body, not only the type."""
    with pytest.raises((TypeError, ValueError), match=message):
        json_body({"tools": [1, {"x": value}]})


def test_queries_are_in_the_apis_notation():
    """Lists get brackets, booleans are lower case, later queries win, None is left out."""
    query = query_parameters(
        {"limit": 5, "after": NOT_GIVEN, "x": True},
        None,
        {"include": ("a", "b"), "limit": 9, "order": None, "filter": {"k": [1]}, "none": []},
    )
    assert query == {"limit": "9", "x": "true", "include[]": ["a", "b"], "filter[k][]": ["1"]}


def test_headers_are_merged_whatever_their_case():
    """A later header replaces an earlier one of the same name."""
    assert merge_headers({"A": "1", "b": "2"}, None, {"B": "3", "c": "4"}) == {
        "A": "1",
        "B": "3",
        "c": "4",
    }
