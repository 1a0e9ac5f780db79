"""Asks the Node SDK what it makes of chat streams and of runs of tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from parity import node_peer


def in_node(streams: list[dict]) -> list[dict]:
    """Give what the Node SDK makes of each stream, from one run of Node."""
    folder, node = node_peer.find()
    done = subprocess.run(
        [node, str(Path(__file__).parent / "node_trace.mjs"), str(folder.parent)],
        input="\n".join(map(json.dumps, streams)).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]
