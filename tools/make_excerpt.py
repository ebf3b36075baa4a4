"""Makes the bundled recording, data/vl_excerpt.h5, from the complete one.

    python -m myodrive.tools.make_excerpt vl_trapezoid.h5 [vl_excerpt.h5]

The first 29.5 s: rest, the ramp, the whole plateau and most of the way down. Kept in the package, so the demo and the
tests need no download.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ..stream.errors import MyodriveError
from .hdf5_reading import read_recording
from .hdf5_writing import write_recording
from .recording import BUNDLED, Recording

END_S = 29.5
STEP_UV = 0.5  # the Quattrocento's step is 5 V / 2**16 / 150 = 0.5086 uV: at 0.5 uV no two of its values become one


def excerpt(recording: Recording, end_s: float = END_S) -> Recording:
    """The first `end_s` seconds of a recording, its discharges included."""
    end = round(end_s * recording.fs_hz)
    return replace(
        recording,
        emg=recording.emg[:end],
        force=None if recording.force is None else recording.force[:end],
        units={unit: discharges[discharges < end] for unit, discharges in recording.units.items()},
        source=f"{recording.source}; excerpt: the first {end_s:g} s, rounded to {STEP_UV:g} uV",
    )


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(arguments[1]) if len(arguments) == 2 else BUNDLED
    try:
        write_recording(target, excerpt(read_recording(arguments[0])), compression_level=9, step_uv=STEP_UV)
    except MyodriveError as error:
        print(f"make_excerpt: {error}", file=sys.stderr)
        return 1
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
