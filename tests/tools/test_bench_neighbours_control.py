"""Hostile requests are refused, every one."""

import threading

import pytest
import zmq

from myodrive.stream.control import Control
from myodrive.tools import bench_neighbours_control as bench
from myodrive.tools.bench_neighbours_pipeline import silent
from myodrive.tools.ports import free_port_pair


@pytest.fixture
def tended():
    """A control socket in this process and its address; `tend` is to be called."""
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    context = zmq.Context()
    control = Control(context, address, lambda word: {"state": "live"})
    yield control, address
    control.close()
    context.term()


def test_every_hostile_request_is_answered_with_a_refusal(tended):
    control, address = tended
    stop = threading.Event()

    def tend():
        while not stop.wait(0.0005):
            control.tend()

    thread = threading.Thread(target=tend)
    thread.start()
    try:
        found = bench.bombard(address, 3000, 0, silent)
    finally:
        stop.set()
        thread.join()
    assert found["frames"] >= 3000
    assert found["refused"] == found["requests"]
    assert found["accepted"] == found["unanswered"] == 0
