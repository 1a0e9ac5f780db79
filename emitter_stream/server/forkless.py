"""Keep a process from starting others, also as root, whom RLIMIT_NPROC does not bind.

A process that leaves its session and its parent cannot be found and killed for certain, so there
must be none. This is not imported by the server: it is the beginning of the program that the
interpreter's process runs, in a Python without this package.
"""

from __future__ import annotations

import os
import sys


def forbid_processes() -> bool:
    """Let the kernel refuse `fork` and its like with EAGAIN, for ever; true if it does.

    A filter on system calls, which stays over `exec` and which nobody can take away again. False
    where there is no Linux, or one without such filters, or on a kind of machine not known here.
    """
    if sys.platform != "linux":
        return False
    # The kernel's name of the machine's calls; its numbers of clone3, clone, vfork and fork.
    calls = {
        "x86_64": (0xC000003E, (435, 56, 58, 57)),
        "aarch64": (0xC00000B7, (435, 220)),
    }.get(os.uname().machine)
    if calls is None or sys.maxsize < 2**32:
        return False
    try:
        import ctypes
    except ImportError:
        return False

    class Step(ctypes.Structure):
        _fields_ = (
            ("code", ctypes.c_uint16),
            ("if_true", ctypes.c_uint8),
            ("if_false", ctypes.c_uint8),
            ("value", ctypes.c_uint32),
        )

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(Step)))

    load, equal, at_least, leave = 0x20, 0x15, 0x35, 0x06
    kind, numbers = calls
    allow, refuse = 0x7FFF0000, 0x00050000 | 11
    # Steps to jump over to the last one, which refuses; the one before it allows.
    left = len(numbers) + 1
    steps = [
        Step(load, 0, 0, 4),
        Step(equal, 0, left + 2, kind),  # another kind of calls has other numbers
        Step(load, 0, 0, 0),
        Step(at_least, left, 0, 0x40000000),  # x32's
        *(Step(equal, left - 1 - i, 0, number) for i, number in enumerate(numbers)),
        Step(leave, 0, 0, allow),
        Step(leave, 0, 0, refuse),
    ]
    program = Program(len(steps), (Step * len(steps))(*steps))
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    set_no_new_privileges, set_filter, by_program = 38, 22, 2
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4
    if prctl(set_no_new_privileges, 1, None, None, None) != 0:
        return False
    done: int = prctl(set_filter, by_program, ctypes.addressof(program), None, None)
    return done == 0
