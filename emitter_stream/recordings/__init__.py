"""Streams written to a file and played again."""
