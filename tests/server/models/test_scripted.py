"""The scripted model's parts: equations, arguments, plans, and the sandbox for its code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import tries
from server_helpers import BOTH, RAIN, WEATHER

from emitter_stream.server import Call, Input, ScriptedModel, Text, Turn
from emitter_stream.server.interpreter import Limits, Sandbox
from emitter_stream.server.models import arguments
from emitter_stream.server.models.arguments import Filler
from emitter_stream.server.models.equations import find_equation, solving_code
from emitter_stream.server.models.model import Said, count_tokens, pieces
from emitter_stream.server.models.scripted import answer, make_plan, user_name

SOLVED = {
    "I need to solve the equation `3x + 11 = 14`. Can you help me?": "x = 1",
    "7 = -2y+1": "y = -3",
    "x/3 - 1/2 = 0.25, please": "x = 9/4",
    "2(a-3)=4a+1": "a = -7/2",
    "a 3x + 11 = 14 I think": "x = 1",
    "solve \u22124z \u2212 8 = 0.": "z = -2",
    "if 10 - 3\u00b7k = 1 then?": "k = 3",
    "(3x + 11 = 14)": "x = 1",
    "n = n": "every n is a solution",
    "n = n + 1": "there is no solution",
    "E = mc^2, but 2.5q = 10": "q = 4",
}
NOT_WHOLE = """\
x² + x = 6|1,000x = 2000|3,5x = 7|2xy + z = 4|x' + y = 2|10:30 + x = 11|3x² + y = 4|x! + y = 3
[3x + 11] + y = 14|3 • x = 9|½ + x = 3|log x = 2|x = 5!|x = 3 million|f(2x = 4)|`3x` + 2 = 5
2 * `x + 3 = 4`|f(2) = 6|x = 3, 5|x = 1 or 2|x = 3 (mod 5)|sin(x) = 0|y(3x = 3)|3x = 0.333...
3 x² + y = 4|{3x} + y = 2|x = 4²|y : x = 3|ab -3x = 9|x = 3%|√x = 3|x₁ + x = 3
the square root of x = 4|x = 5 * 10³|3^x = 9|x = 3'|solve - 3x = 9"""
NOT_LINEAR = [
    *NOT_WHOLE.replace("\n", "|").split("|"),
    "x*x = 4",
    "4 = x^2",
    "x**2 = 4",
    "4 = 3x\u00b2",
    "x + y = 3",
    "1/0x = 3",
    "3 = 3",
    "3x + 11 = 14 = 2",
    "f(x) = 3x + 2",
    "a == b",
    "no equation",
    "=",
    "",
    "x=" * 5000,
    "(" * 5000 + "x = 1",
]


def run_code(source: str, **limits: object) -> str:
    async def main() -> str:
        return await Sandbox(Limits(**limits)).run(source)

    return asyncio.run(main())


def test_equations_are_solved():
    """Linear equations are found in prose, and their program prints the solution."""
    for question, solution in SOLVED.items():
        assert run_code(solving_code(find_equation(question))) == solution + "\n", question


@pytest.mark.parametrize("text", NOT_LINEAR, ids=lambda text: repr(text[:20]))
def test_what_is_no_linear_equation(text):
    """What is not linear in one unknown is left alone, never solved in part."""
    assert find_equation(text) is None


@pytest.mark.tries
@settings(max_examples=tries(40, 200))
@given(*[st.fractions(-99, 99, max_denominator=20)] * 4, st.sampled_from("xyzkXQ"))
def test_any_linear_equation(a, b, c, d, letter):
    """Whatever the numbers, the sides are read as they are written."""
    equation = find_equation(f"Solve {a}*{letter} + {b} = {c}{letter} - ({d}) for me.")
    assert equation.unknown == letter
    assert (equation.left.slope, equation.left.rest) == (a, b)
    assert (equation.right.slope, equation.right.rest) == (c, Fraction(0) - d)


PARTS = st.sampled_from(
    [
        "2",
        "3.5",
        "10",
        "x",
        "y",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        " ",
        "²",
        "!",
        "'",
        ":",
        ",",
        "[",
        "]",
        "•",
        "½",
        ".",
        "`",
        "\n",
        "xy",
        "|",
    ]
)


