"""Ask the system to let the loop's thread run as soon as it wakes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from collections.abc import Iterator

SLICE_NS = 100_000  # a hop's work is of this size; the usual slice is some ms
_SET_ATTRIBUTES = {"x86_64": 314, "aarch64": 274}  # numbers of the system call sched_setattr
_USUAL = 0  # gives the thread back the system's own slice


class _Attributes(ctypes.Structure):
    """``struct sched_attr`` of Linux."""

    _fields_ = (
        ("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64), ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64), ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )  # fmt: skip


@contextlib.contextmanager
def short_slices() -> Iterator[None]:
    """For this thread, within the block: run at once when woken, for a short while at a time.

    Linux 6.12 and later lets a thread that asks for short slices run before one that is in the middle of a long one;
    its share of the processor stays the same, so it needs no right that a user lacks and starves nobody. On a core
    that others keep busy, the parameter model's thread among them, the loop otherwise waits for their slice to end.
    Elsewhere this does nothing.
    """
    asked = _ask_for(SLICE_NS)
    try:
        yield
    finally:
        if asked:
            _ask_for(_USUAL)


def short_slices_taken() -> bool:
    """Whether this system takes the request; asked for this thread, and given back at once."""
    asked = _ask_for(SLICE_NS)
    if asked:
        _ask_for(_USUAL)
    return asked


def _ask_for(slice_ns: int) -> bool:
    """Whether the system took the request; a thread under another policy than the usual one is left alone."""
    call = _SET_ATTRIBUTES.get(platform.machine())
    if sys.platform != "linux" or call is None:
        return False
    try:
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return False
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        attributes = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, 0, nice, 0, slice_ns, 0, 0)
        answer = ctypes.CDLL(None).syscall(ctypes.c_long(call), 0, ctypes.byref(attributes), 0)
    except (OSError, AttributeError):
        return False
    return bool(answer == 0)
