"""Request bodies just inside and just outside of what the official description says of each field.

`variants` walks a schema and gives a value for each fact in it: types, members, bounds, what is
required, what there is no field for. Facts that the description has in prose only, and where this
server is stricter, stand in `WHOLE` and `STRICTER`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from official import DESCRIPTION

Schema = dict[str, Any]
COMPONENTS: dict[str, Schema] = DESCRIPTION["components"]["schemas"]

NAME = {"minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9_-]+$"}
TEXT = {"maxLength": 256_000}
SOME = {"minLength": 1}
MANY = {"maxItems": 512}


def _object(required: str, /, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def _open(required: str, /, **properties: Schema) -> Schema:
    return {**_object(required, **properties), "additionalProperties": True}


def _const(name: str) -> Schema:
    return {"type": "string", "enum": [name]}


_LAST = {"type": "integer", "minimum": 1}
_NAMED = _object("name", name={"type": "string"})

# In place of a component as a whole.
WHOLE: dict[str, Schema] = {
    "Metadata": {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": {"type": "string", "maxLength": 512},
        "nullable": True,
    },
    "AssistantsNamedToolChoice": {
        "oneOf": [
            _object("type function", type=_const("function"), function=_NAMED),
            _object("type", type=_const("code_interpreter")),
            _object("type", type=_const("file_search")),
        ]
    },
    "TruncationObject": {
        "oneOf": [
            _object("type", type=_const("auto"), last_messages=_LAST),
            _object("type last_messages", type=_const("last_messages"), last_messages=_LAST),
        ]
    },
}

_FLAG = {"type": "boolean"}
_ASKED: dict[str, Schema] = {
    "model": {"type": "string", "minLength": 1},
    "metadata": {"$ref": "/Metadata"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "parallel_tool_calls": _FLAG,
    "store": _FLAG,
}
_SCHEMA_FORMAT = {"type": _const("json_schema"), "name": {"type": "string", **NAME}}
_TEXT_FORMATS = [
    _open("type", type=_const("text")),
    _open("type", type=_const("json_object")),
    _open("type name schema", **_SCHEMA_FORMAT, schema={"type": "object"}),
]

_ROLES = {"type": "string", "enum": ["user", "system", "developer", "assistant"]}


# What the server looks at, whole, in requests of the two APIs that the description has not.
ANSWERS: dict[str, Schema] = {
    "/chat/completions": _open(
        "model messages",
        **_ASKED,
        messages={"type": "array", "minItems": 1, "items": _open("role", role=_ROLES)},
        n={"type": "integer", "minimum": 1, "maximum": 128},
        max_tokens=_LAST,
        max_completion_tokens=_LAST,
        reasoning_effort={"$ref": "/ReasoningEffort"},
        stream_options=_open("", include_usage=_FLAG),
    ),
    "/responses": _open(
        "model",
        **_ASKED,
        instructions={"type": "string"},
        max_output_tokens=_LAST,
        text=_open("", format={"oneOf": _TEXT_FORMATS}),
        reasoning=_open("", effort={"$ref": "/ReasoningEffort"}),
    ),
}

# Laid over a component's field.
STRICTER: dict[str, Schema] = {
    "FunctionObject.name": NAME,
    "ResponseFormatJsonSchema.json_schema.name": NAME,
    "MessageRequestContentTextObject.text": TEXT,
    "MessageContentImageUrlObject.image_url.url": SOME,
    "MessageContentImageFileObject.image_file.file_id": SOME,
    "CreateAssistantRequest.model": SOME,
    "CreateRunRequest.assistant_id": SOME,
    "CreateRunRequest.additional_instructions": TEXT,
    "CreateRunRequest.additional_messages": MANY,
    "CreateRunRequest.instructions": TEXT,
    "CreateThreadAndRunRequest.instructions": TEXT,
    "CreateThreadRequest.messages": MANY,
    "StaticChunkingStrategy.chunk_overlap_tokens": {"minimum": 0},
    "SubmitToolOutputsRunRequest.tool_outputs": {"minItems": 1},
    "CreateMessageRequest.attachments[]": {"required": ["file_id", "tools"]},
    "CompleteUploadRequest.part_ids": {"minItems": 1},
    "CreateUploadRequest.bytes": {"minimum": 0},
    "CreateUploadRequest.filename": SOME,
    "CreateVectorStoreFileRequest.file_id": SOME,
    "VectorStoreSearchRequest.query": {"minItems": 1, "maxItems": 16},
    "VectorStoreSearchRequest.query[]": SOME,
}

# May be left out, but is not null.
NEVER_NULL = ("ModifyAssistantRequest.model",)

# What a good value is where the schema leaves it open.
SAMPLES = {"max_chunk_size_tokens": 800, "url": "https://example.com/a.png"}

_MOST = 5000  # items that are really sent

_PROBES: list[tuple[Any, str, str]] = [
    # a value, its kind in schemas, its name in errors
    ("7", "string", "a string"),
    (7, "integer", "an integer"),
    (7.5, "number", "a decimal number"),
    (True, "boolean", "a boolean"),
    ([], "array", "an array"),
    ({}, "object", "an object"),
]


@dataclass(frozen=True)
class Variant:
    """A value; `code` is that of the refusal, None: it is to be taken."""

    value: Any
    code: str | None = None
    message: str = ""  # as the API has it, `{path}` in place of the parameter
    path: str = ""  # of what is wrong, from the value on

    def within(self, value: Any, step: str) -> Variant:
        return replace(self, value=value, path=step + self.path)


@dataclass(frozen=True)
class Field:
    """One place of a body: the shapes that its value may have."""

    shapes: tuple[tuple[str, Schema], ...]
    nullable: bool

    @property
    def objects(self) -> list[tuple[str, Schema]]:
        return [shape for shape in self.shapes if shape[1]["type"] == "object"]


def field(schema: Schema, name: str) -> Field:
    """Resolve references and alternatives; `name` is `Component.field.field`."""
    if "$ref" in schema or "$recursiveRef" in schema:
        name = schema.get("$ref", "/CompoundFilter").rsplit("/", 1)[1]
        inner = field(WHOLE.get(name, COMPONENTS[name]), name)
        return replace(inner, nullable=inner.nullable or schema.get("nullable") is True)
    schema = {**schema, **STRICTER.get(name, {})}
    nullable = schema.get("nullable") is True
    parts = [
        part
        for key in ("anyOf", "oneOf", "allOf")
        for part in schema.get(key, ())
        if set(part) != {"required"}
    ]
    if not parts:
        if schema.get("type") is None:  # it says no more than that null will do
            return Field((), nullable)
        return Field(((name, schema),), nullable)
    shapes: list[tuple[str, Schema]] = []
    for part in parts:
        if part == {"type": "null"}:
            nullable = True
            continue
        inner = field(part, name)
        nullable = nullable or inner.nullable
        shapes += inner.shapes
    # Names of models are examples: any string will do.
    if any(shape["type"] == "string" and "enum" not in shape for _, shape in shapes):
        shapes = [(n, s) for n, s in shapes if s["type"] != "string" or "enum" not in s]
    return Field(tuple(shapes), nullable)


def _inner(name: str, schema: Schema, key: str) -> Field:
    return field(schema["properties"][key], f"{name}.{key}")


def sample(name: str, schema: Schema) -> Any:
    """Give the smallest good value of a shape."""
    own = name.rsplit(".", 1)[-1]
    if own in SAMPLES:
        return SAMPLES[own]
    kind = schema["type"]
    if kind == "object":
        return _smallest(name, schema)
    if kind == "array":
        return [_any(field(schema["items"], f"{name}[]"))]
    if "enum" in schema:
        return schema["enum"][0]
    simple = {"string": "x", "integer": schema.get("minimum", 1), "number": 0.5, "boolean": True}
    return simple[kind]


def _smallest(name: str, schema: Schema) -> dict[str, Any]:
    required = list(schema.get("required", ()))
    for part in schema.get("anyOf", ()):
        required += part["required"][:1]
        break
    return {key: _any(_inner(name, schema, key)) for key in required}


def _any(place: Field) -> Any:
    return sample(*place.shapes[0])


def variants(place: Field, depth: int = 0) -> Iterator[Variant]:
    """Give values for a place, each right or wrong in one thing."""
    yield from _of_types(place)
    discriminated = len(place.objects) > 1
    if discriminated:
        yield from _of_tags(place)
    for name, schema in place.shapes:
        kind = schema["type"]
        if kind == "object":
            yield from _of_object(name, schema, discriminated, depth)
        elif kind == "array":
            yield from _of_array(name, schema, depth)
        elif kind == "string":
            yield from _of_string(name, schema)
        elif kind in ("integer", "number"):
            yield from _of_number(schema, kind)
        elif kind == "boolean":
            yield from (Variant(True), Variant(False))


def _of_types(place: Field) -> Iterator[Variant]:
    kinds = {schema["type"] for _, schema in place.shapes}
    if "number" in kinds:
        kinds.add("integer")
    for value, kind, got in _PROBES:
        if kind not in kinds:
            yield _mistyped(value, got)


def _mistyped(value: Any, got: str) -> Variant:
    return Variant(
        value, "invalid_type", f"Invalid type for '{{path}}': expected *, but got {got} instead."
    )


def _missing(value: Any, path: str) -> Variant:
    message = "Missing required parameter: '{path}'."
    return Variant(value, "missing_required_parameter", message, path)


def _of_tags(place: Field) -> Iterator[Variant]:
    """What says which of several objects it is: left out, of another type, unknown."""
    yield _missing({}, ".type")
    yield _mistyped({"type": 7}, "an integer").within({"type": 7}, ".type")
    message = "Invalid value: 'no_such'. Supported values are: *."
    yield Variant({"type": "no_such"}, "invalid_value", message, ".type")


def _of_object(name: str, schema: Schema, discriminated: bool, depth: int) -> Iterator[Variant]:
    good = _smallest(name, schema)
    yield Variant(good)
    if schema.get("additionalProperties") is True:
        yield Variant({**good, "no_such": 1})
    elif "properties" in schema:
        message = "Unknown parameter: '{path}'."
        yield Variant({**good, "no_such": 1}, "unknown_parameter", message, ".no_such")
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from _of_map(name, schema)
    for key in schema.get("properties", {}):
        if key == "type" and discriminated:
            for tag in schema["properties"]["type"]["enum"]:
                yield Variant({**good, "type": tag})
            continue
        inner = _inner(name, schema, key)
        required = key in schema.get("required", ())
        if required:
            yield _missing({k: v for k, v in good.items() if k != key}, f".{key}")
        if required and not inner.nullable:
            value = {**good, key: None}
            yield _mistyped(value, "null").within(value, f".{key}")
        elif inner.nullable or (
            key not in good and f"{name}.{key}" not in NEVER_NULL
        ):  # one that may be left out may be null as well
            yield Variant({**good, key: None})
        # A filter may hold filters: these are looked into once.
        if depth < 9:
            down = depth + (5 if name == "CompoundFilter" else 1)
            for variant in variants(inner, down):
                yield variant.within({**good, key: variant.value}, f".{key}")


def _of_map(name: str, schema: Schema) -> Iterator[Variant]:
    most, longest = schema["maxProperties"], schema["propertyNames"]["maxLength"]
    inner = field(schema["additionalProperties"], f"{name}.*")
    good = _any(inner)
    full = {f"k{n}": good for n in range(most)}
    yield Variant(full)
    yield Variant(
        {**full, "more": good},
        "object_above_max_properties",
        f"Invalid '{{path}}': too many properties. Expected an object with at most {most} "
        f"properties, but got an object with {most + 1} properties instead.",
    )
    yield Variant({"k" * longest: good})
    yield _too_long(
        {"k" * (longest + 1): good}, "a string", longest, "maximum", "long", longest + 1
    )
    yield _mistyped({"k": None}, "null").within({"k": None}, ".k")
    for variant in variants(inner):
        yield variant.within({"k": variant.value}, ".k")


def _too_long(
    value: Any, kind: str, limit: int, bound: str, what: str, size: int, code: str = ""
) -> Variant:
    noun = kind.split()[-1]
    side = "above_max" if bound == "maximum" else "below_min"
    return Variant(
        value,
        f"{noun}_{side}_length",
        f"Invalid '{{path}}': {noun} too {what}. Expected {kind} with {bound} length {limit}, but "
        f"got {kind} with length {size} instead.",
    )


def _of_array(name: str, schema: Schema, depth: int) -> Iterator[Variant]:
    items = field(schema["items"], f"{name}[]")
    good = _any(items)
    least, most = schema.get("minItems", 0), schema.get("maxItems", _MOST + 1)
    yield Variant([good] * max(least, 1))
    if least:
        yield _too_long([good] * (least - 1), "an array", least, "minimum", "short", least - 1)
    else:
        yield Variant([])
    if most <= _MOST:
        yield Variant([good] * most)
        yield _too_long([good] * (most + 1), "an array", most, "maximum", "long", most + 1)
    yield _mistyped([None], "null").within([None], "[0]")
    told = False
    for variant in variants(items, depth + 1):
        yield variant.within([variant.value], "[0]")
        if variant.code is not None and most > 1 and not told:
            told = True
            yield variant.within([good, variant.value], "[1]")


def _of_string(name: str, schema: Schema) -> Iterator[Variant]:
    if "enum" in schema:
        for word in schema["enum"]:
            yield Variant(word)
        yield Variant(
            "no_such", "invalid_value", "Invalid value: 'no_such'. Supported values are: *."
        )
        yield Variant("", "invalid_value", "Invalid value: ''. Supported values are: *.")
        return
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if least:
        yield _too_long("x" * (least - 1), "a string", least, "minimum", "short", least - 1)
    if most is not None:
        yield Variant("x" * most)
        yield _too_long("x" * (most + 1), "a string", most, "maximum", "long", most + 1)
    if schema.get("format") == "uri":
        for right in ("http://h/a%20b", "https://h:8/?a#b", "data:image/png;base64,AA=="):
            yield Variant(right)
        for wrong in (
            "x",
            "//h/a.png",
            "http://",
            "http:///a.png",
            "file:///a.png",
            "http://[/",
            "http://h/a b",
        ):
            message = (
                "Invalid '{path}'. Expected a valid URL, but got a value with an invalid format."
            )
            yield Variant(wrong, "invalid_value", message)
    if "pattern" in schema:
        for wrong in ("a b", "x\n", "\u00e9", "a.b"):
            message = (
                "Invalid '{path}': string does not match pattern. Expected a string that matches"
            )
            yield Variant(wrong, "invalid_value", f"{message} the pattern '{schema['pattern']}'.")


def _of_number(schema: Schema, kind: str) -> Iterator[Variant]:
    noun = "integer" if kind == "integer" else "decimal"
    step = 1 if kind == "integer" else 0.01
    for key, what, sign, code, way in (
        ("minimum", "below minimum", ">=", "below_min_value", -1),
        ("maximum", "above maximum", "<=", "above_max_value", 1),
    ):
        if key in schema:
            bound = schema[key]
            yield Variant(bound)
            for over in (bound + way * step, bound + way * 10**15):
                message = f"Invalid '{{path}}': {noun} {what} value. Expected a value {sign} {bound}, but got {over} instead."
                yield Variant(over, f"{noun}_{code}", message)
    if kind == "number":
        yield from (Variant(1), Variant(0.5), Variant(1.0))


def routes(kind: str = "application/json") -> Iterator[tuple[str, Field]]:
    """Give the paths that bodies are posted to, and what they may be."""
    for path, operations in DESCRIPTION["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if kind in content:
            yield path, field(content[kind]["schema"], path)


def bodies(place: Field) -> Iterator[Variant]:
    """Give whole bodies; what is wrong in them has the path that errors give."""
    ((name, schema),) = place.shapes
    for variant in _of_object(name, schema, False, 0):
        yield replace(variant, path=variant.path.removeprefix("."))


def spots(place: Field, seen: set[str], depth: int = 0) -> Iterator[Callable[[Any], Any]]:
    """Give functions that put a value into one place of a body that is good otherwise.

    Each field of a component is given once, wherever that is used; `seen` has those that were.
    """
    for name, schema in place.shapes:
        if schema["type"] == "array":
            yield from _spots(field(schema["items"], f"{name}[]"), lambda v: [v], seen, depth)
        for key in schema.get("properties", {}):
            if f"{name}.{key}" in seen:
                continue
            seen.add(f"{name}.{key}")

            def put(value: Any, name: str = name, schema: Schema = schema, key: str = key) -> Any:
                return {**_smallest(name, schema), key: value}

            yield from _spots(_inner(name, schema, key), put, seen, depth)


def _spots(
    inner: Field, put: Callable[[Any], Any], seen: set[str], depth: int
) -> Iterator[Callable[[Any], Any]]:
    yield put
    if depth < 9:
        for deeper in spots(inner, seen, depth + 1):

            def put_deeper(value: Any, deeper: Callable[[Any], Any] = deeper) -> Any:
                return put(deeper(value))

            yield put_deeper
