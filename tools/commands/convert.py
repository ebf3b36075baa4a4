"""``myodrive convert``: a recording from one file format to another."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..channels import channel_list
from ..console import add_json, add_overwrite, add_part, check_output, messages, number, print_json, progress_bar
from ..formats.wanted import Wanted
from ..formats.writing import WRITTEN, writer_for
from ..recording import Recording
from ..recording_reader import read_apart

EXAMPLE = (
    "myodrive convert session.otb+ session.h5\n"
    "  myodrive convert session.xdf session.h5 --part Quattrocento --channels 0-63 --grid GR08MM1305\n"
    "  myodrive convert table.csv session.h5 --fs 2048 --unit mV --grid GR08MM1305\n"
    "  myodrive convert session.h5 dataset --subject 07 --task ramp"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "input",
        metavar="IN",
        help="recording: .h5, XDF, OTB+, OTB4, MUedit .mat, openhdemg .json, BIDS-EMG folder, EDF, BDF, .npz,"
        " .npy, .csv or a session; told by its content",
    )
    parser.add_argument("output", metavar="OUT", help=f"to write: {WRITTEN}")
    add_overwrite(parser)
    add_json(parser)
    source = parser.add_argument_group("what the input does not say itself")
    add_part(source)
    source.add_argument("--channels", type=channel_list, help="EMG channels of it, such as 0-63 (all)")
    source.add_argument("--grid", help="electrode grid, such as GR08MM1305, or a grid file")
    source.add_argument("--unit", help="unit of its numbers: uV, mV or V")
    source.add_argument("--fs", type=number(1.0, 1e6), help="samples per second, for tables")
    source.add_argument(
        "--rows", choices=["channels", "samples"],
        help="what a row of a table is (samples in text, channels in arrays)",
    )  # fmt: skip
    source.add_argument("--force", metavar="NAME", help="the channel that holds the force (where one is called so)")
    bids = parser.add_argument_group("BIDS-EMG")
    bids.add_argument("--subject", default="01", help="code of the person, never a name (%(default)s)")
    bids.add_argument("--task", default="contraction", help="what the person did, one word (%(default)s)")


def main(args: argparse.Namespace) -> int:
    """Read, write, and say what came over."""
    write = writer_for(args.output, args.subject, args.task)
    if Path(args.output).suffix:
        check_output(args.output, args.overwrite)
    wanted = Wanted(
        allow_nan=True,
        part=args.part,
        channels=None if args.channels is None else tuple(args.channels),
        grid=args.grid,
        fs_hz=args.fs,
        unit=args.unit,
        channels_first=None if args.rows is None else args.rows == "channels",
        force=args.force,
    )
    with progress_bar("reading") as progress:
        progress(0.0, str(args.input))
        recording = read_apart(args.input, wanted=wanted)
    with progress_bar("writing") as progress:
        progress(0.5, str(args.output))
        written = write(recording)
    missing = int((~np.isfinite(recording.emg)).all(axis=1).sum())
    if args.json:
        geometry = recording.geometry
        print_json(
            {
                "output": args.output, "format": written.kind, "channels": recording.channels,
                "samples": recording.samples, "fs_hz": recording.fs_hz, "missing_samples": missing,
                "grid": {"rows": geometry.grid_rows, "cols": geometry.grid_cols, "ied_mm": geometry.ied_mm},
                "units": len(recording.units), "markers": len(recording.marks), "force": recording.force is not None,
                "montage": recording.montage,
                "rounding_uv": written.rounding_uv, "left_out": list(written.left_out), "notes": list(recording.notes),
            }
        )  # fmt: skip
        return 0
    messages.print(f"{args.output}: {written.kind}, {_described(recording)}")
    for note in recording.notes:
        messages.print(note)
    if missing:
        messages.print(f"{missing} samples are missing in it ({missing / recording.fs_hz:.3f} s), kept as missing")
    if written.rounding_uv:
        messages.print(f"rounded to 24 bits: no sample differs by more than {written.rounding_uv:.2g} uV")
    if written.left_out:
        messages.print(f"not in this format and left out: {', '.join(written.left_out)}")
    return 0


def _described(recording: Recording) -> str:
    geometry = recording.geometry
    found = [
        f"{recording.duration_s:.1f} s of {recording.channels} channels at {recording.fs_hz:g} Hz",
        f"{geometry.grid_rows}x{geometry.grid_cols} electrodes {geometry.ied_mm:g} mm apart",
    ]
    if recording.units:
        found.append(f"{len(recording.units)} units")
    if recording.marks:
        found.append(f"{len(recording.marks)} markers")
    if recording.force is not None:
        found.append(f"force ({recording.force_unit or 'no unit'})")
    return ", ".join(found)
