"""What bad channels cost: units found with the filters as they were, and with filters solved for the channels left.

A decoder is made of the first part of a recording. In the second, channels go bad one second in and stay so. Scored is
all from that instant on, the part of a second until other filters take over included, and once more from half a second
later. On a simulated recording the trains
are held to the truth, on a real one to those of the same decoder while nothing is bad.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from ..export.decoder import write_decoder
from ..models.calibration import calibrate
from ..models.matching import agree
from ..stream.decoder_file import Decoder, read_decoder
from ..stream.mask_worker import AtOnce, Masks, Never
from ..stream.pipeline import Pipeline
from ..stream.stages import StageMaker
from .calibration_source import from_file
from .grids import grid
from .hdf5_reading import read_recording
from .recording import BUNDLED
from .score import MAX_SHIFT_S, TOLERANCE_S
from .simulated_file import write_simulation

KINDS = ("flat", "saturated", "noise", "nan")
LOST = (4, 8, 16)
HOP = 8
LATER_S = 0.5
WAYS = ("naive", "masked", "masked_later")
CLEAN_S = 1.0  # at the start of the second part
RAIL_UV, HUM_UV, NOISE_TIMES = 2000.0, 10_000.0, 20.0
SIMULATED = {"seed": 116, "units": 40, "level": 15.0, "snr_db": 25.0, "seconds": 60.0}
Trains = list[NDArray[np.int64]]
Progress = Callable[[float, str], None]


def bad_channels(emg: NDArray[np.float32], kind: str, channels: list[int], start: int, fs_hz: float) -> None:
    """Break channels of `emg`, float32 (samples, channels) in uV, from sample `start` on, in place.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    kind : {"flat", "saturated", "noise", "nan"}
        The last value for ever; hum far beyond the rails; broadband noise in place of the EMG; no number.
    channels : list of int
    start : int
    fs_hz : float
    """
    rng = np.random.default_rng(1)
    t = np.arange(len(emg) - start) / fs_hz
    for c in channels:
        part = emg[start:, c]
        if kind == "flat":
            part[:] = part[0]
        elif kind == "saturated":
            part[:] = np.clip(HUM_UV * np.sin(2 * np.pi * 50.0 * t + c), -RAIL_UV, RAIL_UV)
        elif kind == "noise":
            part[:] = rng.normal(0.0, NOISE_TIMES * float(emg[:start, c].std()), len(part))
        else:
            part[:] = np.nan


def decoded(
    emg: NDArray[np.float32], decoder: Decoder, masks: Callable[[StageMaker], Masks]
) -> tuple[Trains, list[tuple[int, int]]]:
    """Discharges of every unit, and (sample, channels left out) of every exchange of the filters."""
    pipeline = Pipeline(decoder, HOP, masks=masks)
    unit, sample, swaps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
    for first in range(0, len(emg), HOP):
        pipeline(emg[first : first + HOP], first)
        found = pipeline.detector
        unit.append(found.unit[: found.count].copy())
        sample.append(found.sample[: found.count].copy())
        swaps += [(swap.sample, len(swap.channels)) for swap in pipeline.masks.swaps]
    pipeline.close()
    units, samples = np.concatenate(unit), np.concatenate(sample)
    return [samples[units == m] for m in range(len(decoder.info.units))], swaps


def rates_of_agreement(found: Trains, truth: Trains, start: int, fs_hz: float) -> list[float]:
    """RoA of every unit with its own reference, from sample `start` on."""
    tolerance, shift = round(TOLERANCE_S * fs_hz), round(MAX_SHIFT_S * fs_hz)
    late = [(one[one >= start], other[other >= start]) for one, other in zip(found, truth, strict=True)]
    return [agree(one, other, tolerance=tolerance, max_shift=shift).roa for one, other in late]


def own_references(found: Trains, trains: Trains, fs_hz: float) -> Trains:
    """Of each unit found, the true train that it agrees with best."""
    tolerance, shift = round(TOLERANCE_S * fs_hz), round(MAX_SHIFT_S * fs_hz)
    return [max(trains, key=lambda true: agree(one, true, tolerance=tolerance, max_shift=shift).roa) for one in found]


def channels(recording: str | None = None, progress: Progress = lambda share, word: None) -> dict[str, Any]:
    """Every kind of fault on 4, 8 and 16 channels drawn at random, without and with masking.

    Parameters
    ----------
    recording : str, optional
        A recording to calibrate on its first half and decode the second; by default a simulated one and the bundled.
    progress : callable, optional
    """
    with tempfile.TemporaryDirectory() as folder:
        if recording is not None:
            sets = [_measured(Path(recording), None, Path(folder), progress)]
        else:
            path = Path(folder) / "simulated.h5"
            truth = simulate_muscle(path)
            sets = [
                _measured(path, truth, Path(folder), lambda share, word: progress(0.5 * share, word)),
                _measured(BUNDLED, None, Path(folder), lambda share, word: progress(0.5 + 0.5 * share, word)),
            ]
    return {"sets": sets, "solve": [solve_seconds(64, 24, 20, 4), solve_seconds(256, 16, 60, 16)]}


def simulate_muscle(path: Path) -> Trains:
    """Write the simulated recording; its true trains."""
    from ..models.simulation.pool import PoolSettings
    from ..models.simulation.profile import Profile
    from ..models.simulation.simulator import SimulationSettings, simulate

    settings = SimulationSettings(
        seconds=SIMULATED["seconds"], pool=PoolSettings(units=int(SIMULATED["units"])),
        profile=Profile("constant", SIMULATED["level"]), snr_db=SIMULATED["snr_db"], seed=int(SIMULATED["seed"]),
    )  # fmt: skip
    simulation = simulate(settings, grid("GR08MM1305"))
    write_simulation(path, simulation)
    return simulation.trains


def _measured(path: Path, truth: Trains | None, folder: Path, progress: Progress) -> dict[str, Any]:
    recording = read_recording(path)
    fs_hz, half = recording.fs_hz, recording.samples // 2
    found = calibrate(from_file(str(path), None, None, 0.0, half / fs_hz))
    write_decoder(folder / "decoder.onnx", found.info, windows=found.windows, **found.matrices)
    decoder = read_decoder(folder / "decoder.onnx")
    emg = np.ascontiguousarray(recording.emg[half:, found.info.channels.index])
    start = round(CLEAN_S * fs_hz)
    clean, swaps = decoded(emg, decoder, AtOnce)
    if truth is None:
        references = clean
    else:
        references = own_references(clean, [train[train >= half] - half for train in truth], fs_hz)
    result: dict[str, Any] = {
        "recording": path.name, "truth": "simulated" if truth is not None else "decoded without faults",
        "channels": emg.shape[1], "units": len(clean), "scored_s": len(emg) / fs_hz - CLEAN_S,
        "exchanges_without_fault": len(swaps), "no_fault": _summed(rates_of_agreement(clean, references, start, fs_hz)),
        "rows": [],
    }  # fmt: skip
    for i, lost in enumerate(LOST):
        gone = sorted(np.random.default_rng(lost).choice(emg.shape[1], lost, replace=False).tolist())
        for j, kind in enumerate(KINDS):
            progress((len(KINDS) * i + j) / len(KINDS) / len(LOST), f"{lost} {kind}")
            broken = emg.copy()
            bad_channels(broken, kind, gone, start, fs_hz)
            naive, _ = decoded(broken, decoder, Never)
            masked, swaps = decoded(broken, decoder, AtOnce)
            whole = [sample for sample, left_out in swaps if left_out == lost]
            row = {"fault": kind, "lost": lost, "bad": gone, "masked_after_s": None}
            if whole:
                row["masked_after_s"] = (whole[0] - start) / fs_hz
            row["naive"] = _summed(rates_of_agreement(naive, references, start, fs_hz))
            row["masked"] = _summed(rates_of_agreement(masked, references, start, fs_hz))
            row["masked_later"] = _summed(rates_of_agreement(masked, references, start + round(LATER_S * fs_hz), fs_hz))
            result["rows"].append(row)
    return result


def _summed(roa: list[float]) -> dict[str, Any]:
    return {
        "roa_median": float(np.median(roa)), "roa_mean": float(np.mean(roa)), "roa_least": min(roa),
        "roa": [round(value, 4) for value in roa],
    }  # fmt: skip


def solve_seconds(channels: int, lags: int, units: int, lost: int, times: int = 7) -> dict[str, Any]:
    """Time to make the stages without some channels, by a decoder of random numbers; median and longest, s."""
    from .synthetic_decoder import synthetic_decoder

    with tempfile.TemporaryDirectory() as folder:
        decoder = synthetic_decoder(Path(folder) / "d.onnx", channels, units, 2048.0, 0, lags)
        maker = StageMaker(decoder, "folded", "cpu")
    taken = []
    for i in range(times):
        bad = np.zeros(channels, np.bool_)
        bad[np.random.default_rng(i).choice(channels, lost, replace=False)] = True
        began = time.perf_counter()
        maker(bad)
        taken.append(time.perf_counter() - began)
    return {
        "channels": channels, "lags": lags, "units": units, "lost": lost, "median_s": float(np.median(taken)),
        "longest_s": max(taken),
    }  # fmt: skip


def tables(result: dict[str, Any]) -> list[Table]:
    """For a person."""
    shown = []
    for one in result["sets"]:
        table = Table(
            title=f"{one['recording']}: RoA of {one['units']} units, median (least); without fault "
            f"{one['no_fault']['roa_median']:.3f} ({one['no_fault']['roa_least']:.3f})",
            box=box.SIMPLE_HEAD,
        )
        for name in ("channels lost", "fault", "filters as they were", "solved again", "and 0.5 s later", "after s"):
            table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=True)
        for row in one["rows"]:
            after = row["masked_after_s"]
            table.add_row(
                str(row["lost"]), row["fault"],
                *(f"{row[way]['roa_median']:.3f} ({row[way]['roa_least']:.3f})" for way in WAYS),
                "-" if after is None or math.isnan(after) else f"{after:.2f}",
            )  # fmt: skip
        shown.append(table)
    return shown
