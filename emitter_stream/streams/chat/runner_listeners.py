"""What type checkers are told of these events.

Written by ``python tests/write_listeners.py`` from ``events.py``; not to be changed by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.stream import EventStream

__all__ = ["ChatRunnerListeners"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar, overload

    from typing_extensions import Self

    from ..._typing import Defaulted, Listener0, Listener1, Result
    from ...engine.stream import EventIterator
    from ...exceptions import APIUserAbortError, OpenAIError
    from ...types.chat import (
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
        ParsedFunction,
    )

    # fmt: off
    _F0 = TypeVar("_F0", bound=Listener0)
    _F1 = TypeVar("_F1", bound=Listener1[OpenAIError])
    _F2 = TypeVar("_F2", bound=Listener1[APIUserAbortError])
    _F3 = TypeVar("_F3", bound=Listener1[str])
    _F4 = TypeVar("_F4", bound=Listener1[Any])
    _F5 = TypeVar("_F5", bound=Listener1[ParsedChatCompletion])
    _F6 = TypeVar("_F6", bound=Listener1[ParsedFunction])
    _F7 = TypeVar("_F7", bound=Listener1[ParsedChatCompletionMessage])
    _F8 = TypeVar("_F8", bound=Listener1[CompletionUsage])

    class ChatRunnerListeners(EventStream):
        @overload
        def on(self, event: Literal["error"], listener: Defaulted[OpenAIError, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["error"], listener: Callable[[OpenAIError], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Defaulted[APIUserAbortError, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Callable[[APIUserAbortError], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: Defaulted[str, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: Callable[[str], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Defaulted[Any, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Callable[[Any], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Defaulted[ParsedChatCompletion, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Callable[[ParsedChatCompletion], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Defaulted[ParsedFunction, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Callable[[ParsedFunction], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Defaulted[ParsedChatCompletionMessage, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Callable[[ParsedChatCompletionMessage], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Defaulted[CompletionUsage, Result]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Callable[[CompletionUsage], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["connect", "end", "error", "abort", "content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult", "message", "chatCompletion", "finalChatCompletion", "functionToolCall", "finalFunctionToolCall", "finalMessage", "totalUsage"], listener: Callable[[], Result]) -> Self: ...
        @overload
        def on(self, event: Literal["connect", "end"], listener: None = None) -> Callable[[_F0], _F0]: ...
        @overload
        def on(self, event: Literal["error"], listener: None = None) -> Callable[[_F1], _F1]: ...
        @overload
        def on(self, event: Literal["abort"], listener: None = None) -> Callable[[_F2], _F2]: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: None = None) -> Callable[[_F3], _F3]: ...
        @overload
        def on(self, event: Literal["message"], listener: None = None) -> Callable[[_F4], _F4]: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: None = None) -> Callable[[_F5], _F5]: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: None = None) -> Callable[[_F6], _F6]: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: None = None) -> Callable[[_F7], _F7]: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: None = None) -> Callable[[_F8], _F8]: ...
        def on(self, event: Any, listener: Any = None) -> Any:
            """Call ``listener`` at each ``event``, by ``once`` at the next only; return the stream.

            Node: ``on``, ``once``.

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that
            returns the function. Raises ``ValueError`` for a name that is never emitted,
            ``TypeError`` for a listener that needs more than the event passes, or is an ``async def``.
            """
        once = on
        @overload  # type: ignore[override]
        def emitted(self, event: Literal["connect", "end"], timeout: float | None = None) -> None: ...
        @overload
        def emitted(self, event: Literal["error"], timeout: float | None = None) -> OpenAIError: ...
        @overload
        def emitted(self, event: Literal["abort"], timeout: float | None = None) -> APIUserAbortError: ...
        @overload
        def emitted(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], timeout: float | None = None) -> str: ...
        @overload
        def emitted(self, event: Literal["message"], timeout: float | None = None) -> Any: ...
        @overload
        def emitted(self, event: Literal["chatCompletion", "finalChatCompletion"], timeout: float | None = None) -> ParsedChatCompletion: ...
        @overload
        def emitted(self, event: Literal["functionToolCall", "finalFunctionToolCall"], timeout: float | None = None) -> ParsedFunction: ...
        @overload
        def emitted(self, event: Literal["finalMessage"], timeout: float | None = None) -> ParsedChatCompletionMessage: ...
        @overload
        def emitted(self, event: Literal["totalUsage"], timeout: float | None = None) -> CompletionUsage: ...
        def emitted(self, event: Any, timeout: float | None = None) -> Any:
            """Wait for the next ``event``; return its argument, or a tuple of several. Node: ``emitted``.

            Raises the stream's error if that comes instead (``"error"`` returns it), an
            ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError``
            after ``timeout`` seconds.
            """
        @overload  # type: ignore[override]
        def events(self, event: Literal["connect", "end"]) -> EventIterator[tuple[()]]: ...
        @overload
        def events(self, event: Literal["error"]) -> EventIterator[tuple[OpenAIError]]: ...
        @overload
        def events(self, event: Literal["abort"]) -> EventIterator[tuple[APIUserAbortError]]: ...
        @overload
        def events(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"]) -> EventIterator[tuple[str]]: ...
        @overload
        def events(self, event: Literal["message"]) -> EventIterator[tuple[Any]]: ...
        @overload
        def events(self, event: Literal["chatCompletion", "finalChatCompletion"]) -> EventIterator[tuple[ParsedChatCompletion]]: ...
        @overload
        def events(self, event: Literal["functionToolCall", "finalFunctionToolCall"]) -> EventIterator[tuple[ParsedFunction]]: ...
        @overload
        def events(self, event: Literal["finalMessage"]) -> EventIterator[tuple[ParsedChatCompletionMessage]]: ...
        @overload
        def events(self, event: Literal["totalUsage"]) -> EventIterator[tuple[CompletionUsage]]: ...
        def events(self, event: Any) -> Any:
            """Return an iterator over the arguments of each ``event``, always as a tuple. Node: ``events``.

            It listens from now on, and loses nothing. At the end of the stream it raises the
            stream's error, except that ``"error"`` and ``"abort"`` yield theirs. Leaving it early
            only detaches it.
            """
    # fmt: on

else:

    class ChatRunnerListeners(EventStream):
        """The methods are those of the base; this is for type checkers."""
