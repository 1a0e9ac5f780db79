"""A chat page with Gradio: `python gradio_app.py`."""

import gradio as gr

from emitter_stream import OpenAI

client = OpenAI()


def answer(message, history):
    messages = [{"role": one["role"], "content": text_of(one)} for one in history]
    stream = client.chat.completions.stream(
        model="gpt-4o", messages=[*messages, {"role": "user", "content": message}], inline=True
    )
    for _, snapshot in stream.events("content"):
        yield snapshot  # the text so far: Gradio shows the latest


def text_of(one):
    content = one["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


demo = gr.ChatInterface(answer)

if __name__ == "__main__":
    demo.launch()
