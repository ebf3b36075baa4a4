"""``myodrive calibrate``: find the motor units, write one decoder file."""

from __future__ import annotations

import argparse
import importlib.util
import threading
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ...export.decoder import write_decoder
from ...export.parity import preload
from ...models.calibration import Calibration, CalibrationSettings, calibrate
from ...models.separation import SearchSettings, check_length
from ...stream.decoder_file import Unit
from ...stream.errors import OptionError, ParameterModelError
from ...stream.parameter_file import ParameterFile, read_parameter_file
from ..calibration_source import from_file, from_stream, refuse_bad_elsewhere
from ..channels import channel_list
from ..console import (
    add_json,
    add_overwrite,
    add_part,
    check_output,
    messages,
    number,
    print_json,
    progress_bar,
    whole_number,
)
from ..extras import pip_install
from ..interrupt import first_interrupt_asks
from ..parameters import SHIPPED
from ..unit_picture import draw_units

if TYPE_CHECKING:
    from ...models.recorded import CalibrationInput

EXAMPLE = (
    "myodrive calibrate recording.h5 -o decoder.onnx\n  myodrive calibrate --stream emg --seconds 30 -o decoder.onnx\n"
    "  myodrive calibrate recording.h5 -o decoder.onnx --method bmiss"
)
CBSS, BMISS = "cbss", "bmiss"
LOOKAHEAD_MS = 12.0  # of bmiss
PLACES = {"iz_mm": "IZ\n(mm)", "cv_m_s": "CV\n(m/s)", "depth_mm": "depth\n(mm)", "lateral_mm": "lateral\n(mm)"}
LEAST_SHOWN_DB = -40.0  # of the misfit: less is noise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", help="recording (.h5, or what `convert` reads)")
    source.add_argument("--stream", metavar="NAME", help="calibrate on a live LSL stream instead")
    add_part(parser)
    parser.add_argument("--seconds", type=float, default=30.0, help="how much of the stream to record (%(default)s)")
    parser.add_argument("-o", "--output", required=True, help="decoder file to write (.onnx)")
    parser.add_argument(
        "--method", choices=[CBSS, BMISS], default=CBSS,
        help="how the units are found (%(default)s); bmiss: more of them, with their places in the muscle, and"
        " discharges reported later by the look-ahead; Ctrl-C ends its search with what it has found",
    )  # fmt: skip
    parser.add_argument("--model", metavar="FILE", help="bmiss: lead fields or waveforms of the person's own muscle")
    parser.add_argument(
        "--lookahead", type=number(4, 32), metavar="MS",
        help="bmiss: how long a decision waits for discharges of other units that explain a peak better"
        f" ({LOOKAHEAD_MS:g}; below 8 some units are lost, above 16 few are gained)",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="FILE", help="bmiss: draw the units where they lie in the muscle (.svg)")
    parser.add_argument("--channels", type=channel_list, help="EMG channels, such as 0-63 (all)")
    parser.add_argument("--grid", help="electrode grid, such as GR08MM1305, or a grid file (as the source says)")
    parser.add_argument("--bad", type=channel_list, default=[], help="channels to leave out, such as 3,17")
    parser.add_argument(
        "--mains", type=float, choices=[50.0, 60.0], help="notch the mains and its harmonics, Hz (none)"
    )
    parser.add_argument("--gain", type=number(1e-9, 1e9), help="uV per number, for a stream that names no unit")
    parser.add_argument(
        "--counter", type=whole_number(0, 65535), metavar="CH",
        help="stream: channel, from 0, that counts samples; what is lost is then exact",
    )  # fmt: skip
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="use the recording from here (%(default)s)"
    )
    parser.add_argument("--end", type=float, metavar="S", help="and up to here (its end)")
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="of every random draw (%(default)s)")
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Calibrate and write the decoder."""
    check_output(args.output, args.overwrite)
    if args.plot is not None:
        check_output(args.plot, args.overwrite)
    _check_method(args)
    if args.plot is not None and not args.plot.lower().endswith(".svg"):
        raise OptionError(f'"{args.plot}" is no kind of picture that is drawn here: end it in .svg')
    started = time.perf_counter()
    if args.counter is not None and args.stream is None:
        raise OptionError("--counter is for a live stream: add --stream, or leave --counter out")
    if args.part is not None and args.stream is not None:
        raise OptionError("--part is for a file: name the live stream with --stream, and leave --part out")
    if args.stream is not None:
        _check_seconds(args.seconds, args.method)
    if args.channels is not None:
        refuse_bad_elsewhere(args.bad, args.channels)
    threading.Thread(target=preload, name="preload", daemon=True).start()
    with progress_bar("recording" if args.stream else "reading") as progress:
        if args.stream is None:
            source = from_file(
                args.file, args.channels, args.grid, args.start, args.end, args.bad, messages.print, args.part
            )
        else:
            source = from_stream(
                args.stream, args.seconds, args.channels, args.grid, args.gain, progress, messages.print,
                args.counter, args.bad,
            )  # fmt: skip
    refuse_bad_elsewhere(args.bad, source.index)
    settings = CalibrationSettings(search=SearchSettings(seed=args.seed), bad=tuple(args.bad), mains_hz=args.mains)
    created_by: dict[str, object] = {
        "program": "myodrive", "version": metadata.version("myodrive"), "source": args.file or args.stream,
    }  # fmt: skip
    found = (_by_inversion if args.method == BMISS else _blindly)(source, settings, created_by, args)
    sha256 = write_decoder(
        args.output, found.info, windows=found.windows, responses=found.responses, waveforms=found.waveforms,
        **found.matrices,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if args.json:
        units = [unit_fields(unit) for unit in found.info.units]
        left_out = {str(channel): why for channel, why in found.left_out.items()}
        told = {"decoder": args.output, "sha256": sha256, "seconds": seconds, "units": units, "left_out": left_out}
        print_json(told | ({"notes": list(found.notes)} if args.method == BMISS else {}))
    else:
        messages.print(place_table(found) if args.method == BMISS else unit_table(found))
        for note in found.notes:
            messages.print(note)
        for channel, why in sorted(found.left_out.items()):
            messages.print(f"channel {channel} left out: {why}")
        messages.print(f"{len(found.info.units)} units in {args.output}, {seconds:.1f} s")
    if args.plot is not None:  # last: what cannot be drawn is told, and the decoder is there all the same
        draw_units(found.info, args.plot)
    return 0


def _check_method(args: argparse.Namespace) -> None:
    """Refuse options that do not go with the method, before the work is done."""
    if args.method == CBSS:
        for option in ("model", "lookahead", "plot"):
            if getattr(args, option) is not None:
                raise OptionError(f"--{option} is for --method bmiss: add that, or leave --{option} out")
    elif importlib.util.find_spec("torch") is None:
        raise OptionError(f"calibrate --method bmiss needs PyTorch: {pip_install('train')}")


def _check_seconds(seconds: float, method: str) -> None:
    """Refuse a recording that no decoder could be made of, before it is made."""
    if not 0 < seconds <= 3600:
        raise OptionError(f"{seconds:g} s cannot be calibrated on: give 10 to 60 s")
    if method == BMISS:
        from ...models.bmiss.calibration import check_length as check_length_to_invert

        check_length_to_invert(seconds)
    else:
        check_length(seconds)


def _blindly(
    source: CalibrationInput, settings: CalibrationSettings, created_by: dict[str, object], args: argparse.Namespace
) -> Calibration:
    """By blind source separation."""
    with progress_bar("calibrating") as progress:
        return calibrate(source, settings, lambda share, units: progress(share, f"{units} units"), created_by)


def _by_inversion(
    source: CalibrationInput, settings: CalibrationSettings, created_by: dict[str, object], args: argparse.Namespace
) -> Calibration:
    """By inversion of the muscle."""
    from ...models.bmiss.calibration import INVERSION, BmissCalibrationSettings
    from ...models.bmiss.calibration import calibrate as calibrate_by_inversion
    from ..muscle_model import read_muscle_model

    how = BmissCalibrationSettings(
        common=settings,
        inversion=replace(INVERSION, seed=args.seed),
        lookahead_ms=LOOKAHEAD_MS if args.lookahead is None else args.lookahead,
        model=None if args.model is None else read_muscle_model(args.model),
        model_name="" if args.model is None else Path(args.model).name,
        encoder=_shipped(),
    )
    with progress_bar("calibrating") as progress, first_interrupt_asks(messages.print) as wish:

        def tell(share: float, units: int) -> None:
            progress(share, f"{units} units")
            wish.check()

        return calibrate_by_inversion(source, how, tell, created_by)


def _shipped() -> ParameterFile | None:
    """The parameter model that comes along, for first guesses; what is wrong with it is told where it is asked for."""
    try:
        return read_parameter_file(SHIPPED) if SHIPPED.is_file() else None
    except ParameterModelError:
        return None


def unit_fields(unit: Unit) -> dict[str, Any]:
    """A unit's quality for --json, and its parameters where they are known."""
    names = ("sil", "pnr_db", "cov_isi", "rate_hz", "discharges", "lag_s", "threshold")
    fields = {"unit": unit.id, **{name: getattr(unit, name) for name in names}}
    return fields | ({"parameters": unit.parameters} if unit.parameters else {})


