"""The toolbox: whose functions, with which arguments, and what becomes of results."""

from __future__ import annotations

import datetime
import decimal
import functools
import json
import pathlib
import uuid

import pytest
from hints import Level, Opaque, Place, Point, Trip, Unit, google, late

from emitter_stream import function_tool
from emitter_stream.tools.functions import Toolbox, result_text
from emitter_stream.types import Run

# --- the toolbox


def test_a_tool_is_a_plain_dict_to_the_api():
    """What function_tool returns is JSON, and equal to the dict that it looks like."""
    tool = function_tool(google)
    assert json.loads(json.dumps(tool)) == tool


def test_tools_are_functions_or_named_or_made_already():
    """A list may hold functions, made tools and other tools; a dict names functions."""
    code = {"type": "code_interpreter"}
    listed = Toolbox.of([google, function_tool(late), code])
    assert list(listed.functions) == ["google", "late"]
    assert listed.params == [function_tool(google), function_tool(late), code]
    named = Toolbox.of({"weather": google, "pair": function_tool(late)})
    assert list(named.functions) == ["weather", "pair"]
    assert [tool["function"]["name"] for tool in named.params] == ["weather", "pair"]
    assert named.answer("pair", "{}") == "[1,2]"


async def coroutine(city: str) -> str:
    return city


@pytest.mark.parametrize(
    ("tools", "error", "message"),
    [
        ([google, google], ValueError, "two tools with the name 'google'"),
        ([5], TypeError, "a tool is a function or what function_tool"),
        ("google", TypeError, "a tool is a function"),
        (google, TypeError, "tools are a list of functions or a dict"),
        ({"a": "b"}, TypeError, "under the name 'a'"),
        ({"type": "code_interpreter"}, TypeError, "under the name 'type'"),
        ([dict(function_tool(google))], TypeError, "no function to call"),
        ([coroutine], TypeError, "emitter_stream.aio"),
        ([functools.partial(coroutine, "x")], TypeError, "emitter_stream.aio"),
        ([function_tool(coroutine)], TypeError, "emitter_stream.aio"),
    ],
)
def test_what_is_no_tool(tools, error, message):
    """What cannot be called, or not from here, is refused with what to do instead."""
    with pytest.raises(error, match=message):
        Toolbox.of(tools)


def test_no_function_tool_of_what_is_no_function():
    """function_tool takes something to call."""
    with pytest.raises(TypeError, match="takes a function"):
        function_tool("google")  # type: ignore[arg-type]


def test_coroutines_by_way_of_a_caller():
    """Whoever can run coroutines lets them in and says how a function is called."""

    def call(function, args, kwargs):
        coroutine = function(*args, **kwargs)
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        return stop.value.value

    toolbox = Toolbox.of([coroutine], coroutines=True)
    assert toolbox.answer("coroutine", '{"city": "Oslo"}', call) == "Oslo"


@pytest.mark.parametrize("text", ["{", "nothing", '{"city": NaN}', "{} {}", "[" * 100_000])
def test_arguments_that_are_no_json_are_answered(text):
    """The model is told that its arguments are no JSON."""
    answer = Toolbox.of([google]).answer("google", text)
    assert answer.startswith("The arguments for google are no valid JSON (")
    assert answer.endswith("Please try again.")
    assert len(answer) < 500


@pytest.mark.parametrize("text", ["[]", '"x"', "5", "null"])
def test_arguments_that_are_no_object_are_answered(text):
    """The model is told that arguments are an object."""
    answer = Toolbox.of([google]).answer("google", text)
    assert answer.startswith("The arguments do not fit google:\n- Input should be a valid dict")
    assert answer.endswith(f", not {text}\nPlease try again.")


def test_an_unknown_function_is_answered_with_the_known_ones():
    """The model is told which functions there are."""
    answer = Toolbox.of([google, late]).answer("gogle", "{}")
    assert answer == "There is no function 'gogle'; there are: 'google', 'late'. Please try again."
    assert "there are: none" in Toolbox.of([]).answer("x", "{}")


# --- results


RESULTS = [
    ("as it is", "as it is"),
    ("", ""),
    (None, "null"),
    (True, "true"),
    (5, "5"),
    (1.5, "1.5"),
    (float("nan"), "null"),
    (Unit.CELSIUS, "celsius"),
    (Level.HIGH, "2"),
    ([1, "é", None], '[1,"é",null]'),
    ((1, 2), "[1,2]"),
    ({1}, "[1]"),
    ((number for number in (1, 2)), "[1,2]"),
    ({"a": Unit.CELSIUS, 1: Level.LOW, Unit.CELSIUS: 0}, '{"a":"celsius","1":1,"celsius":0}'),
    (Place(1.0, 2.0), '{"lat":1.0,"lon":2.0,"_label":"","notes":[]}'),
    (
        Trip(Place(1.0, 2.0)),
        '{"start":{"lat":1.0,"lon":2.0,"_label":"","notes":[]},"end":null,"stops":[]}',
    ),
    (Point(1, 2), '{"x":1,"y":2}'),
    (datetime.date(2024, 2, 29), '"2024-02-29"'),
    (
        datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.timezone.utc),
        '"2024-02-29T01:00:00+00:00"',
    ),
    (decimal.Decimal("0.10"), '"0.10"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (pathlib.PurePosixPath("a/b"), '"a/b"'),
    (Run({"id": "run_1", "status": "queued"}), '{"id":"run_1","status":"queued"}'),
]


@pytest.mark.parametrize(("result", "text"), RESULTS)
def test_results_are_sent_as_text_or_json(result, text):
    """A string goes back as it is, everything else as JSON."""
    assert result_text(result) == text


@pytest.mark.parametrize("result", [Opaque(), b"bytes", {(1, 2): 3}, [object()]])
def test_results_that_json_cannot_say(result):
    """What JSON cannot say is a TypeError, which is the function's fault."""
    with pytest.raises(TypeError):
        result_text(result)


def test_a_coroutine_as_a_result():
    """A coroutine that a plain function returns is closed and refused."""
    with pytest.raises(TypeError, match=r"emitter_stream\.aio"):
        result_text(coroutine("x"))


def test_pydantic_models_as_results():
    """A Pydantic model goes back as its JSON."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Weather", day=(datetime.date, ...))
    assert result_text([model(day="2024-02-29")]) == '[{"day":"2024-02-29"}]'
