"""Fits of too low rank have a large tangent kernel: both inequalities, and where they end."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

import bnlib as bn
import reference
from strategies import pad, random_layers

SEEDS = st.integers(0, 2**32 - 1)
QUARTER = 0.25


# Explicit networks, written anew: rows of a square grid, the wave as a table of knots.


def hinges(knots, values):
    """Return biases and outgoing weights of the ReLU neurons of a piecewise linear function, constant at both ends."""
    slopes = np.diff(values, axis=0) / np.diff(knots).reshape(-1, *[1] * (np.ndim(values) - 1))
    zero = np.zeros((1, *slopes.shape[1:]))
    return -np.asarray(knots), np.diff(np.concatenate([zero, slopes, zero]), axis=0)


def grid(n):
    rows = [[((i if j % 2 == 0 else n - 1 - i) + 0.5, j + 0.5) for i in range(n)] for j in range(n)]
    return np.array(rows).reshape(-1, 2) / n


def wave_of(n):
    centres = (np.arange(n) + 0.5) / n
    knots = np.sort(np.concatenate([centres[:-1] + QUARTER / n, centres[1:] - QUARTER / n]))
    return knots, np.repeat(np.arange(n) % 2, 2)[1:-1].astype(float)


def snake(n, depth, tail=4, stairs=False):
    """Return the network as it is built, with margins of a quarter of the spacing."""
    b, w = hinges(*wave_of(n))
    first = np.zeros((len(b) + 2, 2))
    first[0, 0], first[1:, 1] = 1, 1
    layers = [(first, np.concatenate([[0, 0], b]))]
    to_wave = np.concatenate([[1, 0], -w])
    layers += [
        (np.stack([to_wave, -to_wave, np.eye(len(b) + 2)[1]]), np.zeros(3)),
        (np.array([[1.0, 1, n]]), np.zeros(1)),
    ]
    Y = grid(n)
    t = np.arange(n)[:, None] + 0.5 + np.array([0.5, n - 0.5]) / n  # codes of the ends of each row
    t = (t + np.array([-1, 1]) * QUARTER / n).ravel()
    ends = np.stack([np.stack([Y[j * n], Y[j * n + n - 1]]) for j in range(n)])
    ends = ends + QUARTER / n * np.stack([np.stack([a - b, b - a]) / np.abs(b - a).sum() for a, b in ends])
    ends = ends.reshape(-1, 2)
    b, w = hinges(t, ends)
    decoder = [(np.ones((len(b), 1)), b), (w.T, ends[0])]
    if stairs:
        centres = (np.arange(n) + 0.5) / n
        edges = np.sort(np.concatenate([centres[:-1] + QUARTER / n, centres[1:] - QUARTER / n]))
        b, w = hinges(edges, np.repeat(centres, 2)[1:-1])
        decoder += [
            (np.kron(np.eye(2), np.ones((len(b), 1))), np.tile(b, 2)),
            (np.kron(np.eye(2), w), np.full(2, centres[0])),
        ]
    decoder += [(np.eye(2), np.zeros(2))] * tail
    carry = [(np.eye(1), np.zeros(1))] * (depth - 3 - len(decoder))
    return bn.from_layers(pad([*layers, *carry, *decoder], 24 if not stairs else 32)), len(carry)


def excess(net):
    return float(bn.squared_norm(net)) - net.depth


def along(net, ends, points=801):
    share = (np.arange(points) + 0.5)[:, None] / points
    return np.asarray(bn.ntk_trace(net, ends[0] + share * (ends[1] - ends[0])))


# The two inequalities.


def check_segment(net, ends, length, factor=1.0, size=None):
    """Assert that the mean of Tr Theta over a segment is at least (length/|S|)^2 sum exp(-c1 l/L)."""
    layer = np.arange(1, net.depth + 1)
    size = np.linalg.norm(ends[1] - ends[0]) if size is None else size
    bound = (length / size) ** 2 * np.sum(np.exp(-excess(net) * layer / net.depth))
    assert along(net, ends).mean() >= factor * bound * (1 - 1e-9)


def check_maximum(net, layers, ends, length, rho, slope=np.arcsinh):
    assert along(net, ends).max() >= layers * (length / slope(rho)) ** 2 * (1 - 1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_snakes_obey_both_inequalities(n):
    Y, (net, carried) = grid(n), snake(n, 24)
    length = minimum_spanning_tree(cdist(Y, Y)).sum()
    assert length == pytest.approx((n**2 - 1) / n)
    assert np.linalg.norm(np.diff(Y, axis=0), axis=1).sum() == pytest.approx(length)
    even = bn.balance(net)
    inputs = np.random.default_rng(n).uniform(size=(60, 2))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, inputs)), compute_uv=False)
    assert np.all(s[:, 1] <= 1e-12 * s.max())
    for version in (net, even):
        np.testing.assert_allclose(bn.apply(version, Y), Y, atol=1e-10)
    check_segment(even, (Y[0], Y[-1]), length)
    check_maximum(net, carried, (Y[0], Y[-1]), length, n + 1.0)


def test_the_data_are_away_from_kinks():
    net, _ = snake(4, 20)
    pre = np.asarray(bn.activations(net, grid(4)).pre)
    alive = np.any(np.asarray(bn.activations(net, np.random.default_rng(0).uniform(size=(500, 2))).pre) != 0, axis=1)
    assert np.min(np.abs(np.swapaxes(pre, 1, 2)[alive])) > 1e-3


def test_the_price_of_the_snake_is_a_logarithm_only_with_a_tail():
    prices = {tail: [excess(bn.balance(snake(n, 40, tail)[0])) for n in (3, 6)] for tail in (0, 8)}
    with_tail, without = (prices[tail][1] / prices[tail][0] for tail in (8, 0))
    assert with_tail < np.log(36) / np.log(9) + 0.1 < without


@given(SEEDS, st.integers(0, 4))
@settings(max_examples=40)
def test_random_networks_through_one_neuron(seed, carried):
    """Any balanced network through one neuron, and any segment, with the length of the curve on it."""
    rng = np.random.default_rng(seed)
    encoder, decoder = random_layers(rng, [2, 5, 1]), random_layers(rng, [1, 5, 3])
    encoder[-1] = encoder[-1][0], encoder[-1][1] + 1.0
    net = bn.from_layers(pad([*encoder, *[(np.eye(1), np.zeros(1))] * carried, *decoder]))
    ends = rng.uniform(-1, 1, size=(2, 2))
    share = np.linspace(0, 1, 802)[:, None]
    curve = np.asarray(bn.apply(net, ends[0] + share * (ends[1] - ends[0])))
    length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()
    assume(length > 1e-3)
    even = bn.balance(net)
    # The polygon of 802 points is shorter than the curve, and its midpoints miss at most the kinks: a tenth is allowed.
    check_segment(even, ends, length, factor=0.9)


@given(SEEDS, st.integers(1, 6), st.floats(0.2, 5.0))
@settings(max_examples=40)
def test_chains_of_width_one(seed, carried, rho):
    rng = np.random.default_rng(seed)
    decoder = random_layers(rng, [1, 5, 3])
    net = bn.from_layers(pad([*[(np.eye(1), np.zeros(1))] * carried, *decoder]))
    ends = np.array([[0.0], [rho]])
    curve = np.asarray(bn.apply(net, np.linspace(0, rho, 802)[:, None]))
    length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()
    assume(length > 1e-3)
    check_maximum(net, carried, ends, 0.98 * length, rho)


def tight_chain(carried, rho, pieces):
    """Return identity layers and a decoder whose curve has the speed 1/sqrt(1 + t^2) on pieces of [0, rho]."""
    knots = np.sinh(np.linspace(0, np.arcsinh(rho), pieces + 1))
    speed = 1 / np.sqrt(1 + ((knots[1:] + knots[:-1]) / 2) ** 2)
    turns = np.diff(speed, prepend=0.0)
    # A decoder of many identity layers behind would count as well, so the hinges follow at once.
    decoder = [(np.ones((pieces, 1)), -knots[:-1]), (turns[None, :], np.zeros(1))]
    return bn.from_layers(pad([*[(np.eye(1), np.zeros(1))] * carried, *decoder], pieces)), knots, speed


def test_asinh_is_the_right_function():
    """With many identity layers the second inequality is nearly sharp, so a larger bound is caught."""
    carried, rho = 1000, 3.0
    net, knots, speed = tight_chain(carried, rho, 12)
    length = float(np.sum(speed * np.diff(knots)))
    ends = np.array([[0.0], [rho]])
    check_maximum(net, carried, ends, length, rho)
    for wrong in (lambda r: 0.7 * np.arcsinh(r), lambda r: np.log1p(r), lambda r: np.arctan(r)):
        with pytest.raises(AssertionError):
            check_maximum(net, carried, ends, length, rho, slope=wrong)


def scalar_chain(gains):
    return bn.from_layers([([[w]], None) for w in gains])


EARLY = scalar_chain([*[30**0.1] * 10, *[1.0] * 90])
EVEN = scalar_chain([30**0.01] * 100)
TINY = np.array([[0.0], [1e-9]])


def balanced_form(net, J):
    layer = np.arange(1, net.depth + 1)
    return J**2 * np.sum(np.exp(-excess(net) * layer / net.depth))


def test_the_balanced_form_needs_balance():
    assert along(EARLY, TINY).mean() == pytest.approx(1012.7, abs=0.1)
    assert balanced_form(EARLY, 30.0) == pytest.approx(8794, abs=1)
    assert float(bn.ntk_certificate(EARLY, TINY[1], 1).bound) == pytest.approx(550, abs=1)
    assert along(EVEN, TINY).mean() == pytest.approx(12772, abs=1)
    assert balanced_form(EVEN, 30.0) == pytest.approx(12330, abs=1)
    check_segment(EVEN, TINY, 30e-9)
    with pytest.raises(AssertionError):
        check_segment(EARLY, TINY, 30e-9)
    check_segment(bn.balance(EARLY), TINY, 30e-9)


@pytest.mark.parametrize("mistake", [{"factor": 1.1}, {"size": 0.9e-9}], ids=str)
def test_a_larger_bound_on_the_segment_is_caught(mistake):
    with pytest.raises(AssertionError):
        check_segment(EVEN, TINY, 30e-9, **mistake)


def test_a_fit_of_the_right_rank_disobeys_the_bound():
    """The identity of the square passes all data too, but not along one segment."""
    n = 12
    net = bn.from_layers([(np.eye(2), None)] * 24)
    Y = grid(n)
    with pytest.raises(AssertionError):
        check_segment(net, (Y[0], Y[-1]), (n**2 - 1) / n)
    np.testing.assert_allclose(bn.ntk_trace(net, Y), 2 * 24 * (1 + np.sum(Y**2, axis=1)), rtol=1e-12)


# What gradient descent and the data see.


def errors_of_descent(net, X, rate, ridge=0.0, steps=80):
    start = jax.tree.map(lambda a: a * (1 + 1e-7 * np.cos(np.arange(a.size)).reshape(a.shape)), net)

    @jax.jit
    def run(start, rate):
        def loss(other):
            error = jnp.mean(jnp.sum((bn.apply(other, X) - X) ** 2, axis=1))
            pairs = zip(jax.tree.leaves(other), jax.tree.leaves(net), strict=True)
            return error + ridge * sum(jnp.sum((a - b) ** 2) for a, b in pairs), error

        def step(other, _):
            (_, error), slope = jax.value_and_grad(loss, has_aux=True)(other)
            return jax.tree.map(lambda a, g: a - rate * g, other, slope), error

        return jax.lax.scan(step, start, None, length=steps)[1]

    return np.asarray(run(start, rate))


def check_rate(net, X, top, ridge=0.0):
    """Assert that descent stays just below 2/top and leaves just above."""
    for factor, stays in ((0.96, True), (1.04, False)):
        errors = errors_of_descent(net, X, factor * 2 / top, ridge)
        assert bool(errors.max() <= errors[0] and errors[-1] <= errors[len(errors) // 2]) == stays


def test_the_largest_rate_is_two_over_the_top_eigenvalue():
    X, net = grid(3), bn.balance(snake(3, 16)[0])
    top = bn.sharpness(net, X)
    check_rate(net, X, top)
    check_rate(net, X, 1.2 * top, ridge=0.1 * top)
    for wrong, ridge in ((top / 2, 0.0), (2 * top, 0.0), (top, 0.1 * top)):
        with pytest.raises(AssertionError):
            check_rate(net, X, wrong, ridge)


def check_data_see_the_segment(net, Y, share=0.1):
    assert np.mean(np.asarray(bn.ntk_trace(net, Y))) >= share * along(net, (Y[0], Y[-1])).mean()


def test_the_staircase_hides_the_kernel_from_its_data():
    n = 4
    Y = grid(n)
    plain, stairs = (bn.balance(snake(n, 24, tail=0, stairs=flag)[0]) for flag in (False, True))
    np.testing.assert_allclose(bn.apply(stairs, Y), Y, atol=1e-10)
    np.testing.assert_allclose(bn.jacobian(stairs, Y), 0.0, atol=1e-12)
    for net in (plain, stairs):
        check_segment(net, (Y[0], Y[-1]), (n**2 - 1) / n)
    check_data_see_the_segment(plain, Y)
    with pytest.raises(AssertionError):
        check_data_see_the_segment(stairs, Y)
    assert excess(stairs) > excess(plain)


def test_the_reference_agrees_with_the_trace():
    net = bn.balance(snake(3, 12)[0])
    for x in grid(3)[:2]:
        assert np.trace(reference.kernel(net, x, x)) == pytest.approx(float(bn.ntk_trace(net, x[None, :])[0]), rel=1e-9)
    assert all(a < b + 1e-6 for a, b in pairwise([float(jnp.sum(W**2)) for W, _ in net.layers]))
