"""``myodrive simulate``: a recording whose every discharge and parameter is known."""

from __future__ import annotations

import argparse
import importlib
import time
from typing import TYPE_CHECKING

import numpy as np

from ...stream.errors import OptionError
from ...stream.geometry import Geometry
from ..console import add_json, add_overwrite, check_output, messages, number, print_json, progress_bar, whole_number
from ..extras import pip_install
from ..grids import grid

if TYPE_CHECKING:
    from ...models.simulation.simulator import Simulation, SimulationSettings

EXAMPLE = (
    "myodrive simulate -o simulated.h5\n"
    "  myodrive simulate -o simulated.h5 --profile sine --level 20 --snr 10 --noise coloured,mains --plot simulated.png"
)
GRID = "GR08MM1305"
NOISES = ("white", "coloured", "mains")
LARGEST_SAMPLES = 1 << 30  # channels x samples: 4 GiB in memory, several times over


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("-o", "--output", required=True, help="recording to write (.h5)")
    parser.add_argument("--plot", metavar="FILE", help="picture to draw (.png, .svg or .pdf)")
    add_overwrite(parser)
    add_json(parser)
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="of every random draw (%(default)s)")

    pool = parser.add_argument_group("contraction")
    pool.add_argument("--units", type=whole_number(1, 1000), default=100, help="motor units in the pool (%(default)s)")
    pool.add_argument("--seconds", type=number(1, 3600), default=60.0, help="length (%(default)s)")
    pool.add_argument(
        "--profile", choices=["constant", "trapezoid", "sine"], default="trapezoid", help="of the force (%(default)s)"
    )
    pool.add_argument("--level", type=number(0, 100), default=30.0, help="highest force, %% of maximum (%(default)s)")
    pool.add_argument("--rest", type=number(0, 600), metavar="S", help="before and after the trapezoid (2)")
    pool.add_argument("--ramp", type=number(0, 600), metavar="S", help="up and down (5)")
    pool.add_argument("--frequency", type=number(0.01, 10), default=0.2, metavar="HZ", help="of the sine (%(default)s)")

    array = parser.add_argument_group("array")
    array.add_argument("--grid", help=f"electrode grid by name, or a grid file ({GRID})")
    array.add_argument("--rows", type=whole_number(1, 256), help="instead: electrodes along the fibres")
    array.add_argument("--cols", type=whole_number(1, 256), help="and across them")
    array.add_argument("--ied", type=number(0.5, 50), metavar="MM", help="and their spacing")
    array.add_argument("--fs", type=number(500, 50_000), default=2048.0, help="samples per second (%(default)s)")

    muscle = parser.add_argument_group("muscle")
    muscle.add_argument(
        "--conductor", choices=["half-space", "planar", "cylinder"], default="half-space",
        help="volume conductor; planar and cylinder have layers of fat and skin (%(default)s)",
    )  # fmt: skip
    muscle.add_argument("--fat", type=number(0.1, 30), default=3.0, metavar="MM", help="thickness (%(default)s)")
    muscle.add_argument("--skin", type=number(0.1, 5), default=1.0, metavar="MM", help="thickness (%(default)s)")
    muscle.add_argument(
        "--iz", type=number(-60, 60), default=0.0, metavar="MM",
        help="innervation zone along the fibres from the array's centre; units scatter around it (%(default)s)",
    )  # fmt: skip

    noise = parser.add_argument_group("noise")
    noise.add_argument("--snr", type=number(-30, 100), default=20.0, help="EMG over noise, dB (%(default)s)")
    noise.add_argument(
        "--noise", type=noise_list, default=("white",), metavar="KIND",
        help=f"{', '.join(NOISES)}, several with commas share the power; or none (white)",
    )  # fmt: skip
    noise.add_argument("--mains", type=float, choices=[50.0, 60.0], default=50.0, help="of the mains, Hz (%(default)s)")
    noise.add_argument("--artefacts", action="store_true", help="add movements of the array and electrode pops")


def noise_list(text: str) -> tuple[str, ...]:
    """For argparse: kinds of noise such as "white,mains", or "none"."""
    kinds = tuple(part.strip() for part in text.split(","))
    if kinds == ("none",):
        return ()
    if not set(kinds) <= set(NOISES) or len(set(kinds)) < len(kinds):
        raise argparse.ArgumentTypeError(f'"{text}" is not a list of noises: choose of {", ".join(NOISES)}, or none')
    return kinds


