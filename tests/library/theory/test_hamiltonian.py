"""Laws of leaky networks: at all parameters, at stationary ones, with biases and without, and broken variants."""

from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import second_leaky as second
from bnlib import leaky
from bnlib.theory.hamiltonian import hamiltonian, linear_law, mean_loss, neuron_law, spacing_law
from bnlib.theory.potential import rectified_frame, regularised_energy
from bnlib.training import lbfgs

SEEDS = st.integers(0, 2**32 - 1)
# Sums of some hundred products, each exact to eps of its size: 1e-10 of the largest side leaves a factor of a thousand.
ROUNDING = 1e-10
RIDGE, KINK = 0.02, 0.3
GRADIENT = jax.jit(jax.grad(mean_loss))


def drawn(seed):
    rng = np.random.default_rng(seed)
    net, X = second.draw(rng, width=5, d_out=2, layers=4, count=6)
    return net, X, rng.normal(size=(6, 2))


def miss(left, right):
    return np.abs(left - right).max() / (np.abs(left).max() + 1e-3)


# At all parameters.


@settings(max_examples=40)
@given(SEEDS)
def test_the_balance_of_every_neuron_changes_by_its_weights(seed):
    net, X, Y = drawn(seed)
    change, weights = neuron_law(net, X, Y)
    assert change.shape == (4, 5)
    assert miss(change, weights) < ROUNDING


def broken_balances(net, X, Y, act):
    """Yield the change of the balances, and what its law says, for any activation, by automatic differentiation."""
    leak, (W, b) = net.leak, net.hidden

    def loss(W, b, shifts):
        h = [X @ net.first[0].T + net.first[1][None] + shifts[0]]
        for A, a, k, shift in zip(W, b, leak, shifts[1:], strict=True):
            h.append((1 - k) * h[-1] + k * (act(h[-1]) @ A.T + a[None]) + shift)
        return jnp.mean(jnp.sum((act(h[-1]) @ net.last[0].T - Y) ** 2, axis=1)), jnp.stack(h)

    shifts = jnp.zeros((len(leak) + 1, len(X), net.width))
    (G, c, g), h = jax.grad(loss, (0, 1, 2), has_aux=True)(W, b, shifts)
    rows, columns = np.sum(G * W, axis=2), np.sum(G * W, axis=1)
    return np.diff(np.sum(g * h, axis=1), axis=0), rows, c * b, columns


def test_wrong_balances_are_caught():
    net, X, Y = jax.tree.map(jnp.asarray, drawn(7))
    change, rows, biases, columns = broken_balances(net, X, Y, leaky.rectify)
    assert miss(change, rows + biases - columns) < ROUNDING
    assert miss(change, rows - columns) > 4e-3  # without the biases
    assert miss(change, columns + biases - rows) > 4e-3
    change, rows, biases, columns = broken_balances(net, X, Y, jnp.tanh)
    assert miss(change, rows + biases - columns) > 4e-3  # tanh is not homogeneous
    change, rows, biases, columns = broken_balances(net, X, Y, partial(leaky.rectify, smoothing=KINK))
    assert miss(change, rows + biases - columns) > 4e-3  # and no smoothed kink is


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([0.0, KINK]))
def test_the_spacing_law_is_the_derivative_in_the_leaks(seed, smoothing):
    net, X, Y = drawn(seed)
    slope = GRADIENT(net, jnp.asarray(X), jnp.asarray(Y), smoothing).leak
    assert miss(spacing_law(net, X, Y, smoothing=smoothing), np.asarray(slope)) < ROUNDING


def test_the_spacing_law_is_a_difference_quotient():
    net, X, Y = drawn(3)
    up, down = (replace(net, leak=net.leak.at[1].add(d)) for d in (1e-6, -1e-6))
    quotient = (float(mean_loss(up, X, Y, KINK)) - float(mean_loss(down, X, Y, KINK))) / 2e-6
    assert spacing_law(net, X, Y, smoothing=KINK)[1] == pytest.approx(quotient, rel=1e-6)


