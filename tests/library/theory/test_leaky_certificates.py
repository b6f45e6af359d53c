"""The bottleneck theorem of leaky networks: the identity, what follows, equality, search, and broken variants."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import second_leaky as second
from bnlib import leaky
from bnlib.theory.leaky_certificates import leaky_certificate
from bnlib.training.attack import lowest

SEEDS = st.integers(0, 2**32 - 1)
RATIO = 1e-3
# Frames come from singular vectors that are exact to eps s_1/s_k = 2e-13, through five layers of six rows: 1e-10 of
# the action leaves a factor of ten.
ROUNDING = 1e-10


def drawn(seed, low=0.02, integers=False):
    """Draw a network, at times of integers, whose states and Jacobians have exact zeros."""
    rng = np.random.default_rng(seed)
    net, X = second.draw(rng, low=low)
    if integers:
        net = jax.tree.map(lambda a: jnp.asarray(rng.integers(-1, 2, a.shape), float), net)
        net = replace(net, leak=jnp.asarray(rng.choice([0.25, 0.5, 1.0], 3)))
        X = rng.integers(-1, 2, X.shape).astype(float)
    return net, X


def enough_rank(net, X, k):
    s = np.linalg.svd(leaky.jacobian(net, X), compute_uv=False)
    return X[s[:, k - 1] > RATIO * np.maximum(s[:, 0], 1e-9)]


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 3), st.booleans())
def test_the_five_parts_are_the_excess_of_the_action(seed, k, integers):
    net, X = drawn(seed, integers=integers)
    X = enough_rank(net, X, k)
    assume(len(X))
    c = leaky_certificate(net, X, k)
    np.testing.assert_allclose(c.total, c.excess, atol=ROUNDING * max(1.0, second.action(net)))
    np.testing.assert_allclose(c.excess, c.action - c.bound, rtol=1e-13, atol=1e-13)
    for part in (c.weights, c.biases, c.motion, c.off_active, c.slack):
        assert part.shape == (len(X), 5)
        assert np.all(part >= -1e-12)
    assert np.all(c.motion[:, [0, -1]] == 0)
    assert np.all(c.off_active[:, 0] == 0)
    assert np.all(np.sum(c.spectra, axis=1) <= 2 * c.excess + 1e-10)
    log_volumes = np.sum(np.log(np.linalg.svd(leaky.jacobian(net, X), compute_uv=False)[:, :k]), axis=1)
    np.testing.assert_allclose(np.sum(np.log(c.stretches), axis=(1, 2)), log_volumes, atol=1e-9)
    np.testing.assert_allclose(c.bound, k * (2 + np.sum(np.asarray(net.leak))) + 2 * log_volumes, atol=1e-9)
    for V in (c.frames[0], *np.moveaxis(c.frames[1], 1, 0), c.frames[2]):
        np.testing.assert_allclose(np.swapaxes(V, 1, 2) @ V, np.broadcast_to(np.eye(k), (len(X), k, k)), atol=1e-10)


def test_one_input_is_a_row_of_a_batch():
    net, X = drawn(5)
    together, alone = leaky_certificate(net, X, 2), leaky_certificate(net, X[1], 2)
    for many, one in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(many[1], one, rtol=1e-9, atol=1e-9)
    assert alone.total == pytest.approx(alone.excess, abs=1e-10)


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 3))
def test_at_leak_one_the_excess_is_that_of_the_plain_theorem(seed, k):
    net, X = drawn(seed)
    net = replace(net, leak=jnp.ones(3))
    X = enough_rank(net, X, k)
    assume(len(X))
    plain = bn.bottleneck_certificate(leaky.to_network(net), X, k)
    np.testing.assert_allclose(leaky_certificate(net, X, k).excess, plain.rhs, rtol=1e-9, atol=1e-9)


def test_each_part_is_needed():
    """Without the motion of the frames, or without the neurons that are off, the sum falls short at all networks."""
    short = {"motion": [], "off_active": [], "biases": [], "slack": [], "weights": []}
    for seed in range(20):
        net, X = drawn(seed, low=0.1)
        X = enough_rank(net, X, 2)
        if not len(X):
            continue
        c = leaky_certificate(net, X, 2)
        for name, misses in short.items():
            without = c._replace(**{name: 0 * getattr(c, name)})
            misses.extend(np.abs(without.total - c.excess))
    for name, misses in short.items():
        assert len(misses) > 30
        assert min(misses) > 0.01, name


def isometry(layers=4, leak=0.5):
    """Return a network that is a bottleneck and nothing else: three inputs, two of them kept, no excess."""
    P = np.eye(4)[:, :2]
    return leaky.leaky_network((P @ np.eye(2, 3), None), (np.stack([P @ P.T] * layers), None), (P.T, None), leak)


def test_a_bottleneck_has_no_excess():
    c = leaky_certificate(isometry(), [[1.0, 2.0, 3.0]], 2)
    assert c.excess == pytest.approx(0.0, abs=1e-12)
    assert c.bound == pytest.approx(2 * (0.5 * 4 + 2))
    raised = replace(isometry(), hidden=(isometry().hidden[0] + 0.01, isometry().hidden[1]))
    assert leaky_certificate(raised, [1.0, 2.0, 3.0], 2).excess > 1e-5


X_POSITIVE = jnp.asarray([[0.8, 1.3]])
LEAK = jnp.asarray([0.2, 0.5, 0.7])


def volume(net):
    """Return log |det J| of two inputs and outputs, with a derivative."""
    return jnp.log(jnp.abs(jnp.linalg.det(leaky.jacobian(net, X_POSITIVE)[0])))


def first_gain(net):
    return jnp.log(jnp.linalg.norm(leaky.jacobian(net, X_POSITIVE)[0]))


ATTACKS = {
    "rank 1": (1, lambda net: 2 + LEAK.sum() + 2 * first_gain(net), lambda net: 2.0 + 3.0 + 2 * first_gain(net)),
    "rank 2": (
        2,
        lambda net: 2 * (2 + LEAK.sum()) + 2 * volume(net),
        lambda net: 2 * (2.2 + LEAK.sum()) + 2 * volume(net),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_gradient_search_reaches_equality_and_no_more(name):
    d_out, *bounds = ATTACKS[name]
    plain = bn.random_ensemble(np.random.default_rng(1), 12, (2, 4, 4, 4, 4, d_out))
    nets = leaky.LeakyNetwork(plain.first, plain.hidden, plain.last, jnp.broadcast_to(LEAK, (12, 3)))

    def least(bound):
        def slack(net):
            net = replace(net, leak=LEAK)
            return leaky.action(net) - bound(net)

        return lowest(slack, nets, 600).min()

    sharp, broken = map(least, bounds)
    assert -1e-9 <= sharp <= 0.02
    assert broken < -0.05


def test_ranks_that_are_not_there_are_refused():
    net, X = drawn(1)
    with pytest.raises(ValueError, match="at most rank 3"):
        leaky_certificate(net, X, 4)
    with pytest.raises(ValueError, match="at input 1 the Jacobian has numerical rank 1"):
        leaky_certificate(isometry(), [[1.0, 2.0, 3.0], [1.0, -2.0, 3.0]], 2)  # the second neuron is off
    with pytest.raises(ValueError, match="outside of jit"):
        jax.jit(lambda net: leaky_certificate(net, X, 1))(net)
