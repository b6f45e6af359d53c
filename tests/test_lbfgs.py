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
    x, _, _, history, failures = lbfgs.minimize(lambda v: 0.5 * v @ H @ v - c @ v, jnp.zeros(8), 40, 10)
    np.testing.assert_allclose(x, np.linalg.solve(H, c), atol=1e-7)
    assert int(failures) <= 30  # at the minimum no step decreases any more
    assert np.all(np.diff(history) <= 1e-14)


def test_rosenbrock_ends_where_scipy_ends():
    def objective(v):
        return jnp.sum(100.0 * (v[1:] - v[:-1] ** 2) ** 2 + (1.0 - v[:-1]) ** 2)

    start = jnp.full(6, -1.2)
    x, _, _, history, _ = lbfgs.minimize(objective, start, 120, 10)
    reference = scipy_minimize(
        lambda v: tuple(np.asarray(a) for a in jax.value_and_grad(objective)(jnp.asarray(v))), start, jac=True
    )
    assert objective(x) <= reference.fun + 1e-8
    assert history[-1] == pytest.approx(float(objective(x)), abs=1e-15)


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_piecewise_smooth_objectives_never_increase(memory):
    A = jnp.asarray(np.random.default_rng(1).normal(size=(12, 5)))

    def objective(v):
        return jnp.sum(jnp.abs(A @ v - 1.0)) + 0.1 * v @ v

    x, flattest, gradient, history, _ = lbfgs.minimize(objective, jnp.ones(5), 60, memory)
    # The gradient jumps from point to point: that of the flattest point is its own, and less than that of the last.
    assert gradient == pytest.approx(float(jnp.linalg.norm(jax.grad(objective)(flattest))), rel=1e-12)
    assert gradient < 0.999 * jnp.linalg.norm(jax.grad(objective)(x))
    assert np.all(np.diff(history) <= 1e-12)
    assert history[-1] < history[0]
    assert np.all(np.isfinite(x))


@pytest.mark.parametrize("n", [1, 3, 6])
def test_a_quadratic_takes_about_as_many_steps_as_it_has_dimensions(n):
    """The gradient falls at the rate of conjugate gradients: two extra steps for the first length and the search."""
    rng = np.random.default_rng(n)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    H, c = jnp.asarray(Q * np.linspace(1, 3, n) @ Q.T), jnp.asarray(rng.normal(size=n))

    def objective(v):
        return 0.5 * v @ H @ v - c @ v

    x, *_ = lbfgs.minimize(objective, jnp.zeros(n), 2 * n + 4, 2 * n + 4)
    least = float(objective(jnp.linalg.solve(H, c)))
    assert float(objective(x)) - least <= 1e-8 * abs(least)


def test_ends_where_the_bounded_lbfgs_of_scipy_ends():
    rng = np.random.default_rng(2)
    A, sign = jnp.asarray(rng.normal(size=(40, 7))), jnp.asarray(rng.choice([-1.0, 1.0], 40))

    def objective(v):
        return jnp.mean(jnp.logaddexp(0.0, -sign * (A @ v))) + 0.01 * v @ v

    x, _, _, history, _ = lbfgs.minimize(objective, jnp.zeros(7), 60, 10)
    theirs = scipy_minimize(
        lambda v: tuple(np.asarray(a) for a in jax.value_and_grad(objective)(jnp.asarray(v))),
        np.zeros(7),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 0.0, "gtol": 1e-10},
    )
    assert float(history[-1]) == pytest.approx(theirs.fun, rel=1e-13)
    np.testing.assert_allclose(x, theirs.x, atol=1e-6)


def inverse_hessian(pairs, n):
    """Multiply out the BFGS update of the inverse Hessian, pair by pair."""
    s, y = pairs[-1]
    H = (s @ y) / (y @ y) * np.eye(n)
    for s, y in pairs:
        V = np.eye(n) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    return H


def remembered(pairs, memory, n, g):
    """Remember pairs that lead to the gradient g."""
    mem = lbfgs._Memory(
        jnp.zeros((2 * (memory + 1), n)),
        jnp.zeros(2 * (memory + 1)),
        jnp.zeros((memory, memory)),
        jnp.zeros((memory, memory)),
        jnp.full(memory, -1),
        jnp.zeros((), int),
    )
    gradients = np.asarray(g) - np.cumsum([np.zeros(n), *(y for _, y in reversed(pairs))], axis=0)[:-1][::-1]
    for t, ((s, y), after) in enumerate(zip(pairs, gradients, strict=True)):
        mem = lbfgs._remember(mem, *map(jnp.asarray, (s, y, after, t)), jnp.array(True))
    return mem


def check_direction(kept, count, memory):
    """Assert that the compact form is the product of the updates of the ``memory`` newest pairs, in their order."""
    n = 5
    rng = np.random.default_rng(3)
    B = rng.normal(size=(n, n))
    B = B @ B.T + np.eye(n)
    pairs = [(s, B @ s) for s in rng.normal(size=(count, n))]
    g = rng.normal(size=n)
    expected = inverse_hessian(kept(pairs, memory), n) @ g
    direction = lbfgs._inverse_hessian_times(remembered(pairs, memory, n, g), jnp.asarray(g))
    np.testing.assert_allclose(direction, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_compact_form_is_the_product_of_updates(count):
    check_direction(lambda pairs, memory: pairs[-memory:], count, 4)


@pytest.mark.parametrize(
    "kept",
    [
        lambda pairs, memory: pairs,
        lambda pairs, memory: pairs[:memory],
        lambda pairs, memory: pairs[-memory:][::-1],
        lambda pairs, memory: pairs[-memory + 1 :],
    ],
    ids=["all pairs", "the oldest", "reversed", "one too few"],
)
def test_another_choice_of_pairs_is_caught(kept):
    with pytest.raises(AssertionError):
        check_direction(kept, 6, 4)


def test_pairs_without_curvature_are_forgotten():
    good, flat = (np.array([1.0, 0.0]), np.array([2.0, 1.0])), (np.array([0.0, 1.0]), np.array([1.0, -1.0]))
    g = jnp.array([0.3, 0.7])
    with_flat, without = (lbfgs._inverse_hessian_times(remembered(p, 3, 2, g), g) for p in ([good, flat], [good]))
    np.testing.assert_allclose(with_flat, without, rtol=1e-12)


def test_no_pair_at_all_gives_the_gradient():
    g = jnp.array([1.0, -2.0])
    np.testing.assert_array_equal(lbfgs._inverse_hessian_times(remembered([], 3, 2, g), g), g)


def test_a_failed_search_is_counted_and_leaves_the_point():
    x, _, _, history, failures = lbfgs.minimize(lambda v: jnp.sum(jnp.abs(v)), jnp.zeros(2), 3, 3)
    np.testing.assert_array_equal(x, [0.0, 0.0])
    assert np.all(history == 0)
    assert 0 <= int(failures) <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_is_kept(dtype):
    x, _, _, history, _ = lbfgs.minimize(lambda v: jnp.sum((v - 1) ** 4), jnp.zeros(3, dtype), 10, 4)
    assert x.dtype == history.dtype == dtype
