"""The tools of a run over chat completions: what is sent of them, and how they are called."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ...exceptions import OpenAIError
from ...tools.functions import Call, FunctionTool, Toolbox, call_directly, result_text
from ...tools.schema import Unfit
from ..structured import Parseable, Parser, Structure, is_structure

__all__ = ["RunTools", "ToolAnswer"]


@attrs.frozen
class ToolAnswer:
    """What goes back to the model for one call; ``called`` is whether the function has run."""

    content: str
    called: bool


@attrs.frozen
class _Runnable:
    """A function as Node's ``runTools`` takes it: given arguments, the runner and a context."""

    function: Callable[..., Any]
    parse: Parser | None
    takes: int  # how many of its three arguments

    @classmethod
    def of(cls, name: str, function: Any, parse: Parser | None) -> _Runnable:
        if not callable(function):
            raise TypeError(
                f"the tool {name!r} has no function that can be called: {function!r:.200}"
            )
        return cls(function, parse, _positional(name, function))


@attrs.frozen
class RunTools:
    """The tools of a run.

    ``params`` is what is sent. ``problem`` is what is wrong with them that Node says only when the
    run has begun.
    """

    params: list[Any] | None
    functions: Mapping[str, FunctionTool | _Runnable]
    forced: str | None = None
    problem: OpenAIError | None = None

    @classmethod
    def of(cls, tools: Any, tool_choice: Any = None, *, coroutines: bool = False) -> RunTools:
        """Take the tools that the user gave.

        Each is a function, what ``function_tool`` or ``make_parseable_tool`` made, or Node's
        ``{"type": "function", "function": {"function": f, "parse": ..., ...}}``; other tools are
        sent as they are. Raises ``TypeError`` for what is no tool.
        """
        if tools is None:
            return cls(None, {}, _forced(tool_choice))
        given = [tools] if callable(tools) or not isinstance(tools, Iterable) else tools
        if isinstance(given, Mapping):
            given = Toolbox.of(given, coroutines=coroutines).params
        params: list[Any] = []
        functions: dict[str, FunctionTool | _Runnable] = {}
        problem: OpenAIError | None = None
        for tool in given:
            if isinstance(tool, Parseable) and tool.callback is None:
                problem = OpenAIError(
                    f"The tool {_name_of(tool)!r} has no callback, so run_tools cannot call it."
                )
            else:
                sent, name, function = _taken(tool, coroutines=coroutines)
                params.append(sent)
                if function is not None:
                    functions[name] = function
        return cls(params, functions, _forced(tool_choice), problem)

    def answer(
        self,
        name: str,
        arguments: str,
        runner: Callable[[], Any],
        context: Any,
        call: Call = call_directly,
    ) -> ToolAnswer:
        """Call a function, or say what is wrong with the model's call.

        Raises what the function raises, and ``TypeError`` for a result that JSON cannot say.
        """
        tool = self.functions.get(name)
        quoted = json.dumps(name, ensure_ascii=False)
        if tool is None:
            known = ", ".join(json.dumps(one, ensure_ascii=False) for one in self.functions)
            # These texts are the Node SDK's, to the letter: the model sees them.
            return ToolAnswer(
                f"Invalid tool_call: {quoted}. Available options are: {known}. Please try again",
                called=False,
            )
        if self.forced is not None and self.forced != name:
            forced = json.dumps(self.forced, ensure_ascii=False)
            return ToolAnswer(
                f"Invalid tool_call: {quoted}. {forced} requested. Please try again", called=False
            )
        if isinstance(tool, FunctionTool):
            try:
                args, kwargs = tool.read_arguments(arguments)
            except Unfit as unfit:
                return ToolAnswer(str(unfit), called=False)
            return ToolAnswer(result_text(call(tool.implementation, args, kwargs)), called=True)
        value: Any = arguments
        if tool.parse is not None:
            try:
                value = tool.parse(arguments)
            except Exception as error:  # noqa: BLE001 - a user's parser raises what it likes
                return ToolAnswer(str(error), called=False)
        args = (value, runner() if tool.takes > 1 else None, context)[: tool.takes]
        return ToolAnswer(result_text(call(tool.function, args, {})), called=True)


def _taken(tool: Any, *, coroutines: bool) -> tuple[Any, str, FunctionTool | _Runnable | None]:
    """Return what is sent of a tool, its name, and what is called, if it is a function."""
    if isinstance(tool, Parseable):
        function = dict(tool.get("function") or {})
        name = function.get("name") or _named(tool.callback)
        sent = {"name": name, "description": function.get("description") or ""}
        sent |= {"parameters": function.get("parameters"), "strict": True}
        return _sent(sent), name, _Runnable.of(name, tool.callback, tool.parser)
    inner = tool.get("function") if isinstance(tool, Mapping) else None
    if isinstance(inner, Mapping) and "function" in inner:
        name = inner.get("name") or _named(inner["function"])
        parse, sent = inner.get("parse"), {"name": name}
        sent |= {k: inner[k] for k in ("parameters", "description", "strict") if k in inner}
        if is_structure(inner.get("parameters")):
            found = Structure.of(inner["parameters"])
            sent |= {"parameters": found.schema, "strict": True}
            parse = found.parser if parse is None else parse
        return _sent(sent), name, _Runnable.of(name, inner["function"], parse)
    given: Any = tool
    (taken,) = Toolbox.of([given], coroutines=coroutines).params
    if isinstance(taken, FunctionTool):
        return taken, taken.name, taken
    return taken, "", None


def _sent(function: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": function}


def _forced(tool_choice: Any) -> str | None:
    """Return the name of the one function that the model is made to call."""
    if not isinstance(tool_choice, Mapping) or tool_choice.get("type") != "function":
        return None
    return (tool_choice.get("function") or {}).get("name") or None


def _name_of(tool: Mapping[str, Any]) -> Any:
    return (tool.get("function") or {}).get("name")


def _named(function: Any) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise TypeError(f"this tool has no name, so give it one as `name`: {function!r:.200}")
    return name


def _positional(name: str, function: Callable[..., Any]) -> int:
    """Return how many of (arguments, runner, context) a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1  # a builtin: json.loads, say
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 3
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in places)
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        raise TypeError(
            f"the function of the tool {name!r} has arguments that must be given by name; in this "
            f"form it is called with the model's arguments as one object. Give the function itself "
            f"as the tool to have them one by one."
        )
    if needed > 3:
        raise TypeError(
            f"the function of the tool {name!r} needs {needed} arguments; it is called with the "
            f"model's arguments, the runner and the tool context"
        )
    return min(len(places), 3)
