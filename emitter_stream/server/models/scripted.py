"""A model that follows a script: no intelligence, the same answer to the same question."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator

from ..store.objects import Json
from .arguments import Filler, listed_names, words_of, words_set
from .equations import find_equation, solving_code
from .model import Call, DoneCall, Input, Part, Text, Turn, pieces
from .tables import table_code

_IDLE = words_set(
    "a an and any are as at be by call can could create current do does fetch find first for "
    "from get give given has have how i in into is it its list lookup look make me my of on or "
    "please retrieve return run search set show specific tell that the their then there this to "
    "use user using value want was what when where which will with would you your"
)
# Words that ask for the same thing stand for each other.
_ALIKE = {
    word: group[0]
    for group in (
        ("weather", "forecast", "climate", "temperature"),
        ("probability", "likelihood", "chance", "odd"),
        ("price", "cost", "quote"),
        ("add", "sum", "plu", "total", "addition"),
        ("multiply", "time", "product", "multiplication"),
        ("mail", "email"),
    )
    for word in group
}
_THEN = re.compile(r"(?:[,;.]\s*)?\b(?:and\s+)?(?:then|after\s+that|afterwards)\b", re.IGNORECASE)
_NAME = r"([A-ZÀ-ÖØ-Þ][\w'\u2019-]*(?:\s+[A-ZÀ-ÖØ-Þ][\w'\u2019-]*){0,3})"
_CALLED = re.compile(
    r"(?i:address\s+(?:the\s+user|them|me|him|her)\s+as|call\s+(?:the\s+user|them|me|him|her)"
    r"|(?:the\s+user's|their|my)\s+name\s+is|the\s+user\s+is\s+(?:called|named))"
    rf"\s+[\"'“]?{_NAME}"
)
MAX_QUESTION = 20_000  # characters; all patterns take a moment at most for that
_SEARCHED = 2000  # characters of it in which functions' arguments are looked for
_MOST_ROUNDS = 8
_MOST_CALLS = 128
Plan = list[list[tuple[Call, str]]]


class ScriptedModel:
    """Streams word by word, `tokens_per_second` of them (0 or None: as fast as possible).

    - With the `code_interpreter` tool and a linear equation in the question: a program that
      solves it, then an answer with what the program printed.
    - With the `code_interpreter` tool, a file and a question about a table or a plot: a program that
      sums the table up, draws it and writes a file.
    - With functions that fit the question (by the words of their names and descriptions): calls
      with arguments from `arguments.py`. Several that fit are called side by side; a function
      that fits one place of several named ones is called for each. With `parallel_tool_calls`
      off they are called one after the other, and so they are when the question says "then":
      "first look up the order, then send an email" makes a round of calls for each half.
    - With the `file_search` tool, if the stores have something on the question: a search for it, and
      an answer that quotes the best of what is found, with its citation.
    - Otherwise, and after the tools: an answer with the user's name if the instructions or an
      earlier message give it, with the instructions, and with what was said before. With a
      `response_format` of JSON the answer is JSON, following the schema if there is one.

    `tool_choice` is obeyed: `none`, `required` (the best tool even if none fits), a named tool.
    """

    looks_ahead = True  # it wants to know whether the stores have something on the question

    def __init__(self, tokens_per_second: float | None = None) -> None:
        if tokens_per_second is not None and tokens_per_second < 0:
            raise ValueError("tokens_per_second must not be negative")
        self.tokens_per_second = tokens_per_second

    @property
    def words(self) -> str:
        """Say what answers, for people."""
        pace = self.tokens_per_second
        return f"a script, {f'{pace:g} pieces a second' if pace else 'as fast as possible'}"

    async def respond(self, turn: Turn) -> AsyncIterator[Part]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for part in script(turn):
            if self.tokens_per_second:
                # Against a clock, so that the time spent elsewhere does not add up.
                due = max(due + 1 / self.tokens_per_second, loop.time() - 1)
                await asyncio.sleep(max(0.0, due - loop.time()))
            yield part


def script(turn: Turn) -> Iterator[Part]:
    """Return what the model says in this turn, piece by piece."""
    question = next((said.text for said in reversed(turn.messages) if said.role == "user"), "")
    question = question[:MAX_QUESTION]
    plan = make_plan(turn, question)
    if len(turn.rounds) < len(plan):
        for call, text in plan[len(turn.rounds)]:
            yield call
            for piece in re.findall(r"\s*\w+|\s*[^\w\s]|\s+", text):
                yield Input(piece)
    else:
        for piece in pieces(answer(turn, question)):
            yield Text(piece)


def make_plan(turn: Turn, question: str) -> Plan:
    """Return all rounds of tool calls that the question needs, each call with its input."""
    choice = turn.tool_choice
    if choice == "none":
        return []
    functions = [tool["function"] for tool in turn.tools if tool["type"] == "function"]
    has_code = any(tool["type"] == "code_interpreter" for tool in turn.tools)
    if isinstance(choice, dict):
        if choice["type"] == "code_interpreter":
            return [[_code_call(question)]]
        if choice["type"] == "file_search":
            return [[_search_call(question)]]
        if choice["type"] == "function":
            name = choice["function"]["name"]
            return [[_call(f, question)] for f in functions if f["name"] == name][:1]
        return []
    has_search = any(tool["type"] == "file_search" for tool in turn.tools)
    plan: Plan = []
    if has_code and find_equation(question):
        plan.append([_code_call(question)])
    elif has_code and turn.files and _TABLE.search(question):
        plan.append([(Call("code_interpreter"), table_code(turn.files[-1][0]))])
    if has_search and question.strip() and turn.finds:
        plan.append([_search_call(question)])
    # Searched for each function, while all requests wait; an equation is searched for once.
    question = question[:_SEARCHED]
    for clause in [part for part in _THEN.split(question, _MOST_ROUNDS) if part.strip()]:
        asked = _stems(clause)
        fitting = [f for f in functions if score(f, asked) >= 2]
        calls = [call for f in fitting for call in _calls(f, clause)][: _MOST_CALLS - len(plan)]
        if turn.parallel_tool_calls:
            plan.extend([calls] if calls else [])
        else:
            plan.extend([call] for call in calls)
    if not plan and choice == "required":
        if functions:
            best = max(functions, key=lambda f: score(f, _stems(question)))
            plan.append([_call(best, question)])
        elif has_code:
            plan.append([_code_call(question)])
        elif has_search:
            plan.append([_search_call(question)])
    return plan


_TABLE = re.compile(r"(?i)\b(?:csv|plot|chart|graph|diagram|table|columns?)\b")


def _search_call(question: str) -> tuple[Call, str]:
    return Call("file_search"), json.dumps({"query": question[:1000]}, ensure_ascii=False)


def _code_call(question: str) -> tuple[Call, str]:
    equation = find_equation(question)
    if equation is not None:
        code = solving_code(equation)
    else:
        code = f"question = {question[:1000]!r}\nprint(len(question.split()), 'words')\n"
    return Call("code_interpreter"), code


def _stem(word: str) -> str:
    for ending in ("ing", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return _ALIKE.get(word, word)


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in words_of(text) if word not in _IDLE and len(word) > 1}


def score(function: Json, asked: set[str]) -> int:
    """Count the words that a function and a question share; those of its name count double."""
    in_name = _stems(function["name"]) & asked
    in_description = (_stems(function.get("description") or "") & asked) - in_name
    return 2 * len(in_name) + len(in_description)


def _call(function: Json, question: str) -> tuple[Call, str]:
    filled = Filler(question, function.get("parameters") or {"type": "object"}).fill()
    arguments = filled if isinstance(filled, dict) else {}
    return Call("function", function["name"]), json.dumps(arguments, ensure_ascii=False)


def _calls(function: Json, clause: str) -> list[tuple[Call, str]]:
    """One call, or one for each place if the function takes a place and several are named."""
    call, text = _call(function, clause)
    arguments = json.loads(text)
    names = listed_names(clause)
    # "Paris, Oslo and Rome" may have been taken for one place with a comma in it.
    place = next(
        (
            key
            for key, value in arguments.items()
            if names and isinstance(value, str) and value.startswith(names[0])
        ),
        None,
    )
    taken = [value for value in arguments.values() if value in names]
    if place is None or len(taken) > 1:
        return [(call, text)]
    return [(call, json.dumps({**arguments, place: name}, ensure_ascii=False)) for name in names]


def user_name(turn: Turn) -> str | None:
    """Return the name to address the user by: the instructions', else what the user gave."""
    sources = [turn.instructions]
    sources += [said.text for said in reversed(turn.messages) if said.role == "user"]
    for source in sources:
        # The words that it cannot do without are found in a tenth of the pattern's time.
        lowered = source.lower()
        if "call" in lowered or "name" in lowered or "address" in lowered:
            match = _CALLED.search(source)
            if match:
                return match.group(1)
    return None


