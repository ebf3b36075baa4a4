"""How hard a person tries."""

import numpy as np
import pytest

from myodrive.stream.source_info import SourceInfo
from myodrive.tools.session.effort import Envelope, Scale, scale_of
from myodrive.tools.session.electrodes import Electrodes
from myodrive.tools.session.force import ForceStream
from myodrive.tools.stream_blocks import Block

FS_HZ = 2048.0


@pytest.fixture
def electrodes(muscle):
    source = SourceInfo("emg", "s", "u", "h", FS_HZ, 24, np.float32, None, ("uv",) * 24, None)
    return Electrodes(source, np.arange(24), muscle.geometry, None, None)


def block(signal):
    return Block(signal.astype(np.float32), np.arange(len(signal)) / FS_HZ, 0)


def test_the_envelope_is_the_same_in_blocks_of_any_size_and_forgets_the_offset(electrodes, rng):
    emg = 50.0 * rng.standard_normal((4096, 24)) + 3000.0
    whole = Envelope(electrodes, [], None)(block(emg))
    in_parts = Envelope(electrodes, [], None)
    parts = np.concatenate([in_parts(block(emg[first : first + 100])) for first in range(0, 4096, 100)])
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
    assert 10.0 < whole[-1] < 50.0


def test_a_bad_channel_and_what_is_no_number_leave_the_envelope_alone(electrodes, rng):
    emg = 50.0 * rng.standard_normal((4096, 24))
    usual = Envelope(electrodes, [3], None)(block(emg))
    emg[:, 3] = 1e6
    emg[::9, 3] = np.nan
    np.testing.assert_array_equal(Envelope(electrodes, [3], None)(block(emg)), usual)
    assert np.isfinite(Envelope(electrodes, [], None)(block(emg))).all()


def test_a_scale_is_rest_at_0_and_the_highest_half_second_at_1():
    effort = np.concatenate([np.full(4096, 2.0), np.linspace(2.0, 100.0, 2048), np.full(2048, 100.0)])
    effort[100] = 1e4  # a moment
    scale = scale_of(np.concatenate([effort, np.full(1024, 2.0)]), FS_HZ)
    assert scale.rest == 2.0
    assert scale.full == pytest.approx(100.0, rel=0.01)
    np.testing.assert_allclose(scale.level(np.array([2.0, scale.full])), [0.0, 1.0])
    assert not scale.hardly_above_rest
    assert scale_of(np.full(4096, 7.0), FS_HZ).hardly_above_rest


def test_a_scale_without_any_effort_still_divides():
    assert np.isfinite(scale_of(np.zeros(4096), FS_HZ).level(np.zeros(3))).all()
    assert Scale(0.0, 1.0).level(np.array([0.5])) == 0.5


@pytest.fixture
def force(process, unique, muscle_path):
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    stream = ForceStream("7", unique, print)
    yield stream
    stream.close()


def test_a_force_at_the_emgs_rate_is_kept_to_the_bit_and_a_slower_grid_is_followed(force, muscle, until):
    force.wait()
    assert until(lambda: len(force.all()[0]) > 3000)
    stamps, values = force.all()
    np.testing.assert_array_equal(force.at(stamps[:3000] + 1e-7), values[:3000].astype(np.float32))
    assert set(values.astype(np.float32).tolist()) <= set(muscle.emg[:, 7].tolist())
    assert force.unit == "microvolts"
    np.testing.assert_allclose(force.lately(stamps[-5:]), values[-5:])
