"""The bench of bad neighbours, with few of each; that it ends, counts right, and leaves no process."""

import os
import threading
import time

import numpy as np
import pytest
import zmq

from myodrive.stream.control import Control
from myodrive.stream.errors import MessageError
from myodrive.stream.messages import decode_request
from myodrive.tools import bench_neighbours as bench
from myodrive.tools.hostile_frames import oversized, request
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


def test_no_hostile_request_is_a_word_of_ours():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        parts = request(rng)
        if len(parts) == 1:
            with pytest.raises(MessageError) as caught:
                decode_request(parts[0])
            assert len(str(caught.value)) < 300


def test_requests_are_the_same_for_the_same_seed():
    first, second = ([request(np.random.default_rng(5)) for _ in range(3)] for _ in range(2))
    assert first == second
    assert len(oversized(np.random.default_rng(0))[0]) > 16_384


def test_every_hostile_request_is_answered_with_a_refusal(tended):
    control, address = tended
    stop = threading.Event()

    def tend():
        while not stop.wait(0.0005):
            control.tend()

    thread = threading.Thread(target=tend)
    thread.start()
    try:
        found = bench._bombard(address, 3000, 0, bench.silent)
    finally:
        stop.set()
        thread.join()
    assert found["frames"] >= 3000
    assert found["refused"] == found["requests"]
    assert found["accepted"] == found["unanswered"] == 0


@pytest.mark.skipif(os.name != "posix", reason="no process can be stopped here")
def test_stopped_subscribers_account_for_every_message(monkeypatch):
    monkeypatch.setattr(bench, "STOPPED_MESSAGES", 20_000)
    monkeypatch.setattr(bench, "CATCH_UP_S", 1.0)
    found = bench._stopped(4, bench.silent)
    assert found["all_accounted_for"]
    assert found["missed"] > 0


def test_damaged_files_are_counted(tmp_path):
    found = bench._files(tmp_path, 9, bench.silent)
    for kind in ("decoder", "parameters", "recording"):
        assert found[kind]["files"] == found[kind]["read"] + found[kind]["refused"] == 3
        assert found[kind]["otherwise"] == {}
        assert found[kind]["killed_the_reader"] == 0


def test_a_silent_reader_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "FILE_S", 0.1)
    monkeypatch.setattr(bench, "PATIENCE_S", 0.0)
    monkeypatch.setattr(bench, "_told", lambda *rest: True)
    began = time.monotonic()
    found = bench._of_one_kind("recording", bench.BUNDLED, 2, tmp_path, lambda share: None)
    assert found["killed_the_reader"] == found["of_these_told_in_one_sentence"] == 2
    assert time.monotonic() - began < 60