def answer(turn: Turn, question: str) -> str:
    """Return the whole text of the final answer."""
    form = turn.response_format
    if isinstance(form, dict) and form["type"] == "json_schema":
        schema = form["json_schema"].get("schema") or {"type": "object"}
        return json.dumps(Filler(question, schema).fill(), ensure_ascii=False)
    text = _prose(turn, question)
    if isinstance(form, dict) and form["type"] == "json_object":
        return json.dumps({"answer": text}, ensure_ascii=False)
    return text


def _prose(turn: Turn, question: str) -> str:
    name = user_name(turn)
    calls = [call for calls in turn.rounds for call in calls]
    if calls:
        opening = f"Of course, {name}." if name else "Of course."
        return " ".join([opening, *(_report(call, question) for call in calls)])
    earlier = [said.text for said in turn.messages if said.role == "user"][:-1]
    greeting = "Hello again" if earlier else "Hello"
    lines = [f"{greeting}, {name}!" if name else f"{greeting}!"]
    lines.append(f"You asked: {_quote(question)}." if question else "You have not asked anything.")
    if earlier:
        lines.append(f"Before that you said: {_quote(earlier[-1])}.")
    if len(earlier) > 1:
        lines.append(f"Our conversation began with: {_quote(earlier[0])}.")
    if turn.instructions:
        lines.append(f"My instructions are: {_quote(turn.instructions)}.")
    lines.append("I am a scripted model, so this is all I can say.")
    return " ".join(lines)


