"""The objects of chat completions, under the official Python SDK's names.

Each is a view of the JSON that was received or accumulated (``Model`` says how).
"""

from .chunk import *
from .completion import *
from .events import *
