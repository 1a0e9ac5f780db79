"""A table goes to the code interpreter; a plot and a written file come back."""

import pathlib
import tempfile

import _setup

from emitter_stream import OpenAI
from emitter_stream.types import Text

_setup.use_embedded_server()
client = OpenAI()
folder = pathlib.Path(tempfile.mkdtemp())

table = client.files.create(
    file=("rain.csv", b"month,rain\nJan,10\nFeb,30\nMar,20\n"), purpose="assistants"
)
assistant = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
thread = client.beta.threads.create(
    messages=[
        {
            "role": "user",
            "content": "Plot the table in this csv file.",
            "attachments": [{"file_id": table.id, "tools": [{"type": "code_interpreter"}]}],
        }
    ]
)


def save(file_id: str) -> None:
    """Download a file, piece by piece."""
    name = client.files.retrieve(file_id).filename
    client.files.content(file_id).stream_to_file(folder / name)
    print(f"saved {name}, {(folder / name).stat().st_size} bytes")


def show(text: Text) -> None:
    """Print the answer, and save what it names."""
    print(f"\n{text.value}\n")
    for mark in text.annotations:
        save(mark.file_path.file_id)


run = client.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
run.on("imageFileDone", lambda image: save(image.file_id)).on("textDone", show)
run.until_done()