@given(SEEDS, st.floats(0.01, 10.0))
def test_the_energies_balance_for_any_state_and_momentum(seed, gamma):
    """With (W, b) = B times the activations: the algebra behind the balance, whatever h and B are."""
    rng = np.random.default_rng(seed)
    h, B = rng.normal(size=(2, 4, 7))
    s, Vt = rectified_frame(h, True)
    K = Vt.T * s**2 @ Vt
    weights = B @ K @ B.T
    H = np.sum(B * h) - 0.5 * np.trace(weights)
    energy = partial(regularised_energy, s=s, Vt=Vt, gamma=np.asarray(gamma))
    speed = B @ K - h
    balance = energy(h) + gamma * np.sum(B**2) - energy(speed + gamma * B)
    assert pytest.approx(balance, rel=1e-9, abs=1e-9) == 2 * H
    assert energy(h) + gamma * np.sum(B**2) + 1e-9 >= 2 * H
    assert abs(2 * H - (energy(h) + gamma * np.sum(B**2) - energy(speed))) > 1e-4  # without the momentum in the speed


@settings(max_examples=10)
@given(SEEDS)
def test_linear_layers_keep_their_law_at_all_weights(seed):
    rng = np.random.default_rng(seed)
    W, C, leak = rng.normal(size=(3, 4, 4)), jnp.asarray(rng.normal(size=(4, 4))), rng.uniform(0.1, 1, 3)

    def loss(W):
        J = jnp.eye(4)
        for A, k in zip(W, leak, strict=True):
            J = ((1 - k) * jnp.eye(4) + k * A) @ J
        return jnp.sum(jnp.sin(J) * C) + jnp.sum((J - C) ** 4)  # any function of the product

    G = np.asarray(jax.grad(loss)(jnp.asarray(W)))
    size = np.abs(G).max() * (1 + np.abs(W).max())
    assert np.abs(linear_law(G, W, leak)).max() < ROUNDING * size
    swapped = np.swapaxes(linear_law(np.swapaxes(G, 1, 2), np.swapaxes(W, 1, 2), leak), 1, 2)
    assert np.abs(swapped).max() > 1e-3 * size  # the factors in the wrong order
    assert np.abs(linear_law(G * leak[:, None, None], W, leak)).max() > 1e-3 * size
    assert np.abs(linear_law(G, W, np.ones(3))).max() > 1e-3 * size


# At stationary points.


@lru_cache
def stationary(kink):
    """Train a small network with biases until nothing moves."""
    rng = np.random.default_rng(4)
    net, _ = second.draw(rng, d_in=2, width=3, d_out=1, layers=3, low=0.3)
    net = replace(net, leak=jnp.asarray([0.3, 0.6, 0.45]))
    # Without smoothing the target is a line, and stationary points lie off the kinks.
    X = jnp.asarray(rng.normal(size=(7, 2)) if kink else rng.uniform(size=(7, 2)))
    Y = jnp.maximum(X[:, :1] + 0.3, 0.0) + 0.4 if kink else X[:, :1] + 0.4
    start, unravel = ravel_pytree((net.first, net.hidden, net.last))

    def network(v):
        return leaky.LeakyNetwork(*unravel(v), net.leak)

    def objective(v):
        return mean_loss(network(v), X, Y, kink) + RIDGE * leaky.action(network(v))

    found = lbfgs.minimize(objective, start, 400)
    return network(found.flattest), X, Y, float(found.gradient)


def derivative_in_the_leaks(net, X, Y):
    def objective(leak):
        now = replace(net, leak=leak)
        return mean_loss(now, X, Y, KINK) + RIDGE * leaky.action(now)

    return np.asarray(jax.grad(objective)(net.leak))


def test_the_hamiltonian_is_what_a_leak_is_worth():
    net, X, Y, gradient = stationary(KINK)
    assert gradient < 1e-10
    found = hamiltonian(net, X, Y, RIDGE, 1e-2, smoothing=KINK)
    assert np.abs(found.H).max() > 0.05
    np.testing.assert_allclose(2 * RIDGE * found.H, derivative_in_the_leaks(net, X, Y), rtol=1e-8, atol=1e-10)
    assert np.abs(found.residual).max() < 1e-6 * np.abs(found.potential).max()
    assert np.all(found.potential + found.gamma * found.momentum + 1e-8 >= 2 * found.H)
    assert np.all(found.kinetic >= 0)
    assert np.all(found.gamma > 0)


