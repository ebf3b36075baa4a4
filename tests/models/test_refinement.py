"""Detecting a unit again, the others taken out, brings its train nearer to the truth."""

from dataclasses import replace

import numpy as np

from myodrive.models.firing import judge
from myodrive.models.matching import agree
from myodrive.models.peeling import subtract, waveforms
from myodrive.models.refinement import detect_again

from .synthetic import FS_HZ, make_recording

BEFORE, EXTENSION = 50, 12


def test_missed_and_false_discharges_are_put_right(rng):
    emg, trains = make_recording(seed=5, units=5, noise=3.0)
    spoilt = []
    for train in trains:
        kept = train[rng.random(len(train)) > 0.15]
        spoilt.append(np.union1d(kept, rng.integers(500, len(emg) - 500, len(train) // 10)))
    shapes = waveforms(emg, spoilt, BEFORE, BEFORE)
    residual = subtract(emg, spoilt, shapes, BEFORE)
    nothing = judge(np.zeros(1000, np.float32), FS_HZ)
    units = [replace(nothing, spikes=train) for train in spoilt]
    again = detect_again(
        residual, units, shapes, before=BEFORE, extension=EXTENSION, ridge=1.0, fs_hz=FS_HZ, refractory_s=0.02,
    )  # fmt: skip
    before = [agree(train, truth, tolerance=2, max_shift=100).roa for train, truth in zip(spoilt, trains, strict=True)]
    after = [agree(one.spikes, truth, tolerance=2, max_shift=100).roa for one, truth in zip(again, trains, strict=True)]
    assert max(before) < 0.85
    assert np.median(after) > 0.97
    assert min(np.array(after) - before) > 0
