"""The objects of the Responses API, by the official Python SDK's names (``openai.types.responses``)."""

from .content import *
from .events import *
from .items import *
from .response import *
