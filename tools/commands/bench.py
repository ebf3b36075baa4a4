"""``myodrive bench``: the measurements that the README quotes."""

from __future__ import annotations

import argparse
import importlib.util
import os
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ...stream.errors import OptionError
from ...stream.pipeline import LONGEST_HOP
from ..console import add_json, messages, print_json, progress_bar, whole_number
from ..recording import BUNDLED

EXAMPLE = "myodrive bench latency\n  myodrive bench throughput --channels 256 --units 60 --cores 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("name", choices=["latency", "throughput", "calibration", "params"], help="what to measure")
    parser.add_argument("--full", action="store_true", help="params: 500 units a row, for hours, instead of 40")
    parser.add_argument("--channels", type=int, default=64, help="throughput: channels (%(default)s)")
    parser.add_argument("--units", type=int, default=20, help="latency, throughput: units (%(default)s)")
    parser.add_argument("--cores", type=int, default=1, help="throughput: cores to use (%(default)s)")
    parser.add_argument(
        "--hop", type=whole_number(1, LONGEST_HOP), default=8, help="latency, throughput: samples a hop (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, help="latency: how long (60); throughput: EMG in each of 5 runs (10)")
    parser.add_argument("--recording", default=str(BUNDLED), help="latency, calibration: recording (the bundled one)")
    parser.add_argument("--decoder", help="latency: a decoder of that recording, instead of calibrating")
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu", help="what runs the graph (%(default)s)")
    parser.add_argument(
        "--whitening", choices=["folded", "staged"], default="folded", help="throughput: how to whiten (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**32 - 1), default=0, help="throughput: of the synthetic stream (%(default)s)"
    )
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    for option, least, most in (("channels", 4, 1024), ("units", 1, 1000), ("cores", 1, os.cpu_count() or 1)):
        if not least <= getattr(args, option) <= most:
            raise OptionError(f"--{option} {getattr(args, option)} is out of range here: choose {least} to {most}")
    if args.seconds is not None and not 1 <= args.seconds <= 86_400:
        raise OptionError(f"--seconds {args.seconds:g} is out of range: choose 1 to 86400")
    result = {"latency": _latency, "throughput": _throughput, "calibration": _calibration, "params": _params}[
        args.name
    ](args)
    result = {"bench": args.name, **result}
    if args.json:
        print_json(result)
    elif "rows" in result:
        Console().print(params_table(result["rows"]))
    else:
        for line in lines(result):
            messages.print(line)
    return 0


def _latency(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_latency import latency

    with progress_bar("latency") as progress:
        return latency(
            seconds=args.seconds or 60.0, hop=args.hop, units=args.units, recording=args.recording,
            decoder_path=args.decoder, provider=args.provider, progress=progress,
        )  # fmt: skip


def _throughput(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_throughput import throughput

    with progress_bar("throughput") as progress:
        return throughput(
            args.channels, args.units, hop=args.hop, cores=args.cores, seconds=args.seconds or 10.0,
            provider=args.provider, whitening=args.whitening, seed=args.seed, progress=progress,
        )  # fmt: skip


def _calibration(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_calibration import calibration

    return calibration(args.recording)


def _params(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError('bench params needs PyTorch: pip install "myodrive[train]"')
    from ..bench_params import params

    with progress_bar("params") as progress:
        return params(500 if args.full else 40, args.seed + 1000, progress)


def params_table(rows: list[dict[str, Any]]) -> Table:
    """The rows of `bench params`, for a person."""
    table = Table(title="Mean absolute errors on simulated waveforms", box=box.SIMPLE_HEAD, padding=0)
    names = {
        "array": "array", "snr_db": "dB", "conductor": "conductor", "n": "n", "iz_mae_mm": "IZ mm",
        "cv_mae_m_s": "CV m/s", "iz_cover90": "IZ 90%", "cv_cover90": "CV 90%",
        "classical_iz_mae_mm": "classical IZ", "classical_cv_mae_m_s": "CV", "classical_cv_answered": "of",
        "constant_iz_mae_mm": "constant IZ", "constant_cv_mae_m_s": "CV", "ms_a_unit": "ms/unit",
    }  # fmt: skip
    for shown in names.values():
        table.add_column(shown, justify="right", no_wrap=True)
    for row in rows:
        cells = ["-" if row[name] is None else row[name] for name in names]
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells))
    return table


def lines(result: dict[str, Any], indent: str = "") -> list[str]:
    """A result as lines for a person: one value each, groups indented."""
    shown = []
    for name, value in result.items():
        if isinstance(value, dict) and all(isinstance(v, float) for v in value.values()) and len(value) < 6:
            shown.append(f"{indent}{name}: " + "  ".join(f"{k} {_number(v)}" for k, v in value.items()))
        elif isinstance(value, dict):
            shown.append(f"{indent}{name}:")
            shown += lines(value, indent + "  ")
        elif isinstance(value, list):
            shown.append(f"{indent}{name}: " + "  ".join(_number(v) for v in value))
        else:
            shown.append(f"{indent}{name}: {_number(value)}")
    return shown


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