@given(st.lists(PARTS, max_size=8), st.lists(PARTS, max_size=8))
def test_no_part_of_an_equation_is_cut_off(left, right):
    """What is found is all that was written, and its solution satisfies it as Python reads it."""
    written = f"{''.join(left)}={''.join(right)}"
    equation = find_equation(f"Solve {written} please")
    if equation is None:
        return
    outside = written.replace(equation.text, "", 1)
    assert not set(outside) - set(" `'()\n.,:") or "\n" in outside
    slope = equation.left.slope - equation.right.slope
    if slope:
        solution = (equation.right.rest - equation.left.rest) / slope
        text = re.sub(r"\s+", "", equation.text)
        text = re.sub(r"(?<=[0-9x-y)])(?=[x-y(])", "*", text)
        text = re.sub(r"[0-9.]+", lambda match: f"F('{match.group()}')", text)
        names = {"F": Fraction, "x": solution, "y": solution}
        one, two = (eval(side, names) for side in text.split("="))
        assert one == two


def test_sandbox_is_apart(monkeypatch, tmp_path):
    """Code sees no environment, no working directory of ours, no installed packages."""
    monkeypatch.setenv("SECRET", "s3cret")
    source = (
        "import os, sys\n"
        "print(sorted(set(os.environ) - {'LC_CTYPE'}), os.listdir(), sys.flags.isolated)\n"
        "try:\n    import sqlalchemy\nexcept ImportError as exc:\n    print(exc)\n"
        "print(os.getcwd())\n"
    )
    lines = run_code(source).splitlines()
    assert lines[:2] == ["[] [] 1", "No module named 'sqlalchemy'"]
    assert lines[2] != os.getcwd() and not Path(lines[2]).exists()


def test_sandbox_limits():
    """Endless loops, floods of output, memory and big files end, and their traces are shown."""
    assert "stopped after 0.5 seconds" in run_code("while True: pass", wall=0.5)
    flood = run_code("while True: print('x' * 1000)", output=5000)
    assert flood.endswith("[output cut off]\n") and len(flood) < 6000
    assert "ZeroDivisionError" in run_code("1/0")
    assert "SyntaxError" in run_code("1 +")
    if sys.platform == "linux":
        assert "MemoryError" in run_code("x = bytearray(10**10)")
        assert "File too large" in run_code("open('f', 'wb').write(b'x' * 10**8)")


@pytest.mark.skipif(sys.platform != "linux", reason="the signals differ")
def test_sandbox_says_what_ended_the_code():
    """Code that a signal or the limit on processor time ended says so in its output."""
    assert run_code("while True: pass", cpu=1) == "\n[stopped after 1 seconds of processor time]\n"
    ended = run_code("print('so far'); import os; os.kill(os.getpid(), 9)")
    assert ended == "so far\n\n[ended by signal 9]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")
def test_sandbox_cancelled():
    """Cancelling kills the code and waits for its end."""

    async def main() -> None:
        task = asyncio.create_task(Sandbox().run("while True: pass"))
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def turn(question: str, *tools: object, **fields: object) -> Turn:
    said = fields.pop("messages", (Said("user", question),))
    base = {"model": "m", "instructions": "", "history": said, "tools": tools}
    return Turn(**{**base, **fields})


def planned(one: Turn) -> list[list[tuple[str, dict[str, object]]]]:
    plan = make_plan(one, one.messages[-1].text)
    return [[(call.name, json.loads(text)) for call, text in calls] for calls in plan]


def test_plans():
    """Functions that fit are called together, one by one, or in the order the question says."""
    temperature = ("get_current_temperature", {"location": "San Francisco", "unit": "Celsius"})
    rain = ("get_rain_probability", {"location": "San Francisco"})
    assert planned(turn(BOTH, WEATHER, RAIN)) == [[temperature, rain]]
    assert planned(turn(BOTH, WEATHER, RAIN, parallel_tool_calls=False)) == [[temperature], [rain]]
    assert planned(turn(BOTH, WEATHER, RAIN, tool_choice="none")) == []
    assert planned(turn("Good morning", WEATHER, RAIN)) == []
    assert len(planned(turn("Good morning", WEATHER, RAIN, tool_choice="required"))) == 1
    named = {"type": "function", "function": {"name": "get_rain_probability"}}
    assert planned(turn("In Rome", WEATHER, RAIN, tool_choice=named)) == [
        [("get_rain_probability", {"location": "Rome"})]
    ]
    rounds = planned(turn("First the temperature in Oslo, then rain in Rome.", WEATHER, RAIN))
    assert rounds == [
        [("get_current_temperature", {"location": "Oslo", "unit": "Celsius"})],
        [("get_rain_probability", {"location": "Rome"})],
    ]
    three = planned(turn("Temperature in Paris, Oslo and Salem, OR please", WEATHER))
    places = [arguments["location"] for _, arguments in three[0]]
    assert places == ["Paris", "Oslo", "Salem, OR"]
    both = planned(turn("The temperature in Paris and Tokyo in Fahrenheit?", WEATHER))
    assert [arguments["location"] for _, arguments in both[0]] == ["Paris", "Tokyo"]
    assert {arguments["unit"] for _, arguments in both[0]} == {"Fahrenheit"}


