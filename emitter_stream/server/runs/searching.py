"""File search in a run: what is searched for and how, and what the model is shown of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from ..files.desk import Hit
from ..store.objects import Json

SEARCH: Final = "file_search"
MOST_RESULTS = 20
RANKER = "default_2024_08_21"
READING_PATIENCE = 60.0  # seconds for files that are still being read
_MOST_QUERIES = 8
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"


def has_search(run: Json) -> bool:
    """Whether a run has file search, and no function that goes by its name."""
    tools = run["tools"]
    return any(tool["type"] == SEARCH for tool in tools) and not any(
        tool["type"] == "function" and tool["function"]["name"] == SEARCH for tool in tools
    )


def stores_of(run: Json) -> list[str]:
    """Return the stores that a run searches."""
    resources = run["tool_resources"].get("file_search") or {}
    return list(dict.fromkeys(resources.get("vector_store_ids") or ()))


def options_of(run: Json) -> tuple[int, Json]:
    """Return how many results are wanted at most, and the ranking options as a step shows them."""
    tool = next(tool for tool in run["tools"] if tool["type"] == SEARCH)
    given = tool.get("file_search") or {}
    ranking = given.get("ranking_options") or {}
    shown = {
        "ranker": ranking.get("ranker") or RANKER,
        "score_threshold": ranking.get("score_threshold") or 0,
    }
    return given.get("max_num_results") or MOST_RESULTS, shown


def queries_of(text: str) -> list[str]:
    """Return what is searched for: the arguments' `query` or `queries`, else the text itself."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        arguments = text
    if isinstance(arguments, Mapping):
        found = arguments.get("queries") or arguments.get("query") or list(arguments.values())
    else:
        found = arguments
    several = found if isinstance(found, list) else [found]
    return [one for one in several if isinstance(one, str) and one.strip()][:_MOST_QUERIES]


def results_of(hits: Sequence[Hit]) -> list[Json]:
    """Return what a step keeps of a search."""
    return [
        {
            "file_id": hit.found.file_id,
            "file_name": hit.found.name,
            "score": hit.score,
            "content": [{"type": "text", "text": hit.found.text}],
        }
        for hit in hits
    ]


def shown_to_model(results: Sequence[Json], number: int) -> str:
    """Return what the model is told: each text behind the mark to cite it by."""
    if not results:
        return "Nothing was found in the files."
    texts = []
    for place, result in enumerate(results):
        text = "".join(part["text"] for part in result.get("content") or ())
        texts.append(f"{mark(number, place, result['file_name'])}\n{text}")
    return "\n\n".join(texts)


def mark(number: int, place: int, name: str) -> str:
    """Return what cites a result, by the number of its search in the run and its place there."""
    plain = name.replace("【", "(").replace("】", ")")
    return f"【{number}:{place}†{plain}】"


def searches_in(steps: Sequence[Json]) -> list[Json]:
    """Return the file searches of a run, oldest first."""
    return [
        call["file_search"]
        for step in steps
        if step["type"] == "tool_calls" and step["status"] == "completed"
        for call in step["step_details"]["tool_calls"]
        if call["type"] == SEARCH
    ]


def sources_in(steps: Sequence[Json]) -> dict[tuple[int, int], str]:
    """Return the files that can be cited, by the numbers in their marks."""
    return {
        (number, place): result["file_id"]
        for number, search in enumerate(searches_in(steps))
        for place, result in enumerate(search.get("results") or ())
    }
