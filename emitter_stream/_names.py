"""What ported programs write as Node has it: an error that says how it is written here."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

__all__ = ["NodeName", "PythonNames", "check_settings", "in_python_order", "nearest"]


class PythonNames:
    """What is mixed into all that Node has under the same methods: ``finalRun`` is ``final_run``.

    The ``AttributeError`` of a name that there is not has the nearest one in its message, or where
    it is: ``_elsewhere`` has that of names which are looked for in the wrong place.
    """

    __slots__ = ()
    _elsewhere: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # or no misspelt name would be an error any more

        def __getattr__(self, name: str) -> Any:
            """Raise the ``AttributeError`` of a name that there is not."""
            if hasattr(type(self), name):  # a property raised one of its own: that is to be seen
                return object.__getattribute__(self, name)
            message = _missing(f"{type(self).__name__!r} object", name, dir(self))
            if name in self._elsewhere:
                message = f"{message.partition(';')[0]}; it is {self._elsewhere[name]}"
            raise AttributeError(message)


class NodeName:
    """Stands under the Node name of a class method, which ``PythonNames`` is not asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(_missing(f"type object {owner.__name__!r}", self._name, dir(owner)))


def _missing(whose: str, name: str, known: list[str]) -> str:
    message = f"{whose} has no attribute {name!r}"
    if name.startswith("_"):
        return message
    near = nearest(name, [other for other in known if not other.startswith("_") and other != name])
    return f"{message}; did you mean {near!r}?" if near else message


def check_settings(function: Callable[..., Any], names: Collection[str]) -> None:
    """Raise ``TypeError`` for a name that a client's ``__init__`` does not take, with the nearest."""
    parameters = _parameters_of(function)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return  # that of somebody's subclass, which may do anything with them
    for name in names:
        if name not in parameters:
            near = _SETTINGS.get(name) or nearest(name, list(parameters))
            hint = f"; did you mean {near!r}?" if near else ""
            raise TypeError(f"the client has no setting {name!r}{hint}")


@functools.cache  # a seventh of what making a client took, for who makes one a request
def _parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


# What the official packages call otherwise than the rules of names say.
_SETTINGS = {"baseURL": "base_url", "http_client": "session", "httpAgent": "session"}


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known Python name that a Node name or a misspelt one stands for, if any does."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if snake in known:
        return snake
    near = difflib.get_close_matches(snake, sorted(known), 1, 0.7)
    return near[0] if near else None


# By how each id begins, from the outside in: in this order Node once took them.
_IDS = {
    "thread": "thread_id",
    "run": "run_id",
    "msg": "message_id",
    "step": "step_id",
    "asst": "assistant_id",
}


def in_python_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of the API that refuses ids in another order, and says what to write.

    Such a call would be a bare ``TypeError``, or a 404 of the server for an id in the place of
    another. Ids that look like none of the API's, as other servers may give them, go anywhere.
    """
    parameters = list(inspect.signature(function).parameters.values())[1:]
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = tuple(one.name for one in parameters if one.kind in placed)
    named = {one.name for one in parameters}
    ids = [name for name in _IDS.values() if name in named]

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(positional, args, strict=False))
        misplaced = len(args) > len(positional) or not kwargs.keys().isdisjoint(given)
        for name in ids:
            kind = _kind_of(given.get(name, kwargs.get(name)))
            misplaced = misplaced or (kind != name and kind in ids)
        if misplaced:
            call = f"{type(self).__name__.lower()}.{function.__name__}"
            raise TypeError(_advice(call, positional, ids, named, args, kwargs))
        return function(self, *args, **kwargs)

    return method


def _kind_of(value: object) -> str | None:
    """Return the parameter that an id is for, by how it looks, ``None`` if nothing tells."""
    if not isinstance(value, str) or not value.isascii():
        return None
    prefix, _, rest = value.partition("_")
    return _IDS.get(prefix) if rest.isalnum() else None


def _advice(
    call: str,
    positional: tuple[str, ...],
    ids: list[str],
    known: set[str],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str:
    values = [value for value in args if isinstance(value, str)]
    values += [kwargs[name] for name in ids if isinstance(kwargs.get(name), str)]
    placed: dict[str, str] = {}
    others = []
    for value in values:
        kind = _kind_of(value)
        if kind is None:  # it may be any of those that are missing
            others.append(value)
        elif kind in ids:
            placed.setdefault(kind, value)
    placed |= dict(zip([name for name in ids if name not in placed], others, strict=False))
    positional = tuple(name for name in positional if name in ids)
    first = [f"{placed[name]!r:.80}" if name in placed else name for name in positional]
    rest = [f"{name}={placed[name]!r:.80}" for name in ids if name in placed.keys() - {*positional}]
    fields = [str(key) for value in args if isinstance(value, dict) for key in value]
    fields = [nearest(field, known) or field for field in fields]
    if not fields and not ids:  # only values, of which nothing tells what they are
        fields = [name for name in ("model", "messages", "input") if name in known]
    named = [name for name in (*fields, *kwargs) if name not in placed and name not in positional]
    rest += [f"{name}=..." for name in dict.fromkeys(named)]
    takes = f"{' and '.join(positional)} first, all else by name" if positional else "names only"
    return f"{call}() takes {takes}. Write {call}({', '.join((*first, *rest))})"
