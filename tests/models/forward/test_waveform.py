"""The waveform at the electrodes against the laws of its physics."""

import numpy as np
import pytest
import torch

from myodrive.models.forward.cylinder import Cylinder
from myodrive.models.forward.electrodes import Electrodes
from myodrive.models.forward.fibres import Fibres, UnitParameters, place, quadrature_deviates, random_deviates
from myodrive.models.forward.half_space import HalfSpace
from myodrive.models.forward.homogeneous import Homogeneous
from myodrive.models.forward.planar_layers import PlanarLayers
from myodrive.models.forward.waveform import WaveformModel, Window
from myodrive.models.forward.wavenumbers import Wavenumbers

F64 = torch.float64
ALL = [Homogeneous(), HalfSpace(), PlanarLayers(), Cylinder()]
BY_NAME = [pytest.param(conductor, id=type(conductor).__name__) for conductor in ALL]


def model(conductor, electrodes, **settings):
    return WaveformModel(conductor, electrodes, **({"dtype": F64} | settings))


def peak_to_peak(waveform):
    return (waveform.amax(-1) - waveform.amin(-1)).amax(-1)


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


def mirrored(fibres: Fibres, along: float, across: float) -> Fibres:
    low, high = (fibres.low_end_mm, fibres.high_end_mm) if along > 0 else (-fibres.high_end_mm, -fibres.low_end_mm)
    return Fibres(
        across * fibres.lateral_mm,
        fibres.depth_mm,
        along * fibres.innervation_mm,
        low,
        high,
        fibres.velocity_m_s,
        fibres.weight,
        fibres.ap_scale,
    )


@pytest.mark.parametrize("conductor", BY_NAME)
def test_mirroring_the_fibres_mirrors_the_waveforms(conductor, unit, grid):
    fibres = place(unit(innervation_zone_mm=11.0, lateral_mm=4.0, half_length_low_mm=50.0), quadrature_deviates(7, F64))
    at_grid = model(conductor, Electrodes.from_geometry(grid(6, 4)))
    found = at_grid.of_fibres(fibres).reshape(6, 4, -1)
    torch.testing.assert_close(at_grid.of_fibres(mirrored(fibres, -1.0, 1.0)).reshape(6, 4, -1), found.flip(0))
    torch.testing.assert_close(at_grid.of_fibres(mirrored(fibres, 1.0, -1.0)).reshape(6, 4, -1), found.flip(1))


@pytest.mark.parametrize("conductor", BY_NAME)
def test_moving_the_unit_is_moving_the_electrodes(conductor, unit):
    deviates = quadrature_deviates(5, F64)
    there = model(conductor, Electrodes(np.array([8.0]), np.array([-5.0])))(unit(), deviates)
    moved = unit(innervation_zone_mm=-8.0, lateral_mm=5.0)
    here = model(conductor, Electrodes(np.array([0.0]), np.array([0.0])))(moved, deviates)
    assert difference(here, there) < 1e-5  # tables reach as far as their electrodes


@pytest.mark.parametrize("conductor", BY_NAME)
def test_a_batch_is_its_units_one_by_one(conductor, grid):
    generator = torch.Generator().manual_seed(3)
    deviates = random_deviates(9, 20, generator)
    parameters = UnitParameters.of(
        innervation_zone_mm=torch.linspace(-20, 20, 9),
        depth_mm=torch.linspace(3, 20, 9),
        conduction_velocity_m_s=torch.linspace(2.5, 5.5, 9),
    )
    at_grid = WaveformModel(conductor, Electrodes.from_geometry(grid(5, 3)))
    one_by_one = torch.cat([at_grid(parameters[i : i + 1], deviates[i : i + 1]) for i in range(9)])
    with torch.no_grad():  # in chunks
        batch = at_grid(parameters, deviates)
    assert difference(batch, one_by_one) < 1e-5
    assert difference(at_grid(parameters, deviates), one_by_one) < 1e-5


def test_conductors_may_differ_between_units(line):
    deviates = quadrature_deviates(40)
    parameters = UnitParameters.of(depth_mm=torch.tensor([6.0, 9.0, 12.0]))
    across, ratio = torch.tensor([0.08, 0.1, 0.12]), torch.tensor([4.0, 5.0, 6.5])
    with torch.no_grad():
        found = WaveformModel(HalfSpace(across, ratio), line)(parameters, deviates)
        for i in range(3):
            alone = WaveformModel(HalfSpace(float(across[i]), float(ratio[i])), line)(parameters[i : i + 1], deviates)
            assert difference(found[i : i + 1], alone) < 1e-3  # their wavenumbers differ


