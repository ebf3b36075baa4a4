"""``myodrive decode``: a recording through the live code, as fast as it goes."""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from ...stream.decoder_file import Decoder, read_decoder
from ...stream.errors import MismatchError
from ...stream.pipeline import Pipeline
from ..calibration_source import refuse_what_is_no_number
from ..console import add_json, add_overwrite, add_part, check_output, messages, print_json, progress_bar
from ..events import write_events
from ..recording import Recording
from ..recording_reader import read_apart

EXAMPLE = "myodrive decode recording.h5 --decoder decoder.onnx -o events.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", help="recording (.h5, or what `convert` reads)")
    add_part(parser)
    parser.add_argument("--decoder", required=True, help="decoder file, as `myodrive calibrate` writes it")
    parser.add_argument("-o", "--output", required=True, help="events.tsv to write")
    parser.add_argument("--hop", type=int, default=8, help="samples decoded at a time (%(default)s)")
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu", help="what runs the graph (%(default)s)")
    parser.add_argument(
        "--whitening", choices=["folded", "staged"], default="folded",
        help="whitening as part of the filters, or a stage of its own (%(default)s)",
    )  # fmt: skip
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Decode the file and write its events."""
    check_output(args.output, args.overwrite)
    decoder = read_decoder(args.decoder)
    recording = read_apart(args.file, allow_nan=True, need_places=False, part=args.part)
    for note in recording.notes:
        messages.print(note)
    emg = selected(recording, decoder)
    pipeline = Pipeline(decoder, args.hop, provider=args.provider, whitening=args.whitening)
    started = time.perf_counter()
    with progress_bar("decoding") as progress:
        discharges = decode(emg, pipeline, args.hop, lambda share: progress(share, ""))
    seconds = time.perf_counter() - started
    write_events(args.output, discharges, recording.fs_hz, marks=recording.marks)
    spikes = sum(len(train) for train in discharges.values())
    factor = recording.duration_s / seconds
    if args.json:
        print_json(
            {
                "output": str(args.output), "units": len(discharges), "spikes": spikes, "seconds": seconds,
                "realtime_factor": factor, "hop": args.hop, "provider": pipeline.session.provider,
                "markers": len(recording.marks),
                "discharges": {str(unit): len(train) for unit, train in discharges.items()},
            }
        )  # fmt: skip
    else:
        marked = f" and {len(recording.marks)} markers" if recording.marks else ""
        messages.print(
            f"{spikes} discharges of {len(discharges)} units{marked} in {args.output}, {seconds:.2f} s, "
            f"{factor:.0f}x real time"
        )
    return 0


def selected(recording: Recording, decoder: Decoder) -> NDArray[np.float32]:
    """The decoder's channels of a recording, shape (samples, channels), uV.

    Raises
    ------
    MismatchError
        The recording is not of the kind that the decoder was calibrated on.
    """
    info = decoder.info
    where = f'"{recording.path}"'
    if abs(recording.fs_hz - info.fs_hz) > 1e-3 * info.fs_hz:
        raise MismatchError(
            f"{decoder.path} was calibrated at {info.fs_hz:g} Hz, {where} was recorded at {recording.fs_hz:g} Hz: "
            "choose the decoder of this recording or calibrate again"
        )
    if recording.montage != info.montage:
        raise MismatchError(
            f"{decoder.path} was calibrated on {info.montage} EMG, {where} is {recording.montage}: calibrate again"
        )
    numbers = {channel: place for place, channel in enumerate(recording.numbers)}
    unknown = set(info.channels.index) - set(numbers)
    if unknown:
        held = str(recording.channels) if recording.in_stream is None else f"only {recording.channels} of its stream"
        raise MismatchError(
            f"{decoder.path} decodes channel {max(unknown)} (counted from 0), {where} has {held}: "
            "choose the decoder of this recording or calibrate again"
        )
    index = np.array([numbers[channel] for channel in info.channels.index])
    refuse_what_is_no_number(recording.emg, index.tolist(), recording.path, recording.numbers)
    places = recording.geometry.select(index)
    if recording.places_known and not (
        np.array_equal(places.row, info.channels.row) and np.array_equal(places.col, info.channels.col)
    ):
        raise MismatchError(
            f"{decoder.path} and {where} place the channels on different electrodes: "
            "choose the decoder of this recording or calibrate again"
        )
    return np.ascontiguousarray(recording.emg[:, index])


def decode(
    emg: NDArray[np.float32], pipeline: Pipeline, hop: int, progress: object = None
) -> dict[int, NDArray[np.int64]]:
    """Discharges of every unit in `emg`, float32 (samples, channels) in uV, taken `hop` samples at a time."""
    units = pipeline.sources.shape[1]
    found_units: list[NDArray[np.int64]] = []
    found_samples: list[NDArray[np.int64]] = []
    report_every = max(1, len(emg) // hop // 50) * hop
    for first in range(0, len(emg), hop):
        pipeline(emg[first : first + hop], first)
        count = pipeline.detector.count
        if count:
            found_units.append(pipeline.detector.unit[:count].copy())
            found_samples.append(pipeline.detector.sample[:count].copy())
        if callable(progress) and first % report_every == 0:
            progress(first / len(emg))
    unit = np.concatenate(found_units or [np.zeros(0, np.int64)])
    sample = np.concatenate(found_samples or [np.zeros(0, np.int64)])
    return {m: sample[unit == m] for m in range(units)}
