"""Keeps liblsl's own log lines off the console, unless the user has configured liblsl.

liblsl takes its settings from one file. Where that exists, it is the user's (it may fence the network in), and is
left alone. Imported before anything of pylsl is called.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pylsl

_PLACES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
_FATAL_ONLY = "[log]\nlevel = -3\n"  # the rest reaches the user as states and counters


def configured_by_user() -> str | None:
    """The configuration file that liblsl reads, if there is one."""
    named = os.environ.get("LSLAPICFG")
    places = [named] if named else []
    places += [str(Path(place).expanduser()) for place in _PLACES]
    return next((place for place in places if Path(place).is_file()), None)


@functools.cache
def quieten() -> None:
    """Let liblsl say nothing short of a crash; does nothing where the user has configured it."""
    if configured_by_user() is None and hasattr(pylsl, "set_config_content"):
        pylsl.set_config_content(_FATAL_ONLY)
