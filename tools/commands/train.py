"""``myodrive train``: train a parameter model on simulated motor units, write it as ONNX with its model card."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

from ...stream.errors import OptionError
from ..console import add_json, add_overwrite, check_output, messages, number, print_json, progress_bar, whole_number
from .simulate import need

EXAMPLE = (
    "myodrive train -o parameters.onnx\n  torchrun --nproc-per-node 4 -m myodrive.tools.cli train -o parameters.onnx"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("-o", "--output", required=True, help="parameter model to write (.onnx); its card goes beside")
    parser.add_argument(
        "--folder", help="for checkpoint and log; an interrupted run there goes on (the output's name with .run)"
    )
    parser.add_argument("--steps", type=whole_number(1, 10_000_000), help="of training (%(default)s)", default=3300)
    parser.add_argument("--seed", type=whole_number(1, 10_000), default=1, help="of every random draw (%(default)s)")
    parser.add_argument(
        "--supervised", type=number(0, 1000), default=1.0, help="weight of the true parameters (%(default)s)"
    )
    parser.add_argument(
        "--physics", type=number(0, 1000), default=0.1,
        help="weight of the waveform that the physics makes of the estimate (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-alignment", action="store_true", help="let the network see unaligned waveforms")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="what trains (a GPU where there is one)")
    add_overwrite(parser)
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Train, calibrate the uncertainty, export."""
    check_output(args.output, args.overwrite)
    if not args.output.lower().endswith(".onnx"):
        raise OptionError(f'"{args.output}" is no name for a parameter model: end it in .onnx')
    check_output(str(Path(args.output).with_suffix(".md")), args.overwrite)  # its card
    if not args.supervised and not args.physics:
        raise OptionError("--supervised 0 and --physics 0 leave nothing to learn from: give one of them a weight")
    for module in ("torch", "onnx", "onnxscript"):
        need(module, "train", "training computes with PyTorch and exports to ONNX")
    from ...models.encoder.training import Training, TrainSettings
    from ...models.inversion.fit import use_available_cores
    from ..model_card import finish

    use_available_cores()
    settings = TrainSettings(
        seed=args.seed, steps=args.steps, supervised=args.supervised, physics=args.physics,
        aligned=not args.no_alignment,
    )  # fmt: skip
    folder = Path(args.folder or Path(args.output).with_suffix(".run"))
    with _bar() as progress:
        progress(0.0, "drawing motor units")
        training = Training(settings, folder, args.device)
        training.run(progress)
    if training.rank:  # of several processes one writes
        return 0
    with progress_bar("calibrating") as progress:
        result = finish(training, Path(args.output), lambda share: progress(share, ""))
    if args.json:
        print_json(result)
    else:
        messages.print(
            f"wrote {args.output} ({result['bytes']} bytes) and {result['card']} after {settings.steps} steps in"
            f" {training.seconds / 60:.0f} min"
        )
    return 0


@contextlib.contextmanager
def _bar():  # type: ignore[no-untyped-def]
    """A progress bar in the first process, nothing in the others."""
    import os

    if os.environ.get("RANK", "0") == "0":
        with progress_bar("training") as progress:
            yield progress
    else:
        nothing: Callable[[float, str], None] = lambda share, note: None  # noqa: E731
        yield nothing
