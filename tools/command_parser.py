"""Reads the options of a command, and says of one that it does not have which was probably meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """As its base; but an option that is none is told by itself, before whatever else is wrong, and without usage."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._given = args or ()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with 2 and what is wrong."""
        unknown = self._unknown()
        if unknown is None:
            super().error(message)
        command = self.prog.rpartition(" ")[2]
        near = difflib.get_close_matches(unknown, [name for name in self._option_string_actions if len(name) > 2], 1)
        meant = f"did you mean {near[0]}? See" if near else "see"
        self.exit(2, f"{self.prog}: {unknown} is no option of {command}; {meant} `{self.prog} --help`\n")

    def _unknown(self) -> str | None:
        """The first word that looks like an option and is none, nor the beginning of one."""
        for word in self._given:
            if word == "--":
                return None
            name = word.partition("=")[0]
            if not name.startswith("-") or " " in name or not name.lstrip("-")[:1].isalpha():
                continue  # a value, a negative number among them
            known = self._option_string_actions
            if name.startswith("--"):
                if not any(option.startswith(name) for option in known):
                    return name
            elif name[:2] not in known:
                return name
        return None