def test_the_search_is_bounded(monkeypatch):
    """Many functions and a long question: the names are searched for once, in its beginning."""
    searched: list[str] = []
    found = arguments._AFTER_PREPOSITION

    class Counting:
        def finditer(self, question: str) -> object:
            searched.append(question)
            return found.finditer(question)

    monkeypatch.setattr(arguments, "_AFTER_PREPOSITION", Counting())
    weather = WEATHER["function"]
    many = [{**WEATHER, "function": {**weather, "name": f"weather_{n}"}} for n in range(128)]
    question = "The weather in Oslo, Rome and Bergen " + "Aa Bb " * 3000
    plan = planned(turn(question, *many))
    assert [len(calls) for calls in plan] == [128]
    assert [len(one) for one in searched] == [2000]


def test_arguments_from_the_question():
    """Values are taken from the question: names, numbers, quotes, dates, addresses, switches."""
    properties = {
        "origin": {"type": "string"},
        "destination": {"type": "string"},
        "seats": {"type": "integer"},
        "budget": {"type": "number"},
        "date": {"type": "string", "format": "date"},
        "email": {"type": "string", "format": "email"},
        "note": {"type": "string"},
        "class": {"type": "string", "enum": ["economy", "business"]},
        "breakfast": {"type": "boolean"},
        "comment": {"type": ["string", "null"]},
    }
    question = (
        "Book 2 seats from New York to San Francisco on 2026-03-01 in business for 499.5, "
        'with breakfast, note "window please", and mail it to jane@example.com.'
    )
    required = [key for key in properties if key not in ("comment", "breakfast")]
    schema = {"type": "object", "properties": properties, "required": required}
    assert Filler(question, schema).fill() == {
        "origin": "New York",
        "destination": "San Francisco",
        "seats": 2,
        "budget": 499.5,
        "date": "2026-03-01",
        "email": "jane@example.com",
        "note": "window please",
        "class": "business",
        "breakfast": True,
    }


def test_schemas_that_contain_themselves():
    """A schema that leads back to itself gives what can be given, without end for nobody."""
    rooted = {"anyOf": [{"$ref": "#"}, {"type": "null"}]}
    assert Filler("Hello", rooted).fill() is None
    defs = {
        "N": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "integer"}]},
        "A": {"$ref": "#/$defs/B"},
        "B": {"allOf": [{"$ref": "#/$defs/A"}, {"type": "boolean"}]},
        "L": {"type": "object", "properties": {"next": {"$ref": "#/$defs/L"}}, "required": []},
    }
    defs |= {f"C{n}": {"oneOf": [{"$ref": f"#/$defs/C{n + 1}"}] * 3} for n in range(3000)}
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in ("N", "A", "B", "L", "C0")}
    schema = {"type": "object", "properties": properties, "required": ["N", "A", "B"]}
    filled = Filler("Take 7", {**schema, "$defs": defs}).fill()
    assert filled == {"N": 7, "A": False, "B": False}
    call = {"type": "function", "function": {"name": "take", "parameters": rooted}}
    assert planned(turn("Take 7", call)) == [[("take", {})]]


SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "date-time"},
        {"type": "integer"},
        {"type": "integer", "minimum": 5, "maximum": 9},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "boolean"},
        {"type": ["integer", "null"]},
        {"enum": ["a", "b", 3]},
        {"const": {"x": 1}},
        {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    ]
)
NAMES = st.sampled_from(
    ["city", "count", "name", "when", "is_new", "query", "user_id", "tags", "unit"]
)


def objects_of(inner):
    return st.dictionaries(NAMES, inner, max_size=4).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties) or ["x"])).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
            }
        )
    )


SCHEMAS = objects_of(
    st.recursive(
        SCALARS,
        lambda inner: (
            objects_of(inner)
            | inner.map(lambda items: {"type": "array", "items": items, "minItems": 1})
        ),
        max_leaves=8,
    )
)
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def check(value: object, schema: dict[str, object]) -> None:
    if "const" in schema:
        assert value == schema["const"]
    elif "enum" in schema:
        assert value in schema["enum"]
    elif "anyOf" in schema:
        assert isinstance(value, bool)
    else:
        kind = schema["type"]
        kind = kind[0] if isinstance(kind, list) else kind
        assert isinstance(value, TYPES[kind]) and (kind == "boolean" or value is not True)
        assert len(value) <= schema.get("maxLength", 10**6) if kind == "string" else True
        if "minimum" in schema:
            assert schema["minimum"] <= value <= schema["maximum"]
        if "exclusiveMinimum" in schema:
            assert value > schema["exclusiveMinimum"]
        if kind == "array":
            assert value
            for item in value:
                check(item, schema["items"])
        if kind == "object":
            assert set(schema["required"]) <= set(value) <= set(schema["properties"])
            for name, item in value.items():
                check(item, schema["properties"][name])


