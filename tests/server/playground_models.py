"""Models that say what a test wants to see on the page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from emitter_stream.server import Call, Input, ModelError, Part, Text, Turn

HOSTILE = (
    '<img src=x onerror="document.title=\'hacked\'"><script>document.title="hacked"</script>\n\n'
    "[a link](javascript:document.title='hacked') **bold<b>x</b>** `<i>code</i>`\n\n"
    "```html\n<svg onload=alert(1)>\n```\n\n| a | <u>b</u> |\n|---|---|\n| ![x](http://evil.example/x.png) | \u202e |\n"
)


class Says:
    """Says these pieces."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    async def respond(self, turn: Turn) -> AsyncIterator[Part]:
        for piece in self.pieces:
            yield Text(piece)


class Fails:
    """Begins an answer and cannot end it."""

    async def respond(self, turn: Turn) -> AsyncIterator[Part]:
        yield Text("I was about to")
        raise ModelError("rate_limit_exceeded", f"Slow down. {HOSTILE}")


class Hostile:
    """Gives markup as a function's arguments, then as its answer."""

    async def respond(self, turn: Turn) -> AsyncIterator[Part]:
        if turn.rounds:
            for sign in HOSTILE:
                yield Text(sign)
        else:
            yield Call("function", "get_weather")
            yield Input('{"city": "</pre><img src=x onerror=alert(1)>"}')
