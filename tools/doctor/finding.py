"""One line of the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found about one thing.

    Attributes
    ----------
    name : str
    level : {"ok", "note", "problem"}
        A note may cost quality; a problem stands in the way of running.
    found : str
    remedy : str
        What to do; empty where nothing needs doing.
    """

    name: str
    level: str
    found: str
    remedy: str = ""


def ok(name: str, found: str, remedy: str = "") -> Finding:
    """All is well; a remedy then says how to have more."""
    return Finding(name, "ok", found, remedy)


def note(name: str, found: str, remedy: str) -> Finding:
    """It runs, perhaps not well."""
    return Finding(name, "note", found, remedy)


def problem(name: str, found: str, remedy: str) -> Finding:
    """It stands in the way of running."""
    return Finding(name, "problem", found, remedy)
