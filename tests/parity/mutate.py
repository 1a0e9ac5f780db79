"""Makes event streams that are nearly right, from the frozen ones, by chance but repeatably."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from parity.compare import HERE

Frame = tuple[Any, Any]

KEPT = {
    "thread.run": ("id", "object", "status", "last_error", "usage"),
    "thread.run.step": ("id", "object", "type", "status", "step_details", "usage"),
    "thread.message": ("id", "object", "status", "role", "content"),
}
NAMES = [
    *(f"thread.run.{x}" for x in ("created", "queued", "in_progress", "requires_action")),
    *(f"thread.run.{x}" for x in ("completed", "incomplete", "failed", "cancelling")),
    *(f"thread.run.{x}" for x in ("cancelled", "expired", "paused")),
    *(f"thread.run.step.{x}" for x in ("created", "in_progress", "delta", "completed", "new")),
    *(f"thread.run.step.{x}" for x in ("failed", "cancelled", "expired")),
    *(f"thread.message.{x}" for x in ("created", "in_progress", "delta", "completed", "new")),
    *("thread.message.incomplete", "thread.created", "thread.", "thread", "threads.run.created"),
    *("error", "done", "message", "", None, " error", "error ", "Thread.run.completed", "thread.x"),
]
# What stands between the marks is put into the JSON as it is: spellings that `dumps` never makes.
RAW = re.compile('"@@(.*?)@@"')
NUMBERS = [
    *("0", "1", "2", "-1", "-0", "1.0", "1.5", "1e0", "10e-1", "1E2", "1e400", "-1e400", "5e-324"),
    *("1023", "1024", "1025", "1026", "65535", "65536", "4294967296", "9007199254740993"),
    *("-9007199254740993", "123456789012345678901234567890", "0.1", "0.2", "1e21", "-0.0"),
]
TEXTS = [
    *("", "0", "1", "x", "text", "image_file", "tool_calls", "message_creation", "refusal"),
    *("[DONE]", "null", "a\u2028b", "\x85", "é", "😀", "\ud83d", "\ude00", "\ud83dx", "\ufeff"),
    *("\0", "\x1f", "\x7f", "\\", '"', "</script>", "\u0301", "toString", "__proto__", "length"),
]
KEYS = ["index", "type", "id", "text", "value", "content", "error", "object", "x", "annotations"]
KEYS += ["__proto__", "constructor", "prototype", "toString", "step_details", "tool_calls", "0", ""]


def load_corpus() -> dict[str, list[Frame]]:
    """Read the frozen scenarios as frames, their objects cut down to what matters."""
    corpus = {}
    for path in sorted((HERE / "scenarios").glob("*.sse")):
        frames = []
        text = path.read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
        for block in re.split("\n\n", re.sub("\r\n?", "\n", text)):
            lines = [line.partition(":") for line in block.split("\n")]
            names = [value.strip() for field, _, value in lines if field == "event"]
            data = "\n".join(value for field, _, value in lines if field == "data")
            try:
                data = shrink(json.loads(data))
            except ValueError:
                data = data.strip()
            if names or data != "":
                frames.append((names[-1] if names else None, data))
        if 3 <= len(frames) <= 40:
            corpus[path.stem] = frames
    return corpus


def shrink(data: Any) -> Any:
    """Keep of an API object what the stream's rules look at."""
    keep = KEPT.get(data.get("object")) if isinstance(data, dict) else None
    return {key: data[key] for key in keep if key in data} if keep else data


