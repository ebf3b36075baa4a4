"""Writes a recording as a BIDS-EMG data set: 24-bit BDF, its sidecars, and the discharges as events.

BIDS (bids-specification.readthedocs.io, "Electromyography"): `x` runs across the grid's columns and `y` along its rows,
mm from row 0 and column 0. BDF holds whole numbers only, so missing samples are written as zeros and listed in the
events, event type `missing-samples`, from which `bids_reading` makes NaN again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stream.errors import OptionError, RecordingError
from ..events import Missing, write_events
from ..grids import name_of
from ..recording import Recording
from .edf import step_of, write_bdf

BIDS_VERSION = "1.11.0"  # the first with EMG
FORCE = "force"
SPACE = "grid1"
LONGEST_LABEL = 16
MOST_GAPS = 100_000
NA = "n/a"


def write_bids(
    folder: str | os.PathLike[str], recording: Recording, subject: str = "01", task: str = "contraction"
) -> float:
    """Write a data set of one recording into a new or empty folder, whole or not at all.

    Parameters
    ----------
    folder : path
    recording : Recording
    subject, task : str
        Letters and digits; a subject is a code, never a name.

    Returns
    -------
    float
        The largest rounding error of a sample, uV.

    Raises
    ------
    OptionError
        The folder holds something, or a name is none that BIDS takes.
    RecordingError
    """
    folder = Path(folder)
    for what, value in (("--subject", subject), ("--task", task)):
        if not re.fullmatch(r"[0-9A-Za-z]{1,40}", value):
            raise OptionError(f'{what} "{value}" is not made of letters and digits, as BIDS wants it: change it')
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f'"{folder}" is there and not empty: give a new folder for the BIDS data set')
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        places = temporary / f"sub-{subject}" / "emg"
        places.mkdir(parents=True)
        error_uv = _write(temporary, places, recording, subject, task)
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except OSError as error:
        raise RecordingError(
            f'"{folder}" cannot be written ({error.strerror or error}): check the folder, its permissions and the free '
            "space."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return error_uv


def _write(root: Path, places: Path, recording: Recording, subject: str, task: str) -> float:
    whole = np.ascontiguousarray(recording.emg.T)  # (channels, samples)
    names = channel_names(recording)
    missing = gaps(recording.emg, names)
    signals = [np.where(np.isfinite(channel), channel, np.float32(0)) for channel in whole]
    units = ["uV"] * len(names)
    if recording.force is not None:
        if not np.isfinite(recording.force).all():
            raise RecordingError(f'"{recording.path}" has force that is not finite, which BDF cannot hold: remove it.')
        names, units = [*names, FORCE], [*units, _dimension(recording.force_unit)]
        signals.append(recording.force)
    stem = f"sub-{subject}_task-{task}"
    write_bdf(places / f"{stem}_emg.bdf", signals, names, units, recording.fs_hz)
    _json(places / f"{stem}_emg.json", _description(recording, task))
    _table(places / f"{stem}_channels.tsv", _channels(recording, names))
    _table(places / f"sub-{subject}_electrodes.tsv", _electrodes(recording, names))
    _json(places / f"sub-{subject}_space-{SPACE}_coordsystem.json", _space(recording))
    if recording.units or missing or recording.marks:
        write_events(places / f"{stem}_events.tsv", recording.units, recording.fs_hz, missing, recording.marks)
        _json(places / f"{stem}_events.json", EVENTS)
    _json(root / "dataset_description.json", _data_set(recording))
    _table(root / "participants.tsv", [["participant_id"], [f"sub-{subject}"]])
    (root / "README").write_text("Surface EMG, written by myodrive (`myodrive convert`).\n", encoding="utf-8")
    return max(rounding_uv(signal) for signal in signals[: recording.channels])


def rounding_uv(signal: NDArray[np.float32]) -> float:
    """How far a sample that is read back may be from the one written: half a step, and half of float32's own."""
    return step_of(signal) / 2 + float(np.spacing(np.abs(signal).max())) / 2


EVENTS: dict[str, Any] = {
    "sample": {"Description": "Sample number of the event, from 0"},
    "unit_id": {"Description": "Number of the motor unit that discharged"},
    "event_type": {
        "Description": "What happened",
        "Levels": {
            "motor-unit-spike": "A discharge of the motor unit",
            "marker": "Something was marked while recording: a cue, a trial, a pulse",
            "missing-samples": "The recording lacks samples for as long as this lasts, zeros stand for them",
        },
    },
    "trial_type": {"Description": "What was marked; n/a: the row is no marker"},
    "channel": {"Description": "The channel that lacks the samples; n/a: all of them do"},
}  # fmt: skip


