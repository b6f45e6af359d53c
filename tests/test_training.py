"""Training: deterministic, balanced, and able to reach a bottleneck."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import bnlib as bn
from bnlib import training
from bnlib.networks import affine, fold_layers

SHORT = {"first_order_steps": 50, "stages": ((0.01, 30), (0.0, 120))}


@pytest.fixture(scope="module")
def small():
    task = bn.tasks.latent_task(jax.random.key(1), 40, rank=1)
    return bn.init(jax.random.key(2), 20, 12, 20, 5), task


def test_training_is_deterministic_and_reports_what_it_returns(small):
    start, task = small
    first, second = (bn.train(start, task.X, task.Y, 0.003, **SHORT) for _ in range(2))
    assert np.array_equal(first.history, second.history)
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (first.net, second.net)), strict=True))
    residual = np.asarray(bn.apply(first.net, task.X)) - np.asarray(task.Y)
    assert first.mse == pytest.approx(np.mean(np.sum(residual**2, axis=1)), rel=1e-4)
    assert first.objective == pytest.approx(first.mse + 0.003 * float(bn.squared_norm(first.net)), rel=1e-6)
    # Balancing can only help, and single precision can only blur.
    assert first.objective <= first.history[-1] * (1 + 1e-5)
    assert np.max(np.abs(bn.balance_residual(first.net))) < 1e-5
    assert len(first.history) == 200
    assert {a.dtype for a in jax.tree.leaves(first.net)} == {jnp.dtype("float32")}


def test_training_reaches_a_bottleneck():
    task = bn.tasks.latent_task(jax.random.key(3), 60, rank=1)
    result = bn.train(bn.init(jax.random.key(4), 20, 20, 20, 10), task.X, task.Y, 0.003)
    assert bn.bottleneck_rank(result.net, task.X)[::2] == (1, True)
    assert result.converged
    assert not result.collapsed
    # Control: nothing but the ridge removes directions.
    free = bn.train(bn.init(jax.random.key(4), 20, 20, 20, 10), task.X, task.Y, 0.0)
    assert bn.bottleneck_rank(free.net, task.X).rank > 5


def test_collapse_to_a_constant_is_reported(small):
    start, task = small
    with (
        pytest.warns(UserWarning, match="expect a constant function"),
        pytest.warns(UserWarning, match="collapsed to a constant function, from about step"),
    ):
        assert bn.train(start, task.X, task.Y, 5.0, **SHORT).collapsed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": -0.1}, "ridge must be a finite number >= 0"),
        ({"ridge": float("nan")}, "ridge must be a finite number >= 0"),
        ({"Y": np.ones((3, 20))}, "X and Y must have the same length, but they have 40 and 3 rows"),
        ({"Y": np.ones((40, 2))}, r"Y must have shape \(N, 20\)"),
        ({"X": np.full((40, 20), np.nan)}, "X must be finite"),
        ({"first_order_steps": -1}, "first_order_steps must be an integer >= 0"),
    ],
)
def test_bad_input_is_refused(small, change, message):
    start, task = small
    with pytest.raises(ValueError, match=message):
        bn.train(start, **{"X": task.X, "Y": task.Y, "ridge": 0.1, **SHORT, **change})


def test_divergence_is_reported_with_its_step(small):
    start, task = small
    steep = jax.tree.map(lambda a: a * jnp.asarray(1e12, a.dtype), start)
    with pytest.raises(RuntimeError, match="not finite at step 0"):
        bn.train(steep, task.X, task.Y, 0.1, **SHORT)


def test_no_steps_return_the_balanced_start(small):
    start, task = small
    result = bn.train(start, task.X, task.Y, 0.003, first_order_steps=0, stages=(), dtype=jnp.float64)
    assert len(result.history) == 0
    assert {a.dtype for a in jax.tree.leaves(result.net)} == {jnp.dtype("float64")}
    assert not result.converged
    np.testing.assert_allclose(bn.apply(result.net, task.X), bn.apply(start, task.X), atol=1e-9)
    for a, b in zip(jax.tree.leaves(result.net), jax.tree.leaves(bn.balance(start)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_training_a_linear_network_reaches_the_closed_form():
    """At slope 1 the ridge finds the matrix that minimises |A - T|^2 + ridge L |A|_{2/L}^{2/L}, value by value."""
    targets, ridge = np.array([3.0, 2.0]), 0.05
    start = bn.init(jax.random.key(0), 2, 6, 2, 3, negative_slope=1.0)
    X = np.sqrt(2.0) * np.vstack([np.eye(2), -np.eye(2)])  # symmetric, so that biases do not help
    result = bn.train(start, X, X * targets, ridge, dtype=jnp.float64)
    s = np.linspace(0.5, 3.0, 250_001)
    least = sum(np.min((s - t) ** 2 + 3 * ridge * s ** (2 / 3)) for t in targets)
    assert result.objective == pytest.approx(least, rel=1e-8)
    norm = float(bn.squared_norm(result.net))
    assert norm == pytest.approx(bn.linear_cost(np.asarray(bn.jacobian(result.net, X[0])), 3), rel=1e-6)


def plain_mse(net, X, Y, width):
    """The definition, differentiated by JAX."""

    def step(h, layer, _):
        z = affine(layer, h)
        ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
        relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
        return net.negative_slope * z + (1.0 - net.negative_slope) * relu, None

    h, _ = fold_layers(step, X, net)
    return jnp.mean(jnp.sum((affine(net.last, h) - Y) ** 2, axis=1))


def check_derivatives(mse, depth, slope, widths=(0.0, 0.05, 0.5)):
    k_net, k_bias, k_x, k_y = jax.random.split(jax.random.key(depth), 4)
    net = bn.init(k_net, 3, 5, 4, depth, negative_slope=slope)
    X, Y = jax.random.normal(k_x, (12, 3)), jax.random.normal(k_y, (12, 4))
    flat, unravel = ravel_pytree(net)
    flat += 0.1 * jax.random.normal(k_bias, flat.shape)  # biases too

    def derivatives(f):
        return jax.jit(lambda v, width: [d(lambda u: f(unravel(u), X, Y, width))(v) for d in (jax.grad, jax.hessian)])

    ours, plain = derivatives(mse), derivatives(plain_mse)
    for width in map(jnp.asarray, widths):
        np.testing.assert_allclose(mse(net, X, Y, width), plain_mse(net, X, Y, width), rtol=1e-12)
        for a, b in zip(ours(flat, width), plain(flat, width), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (2, 0.2), (5, 0.0), (5, 0.2), (5, 1.0)])
def test_the_written_gradient_is_that_of_the_definition(depth, slope):
    check_derivatives(training._mse, depth, slope)


def test_a_wrong_slope_is_caught(monkeypatch):
    monkeypatch.setattr(training, "_slope", lambda h, width, s: jnp.where(h > 0, 1.0, s))
    with pytest.raises(AssertionError):
        check_derivatives(training._mse, 5, 0.0)
