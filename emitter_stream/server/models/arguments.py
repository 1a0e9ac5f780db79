"""Make up arguments for a function from its JSON schema and a question.

Values are taken from the question where they can be found there: quoted strings, numbers, words of
an `enum`, names of places and people. What is required and cannot be found gets a value of the
right type; what is optional and cannot be found is left out.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from ..store.objects import Json

T = TypeVar("T")


def words_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|(?<!\w)'([^'\n]{1,200})'(?!\w)")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w])")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
_LINK = re.compile(r"https?://[^\s\"'<>)]{1,500}")
_CODE = re.compile(r"\b(?=[A-Za-z-]{0,20}\d)[A-Za-z0-9-]{2,40}\b")
_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'\u2019.-]*"
_NAME = re.compile(rf"\b{_CAPITAL}(?:[ ,]+(?:de |of |la )?{_CAPITAL}){{0,4}}")
_ONE = rf"{_CAPITAL}(?: {_CAPITAL}){{0,3}}(?:, [A-Z]{{2}}\b)?"
_LIST = re.compile(rf"\b{_ONE}(?:, {_ONE}){{0,8}},? and {_ONE}")
_AFTER_PREPOSITION = re.compile(rf"\b(?:in|at|for|from|to|near|of)\s+({_NAME.pattern})")
_NOT_NAMES = words_set(
    "a an and are can could did do does first find get give hello hi how i i'm if in is it "
    "let's my next now please see show tell that the then there this to today tomorrow use we "
    "what what's when where which who why will with would you your calculate compute convert "
    "add multiply send book search list look check"
)
_PLACES = words_set("city location place town country region destination origin address")
_PEOPLE = words_set("name person user customer recipient author")
_WHOLE = words_set("query question text message prompt input content body expression")
_TYPES = words_set("string number integer boolean object array null")
_DEEPEST = 6
_MOST_VALUES = 500
_MOST_ITEMS = 100
_MOST_REFERENCES = 50


def words_of(text: str) -> list[str]:
    """Cut identifiers and prose into plain lower-case words: `getUserName` has three."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [word.lower() for word in re.findall(r"[^\W_]+", spaced)]


@lru_cache(maxsize=4)  # all functions are filled from the same question
def names_in(question: str) -> tuple[str, ...]:
    """Return what looks like a name of a place or a person, best guesses first."""
    found: list[str] = []
    for pattern, group in ((_AFTER_PREPOSITION, 1), (_NAME, 0)):
        for match in pattern.finditer(question):
            words = re.split(r"(?<=,)\s+|\s+", match.group(group))
            while words and words[0].lower().strip(",.") in _NOT_NAMES:
                words.pop(0)
            name = " ".join(words).rstrip(".,'\u2019-")
            if name and name not in found and not any(name in one for one in found):
                found.append(name)
    return tuple(found)


def listed_names(question: str) -> list[str]:
    """Return the names of the first "Paris, Oslo and San Francisco, CA"; empty if there is none."""
    match = _LIST.search(question)
    if match is None:
        return []
    return [name.rstrip(".,") for name in re.findall(_ONE, match.group())]


