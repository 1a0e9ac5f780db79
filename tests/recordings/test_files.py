"""Recordings and pages go to new files, or over their own kind; anything else is left alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from launcher import Program
from recorded import HEADER, answered, tool_run, write

from emitter_stream import AssistantStream
from emitter_stream.cli import main

PRECIOUS = "precious\n"
unix = pytest.mark.skipif(os.name == "nt", reason="Windows has other files")


def mode_of(path: Path) -> int:
    """Give a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def short_stream() -> AssistantStream:
    """Make a stream of two events."""
    frames = [*answered("a")][:1] + [*answered("a")][-2:-1]
    return AssistantStream.from_events({"event": name, "data": data} for name, data in frames)


def other_file(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text(PRECIOUS)
    return path


def json_lines(folder: Path) -> Path:
    path = folder / "other.jsonl"
    path.write_text(json.dumps({**HEADER, "format": "other"}) + "\n")
    return path


def endless_line(folder: Path) -> Path:
    path = folder / "image.bin"
    path.write_bytes(b"\xff\x00" * 200_000)
    return path


def link_to_other(folder: Path) -> Path:
    (folder / "link").symlink_to(other_file(folder))
    return folder / "link"


def hard_link_to_other(folder: Path) -> Path:
    os.link(other_file(folder), folder / "hard")
    return folder / "hard"


def link_to_nothing(folder: Path) -> Path:
    (folder / "link").symlink_to(folder / "nothing")
    return folder / "link"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def a_folder(folder: Path) -> Path:
    return folder


def device(folder: Path) -> Path:
    return Path(os.devnull)


OTHERS = [
    other_file,
    json_lines,
    endless_line,
    link_to_other,
    hard_link_to_other,
    link_to_nothing,
    pipe,
    a_folder,
    device,
]


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Give every file of a folder, links as what they lead to."""
    return {
        path.name: (mode_of(path), path.read_bytes()) for path in folder.iterdir() if path.is_file()
    }


@unix
@pytest.mark.parametrize("other", OTHERS)
def test_record_leaves_alone_what_is_no_recording(tmp_path, other):
    """`record` onto anything but a recording is an error that says so, at once; it stays."""
    path = other(tmp_path)
    before = contents(tmp_path)
    stream = AssistantStream.from_events([])
    with pytest.raises(OSError, match=r"is no|leads nowhere|is a folder") as error:
        stream.record(path)
    assert str(path) in str(error.value)
    stream.abort()
    assert contents(tmp_path) == before


@unix
@pytest.mark.parametrize("other", OTHERS)
def test_a_page_leaves_alone_what_is_no_page(tmp_path, capsys, other):
    """`show --html` onto anything but a page says so, with status 1; it stays."""
    run = write(tmp_path / "run.jsonl", tool_run())
    path = other(tmp_path)
    before = contents(tmp_path)
    assert main(["show", str(run), "--html", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and str(path) in captured.err
    assert contents(tmp_path) == before


@unix
@pytest.mark.parametrize("way", ["same", "relative", "link", "hard link", "link as the recording"])
def test_a_page_does_not_replace_its_recording(tmp_path, monkeypatch, capsys, way):
    """`show X --html X` is refused, whatever way both names lead to the same file."""
    run = write(tmp_path / "run.jsonl", tool_run())
    before = run.read_bytes()
    (tmp_path / "link").symlink_to(run)
    os.link(run, tmp_path / "hard")
    monkeypatch.chdir(tmp_path)
    source, out = {
        "same": (run, run),
        "relative": (run, f"../{tmp_path.name}/run.jsonl"),
        "link": (run, "link"),
        "hard link": (run, "hard"),
        "link as the recording": ("link", run),
    }[way]
    assert main(["show", str(source), "--html", str(out)]) == 1
    assert "no HTML page" in capsys.readouterr().err
    assert run.read_bytes() == before


def test_a_recording_is_replaced_by_a_shorter_one(tmp_path):
    """A recording takes another's place whole; so it does an empty file's."""
    long = write(tmp_path / "run.jsonl", tool_run())
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    for path in (long, empty):
        short_stream().record(path).until_done()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[0]["format"] == HEADER["format"]
        assert [*lines[-1]] == ["t", "end", "error"] and len(lines) == 5


@unix
def test_a_recording_behind_a_link_is_replaced(tmp_path):
    """A link to a recording is as good as the recording, and stays a link."""
    run = write(tmp_path / "run.jsonl", tool_run())
    (tmp_path / "link").symlink_to(run)
    short_stream().record(tmp_path / "link").until_done()
    assert (tmp_path / "link").is_symlink() and len(run.read_text().splitlines()) == 5


@unix
def test_two_streams_do_not_share_a_recording(tmp_path):
    """A second stream is refused the file while the first is written to it, and not after."""
    path = tmp_path / "run.jsonl"
    first, second = short_stream().record(path), short_stream()
    with pytest.raises(FileExistsError, match="another stream"):
        second.record(path)
    program = (
        "import sys; from emitter_stream import AssistantStream\n"
        "AssistantStream.from_events([]).record(sys.argv[1])"
    )
    with Program(program, str(path)) as other:
        assert "another stream" in other.outcome()[2]
    first.until_done()
    second.record(path).until_done()


@unix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_page_is_as_secret_as_its_recording(tmp_path, mode):
    """A page can be read by those who can read the recording, also one that was there before."""
    run = write(tmp_path / "run.jsonl", tool_run())
    run.chmod(mode)
    new, old = tmp_path / "new.html", tmp_path / "old.html"
    old.write_text("<!DOCTYPE HTML>\n<title>old</title>" + "x" * 1_000_000)
    old.chmod(0o666)
    before = os.umask(0o022)
    try:
        for out in (new, old):
            assert main(["show", str(run), "--html", str(out)]) == 0
            assert mode_of(out) == mode
            assert out.read_text("utf-8").endswith("</html>\n")
    finally:
        os.umask(before)
