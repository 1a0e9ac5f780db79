"""One run at work: asks the model, runs code, stores and publishes every step of the way.

A worker is a task of its own. Whether a client watches makes no difference to it: published events
go into the client's feed, if there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..http.errors import ApiError
from ..models.model import BadPart, Call, Input, Part, Text, Turn, check_part
from ..store import objects
from ..store.objects import Json
from ..store.store import StorageFailed
from .feed import Feed
from .lifecycle import Ending, Event, Interrupted, Lifecycle
from .turns import build_turn

if TYPE_CHECKING:
    from .runs import RunEngine

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")

MAX_ROUNDS = 32
SAVE_EVERY = 0.5  # seconds
CLOSING = 5.0  # seconds for a model to let go of what it holds
_END: Any = object()


class OpenStep:
    """What the model has written so far in the step that is open."""

    def __init__(self, step: Json, message: Json | None, prompt_tokens: int) -> None:
        self.step = step
        self.message_id: str | None = message["id"] if message else None
        self.prompt_tokens = prompt_tokens
        self.tokens = 0
        self.text: list[str] = []
        self.calls: list[tuple[Call, str, list[str]]] = []
        self.outputs: dict[str, str] = {}

    @property
    def usage(self) -> Json:
        return objects.usage(self.prompt_tokens, self.tokens)

    def call_bodies(self) -> list[Json]:
        """Return the calls in their final form."""
        bodies: list[Json] = []
        for call, call_id, inputs in self.calls:
            text = "".join(inputs)
            body: Json = {"id": call_id, "type": call.kind}
            if call.kind == "function":
                body["function"] = {"name": call.name, "arguments": text, "output": None}
            else:
                logs = self.outputs.get(call_id)
                outputs = [{"type": "logs", "logs": logs}] if logs else []
                body["code_interpreter"] = {"input": text, "outputs": outputs}
            bodies.append(body)
        return bodies


class Worker:
    """Drives one run to its end, or to the point where it needs the client."""

    def __init__(self, engine: RunEngine, run: Json, feed: Feed | None) -> None:
        self.engine = engine
        self.run_id: str = run["id"]
        self.thread_id: str = run["thread_id"]
        self.task: asyncio.Task[None]
        self._run = run
        self._feed = feed
        self._ending: Ending | None = None
        self._interruptible = False
        self._open: OpenStep | None = None
        self._left: int | None = None
        self._saved_at = 0.0

    def start(self) -> None:
        self.task = asyncio.create_task(self._main(), name=self.run_id)

    def publish(self, event: str, data: Json) -> None:
        if self._feed is not None:
            self._feed.put(event, data)

    def interrupt(self, ending: Ending) -> None:
        """End the run before its time; the first reason given counts.

        Only waiting for the model or for code is broken off. A transaction is always seen
        through: its outcome would be unknown otherwise.
        """
        if self._ending is None:
            self._ending = ending
            if self._interruptible:
                self.task.cancel()

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        left = max(0.0, self._run["expires_at"] - self.engine.db.clock())
        timer = loop.call_later(left, self.interrupt, Ending("expired"))
        # What a client hears whose run could not even be closed: its stream ends all the same.
        last: list[Event] = [("error", _stream_error())]
        try:
            last = await self._drive()
        except StorageFailed:
            pass  # the engine ends the run when it can; the database has logged why
        except BaseException:
            logger.exception("run %s could not be closed", self.run_id)
        finally:
            timer.cancel()
            # No await from here to the end: whoever reads the last events finds the run free.
            self.engine.forget(self)
            for event, data in last:
                self.publish(event, data)
            if self._feed is not None:
                self._feed.end()

    async def _drive(self) -> list[Event]:
        """Work until the end; returns the last events, which are stored but not yet sent.

        Raises `StorageFailed` if they cannot be stored; then the engine has been asked to close the
        run as soon as that is possible again.
        """
        try:
            last = await self._work()
            # A cancel may have come when the run had just begun to wait for the client.
            if self._ending is None or last[0] != "thread.run.requires_action":
                return [last]
        except Interrupted:
            pass
        except StorageFailed:
            self._ending = self._ending or Ending("failed", "The server's storage failed.")
        # Whatever a model raises ends its run: KeyboardInterrupt is no signal on this thread.
        except BaseException as exc:
            logger.exception("run %s failed", self.run_id)
            what = f"it sent {exc}" if isinstance(exc, BadPart) else type(exc).__name__
            self._ending = self._ending or Ending("failed", f"The model failed: {what}.")
        ending = self._ending or Ending("cancelled")

        def close(lifecycle: Lifecycle) -> list[Event]:
            self._save(lifecycle)
            return lifecycle.close_run(self.run_id, ending)

        try:
            return await self.engine.transact(close)
        except BaseException as exc:
            if not isinstance(exc, StorageFailed):  # then what the step holds is not worth a try
                self._open = None
            self.engine.close_later(self.run_id, close)
            raise

    async def _work(self) -> Event:
        transact = self.engine.transact
        if self._ending is not None:
            raise Interrupted
        run = await transact(lambda s: s.start_run(self.run_id))
        self.publish("thread.run.in_progress", run)
        for _ in range(MAX_ROUNDS):
            context = await transact(lambda s: s.context(self.run_id))
            built = build_turn(context)
            if built is None:
                return await self._finish("max_prompt_tokens")
            turn, prompt_tokens = built
            limit = run["max_completion_tokens"]
            if limit is not None:
                self._left = limit - context.used["completion_tokens"]
            cut = await self._respond(turn, prompt_tokens)
            step = self._open
            if step is not None and step.message_id is not None:
                await self._end_message(step, cut)
            elif step is not None:
                if not cut:
                    await self._run_code(step)
                    if any(call.kind == "function" for call, _, _ in step.calls):
                        return await self._await_outputs(step)
                await self._end_calls(step, cut)
                if not cut:
                    continue
            return await self._finish("max_completion_tokens" if cut else None)
        raise RuntimeError(f"the model made {MAX_ROUNDS} rounds of tool calls without an answer")

    async def _respond(self, turn: Turn, prompt_tokens: int) -> bool:
        """Stream one turn of the model into steps; true if the token limit cut it off."""
        parts = self.engine.model.respond(turn)
        try:
            while (part := await self._wait(lambda: anext(parts, _END))) is not _END:
                check_part(part)
                if isinstance(part, (Text, Input)):
                    if not part.piece:
                        continue
                    if self._left == 0:
                        return True
                    if self._left is not None:
                        self._left -= 1
                await self._take(part, prompt_tokens)
                await self._save_now_and_then()
            return False
        finally:
            close = getattr(parts, "aclose", None)
            if close is not None:
                await self._let_go(close)

    async def _let_go(self, close: Callable[[], Awaitable[object]]) -> None:
        """Close a model's answer, in this task: its cancel scopes may not be left in another."""
        timer = asyncio.get_running_loop().call_later(CLOSING, self.task.cancel)
        try:
            await close()
        except asyncio.CancelledError:
            raise TimeoutError(f"it did not let go in {CLOSING} seconds") from None
        finally:
            timer.cancel()

    async def _wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Begin something that an interrupt may break off, and wait for it."""
        if self._ending is not None:
            raise Interrupted
        self._interruptible = True
        try:
            # A model that never waits must still let the other runs and requests get on.
            await asyncio.sleep(0)
            return await begin()
        except asyncio.CancelledError:
            if self._ending is None:  # the model's own, or the event loop ends
                raise RuntimeError("it was cancelled, and not by this server") from None
            raise Interrupted from None
        finally:
            self._interruptible = False

    async def _take(self, part: Part, prompt_tokens: int) -> None:
        step = self._open
        if isinstance(part, Text):
            if step is None:
                step = await self._open_message(prompt_tokens)
            if step.message_id is None:
                raise RuntimeError("the model sent text after a tool call")
            delta = objects.message_delta(step.message_id, part.piece, not step.text)
            step.text.append(part.piece)
            step.tokens += 1
            self.publish("thread.message.delta", delta)
        elif isinstance(part, Call):
            if step is not None and step.message_id is not None:
                await self._end_message(step, cut=False)
                step = None
            if step is None:
                step = await self._open_calls(prompt_tokens)
            self._begin_call(step, part)
        else:
            if step is None or not step.calls:
                raise RuntimeError("the model sent a call's input before the call")
            call, _, inputs = step.calls[-1]
            inputs.append(part.piece)
            step.tokens += 1
            key = "arguments" if call.kind == "function" else "input"
            self._publish_call(step, len(step.calls) - 1, call.kind, {key: part.piece})

    async def _open_message(self, prompt_tokens: int) -> OpenStep:
        step, message = await self.engine.transact(lambda s: s.open_message(self.run_id))
        self._open = OpenStep(step, message, prompt_tokens)
        for name, body in (("thread.run.step", step), ("thread.message", message)):
            self.publish(f"{name}.created", body)
            self.publish(f"{name}.in_progress", body)
        return self._open

    async def _open_calls(self, prompt_tokens: int) -> OpenStep:
        step = await self.engine.transact(lambda s: s.open_calls(self.run_id))
        self._open = OpenStep(step, None, prompt_tokens)
        self.publish("thread.run.step.created", step)
        self.publish("thread.run.step.in_progress", step)
        return self._open

    def _begin_call(self, step: OpenStep, call: Call) -> None:
        call_id = objects.new_id("call")
        step.calls.append((call, call_id, []))
        first: Json
        if call.kind == "function":
            first = {"name": call.name, "arguments": "", "output": None}
        else:
            first = {"input": "", "outputs": []}
        self._publish_call(step, len(step.calls) - 1, call.kind, first, call_id)

    def _publish_call(
        self, step: OpenStep, index: int, kind: str, data: Json, call_id: str | None = None
    ) -> None:
        head: Json = {"index": index} if call_id is None else {"index": index, "id": call_id}
        delta = objects.step_delta(step.step["id"], {**head, "type": kind, kind: data})
        self.publish("thread.run.step.delta", delta)

    async def _run_code(self, step: OpenStep) -> None:
        for index, (call, call_id, inputs) in enumerate(step.calls):
            if call.kind != "code_interpreter":
                continue
            source = "".join(inputs)
            logs = await self._wait(partial(self.engine.sandbox.run, source))
            step.outputs[call_id] = logs
            if logs:
                output = {"index": 0, "type": "logs", "logs": logs}
                self._publish_call(step, index, call.kind, {"outputs": [output]})

    async def _end_message(self, step: OpenStep, cut: bool) -> None:
        text, message_id = "".join(step.text), step.message_id or ""
        message, done = await self.engine.transact(
            lambda s: s.finish_message(step.step, message_id, text, step.usage, cut=cut)
        )
        self._open = None
        self.publish("thread.message.incomplete" if cut else "thread.message.completed", message)
        self.publish("thread.run.step.completed", done)

    async def _end_calls(self, step: OpenStep, cut: bool) -> None:
        calls = step.call_bodies()
        if cut:
            done = await self.engine.transact(lambda s: s.cut_calls(step.step, calls, step.usage))
        else:
            done = await self.engine.transact(
                lambda s: s.finish_calls(step.step, calls, step.usage)
            )
        self._open = None
        self.publish(f"thread.run.step.{done['status']}", done)

    async def _await_outputs(self, step: OpenStep) -> Event:
        calls = step.call_bodies()
        run = await self.engine.transact(lambda s: s.await_outputs(step.step, calls, step.usage))
        self._open = None
        return "thread.run.requires_action", run

    async def _finish(self, incomplete: str | None) -> Event:
        return await self.engine.transact(lambda s: s.finish_run(self.run_id, incomplete))

    def _save(self, lifecycle: Lifecycle) -> None:
        """Store what the open step holds so far."""
        step = self._open
        if step is None:
            return
        if step.message_id is not None:
            lifecycle.save_text(step.message_id, "".join(step.text))
        else:
            lifecycle.save_calls(step.step["id"], step.call_bodies())

    async def _save_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._saved_at > SAVE_EVERY:
            self._saved_at = now
            await self.engine.transact(self._save)


def _stream_error() -> Json:
    """Return an `error` event's data: flat as described, and within `error` as the SDKs read it."""
    message = "The server had an error while processing your request."
    body = ApiError(500, message, type="server_error").body()
    return {**body, **body["error"]}