def test_the_same_seed_gives_the_same_waveform(line):
    first, again = (
        WaveformModel(HalfSpace(), line)(UnitParameters.of(), random_deviates(1, 20, torch.Generator().manual_seed(8)))
        for _ in range(2)
    )
    assert torch.equal(first, again)


def test_missing_channels_are_zero_and_the_others_untouched(grid):
    at_grid = WaveformModel(HalfSpace(), Electrodes.from_geometry(grid(4, 3)))
    parameters, deviates = UnitParameters.of(depth_mm=torch.tensor([5.0, 9.0])), quadrature_deviates(6)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, 3] = mask[1, 7] = False
    whole, masked = at_grid(parameters, deviates), at_grid(parameters, deviates, mask)
    assert (masked[~mask] == 0.0).all()
    assert torch.equal(masked[mask], whole[mask])


def test_any_order_and_choice_of_channels_gives_the_same_waveforms(grid):
    geometry = grid(5, 4)
    parameters, deviates = UnitParameters.of(lateral_mm=torch.tensor([6.0])), quadrature_deviates(6)
    whole = WaveformModel(HalfSpace(), Electrodes.from_geometry(geometry))(parameters, deviates)
    chosen = np.array([17, 3, 0, 12, 9])
    some = WaveformModel(HalfSpace(), Electrodes.from_geometry(geometry.select(chosen)))(parameters, deviates)
    assert difference(some, whole[:, chosen]) < 1e-5


@pytest.mark.parametrize("conductor", BY_NAME)
def test_gradients_agree_with_finite_differences_in_every_parameter(conductor, unit, grid):
    at_grid = model(conductor, Electrodes.from_geometry(grid(3, 2), size_mm=4.0))
    values = unit(innervation_zone_mm=7.0, lateral_mm=3.3, depth_mm=9.1, half_length_low_mm=52.0, ap_scale=1.1)
    deviates = quadrature_deviates(5, F64)
    names = list(values.__dataclass_fields__)
    vector = torch.stack([getattr(values, name)[0] for name in names])
    readout = torch.randn(6, 102, generator=torch.Generator().manual_seed(0), dtype=F64)

    def loss(v):
        parameters = UnitParameters(*(v[i : i + 1] for i in range(len(names))))
        return (at_grid(parameters, deviates)[0] * readout).sum()

    leaf = vector.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    for i, name in enumerate(names):
        step = torch.zeros_like(vector)
        step[i] = 1e-4
        with torch.no_grad():
            numeric = float((loss(vector + step) - loss(vector - step)) / 2e-4)
        assert float(gradient[i]) == pytest.approx(numeric, rel=1e-4, abs=1e-4), name
        assert abs(numeric) > 1e-6, name


def test_float32_gradients_are_those_of_float64(line):
    deviates = quadrature_deviates(8, F64)
    found = []
    for dtype in (torch.float32, F64):
        leaf = torch.tensor([3.0, 4.1, 8.0], dtype=dtype, requires_grad=True)
        at_line = WaveformModel(HalfSpace(), line, dtype=dtype)
        parameters = UnitParameters.of(
            innervation_zone_mm=leaf[:1], conduction_velocity_m_s=leaf[1:2], depth_mm=leaf[2:]
        )
        (gradient,) = torch.autograd.grad(at_line(parameters, deviates).square().sum(), leaf)
        found.append(gradient.to(F64))
    assert difference(*found) < 1e-3


def test_jacobians_by_forward_mode_agree_with_those_by_reverse_mode():
    few = Electrodes(np.array([-12.0, -4.0, 4.0]), np.zeros(3))  # reverse mode takes a pass for every value
    at_line, deviates = model(HalfSpace(), few, window=Window(samples=40)), quadrature_deviates(4, F64)

    def waveform(v):
        return at_line(UnitParameters.of(innervation_zone_mm=v[:1], depth_mm=v[1:]), deviates)

    at = torch.tensor([4.0, 8.0], dtype=F64)
    torch.testing.assert_close(torch.func.jacfwd(waveform)(at), torch.func.jacrev(waveform)(at))


