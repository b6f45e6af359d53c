"""Distances of kernels, and pictures of representations turned to fit each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.measure.representations import alignment_distance, kernel_distance, principal_plane, shape_distance

SEEDS = st.integers(0, 2**32 - 1)


def cosine(A, B):
    return 1 - np.sum(A * B) / (np.linalg.norm(A) * np.linalg.norm(B))


def check_alignment(distance, seed):
    """Assert that a distance of kernels is one minus the alignment of centred features."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(7, 4)), rng.normal(size=(7, 3))
    a, b = A - A.mean(0), B - B.mean(0)
    value = np.sum((a.T @ b) ** 2) / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    moved = 5.0 * (A + 3.0)
    assert distance(moved @ moved.T, B @ B.T) == pytest.approx(1 - value, abs=1e-10)


@given(SEEDS, st.floats(0.1, 10.0))
@settings(max_examples=25)
def test_kernel_distances(seed, scale):
    rng = np.random.default_rng(seed)
    A, Q = rng.normal(size=(7, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    K, turned = A @ A.T, (A @ Q) @ (A @ Q).T
    other = rng.normal(size=(7, 4))
    assert kernel_distance(K, turned) < 1e-12
    assert kernel_distance(K, scale * K) == pytest.approx(abs(scale - 1) / scale**0.5)
    assert shape_distance(K, scale * K) == pytest.approx(0.0, abs=1e-12)
    M = other @ other.T
    assert shape_distance(K, scale * M) == pytest.approx(kernel_distance(K / np.trace(K), M / np.trace(M)))
    check_alignment(alignment_distance, seed)


@pytest.mark.parametrize("broken", [cosine, kernel_distance, shape_distance])
def test_a_wrong_alignment_is_caught(broken):
    with pytest.raises(AssertionError):
        check_alignment(broken, 0)


@given(SEEDS)
@settings(max_examples=25)
def test_pictures_are_turned_to_fit(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(9, 2)) * np.array([3.0, 1.0])[None, :]
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0][:2]
    first = principal_plane(A)
    again = principal_plane(A @ Q + 4.0, first.points)
    np.testing.assert_allclose(again.points, first.points, atol=1e-9)
    turned = first.points @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    found = principal_plane(A @ Q + 4.0, turned).points
    np.testing.assert_allclose(found / np.linalg.norm(found), turned / np.linalg.norm(turned), atol=1e-9)
    assert first.share == pytest.approx(1.0)
    assert np.abs(again.points).max() == pytest.approx(1.0)
    three = np.concatenate([A - A.mean(0), np.zeros((9, 1))], axis=1)
    three[:, 2] = rng.normal(size=9)
    values = np.linalg.svd(three - three.mean(0), compute_uv=False) ** 2
    assert principal_plane(three).share == pytest.approx(values[:2].sum() / values.sum())
