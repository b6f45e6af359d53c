"""Codes are moved into the positive orthant by isometries, or it is said that none was found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.build.orthants import negative_part, orthant_isometry


def check_isometry(find, codes, width, slack=1e-12):
    """Assert that distances are kept, no code has a negative entry, and the orthant is that of R^width."""
    Q = find(codes)
    assert Q.shape == (width, codes.shape[1])
    np.testing.assert_allclose(Q.T @ Q, np.eye(codes.shape[1]), atol=1e-12)
    assert np.min(codes @ Q.T) >= -2 * slack * np.max(np.linalg.norm(codes, axis=1))


def fan(angle, turn, sizes):
    angles = turn + np.linspace(-0.5, 0.5, len(sizes)) * angle
    return np.array(sizes)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])


@given(
    st.floats(0.0, np.pi / 2 - 1e-9), st.floats(0.0, 2 * np.pi), st.lists(st.floats(0.1, 10.0), min_size=1, max_size=7)
)
@settings(max_examples=50)
def test_a_plane_cone_of_at_most_a_right_angle_fits(angle, turn, sizes):
    check_isometry(orthant_isometry, fan(angle, turn, sizes), 2)


@pytest.mark.parametrize("angle", [91.0, 120.0, 200.0])
def test_a_wider_plane_cone_does_not_fit_even_in_more_dimensions(angle):
    with pytest.raises(ValueError, match="negative inner product"):
        orthant_isometry(fan(np.radians(angle), 0.3, [1.0, 1.0, 1.0]))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 6])
def test_codes_near_their_mean_fit_without_a_search(k):
    """Within arcsin(1/sqrt k) of the axis; the start alone serves, whatever the turn about the axis."""
    rng = np.random.default_rng(k)
    axis, *others = np.linalg.qr(rng.normal(size=(k, k)))[0].T
    angle = 0.999 * np.arcsin(k**-0.5) if k > 1 else 0.0
    sides = rng.normal(size=(30, k - 1))
    sides /= np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-300)
    both = np.concatenate([sides, -sides])  # so that the axis is their mean
    codes = np.cos(angle) * axis[None, :] + np.sin(angle) * (both @ np.array(others).reshape(k - 1, k))
    check_isometry(orthant_isometry, codes, k)


@pytest.mark.parametrize("k", [3, 4])
def test_a_turned_orthant_is_found(k):
    """Interior codes of an orthant that is turned: there is an isometry, but no change of signs is one."""
    rng = np.random.default_rng(k)
    codes = rng.uniform(0.05, 1.0, size=(40, k)) @ np.linalg.qr(rng.normal(size=(k, k)))[0]
    check_isometry(orthant_isometry, codes, k)
    with pytest.raises(AssertionError):
        check_isometry(lambda Z: np.diag(np.sign(Z.sum(axis=0))), codes, k)


def square_cone():
    """Four edges of a cone over a square, neighbours of which are orthogonal to the opposite ones: it needs R^4."""
    return np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [-1.0, 0.0, 1.0], [0.0, -1.0, 1.0]])


def test_a_cone_that_needs_more_neurons_than_dimensions():
    check_isometry(lambda Z: orthant_isometry(Z, cut=1e-9), square_cone(), 4, slack=1e-9)
    with pytest.raises(ValueError, match="m <= 3: the best one cuts off"):
        orthant_isometry(square_cone(), widest=3, cut=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_codes_that_cancel_do_not_fit(k):
    """They have no axis."""
    with pytest.raises(ValueError, match="negative inner product"):
        orthant_isometry(np.eye(k)[:1] * [[1.0], [-1.0]])


def test_what_may_be_cut_off():
    codes = fan(np.radians(95.0), 0.0, [1.0, 2.0, 1.0])
    Q = orthant_isometry(codes, cut=0.05)
    assert 0.0 < negative_part(codes, Q) <= 0.05
    np.testing.assert_array_equal(orthant_isometry(np.zeros((2, 3))), np.eye(3))
    assert negative_part(np.zeros((2, 3)), np.eye(3)) == 0.0


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="widest must be an integer >= 2"):
        orthant_isometry(np.eye(2), widest=1)
    with pytest.raises(ValueError, match="codes must be finite"):
        orthant_isometry([[np.nan]])