class Mutator:
    """Spoils frames; everything it does follows from its seed."""

    def __init__(self, seed: int | str, corpus: dict[str, list[Frame]]):
        self.random = random.Random(seed)
        self.corpus = corpus

    def stream(self) -> bytes:
        """Make the body of one stream."""
        name = self.random.choice(sorted(self.corpus))
        frames = json.loads(json.dumps(self.corpus[name]))
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 2, 3, 5])):
            frames = self.spoil_order(frames) if self.one_in(3) else self.spoil_data(frames)
        return self.spoil_bytes(self.encode(frames))

    def one_in(self, number: int) -> bool:
        """Say yes once in so many times."""
        return self.random.randrange(number) == 0

    def spoil_order(self, frames: list[Frame]) -> list[Frame]:
        """Drop, double, move, rename, borrow or cut off frames."""
        choice = self.random.randrange
        at = choice(len(frames)) if frames else 0
        what = choice(8) if frames else 6
        if what == 0:
            del frames[at]
        elif what == 1:
            frames.insert(choice(len(frames) + 1), frames[at])
        elif what == 2:
            frames.insert(choice(len(frames)), frames.pop(at))
        elif what == 3 and at:
            frames[at - 1], frames[at] = frames[at], frames[at - 1]
        elif what == 4:
            frames[at] = (self.random.choice(NAMES), frames[at][1])
        elif what == 5:
            frames = frames[: at + 1]
        else:
            other = json.loads(json.dumps(self.random.choice(sorted(self.corpus.items()))[1]))
            start = choice(len(other))
            frames[at:at] = other[start : start + choice(1, 4)]
        return [tuple(frame) for frame in frames]

    def spoil_data(self, frames: list[Frame]) -> list[Frame]:
        """Change something inside the data of one frame, deltas before others."""
        wanted = [f for f in frames if "delta" in str(f[0])] if self.random.random() < 0.7 else []
        wanted = [at for at, frame in enumerate(frames) if not wanted or frame in wanted]
        if not wanted:
            return frames
        at = self.random.choice(wanted)
        name, data = frames[at]
        holder = [data]
        places = self.places(holder)
        indexes = [place for place in places if place[1] == "index"]
        box, key = self.random.choice(indexes if indexes and self.one_in(3) else places)
        what = self.random.randrange(10)
        if what == 0 and isinstance(box, dict):
            del box[key]
        elif what == 1 and isinstance(box, dict):
            box[self.random.choice(KEYS)] = self.value()
        elif what == 2 and isinstance(box[key], list):
            box[key] = box[key] * 2
        elif what == 3 and isinstance(box[key], list):
            box[key].append(self.value())
        elif what == 4 and isinstance(box[key], list):
            box[key].reverse()
        elif what == 5:
            box[key] = [box[key]]
        elif what == 6 and isinstance(box[key], str):
            cut = self.random.randrange(len(box[key]) + 1)
            box[key] = box[key][:cut] + self.random.choice(TEXTS) + box[key][cut:]
        elif what == 7 and isinstance(box, dict):
            other = self.random.choice(sorted(box))
            box[key], box[other] = box[other], box[key]
        else:
            box[key] = self.value()
        frames[at] = (name, holder[0])
        return frames

    def places(self, box: Any) -> list[tuple[Any, Any]]:
        """List every place in a value that can be changed."""
        if isinstance(box, dict):
            keys: Any = sorted(box)
        elif isinstance(box, list):
            keys = range(len(box))
        else:
            return []
        return [(box, key) for key in keys] + [p for key in keys for p in self.places(box[key])]

    def value(self) -> Any:
        """Make a value that does not belong there."""
        what = self.random.randrange(6)
        if what == 0:
            return self.random.choice([None, True, False])
        if what == 1:
            return f"@@{self.random.choice(NUMBERS)}@@"
        if what == 2:
            return self.random.choice(TEXTS)
        if what == 3:
            text = {"value": self.random.choice(TEXTS)}
            return {"index": self.random.randrange(3), "type": "text", "text": text}
        if what == 4:
            return [self.value() for _ in range(self.random.randrange(3))]
        return {self.random.choice(KEYS): self.value() for _ in range(self.random.randrange(3))}

    def encode(self, frames: list[Frame]) -> bytes:
        """Write the frames, in one of the ways in which a stream can be written."""
        plain = not self.one_in(4)
        out = []
        for name, data in frames:
            pretty = None if plain or self.one_in(2) else 1
            escape = self.one_in(2)
            body = data
            if not isinstance(data, str) or data.startswith("@@"):
                body = json.dumps(data, ensure_ascii=escape, indent=pretty)
                body = RAW.sub(r"\1", body)
            end = "\n" if plain else self.random.choice(["\n", "\r", "\r\n"])
            space = " " if plain else self.random.choice(["", " ", " ", " "])
            if not plain and self.one_in(6):
                out.append(self.random.choice([": note", ":", "id: 1", "retry: 5", "x: y"]) + end)
            if name is not None:
                out.append(f"event:{space}{name}{end}")
            out += [f"data:{space}{line}{end}" for line in body.split("\n")]
            out.append(end)
        return "".join(out).encode("utf-8", "surrogatepass")

    def spoil_bytes(self, body: bytes) -> bytes:
        """Cut the body off, or put something into it, once in a while."""
        if self.one_in(12):
            body = b"\xef\xbb\xbf" + body
        if self.one_in(12):
            body = body[: self.random.randrange(len(body) + 1)]
        if self.one_in(20):
            at = self.random.randrange(len(body) + 1)
            bad = self.random.choice([b"\xff", b"\xe2\x82", b"\n", b"\r", b":", b"\n\n", b"\0"])
            body = body[:at] + bad + body[at:]
        return body
