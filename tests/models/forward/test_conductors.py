"""Lead fields against direct solves, limits and symmetries."""

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import torch

from myodrive.models.forward.bessel import bessel_k0
from myodrive.models.forward.cylinder import Cylinder, _log_bessel
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.homogeneous import Homogeneous
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.wavenumbers import Wavenumbers

F64 = torch.float64
ALL = [Homogeneous(), HalfSpace(), PlanarLayers(), Cylinder()]


@pytest.fixture(scope="module")
def wavenumber():
    return torch.tensor(Wavenumbers().grid(5.0)[0], dtype=F64)


def places(lateral, depth):
    x, y = (torch.tensor(v, dtype=F64).reshape(1, -1, 1) for v in (lateral, depth))
    return x, y


def distance(found, expected, wavenumber):
    """Relative difference per place, weighted as waveforms weight wavenumbers."""
    return ((found - expected) * wavenumber).norm(dim=-1) / (expected * wavenumber).norm(dim=-1)


def test_bessel_k0_has_the_right_gradient():
    x = torch.tensor([0.02, 0.5, 1.9, 2.1, 7.0], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(bessel_k0, (x,), check_forward_ad=True)


@pytest.mark.parametrize("conductor", [Homogeneous(0.2), HalfSpace(0.1, 4.5)])
def test_lead_field_is_the_transform_of_the_potential(conductor, wavenumber):
    k = wavenumber[[8, 20]]
    lead = conductor.lead_field(k, 40.0)(*places([3.0], [6.0]))[0, 0, 0]
    x, y = torch.tensor(3.0, dtype=F64), torch.tensor(6.0, dtype=F64)
    for value, kz in zip(lead, k, strict=True):
        integral, _ = scipy.integrate.quad(
            lambda z: float(conductor.potential(x, y, torch.tensor(z, dtype=F64))),
            0,
            np.inf,
            weight="cos",
            wvar=float(kz),
        )
        assert float(value) == pytest.approx(2.0 * integral, rel=1e-4)


def test_the_half_space_without_anisotropy_is_twice_the_unbounded_medium():
    place = (torch.tensor(2.0), torch.tensor(5.0), torch.tensor(-4.0))
    assert HalfSpace(0.3, 1.0).potential(*place) == pytest.approx(2.0 * float(Homogeneous(0.3).potential(*place)))


def test_doubling_distance_halves_the_potential():
    zero, r = torch.tensor(0.0), torch.tensor([10.0, 20.0])
    for potential in (Homogeneous().potential(zero, zero, r), HalfSpace().potential(zero, r, zero)):
        assert potential[0] == pytest.approx(2.0 * float(potential[1]), rel=1e-4)


@pytest.mark.parametrize(
    ("conductor", "names"),
    [
        (Homogeneous(), ["conductivity_s_m"]),
        (HalfSpace(), ["across_s_m"]),
        (PlanarLayers(), ["across_s_m", "fat_s_m", "skin_s_m"]),
        (Cylinder(), ["across_s_m", "fat_s_m", "skin_s_m", "bone_s_m"]),
    ],
)
def test_doubling_every_conductivity_halves_the_potential(conductor, names, wavenumber):
    better = type(conductor)(**{**conductor.__dict__, **{name: 2.0 * getattr(conductor, name) for name in names}})
    at = places([0.0, 10.0], [4.0, 12.0])
    before, after = (c.lead_field(wavenumber, 40.0)(*at) for c in (conductor, better))
    torch.testing.assert_close(before, 2.0 * after)


@pytest.mark.parametrize("conductor", ALL)
def test_left_and_right_are_alike(conductor, wavenumber):
    lead = conductor.lead_field(wavenumber, 40.0)
    torch.testing.assert_close(lead(*places([7.3], [9.0])), lead(*places([-7.3], [9.0])))


def planar_by_boundaries(conductor: PlanarLayers, kx: float, kz: float, depth: float) -> float:
    """Potential on the skin from the boundary conditions, unknown amplitudes in every layer."""
    h, d = conductor.fat_mm, conductor.skin_mm
    k, km = np.hypot(kx, kz), np.sqrt(kx**2 + conductor.anisotropy * kz**2)
    muscle, fat, skin = conductor.across_s_m, conductor.fat_s_m, conductor.skin_s_m
    incident = np.exp(-km * depth) / (2.0 * muscle * km)  # at the muscle's surface, rising source at -depth
    e = np.exp
    # unknowns: muscle e^(km y), fat e^(+-k y), skin e^(+-k y); y upwards from the muscle's surface
    rows = np.array(
        [
            [1.0, -1.0, -1.0, 0.0, 0.0],
            [muscle * km, -fat * k, fat * k, 0.0, 0.0],
            [0.0, e(k * h), e(-k * h), -e(k * h), -e(-k * h)],
            [0.0, fat * e(k * h), -fat * e(-k * h), -skin * e(k * h), skin * e(-k * h)],
            [0.0, 0.0, 0.0, e(k * (h + d)), -e(-k * (h + d))],
        ]
    )
    right = np.array([-incident, muscle * km * incident, 0.0, 0.0, 0.0])
    amplitude = np.linalg.solve(rows, right)
    return float(amplitude[3] * e(k * (h + d)) + amplitude[4] * e(-k * (h + d)))


@pytest.mark.parametrize("skin", [1.0, 4.6e-4])
@pytest.mark.parametrize(("fat_mm", "skin_mm"), [(3.0, 1.0), (1.0, 1.0), (9.0, 1.5), (0.5, 2.0)])
def test_planar_layers_agree_with_their_boundary_conditions(fat_mm, skin_mm, skin):
    conductor = PlanarLayers(fat_mm, skin_mm, skin_s_m=skin, anisotropy=4.7)
    for kx, kz, depth in [(0.01, 0.02, 4.0), (0.3, 0.1, 8.0), (0.05, 0.6, 3.0), (1.2, 0.9, 1.0)]:
        across, along = np.array(kx), np.array(kz)
        found = conductor.surface_factor(across, along) * np.exp(-conductor.decay(across, along) * depth)
        assert float(found) == pytest.approx(planar_by_boundaries(conductor, kx, kz, depth), rel=1e-9)


def test_planar_layers_of_no_thickness_are_the_half_space(wavenumber):
    rng = np.random.default_rng(0)
    at = places(rng.uniform(-40, 40, 200), rng.uniform(1, 25, 200))
    bare = PlanarLayers(0.0, 0.0).lead_field(wavenumber, 80.0)(*at)[0, 0]
    assert distance(bare, HalfSpace().lead_field(wavenumber, 80.0)(*at)[0, 0], wavenumber).max() < 1e-3


def test_planar_layers_approach_the_half_space_as_they_thin(wavenumber):
    at = places([0.0, 5.0, 15.0], [4.0, 10.0, 18.0])
    half_space = HalfSpace().lead_field(wavenumber, 80.0)(*at)[0, 0]
    off = [
        float(distance(PlanarLayers(t, t / 2).lead_field(wavenumber, 80.0)(*at)[0, 0], half_space, wavenumber).max())
        for t in (1.0, 0.1, 0.01)
    ]
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.02


def test_a_lookup_between_the_nodes_of_a_table_is_near_the_field_there(wavenumber):
    conductor = PlanarLayers()
    table = conductor.lead_field(wavenumber, 60.0)
    depth, lateral = 6.21, 4.57
    across, width = np.linspace(0.0, 4.0, 40001), 4.0 / 40000
    direct = []
    for along in wavenumber.numpy():
        whole = conductor.surface_factor(across, along) * np.exp(-conductor.decay(across, along) * depth)
        direct.append(np.trapezoid(whole * np.cos(across * lateral), dx=width) / np.pi)
    found = table(*places([lateral], [depth]))[0, 0]
    assert distance(found, torch.tensor(np.array(direct))[None], wavenumber) < 1e-3


def cylinder_by_boundaries(c: Cylinder, n: int, kz: float, depth: float) -> float:
    """Potential on the skin of order n from its own boundary conditions, Bessel functions as they are."""
    iv, kv, ivp, kvp = scipy.special.iv, scipy.special.kv, scipy.special.ivp, scipy.special.kvp
    q = kz * np.sqrt(c.anisotropy)  # rad/mm along the radius in muscle
    source = c.muscle_mm - depth
    a, b, f, s = c.bone_mm, c.muscle_mm, c.muscle_mm + c.fat_mm, c.skin_radius_mm
    # the field of the source alone in muscle is I_n(q r<) K_n(q r>) / sigma: fixed by the jump of its radial current
    strength = 1.0 / c.across_s_m
    layers = [(c.bone_s_m, kz), (c.across_s_m, q), (c.fat_s_m, kz), (c.skin_s_m, kz)]
    rows, right = np.zeros((7, 7)), np.zeros(7)
    # unknown amplitudes: bone I; muscle I, K; fat I, K; skin I, K
    columns = [[0, None], [1, 2], [3, 4], [5, 6]]

    def add(row, layer, radius, sign, current):
        sigma, k = layers[layer]
        for column, function, slope in zip(columns[layer], (iv, kv), (ivp, kvp), strict=True):
            if column is not None:
                rows[row, column] += sign * (sigma * k * slope(n, k * radius) if current else function(n, k * radius))

    for row, (inner, radius) in enumerate([(0, a), (1, b), (2, f)]):
        for current in (False, True):
            add(2 * row + current, inner, radius, 1.0, current)
            add(2 * row + current, inner + 1, radius, -1.0, current)
    add(6, 3, s, 1.0, True)
    right[0] = strength * iv(n, q * a) * kv(n, q * source)
    right[1] = c.across_s_m * q * strength * ivp(n, q * a) * kv(n, q * source)
    right[2] = -strength * iv(n, q * source) * kv(n, q * b)
    right[3] = -c.across_s_m * q * strength * iv(n, q * source) * kvp(n, q * b)
    scale = np.abs(rows).max(axis=0)
    amplitude = np.linalg.solve(rows / scale, right) / scale
    return float(amplitude[5] * iv(n, kz * s) + amplitude[6] * kv(n, kz * s))


@pytest.mark.parametrize("conductor", [Cylinder(), Cylinder(5.0, 25.0, 6.0, 1.0, 0.09, 6.0, skin_s_m=4.6e-4)])
def test_the_cylinder_agrees_with_its_boundary_conditions(conductor):
    k = np.array([0.02, 0.1, 0.4, 0.9])
    found = conductor.skin_potential(np.array([3.0, 10.0]), k, 20)
    for n in (0, 1, 4, 12):
        for i, depth in enumerate((3.0, 10.0)):
            expected = [cylinder_by_boundaries(conductor, n, kz, depth) for kz in k]
            np.testing.assert_allclose(found[i, n], expected, rtol=1e-6)


def test_bessel_ratios_are_right_and_stay_finite():
    x = np.array([0.01, 0.3, 2.0, 30.0, 150.0])
    log_i, log_k, slope_i, slope_k = _log_bessel(x, 400)
    for n in (0, 1, 5, 39):
        np.testing.assert_allclose(log_i[n], np.log(scipy.special.ive(n, x)) + x, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(log_k[n], np.log(scipy.special.kve(n, x)) - x, rtol=1e-10, atol=1e-10)
    for values in (log_i, log_k, slope_i, slope_k):
        assert np.isfinite(values).all()
    # the Wronskian I K' - I' K = -1/x holds at orders where the functions themselves are no floats
    np.testing.assert_allclose((slope_i - slope_k) * np.exp(log_i + log_k) * x, 1.0, rtol=1e-9)


def test_the_cylinder_without_bone_is_that_of_a_vanishing_bone():
    k = Wavenumbers().grid(5.0)[0]
    depth = np.array([2.0, 10.0, 25.0])
    without = Cylinder(bone_mm=0.0).skin_potential(depth, k, 60)
    off = [np.abs(Cylinder(bone_mm=a).skin_potential(depth, k, 60) / without - 1.0).max() for a in (1.0, 0.1, 0.01)]
    assert off[0] > off[1] > off[2]
    assert off[2] < 1e-6


def test_the_cylinder_tends_to_the_plane_as_its_radius_grows(wavenumber):
    at = places([0.0, 8.0, 16.0], [4.0, 8.0, 12.0])
    short = wavenumber[wavenumber > 0.05]  # long waves see how thick the limb is, however large
    plane = PlanarLayers(3.0, 1.0).lead_field(short, 60.0)(*at)[0, 0]
    off = [
        float(distance(Cylinder(0.3 * r, r, 3.0, 1.0).lead_field(short, 60.0)(*at)[0, 0], plane, short).max())
        for r in (35.0, 100.0, 300.0)
    ]
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.05


def test_a_cylinder_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="bone's radius"):
        Cylinder(bone_mm=40.0)
