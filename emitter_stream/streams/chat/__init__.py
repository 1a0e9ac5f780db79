"""Streams of chat completions, and of runs of tools over several of them."""
