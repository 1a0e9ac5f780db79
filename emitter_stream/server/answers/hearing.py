"""One answer of a model, checked: what every API does with the port in the same way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ..http.errors import ApiError
from ..journal import where
from ..models.model import (
    BadPart,
    Call,
    Heard,
    Input,
    Model,
    ModelError,
    Part,
    Refusal,
    Round,
    Text,
    Turn,
    Usage,
    count_tokens,
)

logger = logging.getLogger("emitter_stream.server")

CLOSING = 5.0  # seconds for a model to let go of what it holds
_STATUS = {"rate_limit_exceeded": 429, "invalid_prompt": 400, "server_error": 500}
# What a call has as an item of a response; what else it comes with is the model's.
CALL_ITEM = ("id", "type", "status", "call_id", "name", "arguments")
_END: Any = object()

Piece = Text | Refusal | Call | Input


class Answer(Heard):
    """What one answer cost, and what cut it off; whole when `hear` has ended."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self._turn = turn

    @property
    def usage(self) -> Usage:
        """The model's own figures, or else a guess: a piece is about a token."""
        return self.reported or Usage(prompt_tokens(self._turn), self.pieces)

    async def hear(self, model: Model) -> AsyncGenerator[tuple[Piece, int], None]:
        """Ask the model; yield what it says, each with the number of its call (-1 for text).

        Raises `ApiError` for whatever the model does wrong.
        """
        parts = model.respond(self._turn)
        calls: dict[str, int] = {}
        limit = None if getattr(model, "keeps_limits", False) else self._turn.limit
        count = 0
        try:
            while (heard := await _next(parts)) is not _END:
                part = self.take(heard, limit)
                if self.is_full:
                    return
                if part is None:
                    continue
                if isinstance(part, (Text, Refusal)):
                    if count:
                        raise BadPart("text after a tool call")
                    yield part, -1
                elif isinstance(part, Call):
                    if part.kind != "function":
                        raise BadPart("code, which nobody asked for")
                    if part.key and part.key in calls:
                        raise BadPart("two calls with one key")
                    calls[part.key] = count
                    count += 1
                    yield part, count - 1
                else:
                    if not count or (part.key and part.key not in calls):
                        raise BadPart("an input for a call that there is not")
                    yield part, calls[part.key] if part.key else count - 1
        except (asyncio.CancelledError, GeneratorExit):
            raise
        # Whatever a model raises ends its answer: KeyboardInterrupt is no signal on this thread.
        except BaseException as exc:
            raise _told(exc) from exc
        finally:
            await _let_go(parts)


def refusal_of(exc: ModelError) -> ApiError:
    """Return what a client hears of a model that cannot answer."""
    kind = "invalid_request_error" if exc.code == "invalid_prompt" else exc.code
    return ApiError(_STATUS[exc.code], exc.message, code=exc.code, type=kind)


def extra_of(part: Call | Input) -> dict[str, Any]:
    """Return what the model wants back with a call, if an object of JSON can carry it."""
    return part.extra if isinstance(part.extra, dict) else {}


def prompt_tokens(turn: Turn) -> int:
    """Guess what a question costs."""
    texts = [turn.instructions]
    for item in turn.history:
        if isinstance(item, Round):
            texts += [text for call in item.calls for text in (call.input, call.output)]
        else:
            texts.append(item.text)
    return sum(map(count_tokens, texts))


async def _next(parts: AsyncIterator[Part]) -> Any:
    # A model that never waits must still let the other requests get on.
    await asyncio.sleep(0)
    try:
        return await anext(parts)
    except StopAsyncIteration:
        return _END


async def _let_go(parts: AsyncIterator[Part]) -> None:
    """Close a model's answer, in this task: its cancel scopes may not be left in another."""
    close = getattr(parts, "aclose", None)
    task = asyncio.current_task()
    if close is None or task is None:
        return
    timer = asyncio.get_running_loop().call_later(CLOSING, task.cancel)
    try:
        await close()
    finally:
        timer.cancel()


def _told(exc: BaseException) -> ApiError:
    """Log what the model raised, and say it as far as a client may know."""
    if isinstance(exc, ModelError):  # not its message, which may say what was asked
        logger.warning("an answer failed: the model says %s", exc.code)
        return refusal_of(exc)
    logger.error("an answer failed:\n%s", where(exc))
    what = f"it sent {exc}" if isinstance(exc, BadPart) else type(exc).__name__
    return ApiError(500, f"The model failed: {what}.", code="server_error", type="server_error")