def test_away_from_stationary_points_the_energies_do_not_balance():
    net, X, Y, _ = stationary(KINK)
    moved = replace(net, hidden=(1.05 * net.hidden[0], net.hidden[1]))
    found = hamiltonian(moved, X, Y, RIDGE, 1e-2, smoothing=KINK)
    assert np.abs(found.residual).max() > 1e-2
    assert miss(2 * RIDGE * found.H, derivative_in_the_leaks(moved, X, Y)) > 1e-2
    still = hamiltonian(net, X, Y, RIDGE, 1e-2)  # a kink that is not the one it was trained with
    assert np.abs(still.residual).max() > 1e-3


def test_the_balance_of_neurons_at_a_stationary_point_of_relu():
    net, X, Y, gradient = stationary(0.0)
    assert gradient < 1e-9  # away from kinks
    change, _ = neuron_law(net, X, Y)
    W, b = map(np.asarray, net.hidden)
    leak = np.asarray(net.leak)[:, None]
    weights = leak * (np.sum(W**2, axis=2) + b**2 - np.sum(W**2, axis=1))
    np.testing.assert_allclose(change, -2 * RIDGE * weights, atol=1e-9)
    assert np.abs(change).max() > 1e-4
    Q = hamiltonian(net, X, Y, RIDGE, 1e-2).Q
    np.testing.assert_allclose(np.diff(Q), np.asarray(net.leak) * np.sum(b**2, axis=1), atol=1e-8)
    assert np.diff(Q).max() > 1e-3


def test_stationary_linear_layers_conserve_two_things():
    rng = np.random.default_rng(2)
    Y, leak = jnp.asarray(rng.normal(size=(3, 3))), np.array([0.3, 0.5, 0.8, 0.4])
    kappa = leak[:, None, None]

    def objective(v):
        W, J = v.reshape(4, 3, 3), jnp.eye(3)
        for A, k in zip(W, leak, strict=True):
            J = ((1 - k) * jnp.eye(3) + k * A) @ J
        return jnp.sum((J - Y) ** 2) + RIDGE * jnp.sum(kappa * W**2)

    found = lbfgs.minimize(objective, jnp.asarray(0.3 * rng.normal(size=36)), 400)
    assert float(found.gradient) < 1e-9
    W = np.asarray(found.flattest).reshape(4, 3, 3)
    assert np.abs(linear_law(kappa * W, W, leak)).max() < 1e-7
    assert np.abs(linear_law(W, W, leak)).max() > 1e-2
    growth = (1 - leak) * np.trace(W, axis1=1, axis2=2) + leak * np.sum(W**2, axis=(1, 2))
    turn = (1 - kappa) * (W - np.swapaxes(W, 1, 2))
    np.testing.assert_allclose(growth, growth[0], atol=1e-7)
    np.testing.assert_allclose(turn, np.broadcast_to(turn[0], turn.shape), atol=1e-7)
    assert np.abs(turn).max() > 1e-2


# Input that is refused.


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ridge": 0.0}, "ridge must be positive"),
        ({"gamma": 0.0}, "gamma must be positive"),
        ({"gamma": -1.0}, "gamma must be a finite number"),
        ({"Y": np.zeros((5, 2))}, "same length"),
        ({"X": np.zeros((6, 2))}, "X must have shape"),
    ],
)
def test_bad_input_is_refused(change, sentence):
    net, X, Y = drawn(0)
    with pytest.raises(ValueError, match=sentence):
        hamiltonian(**{"net": net, "X": X, "Y": Y, "ridge": 0.1, "gamma": 0.01} | change)
    with pytest.raises(ValueError, match="M and W must have one shape"):
        linear_law(np.zeros((2, 3, 3)), np.zeros((2, 3, 3)), np.ones(3))
