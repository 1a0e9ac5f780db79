"""An embedded server of all three APIs, for examples, tests and work without a network.

`LocalServer` runs it inside the process; `emitter-stream serve` runs it as a program. Nothing in
this package imports the client side of the library, so neither side can hide the other's mistakes
(but for the cutting of server-sent events, by which an upstream's answer is read).
"""

try:
    import httpx2 as _httpx2  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as exc:
    raise ImportError(
        f"the embedded server needs {exc.name}: pip install 'emitter-stream[server]'",
        name=exc.name,
    ) from exc

from .local import LocalServer
from .models.model import (
    Call,
    DoneCall,
    Image,
    Input,
    Model,
    ModelError,
    Part,
    Refusal,
    Round,
    Said,
    Stop,
    Text,
    Turn,
    Usage,
)
from .models.scripted import ScriptedModel
from .models.upstream import Upstream

__all__ = [
    "Call",
    "DoneCall",
    "Image",
    "Input",
    "LocalServer",
    "Model",
    "ModelError",
    "Part",
    "Refusal",
    "Round",
    "Said",
    "ScriptedModel",
    "Stop",
    "Text",
    "Turn",
    "Upstream",
    "Usage",
]
