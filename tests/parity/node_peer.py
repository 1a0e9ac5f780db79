"""Asks the OpenAI Node SDK what it does with event streams.

Run as a program, it freezes streams: python tests/parity/node_peer.py FILE.sse ... writes each
stream and Node's trace of it to more_scenarios/ and more_golden/.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def find() -> tuple[Path, str] | None:
    """Give the node_modules folder with the SDK, and node; None if either is missing."""
    folder = Path(os.environ.get("EMITTER_STREAM_NODE_MODULES", "node_modules"))
    local = folder / ".bin" / "node"
    node = str(local) if local.exists() else shutil.which("node")
    return (folder, node) if node and (folder / "openai").is_dir() else None


def traces(bodies: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Give the trace, final and state of every body, from one run of Node."""
    found = find()
    assert found is not None
    lines = (
        json.dumps({"id": name, "body": base64.b64encode(body).decode()})
        for name, body in bodies.items()
    )
    done = subprocess.run(
        [found[1], str(HERE / "node_trace.mjs"), "--batch"],
        input="\n".join(lines).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
        env={**os.environ, "EMITTER_STREAM_NODE_MODULES": str(found[0])},
    )
    results = (json.loads(line) for line in done.stdout.split(b"\n") if line)
    return {result.pop("id"): result for result in results}


def freeze(bodies: dict[str, bytes]) -> None:
    """Write streams and Node's traces of them where test_parity finds them."""
    for folder in ("more_scenarios", "more_golden"):
        (HERE / folder).mkdir(exist_ok=True)
    for name, result in traces(bodies).items():
        (HERE / "more_scenarios" / f"{name}.sse").write_bytes(bodies[name])
        text = json.dumps(result, ensure_ascii=True, separators=(",", ":"))
        (HERE / "more_golden" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    freeze({Path(name).stem: Path(name).read_bytes() for name in sys.argv[1:]})
