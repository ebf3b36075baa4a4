"""``myodrive bench``: the measurements that the README quotes."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
from typing import Any

from ...stream.errors import OptionError
from ...stream.hop import LONGEST_HOP
from ...stream.parameter_file import read_parameter_file
from ..console import add_json, messages, number, print_json, progress_bar, show, whole_number
from ..extras import pip_install
from ..recording import BUNDLED

EXAMPLE = (
    "myodrive bench latency\n  myodrive bench throughput --channels 256 --units 60 --cores 1\n"
    "  myodrive bench params --json > accuracy.json\n"
    "  myodrive bench bmiss --array 8x8 --snr 20"
)
USUAL_UNITS = 20  # decoded where nothing else is asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("name", choices=list(MEASURED), help="what to measure")
    parser.add_argument(
        "--full", action="store_true",
        help="params: every row, with 500 units (of EMG 200), for an hour; bmiss: every row, with 5 seeds",
    )  # fmt: skip
    parser.add_argument("--channels", type=int, default=64, help="throughput: channels (%(default)s)")
    parser.add_argument(
        "--units",
        type=int,
        help="latency, throughput, soak: units (20); params: units a row (300, of EMG 40); ablation: test units (200)",
    )
    parser.add_argument(
        "--steps", type=whole_number(1, 100_000), default=300, help="ablation: of each training (%(default)s)"
    )
    parser.add_argument("--cores", type=int, default=1, help="throughput: cores to use (%(default)s)")
    parser.add_argument(
        "--hop",
        type=whole_number(1, LONGEST_HOP),
        default=8,
        help="latency, throughput, soak: samples a hop (%(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help="latency: how long (60); throughput: EMG in each of 5 runs (10); neighbours: a round (15)",
    )
    parser.add_argument(
        "--recording", default=str(BUNDLED), help="latency, calibration, channels, artefacts, faults, rest: recording"
    )
    parser.add_argument(
        "--decoder", help="latency, neighbours, faults, rest: a decoder of that recording, instead of calibrating"
    )
    parser.add_argument(
        "--params", metavar="MODEL", help='latency, params: parameter model (the shipped one), "none" for none'
    )
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu", help="what runs the graph (%(default)s)")
    parser.add_argument(
        "--whitening", choices=["folded", "staged"], default="folded", help="throughput: how to whiten (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**32 - 1), default=0,
        help="throughput, soak, rest, artefacts: of what is simulated; recording: of the moments of killing; "
        "params, bmiss: added to that of every row (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--stages", action="store_true", help="bmiss: one muscle, each stage of the search left out in turn"
    )
    parser.add_argument("--array", help="bmiss: rows x columns of electrodes 8 mm apart, instead of 10x32")
    parser.add_argument(
        "--snr", type=noise_level, metavar="DB", help='bmiss: only this level of noise, dB, or "none"; instead of three'
    )
    parser.add_argument(
        "--generator", help='bmiss: what makes the muscle, such as "fat 2 mm", instead of what separation assumes'
    )
    parser.add_argument(
        "--deaths", type=whole_number(0, 1000), default=20, help="faults: of the amplifier (%(default)s)"
    )
    parser.add_argument("--minutes", type=number(0.05, 10_000), default=10.0, help="soak: how long (%(default)s)")
    parser.add_argument(
        "--hours-equivalent", type=number(0.01, 1000), default=1.0, metavar="H",
        help="rest: without artefacts (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--kills", type=whole_number(0, 10_000), default=50, help="recording: how often to kill (%(default)s)"
    )
    parser.add_argument(
        "--stopped", type=number(0, 600), default=14.0, metavar="S",
        help="recording: how long the recorder is stopped, 0 for not at all (%(default)s)",
    )  # fmt: skip
    add_json(parser)


def noise_level(text: str) -> float:
    """For argparse: a signal-to-noise ratio in dB, infinite for "none"."""
    return math.inf if text == "none" else number(-20.0, 100.0)(text)


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    for option, least, most in (("channels", 4, 1024), ("units", 1, 1000), ("cores", 1, os.cpu_count() or 1)):
        if getattr(args, option) is not None and not least <= getattr(args, option) <= most:
            raise OptionError(f"--{option} {getattr(args, option)} is out of range here: choose {least} to {most}")
    if args.seconds is not None and not 1 <= args.seconds <= 86_400:
        raise OptionError(f"--seconds {args.seconds:g} is out of range: choose 1 to 86400")
    result = {"bench": args.name, **MEASURED[args.name](args)}
    if args.json:
        print_json(result)
    elif args.name == "ablation":
        from ..bench_ablation import table

        show(table(result["rows"]))
    elif args.name == "channels":
        from ..bench_channels import tables as of_channels

        show(*of_channels(result))
    elif args.name == "artefacts":
        from ..bench_artefacts import tables as of_artefacts

        show(*of_artefacts(result))
    elif args.name == "faults":
        from ..bench_faults import table as of_faults

        show(of_faults(result))
    elif args.name == "rest":
        from ..bench_rest import table as of_rest

        show(of_rest(result))
    elif args.name == "recording":
        from ..bench_recording import tables as of_recording

        show(*of_recording(result))
    elif args.name == "bmiss" and args.stages:
        from ..bench_bmiss_stages import table as by_stage

        show(by_stage(result["rows"]))
    elif args.name == "bmiss":
        from ..bench_bmiss_table import tables as separated

        show(*separated(result["rows"]))
    elif "rows" in result:
        from ..bench_params_table import tables

        show(*tables(result["rows"]))
    else:
        for line in lines({name: value for name, value in result.items() if name != "samples"}):
            messages.print(line)
    return 0


def _latency(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_latency import latency

    with progress_bar("latency") as progress:
        return latency(
            seconds=args.seconds or 60.0, hop=args.hop, units=args.units or USUAL_UNITS, recording=args.recording,
            decoder_path=args.decoder, provider=args.provider, params=args.params, progress=progress,
        )  # fmt: skip


def _throughput(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_throughput import throughput

    with progress_bar("throughput") as progress:
        return throughput(
            args.channels, args.units or USUAL_UNITS, hop=args.hop, cores=args.cores, seconds=args.seconds or 10.0,
            provider=args.provider, whitening=args.whitening, seed=args.seed, progress=progress,
        )  # fmt: skip


def _calibration(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_calibration import calibration

    return calibration(args.recording)


def _params(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError(f"bench params needs PyTorch: {pip_install('train')}")
    from ..bench_params import FIRST_SEED, params
    from ..bench_params_estimators import encoder, physics
    from ..parameters import NONE, SHIPPED

    path = args.params or (SHIPPED if SHIPPED.is_file() else NONE)
    file = None if path == NONE else read_parameter_file(path)
    beside = None if file is None else encoder(file)
    with progress_bar("params") as progress:
        return params(args.full, args.units, args.seed + FIRST_SEED, progress, physics(file), beside)


def _ablation(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError(f"bench ablation needs PyTorch: {pip_install('train')}")
    from ..bench_ablation import FIRST_SEED, ablation

    with progress_bar("ablation") as progress:
        return ablation(args.steps, args.units or 200, args.seed + FIRST_SEED, progress)


def _channels(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError(f"bench channels simulates a muscle with PyTorch: {pip_install('train')}")
    from ..bench_channels import channels

    with progress_bar("channels") as progress:
        return channels(None if args.recording == str(BUNDLED) else args.recording, progress)


def _artefacts(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError(f"bench artefacts simulates a muscle with PyTorch: {pip_install('train')}")
    from ..bench_artefacts import artefacts

    with progress_bar("artefacts") as progress:
        return artefacts(None if args.recording == str(BUNDLED) else args.recording, args.seed, progress)


def _bmiss(args: argparse.Namespace) -> dict[str, object]:
    if importlib.util.find_spec("torch") is None:
        raise OptionError(f"bench bmiss needs PyTorch: {pip_install('train')}")
    from ..bench_bmiss import FIRST_SEED, FULL_SEEDS, bmiss, plan

    levels_db = None if args.snr is None else [None if math.isinf(args.snr) else args.snr]
    rows = plan(args.full, args.array, levels_db, args.generator)
    from ..bench_bmiss_separator import BmissSeparator

    first = FIRST_SEED + args.seed
    if args.stages:
        from ..bench_bmiss_stages import stages

        with progress_bar("bmiss") as progress:
            return stages(BmissSeparator, args.array, levels_db, first, progress)
    with progress_bar("bmiss") as progress:
        return bmiss(rows, BmissSeparator(), range(first, first + (FULL_SEEDS if args.full else 1)), progress)


def _faults(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_faults import faults

    with progress_bar("faults") as progress:
        return faults(deaths=args.deaths, decoder=args.decoder, recording=args.recording, progress=progress)


def _soak(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_soak import soak

    with progress_bar("soak") as progress:
        return soak(
            minutes=args.minutes, units=args.units or USUAL_UNITS, hop=args.hop, seed=args.seed, progress=progress
        )


def _rest(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_rest import rest

    with progress_bar("rest") as progress:
        return rest(
            hours=args.hours_equivalent, decoder=args.decoder, recording=args.recording, seed=args.seed,
            progress=progress,
        )  # fmt: skip


def _recording(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_recording import recording

    with progress_bar("recording") as progress:
        return recording(kills=args.kills, stopped_s=args.stopped, seed=args.seed, progress=progress)


def _neighbours(args: argparse.Namespace) -> dict[str, object]:
    from ..bench_neighbours import neighbours

    with progress_bar("neighbours") as progress:
        return neighbours(seconds=args.seconds or 15.0, decoder=args.decoder, progress=progress)


MEASURED = {
    "latency": _latency, "throughput": _throughput, "calibration": _calibration, "params": _params,
    "ablation": _ablation, "bmiss": _bmiss, "channels": _channels, "artefacts": _artefacts,
    "neighbours": _neighbours,
    "faults": _faults, "soak": _soak, "rest": _rest, "recording": _recording,
}  # fmt: skip


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
