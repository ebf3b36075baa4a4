"""What artefacts and faults of a second make of a contraction: false discharges, with the guard and without it.

A decoder is made of the first part of a recording. In the second, the same fault comes every few seconds; whatever the
same decoder does not find where there is no fault is false.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from ..export.decoder import write_decoder
from ..models.calibration import calibrate
from ..stream.cancel import CancellingDetector
from ..stream.decoder_file import Decoder, read_decoder
from ..stream.detect import Detector
from ..stream.guard import Guard
from ..stream.pipeline import Pipeline
from .bench_channels import simulate_muscle
from .calibration_source import from_file
from .faults import Fault, FaultPlan
from .hdf5_reading import read_recording
from .recording import BUNDLED
from .score import TOLERANCE_S

FAULTS = {
    "cable, 2 mV": "artefact@{at}:1", "cable, 0.5 mV": "artefact@{at}:1,uv=500",
    "mains, 3 mV": "mains@{at}:1,uv=3000", "mains, 0.3 mV": "mains@{at}:1",
    "2 electrodes pop": "pop@{at}:1,channels={two}", "2 electrodes loose": "noise@{at}:0.05,channels={two}",
    "4 swapped": "swap@{at}:1,channels={four}", "4 flat": "flat@{at}:1,channels={four}",
    "4 saturated": "saturated@{at}:1,channels={four}", "4 noise": "noise@{at}:1,channels={four}",
}  # fmt: skip
FIRST_S, EVERY_S, AFTER_S = 2.0, 4.0, 0.05  # a fault begins; what it leaves behind in the filters
HOP, CHUNK = 64, 8
Progress = Callable[[float, str], None]


class _Unguarded(Guard):
    """Lets everything pass."""

    def sieve(self, detector: Detector | CancellingDetector) -> int:
        return detector.count


@dataclass
class Decoded:
    """Discharges in order, whether each could be acted on, and whether each hop could."""

    unit: NDArray[np.int64]
    sample: NDArray[np.int64]
    valid: NDArray[np.bool_]
    valid_hops: NDArray[np.bool_]


def artefacts(
    recording: str | None = None, seed: int = 0, progress: Progress = lambda share, word: None
) -> dict[str, Any]:
    """Every fault on the second part of a recording.

    Parameters
    ----------
    recording : str, optional
        By default a simulated one and the bundled.
    seed : int
    progress : callable, optional
    """
    with tempfile.TemporaryDirectory() as folder:
        if recording is not None:
            return {"sets": [_measured(Path(recording), Path(folder), seed, progress)]}
        path = Path(folder) / "simulated.h5"
        simulate_muscle(path)
        sets = [
            _measured(path, Path(folder), seed, lambda share, word: progress(0.5 * share, word)),
            _measured(BUNDLED, Path(folder), seed, lambda share, word: progress(0.5 + 0.5 * share, word)),
        ]
    return {"sets": sets}


def _measured(path: Path, folder: Path, seed: int, progress: Progress) -> dict[str, Any]:
    recording = read_recording(path)
    fs_hz, half = recording.fs_hz, recording.samples // 2
    progress(0.0, "calibrating")
    found = calibrate(from_file(str(path), None, None, 0.0, half / fs_hz))
    write_decoder(folder / "decoder.onnx", found.info, windows=found.windows, **found.matrices)
    decoder = read_decoder(folder / "decoder.onnx")
    emg = np.ascontiguousarray(recording.emg[half:, found.info.channels.index])
    clean = decoded(emg, decoder, guarded=False)
    guarded = decoded(emg, decoder)
    rows = []
    for i, (name, text) in enumerate(FAULTS.items()):
        progress((i + 1) / (len(FAULTS) + 1), name)
        spoiled, within = with_fault(emg, fs_hz, text, seed)
        rows.append(
            {"fault": name, **_compared(clean, decoded(spoiled, decoder, guarded=False), "without", within, fs_hz)}
        )
        rows[-1] |= _compared(clean, decoded(spoiled, decoder), "guarded", within, fs_hz)
    return {
        "recording": path.name, "channels": emg.shape[1], "units": len(found.info.units), "seconds": len(emg) / fs_hz,
        "discharges": len(clean.unit), "held_back_without_fault": len(clean.unit) - len(guarded.unit),
        "valid_share_without_fault": _settled_share(guarded.valid_hops, fs_hz), "rows": rows,
    }  # fmt: skip


def decoded(emg: NDArray[np.float32], decoder: Decoder, guarded: bool = True) -> Decoded:
    """Decode `emg`, float32 (samples, channels) in uV; bad channels are masked."""
    pipeline = Pipeline(decoder, HOP)
    if not guarded:
        info = decoder.info
        level = np.array([(unit.threshold, unit.spike_height) for unit in info.units], np.float32).T
        pipeline.guard = _Unguarded(level[0], level[1], info.fs_hz, info.detector.lookahead, HOP)
    unit, sample, valid, hops = [], [], [], []
    for first in range(0, len(emg), HOP):
        pipeline(emg[first : first + HOP], first)
        found = pipeline.detector
        unit += found.unit[: found.count].tolist()
        sample += found.sample[: found.count].tolist()
        valid += [pipeline.valid_at(at + found.lookahead) for at in found.sample[: found.count].tolist()]
        hops.append(pipeline.valid_at(first + pipeline.samples - 1))
    pipeline.close()
    return Decoded(np.array(unit, np.int64), np.array(sample, np.int64), np.array(valid, np.bool_), np.array(hops))


def with_fault(
    emg: NDArray[np.float32], fs_hz: float, text: str, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A copy of `emg` with the fault every few seconds, each on channels drawn anew; and where it lasts."""
    rng = np.random.default_rng(seed)
    begins = np.arange(FIRST_S, len(emg) / fs_hz - 1.5, EVERY_S)
    faults = []
    for at in begins.tolist():
        drawn = [str(c) for c in rng.choice(emg.shape[1], 4, replace=False).tolist()]
        faults.append(Fault.parse(text.format(at=at, two="+".join(drawn[:2]), four="+".join(drawn))))
    plan = FaultPlan(faults, fs_hz, emg.shape[1], CHUNK, seed)
    held = np.zeros((len(faults), emg.shape[1]), np.float32)
    within = np.zeros(len(emg), np.bool_)
    for fault in faults:
        within[fault.first(fs_hz) : int(fault.end(fs_hz))] = True
    return np.ascontiguousarray(plan.spoil(0, emg.copy(), held)), within


