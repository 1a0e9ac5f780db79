"""Files, uploads, stores, search and code with the official SDKs: the same as with this package."""

from __future__ import annotations

import json
from pathlib import Path

import file_programs
import openai
import pytest
from file_programs import PROGRAMS

import emitter_stream

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


TOLD = ("text", "image")


def sorted_out(found):
    """Part what is heard into deltas and the rest.

    The Python package tells that a part is done before the delta that shows it, Node and ours after.
    """
    heard = found.pop("heard", [])
    deltas = [one for one in heard if one[0] in TOLD]
    return {**found, "deltas": deltas, "others": [one for one in heard if one[0] not in TOLD]}


FOUND: dict[str, str] = {}  # by this package's client, for all that is compared with it


def ours(start, program: str, folder: Path):
    if program not in FOUND:
        folder.mkdir()
        with emitter_stream.OpenAI(base_url=start().base_url, api_key="any") as client:
            FOUND[program] = json.dumps(PROGRAMS[program](client, folder))
    return json.loads(FOUND[program])


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_official_python_package(start, tmp_path, program):
    """It does all that the table says, and finds what this package's client finds."""
    with openai.OpenAI(base_url=start().base_url, api_key="any") as client:
        found = PROGRAMS[program](client, tmp_path)
    found = json.loads(json.dumps(found))
    assert sorted_out(found) == sorted_out(ours(start, program, tmp_path / "ours"))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.sample(2)
def test_the_official_node_package(start, tmp_path, program):
    """The same programs, in Node's words, find the same."""
    found = file_programs.run_node(program, start().base_url, tmp_path)
    assert found == ours(start, program, tmp_path / "ours")


def test_what_the_programs_find(start, tmp_path):
    """What they compare is not nothing: citations, an image and a written file come through."""
    searched = ours(start, "searching", tmp_path / "searching")
    texts = [part for part in searched["heard"] if part[0] == "text done"]
    cited = {mark[4] for _, _, found in texts for mark in found}
    assert cited and cited <= {"notes.md", "whales.txt"}
    assert {one[0] for one in searched["results 1"][0][2:]} == {"notes.md", "whales.txt"}
    assert all(one[2] for one in searched["results 1"][0][2:])
    coded = ours(start, "coding", tmp_path / "coding")
    assert [part[0] for part in coded["heard"]].count("image done") == 1
    assert coded["kept"][0][0] == "image" and coded["kept"][1][2][0][0] == "file_path"
    assert "summary.csv" in coded["downloads"]
