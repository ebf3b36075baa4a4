"""Threads that read messages into the board."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...stream.curve import ClientKeys
from ...stream.errors import AddressError
from ..subscriber import Subscriber
from .board import Board

ALWAYS = ("spikes/", "drive/", "params/", "units/", "status/")
PICTURES = ("emg/", "muaps/")
FEW = 200  # large messages that may wait to be read
LOOK_S = 0.1


class Reader:
    """A subscription, read by a thread of its own from the start until `close`.

    Parameters
    ----------
    board : Board
    topics : sequence of str
    keys : ClientKeys, optional

    Raises
    ------
    AddressError
        The board's address is none.
    """

    def __init__(self, board: Board, topics: Sequence[str], keys: ClientKeys | None) -> None:
        self._board = board
        self._missed = self._damaged = 0
        high_water = FEW if topics is PICTURES else 100_000
        self._subscriber = Subscriber(board.address, topics, keys, high_water)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"reader of {topics[0]}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell the thread to end, without waiting for it."""
        self._ending.set()

    def close(self) -> None:
        """End the thread, which lets go of the connection."""
        self._ending.set()
        self._thread.join()

    def _read(self) -> None:
        board, subscriber = self._board, self._subscriber
        try:
            while not self._ending.is_set():
                found = subscriber.receive(LOOK_S)
                missed, damaged = sum(subscriber.missed.values()), subscriber.damaged
                with board.lock:
                    if (missed, damaged) != (self._missed, self._damaged):
                        board.miss(missed - self._missed, damaged - self._damaged)
                        self._missed, self._damaged = missed, damaged
                    if found is not None:
                        try:
                            board.take(found[1])
                        except (ValueError, TypeError, OverflowError):  # fields that do not fit each other
                            board.miss(0, 1)
        except AddressError as error:
            with board.lock:
                board.refuse(str(error))
        finally:
            subscriber.close()


class Readers:
    """What is always read, and the EMG and waveforms, which are read only while a page shows them.

    Parameters
    ----------
    board : Board
    keys : ClientKeys, optional
    """

    def __init__(self, board: Board, keys: ClientKeys | None = None) -> None:
        self._board, self._keys = board, keys
        self._always = Reader(board, ALWAYS, keys)
        self._pictures: Reader | None = None
        self._ended: Reader | None = None  # it may still be letting go

    def show_pictures(self, wanted: bool) -> None:
        """Read EMG and waveforms, or cease to."""
        if wanted and self._pictures is None:
            self._close_ended()
            self._pictures = Reader(self._board, PICTURES, self._keys)
        elif not wanted and self._pictures is not None:
            self._pictures.end()
            self._pictures, self._ended = None, self._pictures

    def close(self) -> None:
        """End all threads; a socket that is left open would make Python hang at its end."""
        self._close_ended()
        for reader in (self._pictures, self._always):
            if reader is not None:
                reader.close()

    def _close_ended(self) -> None:
        if self._ended is not None:
            self._ended.close()
            self._ended = None
