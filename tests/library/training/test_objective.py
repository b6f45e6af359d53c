"""The written gradient is that of the definition, and the cross-entropy is one; wrong ones are caught."""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import bnlib as bn
import engine
from bnlib.networks import affine, fold_layers
from bnlib.training import objective, trajectory


def plain_risk(net, X, Y, width, loss):
    """The definition, differentiated by JAX."""

    def step(h, layer, _):
        z = affine(layer, h)
        ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
        relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
        return net.negative_slope * z + (1.0 - net.negative_slope) * relu, None

    h, _ = fold_layers(step, X, net)
    F = affine(net.last, h)
    if loss == "squared":
        return jnp.mean(jnp.sum((F - Y) ** 2, axis=1))
    return jnp.mean(jnp.sum(Y * (jnp.log(jnp.sum(jnp.exp(F), axis=1, keepdims=True)) - F), axis=1))


def derivatives(risk, depth, slope, loss):
    """Return a random vector of parameters, and a program for the risk there and its first two derivatives."""
    rng = np.random.default_rng(depth)
    sizes = [3, *[5] * (depth - 1), 4]
    layers = [(rng.normal(size=(o, i)) * np.sqrt(2 / i), 0.1 * rng.normal(size=o)) for i, o in pairwise(sizes)]
    X = rng.normal(size=(12, 3))
    Y = rng.normal(size=(12, 4)) if loss == "squared" else engine.probabilities(12, 4)
    flat, unravel = ravel_pytree(bn.from_layers(layers, negative_slope=slope))

    @jax.jit
    def program(v, width):
        def value(u):
            return risk(unravel(u), X, Y, width, loss)

        return *jax.value_and_grad(value)(v), jax.hessian(value)(v)

    return flat, program


plain_derivatives = cache(partial(derivatives, plain_risk))


def check_derivatives(risk, depth, slope, widths=(0.0, 0.05, 0.5), loss="squared"):
    (flat, ours), (_, plain) = derivatives(risk, depth, slope, loss), plain_derivatives(depth, slope, loss)
    for width in map(jnp.asarray, widths):
        (value, *rest), (plain_value, *plain_rest) = ours(flat, width), plain(flat, width)
        np.testing.assert_allclose(value, plain_value, rtol=1e-12)
        for a, b in zip(rest, plain_rest, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (2, 0.2), (5, 0.0), (5, 0.2), (5, 1.0)])
def test_the_written_gradient_is_that_of_the_definition(depth, slope):
    check_derivatives(objective._risk, depth, slope)


@pytest.mark.parametrize(("depth", "slope"), [(1, 0.0), (5, 0.2)])
def test_the_written_gradient_of_the_cross_entropy_is_that_of_the_definition(depth, slope):
    check_derivatives(objective._risk, depth, slope, loss="cross-entropy")


def test_a_wrong_slope_is_caught(monkeypatch):
    monkeypatch.setattr(objective, "_slope", lambda h, width, s: jnp.where(h > 0, 1.0, s))
    with pytest.raises(AssertionError):
        check_derivatives(objective._risk, 5, 0.0)


@pytest.mark.parametrize("mistake", ["factor", "targets", "axis"])
def test_a_wrong_gradient_of_the_cross_entropy_is_caught(monkeypatch, mistake):
    entrywise = objective.entrywise

    def wrong(z, y, loss):
        value, _ = entrywise(z, y, loss)
        error = jax.nn.softmax(z, axis=1 if mistake == "axis" else 0) - (0.9 if mistake == "targets" else 1.0) * y
        return value, error if mistake == "factor" else error / 2

    monkeypatch.setattr(objective, "entrywise", wrong)
    with pytest.raises(AssertionError):
        check_derivatives(objective._risk, 1, 0.0, widths=(0.0,), loss="cross-entropy")


# The cross-entropy.


def check_shift(loss, shift):
    net, (X, Y) = engine.start(), map(jnp.asarray, engine.CLASSES["data"])
    W, b = net.last
    moved = type(net)(net.first, net.hidden, (W, b + shift))
    values = [float(objective.mean_loss(n, X, Y, loss)) for n in (net, moved)]
    assert values[1] == pytest.approx(values[0], rel=1e-9, abs=1e-9)


@given(st.floats(-1e3, 1e3))
def test_the_cross_entropy_does_not_see_a_common_shift_of_scores(shift):
    check_shift("cross-entropy", shift)


def test_the_squared_loss_sees_it():
    with pytest.raises(AssertionError):
        check_shift("squared", 0.1)


def test_large_scores_do_not_overflow():
    X, Y = map(jnp.asarray, engine.CLASSES["data"])
    net = jax.tree.map(lambda a: 1e3 * a, engine.start())
    risk = jax.jit(jax.value_and_grad(objective._risk), static_argnums=4)
    value, slope = risk(net, X, Y, jnp.zeros(()), "cross-entropy")
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(a)) for a in jax.tree.leaves(slope))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of 'squared', 'cross-entropy', but it is 'hinge'"),
        ({"loss": None}, "loss must be one of"),
        ({"data": engine.data()}, "For the cross-entropy the rows of Y must be >= 0 and sum to one, but row 0 has"),
        ({"data": (engine.data()[0], np.full((engine.N, 2), 0.49))}, "row 0 has the sum 0.98"),
        ({"data": (engine.data()[0], np.tile([1.5, -0.5], (engine.N, 1)))}, "row 0 has the entry -0.5"),
    ],
)
def test_what_is_no_loss_or_no_probability_is_refused(monkeypatch, change, message):
    monkeypatch.setattr(trajectory, "run_phase", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message) as refusal:
        engine.quick(**engine.CLASSES | change)
    assert str(refusal.value).endswith(".")
