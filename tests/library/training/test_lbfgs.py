"""The optimiser on problems whose answer is known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize as scipy_minimize

import engine
from bnlib.training import lbfgs, smoothed_objective

# As in a training, one program each; outside of one, every operation of the first step would be compiled by itself.
minimize = partial(jax.jit, static_argnums=(0, 2, 3))(lbfgs.minimize)
remember, inverse_hessian_times = jax.jit(lbfgs._remember), jax.jit(lbfgs._inverse_hessian_times)


def test_quadratic_is_solved():
    rng = np.random.default_rng(0)
    Q = rng.normal(size=(8, 8))
    H, c = jnp.asarray(Q @ Q.T + np.eye(8)), jnp.asarray(rng.normal(size=8))
    x, _, _, history, failures = minimize(lambda v: 0.5 * v @ H @ v - c @ v, jnp.zeros(8), 40, 10)
    np.testing.assert_allclose(x, np.linalg.solve(H, c), atol=1e-7)
    assert int(failures) <= 30  # at the minimum no step decreases any more
    assert np.all(np.diff(history) <= 1e-14)


def test_rosenbrock_ends_where_scipy_ends():
    def objective(v):
        return jnp.sum(100.0 * (v[1:] - v[:-1] ** 2) ** 2 + (1.0 - v[:-1]) ** 2)

    value_and_grad = jax.jit(jax.value_and_grad(objective))
    start = jnp.full(6, -1.2)
    x, _, _, history, _ = minimize(objective, start, 120, 10)
    reference = scipy_minimize(lambda v: tuple(np.asarray(a) for a in value_and_grad(jnp.asarray(v))), start, jac=True)
    assert objective(x) <= reference.fun + 1e-8
    assert history[-1] == pytest.approx(float(objective(x)), abs=1e-15)


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_piecewise_smooth_objectives_never_increase(memory):
    A = jnp.asarray(np.random.default_rng(1).normal(size=(12, 5)))

    def objective(v):
        return jnp.sum(jnp.abs(A @ v - 1.0)) + 0.1 * v @ v

    x, flattest, gradient, history, _ = minimize(objective, jnp.ones(5), 60, memory)
    # The gradient jumps from point to point: that of the flattest point is its own, and less than that of the last.
    assert gradient == pytest.approx(float(jnp.linalg.norm(jax.grad(objective)(flattest))), rel=1e-12)
    assert gradient < 0.999 * jnp.linalg.norm(jax.grad(objective)(x))
    assert np.all(np.diff(history) <= 1e-12)
    assert history[-1] < history[0]
    assert np.all(np.isfinite(x))


@jax.jit
def steps_of_quadratic(H, c):
    """Return the end of 16 steps on v.Hv/2 - c.v from zero, and the objective after each."""
    found = lbfgs.minimize(lambda v: 0.5 * v @ H @ v - c @ v, jnp.zeros(6), 16, 16)
    return found.x, found.history


@pytest.mark.parametrize("n", [1, 3, 6])
def test_a_quadratic_takes_about_as_many_steps_as_it_has_dimensions(n):
    """The gradient falls at the rate of conjugate gradients: two extra steps for the first length and the search.

    Dimensions beyond n stay at zero, and no pair is forgotten in so few steps, so that each n has the same program.
    """
    rng = np.random.default_rng(n)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    H, c = np.eye(6), np.zeros(6)
    H[:n, :n], c[:n] = Q * np.linspace(1, 3, n) @ Q.T, rng.normal(size=n)
    x, history = steps_of_quadratic(H, c)
    assert np.all(x[n:] == 0)
    least = -0.5 * c @ np.linalg.solve(H, c)
    assert float(history[2 * n + 3]) - least <= 1e-8 * abs(least)


def test_ends_where_the_bounded_lbfgs_of_scipy_ends():
    rng = np.random.default_rng(2)
    A, sign = jnp.asarray(rng.normal(size=(40, 7))), jnp.asarray(rng.choice([-1.0, 1.0], 40))

    def objective(v):
        return jnp.mean(jnp.logaddexp(0.0, -sign * (A @ v))) + 0.01 * v @ v

    value_and_grad = jax.jit(jax.value_and_grad(objective))
    x, _, _, history, _ = minimize(objective, jnp.zeros(7), 60, 10)
    theirs = scipy_minimize(
        lambda v: tuple(np.asarray(a) for a in value_and_grad(jnp.asarray(v))),
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
        mem = remember(mem, *map(jnp.asarray, (s, y, after, t)), jnp.array(True))
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
    direction = inverse_hessian_times(remembered(pairs, memory, n, g), jnp.asarray(g))
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
    with_flat, without = (inverse_hessian_times(remembered(p, 3, 2, g), g) for p in ([good, flat], [good]))
    np.testing.assert_allclose(with_flat, without, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_curvature_is_a_cosine(size):
    """Points and gradients in other units are the same pairs; a cosine of 1e-12 is rounding in any."""
    g, (s, y) = jnp.array([0.3, 0.7]), (size * np.array([1.0, 0.0]), size * np.array([2.0, 1.0]))
    expected = lbfgs._inverse_hessian_times(remembered([(s / size, y / size)], 3, 2, g), g)
    np.testing.assert_allclose(lbfgs._inverse_hessian_times(remembered([(s, y)], 3, 2, g), g), expected, rtol=1e-9)
    assert remembered([(s, size * np.array([1e-12, 1.0]))], 3, 2, g).stored == 0


@pytest.mark.parametrize("value", [1e-8, 1.0, 1e8])
def test_a_step_may_rise_by_rounding_of_the_objective(value):
    """The slope says that it descends; one unit in the last place does not say the opposite, ten do."""
    for units, ok in ((1, True), (10, False)):
        f = value * (1 + units * np.finfo(float).eps)
        point = lbfgs._Point(jnp.zeros(1), jnp.asarray(value), -jnp.ones(1))
        trial = lbfgs._weak_wolfe(lambda x, f=f: (jnp.asarray(f), jnp.zeros(1)), point, jnp.ones(1), jnp.asarray(1e-30))
        assert bool(trial[1]) == ok


def test_no_pair_at_all_gives_the_gradient():
    g = jnp.array([1.0, -2.0])
    np.testing.assert_array_equal(inverse_hessian_times(remembered([], 3, 2, g), g), g)


def test_a_failed_search_is_counted_and_leaves_the_point():
    x, _, _, history, failures = minimize(lambda v: jnp.sum(jnp.abs(v)), jnp.zeros(2), 3, 3)
    np.testing.assert_array_equal(x, [0.0, 0.0])
    assert np.all(history == 0)
    assert 0 <= int(failures) <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_is_kept(dtype):
    x, _, _, history, _ = minimize(lambda v: jnp.sum((v - 1) ** 4), jnp.zeros(3, dtype), 10, 4)
    assert x.dtype == history.dtype == dtype


def test_a_failed_search_is_recovered(monkeypatch):
    """In single precision a search fails along every direction but the gradient's, in a band of values.

    The memory is cleared, short steps along the gradient cross the band, and the end is as good as without failures.
    When those fail too, the objective stays in the band: the failures are not harmless by themselves.
    """
    X, Y, net = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (*engine.data(), engine.start()))
    flat, unravel = ravel_pytree(net)
    search = lbfgs._weak_wolfe

    def failing(always):
        def fail(value_and_grad, point, d, start):
            new, ok = search(value_and_grad, point, d, start)
            along = -jnp.vdot(d, point.g) > 0.9999 * jnp.linalg.norm(d) * jnp.linalg.norm(point.g)
            failed = (point.f > 0.15) & (point.f < 0.25) & (jnp.asarray(always) | ~along)
            return jax.tree.map(lambda a, b: jnp.where(failed, b, a), new, point), ok & ~failed

        return fail

    def minimum():
        lam, width = jnp.asarray(0.01, jnp.float32), jnp.asarray(0.01, jnp.float32)

        def objective(v):
            return smoothed_objective(unravel(v), X, Y, lam, width)

        return jax.jit(lambda v: lbfgs.minimize(objective, v, 300, 20))(flat)

    free = minimum()
    monkeypatch.setattr(lbfgs, "_weak_wolfe", failing(False))
    recovered = minimum()
    monkeypatch.setattr(lbfgs, "_weak_wolfe", failing(True))
    stuck = minimum()
    assert free.failures == 0
    assert recovered.failures > 0
    assert np.all(np.diff(recovered.history) <= 1e-6)
    assert recovered.history[-1] <= 1.01 * free.history[-1]
    assert stuck.history[-1] > 0.15


def test_a_search_that_fails_by_itself_is_recovered():
    """Single precision on a piecewise linear objective: after each failure the objective still falls."""

    @jax.jit
    def absolute(A, b):
        return lbfgs.minimize(lambda v: jnp.sum(jnp.abs(A @ v - b)), jnp.zeros(8, jnp.float32), 300, 10)

    failures = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        A, b = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in ((40, 8), (40,)))
        found = absolute(A, b)
        still = np.flatnonzero(np.diff(found.history) == 0)
        assert found.history[-1] < found.history[still[0]]
        assert np.all(np.diff(found.history) <= 1e-5)
        failures += int(found.failures)
    assert failures > 0


@jax.jit
def downhill(x):
    return lbfgs.minimize(lambda v: jnp.sum(jnp.exp(v**2)), x, 200, 10)


@pytest.mark.parametrize("start", [[9.0, 1.0], [9.0, 9.0], [3.0, 1.0]])
def test_a_gradient_whose_square_overflows_is_followed(start):
    """In single precision exp(81) is a number, and its square is none."""
    found = downhill(jnp.asarray(start, jnp.float32))
    assert found.history[-1] == pytest.approx(2.0, abs=1e-5)
    assert np.all(np.isfinite(found.history))


@pytest.mark.parametrize("start", [[9.3, 2.0], [0.0, 0.0]], ids=["infinite gradient", "no gradient"])
def test_a_step_that_moves_nothing_is_a_failure(start):
    x = jnp.asarray(start, jnp.float32)
    found = downhill(x)
    np.testing.assert_array_equal(found.x, x)
    assert found.failures == 200
