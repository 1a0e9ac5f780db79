"""Answers outside of threads and runs: Chat Completions and Responses, from the same models."""
