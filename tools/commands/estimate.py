"""``myodrive estimate``: parameters of every unit of a recording."""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path

from rich import box
from rich.table import Table

from ...stream.decoder_file import read_decoder
from ...stream.errors import OptionError
from ...stream.parameter_file import ParameterFile, read_parameter_file
from ...stream.pipeline import Pipeline
from ..console import add_json, add_overwrite, add_part, check_output, messages, print_json, progress_bar, show
from ..estimation import Pool, Stretch, UnitEstimate, estimate
from ..estimation_methods import METHODS, has_torch, usual_method
from ..extras import pip_install
from ..parameter_trial import try_apart
from ..parameters import NONE, SHIPPED
from ..recording_reader import read_apart
from ..whole_file import written_whole
from .decode import decode, selected

EXAMPLE = "myodrive estimate recording.h5 --decoder decoder.onnx --table pool.tsv --report pool.html"
HOP = 64
OF_STRETCH = (
    "iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd", "depth_mm", "depth_mm_sd", "classical_iz_mm", "classical_cv_m_s",
    "encoder_iz_mm", "encoder_cv_m_s", "peak_to_peak_uv", "snr_db", "spikes_used",
)  # fmt: skip
OF_UNIT = ("cov_isi", "recruited_at", "derecruited_at")
COLUMNS = ("unit", "start_s", "end_s", "force", *OF_STRETCH, "rate_hz", *OF_UNIT, "reason")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", help="recording (.h5, or what `convert` reads)")
    add_part(parser)
    parser.add_argument("--decoder", required=True, help="decoder file, as `myodrive calibrate` writes it")
    parser.add_argument(
        "--method", choices=METHODS,
        help="inversion of the physics (needs PyTorch), the parameter model, or classical estimators; by default the "
        "first of them that can be had here",
    )  # fmt: skip
    parser.add_argument(
        "--params", metavar="MODEL", help='parameter model (.onnx) for the encoder (the shipped one), "none" for none'
    )
    parser.add_argument("--window", type=float, metavar="S", help="also over stretches of this length")
    parser.add_argument(
        "--table", metavar="TSV", help="write one row a unit, and one for each stretch, for models of the muscle"
    )
    parser.add_argument("--report", metavar="HTML", help="write a page with the pool and a picture of every unit")
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Decode the file, average every unit's waveform, estimate, and print."""
    if args.window is not None and not (math.isfinite(args.window) and args.window >= 1.0):
        raise OptionError(f"a window of {args.window:g} s is too short to average in: give 1 s or more")
    for path in filter(None, (args.table, args.report)):
        check_output(path, args.overwrite)
    if args.report is not None and importlib.util.find_spec("matplotlib") is None:
        raise OptionError(f"--report draws with Matplotlib, which is not installed here: {pip_install('plot')}")
    method, model = method_and_model(args.method, args.params)
    decoder = read_decoder(args.decoder)
    if model is not None and args.params is not None:
        try_apart(model, decoder.info)
    recording = read_apart(args.file, allow_nan=True, part=args.part)
    for note in recording.notes:
        messages.print(note)
    emg = selected(recording, decoder)
    with progress_bar("decoding") as progress:
        discharges = decode(emg, Pipeline(decoder, HOP), HOP, lambda share: progress(share, ""))
    with progress_bar("estimating") as progress:
        pool = estimate(recording, decoder, emg, discharges, args.window, method, model, progress)
    if args.table:
        _write_table(args.table, pool)
    if args.report:
        from ..report import write_report

        with progress_bar("drawing") as progress:
            write_report(args.report, pool, recording, Path(args.decoder).name, progress)
    if args.json:
        print_json(
            {
                "units": [one.as_json() for one in pool.units], "method": method, "force_unit": recording.force_unit,
                "bad_channels": [{"channel": channel, "reason": why} for channel, why in sorted(pool.bad.items())],
                "table": args.table, "report": args.report,
            }
        )  # fmt: skip
    else:
        _show(pool, recording.force_unit)
    return 0


def method_and_model(method: str | None, path: str | None) -> tuple[str, ParameterFile | None]:
    """The method to use, and the parameter model where it or the comparison needs one.

    Raises
    ------
    OptionError
        What was asked for cannot be had here.
    ParameterModelError
        The model's file cannot be used.
    """
    if path not in (None, NONE) and method == "classical":
        raise OptionError("--params names a model that --method classical has no use for: leave one of them out")
    if path is None and SHIPPED.is_file():
        path = str(SHIPPED)
    path = None if path == NONE else path
    method = method or usual_method(path is not None)
    if method == "physics" and not has_torch():
        raise OptionError(
            f"inverting the physics needs PyTorch: {pip_install('train')}, or --method encoder or classical"
        )
    if method == "encoder" and path is None:
        raise OptionError("no parameter model is at hand: name one with --params, or choose another --method")
    return method, None if path is None or method == "classical" else read_parameter_file(path)


def _write_table(path: str, pool: Pool) -> None:
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for unit in pool.units:
            for stretch in (unit.whole, *unit.windows):
                fields = _fields(unit, stretch)
                file.write("\t".join(_cell(fields.get(name)) for name in COLUMNS) + "\n")


def _fields(unit: UnitEstimate, stretch: Stretch) -> dict[str, object]:
    """Everything of one row; what belongs to the unit and not to a stretch stands in the row of the whole."""
    fields: dict[str, object] = {"unit": unit.unit, "start_s": stretch.start_s, "end_s": stretch.end_s}
    fields |= stretch.as_json() | {"rate_hz": stretch.rate_hz}
    if stretch is unit.whole:
        whole = unit.as_json()
        fields |= {name: whole[name] for name in OF_UNIT}
    return fields


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _show(pool: Pool, force_unit: str) -> None:
    table = Table(title="Motor-unit parameters", caption="± one standard deviation", box=box.SIMPLE_HEAD, padding=0)
    names = ("unit", "IZ mm", "CV m/s", "depth mm", "size uV", "SNR dB", "spikes", "1/s", f"recruited {force_unit}")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for one in pool.units:
        whole = one.whole
        number, snr = whole.number, whole.average.snr_db
        table.add_row(
            str(one.unit), _with_sd(number("iz_mm"), number("iz_mm_sd"), 1),
            _with_sd(number("cv_m_s"), number("cv_m_s_sd"), 2), _with_sd(number("depth_mm"), number("depth_mm_sd"), 0),
            f"{whole.peak_to_peak_uv:.0f}", f"{snr:.0f}" if math.isfinite(snr) else "-", str(whole.average.discharges),
            "-" if one.rate_hz is None else f"{one.rate_hz:.1f}",
            "-" if one.recruited_at is None else f"{one.recruited_at:.1f}",
        )  # fmt: skip
    show(table)
    for channel, why in sorted(pool.bad.items()):
        messages.print(f"channel {channel} left out: {why}")
    if force_unit and (early := [str(one.unit) for one in pool.units if one.fires_at_start]):
        messages.print(f"not known when recruited, the recording begins while they fire: unit {', '.join(early)}")
    for one in pool.units:
        if one.whole.answer.reason:
            messages.print(f"unit {one.unit}: {one.whole.answer.reason}")


def _with_sd(value: float | None, sd: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")
