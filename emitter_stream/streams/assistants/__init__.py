"""Assistants streams: runs, messages, steps and tool calls."""
