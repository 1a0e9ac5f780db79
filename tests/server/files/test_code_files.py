"""Files that code reads and writes: in by tool resources and attachments, out as images and paths."""

from __future__ import annotations

from documents import upload
from server_helpers import Raw

from emitter_stream.server import Call, Input, Round, Text

CODE = {"type": "code_interpreter"}
TABLE = b"month,rain\nJan,10\nFeb,30\nMar,20\n"


def of(events, name):
    return [data for event, data in events if event == name]


def test_a_table_goes_in_and_a_plot_comes_out(raw):
    """The scripted model reads an attached table; the plot is an image, the summary a path."""
    file = upload(raw, "rain.csv", TABLE)
    said = {
        "role": "user",
        "content": "Plot the table in this csv file.",
        "attachments": [{"file_id": file, "tools": [CODE]}],
    }
    thread = raw("POST", "/threads", {"messages": [said]}).body["id"]
    body = {"assistant_id": raw.assistant(tools=[CODE]), "stream": True}
    events = raw("POST", f"/threads/{thread}/runs", body).events()
    call = of(events, "thread.run.step.completed")[0]["step_details"]["tool_calls"][0]
    logs, image = call["code_interpreter"]["outputs"]
    assert logs["logs"] == "3 rows, 1 columns of numbers\nwritten: sandbox:/mnt/data/summary.csv\n"
    plot = image["image"]["file_id"]
    (message,) = of(events, "thread.message.completed")
    picture, text = message["content"]
    assert picture["image_file"]["file_id"] == plot
    (mark,) = text["text"]["annotations"]
    assert mark["text"] == "sandbox:/mnt/data/summary.csv"
    assert text["text"]["value"][mark["start_index"] : mark["end_index"]] == mark["text"]
    written = raw("GET", f"/files/{mark['file_path']['file_id']}").body
    assert (written["filename"], written["purpose"]) == ("summary.csv", "assistants_output")
    summary = raw("GET", f"/files/{written['id']}/content").raw
    assert summary == b"column,least,mean,most\r\nrain,10.0,20.0,30.0\r\n"
    assert raw("GET", f"/files/{plot}/content").raw.startswith(b"\x89PNG\r\n\x1a\n")
    first = of(events, "thread.message.delta")[0]["delta"]["content"][0]
    assert (first["index"], first["image_file"]["file_id"]) == (0, plot)
    rest = [d["delta"]["content"][0]["index"] for d in of(events, "thread.message.delta")[1:]]
    assert set(rest) == {1}


class Programs:
    """Runs programs, one a round, then says what it was told to."""

    def __init__(self, *programs: str, said: str) -> None:
        self.programs, self.said = programs, said

    async def respond(self, turn):
        done = sum(isinstance(item, Round) for item in turn.history)
        if done < len(self.programs):
            yield Call("code_interpreter")
            yield Input(self.programs[done])
        else:
            yield Text(self.said)


def test_what_code_leaves_is_found_by_the_next_and_no_link_is_followed(start, tmp_path):
    """Programs of a run share the folder; only plain new files come out, and not what went in."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    model = Programs(
        "open('/mnt/data/a.txt', 'w').write('one')",
        f"print(open('a.txt').read())\nimport os\nos.symlink({str(secret)!r}, 'link.txt')",
        said="See sandbox:/mnt/data/a.txt, and sandbox:/mnt/data/link.txt.",
    )
    raw = Raw(start(model=model).base_url)
    file = upload(raw, "in.csv", TABLE)
    resources = {"code_interpreter": {"file_ids": [file]}}
    body = {
        "assistant_id": raw.assistant(tools=[CODE], tool_resources=resources),
        "stream": True,
    }
    events = raw("POST", f"/threads/{raw.thread('Go')}/runs", body).events()
    first, second = (
        step["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"]
        for step in of(events, "thread.run.step.completed")[:2]
    )
    assert first == [] and second[0]["logs"].startswith("one\n")
    (text,) = of(events, "thread.message.completed")[0]["content"]
    assert [mark["text"] for mark in text["text"]["annotations"]] == ["sandbox:/mnt/data/a.txt"]
    names = [one["filename"] for one in raw("GET", "/files").body["data"]]
    assert names == ["a.txt", "in.csv"]
