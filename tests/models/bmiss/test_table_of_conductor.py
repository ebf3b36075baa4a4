"""Tables made of our conductors against the conductors' own potential."""

import math

import numpy as np
import torch

from myodrive.models.bmiss.table_of_conductor import VOLTS_PER_AMPERE, lead_fields_of
from myodrive.models.forward.cylinder import Cylinder
from myodrive.models.forward.half_space import HalfSpace
from myodrive.stream.geometry import Geometry

ALONG_MM = np.arange(-60.0, 60.1, 2.0)


def test_of_a_half_space_it_is_the_potential_of_a_point_in_volts_per_ampere(geometry):
    fields = lead_fields_of(HalfSpace(), geometry, np.arange(-9.0, 10.0, 3.0), np.arange(6.0, 20.0, 3.0), ALONG_MM)
    lateral = geometry.across_mm() - fields.lateral_mm[:, None]  # (laterals, channels)
    x, y, z = (
        torch.tensor(lateral)[:, None, :, None],
        torch.tensor(fields.depth_mm)[:, None, None],
        torch.tensor(ALONG_MM - geometry.along_mm()[:, None]),
    )
    expected = HalfSpace().potential(x, y, z).numpy() * VOLTS_PER_AMPERE
    off = fields.potential - expected
    off -= off.mean(axis=-1, keepdims=True)  # a constant along the fibres changes nothing
    assert np.abs(off).max() < 0.01 * expected.max()
    assert expected.max() > 100.0  # 1 A half a centimetre under the skin makes hundreds of volts


def test_on_a_cylinder_the_shorter_way_round_counts():
    body = Cylinder()
    round_mm = 2.0 * math.pi * body.skin_radius_mm
    place = Geometry(np.array([0]), np.array([0]), 8.0, 1, 1)
    lateral = np.array([-0.45, -0.3, 0.0, 0.3, 0.45, 0.55, 0.7, 1.0]) * round_mm
    fields = lead_fields_of(body, place, lateral, np.arange(4.0, 20.0, 4.0), ALONG_MM)
    for one, other in ((0, 5), (1, 6), (2, 7), (0, 4), (1, 3)):
        np.testing.assert_allclose(fields.potential[one], fields.potential[other], rtol=1e-4)
    peak = np.ptp(fields.potential[:5], axis=-1)[:, 0, 0]
    assert peak[2] > peak[1] > peak[0]


def test_a_channel_further_along_sees_the_same_further_along(geometry):
    fields = lead_fields_of(Cylinder(), geometry, np.arange(-9.0, 10.0, 3.0), np.arange(6.0, 20.0, 3.0), ALONG_MM)
    np.testing.assert_allclose(fields.potential[:, :, 3, 4:], fields.potential[:, :, 0, :-4], rtol=1e-4)
