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


# What may stand between the quotes of a text, good and bad, as it is written in the stream.
PIECES = [
    *(
        "",
        "a",
        " ",
        "Hello",
        "\\n",
        '\\"',
        "\\\\",
        "\\u0041",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\ude00",
    ),
    *(
        "é",
        "😀",
        "\u2028",
        "\x85",
        "\x7f",
        "\\u0000",
        "\\/",
        "[DONE]",
        "null",
        ":",
        "data: ",
        "msg_1",
    ),
    *(
        "\t",
        "\0",
        "\x1f",
        '"',
        "\\",
        "\\x",
        "\\u12",
        "\\uD83Dx",
        '","value":"b',
        '","index":1,"x":"',
    ),
    *(
        '"},"type":"refusal","x":{"y":"',
        '"}}]}}',
        '"}}]},"delta":{"content":[{"index":0,"text":{"y":"',
    ),
    *('\\"}}]}}', "\xff", "value", "arguments", "0", "'", "{", "}", "</", "%s", "\ufeff", "\u0301"),
]
SHAPES = {
    "text": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"@@"}}]}}',
    "notes": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"text",'
    '"text":{"value":"@@","annotations":[]}}]}}',
    "late": '{"delta":{"content":[{"text":{"value":"@@"},"type":"text","index":0}]},"id":"msg_1"}',
    "second": '{"id":"msg_1","delta":{"content":[{"index":1,"type":"text","text":{"value":"@@"}}]}}',
    "twice": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"text","text":{"value":"x"}},'
    '{"index":1,"type":"text","text":{"value":"@@"}}]}}',
    "double": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"text",'
    '"text":{"value":"q","value":"@@"}}]}}',
    "spaced": '{ "id" : "msg_1", "delta": {"content": [ {"index": 0, "type": "text", '
    '"text": {"value": "@@" } } ] } }',
    "refusal": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"refusal","refusal":"@@"}]}}',
    "extra": '{"id":"msg_1","delta":{"content":[{"index":0,"type":"text",'
    '"text":{"value":"@@","n":1}}]}}',
    "other": '{"id":"msg_2","delta":{"content":[{"index":0,"type":"text","text":{"value":"@@"}}]}}',
    "role": '{"id":"msg_1","delta":{"role":"assistant","content":[{"index":0,"type":"text",'
    '"text":{"value":"@@"}}]}}',
    "call": '{"id":"step_1","delta":{"step_details":{"type":"tool_calls","tool_calls":'
    '[{"index":0,"type":"function","function":{"arguments":"@@"}}]}}}',
    "call named": '{"id":"step_1","delta":{"step_details":{"type":"tool_calls","tool_calls":'
    '[{"index":0,"id":"call_0","type":"function","function":{"name":"f","arguments":"@@"}}]}}}',
    "second call": '{"id":"step_1","delta":{"step_details":{"type":"tool_calls","tool_calls":'
    '[{"index":1,"type":"function","function":{"arguments":"@@"}}]}}}',
    "code": '{"id":"step_1","delta":{"step_details":{"type":"tool_calls","tool_calls":'
    '[{"index":0,"type":"code_interpreter","code_interpreter":{"input":"@@"}}]}}}',
    "logs": '{"id":"step_1","delta":{"step_details":{"type":"tool_calls","tool_calls":[{"index":0,'
    '"type":"code_interpreter","code_interpreter":{"outputs":[{"index":0,"type":"logs",'
    '"logs":"@@"}]}}]}}}',
}
BETWEEN = [
    'event: thread.message.in_progress\ndata: {"id":"msg_1","content":[]}\n\n',
    "event: thread.run.step.in_progress\n"
    + 'data: {"id":"step_1","step_details":{"type":"tool_calls","tool_calls":[]}}\n\n',
    'event: thread.run.queued\ndata: {"id":"run_1"}\n\n',
    "event: thread.ping\ndata: 1\n\n",
    'data: {"x":1}\n\n',
    ": note\n\n",
    "event: thread.x\n\n",
    "\n",
    "\r\n",
    "id: 5\n",
    "event: thread.note\n",
    "event: thread.message.completed\n"
    + 'data: {"id":"msg_1","content":[{"type":"text","text":{"value":"all"}}]}\n\n',
    'event: thread.message.created\ndata: {"id":"msg_2","content":[]}\n\n',
    "data: [DONE]\n\n",
]


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

    def growing(self) -> bytes:
        """Make a stream of many deltas that differ in their text alone, or nearly."""
        choice = self.random.choice
        calls = self.one_in(2)
        names = [name for name in SHAPES if ("call" in SHAPES[name]) == calls]
        kind = "thread.run.step.delta" if calls else "thread.message.delta"
        out = [
            'event: thread.run.created\ndata: {"id":"run_1"}\n\n',
            'event: thread.message.created\ndata: {"id":"msg_1","content":[]}\n\n',
            "event: thread.run.step.created\n"
            + 'data: {"id":"step_1","step_details":{"type":"tool_calls","tool_calls":[]}}\n\n',
        ]
        name, nasty = choice(names), self.random.random() / 4
        end = choice(["\n", "\n", "\n", "\r\n", "\r"])
        for _ in range(self.random.randrange(2, 14)):
            if self.random.random() < nasty:
                name = choice(names)
            if self.random.random() < nasty:
                out.append(choice(BETWEEN))
            event = kind if self.random.random() > nasty / 4 else choice(NAMES)
            piece = choice(PIECES) if self.random.random() < nasty * 2 else choice(PIECES[:20])
            data = SHAPES[name].replace("@@", piece)
            out.append(f"event: {event}\ndata: {data}\n\n".replace("\n", end))
        out.append('event: thread.run.completed\ndata: {"id":"run_1","status":"completed"}\n\n')
        body = "".join(out).encode("utf-8").replace("\xff".encode(), b"\xff")
        return self.spoil_bytes(body) if self.one_in(4) else body

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
