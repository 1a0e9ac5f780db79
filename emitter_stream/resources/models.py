"""``client.models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.model_info import ModelInfo
from ._api import Resource, parted
from ._page import SinglePage
from ._params import CallParams
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Models"]


class Models(Resource):
    """The models that the server has."""

    def retrieve(self, /, model: str, **options: Unpack[CallParams]) -> ModelInfo:
        """Get a model by its name. Node: ``models.retrieve``."""
        path = url_path("/models/{}", model)
        return self._api.fetch(ModelInfo, "GET", path, extras=parted(options)[1])

    def list(self, /, **options: Unpack[CallParams]) -> SinglePage[ModelInfo]:
        """List the models. Node: ``models.list``."""
        return self._api.fetch_list(ModelInfo, "/models", extras=parted(options)[1])
