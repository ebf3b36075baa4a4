"""Each contrast's derivatives are those of its value, and the fixed point stays where it should."""

import numpy as np
import pytest

from myodrive.models.contrast import CONTRASTS, SKEW, fixed_point_step, unit_length


@pytest.mark.parametrize("name", CONTRASTS)
def test_derivatives_agree_with_finite_differences(name):
    contrast = CONTRASTS[name]
    s = np.linspace(-6, 6, 241)
    step = 1e-5
    slope = (contrast.value(s + step) - contrast.value(s - step)) / (2 * step)
    curvature = (contrast.slope(s + step) - contrast.slope(s - step)) / (2 * step)
    np.testing.assert_allclose(contrast.slope(s), slope, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(contrast.curvature(s), curvature, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CONTRASTS)
def test_the_step_is_the_textbook_one(rng, name):
    contrast = CONTRASTS[name]
    whitened = rng.normal(size=(20_000, 5)).astype(np.float32)  # longer than a block, and not a multiple of one
    vectors = unit_length(rng.normal(size=(5, 3)).astype(np.float32))
    s = whitened @ vectors
    expected = whitened.T @ contrast.slope(s) / len(s) - contrast.curvature(s).mean(axis=0) * vectors
    np.testing.assert_allclose(
        fixed_point_step(whitened, vectors, contrast), expected / np.linalg.norm(expected, axis=0), atol=1e-3
    )


@pytest.mark.parametrize("name", CONTRASTS)
def test_the_fixed_point_finds_a_sparse_source_among_gaussians(rng, name):
    whitened = rng.normal(size=(30_000, 6))
    whitened[:, 2] = np.where(rng.random(30_000) < 0.02, 8.0, rng.normal(size=30_000) * 0.1)
    whitened = ((whitened - whitened.mean(axis=0)) / whitened.std(axis=0)).astype(np.float32)
    vector = unit_length(np.ones((6, 1), np.float32))
    for _ in range(15):
        vector = fixed_point_step(whitened, vector, CONTRASTS[name])
    assert abs(vector[2, 0]) > 0.99


def test_vectors_have_unit_length_and_zero_stays_zero(rng):
    vectors = np.hstack([rng.normal(size=(4, 2)), np.zeros((4, 1))]).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(unit_length(vectors), axis=0), [1, 1, 0], atol=1e-6)


def test_vectors_do_not_see_each_other(rng):
    whitened = rng.normal(size=(3000, 5)).astype(np.float32)
    vectors = unit_length(rng.normal(size=(5, 4)).astype(np.float32))
    together = fixed_point_step(whitened, vectors, SKEW)
    alone = [fixed_point_step(whitened, vectors[:, [k]], SKEW)[:, 0] for k in range(4)]
    np.testing.assert_allclose(together, np.stack(alone, axis=1), atol=1e-5)
