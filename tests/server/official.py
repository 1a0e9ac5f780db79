"""Everything that the server says, held to the official description of the API."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DESCRIPTION = json.loads(
    (Path(__file__).parent / "openapi" / "assistants.json").read_text(encoding="utf-8")
)


def _as_json_schema(schema: Any) -> Any:
    """Spell out what the description says in the words of an older OpenAPI."""
    if isinstance(schema, list):
        return [_as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    built = {name: _as_json_schema(part) for name, part in schema.items() if name != "nullable"}
    properties = built.get("properties", {})
    # Required strings there, but null where a list is empty.
    if "has_more" in properties:
        for name in ("first_id", "last_id"):
            properties[name] = {"type": ["string", "null"]}
    # Of a run that a filter cut off the description knows only the message.
    if built.get("enum") == ["max_completion_tokens", "max_prompt_tokens"]:
        built["enum"].append("content_filter")
    if schema.get("nullable") is True and len(built) > 0:
        return {"anyOf": [built, {"type": "null"}]}
    return built


COMPONENTS = _as_json_schema(DESCRIPTION["components"])


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS},
    )


def _events() -> dict[str, str]:
    """Give for the name of each event the name of its data's schema."""
    found = {}
    for group in DESCRIPTION["components"]["schemas"]["AssistantStreamEvent"]["oneOf"]:
        schema = DESCRIPTION["components"]["schemas"][group["$ref"].rsplit("/", 1)[1]]
        for event in schema.get("oneOf", [schema]):
            (name,) = event["properties"]["event"]["enum"]
            found[name] = event["properties"]["data"].get("$ref", "").rsplit("/", 1)[-1]
    return found


def _answers() -> list[tuple[str, re.Pattern[str], str]]:
    """Give for each operation its method, its path as a pattern, and its answer's schema."""
    found = []
    for path, operations in DESCRIPTION["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method, operation in operations.items():
            content = operation["responses"]["200"].get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                found.append((method.upper(), pattern, schema["$ref"].rsplit("/", 1)[1]))
    # "/threads/runs" is no thread.
    return sorted(found, key=lambda answer: "[^/]" in answer[1].pattern)


EVENTS, ANSWERS = _events(), _answers()


def check(schema: str, data: Any) -> None:
    """Fail if `data` is not what the description calls by this name."""
    problems = [
        f"{schema}{error.json_path.removeprefix('$')}: {error.message:.300}"
        for error in _validator(schema).iter_errors(data)
    ]
    assert not problems, "\n".join(problems)


def check_event(event: str, data: Any) -> None:
    """Fail if the description has no such event, or other data with it."""
    if event == "done":
        assert data == "[DONE]"
    else:
        check(EVENTS[event], data)


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Fail if the description has another answer to this request."""
    if status != 200:
        check("ErrorResponse", body)
        return
    path = path.partition("?")[0]
    matching = (name for way, form, name in ANSWERS if way == method and form.fullmatch(path))
    schema = next(matching, None)
    # The description is of the Assistants API alone.
    if schema is not None or path.startswith(("/assistants", "/threads")):
        check(str(schema), body)