def false_ones(clean: Decoded, spoiled: Decoded, tolerance: int) -> NDArray[np.bool_]:
    """Which discharges have none of the same unit in `clean` within `tolerance` samples."""
    false = np.ones(len(spoiled.unit), np.bool_)
    for unit in np.unique(spoiled.unit):
        true = np.sort(clean.sample[clean.unit == unit])
        own = spoiled.unit == unit
        if len(true):
            after = np.searchsorted(true, spoiled.sample[own]).clip(0, len(true) - 1)
            near = np.minimum(
                np.abs(true[after] - spoiled.sample[own]), np.abs(true[(after - 1).clip(0)] - spoiled.sample[own])
            )
            false[own] = near > tolerance
    return false


def _compared(clean: Decoded, spoiled: Decoded, name: str, within: NDArray[np.bool_], fs_hz: float) -> dict[str, float]:
    tolerance, after = round(TOLERANCE_S * fs_hz), round(AFTER_S * fs_hz)
    around = within.copy()
    for shift in range(1, after + 1):
        around[shift:] |= within[:-shift]
    seconds = within.sum() / fs_hz
    false = false_ones(clean, spoiled, tolerance) & around[spoiled.sample]
    missed = false_ones(spoiled, clean, tolerance) & around[clean.sample]
    return {
        f"{name}_false_per_s": float(false.sum() / seconds),
        f"{name}_false_valid_per_s": float((false & spoiled.valid).sum() / seconds),
        f"{name}_missed_share": float(missed.sum() / max(1, around[clean.sample].sum())),
        f"{name}_valid_share": float(spoiled.valid_hops[within[::HOP][: len(spoiled.valid_hops)]].mean()),
    }


def _settled_share(valid_hops: NDArray[np.bool_], fs_hz: float) -> float:
    return float(valid_hops[round(0.5 * fs_hz / HOP) :].mean())


def tables(result: dict[str, Any]) -> list[Table]:
    """For a person."""
    shown = []
    for one in result["sets"]:
        table = Table(
            title=f"{one['recording']}: {one['units']} units, {one['seconds']:.0f} s; without a fault "
            f"{one['held_back_without_fault']} of {one['discharges']} discharges held back, drive valid "
            f"{100 * one['valid_share_without_fault']:.1f} %",
            box=box.SIMPLE_HEAD,
        )
        for name in ("fault", "false /s", "guarded", "valid", "missed %", "guarded", "drive valid %"):
            table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=True)
        for row in one["rows"]:
            table.add_row(
                row["fault"], f"{row['without_false_per_s']:.1f}", f"{row['guarded_false_per_s']:.1f}",
                f"{row['guarded_false_valid_per_s']:.1f}",
                f"{100 * row['without_missed_share']:.0f}", f"{100 * row['guarded_missed_share']:.0f}",
                f"{100 * row['guarded_valid_share']:.0f}",
            )  # fmt: skip
        shown.append(table)
    return shown
