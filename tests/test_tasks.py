"""Data with a known rank."""

import jax
import numpy as np
import pytest

import bnlib as bn


def test_latent_task_has_the_stated_moments_and_is_deterministic():
    task = bn.tasks.latent_task(jax.random.key(0), 100, rank=2, n_test=200)
    X, Y = np.vstack([task.X, task.X_test]), np.vstack([task.Y, task.Y_test])
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(X.var(0), 1, rtol=1e-9)
    np.testing.assert_allclose(Y.mean(0), 0, atol=1e-12)
    assert np.mean(np.sum(Y**2, axis=1)) == pytest.approx(2.0)
    again = bn.tasks.latent_task(jax.random.key(0), 100, rank=2, n_test=200)
    assert all(np.array_equal(a, b) for a, b in zip(task, again, strict=True))
    assert task.latent.shape == (100, 8)


@pytest.mark.parametrize("rank", [0, 9])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(ValueError, match="rank"):
        bn.tasks.latent_task(jax.random.key(0), 5, rank=rank)
