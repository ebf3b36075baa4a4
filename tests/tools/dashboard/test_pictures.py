"""Packed numbers are the numbers that were packed."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myodrive.stream.messages import Emg, encode
from myodrive.tools.dashboard.load import Load
from myodrive.tools.dashboard.pictures import PictureSubscriber, _floats, matrix

FLOATS = st.floats(-1e6, 1e6, width=32)


def packed(values):
    return msgspec.Raw(msgspec.msgpack.encode(values))


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 20)), elements=FLOATS))
def test_floats_are_read_from_their_bytes(values):
    found = _floats(memoryview(packed(values.tolist())))
    assert found.dtype == np.float32
    assert np.array_equal(found, values)


@pytest.mark.parametrize("shape", [(2, 70_000), (70_000, 2), (20, 15), (15, 16), (16, 15)])
def test_every_way_to_say_how_many_is_understood(shape):
    values = np.arange(shape[0] * shape[1], dtype=float).reshape(shape)
    assert np.array_equal(_floats(memoryview(packed(values.tolist()))), values)


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], [[1.0, 2], [3.0, 4.0]], [[0.5] * 20, [1] * 20]])
def test_other_numbers_are_read_one_by_one(values):
    assert _floats(memoryview(packed(values))) is None
    assert matrix(packed(values)).tolist() == values


def test_lists_are_taken_as_they_are():
    assert matrix([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("values", [[[1.0], [1.0, 2.0]], [["a"]], "x", 3, {"a": 1}, [1.0, 2.0], [[[1.0]]], None])
def test_what_is_no_rows_of_numbers_is_refused(values):
    with pytest.raises(ValueError, match=r"rows|shape|sequence"):
        matrix(packed(values))


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(values):
    found = _floats(memoryview(values))
    assert found is None or found.ndim == 2


def test_a_subscriber_gets_them_packed_and_counts_what_it_misses(free_address):
    address = free_address()
    load, subscriber = Load(address, 16, 5), None
    try:
        subscriber = PictureSubscriber(address, ("emg/", "muaps/"))
        found = []
        while len(found) < 10:
            load.tend()
            if (one := subscriber.receive(0.002)) is not None:
                found.append(one)
        assert {kind for kind, _ in found} == {"emg", "muaps"}
        for kind, message in found:
            assert matrix(message.emg if kind == "emg" else message.waveform).shape[0] == 16
        assert subscriber.damaged == 0
        assert sum(subscriber.missed.values()) == 0
        assert subscriber.stream == "load"
        send(load, encode(Emg(first_sample=0, fs_hz=1.0, emg=[], seq=10**6, session=found[0][1].session)))
        while "emg/load" not in {str(topic) for topic in subscriber.missed}:
            subscriber.receive(0.1)
        send(load, b"\x81")
        while not subscriber.damaged:
            subscriber.receive(0.1)
    finally:
        if subscriber is not None:
            subscriber.close()
        load.close()


def send(load, body):
    """Send any bytes as EMG."""
    load._publisher._socket.send_multipart([b"emg/load", body])