def main(args: argparse.Namespace) -> int:
    """Simulate and write."""
    for path in filter(None, (args.output, args.plot)):
        check_output(path, args.overwrite)
    if args.plot is not None:
        need("matplotlib", "plot", "--plot draws with Matplotlib")
        if not args.plot.lower().endswith((".png", ".svg", ".pdf")):
            raise OptionError(f'"{args.plot}" is no kind of picture that is drawn: end it in .png, .svg or .pdf')
    geometry = array(args)
    if len(geometry) * args.seconds * args.fs > LARGEST_SAMPLES:
        raise OptionError(
            f"{len(geometry)} channels, {args.seconds:g} s at {args.fs:g} Hz are more than fit in memory: "
            "make the recording shorter"
        )
    need("torch", "train", "the simulator computes with PyTorch")
    started = time.perf_counter()
    with progress_bar("simulating") as progress:
        progress(0.0, "starting")
        simulation = simulated(args, geometry, progress)
        progress(0.95, "writing")
        from ..simulated_file import write_simulation

        write_simulation(args.output, simulation)
        if args.plot is not None:
            progress(0.97, "drawing")
            from ..simulation_plot import draw_simulation

            draw_simulation(simulation, args.plot)
    report(args, simulation, time.perf_counter() - started)
    return 0


def need(module: str, extra: str, why: str) -> None:
    """Refuse to go on without an optional package.

    Raises
    ------
    OptionError
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise OptionError(f"{why}, which is not installed here: {pip_install(extra)}") from error


def array(args: argparse.Namespace) -> Geometry:
    """The electrodes asked for."""
    size = {"--rows": args.rows, "--cols": args.cols, "--ied": args.ied}
    given = [name for name, value in size.items() if value is not None]
    if not given:
        return grid(args.grid or GRID)
    if args.grid is not None:
        raise OptionError(f"--grid and {given[0]} both say what the array is: give one of them")
    if missing := [name for name, value in size.items() if value is None]:
        raise OptionError(f"{', '.join(given)} without {', '.join(missing)}: an array of your own needs all three")
    row, col = np.indices((args.rows, args.cols)).reshape(2, -1)
    return Geometry(row, col, args.ied, args.rows, args.cols)


def settings_of(args: argparse.Namespace) -> SimulationSettings:
    """What is simulated, from the options."""
    from ...models.simulation.muscle import MuscleSettings
    from ...models.simulation.pool import PoolSettings
    from ...models.simulation.profile import Profile
    from ...models.simulation.simulator import SimulationSettings

    return SimulationSettings(
        seconds=args.seconds,
        fs_hz=args.fs,
        pool=PoolSettings(units=args.units),
        profile=Profile(args.profile, args.level, args.rest, args.ramp, args.frequency),
        muscle=MuscleSettings(conductor=args.conductor, fat_mm=args.fat, skin_mm=args.skin, iz_mm=args.iz),
        noise=args.noise,
        snr_db=args.snr,
        mains_hz=args.mains,
        artefacts=args.artefacts,
        seed=args.seed,
    )


def simulated(args: argparse.Namespace, geometry: Geometry, progress: object = None) -> Simulation:
    """The simulation that the options ask for.

    Raises
    ------
    OptionError
        They contradict each other.
    """
    from ...models.simulation.simulator import simulate

    try:
        return simulate(settings_of(args), geometry, progress if callable(progress) else None)
    except ValueError as error:
        raise OptionError(str(error)) from error


def report(args: argparse.Namespace, simulation: Simulation, seconds: float) -> None:
    """Say what was made."""
    active = sum(len(train) > 0 for train in simulation.trains)
    discharges = sum(len(train) for train in simulation.trains)
    if args.json:
        print_json(
            {
                "output": args.output, "plot": args.plot, "seed": args.seed, "channels": len(simulation.geometry),
                "fs_hz": args.fs, "samples": simulation.emg.shape[1], "units": len(simulation.trains),
                "active_units": active, "discharges": discharges, "emg_rms_uv": simulation.clean_power**0.5,
                "highest_force_percent": float(simulation.force.max()), "artefacts": len(simulation.artefacts),
                "seconds": seconds,
            }
        )  # fmt: skip
        return
    messages.print(
        f"{args.output}: {args.seconds:g} s of {len(simulation.geometry)} channels, {active} of "
        f"{len(simulation.trains)} units active, {discharges} discharges, EMG {simulation.clean_power**0.5:.0f} uV RMS"
        f" before noise, {seconds:.1f} s"
    )
    if args.plot is not None:
        messages.print(f"picture in {args.plot}")
