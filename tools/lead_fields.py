"""Makes a table of lead fields of one of our conductors: to try what `calibrate --method bmiss --model FILE` takes.

    python -m myodrive.tools.lead_fields --conductor cylinder -o cylinder.h5
    python -m myodrive.tools.lead_fields --conductor planar --fat 4 --grid GR10MM0808 -o planar.h5

The format, for tables of a person's own muscle, is described in `muscle_model.py`.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..stream.errors import MyodriveError, OptionError
from .console import add_overwrite, check_output, messages, number
from .extras import pip_install
from .grids import grid
from .muscle_model import AXES, write_lead_fields

if TYPE_CHECKING:
    from ..models.forward.conductors import Conductor
    from ..stream.geometry import Geometry

CONDUCTORS = ("half-space", "planar", "cylinder")
# Of a table made here: past the array across the fibres and along them, deepest, and steps.
PAST_ACROSS_MM, PAST_ALONG_MM, DEEPEST_MM = 16.0, 90.0, 25.0
ACROSS_STEP_MM, DEPTH_STEP_MM, ALONG_STEP_MM = 2.0, 1.0, 2.0


def conductor_of(name: str, fat_mm: float, skin_mm: float, bone_mm: float, muscle_mm: float) -> Conductor:
    """One of `CONDUCTORS`; the lengths are of those that have them."""
    from ..models.forward.cylinder import Cylinder
    from ..models.forward.half_space import HalfSpace
    from ..models.forward.planar_layers import PlanarLayers

    if name == "half-space":
        return HalfSpace()
    if name == "planar":
        return PlanarLayers(fat_mm=fat_mm, skin_mm=skin_mm)
    if bone_mm + DEPTH_STEP_MM * 4 >= muscle_mm:
        raise OptionError(f"a bone of {bone_mm:g} mm in a muscle of {muscle_mm:g} mm leaves no muscle: make it thinner")
    return Cylinder(bone_mm=bone_mm, muscle_mm=muscle_mm, fat_mm=fat_mm, skin_mm=skin_mm)


def usual_axes(geometry: Geometry, deepest_mm: float = DEEPEST_MM) -> tuple[NDArray[np.float64], ...]:
    """Axes of a table about an array: lateral, depth and along, mm."""
    across = np.abs(geometry.across_mm()).max() + PAST_ACROSS_MM
    along = np.abs(geometry.along_mm()).max() + PAST_ALONG_MM
    lateral, far = (np.ceil(x / step) for x, step in ((across, ACROSS_STEP_MM), (along, ALONG_STEP_MM)))
    return (
        np.arange(-lateral, lateral + 1.0) * ACROSS_STEP_MM,
        np.arange(1.0, deepest_mm / DEPTH_STEP_MM + 1e-9) * DEPTH_STEP_MM,
        np.arange(-far, far + 1.0) * ALONG_STEP_MM,
    )


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m myodrive.tools.lead_fields",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="table to write (.h5)")
    parser.add_argument("--conductor", choices=CONDUCTORS, default="cylinder", help="made of it (%(default)s)")
    parser.add_argument("--grid", default="GR08MM1305", help="electrode grid by name, or a grid file (%(default)s)")
    parser.add_argument("--fat", type=number(0.1, 30), default=3.0, metavar="MM", help="thickness (%(default)s)")
    parser.add_argument("--skin", type=number(0.1, 5), default=1.0, metavar="MM", help="thickness (%(default)s)")
    parser.add_argument("--bone", type=number(0, 60), default=10.0, metavar="MM", help="radius (%(default)s)")
    parser.add_argument("--muscle", type=number(10, 100), default=35.0, metavar="MM", help="radius (%(default)s)")
    add_overwrite(parser)
    args = parser.parse_args(arguments)
    try:
        check_output(args.output, args.overwrite)
        geometry = grid(args.grid)
        conductor = conductor_of(args.conductor, args.fat, args.skin, args.bone, args.muscle)
        deepest = (
            min(DEEPEST_MM, args.muscle - args.bone - DEPTH_STEP_MM) if args.conductor == "cylinder" else DEEPEST_MM
        )
        try:
            from ..models.bmiss.table_of_conductor import lead_fields_of
        except ModuleNotFoundError as error:
            raise OptionError(f"conductors need PyTorch: {pip_install('train')}") from error
        fields = lead_fields_of(conductor, geometry, *usual_axes(geometry, deepest))
        write_lead_fields(args.output, fields, f"{conductor}")
    except MyodriveError as error:
        print(f"lead_fields: {error}", file=sys.stderr)
        return 1
    sizes = " x ".join(str(len(getattr(fields, name))) for name in AXES)
    messages.print(f"{args.output}: {fields.channels} channels at {sizes} places across, in depth and along the fibres")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
