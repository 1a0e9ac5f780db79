"""The site of the documentation: `tox -e docs`."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

project = "emitter_stream"
author = "the emitter_stream project"
version = release = metadata.version("emitter-stream")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "programs"]
html_theme = "furo"
html_title = f"emitter_stream {release}"
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

# Pages that are files of the clone's root: where their links lead to on the site.
ROOT = Path(__file__).parent.parent
LINKS = {
    "benchmarks/RESULTS.md": "performance.md",
    "ARCHITECTURE.md": "#architecture",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}


def with_root_files(app: Any, page: str, source: list[str]) -> None:
    """Put a file of the root in the place of its `include`, with links that lead to pages."""

    def link(match: re.Match[str]) -> str:
        target = match[1]
        if target == "ARCHITECTURE.md" and page != "contributing":
            return "](contributing.md#architecture)"
        return f"]({LINKS.get(target, target.removeprefix('docs/'))})"

    def text_of(match: re.Match[str]) -> str:
        text = (ROOT / match[1]).read_text(encoding="utf-8")
        return re.sub(r"\]\(([^)#]+)\)", link, text)

    text = source[0].replace("](../README.md)", "](index.md)")
    source[0] = re.sub(r"```\{include\} \.\./(\w+\.md)\n```\n", text_of, text)


def setup(app: Any) -> None:
    app.connect("source-read", with_root_files)
