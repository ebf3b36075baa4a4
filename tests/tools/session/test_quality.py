"""A word on every channel."""

import msgspec
import numpy as np
import pytest

from myodrive.tools.session.grid_picture import LETTERS, grid_picture, grid_table
from myodrive.tools.session.quality import check_channels

FS_HZ = 2048.0
INDEX = np.arange(24)


@pytest.fixture(scope="module")
def emg(muscle):
    return muscle.emg[: round(5 * FS_HZ)]


def judged(emg, muscle):
    return check_channels(emg, FS_HZ, muscle.geometry, INDEX)


def with_fault(emg, channel, change):
    spoilt = emg.copy()
    change(spoilt[:, channel], np.arange(len(emg)) / FS_HZ)
    return spoilt


def flat(column, time_s):
    column[:] = 3.0


def saturated(column, time_s):
    np.clip(column, column.mean() - 2.0, column.mean() + 2.0, out=column)


def noisy(column, time_s):
    column += 400.0 * np.random.default_rng(0).standard_normal(len(column)).astype(np.float32)


def mains(column, time_s):
    column += 60.0 * np.sin(2 * np.pi * 50.0 * time_s) + 20.0 * np.sin(2 * np.pi * 150.0 * time_s)


def no_number(column, time_s):
    column[::50] = np.nan


def weak(column, time_s):
    column -= column.mean()
    column *= 0.02


def test_sound_channels_are_good_and_none_is_left_out(excerpt):
    found = check_channels(excerpt.emg[: round(5 * excerpt.fs_hz)], excerpt.fs_hz, excerpt.geometry, np.arange(64))
    assert found.count().get("good", 0) >= 60
    assert found.leave_out == []
    assert not found.notch


@pytest.mark.parametrize(
    ("fault", "word", "out"),
    [
        (flat, "flat", True), (saturated, "saturated", True), (noisy, "noisy", True), (mains, "mains", True),
        (no_number, "not a number", True), (weak, "weak", False),
    ],
)  # fmt: skip
def test_a_fault_has_its_word_and_its_neighbours_keep_theirs(emg, muscle, fault, word, out):
    before = [one.word for one in judged(emg, muscle).channels]
    found = judged(with_fault(emg, 10, fault), muscle)
    after = [one.word for one in found.channels]
    assert after[10] == word
    assert after[:10] + after[11:] == before[:10] + before[11:]
    assert (10 in found.leave_out) == out


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_everywhere_is_notched_and_costs_no_channel(emg, muscle, mains_hz):
    time_s = np.arange(len(emg))[:, None] / FS_HZ
    found = judged((emg + 40.0 * np.sin(2 * np.pi * mains_hz * time_s)).astype(np.float32), muscle)
    assert found.mains_hz == mains_hz
    assert found.notch
    assert found.leave_out == []
    told = np.array([one.mains_uv for one in found.channels])
    np.testing.assert_allclose(told, 40.0 / np.sqrt(2), rtol=0.1)


def test_the_offset_of_an_electrode_does_not_count(emg, muscle):
    before, after = judged(emg, muscle), judged(emg + np.float32(5000.0), muscle)
    for one, other in zip(before.channels, after.channels, strict=True):
        assert other.word == one.word
        assert other.rms_uv == pytest.approx(one.rms_uv, rel=0.01)


def test_a_channel_is_named_by_its_place_in_the_stream(emg, muscle):
    found = check_channels(with_fault(emg, 10, flat), FS_HZ, muscle.geometry, INDEX + 7)
    assert found.leave_out == [17]
    assert msgspec.json.decode(msgspec.json.encode(found.as_json()))["leave_out"] == [17]


def test_both_pictures_show_every_channel_with_its_word(emg, muscle):
    found = judged(with_fault(emg, 10, flat), muscle)
    drawn = grid_picture(found, muscle.geometry, "S01 <&>")
    assert drawn.count(">flat<") == 1
    assert drawn.count("<rect") == 25
    assert "S01 &lt;&amp;&gt;" in drawn
    cells = [str(cell) for column in grid_table(found, muscle.geometry).columns for cell in column.cells]
    assert sum(cell.startswith("10 F ") for cell in cells) == 1
    assert grid_table(found, muscle.geometry).caption == "G = good, F = flat"
    assert len(set(LETTERS.values())) == len(LETTERS)
