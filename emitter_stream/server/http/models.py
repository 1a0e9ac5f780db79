"""`/v1/models`: any name is a model here, so the list is what programs look for in one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..store.objects import Json

_NAME = "scripted"


async def list_models(request: Request) -> Response:
    """Answer with the one model there is."""
    return JSONResponse({"object": "list", "data": [_model(_NAME)]})


async def get_model(request: Request) -> Response:
    """Answer for any name: a run or a request may name any, and is answered by the same one."""
    return JSONResponse(_model(request.path_params["model"]))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "emitter-stream"}
