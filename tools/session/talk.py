"""Questions to a person, each with an answer that holds where nobody is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from ...stream.errors import MyodriveError
from ..console import messages

Answer = TypeVar("Answer")


class Talk:
    """Asks on the terminal.

    Parameters
    ----------
    asks : bool
        False takes the usual answer to every question without asking.
    """

    def __init__(self, asks: bool) -> None:
        self.asks = asks

    def say(self, line: str) -> None:
        """A line for the person; nothing where nobody is asked."""
        if self.asks:
            messages.print(line)

    def ask(self, question: str, usual: str) -> str:
        """A line of text, or the usual one for an empty line.

        Raises
        ------
        KeyboardInterrupt
            The input has ended.
        """
        if not self.asks:
            return usual
        messages.print(f"{question} [{usual}] " if usual else f"{question} ", end="")
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line.strip() or usual

    def yes(self, question: str, usual: bool = True) -> bool:
        """Yes or no."""
        while True:
            said = self.ask(f"{question} (y/n)", "y" if usual else "n").lower()
            if said[:1] in ("y", "n"):
                return said[0] == "y"
            messages.print("answer y or n")

    def until(self, question: str, usual: str, read: Callable[[str], Answer], *refusals: type[Exception]) -> Answer:
        """What `read` makes of an answer; asked again while it refuses, where somebody is asked."""
        while True:
            try:
                return read(self.ask(question, usual))
            except (MyodriveError, *refusals) as error:
                if not self.asks:
                    raise
                messages.print(str(error))
