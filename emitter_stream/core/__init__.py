"""Cores: event dicts in, ``(name, arguments)`` out. No thread, clock or socket is known here."""
