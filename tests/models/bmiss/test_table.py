"""What a table of lead fields may be, and which channels of it a recording gets."""

from dataclasses import replace

import numpy as np
import pytest

from myodrive.models.bmiss.muscle_model import MuscleModelError
from myodrive.models.bmiss.table import LeadFields
from myodrive.stream.geometry import Geometry

CHANNELS = 4


def some(**changed):
    values = {
        "lateral_mm": np.arange(5.0), "depth_mm": 1.0 + np.arange(6.0), "along_mm": np.arange(-40.0, 41.0, 2.0),
        "potential": np.random.default_rng(0).random((5, 6, CHANNELS, 41), np.float32),
        "row": np.array([0, 1, 0, 1]), "col": np.array([0, 0, 1, 1]), "ied_mm": 8.0,
    }  # fmt: skip
    return LeadFields(**(values | changed))


def test_a_recording_gets_its_channels_in_its_order():
    fields = some()
    geometry = Geometry(np.array([1, 0, 1]), np.array([1, 0, 0]), 8.0, 2, 2)
    found = fields.at(geometry)
    assert np.array_equal(found.potential, fields.potential[:, :, [3, 0, 1]])
    assert (found.row.tolist(), found.col.tolist()) == ([1, 0, 1], [1, 0, 0])


@pytest.mark.parametrize(
    ("geometry", "montage", "reason"),
    [
        (Geometry(np.array([0, 2]), np.array([0, 0]), 8.0, 3, 1), "monopolar", "row 2, column 0"),
        (Geometry(np.array([0, 1]), np.array([0, 0]), 4.0, 2, 1), "monopolar", "recording's 4 mm"),
        (
            Geometry(np.array([0, 1]), np.array([0, 0]), 8.0, 2, 1),
            "single-differential",
            "monopolar and the recording's single",
        ),
    ],
)
def test_a_recording_of_another_array_is_refused(geometry, montage, reason):
    with pytest.raises(MuscleModelError, match=reason):
        some().at(geometry, montage)


def with_nan():
    potential = some().potential.copy()
    potential[2, 2, 1, 3] = np.nan
    return potential


def with_a_silent_channel():
    potential = some().potential.copy()
    potential[:, :, 2] = 1.0
    return potential


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"lateral_mm": np.arange(3.0)}, "lateral_mm.*at least 4"),
        ({"depth_mm": np.ones((2, 3))}, "depth_mm.*at least 4"),
        ({"depth_mm": np.arange(6.0)[::-1]}, "depth_mm does not rise"),
        ({"depth_mm": np.arange(6.0) - 1.0}, "muscle's surface"),
        ({"lateral_mm": np.array([0.0, 1.0, np.nan, 3.0, 4.0])}, "lateral_mm does not rise"),
        ({"along_mm": np.linspace(-80.0, 80.0, 21), "potential": None}, "step of 8 mm"),
        ({"along_mm": np.linspace(-10.0, 10.0, 41)}, "spans 20 mm"),
        ({"along_mm": np.linspace(-6.0, 6.0, 41) ** 3}, "uneven"),
        ({"along_mm": np.arange(-40.0, 43.0, 2.0)}, "potential has the shape"),
        ({"row": np.array([0, 1, 2])}, "potential has the shape"),
        ({"row": np.array([0, 1, 0, 0])}, "one electrode"),
        ({"potential": with_nan()}, "1 values that are not finite"),
        ({"potential": with_a_silent_channel()}, "the same all along the fibres at channel.*2"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(changed, reason):
    with pytest.raises(MuscleModelError, match=reason) as caught:
        some(**changed)
    assert "\n" not in str(caught.value)


def test_depths_and_places_across_may_be_uneven():
    fields = some(depth_mm=np.array([1.0, 2.0, 4.0, 7.0, 11.0, 20.0]))
    assert replace(fields, ied_mm=None).at(Geometry(np.array([1]), np.array([1]), 4.0, 2, 2)).channels == 1
