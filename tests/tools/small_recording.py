"""A short recording with everything that a file can hold, for the tests of our HDF5."""

import numpy as np

from myodrive.stream.geometry import Geometry
from myodrive.tools.events import Mark
from myodrive.tools.recording import InStream, Recording

FS_HZ = 1000.0


def small_recording(samples=1200, channels=6, seed=0):
    """A recording with everything a file can hold."""
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(channels), 2)
    return Recording(
        emg=rng.normal(0, 50, (samples, channels)).astype(np.float32),
        fs_hz=FS_HZ,
        geometry=Geometry(row, col, 8.0, (channels + 1) // 2, 2),
        muscle="tibialis anterior",
        source="made up",
        license="CC0",
        montage="single-differential",
        force=rng.normal(size=samples).astype(np.float32),
        force_unit="%MVC",
        labels=tuple(f"TA µ{k}" for k in range(channels)),
        units={0: np.array([3, 77, 1199]), 12: np.array([5]), 2: np.array([], dtype=np.int64)},
        unit_attributes={12: {"cv_m_s": 4.25, "by": "simulator"}},
        muaps=rng.normal(size=(3, channels, 40)).astype(np.float32),
        in_stream=InStream(tuple(range(10, 10 + channels)), 200),
        marks=(Mark(-3, "µ"), Mark(700, "")),
    )