def test_the_end_of_the_fibre_is_seen_on_all_channels_at_once(single, line):
    """What passes the electrodes comes later at each next one; what the end makes is at L / v everywhere."""
    velocity, length = 4.0, 60.0
    parameters = single(
        conduction_velocity_m_s=velocity, half_length_high_mm=length, half_length_low_mm=length, depth_mm=8.0
    )
    window = Window(samples=80, start_ms=0.0)
    waveform = model(HalfSpace(), line, window=window)(parameters, torch.full((1, 1, 6), 0.5, dtype=F64))[0]
    longer = model(HalfSpace(), line, window=window, wavenumbers=Wavenumbers(2.0, 900.0, 4000.0))(
        single(conduction_velocity_m_s=velocity, half_length_high_mm=300.0, half_length_low_mm=300.0, depth_mm=8.0),
        torch.full((1, 1, 6), 0.5, dtype=F64),
    )[0]
    end = waveform - longer  # what the ends add
    times = torch.tensor(window.times_ms())
    before, after = end[:, times < length / velocity - 1.0], end[:, times > length / velocity]
    assert before.abs().max() < 0.03 * end.abs().max()
    onset = [float(times[(channel.abs() > 0.3 * channel.abs().max()).nonzero()[0, 0]]) for channel in end[4:12]]
    assert max(onset) - min(onset) <= 1.0  # ms; the wave itself takes 8.75 ms past these electrodes
    assert onset[0] == pytest.approx(length / velocity, abs=1.0)
    assert after.abs().max() > 0.1


def test_the_potential_travels_at_the_conduction_velocity(single, line):
    for velocity in (3.0, 5.0):
        parameters = single(innervation_zone_mm=-45.0, conduction_velocity_m_s=velocity, depth_mm=4.0)
        window = Window(fs_hz=8192.0, samples=330, start_ms=0.0)
        waveform = model(HalfSpace(), Electrodes(line.along_mm, line.across_mm, step_mm=5.0), window=window)(
            parameters, torch.full((1, 1, 6), 0.5, dtype=F64)
        )[0]
        peak = waveform.argmax(-1).double() / 8.192  # ms
        slope = np.polyfit(peak[3:9].numpy(), line.along_mm[3:9], 1)[0]
        assert slope == pytest.approx(velocity, rel=0.03)


def test_single_differential_is_null_at_the_innervation_zone(single):
    symmetric = single(innervation_zone_mm=0.0, depth_mm=8.0)
    pairs = Electrodes(np.arange(-22.5, 20.0, 5.0), np.zeros(9), step_mm=5.0)  # the middle one straddles z = 0
    waveform = model(HalfSpace(), pairs)(symmetric, torch.full((1, 1, 6), 0.5, dtype=F64))[0]
    rms = waveform.square().mean(-1).sqrt()
    assert rms[4] < 1e-9 * rms.max()
    torch.testing.assert_close(waveform[:4], -waveform[5:].flip(0))  # and of opposite sign on its two sides


def test_single_differential_is_the_difference_of_monopolar(unit, grid):
    geometry, deviates = grid(6, 3), quadrature_deviates(6, F64)
    electrodes = Electrodes.from_geometry(geometry)
    single = model(PlanarLayers(), electrodes)(unit(lateral_mm=3.0), deviates).reshape(6, 3, -1)
    pairs = Electrodes.from_geometry(geometry, "single-differential")
    double = model(PlanarLayers(), pairs)(unit(lateral_mm=3.0), deviates).reshape(6, 3, -1)
    torch.testing.assert_close(double[:-1], single[1:] - single[:-1])


def test_monopolar_waveforms_have_three_phases_and_last_ten_to_twenty_milliseconds(unit):
    parameters = unit(innervation_zone_mm=-30.0, half_length_low_mm=40.0, half_length_high_mm=90.0, depth_mm=6.0)
    waveform = model(HalfSpace(), Electrodes(np.array([0.0]), np.zeros(1)))(parameters, quadrature_deviates(16, F64))
    channel = waveform[0, 0]
    trough = int(channel.argmin())
    assert channel[:trough].max() > 0.03 * -channel.min()  # positive, negative, positive
    assert channel[trough:].max() > 0.03 * -channel.min()
    times = Window().times_ms()[(channel.abs() > 0.05 * channel.abs().max()).numpy()]
    assert 8.0 < times[-1] - times[0] < 25.0


