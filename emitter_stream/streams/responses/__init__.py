"""Streams of the Responses API: each event by its own name, as in the Node SDK's ``ResponseStream``."""
