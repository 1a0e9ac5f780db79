"""The asyncio side of the engine: the same rules on an event loop."""
