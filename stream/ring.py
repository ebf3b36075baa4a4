"""A bounded ring of records in shared memory: one process writes, one reads, neither ever waits for the other.

Everything is counted in words of 8 bytes. A record is its length in words, the words of its head, and a block of
float32. The writer copies a record in and then moves `HEAD` on; the reader copies it out and then moves `TAIL` on.
Both counters only grow, and each has one writer. They are stored with release and loaded with acquire, which is what
keeps the copy before the count on ARM; on x86 it costs nothing. A record that finds no room is not written.

Before the records lie `CONTROL` words: the two counters, each with a cache line of its own, and words that both sides
may use for what else they have to tell (one writer each).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

HEAD, TAIL = 0, 8
CONTROL = 256
WORD = 8
NO_BLOCK = np.zeros((0, 0), np.float32)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Address of word `args[1]` of the array `args[0]`, as a pointer to 64 bits."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(64).as_pointer())


def _typed_load(typing: Any, array: Any, place: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_address(context, builder, signature, args), "acquire", WORD)

    return types.int64(array, types.intp), codegen


def _typed_store(typing: Any, array: Any, place: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _address(context, builder, signature, args), "release", WORD)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


_load_acquire: Any = intrinsic(_typed_load)
_store_release: Any = intrinsic(_typed_store)


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def load(control, place):  # type: ignore[no-untyped-def]
    """A word of `control` that the other side writes, and with it all that it wrote before."""
    return _load_acquire(control, place)


@njit("void(int64[::1], int64, int64)", cache=True, nogil=True)
def store(control, place, value):  # type: ignore[no-untyped-def]
    """Set a word of `control` that the other side reads, after all that was written before."""
    _store_release(control, place, value)


@njit("boolean(int64[::1], int64[::1], float32[::1], int64[::1], float32[:, ::1])", cache=True, nogil=True)
def push(control, words, floats, head, block):  # type: ignore[no-untyped-def]
    """Write a record, or nothing where it finds no room; `floats` is the same memory as `words`."""
    length = len(words)
    needed = 1 + len(head) + (block.size + 1) // 2
    written = control[HEAD]
    if written - _load_acquire(control, TAIL) + needed > length:
        return False
    place = written % length
    words[place] = needed
    place += 1
    for i in range(len(head)):
        if place == length:
            place = 0
        words[place] = head[i]
        place += 1
    if place == length:
        place = 0
    at = 2 * place
    for t in range(block.shape[0]):
        for c in range(block.shape[1]):
            if at == 2 * length:
                at = 0
            floats[at] = block[t, c]
            at += 1
    if block.size % 2:  # the other half of the last word
        floats[at] = 0.0
    _store_release(control, HEAD, written + needed)
    return True


@njit("int64(int64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def pop(control, words, out):  # type: ignore[no-untyped-def]
    """Copy the oldest record, without its length, into `out` and free its room; the words copied, 0 for no record."""
    length = len(words)
    read = control[TAIL]
    if _load_acquire(control, HEAD) == read:
        return 0
    place = read % length
    needed = words[place]
    for i in range(needed - 1):
        place += 1
        if place == length:
            place = 0
        out[i] = words[place]
    _store_release(control, TAIL, read + needed)
    return needed - 1


class Ring:
    """The ring in a buffer of bytes; one side calls `push`, the other `pop`.

    Parameters
    ----------
    buffer : buffer
        Zeros at first, shared memory where the sides are processes; its size gives the room.

    Attributes
    ----------
    control : ndarray of int64, shape (CONTROL,)
        Words from 16 on are the sides' own.
    """

    def __init__(self, buffer: memoryview) -> None:
        room = len(buffer) // WORD - CONTROL
        self.control = np.frombuffer(buffer, np.int64, CONTROL)
        self._words = np.frombuffer(buffer, np.int64, room, CONTROL * WORD)
        self._floats = self._words.view(np.float32)
        self._out = np.zeros(room, np.int64)

    @staticmethod
    def bytes_for(words: int) -> int:
        """Size of a buffer with room for `words`."""
        return (CONTROL + words) * WORD

    def push(self, head: NDArray[np.int64], block: NDArray[np.float32] = NO_BLOCK) -> bool:
        """Write a record, head (words,) and block (rows, columns); False where it finds no room."""
        return bool(push(self.control, self._words, self._floats, head, block))

    def pop(self) -> NDArray[np.int64] | None:
        """The oldest record's words, a view that the next call overwrites; None for no record."""
        words = pop(self.control, self._words, self._out)
        return self._out[:words] if words else None

    def load(self, place: int) -> int:
        """A word of `control` that the other side writes."""
        return int(load(self.control, place))

    def store(self, place: int, value: int) -> None:
        """Set a word of `control` that the other side reads."""
        store(self.control, place, value)

    def release(self) -> None:
        """Let go of the buffer; nothing may be called afterwards."""
        empty = np.zeros(0, np.int64)
        self.control = self._words = empty
        self._floats = empty.view(np.float32)
