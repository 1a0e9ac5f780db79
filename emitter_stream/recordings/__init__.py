"""Streams written to a file and played again. ``format`` says what stands in the file."""

from .format import FORMAT, VERSION, Entry, FilePath, Recording, dumps
from .player import Player, ReplaySource, check_speed
from .recorder import Recorder, attach_recorder

__all__ = [
    "FORMAT",
    "VERSION",
    "Entry",
    "FilePath",
    "Player",
    "Recorder",
    "Recording",
    "ReplaySource",
    "attach_recorder",
    "check_speed",
    "dumps",
]