def place_table(found: Calibration) -> Table:
    """The units found and where they lie, for a person."""
    table = Table(title="Motor units", pad_edge=False)
    for name in ("unit", "SIL", "rate\n(1/s)", *PLACES.values(), "misfit\n(dB)"):
        table.add_column(name, justify="right", no_wrap=True)
    for unit in found.info.units:
        places = [_with_sd(unit.parameters.get(name, {})) for name in PLACES]
        misfit_db = unit.parameters.get("misfit_db", {}).get("value")
        table.add_row(
            str(unit.id), f"{unit.sil:.3f}", f"{unit.rate_hz:.1f}", *places,
            "-" if misfit_db is None else f"{max(misfit_db, LEAST_SHOWN_DB):.0f}",
        )  # fmt: skip
    return table


def _with_sd(entry: dict[str, float | None]) -> str:
    value, sd = entry.get("value"), entry.get("sd")
    if value is None:
        return "-"
    return f"{value:.1f}" if sd is None else f"{value:.1f}±{sd:.1f}"


def unit_table(found: Calibration) -> Table:
    """The units found, for a person."""
    table = Table(title="Motor units")
    for name in ("unit", "SIL", "PNR (dB)", "CoV of intervals", "rate (1/s)", "discharges", "lag (ms)"):
        table.add_column(name, justify="right")
    for unit in found.info.units:
        table.add_row(
            str(unit.id), f"{unit.sil:.3f}", f"{unit.pnr_db:.1f}", f"{unit.cov_isi:.2f}", f"{unit.rate_hz:.1f}",
            str(unit.discharges), f"{1e3 * unit.lag_s:.1f}",
        )  # fmt: skip
    return table