def test_amplitude_falls_with_depth_as_published(single, line):
    """Propagating (single-differential) potentials as depth^-2..-3.6; monopolar ones, standing waves too, less."""
    depth = torch.tensor([5.0, 8.0, 10.0, 15.0], dtype=F64)
    deviates = torch.full((1, 1, 6), 0.5, dtype=F64)
    pairs = Electrodes(line.along_mm[:-1], line.across_mm[:-1], step_mm=5.0)
    parameters = single(depth_mm=depth)
    for conductor, electrodes, low, high in [
        (HalfSpace(), pairs, -3.8, -2.0),
        (PlanarLayers(), pairs, -3.0, -1.8),
        (Homogeneous(), pairs, -3.2, -1.5),
        (HalfSpace(), line, -2.5, -1.0),
    ]:
        amplitude = peak_to_peak(model(conductor, electrodes)(parameters, deviates))
        slope = np.polyfit(depth.log().numpy(), amplitude.log().numpy(), 1)[0]
        assert low < slope < high


def test_three_millimetres_of_fat_cost_about_thirty_percent(unit, line):
    """Of a unit in mid-depth: nearly half of one 5 mm deep, 20 % of one 15 mm deep."""
    pairs = Electrodes(line.along_mm[:-1], line.across_mm[:-1], step_mm=5.0)
    rms = [
        float(model(conductor, pairs)(unit(depth_mm=10.0), quadrature_deviates(16, F64)).square().mean().sqrt())
        for conductor in (HalfSpace(), PlanarLayers(fat_mm=3.0, skin_mm=0.0))
    ]
    assert 0.6 < rms[1] / rms[0] < 0.8


def test_amplitudes_are_those_of_surface_potentials(unit, grid):
    electrodes = Electrodes.from_geometry(grid(8, 8))
    for conductor in (HalfSpace(), PlanarLayers(), Cylinder()):
        for fibres in (100.0, 500.0):
            amplitude = float(
                peak_to_peak(model(conductor, electrodes)(unit(fibres=fibres), quadrature_deviates(16, F64)))
            )
            assert 10.0 < amplitude < 1000.0  # uV


def test_size_scales_the_waveform(unit, line):
    deviates = quadrature_deviates(6, F64)
    one, three = (model(HalfSpace(), line)(unit(fibres=n), deviates) for n in (100.0, 300.0))
    torch.testing.assert_close(three, 3.0 * one)


@pytest.mark.parametrize("conductor", BY_NAME)
def test_what_is_left_out_of_the_sums_is_less_than_one_percent(conductor, unit, grid):
    """Fewer repeats, finer waves, a longer period in time: nothing of it changes a waveform much."""
    parameters = unit(
        innervation_zone_mm=[-30.0, 0.0, 20.0, 30.0],
        depth_mm=[4.0, 7.0, 12.0, 20.0],
        conduction_velocity_m_s=[3.0, 4.0, 5.0, 2.5],
        half_length_high_mm=80.0,
        radius_mm=2.0,
    )
    deviates, electrodes = quadrature_deviates(6, F64), Electrodes.from_geometry(grid(13, 2))
    usual = model(conductor, electrodes)(parameters, deviates)
    finer = model(conductor, electrodes, wavenumbers=Wavenumbers(0.8, 1000.0, 8000.0), window=Window(slowest_ms=100.0))(
        parameters, deviates
    )
    for found, expected in zip(usual, finer, strict=True):
        assert difference(found, expected) < 0.01


def test_a_short_window_is_a_piece_of_a_long_one(unit, line):
    deviates = quadrature_deviates(6, F64)
    long = model(HalfSpace(), line, window=Window(samples=140, start_ms=-10 / 2.048))(unit(), deviates)
    short = model(HalfSpace(), line, window=Window(samples=40, start_ms=20 / 2.048))(unit(), deviates)
    assert difference(short, long[..., 30:70]) < 0.01


def test_nothing_happens_before_the_innervation_point_fires(unit, line):
    waveform = model(HalfSpace(), line, window=Window(samples=120, start_ms=-10.0))(unit(), quadrature_deviates(8, F64))
    times = Window(samples=120, start_ms=-10.0).times_ms()
    assert waveform[..., times < -3.0].abs().max() < 2e-3 * waveform.abs().max()
