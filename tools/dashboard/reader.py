"""Threads that read messages into the board."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

from ...stream.curve import ClientKeys
from ...stream.errors import AddressError
from ...stream.messages import Message
from ..subscriber import Subscriber
from .board import Board
from .pictures import PictureSubscriber

ALWAYS = ("spikes/", "drive/", "params/", "units/", "status/", "signal/")
PICTURES = ("emg/", "muaps/")
FEW = 200  # large messages that may wait to be read
MOST = 500  # messages taken at a time: frames wait meanwhile
LOOK_S = 0.1
GATHER_S = 0.02  # messages are taken together, or each would wake us beside the pipeline


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
        if topics is PICTURES:
            self._subscriber: Subscriber = PictureSubscriber(board.address, topics, keys, FEW)
        else:
            self._subscriber = Subscriber(board.address, topics, keys)
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
                first = subscriber.receive(LOOK_S)
                with board.lock:
                    if first is not None:
                        self._take(first[1])
                    for _, message in itertools.islice(subscriber.waiting(), MOST):
                        self._take(message)
                    self._count()
                    board.stream = subscriber.stream or board.stream
                self._ending.wait(GATHER_S)
        except AddressError as error:
            with board.lock:
                board.refuse(str(error))
        finally:
            subscriber.close()

    def _take(self, message: Message) -> None:
        try:
            self._board.take(message)
        except (ValueError, TypeError, OverflowError):  # fields that do not fit each other
            self._board.miss(0, 1)

    def _count(self) -> None:
        missed, damaged = sum(self._subscriber.missed.values()), self._subscriber.damaged
        if (missed, damaged) != (self._missed, self._damaged):
            self._board.miss(missed - self._missed, damaged - self._damaged)
            self._missed, self._damaged = missed, damaged


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
