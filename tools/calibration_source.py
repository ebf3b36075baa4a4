"""What to calibrate on: a recording file, or some seconds of a live stream."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..models.calibration import CalibrationInput
from ..stream.errors import OptionError, RecordingError
from ..stream.finder import MISSING_S, missing, open_stream, resolve, several
from ..stream.geometry import Geometry
from ..stream.source_info import SourceInfo, names_no_unit, own_labels
from .grids import grid
from .positions import geometry_at
from .recording_reader import read_apart
from .stream_blocks import FIND_S, blocks

HOP = 64
SECOND_S = 1.0  # for another stream of the same name to show itself


def from_file(
    path: str,
    channels: list[int] | None,
    grid_name: str | None,
    start_s: float = 0.0,
    end_s: float | None = None,
    bad: Sequence[int] = (),
    say: Callable[[str], None] = lambda text: None,
    part: str | None = None,
) -> CalibrationInput:
    """A recording, or some of its channels and time.

    Parameters
    ----------
    path : str
    channels : list of int or None
        Numbers of the file, or of the stream that it says it holds channels of; all by default.
    grid_name : str or None
        Overrides the places that the file gives; entry n of the grid belongs to the n-th selected channel.
    start_s, end_s : float
        The part to use, s.
    bad : sequence of int
        Channels that may hold what is no number: they will be left out.
    say : callable
        Takes each line of text on what reading the file took for granted.
    part : str or None
        Which stream, array or recording of a file that holds several.
    """
    recording = read_apart(path, allow_nan=True, need_places=grid_name is None, part=part)
    for note in recording.notes:
        say(note)
    numbers = recording.numbers
    index = list(numbers) if channels is None else channels
    _check_selection(index, numbers, f'"{path}"')
    places = [numbers.index(c) for c in index]
    geometry = recording.geometry.select(np.array(places)) if grid_name is None else _grid_for(grid_name, len(index))
    own = recording.labels is not None and own_labels(recording.labels)
    labels = [recording.labels[c] for c in places] if recording.labels is not None and own else None
    end_s = recording.duration_s if end_s is None else min(end_s, recording.duration_s)
    if not 0 <= start_s < end_s:
        raise OptionError(
            f'nothing of "{path}", {recording.duration_s:.1f} s long, lies between {start_s:g} s and {end_s:g} s: '
            "give a start before the end"
        )
    stretch = slice(round(start_s * recording.fs_hz), round(end_s * recording.fs_hz))
    sound = [place for place, c in zip(places, index, strict=True) if c not in bad]
    refuse_what_is_no_number(recording.emg[stretch], sound, path, numbers)
    return CalibrationInput(
        emg=np.ascontiguousarray(recording.emg[stretch, places]),
        fs_hz=recording.fs_hz,
        geometry=geometry,
        index=index,
        stream_channels=recording.channels if recording.in_stream is None else recording.in_stream.channels,
        labels=labels,
        montage=recording.montage,
        source_sha256=hashlib.sha256(recording.emg if Path(path).is_dir() else Path(path).read_bytes()).hexdigest(),
    )


def from_stream(
    name: str,
    seconds: float,
    channels: list[int] | None,
    grid_name: str | None,
    gain: float | None,
    progress: Callable[[float, str], None],
    say: Callable[[str], None],
    counter: int | None = None,
    bad: Sequence[int] = (),
) -> CalibrationInput:
    """Record `seconds` of a live stream.

    Parameters
    ----------
    name : str
    seconds : float
    channels : list of int or None
        All but the counter by default.
    grid_name : str or None
        Overrides the places that the stream gives.
    gain : float or None
        uV per number, where the stream does not say.
    progress, say : callable
    counter : int or None
        Channel of the stream that counts samples.
    bad : sequence of int
        Channels that will be left out; they must be among the recorded ones.

    Raises
    ------
    StreamError
        The stream does not appear, cannot be used or ends early.
    OptionError
        Neither the stream nor an option says where the electrodes are, or `bad` names a channel that is not recorded.
    """
    source = describe_stream(name, say)
    index = [c for c in range(source.channels) if c != counter] if channels is None else channels
    _check_selection(index, range(source.channels), f'stream "{name}"')
    refuse_bad_elsewhere(bad, index)
    if grid_name is None:
        geometry = geometry_of(source, np.array(index))
    else:
        geometry = _grid_for(grid_name, len(index))
        if differs(geometry, source, np.array(index)):
            say(elsewhere(grid_name, geometry, source, np.array(index)))
    if gain is None and names_no_unit(source, np.array(index)):
        say(f'stream "{name}" names no unit: its numbers are taken as uV; give --gain if they are not')
    samples = round(seconds * source.fs_hz)
    emg = np.zeros((samples, len(index)), np.float32)
    taken, lost = 0, 0
    with contextlib.closing(blocks(source, np.array(index), seconds, HOP, gain, counter)) as coming:
        for block in coming:
            emg[taken : taken + len(block.signal)] = block.signal
            taken += len(block.signal)
            lost += block.lost_before
            progress(taken / samples, f"{taken / source.fs_hz:.0f} of {seconds:g} s")
    if lost:
        say(f"{lost} samples were lost while recording; the decoder may be worse for it")
    return CalibrationInput(
        emg=emg,
        fs_hz=source.fs_hz,
        geometry=geometry,
        index=index,
        stream_channels=source.channels,
        labels=None if source.labels is None else [source.labels[c] for c in index],
        source_sha256=hashlib.sha256(emg.tobytes()).hexdigest(),
    )


def describe_stream(name: str, say: Callable[[str], None], wait_s: float = FIND_S) -> SourceInfo:
    """Look a stream up by name and read its description; which others there are is said once it is not there at once.

    Raises
    ------
    StreamError
    """
    infos = resolve(name, None, min(MISSING_S, wait_s))
    if not infos and wait_s > MISSING_S:
        say(f"{missing(name)}; still waiting")
        infos = resolve(name, None, wait_s - MISSING_S)
    if not infos:
        raise missing(name, wait_s)
    infos = resolve(name, None, SECOND_S, minimum=2) or infos
    if len({info.source_id() for info in infos}) > 1:
        raise several(name, [(info.hostname(), info.source_id()) for info in infos])
    found = open_stream(infos[0], lambda source: None)
    found.inlet.close_stream()
    return found.source


def geometry_of(source: SourceInfo, index: NDArray[np.int64]) -> Geometry:
    """Places of a stream's channels from the positions in its metadata.

    Raises
    ------
    OptionError
        The stream gives no positions, or positions that lie on no grid.
    """
    positions = None if source.positions is None else source.positions[index][:, [0, 2]]  # across and along, mm
    return geometry_at(positions, f'stream "{source.name}"')


def differs(geometry: Geometry, source: SourceInfo, index: NDArray[np.int64]) -> bool:
    """Whether a stream gives places of the channels in `index`, and others than `geometry`, wherever its origin is."""
    if source.positions is None:
        return False
    known = np.isfinite(source.positions[index][:, [0, 2]]).all(axis=1)
    if not known.any():
        return False
    said = source.positions[index][known][:, [0, 2]]  # mm
    meant = np.column_stack([geometry.across_mm(), geometry.along_mm()])[known]
    apart = said - said[0] - (meant - meant[0])
    return bool(np.abs(apart).max() > 0.25 * geometry.ied_mm)


def refuse_bad_elsewhere(bad: Sequence[int], index: Sequence[int]) -> None:
    """Refuse to leave out a channel that is not among those in `index`.

    Raises
    ------
    OptionError
    """
    for channel in bad:
        if channel not in index:
            raise OptionError(f"channel {channel} of --bad is not among the selected ones: correct the list")


def elsewhere(grid_name: str, geometry: Geometry, source: SourceInfo, index: NDArray[np.int64]) -> str:
    """The sentence for a person where a grid `differs`, with how far apart the electrodes are here and there."""
    places = source.positions[index][:, [0, 2]] if source.positions is not None else np.zeros((0, 2))
    places = places[np.isfinite(places).all(axis=1)]
    far = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))  # (place, place), mm
    between = far[far > 0]
    spacing = f"{geometry.ied_mm:g} mm apart here"
    if len(between):
        spacing += f", {between.min():.3g} mm there"
    return (
        f'stream "{source.name}" says that its electrodes lie elsewhere than {grid_name} has them ({spacing}): '
        "--grid is taken"
    )


def refuse_what_is_no_number(
    emg: NDArray[np.float32],
    places: Sequence[int],
    path: str | os.PathLike[str],
    numbers: Sequence[int] | None = None,
) -> None:
    """Refuse a recording, float32 (samples, channels), that is not finite at some of `places`.

    It tells the channels by their places, or by their `numbers` where they have others.

    Raises
    ------
    RecordingError
    """
    bad = [c if numbers is None else numbers[c] for c in places if not np.isfinite(emg[:, c]).all()]
    if bad:
        named = ", ".join(map(str, bad[:8])) + (f" and {len(bad) - 8} more" if len(bad) > 8 else "")
        raise RecordingError(
            f'"{path}" has values that are not finite (NaN or inf) in channel(s) {named}: '
            "repair the recording, calibrate without them (--bad), or, where samples are missing, on a part without"
            " a gap (--start, --end)"
        )


def _grid_for(name: str, channels: int) -> Geometry:
    geometry = grid(name)
    if len(geometry) != channels:
        raise OptionError(
            f"{name} has {len(geometry)} electrodes, {channels} channels are selected: choose them with --channels"
        )
    return geometry


def _check_selection(index: list[int], numbers: Sequence[int], where: str) -> None:
    unknown = set(index) - set(numbers)
    if unknown:
        counted = "counted from 0" if set(numbers) == set(range(len(numbers))) else "named as in their stream"
        raise OptionError(
            f"channel {max(unknown)} is not in {where}, which has {len(numbers)} ({counted}): see --channels"
        )
