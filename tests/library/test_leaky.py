"""Leaky networks: evaluation, Jacobians, the two ends of leak 1 and of no leak, and how bad arrays are refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import second_leaky as second
from bnlib import leaky
from strategies import RELU, networks_and_inputs

SEEDS = st.integers(0, 2**32 - 1)
DEEP = tuple(a for a in RELU if a[0] in (2, 4))


def drawn(seed, **shape):
    return second.draw(np.random.default_rng(seed), **shape)


def gap(found, expected):
    expected = np.asarray(expected)
    return np.abs(np.asarray(found) - expected).max() / (1 + np.abs(expected).max())


@settings(max_examples=30)
@given(SEEDS)
def test_states_and_jacobian_are_the_explicit_loops(seed):
    net, X = drawn(seed)
    assert gap(leaky.states(net, X), np.swapaxes([second.forward(net, x)[0] for x in X], 0, 1)) < 1e-12
    assert gap(leaky.apply(net, X), [second.forward(net, x)[1] for x in X]) < 1e-12
    assert gap(leaky.jacobian(net, X), [second.product(second.factors(net, x)) for x in X]) < 1e-12
    np.testing.assert_allclose(leaky.jacobian(net, X[0]), leaky.jacobian(net, X)[0], rtol=1e-12, atol=1e-12)
    assert leaky.action(net) == pytest.approx(second.action(net), rel=1e-13)


@settings(max_examples=30)
@given(networks_and_inputs(DEEP))
def test_at_leak_one_it_is_the_plain_network(pair):
    net, X = pair
    same = leaky.from_network(net)
    np.testing.assert_array_equal(leaky.apply(same, X), bn.apply(net, X))
    assert gap(leaky.jacobian(same, X), bn.jacobian(net, X)) < 1e-12
    assert leaky.action(same) == pytest.approx(bn.squared_norm(net), rel=1e-13)
    assert same.effective_depth == net.depth - 2
    back = leaky.to_network(same)
    assert all(a is b for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(net), strict=True))


def test_leaks_below_one_change_the_function():
    net, X = drawn(0)
    assert gap(leaky.apply(net, X), leaky.apply(replace(net, leak=0.9 * net.leak), X)) > 1e-3


@settings(max_examples=30)
@given(SEEDS, st.floats(0.01, 1.0))
def test_the_smoothed_kink_is_near_the_kink_and_smooth(seed, width):
    z = np.sort(np.random.default_rng(seed).normal(size=50))
    smooth = leaky.rectify(z, width)
    assert np.all((smooth >= leaky.rectify(z) - 1e-15) & (smooth <= leaky.rectify(z) + width / 4 + 1e-15))
    np.testing.assert_array_equal(leaky.rectify(z), np.maximum(z, 0))
    slope = jax.vmap(jax.grad(leaky.rectify), (0, None))(jnp.asarray(z), width)
    assert np.all(np.diff(slope) <= np.diff(z) / (2 * width) + 1e-12)  # no jump, and no fall
    assert np.all(np.diff(slope) >= -1e-12)


# The plain residual network of the same function.


def evaluate(form, X):
    """Evaluate a plain residual network, times its scale."""
    (W, b), (M, c), (V, d), scale = form
    h = X @ np.asarray(W).T + np.asarray(b)
    for A, a in zip(np.asarray(M), np.asarray(c), strict=True):
        h = h + np.maximum(h, 0) @ A.T + a
    return np.asarray(scale) * (np.maximum(h, 0) @ np.asarray(V).T + np.asarray(d))


@settings(max_examples=30)
@given(SEEDS)
def test_the_residual_form_is_the_same_function(seed):
    net, X = drawn(seed)
    net = replace(net, leak=0.9 * net.leak)
    form = leaky.residual_form(net)
    assert gap(evaluate(form, X), leaky.apply(net, X)) < 1e-12
    assert float(form.scale) == pytest.approx(np.prod(1 - np.asarray(net.leak)), rel=1e-13)
    M, W, leak = map(np.asarray, (form.blocks[0], net.hidden[0], net.leak))
    weights = np.sum((1 - leak) ** 2 / leak * np.sum(M**2, axis=(1, 2)))
    assert weights == pytest.approx(np.sum(leak * np.sum(W**2, axis=(1, 2))), rel=1e-12)


def test_a_wrong_residual_form_is_caught():
    net, X = drawn(1)
    net = replace(net, leak=0.9 * net.leak)
    form, P = leaky.residual_form(net), np.cumprod(1 - np.asarray(net.leak))
    M, c = form.blocks
    broken = (
        form._replace(blocks=(M, net.hidden[1] / P[:, None])),  # the biases without their leaks
        form._replace(blocks=(M, net.leak[:, None] * net.hidden[1])),  # and not scaled
        form._replace(blocks=(net.leak[:, None, None] * net.hidden[0], c)),
        form._replace(scale=jnp.exp(-net.effective_depth)),
    )
    for wrong in broken:
        assert gap(evaluate(wrong, X), leaky.apply(net, X)) > 1e-3


# Records and their refusals.


def test_the_record_is_a_pytree_that_can_be_compiled_and_differentiated():
    net, X = drawn(2)
    X = jnp.asarray(X)
    np.testing.assert_allclose(jax.jit(leaky.apply)(net, X), leaky.apply(net, X), rtol=1e-13)
    gradient = jax.grad(lambda net: jnp.sum(leaky.apply(net, X) ** 2) + leaky.action(net))(net)
    assert gradient.leak.shape == (net.steps,)
    assert (net.steps, net.width, net.d_in, net.d_out) == (3, 6, 3, 3)
    drawing = leaky.init(jax.random.key(1), 3, 5, 2, jnp.full(4, 0.25))
    assert drawing.hidden[0].shape == (4, 5, 5)
    assert not np.any(drawing.hidden[1])


def test_types_are_kept():
    arrays = np.eye(2, dtype=np.float32), np.zeros((3, 2, 2), np.float32)
    net = leaky.leaky_network((arrays[0], None), (arrays[1], None), (arrays[0], None), 0.5)
    assert {a.dtype for a in jax.tree.leaves(net)} == {np.dtype(np.float32)}
    assert leaky.apply(net, np.ones((1, 2))).dtype == np.float32
    whole = leaky.leaky_network(([[1, 0], [0, 1]], [0, 1]), ([[[1, 0], [0, 1]]], None), ([[1, 1]], None), 1)
    assert {a.dtype for a in jax.tree.leaves(whole)} == {np.dtype(np.float64)}


EYE, HIDDEN = (np.eye(2), None), (np.zeros((3, 2, 2)), None)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ((EYE, (np.zeros((3, 2, 4)), None), EYE, 0.5), "must be square"),
        ((EYE, (np.zeros((2, 2)), None), EYE, 0.5), "must be square"),
        (((np.eye(3), None), HIDDEN, EYE, 0.5), "first layer must have shape"),
        ((EYE, HIDDEN, (np.eye(3), None), 0.5), "last layer must have shape"),
        ((EYE, (HIDDEN[0], np.zeros(2)), EYE, 0.5), "b of the hidden layers must have shape"),
        ((EYE, (np.full((3, 2, 2), np.nan), None), EYE, 0.5), "hidden layers must be finite"),
        ((EYE, HIDDEN, EYE, 0.0), "Every leak must lie above 0"),
        ((EYE, HIDDEN, EYE, 1.1), "be at most 1"),
        ((EYE, HIDDEN, EYE, [0.5, np.nan, 0.5]), "Every leak"),
        ((EYE, HIDDEN, EYE, [0.5, 0.5]), "must be a number or have shape"),
    ],
)
def test_bad_arrays_are_refused(arrays, sentence):
    leaky.leaky_network(EYE, HIDDEN, EYE, 0.5)
    with pytest.raises(ValueError, match=sentence):
        leaky.leaky_network(*arrays)


def test_what_is_no_leaky_network_is_refused():
    net, X = drawn(3)
    with pytest.raises(ValueError, match="leak below 1"):
        leaky.to_network(net)
    with pytest.raises(ValueError, match="leak 1 forgets"):
        leaky.residual_form(replace(net, leak=jnp.ones(3)))
    for plain in (bn.from_layers([([[1.0]], None)]), bn.random_network(np.random.default_rng(0), (1, 2, 2, 1))):
        with pytest.raises(ValueError, match="Only a ReLU network"):
            leaky.from_network(replace(plain, negative_slope=0.1))
    with pytest.raises(ValueError, match="hidden layer"):
        leaky.from_network(bn.from_layers([([[1.0]], None)]))
    with pytest.raises(ValueError, match="X must have shape"):
        leaky.apply(net, X[:, :1])
