"""One Ctrl-C to end a search and keep what it has found, a second one to quit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Wish:
    """Whether an end has been asked for since it was last looked at."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Raise KeyboardInterrupt, once, after it has been."""
        if self.asked:
            self.asked = False
            raise KeyboardInterrupt


class _Quit(BaseException):
    """A second Ctrl-C: nobody on the way takes it for the first."""


@contextmanager
def first_interrupt_asks(say: Callable[[str], None]) -> Iterator[Wish]:
    """Take the first Ctrl-C as a wish to end soon, the second one as an order to quit.

    Off the main thread, where no signal arrives, nothing changes.

    Parameters
    ----------
    say : callable
        Told how to go on, at the first.

    Raises
    ------
    KeyboardInterrupt
        At the second.
    """
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def quit_now(number: int, frame: FrameType | None) -> None:
        raise _Quit

    def note(number: int, frame: FrameType | None) -> None:
        wish.asked = True
        signal.signal(signal.SIGINT, quit_now)
        say("ending the search with the units found so far; Ctrl-C again quits without a decoder")

    usual = signal.signal(signal.SIGINT, note)
    try:
        yield wish
    except _Quit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, usual)
