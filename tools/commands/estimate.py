"""``myodrive estimate``: parameters of every unit of a recording."""

from __future__ import annotations

import argparse
import importlib.util
import math

from rich import box
from rich.console import Console
from rich.table import Table

from ...stream.decoder_file import read_decoder
from ...stream.errors import OptionError
from ...stream.pipeline import Pipeline
from ..console import add_json, messages, print_json, progress_bar
from ..estimation import METHODS, UnitEstimate, estimate
from ..recording import read_recording
from ..whole_file import written_whole
from .decode import decode, selected

EXAMPLE = "myodrive estimate recording.h5 --decoder decoder.onnx --table pool.tsv"
HOP = 64
COLUMNS = (
    "unit", "iz_mm", "iz_mm_sd", "cv_m_s", "cv_m_s_sd", "classical_iz_mm", "classical_cv_m_s", "peak_to_peak_uv",
    "snr_db", "spikes_used", "rate_hz",
    "cov_isi", "recruited_at", "derecruited_at",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", help="recording (.h5)")
    parser.add_argument("--decoder", required=True, help="decoder file, as `myodrive calibrate` writes it")
    parser.add_argument(
        "--method", choices=METHODS, default="physics" if has_torch() else "classical",
        help="inversion of the physics (needs PyTorch), or classical estimators (%(default)s here)",
    )  # fmt: skip
    parser.add_argument("--window", type=float, metavar="S", help="also over stretches of this length")
    parser.add_argument("--table", metavar="TSV", help="write one row a unit, for models of the muscle")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Decode the file, average every unit's waveform, estimate, and print."""
    if args.window is not None and not (math.isfinite(args.window) and args.window >= 1.0):
        raise OptionError(f"a window of {args.window:g} s is too short to average in: give 1 s or more")
    if args.method == "physics" and not has_torch():
        raise OptionError('inverting the physics needs PyTorch: pip install "myodrive[train]", or --method classical')
    decoder = read_decoder(args.decoder)
    recording = read_recording(args.file, allow_nan=True)
    emg = selected(recording, decoder)
    with progress_bar("decoding") as progress:
        discharges = decode(emg, Pipeline(decoder, HOP), HOP, lambda share: progress(share, ""))
    with progress_bar("estimating") as progress:
        found = estimate(recording, decoder, emg, discharges, args.window, args.method, progress)
    if args.table:
        _write_table(args.table, found)
    if args.json:
        print_json(
            {"units": [one.as_json() for one in found], "method": args.method, "force_unit": recording.force_unit}
        )
    else:
        _show(found, recording.force_unit)
    return 0


def has_torch() -> bool:
    """Whether PyTorch is installed, without loading it."""
    return importlib.util.find_spec("torch") is not None


def _write_table(path: str, found: list[UnitEstimate]) -> None:
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join((*COLUMNS, "reason")) + "\n")
        for one in found:
            fields = one.as_json()
            file.write("\t".join(_cell(fields[name]) for name in (*COLUMNS, "reason")) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _show(found: list[UnitEstimate], force_unit: str) -> None:
    table = Table(title="Motor-unit parameters", caption="± one standard deviation", box=box.SIMPLE_HEAD, padding=0)
    names = ("unit", "IZ mm", "CV m/s", "depth mm", "size uV", "SNR dB", "spikes", "1/s", f"recruited {force_unit}")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        p = one.whole
        table.add_row(
            str(one.unit), _with_sd(p.iz_mm, p.iz_mm_sd, 1), _with_sd(p.cv_m_s, p.cv_m_s_sd, 2),
            _with_sd(p.more.get("depth_mm"), p.more.get("depth_mm_sd"), 0),
            f"{p.peak_to_peak_uv:.0f}", "-" if p.snr_db is None else f"{p.snr_db:.0f}", str(p.spikes_used),
            "-" if one.rate_hz is None else f"{one.rate_hz:.1f}",
            "-" if one.recruited_at is None else f"{one.recruited_at:.1f}",
        )  # fmt: skip
    Console().print(table)
    for one in found:
        if one.whole.reason:
            messages.print(f"unit {one.unit}: {one.whole.reason}")


def _with_sd(value: float | None, sd: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")
