"""Close a process in from within, before it runs a line of what a model wrote.

This is not imported by the server: it is the beginning of the program that the interpreter's process
runs, in a Python without this package. All of it holds for root too, for every program that the
process becomes, and for ever. Each function says whether the system did it.
"""

from __future__ import annotations

import os
import sys


def limit(bounds: dict[str, int]) -> bool:
    """Set the process's limits, soft and hard, by the names that `resource` has for them."""
    try:
        import resource
    except ImportError:
        return False
    done = True
    for name, value in bounds.items():
        # At the hard limit for CPU time it is SIGKILL, which does not say why.
        hard = value + (name == "RLIMIT_CPU")
        try:
            resource.setrlimit(getattr(resource, name), (value, hard))
        except (AttributeError, ValueError, OSError):
            done = False
    return done


def drop_rights() -> bool:
    """Give up what root may do, but for what belongs to root; no program gives it back."""
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    no_new_privileges, drop_bound, ambient, clear = 38, 24, 47, 4
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0:
        return False
    for right in range(64):
        libc.prctl(drop_bound, right, 0, 0, 0)
    libc.prctl(ambient, clear, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    done: int = libc.capset(header, (ctypes.c_uint32 * 6)())
    return done == 0


def close_files(readable: list[str], writable: list[str]) -> bool:
    """Leave these folders and files to be seen, and of all others nothing (Landlock).

    Other processes cannot be looked into either: their memory, their environment.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    syscall = libc.syscall
    syscall.argtypes = [ctypes.c_long] * 5
    create, add, restrict = 444, 445, 446
    version = syscall(create, 0, 0, 1, 0)
    if version < 1:
        return False
    last = {1: 12, 2: 13, 3: 14, 4: 14}.get(version, 15)
    everything = (1 << last + 1) - 1
    of_files, read, change = 0b1100000000000111, 0b1101, 0b1110000000000000
    network = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    handled = (ctypes.c_uint64 * 3)(everything, network, scopes)
    size = 24 if scopes else 16 if network else 8
    rules = syscall(create, ctypes.addressof(handled), size, 0, 0)
    if rules < 0:
        return False
    try:
        for paths, rights in ((readable, read), (writable, everything)):
            for path in paths:
                try:
                    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                except OSError:
                    continue
                allowed = rights & everything
                if not os.path.isdir(path):
                    allowed &= of_files
                if path == "/dev/null":
                    allowed |= (2 | change) & of_files & everything
                rule = allowed.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
                found = syscall(
                    add, rules, 1, ctypes.addressof(ctypes.create_string_buffer(rule)), 0
                )
                os.close(place)
                if found != 0:
                    return False
        return bool(syscall(restrict, rules, 0, 0, 0) == 0)
    finally:
        os.close(rules)


def forbid_calls() -> bool:
    """Let the kernel refuse what reaches beyond this process: a filter on system calls.

    No process and no thread is started (a process that leaves its session and its parent could not be
    found and killed for certain), no socket made but pairs, no other process touched, nothing
    mounted, no memory shared. To set a file's mode, owner or time
    looks as if it had worked: no folder bounds these calls.
    """
    machines = {
        "x86_64": (
            0xC000003E,
            {
                "start": (435, 56, 58, 57),  # clone3, clone, vfork, fork
                # Of modes, owners, times and attributes.
                "pretend": (
                    *(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280),
                    *(188, 189, 190, 463, 197, 198, 199, 466),
                ),
                # socket, io_uring's three, ptrace, process_vm_*, shmget, semget, msgget, memfd_create,
                # bpf, userfaultfd, perf_event_open, keys' three, mount, unshare, setns, pidfd_*,
                # tkill, rt_*sigqueueinfo, mknod, mknodat, setpriority, sched_set*, ioprio_set, mq_open
                "refuse": (
                    *(41, 425, 426, 427, 101, 310, 311, 29, 64, 68, 319, 321, 323, 298),
                    *(248, 249, 250, 165, 272, 308, 434, 438, 424, 200, 129, 297, 133, 259),
                    *(141, 144, 203, 142, 314, 251, 240),
                ),
                "looked at": (62, 234, 302, 72, 16),
            },
        ),
        "aarch64": (
            0xC00000B7,
            {
                "start": (435, 220),
                "pretend": (52, 53, 452, 54, 55, 88, 5, 6, 7, 463, 14, 15, 16, 466),
                "refuse": (
                    *(198, 425, 426, 427, 117, 270, 271, 194, 190, 186, 279, 280, 282, 241),
                    *(217, 218, 219, 40, 97, 268, 434, 438, 424, 130, 138, 240, 33),
                    *(140, 119, 122, 118, 274, 30, 180),
                ),
                "looked at": (129, 131, 261, 25, 29),
            },
        ),
    }
    found = machines.get(os.uname().machine) if sys.platform == "linux" else None
    if found is None or sys.maxsize < 2**32:
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
    kind, calls = found
    allow, error = 0x7FFF0000, 0x00050000
    again, not_permitted = 11, 1
    steps = [
        Step(load, 0, 0, 4),
        Step(equal, 1, 0, kind),  # another kind of calls has other numbers
        Step(leave, 0, 0, error | again),
        Step(load, 0, 0, 0),
        Step(at_least, 0, 1, 0x40000000),  # x32's
        Step(leave, 0, 0, error | again),
    ]
    for group, answer in (("start", again), ("pretend", 0), ("refuse", not_permitted)):
        for number in calls[group]:
            steps += [Step(equal, 0, 1, number), Step(leave, 0, 0, error | answer)]
    # By what they are called with, of which the lower half is enough: whom to signal, which command.
    me = os.getpid()
    kill, tgkill, prlimit, fcntl, ioctl = calls["looked at"]
    # fcntl's and ioctl's are of those that let the kernel signal others, or type into a terminal.
    looked_at = (
        *((kill, 0, (me,), True), (tgkill, 0, (me,), True), (prlimit, 0, (me, 0), True)),
        *((fcntl, 1, (8, 15), False), (ioctl, 1, (0x8901, 0x8902, 0x5412), False)),
    )
    low = 0 if sys.byteorder == "little" else 4
    for number, argument, values, is_right in looked_at:
        ends = [Step(leave, 0, 0, allow), Step(leave, 0, 0, error | not_permitted)]
        steps += [
            Step(equal, 0, len(values) + 3, number),
            Step(load, 0, 0, 16 + 8 * argument + low),
            # To the last step if it is one of these, to the one before if it is not.
            *(Step(equal, len(values) - i, 0, value) for i, value in enumerate(values)),
            *(ends[::-1] if is_right else ends),
        ]
    steps.append(Step(leave, 0, 0, allow))
    program = Program(len(steps), (Step * len(steps))(*steps))
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    no_new_privileges, set_filter, by_program = 38, 22, 2
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4
    if prctl(no_new_privileges, 1, None, None, None) != 0:
        return False
    done: int = prctl(set_filter, by_program, ctypes.addressof(program), None, None)
    return done == 0
