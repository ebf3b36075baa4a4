"""The report of `estimate`: a page with the pool's table and pictures, then every unit's."""

from __future__ import annotations

import os
from collections.abc import Callable

from . import report_page as words
from .estimation import Pool, UnitEstimate
from .recording import Recording
from .report_drawing import as_image, drawing
from .report_pool import firing_figure, pool_figure
from .report_unit import unit_figure
from .report_windows import windows_figure
from .whole_file import written_whole


def write_report(
    path: str | os.PathLike[str],
    pool: Pool,
    recording: Recording,
    decoder_name: str,
    progress: Callable[[float, str], None] = lambda share, note: None,
) -> None:
    """Write the report: one HTML file with its pictures inside, there whole or not at all.

    The same pool gives the same bytes.

    Parameters
    ----------
    path : path
    pool : Pool
    recording : Recording
        What it was estimated from.
    decoder_name : str
        File name of the decoder.
    progress : callable, optional
        Told the share done and what is drawn.
    """
    parts = [words.heading(pool, recording, decoder_name)]
    has_force = recording.force is not None
    parts.append(words.table(pool, recording.force_unit, has_force))
    with drawing():
        progress(0.0, "pool")
        parts.append(as_image(pool_figure(pool, recording), "Innervation zones and conduction velocities of all units"))
        parts.append(as_image(firing_figure(pool, recording), "Discharges of all units over time"))
        for number, unit in enumerate(pool.units):
            progress((number + 0.5) / len(pool.units), f"unit {unit.unit}")
            parts.append(words.unit_words(unit))
            parts += _pictures(unit, pool, recording)
    text = words.page(f"Motor units of {recording.path.name if recording.path else 'recording'}", parts)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    progress(1.0, "")


def _pictures(unit: UnitEstimate, pool: Pool, recording: Recording) -> list[str]:
    parts = []
    if unit.whole.average.discharges and len(pool.array.geometry):
        figure = unit_figure(unit, pool.array, pool.method)
        parts.append(
            as_image(
                figure, f"Unit {unit.unit}: waveform over the array, arrival times, and the model's reconstruction"
            )
        )
    if unit.windows:
        over_time = windows_figure(unit, recording, pool.method)
        if over_time is None:
            parts.append("<p class='faint'>No stretch of it has a number.</p>")
        else:
            parts.append(as_image(over_time, f"Unit {unit.unit}: parameters over stretches of the recording"))
    return parts