def gaps(emg: NDArray[np.float32], names: list[str]) -> list[Missing]:
    """Every run of samples that are no numbers: of all channels together, then of single ones.

    Parameters
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    names : list of str
        Of the channels.
    """
    lost = ~np.isfinite(emg)
    everywhere = lost.all(axis=1)
    found = [Missing(first, count, None) for first, count in _runs(everywhere)]
    lost[everywhere] = False
    for channel in np.flatnonzero(lost.any(axis=0)).tolist():
        found += [Missing(first, count, names[channel]) for first, count in _runs(lost[:, channel])]
        if len(found) > MOST_GAPS:
            raise RecordingError(f"more than {MOST_GAPS} gaps are not written: repair the recording first.")
    return found


def _runs(lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    return [(int(first), int(end - first)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def channel_names(recording: Recording) -> list[str]:
    """The channels' own labels where BDF can hold them, else E001, E002, ..."""
    own = recording.labels
    if own is not None and len(set(own)) == len(own) and FORCE not in own and all(map(_fits, own)):
        return list(own)
    return [f"E{channel + 1:03d}" for channel in range(recording.channels)]


def _fits(label: str) -> bool:
    return 0 < len(label) <= LONGEST_LABEL and label.isascii() and label.isprintable() and label == label.strip()


def _dimension(unit: str) -> str:
    return unit if unit.isascii() and unit.isprintable() and len(unit) <= 8 else ""


def _description(recording: Recording, task: str) -> dict[str, Any]:
    geometry = recording.geometry
    lost = bool(~np.isfinite(recording.emg).all())
    return {
        "TaskName": task,
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": "an electrode grid over the muscle, rows along the fibres",
        "EMGReference": recording.montage,
        "SamplingFrequency": recording.fs_hz,
        "PowerLineFrequency": NA,
        "SoftwareFilters": NA,
        "EMGChannelCount": recording.channels,
        "RecordingDuration": recording.samples / recording.fs_hz,
        "RecordingType": "discontinuous" if lost else "continuous",
        "InterelectrodeDistance": geometry.ied_mm,
        "ElectrodeManufacturersModelName": name_of(geometry) or NA,
        "GridRows": geometry.grid_rows,
        "GridColumns": geometry.grid_cols,
        "SampleCount": recording.samples,
        "ForceUnit": recording.force_unit,
        "Source": recording.source,
    }


def _channels(recording: Recording, names: list[str]) -> list[list[str]]:
    head = ["name", "type", "units", "description", "signal_electrode", "reference", "group", "target_muscle",
            "interelectrode_distance"]  # fmt: skip
    rows = [head]
    muscle = _cell(recording.muscle)
    reference = "next along the column" if recording.montage == "single-differential" else NA
    for channel in range(recording.channels):
        label = NA if recording.labels is None else _cell(recording.labels[channel])
        distance = f"{recording.geometry.ied_mm:g}"
        rows.append([names[channel], "EMG", "uV", label, names[channel], reference, SPACE, muscle, distance])
    if recording.force is not None:
        rows.append([FORCE, "MISC", _cell(recording.force_unit), "force", NA, NA, NA, NA, NA])
    return rows


def _electrodes(recording: Recording, names: list[str]) -> list[list[str]]:
    geometry = recording.geometry
    rows = [["name", "x", "y", "coordinate_system", "group"]]
    for channel in range(recording.channels):
        across, along = geometry.col[channel] * geometry.ied_mm, geometry.row[channel] * geometry.ied_mm
        rows.append([names[channel], repr(float(across)), repr(float(along)), SPACE, SPACE])
    return rows


def _space(recording: Recording) -> dict[str, Any]:
    return {
        "EMGCoordinateSystem": "Other",
        "EMGCoordinateUnits": "mm",
        "EMGCoordinateSystemDescription": "on the grid, from row 0 and column 0: x across the columns, y along the "
        f"rows, which follow the muscle fibres; {recording.geometry.grid_rows} rows, "
        f"{recording.geometry.grid_cols} columns",
    }


def _data_set(recording: Recording) -> dict[str, Any]:
    version = metadata.version("myodrive")
    found: dict[str, Any] = {
        "Name": recording.source or "Surface EMG",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "myodrive", "Version": version}],
    }
    return found | ({"License": recording.license} if recording.license else {})


def _cell(text: str) -> str:
    """Text as one cell of a table."""
    return " ".join(text.split()) or NA


def _json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _table(path: Path, rows: list[list[str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)
