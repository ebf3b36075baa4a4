"""What Ctrl-C does: before a command begins, in the middle of somebody else's code, and in a search, which it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130  # exit code, as shells report Ctrl-C
AGAIN_S = 0.05


class Guard:
    """Ends the process in one line at Ctrl-C while nothing is begun: libraries are imported, or all is over.

    An exception would come up in the middle of somebody's import, which prints it, swallows it, or takes it for
    something else. Where Ctrl-C is ignored or already has a meaning, it keeps that.

    Attributes
    ----------
    who : str
        Whose line it is.
    """

    def __init__(self) -> None:
        self.who = "myodrive"
        self._set = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._set:
            signal.signal(signal.SIGINT, self._end)
            sys.unraisablehook = _raise_again

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Ctrl-C as KeyboardInterrupt meanwhile."""
        if not self._set:
            yield
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        os.write(2, f"{self.who}: interrupted\n".encode())
        os._exit(INTERRUPTED)


def _raise_again(swallowed: Any) -> None:
    """For sys.unraisablehook: a Ctrl-C that came while a library in C called Python is not lost, it comes once more."""
    if swallowed.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(swallowed)
        return
    again = threading.Timer(AGAIN_S, _interrupt)
    again.daemon = True
    again.start()


def _interrupt() -> None:
    """SIGINT for the main thread; elsewhere than on POSIX the system hands it over."""
    if os.name == "posix":
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


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