@dataclass
class Filler:
    """Fills one function's arguments; what was used once is not used for another field."""

    question: str
    root: Json
    today: datetime.date = field(default_factory=datetime.date.today)

    def __post_init__(self) -> None:
        self._words = words_of(self.question)
        quoted: list[tuple[str, ...]] = _QUOTED.findall(self.question)
        self._quoted = [next(part for part in groups if part) for groups in quoted]
        self._names = list(names_in(self.question))
        plain = _DATE.sub(" ", self.question)
        self._numbers = [float(found) for found in _NUMBER.findall(plain)]
        self._codes: list[str] = _CODE.findall(plain)
        self._made = 0

    def fill(self) -> Any:
        """Return a value for the whole schema; for a function's parameters that is an object."""
        return self._value("", self.root, True, 0)

    def _resolve(self, schema: Any) -> Json:
        """Follow references and choose among alternatives; {} if that leads nowhere."""
        return self._resolved(schema, set(), 0) or {}

    def _resolved(self, schema: Any, seen: set[str], depth: int) -> Json | None:
        """Do it; None where a schema leads back to itself. `seen`: the references followed."""
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            reference = schema["$ref"]
            if reference in seen or len(seen) >= _MOST_REFERENCES:
                return None
            seen.add(reference)
            schema = self._referenced(reference)
        if not isinstance(schema, dict):
            return {}
        for key in ("anyOf", "oneOf", "allOf"):
            options = _keyword(schema, key, list)
            if not options:
                continue
            if depth == _DEEPEST:
                return None
            # Null last: it is a choice if there is no other.
            options = sorted(options[:_MOST_ITEMS], key=lambda one: bool(one == {"type": "null"}))
            rest = {name: item for name, item in schema.items() if name != key}
            found = (self._resolved(one, seen, depth + 1) for one in options)
            if key != "allOf":
                chosen = next((one for one in found if one is not None), None)
                return None if chosen is None else {**rest, **chosen}
            for one in found:
                rest = _merge(rest, one or {})
            return self._resolved(rest, seen, depth + 1)
        return schema

    def _referenced(self, reference: str) -> Any:
        target: Any = self.root
        for key in reference.removeprefix("#").strip("/").split("/"):
            if not key:
                continue
            target = target.get(key) if isinstance(target, dict) else None
        return target

    def _value(self, name: str, schema: Any, required: bool, depth: int) -> Any:
        """Return a value, or None for an optional one that the question does not give."""
        # A schema that contains itself several times would grow without end.
        self._made += 1
        if depth > _DEEPEST or self._made > _MOST_VALUES:
            return None
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            return self._choice(choices, schema, required)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), None)
        if not isinstance(kind, str) or kind not in _TYPES:
            kind = "object" if "properties" in schema else "string"
        if kind == "object":
            return self._object(schema, required, depth)
        if kind == "array":
            return self._array(name, schema, required, depth)
        if kind in ("integer", "number"):
            return self._number(name, schema, required, kind == "integer")
        if kind == "boolean":
            return self._boolean(name, schema, required)
        if kind == "string":
            return self._string(name, schema, required)
        return None

    def _object(self, schema: Json, required: bool, depth: int) -> Any:
        properties: Json = _keyword(schema, "properties", dict) or {}
        required_names: list[Any] = _keyword(schema, "required", list) or []
        needed = {one for one in required_names if isinstance(one, str)}
        filled: Json = {}
        # Required fields come first in the search for values, but stay in the schema's order.
        for name in sorted(properties, key=lambda key: key not in needed):
            must = name in needed
            value = self._value(name, properties[name], must, depth + 1)
            if value is not None or must:
                filled[name] = value
        if not filled and not required and depth:
            return None
        return {name: filled[name] for name in properties if name in filled}

    def _array(self, name: str, schema: Json, required: bool, depth: int) -> Any:
        items = schema.get("items", {})
        least = min(_keyword(schema, "minItems", int) or int(required), _MOST_ITEMS)
        most = min(_keyword(schema, "maxItems", int) or 16, _MOST_ITEMS)
        kind = self._resolve(items).get("type")
        values: list[Any] = []
        while len(values) < max(most, least):
            must = len(values) < least
            value = self._value(name, items, must, depth + 1)
            if value is None or (value in values and not must):
                break
            values.append(value)
            # Only plain values can be found several times in a question.
            if kind not in ("string", "integer", "number") and len(values) >= max(least, 1):
                break
        return values if values or required else None

    def _choice(self, choices: list[Any], schema: Json, required: bool) -> Any:
        for choice in choices:
            wanted = words_of(str(choice))
            if wanted and all(word in self._words for word in wanted):
                return choice
        if "default" in schema:
            return schema["default"] if required else None
        return choices[0] if required else None

    def _number(self, name: str, schema: Json, required: bool, whole: bool) -> Any:
        low, high = _keyword(schema, "minimum", float), _keyword(schema, "maximum", float)
        above = _keyword(schema, "exclusiveMinimum", float)
        below = _keyword(schema, "exclusiveMaximum", float)
        for index, value in enumerate(self._numbers):
            fits = (low is None or value >= low) and (high is None or value <= high)
            fits = fits and (above is None or value > above) and (below is None or value < below)
            if fits and (not whole or value.is_integer()):
                del self._numbers[index]
                return int(value) if value.is_integer() else value
        if not required:
            return None
        default = _keyword(schema, "default", int if whole else float)
        if default is not None:
            return default
        least = above + 1 if above is not None else low
        most = below - 1 if below is not None else high
        made = 1 if least is None else max(1, least)
        made = made if most is None else min(made, most)
        return math.ceil(made) if whole else made

    def _boolean(self, name: str, schema: Json, required: bool) -> Any:
        mentioned = [word for word in words_of(name) if word in self._words]
        if mentioned:
            at = self._words.index(mentioned[0])
            return not {"no", "not", "without", "don"} & set(self._words[max(0, at - 3) : at])
        if not required:
            return None
        return schema.get("default") is True

    def _string(self, name: str, schema: Json, required: bool) -> Any:
        value = self._found_string(name, schema, required)
        if value is None and not required:
            return None
        if value is None:
            default = _keyword(schema, "default", str)
            value = self._made_up(schema) if default is None else default
        most, least = _keyword(schema, "maxLength", int), _keyword(schema, "minLength", int)
        if most is not None:
            value = value[: max(0, most)]
        return value.ljust(min(least or 0, 1000), "x")

    def _found_string(self, name: str, schema: Json, required: bool) -> str | None:
        shape, words = _keyword(schema, "format", str), set(words_of(name))
        for wanted, pattern in (("email", _EMAIL), ("uri", _LINK), ("date", _DATE)):
            if shape == wanted or wanted in words or (wanted == "uri" and "url" in words):
                match = pattern.search(self.question)
                if match:
                    return match.group()
                if wanted == "date" and not shape:
                    days = [day for day in ("today", "tomorrow", "tonight") if day in self._words]
                    return days[0] if days else None
        if shape:
            return None
        if words & (_PLACES | _PEOPLE) and self._names:
            return self._names.pop(0)
        if self._quoted:
            return self._quoted.pop(0)
        if words & {"id", "code", "number", "key", "symbol"} and self._codes:
            return self._codes.pop(0)
        if not required:
            return None
        if words & _WHOLE:
            return self.question
        return self._names.pop(0) if self._names else None

    def _made_up(self, schema: Json) -> str:
        made = {
            "date": self.today.isoformat(),
            "date-time": f"{self.today.isoformat()}T12:00:00Z",
            "time": "12:00:00",
            "email": "user@example.com",
            "uri": "https://example.com",
            "uuid": "00000000-0000-4000-8000-000000000000",
        }
        shape = _keyword(schema, "format", str) or ""
        return made.get(shape, self.question.strip() or "unknown")


def _keyword(schema: Json, name: str, kind: type[T]) -> T | None:
    """Return a keyword's value if it has the type it should have; schemas are written by hand."""
    value = schema.get(name)
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        return None
    return value  # type: ignore[no-any-return]


def _merge(first: Json, second: Json) -> Json:
    merged = {**first, **second}
    for key in ("properties", "required"):
        one, two = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            merged[key] = {**one, **two}
        elif isinstance(one, list) and isinstance(two, list):
            merged[key] = [*one, *two]
    return merged
