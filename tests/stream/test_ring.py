"""The ring gives back what was put in, in order, whatever the sizes, and says when it is full."""

import multiprocessing
import multiprocessing.shared_memory
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.ring import CONTROL, Ring

ROUNDS = 20_000
AGAIN = 1 << 20


def a_ring(words):
    return Ring(memoryview(bytearray(Ring.bytes_for(words))))


def a_block(number, rows, columns):
    return np.arange(number, number + rows * columns, dtype=np.float32).reshape(rows, columns)


def words_of(head, block):
    padded = np.zeros(block.size + block.size % 2, np.float32)
    padded[: block.size] = block.ravel()
    return np.concatenate([head, padded.view(np.int64)])


@settings(max_examples=200, deadline=None)
@given(
    room=st.integers(1, 60),
    steps=st.lists(
        st.one_of(st.just("pop"), st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 5))), max_size=60
    ),
)
def test_it_is_a_queue_of_bounded_size(room, steps):
    ring, queue, used = a_ring(room), deque(), 0
    for number, step in enumerate(steps):
        if step == "pop":
            found = ring.pop()
            if not queue:
                assert found is None
                continue
            wanted = queue.popleft()
            used -= 1 + len(wanted)
            np.testing.assert_array_equal(found, wanted)
            continue
        head = np.arange(number, number + step[0], dtype=np.int64)
        block = a_block(number, *step[1:])
        wanted = words_of(head, block)
        fits = used + 1 + len(wanted) <= room
        assert ring.push(head, block) is fits
        if fits:
            queue.append(wanted)
            used += 1 + len(wanted)
    while queue:
        np.testing.assert_array_equal(ring.pop(), queue.popleft())
    assert ring.pop() is None


def test_what_finds_no_room_changes_nothing():
    ring = a_ring(8)
    assert ring.push(np.array([1, 2, 3]))
    before = ring.control.copy()
    assert not ring.push(np.arange(4))
    np.testing.assert_array_equal(ring.control, before)
    np.testing.assert_array_equal(ring.pop(), [1, 2, 3])


def test_every_bit_of_a_sample_comes_through():
    bits = np.array([[0x7FC00001, 0x7F800001, 0xFFC12345, 0x80000000, 1, 0x7F7FFFFF]], np.uint32)
    ring = a_ring(20)
    assert ring.push(np.array([7]), bits.view(np.float32))
    np.testing.assert_array_equal(ring.pop()[1:].view(np.uint32), bits[0])


def test_the_sides_own_words_are_beside_the_records():
    ring = a_ring(4)
    ring.store(CONTROL - 1, -5)
    assert ring.push(np.array([1, 2, 3]))
    assert ring.load(CONTROL - 1) == -5
    np.testing.assert_array_equal(ring.pop(), [1, 2, 3])


def _write(name):
    memory = multiprocessing.shared_memory.SharedMemory(name)
    ring = Ring(memory.buf)
    number = 0
    for _ in range(AGAIN):
        rows = number % 7
        if ring.push(np.array([number, rows]), np.full((rows, 3), number, np.float32)):
            number += 1
            if number == ROUNDS:
                break
    ring.release()
    memory.close()


@pytest.mark.timeout(120)
def test_two_processes_hand_over_every_record_whole_and_in_order():
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=Ring.bytes_for(97))
    ring = Ring(memory.buf)
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(memory.name,))
    writer.start()
    number = 0
    try:
        while number < ROUNDS and (writer.is_alive() or ring.load(0) != ring.load(8)):
            words = ring.pop()
            if words is None:
                continue
            rows = number % 7
            assert words[:2].tolist() == [number, rows]
            values = words[2:].view(np.float32)[: 3 * rows]
            assert (values == number).all()
            assert len(values) == 3 * rows
            number += 1
    finally:
        writer.kill()
        writer.join(10)
        ring.release()
        memory.close()
        memory.unlink()
    assert number > ROUNDS // 100  # a writer that found no room too often ends before the last
