"""The step in which a person looks at the units, and keeps or drops them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ...models.waveforms import average_file
from ...stream.decoder_file import Decoder, Unit, read_decoder
from ...stream.errors import OptionError
from ...stream.filter import CausalFilter
from ...stream.pipeline import Pipeline
from ..commands.decode import decode
from ..whole_file import written_whole
from .calibrating import recorded
from .checking import Progress
from .folder import ALL_DECODER, DECODER, TARGET, UNITS, SessionFolder
from .reduced import HOP, kept_units, write_without
from .unit_page import UnitSeen, unit_page

# What makes one look twice at a unit; of experts' habits (SIL 0.9: Negro et al. 2016), no limits of physiology.
LEAST_SIL, MOST_VARIATION, FASTEST_HZ, FEWEST = 0.9, 0.4, 40.0, 20


@dataclass(frozen=True)
class Units:
    """All units of a session, seen.

    Attributes
    ----------
    decoder : Decoder
        With all of them.
    emg : ndarray of float32, shape (samples, channels), uV
        Its channels of the recording.
    seen : list of UnitSeen
    level : ndarray of float64, shape (points, 2), or None
    """

    decoder: Decoder
    emg: NDArray[np.float32]
    seen: list[UnitSeen]
    level: NDArray[np.float64] | None


def look(folder: SessionFolder, progress: Progress, say: Callable[[str], None]) -> Units:
    """Decode the recording with the decoder of all units, average their waveforms, draw them.

    Raises
    ------
    OptionError
        Nothing was calibrated yet.
    """
    known = folder.needs("calibrate", "decoder").result
    decoder = read_decoder(folder.path / ALL_DECODER)
    if decoder.sha256 != known["sha256"]:
        raise OptionError(f'"{folder.path / ALL_DECODER}" is not what was calibrated here: calibrate again')
    source = recorded(folder, say)
    places = [source.index.index(channel) for channel in decoder.info.channels.index]
    emg = np.ascontiguousarray(source.emg[:, places])
    trains = decode(emg, Pipeline(decoder, HOP), HOP, lambda share: progress(0.5 * share, "decoding"))
    progress(0.5, "waveforms")
    filtered = emg.copy()
    CausalFilter(decoder.info.filter.sections, filtered.shape[1])(filtered)
    ordered = [trains[unit] for unit in sorted(trains)]
    averages = average_file(filtered, ordered, decoder.info.fs_hz, joint=True)
    seen = [
        UnitSeen(unit, train, average[0])
        for unit, train, average in zip(decoder.info.units, ordered, averages, strict=True)
    ]
    units = Units(decoder, emg, seen, _level(folder))
    draw(folder, units)
    progress(1.0, "")
    return units


def keep(folder: SessionFolder, units: Units, drop: Collection[int]) -> dict[str, Any]:
    """Write the decoder without the units in `drop`, numbers of the decoder with all; draw what became of each.

    Returns
    -------
    dict
        As `session review --json` says it.

    Raises
    ------
    OptionError
    """
    started = time.perf_counter()
    kept = kept_units(units.decoder, drop)
    path = folder.path / DECODER
    if drop:
        decoder, trains = write_without(units.decoder, drop, units.emg, path)
        after = [len(trains[unit]) for unit in range(len(kept))]
        sha256 = decoder.sha256
    else:
        with written_whole(path) as temporary:
            shutil.copyfile(folder.path / ALL_DECODER, temporary)
        after, sha256 = [len(units.seen[unit].train) for unit in kept], units.decoder.sha256
    fate = {was: f"kept, unit {now} of {DECODER}" for now, was in enumerate(kept)}
    seen = [replace(one, fate=fate.get(one.unit.id, "dropped")) for one in units.seen]
    draw(folder, replace(units, seen=seen))
    rows = [
        unit_numbers(one) | {"now": kept.index(one.unit.id) if one.unit.id in kept else None} for one in units.seen
    ]  # fmt: skip
    result = {
        "decoder": str(path), "sha256": sha256, "units": rows, "kept": kept, "dropped": sorted(set(drop)),
        "discharges_after": after,
    }  # fmt: skip
    stored = {name: result[name] for name in ("sha256", "kept", "dropped")}
    folder.finish("review", time.perf_counter() - started, {"drop": sorted(set(drop))}, stored)
    return result


def unit_numbers(seen: UnitSeen) -> dict[str, Any]:
    """A unit's quality."""
    unit, snr_db = seen.unit, seen.average.snr_db
    return {
        "unit": unit.id, "sil": unit.sil, "pnr_db": unit.pnr_db, "rate_hz": unit.rate_hz, "cov_isi": unit.cov_isi,
        "discharges": len(seen.train), "peak_to_peak_uv": seen.peak_to_peak_uv,
        "snr_db": snr_db if np.isfinite(snr_db) else None, "look_at": doubts(unit, len(seen.train)),
    }  # fmt: skip


def doubts(unit: Unit, discharges: int) -> list[str]:
    """Why one would look at a unit twice."""
    found = [
        (unit.sil < LEAST_SIL, f"SIL below {LEAST_SIL:g}"),
        (unit.cov_isi > MOST_VARIATION, f"intervals vary by more than {100 * MOST_VARIATION:.0f} %"),
        (unit.rate_hz > FASTEST_HZ, f"faster than {FASTEST_HZ:.0f}/s"),
        (discharges < FEWEST, f"fewer than {FEWEST} discharges"),
    ]
    return [why for true, why in found if true]


def unit_table(units: Units, drop: Collection[int] = ()) -> Table:
    """The units, for a person."""
    table = Table(title="Units")
    for name in ("unit", "SIL", "PNR (dB)", "1/s", "variation", "discharges", "µV", "look at it", ""):
        table.add_column(name, justify="left" if name in ("look at it", "") else "right")
    now = 0
    for one in units.seen:
        told = unit_numbers(one)
        gone = one.unit.id in drop
        fate = "" if not drop else "dropped" if gone else f"now {now}"
        now += not gone
        table.add_row(
            str(told["unit"]), f"{told['sil']:.3f}", f"{told['pnr_db']:.1f}", f"{told['rate_hz']:.1f}",
            f"{told['cov_isi']:.2f}", str(told["discharges"]), f"{told['peak_to_peak_uv']:.0f}",
            ", ".join(told["look_at"]), fate, style="dim" if gone else "",
        )  # fmt: skip
    return table


def draw(folder: SessionFolder, units: Units) -> None:
    """A picture of every unit; those of an earlier calibration go."""
    place, info = folder.path / UNITS, units.decoder.info
    place.mkdir(exist_ok=True)
    for old in place.glob("unit-*.svg"):
        old.unlink()
    geometry, seconds = info.channels.geometry(), len(units.emg) / info.fs_hz
    for one in units.seen:
        page = unit_page(one, geometry, info.fs_hz, seconds, units.level, folder.chosen.subject)
        with written_whole(place / f"unit-{one.unit.id:02d}.svg") as temporary:
            temporary.write_text(page, encoding="utf-8", newline="\n")


def _level(folder: SessionFolder) -> NDArray[np.float64] | None:
    """Time and level of the contraction, where they are at hand."""
    try:
        table = np.loadtxt(folder.path / TARGET, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError):
        return None
    return table[:, [0, 2]] if table.ndim == 2 and table.shape[1] == 3 and len(table) else None