@pytest.mark.tries
@settings(max_examples=tries(60, 200))
@given(SCHEMAS, st.sampled_from([BOTH, "", 'Say "hi" 3 times to Bob not new', "7 8 9"]))
def test_arguments_follow_the_schema(schema, question):
    """Whatever the schema, required fields are there and everything has the right type."""
    check(Filler(question, schema).fill(), schema)


ODD_SCHEMAS = [
    {},
    {"type": "object"},
    {"type": "object", "properties": None, "required": 5},
    {
        "type": "object",
        "properties": {"a": True, "b": {"type": "nonsense"}},
        "required": ["b", "c"],
    },
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {
        "type": "object",
        "properties": {"child": {"$ref": "#"}},
        "required": ["child"],
    },
    {
        "type": "object",
        "properties": {"a": {"enum": []}, "b": {"type": []}},
        "required": ["a", "b"],
    },
    {"type": "object", "properties": {"n": {"type": "integer", "minimum": "x"}}, "required": ["n"]},
    {"type": "object", "properties": {"s": {"type": "string", "minLength": 10**12}}},
    {
        "type": "object",
        "properties": {"l": {"type": "array", "minItems": 10**12}},
        "required": ["l"],
    },
    {"type": "object", "properties": {"f": {"type": "string", "format": []}}, "required": ["f"]},
    {"type": "array"},
]


@pytest.mark.parametrize("schema", ODD_SCHEMAS, ids=lambda s: repr(s)[:40])
def test_odd_schemas(schema):
    """A schema that makes no sense still gives arguments, in no time."""
    tool = {"type": "function", "function": {"name": "get_rain", "parameters": schema}}
    ((call,),) = planned(turn("Will it rain in 5 days?", tool, tool_choice="required"))
    assert isinstance(call[1], dict)


def test_tool_input_comes_in_pieces():
    """A call's arguments are streamed in several pieces that join to JSON."""

    async def main() -> list[object]:
        return [part async for part in ScriptedModel(0).respond(turn(BOTH, WEATHER))]

    first, *rest = asyncio.run(main())
    assert first == Call("function", "get_current_temperature")
    assert len(rest) > 5 and all(isinstance(part, Input) for part in rest)
    assert json.loads("".join(part.piece for part in rest))["location"] == "San Francisco"


def test_names_in_instructions():
    """The name the instructions give is used, else the one the user gave."""
    jane = "Please address the user as Jane Doe. The user has a premium account."
    assert user_name(turn("Hello", instructions=jane)) == "Jane Doe"
    assert user_name(turn("Hi, my name is Ada Lovelace and I count")) == "Ada Lovelace"
    assert user_name(turn("Hello")) is None


def test_json_answers():
    """With a JSON response format the answer is JSON, after the schema if there is one."""
    text = answer(turn("Hello", response_format={"type": "json_object"}), "Hello")
    assert "Hello" in json.loads(text)["answer"]
    schema = WEATHER["function"]["parameters"]
    form = {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}}
    text = answer(turn("In Oslo", response_format=form), "In Oslo")
    assert json.loads(text) == {"location": "Oslo", "unit": "Celsius"}


@pytest.mark.tries
@settings(max_examples=tries(30, 200))
@given(st.text())
def test_pieces_join_to_the_text(text):
    """No character is lost when text is cut into pieces."""
    assert "".join(pieces(text)) == text
    assert count_tokens(text) == len(pieces(text))


def test_pace(monkeypatch):
    """The pace is kept by waiting between the pieces, and cannot be negative."""
    waits: list[float] = []

    async def main() -> None:
        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        with monkeypatch.context() as patch:
            patch.setattr("emitter_stream.server.models.scripted.asyncio.sleep", sleep)
            async for part in ScriptedModel(0.01).respond(turn("Hello")):
                assert isinstance(part, Text)

    asyncio.run(main())
    assert len(waits) > 3 and waits[0] == pytest.approx(100, abs=1)
    with pytest.raises(ValueError, match="negative"):
        ScriptedModel(-1)
