"""Pictures of a recorded run: what happened when, in the terminal or as a page.

``Timeline.of(recording)`` is what there is to be drawn; ``terminal.draw`` draws it with rich
(``emitter-stream[show]``), ``html.page`` as one page that needs nothing else.
"""

from .text import visible
from .timeline import Call, Lane, Timeline

__all__ = ["Call", "Lane", "Timeline", "visible"]
