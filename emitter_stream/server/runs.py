"""The run engine: one task a run, independent of the HTTP response that may be watching it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from . import objects
from .errors import ApiError
from .lifecycle import Ending, Event, Interrupted, Lifecycle
from .model import Call, Input, Model, Part, Text, Turn
from .objects import Json
from .sandbox import Sandbox
from .store import Database, ThreadRow
from .turns import build_turn

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")

MAX_ROUNDS = 32
SAVE_EVERY = 0.5
DONE = b"event: done\ndata: [DONE]\n\n"
STOPPING = Ending("failed", "The server was stopped in the middle of this run.")


def frame(event: str, data: Json) -> bytes:
    """Encode one server-sent event as the API does: two lines and a blank one."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n".encode()


class Feed:
    """The frames of one HTTP response, from the run's task to the response.

    There is no bound on it: a client that reads slowly must not slow the run down, and a run has
    an end. When the response is over, closed or not, frames are thrown away.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._watched = True

    def put(self, event: str, data: Json) -> None:
        if self._watched:
            self._frames.put_nowait(frame(event, data))

    def end(self) -> None:
        self._frames.put_nowait(DONE)
        self._frames.put_nowait(None)

    async def frames(self) -> AsyncIterator[bytes]:
        try:
            while (item := await self._frames.get()) is not None:
                yield item
        finally:
            self._watched = False


class RunEngine:
    """Starts, continues, cancels and ends runs. All methods belong on the event loop."""

    def __init__(self, db: Database, model: Model, lifetime: int = 600) -> None:
        self.db = db
        self.model = model
        self.lifetime = lifetime
        self.sandbox = Sandbox()
        self._workers: dict[str, Worker] = {}
        self._stopping = False
        # Held over "change the status in the database, then start or stop the worker", so that
        # nobody sees the one without the other.
        self._lock = asyncio.Lock()

    async def transact(self, work: Callable[[Lifecycle], T]) -> T:
        """Run `work` in one transaction; runs that are past their time are closed first."""

        def whole(session: Session) -> T:
            lifecycle = Lifecycle(session, int(self.db.clock()))
            lifecycle.expire_due()
            return work(lifecycle)

        return await self.db.call(whole)

    async def create(self, thread_id: str, params: Json, feed: Feed | None) -> Json:
        """Create a run and start it; returns it queued."""
        async with self._lock:
            self._refuse_if_stopping()
            run = await self.transact(lambda s: s.create_run(thread_id, params, self.lifetime))
            first: list[Event] = [("thread.run.created", run), ("thread.run.queued", run)]
            self._launch(run, feed, first)
        return run

    async def create_with_thread(self, params: Json, feed: Feed | None) -> Json:
        async with self._lock:
            self._refuse_if_stopping()
            thread, run = await self.transact(
                lambda s: s.create_thread_and_run(params, self.lifetime)
            )
            first: list[Event] = [
                ("thread.created", thread),
                ("thread.run.created", run),
                ("thread.run.queued", run),
            ]
            self._launch(run, feed, first)
        return run

    async def submit(
        self, thread_id: str, run_id: str, outputs: list[Json], feed: Feed | None
    ) -> Json:
        async with self._lock:
            self._refuse_if_stopping()
            step, run = await self.transact(lambda s: s.submit_outputs(thread_id, run_id, outputs))
            first: list[Event] = [
                ("thread.run.step.completed", step),
                ("thread.run.queued", run),
            ]
            self._launch(run, feed, first)
        return run

    async def cancel(self, thread_id: str, run_id: str) -> Json:
        async with self._lock:
            self._refuse_if_stopping()
            run = await self.transact(lambda s: s.mark_cancelling(thread_id, run_id))
            worker = self._workers.get(run_id)
            if worker is None:  # it waited for tool outputs
                worker = self._launch(run, None, [])
            worker.publish("thread.run.cancelling", run)
            worker.interrupt(Ending("cancelled"))
        return run

    async def delete_thread(self, thread_id: str) -> Json:
        """Delete a thread with all that is in it; a run that is active there is ended first."""
        async with self._lock:
            await self._end(
                [w for w in self._workers.values() if w.thread_id == thread_id],
                Ending("cancelled"),
            )
            return await self.transact(lambda s: s.delete(ThreadRow, "thread", thread_id))

    async def stop(self) -> None:
        """End all runs, and with them the streams that show them. It may be called again."""
        async with self._lock:
            self._stopping = True
            await self._end(list(self._workers.values()), STOPPING)

    async def _end(self, workers: list[Worker], ending: Ending) -> None:
        for worker in workers:
            worker.interrupt(ending)
        await asyncio.gather(*(worker.task for worker in workers))

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise ApiError(503, "The server is stopping.", type="server_error")

    def _launch(self, run: Json, feed: Feed | None, first: list[Event]) -> Worker:
        worker = Worker(self, run, feed)
        self._workers[run["id"]] = worker
        for event, data in first:
            worker.publish(event, data)
        worker.start()
        return worker

    def forget(self, worker: Worker) -> None:
        # After requires_action a new worker may have the run already.
        if self._workers.get(worker.run_id) is worker:
            del self._workers[worker.run_id]


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
        self.task = asyncio.create_task(self._main(), name=f"emitter-stream {self.run_id}")

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
        try:
            last = await self._drive()
        except Exception:
            logger.exception("run %s could not be closed", self.run_id)
            message = "The server had an error while processing your request."
            error = ApiError(500, message, type="server_error").body()
            last = [("error", error)]
        timer.cancel()
        # No await from here to the end: whoever reads the last events finds the run free.
        self.engine.forget(self)
        for event, data in last:
            self.publish(event, data)
        if self._feed is not None:
            self._feed.end()

    async def _drive(self) -> list[Event]:
        """Work until the end; returns the last events, which are stored but not yet sent."""
        try:
            last = await self._work()
            # A cancel may have come when the run had just begun to wait for the client.
            if self._ending is None or last[0] != "thread.run.requires_action":
                return [last]
        except Interrupted:
            pass
        except Exception as exc:
            logger.exception("run %s failed", self.run_id)
            message = f"The model failed: {type(exc).__name__}."
            self._ending = self._ending or Ending("failed", message)
        ending = self._ending or Ending("cancelled")

        def close(lifecycle: Lifecycle) -> list[Event]:
            self._save(lifecycle)
            return lifecycle.close_run(self.run_id, ending)

        return await self.engine.transact(close)

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
            while (part := await self._wait(anext(parts, None))) is not None:
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
                await close()

    async def _wait(self, what: Awaitable[T]) -> T:
        """Wait for something that an interrupt may break off."""
        if self._ending is not None:
            if asyncio.iscoroutine(what):
                what.close()
            raise Interrupted
        self._interruptible = True
        try:
            # A model that never waits must still let the other runs and requests get on.
            await asyncio.sleep(0)
            return await what
        except asyncio.CancelledError:
            if self._ending is None:
                raise
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
            logs = await self._wait(self.engine.sandbox.run("".join(inputs)))
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