def _report(call: DoneCall, question: str) -> str:
    if call.kind == "function":
        return f"{call.name} says: {call.output.strip() or 'nothing'}."
    if call.kind == "file_search":
        return _cited(call.output, question)
    logs = " ".join(call.output.split())
    equation = find_equation(question)
    if equation is None:
        return f"The program printed: {logs}."
    return f"The solution of {' '.join(equation.text.split())} is: {logs}."


_FOUND = re.compile(r"(【\d+:\d+†([^【】]*)】)\n(.*?)(?=\n\n【\d+:\d+†|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


def _cited(output: str, question: str) -> str:
    """Return the sentence of the best text found that says most about the question, with its mark."""
    found = _FOUND.search(output)
    if found is None:
        return "I found nothing about that in your files."
    mark, name, text = found.groups()
    asked = _stems(question)
    sentences = [one.strip() for one in _SENTENCE.findall(text[:20_000]) if one.strip()]
    best = max(sentences, key=lambda one: len(asked & _stems(one)), default=text)
    return f"{name} says: {_quote(best, 400)}{mark}."


def _quote(text: str, limit: int = 160) -> str:
    plain = " ".join(text.split()).rstrip(".")
    return f'"{plain}"' if len(plain) <= limit else f'"{plain[:limit].rstrip()}..."'
