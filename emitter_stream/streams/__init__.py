"""The streams of each API, one folder an API."""
