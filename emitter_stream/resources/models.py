"""``client.models``."""

from __future__ import annotations

from typing import Any

from ..types.model_info import ModelInfo
from ._api import Extras, Resource
from ._page import SinglePage
from ._path import url_path

__all__ = ["Models"]


class Models(Resource):
    """The models that the server has."""

    def retrieve(
        self, /, model: str, *, extra_headers: Any = None, extra_query: Any = None, **options: Any
    ) -> ModelInfo:
        """Get a model by its name. Node: ``models.retrieve``."""
        extras = Extras(headers=extra_headers, query=extra_query, **options)
        return self._api.fetch(ModelInfo, "GET", url_path("/models/{}", model), extras=extras)

    def list(
        self, /, *, extra_headers: Any = None, extra_query: Any = None, **options: Any
    ) -> SinglePage[ModelInfo]:
        """List the models. Node: ``models.list``."""
        extras = Extras(headers=extra_headers, query=extra_query, **options)
        return self._api.fetch_list(ModelInfo, "/models", extras=extras)
