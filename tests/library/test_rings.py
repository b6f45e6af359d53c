"""Circles, arcs and annuli lie where they should, and their codes have what the targets need."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib import rings

SEEDS = st.integers(0, 2**32 - 1)


def in_plane(X):
    """Return the two coordinates of points of a plane, up to a rotation or reflection."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(s[2:], 0.0, atol=1e-12 * s[0])
    return U[:, :2] * s[:2]


def steepest(codes, Y):
    """Return the largest speed of the targets along the code of one dimension."""
    order = np.argsort(codes[:, 0])
    steps = np.linalg.norm(np.diff(Y[order], axis=0), axis=1)
    return np.max(steps / np.diff(codes[order, 0]))


def check_circle(ring, n, d, degrees):
    assert ring.X.shape == ring.Y.shape == (n, d)
    np.testing.assert_allclose(np.linalg.norm(ring.X, axis=1), 1.0, rtol=1e-12)
    in_plane(ring.X)
    np.testing.assert_array_equal(ring.X, ring.Y)
    # Neighbours are equally far apart, and what is missing between the last and the first is the cut.
    steps = 2 * np.arcsin(np.linalg.norm(np.diff(ring.X, axis=0), axis=1) / 2)
    gap = np.deg2rad(degrees) if degrees else 2 * np.pi / n
    np.testing.assert_allclose(steps, (2 * np.pi - gap) / (n - 1), rtol=1e-9)
    assert 2 * np.arcsin(np.linalg.norm(ring.X[0] - ring.X[-1]) / 2) == pytest.approx(min(gap, 2 * np.pi - gap), 1e-9)
    np.testing.assert_allclose(ring.fine[0], ring.X[0], atol=1e-12)
    np.testing.assert_allclose(ring.fine[-1], ring.X[-1 if degrees else 0], atol=1e-12)


def check_codes(ring, n):
    assert {rank: code.shape for rank, code in ring.codes.items()} == {1: (n, 1), 2: (n, 2)}
    assert all(code.min() >= -1e-12 for code in ring.codes.values())
    # From a code of two dimensions the targets follow by an affine isometry.
    two = ring.codes[2] - ring.codes[2].mean(axis=0)
    Y = ring.Y - ring.Y.mean(axis=0)
    np.testing.assert_allclose(two @ two.T, Y @ Y.T, atol=1e-12)


@given(SEEDS, st.integers(3, 40), st.integers(2, 5), st.sampled_from([0.0, 30.0, 90.0, 300.0]))
@settings(max_examples=25)
def test_circle(seed, n, d, degrees):
    ring = rings.circle(np.random.default_rng(seed), n, d, degrees)
    check_circle(ring, n, d, degrees)
    check_codes(ring, n)
    assert steepest(ring.codes[1], ring.Y) <= np.pi  # in order along the curve, of length 2 pi at most


@given(SEEDS, st.integers(20, 60), st.integers(2, 5))
@settings(max_examples=25)
def test_annulus(seed, n, d):
    ring = rings.annulus(np.random.default_rng(seed), n, d)
    check_codes(ring, n)
    np.testing.assert_array_equal(ring.fine, ring.X)
    V = ring.codes[2] - 1
    np.testing.assert_allclose(np.abs(V).max(axis=1), 1.0, rtol=1e-12)  # the boundary of the square
    R = np.linalg.lstsq(V, ring.Y, rcond=None)[0]  # the isometry of the plane
    np.testing.assert_allclose(R @ R.T, np.eye(2), atol=1e-10)
    U = ring.X @ R.T
    np.testing.assert_allclose(np.clip(2 * U, -1, 1), V, atol=1e-10)
    assert np.all((np.abs(U).max(axis=1) >= 0.5 - 1e-10) & (np.abs(U).max(axis=1) <= 1 + 1e-10))
    # The code runs round once: by angle, from one side of the widest gap to the other.
    order = np.argsort(ring.codes[1][:, 0])
    turns = np.mod(np.diff(np.arctan2(U[:, 1], U[:, 0])[order]), 2 * np.pi)
    assert np.sum(turns) <= 2 * np.pi - np.max(turns) + 1e-9


def test_points_off_the_circle_or_out_of_order_are_caught():
    ring = rings.circle(np.random.default_rng(0), 12, 3)
    for mistake in (ring._replace(X=1.1 * ring.X, Y=1.1 * ring.Y), ring._replace(X=ring.X[::2], Y=ring.Y[::2])):
        with pytest.raises(AssertionError):
            check_circle(mistake, 12, 3, 0.0)
    with pytest.raises(AssertionError):
        check_codes(ring._replace(codes={1: ring.codes[1], 2: ring.codes[2][::-1] ** 2}), 12)


def test_points_of_the_annulus_fill_it():
    U = rings.in_annulus(np.random.default_rng(0), 4000)
    assert U.shape == (4000, 2)
    assert np.abs(U).max() <= 1
    assert np.abs(U).max(axis=1).min() >= 0.5
    # A quarter of the square is left out, so each of twelve cells of side 1/2 holds a twelfth: 333 with deviation 17.
    cells = np.histogram2d(*U.T, bins=4, range=[[-1, 1], [-1, 1]])[0]
    assert np.all(cells[1:3, 1:3] == 0)
    assert np.all(np.abs(cells[cells > 0] - 4000 / 12) < 5 * 18)


def test_rings_need_a_plane_and_points():
    rng = np.random.default_rng(0)
    for make in (rings.circle, rings.annulus):
        with pytest.raises(ValueError, match="d must be an integer >= 2"):
            make(rng, 12, 1)
        with pytest.raises(ValueError, match="n must be an integer >= 3"):
            make(rng, 2, 3)
