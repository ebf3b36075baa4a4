"""Short slices: asked for within the block alone, and nothing else of the thread is touched."""

import ctypes
import os
import platform
import sys

import pytest

from myodrive.stream import scheduling
from myodrive.stream.scheduling import SLICE_NS, short_slices


def slice_ns():
    """What the kernel says of this thread's slice; 0 where it does not say."""
    call = {"x86_64": 315, "aarch64": 275}.get(platform.machine())
    if sys.platform != "linux" or call is None:
        return 0
    found = scheduling._Attributes()
    size = ctypes.sizeof(found)
    ctypes.CDLL(None).syscall(ctypes.c_long(call), 0, ctypes.byref(found), size, 0)
    return found.runtime


def test_within_the_block_slices_are_short_and_after_it_as_before():
    before = slice_ns()
    with short_slices():
        if before:
            assert slice_ns() == SLICE_NS
    assert slice_ns() == before


@pytest.mark.skipif(sys.platform != "linux", reason="there is nothing to touch elsewhere")
def test_policy_and_priority_stay():
    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    with short_slices():
        assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_an_error_within_the_block_ends_it_too():
    before = slice_ns()
    with pytest.raises(KeyError), short_slices():
        raise KeyError
    assert slice_ns() == before


@pytest.mark.parametrize("machine", ["riscv64", "AMD64", ""])
def test_on_another_machine_nothing_is_asked_for(monkeypatch, machine):
    monkeypatch.setattr(scheduling.platform, "machine", lambda: machine)
    assert not scheduling._ask_for(SLICE_NS)
