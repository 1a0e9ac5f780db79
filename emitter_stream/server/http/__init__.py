"""Requests in, answers and events out."""
