"""Surfaces and charts: nearest points against what the nearest point must satisfy, exact autoencoders on them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.build.charts import complex_step_jacobian, random_chart
from bnlib.build.surfaces import KINDS, draw_surface

SEEDS = st.integers(0, 2**32 - 1)


def surface(kind, seed=0):
    return draw_surface(kind, seed, 30, 40, 0.2)


def check_nearest(s, noisy, found):
    """Assert that found lies on the surface, and that neither a step along it nor any drawn point is nearer."""
    kind = KINDS[s.kind]
    np.testing.assert_allclose(s.project(found), found, atol=1e-9)
    away = np.linalg.norm(noisy - found, axis=1)
    drawn = s.place(kind.points(np.random.default_rng(1).uniform(size=(2000, kind.dim))))
    assert np.all(np.linalg.norm(noisy[:, None] - drawn, axis=2).min(axis=1) >= away - 1e-9)
    moved = s.project(found + 1e-4 * np.random.default_rng(2).normal(size=found.shape))
    assert np.all(np.linalg.norm(noisy - moved, axis=1) >= away - 1e-9)


@pytest.mark.parametrize("kind", list(KINDS))
@given(SEEDS)
@settings(max_examples=5)
def test_projections_are_nearest_points(kind, seed):
    s = surface(kind, seed)
    check_nearest(s, s.noisy, s.project(s.noisy))


def check_upright(s, found):
    """Assert that from a point t e^(it) of the spiral to the noisy one it goes at right angles to (1 + it) e^(it)."""
    at, to = (z[:, 0] + 1j * z[:, 1] for z in (s.inner(found), s.inner(s.noisy)))
    tangent = (1 + 1j * np.abs(at)) * at / np.abs(at)
    np.testing.assert_allclose(np.real(np.conj(to - at) * tangent), 0, atol=1e-8)


def test_projections_on_the_roll_are_refined():
    s = surface("roll")
    found = s.project(s.noisy)
    check_upright(s, found)
    with pytest.raises(AssertionError):
        check_upright(s, s.clean)


@pytest.mark.parametrize("kind", list(KINDS))
def test_other_points_of_the_surface_are_not(kind):
    s = surface(kind)
    with pytest.raises(AssertionError):
        check_nearest(s, s.noisy, s.clean)


@pytest.mark.parametrize("kind", list(KINDS))
def test_surfaces_are_centred_and_scaled(kind):
    s = draw_surface(kind, 3, 20_000, 40, 0.2)
    np.testing.assert_allclose(s.X.mean(axis=0), 0, atol=0.03)
    assert np.mean(np.sum(s.X**2, axis=1)) == pytest.approx(s.dim, rel=0.02)
    np.testing.assert_allclose(s.place(s.inner(s.X)), s.X, atol=1e-12)
    assert s.noise.std() == pytest.approx(0.2, rel=0.1)
    assert np.linalg.matrix_rank(s.X - s.X.mean(axis=0), tol=1e-6) == s.frame.shape[1]


@pytest.mark.parametrize("kind", list(KINDS))
def test_tangents_are_what_the_projection_keeps(kind):
    """To first order the projection of a noisy point moves along the tangent space alone."""
    s = surface(kind)
    inside = s.along(s.noise)
    np.testing.assert_allclose(s.along(inside), inside, atol=1e-9)
    step = 1e-5
    np.testing.assert_allclose((s.project(s.clean + step * s.noise) - s.clean) / step, inside, atol=1e-3)
    assert np.max(np.abs(inside - s.noise)) > 0.1


def test_unknown_surfaces_and_far_points_are_refused():
    with pytest.raises(ValueError, match="kind must be one of roll, torus, circle, half circle"):
        draw_surface("sphere", 0, 5, 5, 0.1)
    with pytest.raises(ValueError, match="n_train must be an integer >= 1"):
        draw_surface("circle", 0, 0, 5, 0.1)
    with pytest.raises(ValueError, match="has not converged"):
        KINDS["roll"].nearest(np.array([[np.nan, 0.0, 0.0]]))


def check_exact(chart, rng):
    """Assert that the autoencoder returns the surface, with a projection as its Jacobian there, and f o f = f."""
    t = chart.flat_point(rng)
    m = chart.surface(t)
    np.testing.assert_allclose(chart.autoencoder(m), m, atol=1e-9)
    side = 1e-4 * np.r_[np.zeros(chart.dim), np.ones(len(chart.B) - chart.dim)] @ chart.B.T
    J = complex_step_jacobian(chart.autoencoder, m + side)
    T = complex_step_jacobian(chart.surface, t)
    np.testing.assert_allclose(J @ T, T, atol=1e-9)
    np.testing.assert_allclose(J @ J, J, atol=1e-8 * np.linalg.norm(J) ** 2)
    once = chart.autoencoder(m + rng.normal(size=m.shape))
    np.testing.assert_allclose(chart.autoencoder(once), once, atol=1e-9 * np.linalg.norm(once))


@given(SEEDS, st.integers(1, 3), st.booleans())
@settings(max_examples=40)
def test_charts_are_exact_autoencoders(seed, k, kinked):
    rng = np.random.default_rng(seed)
    check_exact(random_chart(rng, k, 5, kinked=kinked), rng)


@pytest.mark.parametrize("mistake", [{"leak": 0.5}, {"gain": 0.9}], ids=str)
def test_a_leak_and_a_gain_are_seen(mistake):
    chart = random_chart(np.random.default_rng(3), 2, 5)._replace(**mistake)
    with pytest.raises(AssertionError):
        check_exact(chart, np.random.default_rng(4))


def test_the_complex_step_agrees_with_differences():
    rng = np.random.default_rng(5)
    chart = random_chart(rng, 2, 5)
    m = chart.surface(chart.flat_point(rng))
    steps = 1e-6 * np.eye(5)
    differences = (chart.autoencoder(m + steps) - chart.autoencoder(m - steps)).T / 2e-6
    np.testing.assert_allclose(complex_step_jacobian(chart.autoencoder, m), differences, atol=1e-6)


@pytest.mark.parametrize("k", [0, 5])
def test_a_chart_needs_directions_along_it_and_off_it(k):
    with pytest.raises(ValueError, match="k must be at least 1 and below d = 5"):
        random_chart(np.random.default_rng(0), k, 5)
