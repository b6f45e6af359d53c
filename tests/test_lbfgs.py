"""The optimiser on problems whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from bnlib import lbfgs


def test_quadratic_is_solved():
    rng = np.random.default_rng(0)
    Q = rng.normal(size=(8, 8))
    H, c = jnp.asarray(Q @ Q.T + np.eye(8)), jnp.asarray(rng.normal(size=8))
    x, history, failures = lbfgs.minimize(lambda v: 0.5 * v @ H @ v - c @ v, jnp.zeros(8), 40, 10)
    np.testing.assert_allclose(x, np.linalg.solve(H, c), atol=1e-7)
    assert int(failures) <= 30  # at the minimum no step decreases any more
    assert np.all(np.diff(history) <= 1e-14)


def test_rosenbrock_ends_where_scipy_ends():
    def objective(v):
        return jnp.sum(100.0 * (v[1:] - v[:-1] ** 2) ** 2 + (1.0 - v[:-1]) ** 2)

    start = jnp.full(6, -1.2)
    x, history, _ = lbfgs.minimize(objective, start, 120, 10)
    reference = scipy_minimize(
        lambda v: tuple(np.asarray(a) for a in jax.value_and_grad(objective)(jnp.asarray(v))), start, jac=True
    )
    assert objective(x) <= reference.fun + 1e-8
    assert history[-1] == pytest.approx(float(objective(x)), abs=1e-15)


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_piecewise_smooth_objectives_never_increase(memory):
    A = jnp.asarray(np.random.default_rng(1).normal(size=(12, 5)))
    x, history, _ = lbfgs.minimize(lambda v: jnp.sum(jnp.abs(A @ v - 1.0)) + 0.1 * v @ v, jnp.ones(5), 60, memory)
    assert np.all(np.diff(history) <= 1e-12)
    assert history[-1] < history[0]
    assert np.all(np.isfinite(x))
