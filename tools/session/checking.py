"""The step that looks at the channels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from .capture import blocks
from .electrodes import Electrodes, electrodes_of
from .folder import CHANNELS, SessionFolder
from .grid_picture import draw_grid
from .quality import Check, check_channels

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Checked:
    """What the step found, and on what."""

    check: Check
    electrodes: Electrodes

    def as_json(self) -> dict[str, Any]:
        """As `session check --json` says it."""
        return self.check.as_json() | {"stream": self.electrodes.source.name, "fs_hz": self.electrodes.source.fs_hz}


def check(folder: SessionFolder, seconds: float, progress: Progress, say: Callable[[str], None]) -> Checked:
    """Look at some seconds of every channel; draw them into the folder, and note what is proposed.

    Channels proposed to be left out are noted as `bad`, unless somebody has said which are.

    Raises
    ------
    StreamError, OptionError
        As `electrodes_of` and `blocks` do.
    """
    started, chosen = time.perf_counter(), folder.chosen
    electrodes = electrodes_of(chosen, say)
    taken, signals = 0.0, []
    for block in blocks(electrodes, seconds):
        signals.append(block.signal)
        taken += len(block.signal) / electrodes.source.fs_hz
        progress(taken / seconds, f"{taken:.0f} of {seconds:g} s")
    emg = np.concatenate(signals)
    found = check_channels(emg, electrodes.source.fs_hz, electrodes.geometry, electrodes.index)
    draw_grid(found, electrodes.geometry, folder.path / CHANNELS, f"Channels of {chosen.stream}, {chosen.subject}")
    before = folder.done("check")
    if chosen.bad is None or (before is not None and chosen.bad == before.result["leave_out"]):
        folder.begin(msgspec.structs.replace(chosen, bad=found.leave_out))
    result = {"words": found.count(), "leave_out": found.leave_out, "mains_hz": found.mains_hz, "notch": found.notch}
    folder.finish("check", time.perf_counter() - started, {"seconds": seconds}, result)
    return Checked(found, electrodes)
