"""One name for each route: what Azure's clients, and a trailing slash, put around it."""

from __future__ import annotations

import re

_AZURE = re.compile(r"/openai(?:/deployments/([^/]+))?(?:/v1)?(/.*)")


def plain_path(path: str) -> tuple[str, str | None]:
    """Return the path as this server's routes have it, and the deployment that it named, if any.

    `/openai/deployments/NAME/chat/completions`, `/openai/responses` and `/openai/v1/responses` are
    what Azure has for `/v1/...`.
    """
    deployment = None
    azure = _AZURE.fullmatch(path)
    if azure is not None:
        deployment, path = azure[1], f"/v1{azure[2]}"
    return path.rstrip("/") or "/", deployment
