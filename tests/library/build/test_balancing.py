"""Balancing keeps the function, lowers the norm to its minimum over rescalings, and drops what is dead."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build import balancing
from bnlib.build.balancing import balance_residual, rescale
from strategies import (
    FIXED_X,
    HIDDEN,
    POINTS,
    SLOPES,
    WIDTH,
    fixed_net,
    networks,
    networks_and_inputs,
    unbalanced_chain,
)

# Balance: the identity at every parameter.

RIDGE = 0.3


def objective(net, X, Y):
    return jnp.mean(jnp.sum((bn.apply(net, X) - Y) ** 2, axis=1)) + RIDGE * bn.squared_norm(net)


value_and_gradient = jax.jit(jax.value_and_grad(objective))


def check_balance_identity(residual, net, X, Y):
    """Assert <g_in, in> - <g_out, out> = 2 lambda (A_i - B_i) for the gradient g of the whole objective."""
    value, gradient = value_and_gradient(net, jnp.asarray(X), jnp.asarray(Y))
    parts = zip(reference.hidden_neurons(net), reference.hidden_neurons(gradient), strict=True)
    size = max(1.0, float(value))
    imbalance = np.asarray(residual(net))
    for (layer, i, W_in, b, W_out), (_, _, g_in, g_b, g_out) in parts:
        left = g_in @ W_in + g_b * b - g_out @ W_out
        assert left == pytest.approx(2 * RIDGE * imbalance[layer, i], abs=1e-10 * size)


@given(networks_and_inputs(HIDDEN), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_balance_identity(pair, seed):
    net, X = pair
    Y = np.random.default_rng(seed).normal(size=(POINTS, net.d_out))
    check_balance_identity(balance_residual, net, X, Y)


def residual_with(bias=1.0, outgoing=1.0):
    def residual(net):
        return np.array(
            [
                [
                    reference.layers(net)[layer][0][i] @ reference.layers(net)[layer][0][i]
                    + bias * reference.layers(net)[layer][1][i] ** 2
                    - outgoing * np.sum(reference.layers(net)[layer + 1][0][:, i] ** 2)
                    for i in range(net.width)
                ]
                for layer in range(net.depth - 1)
            ]
        )

    return residual


@pytest.mark.parametrize("slope", SLOPES)
def test_balance_residual_is_incoming_minus_outgoing(slope):
    net = fixed_net(slope)
    check_balance_identity(residual_with(), net, FIXED_X, FIXED_X)
    np.testing.assert_allclose(balance_residual(net), residual_with()(net), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "broken", [residual_with(bias=0.0), residual_with(bias=-1.0), residual_with(outgoing=2.0), residual_with(0.0, 0.0)]
)
def test_wrong_residual_is_caught(broken):
    with pytest.raises(AssertionError):
        check_balance_identity(broken, fixed_net(), FIXED_X, FIXED_X)


# Balance: the map.


def reachable(net):
    """Return which hidden neurons lie on a path of non-zero weights from an input or a bias to an output."""
    both = reference.layers(net)
    sources, fed = np.ones(net.d_in, bool), []
    for W, b in both[:-1]:
        sources = np.array([np.any(W[i][sources] != 0) or b[i] != 0 for i in range(len(b))])
        fed.append(sources)
    sinks, used = np.ones(net.d_out, bool), []
    for W, _ in reversed(both[1:]):
        sinks = np.array([np.any(W[:, j][sinks] != 0) for j in range(W.shape[1])])
        used.insert(0, sinks)
    return np.array(fed) & np.array(used)


def check_balance(balance, net, X):
    """Assert that the function stays, the norm does not rise, neurons are balanced and dead ones are gone."""
    balanced = balance(net)
    size = max(1.0, float(np.max(np.abs(bn.apply(net, X)))))
    np.testing.assert_allclose(bn.apply(balanced, X), bn.apply(net, X), rtol=1e-9, atol=1e-10 * size)
    before, after = reference.squared_norm(net), reference.squared_norm(balanced)
    assert after <= before * (1 + 1e-12)
    alive = reachable(net)
    largest = 0.0
    for layer, i, W_in, b, W_out in reference.hidden_neurons(balanced):
        A, B = W_in @ W_in + b**2, W_out @ W_out
        largest = max(largest, A)
        assert pytest.approx(B, abs=1e-10 * max(1.0, after)) == A
        assert (A > 0) == alive[layer, i]
    assert np.max(np.abs(balance_residual(balanced)), initial=0.0) <= 1.01e-12 * largest
    # Layer by layer: a_{l+1} = a_l + |b_l|^2.
    for (W, b), (W_next, _) in pairwise(reference.layers(balanced)):
        assert np.sum(W_next**2) == pytest.approx(np.sum(W**2) + np.sum(b**2), rel=1e-9, abs=1e-12)


@given(networks_and_inputs(HIDDEN))
@settings(max_examples=50)
def test_balance(pair):
    net, X = pair
    check_balance(bn.balance, net, X)


def dead_ends():
    """Return a network with a neuron that nothing feeds, one that nothing reads, and a chain of two such."""
    W1 = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    b1 = np.array([0.5, 0.0, 0.0, 1.0])
    W2 = np.array([[2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    b2 = np.array([0.1, 0.0, 0.0, 0.0])
    return bn.from_layers([(W1, b1), (W2, b2), (np.array([[1.0, 3.0, 0.0, 1.0]]), [0.7])])


POSITIVE_X = np.array([[1.0, 2.0], [3.0, 0.5], [0.1, 0.1]])


def test_dead_neurons_are_dropped_and_a_bias_keeps_one_alive():
    net = dead_ends()
    assert reachable(net).tolist() == [[True, False, False, True], [True, False, False, False]]
    check_balance(bn.balance, net, POSITIVE_X)


@given(networks_and_inputs(HIDDEN), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_balance_does_not_depend_on_the_scaling_it_starts_from(pair, seed):
    net, X = pair
    t = np.exp(np.random.default_rng(seed).normal(size=(net.depth - 1, net.width)))
    other = rescale(net, jnp.asarray(t))
    np.testing.assert_allclose(bn.apply(other, X), bn.apply(net, X), rtol=1e-9, atol=1e-9)
    for a, b in zip(jax.tree.leaves(bn.balance(net)), jax.tree.leaves(bn.balance(other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def scaled(net, bias_power=1, in_A=True, out_power=-1, drop=True):
    """Balance by plain loops, with one mistake if asked for."""
    layers = [(W.copy(), b.copy()) for W, b in reference.layers(net)]
    if drop:
        alive = reachable(net)
        for layer, keep in enumerate(alive):
            layers[layer] = (layers[layer][0] * keep[:, None], layers[layer][1] * keep)
            layers[layer + 1] = (layers[layer + 1][0] * keep[None, :], layers[layer + 1][1])
    for _ in range(400):
        for layer in range(len(layers) - 1):
            (W, b), (W_next, b_next) = layers[layer], layers[layer + 1]
            A, B = np.sum(W**2, axis=1) + (b**2 if in_A else 0.0), np.sum(W_next**2, axis=0)
            t = np.ones_like(A)
            np.divide(B, A, out=t, where=(A > 0) & (B > 0))
            t = t**0.25
            layers[layer] = (W * t[:, None], b * t**bias_power)
            layers[layer + 1] = (W_next * t[None, :] ** out_power, b_next)
    return bn.from_layers(layers, negative_slope=net.negative_slope)


def test_balancing_in_loops_passes():
    for net, X in ((fixed_net(), FIXED_X), (dead_ends(), POSITIVE_X)):
        check_balance(scaled, net, X)
        for a, b in zip(jax.tree.leaves(scaled(net)), jax.tree.leaves(bn.balance(net)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("mistake", "net", "X"),
    [
        ({"in_A": False}, fixed_net(), FIXED_X),
        ({"bias_power": 0}, fixed_net(), FIXED_X),
        ({"bias_power": -1}, fixed_net(), FIXED_X),
        ({"drop": False}, dead_ends(), POSITIVE_X),
    ],
    ids=["b left out of A_i", "bias not rescaled", "bias divided", "dead neurons kept"],
)
def test_wrong_balancing_is_caught(mistake, net, X):
    with pytest.raises(AssertionError):
        check_balance(lambda n: scaled(n, **mistake), net, X)


def test_one_sided_rescaling_is_caught():
    with pytest.raises(AssertionError):
        check_balance(lambda n: rescale(n, jnp.full((2, WIDTH), 0.5)), fixed_net(), FIXED_X)


def test_deep_chain_is_balanced():
    net = bn.balance(unbalanced_chain())
    np.testing.assert_allclose([float(W[0, 0]) for W, _ in net.layers], 30**0.01, rtol=1e-9)


def test_balancing_a_float32_network_keeps_its_type_and_reaches_the_tolerance():
    with jax.enable_x64(False):
        net = bn.balance(bn.from_layers(fixed_net().layers))
        assert {a.dtype for a in jax.tree.leaves(net)} == {jnp.dtype("float32")}
    assert np.max(np.abs(balance_residual(net))) < 1e-4


def test_balancing_that_does_not_finish_says_so():
    with pytest.raises(RuntimeError, match="did not reach the tolerance 1e-12 in 1 Newton steps"):
        bn.balance(unbalanced_chain(), max_steps=1)


def test_balancing_that_overflows_says_so():
    layers = [(1e-150 * np.eye(2), None), (1e150 * np.eye(2), None), (np.eye(2), None)]
    with pytest.raises(RuntimeError, match="did not reach the tolerance"):
        bn.balance(bn.from_layers(layers))


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_balance_is_relative_to_the_largest_neuron(size):
    net = bn.balance(bn.from_layers([(size * W, size * b) for W, b in fixed_net().layers]))
    residual = np.max(np.abs(balance_residual(net)))
    assert residual <= 1.01e-12 * max(W @ W + b**2 for _, _, W, b, _ in reference.hidden_neurons(net))
    again = bn.balance(net, max_steps=0)  # nothing is left to do
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (again, net)), strict=True))


def test_a_network_of_zeros_is_balanced():
    zeros = jax.tree.map(jnp.zeros_like, fixed_net())
    assert bn.squared_norm(bn.balance(zeros)) == 0


def test_factors_leave_neurons_at_the_floor_alone():
    """By the smaller of the two norms: of four neurons one is above one on both sides."""
    net = bn.from_layers([([[1.0], [2.0], [2.0], [0.5]], None), ([[4.0, 1.0, 8.0, 4.0]], None)])
    net = jax.tree.map(np.asarray, net)
    assert balancing.balancing_factors(net, 0, floor=1.0).tolist() == [[1.0, 1.0, 2.0, 1.0]]
    assert balancing.balancing_factors(net, 1).tolist() == [[1.0] * 4]


def test_depth_one_has_nothing_to_balance():
    net = bn.from_layers([(np.ones((2, 3)), np.ones(2))])
    assert bn.balance(net) is net
    assert balance_residual(net).shape == (0, 3)


@given(networks(HIDDEN))
@settings(max_examples=15)
def test_rescaling_by_one_changes_nothing(net):
    same = rescale(net, jnp.ones((net.depth - 1, net.width)))
    for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)
