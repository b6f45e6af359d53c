"""Gains: each inequality on random networks and against gradient search, equality, and broken variants."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

import bnlib as bn
import reference
from bnlib.build import bends, chains
from bnlib.build.random_networks import random_ensemble
from bnlib.networks import jacobian
from bnlib.theory.gains import (
    alternating_sum,
    alternation,
    area_gain,
    crease,
    facets,
    gain_bound,
    gain_bracket,
    gains,
    orientation,
    steiner,
    weight_product,
)
from bnlib.training.attack import lowest
from strategies import networks, networks_and_inputs

SEEDS = st.integers(0, 2**32 - 1)
ROUNDING = 1e-12
numbers = st.floats(-3, 3)
points = arrays(float, 3, elements=numbers)
MAXIMUM = bends.crossing(2**-0.5, 2**-0.5, 2**-0.5, 3)
FOLD = bn.from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])


def half_squares(net):
    """The product of half the squared norms of the layers."""
    return np.prod([np.sum(W**2) / 2 for W, _ in reference.layers(net)])


# Numbers of vectors and matrices.


@given(st.lists(numbers, min_size=1, max_size=7))
def test_the_largest_alternating_sum_is_that_of_all_choices(slopes):
    sums = [
        abs(sum((-1) ** i * s for i, s in enumerate(chosen)))
        for n in range(1, len(slopes) + 1)
        for chosen in combinations(slopes, n)
    ]
    assert alternating_sum(slopes) == pytest.approx(max(sums), abs=ROUNDING)
    both = alternating_sum(np.stack([slopes, -np.asarray(slopes)], axis=1))
    assert both.tolist() == pytest.approx([max(sums)] * 2, abs=ROUNDING)


@settings(max_examples=60)
@given(points, points)
def test_the_steiner_tree_is_the_shortest_star(u, v):
    def star(z):
        return np.linalg.norm(z) + np.linalg.norm(u - z) + np.linalg.norm(v - z)

    found = minimize(star, (u + v) / 3, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    best = min(found.fun, *(star(corner) for corner in (0 * u, u, v)))
    assert float(steiner(u, v)) == pytest.approx(best, abs=1e-6)


@given(points, points)
def test_the_distance_to_a_segment_is_the_least_one(g, h):
    t = np.linspace(0, 1, 20001)[:, None]
    least = np.linalg.norm(g + t * (h - g), axis=1).min()
    assert float(crease(g, h)) == pytest.approx(np.linalg.norm(g - h) + least, abs=1e-3)
    assert float(crease(g, h)) >= max(np.linalg.norm(g), np.linalg.norm(h)) - ROUNDING


@given(arrays(float, (4, 2), elements=numbers), arrays(float, (4, 2), elements=numbers))
def test_areas_are_those_of_minors(A, B):
    X, Y = (np.array([np.linalg.det(M[list(rows)]) for rows in combinations(range(4), 2)]) for M in (A, B))
    largest = max(np.linalg.norm(X), np.linalg.norm(Y), np.linalg.norm(X - Y))
    assert float(area_gain(A, B)) == pytest.approx(largest, abs=1e-6)


# The principle.


def pieces(rng, count, flat=False):
    """Draw a piecewise linear function: its kinks, and values there; at times on a grid, so that it meets zero."""
    t = np.cumsum(rng.uniform(0.1, 1, count + 1))
    values = rng.integers(-2, 3, count + 1).astype(float) if flat else rng.normal(size=count + 1)
    return t, values


def after_relu(t, values):
    """Return the slopes of the positive part, with its zeros as kinks."""
    crossed = [a + (b - a) * f / (f - g) for a, b, f, g in zip(t, t[1:], values, values[1:], strict=False) if f * g < 0]
    grid = np.sort(np.concatenate([t, crossed]))
    return np.diff(np.maximum(np.interp(grid, t, values), 0)) / np.diff(grid)


@given(SEEDS, st.booleans())
def test_no_activation_raises_an_alternating_sum(seed, flat):
    t, values = pieces(np.random.default_rng(seed), 8, flat)
    slopes = np.diff(values) / np.diff(t)
    assert alternating_sum(after_relu(t, values)) <= alternating_sum(slopes) + 1e-9


def test_it_raises_a_sum_at_points_that_are_fixed():
    t, values = np.array([0.0, 1.0, 2.0, 3.0, 5.0]), np.array([0.0, 1.0, -2.0, -1.0, 1.0])

    def at_three(slopes, kinks):  # in the first, third and last piece: g falls below zero between them, unseen
        return abs(np.array([1, -1, 1]) @ slopes[np.searchsorted(kinks, [0.5, 2.5, 4.5]) - 1])

    lifted = np.maximum(np.insert(values, [2, 4], 0.0), 0)
    grid = np.insert(t, [2, 4], [4 / 3, 4.0])
    np.testing.assert_allclose(np.diff(lifted) / np.diff(grid), after_relu(t, values), atol=1e-9)
    assert at_three(np.diff(lifted) / np.diff(grid), grid) > at_three(np.diff(values) / np.diff(t), t)


# Networks.


def lines(rng, d):
    """Draw a line with points in their order."""
    v = rng.normal(size=d)
    return rng.normal(size=d) + np.sort(rng.normal(size=9))[:, None] * v / np.linalg.norm(v)


@settings(max_examples=40)
@given(networks(), SEEDS)
def test_alternating_derivatives_are_below_the_gain(net, seed):
    line = lines(np.random.default_rng(seed), net.d_in)
    assert alternation(net, line) <= weight_product(net) * (1 + ROUNDING)
    J = reference.jacobian(net, line[0]) @ (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    assert alternation(net, line) >= np.abs(J).max() - 1e-9


@settings(max_examples=40)
@given(networks_and_inputs())
def test_gains_of_pairs_are_below_those_of_the_network(both):
    net, X = both
    found = gains(net, X)
    assert max(found.alternation, found.steiner) <= weight_product(net) * (1 + ROUNDING)
    assert found.area <= half_squares(net) * (1 + 1e-9)
    slack = bn.squared_norm(net) - gain_bound(net, X)
    assert slack >= -1e-9 * (1 + bn.squared_norm(net))
    assert gain_bound(net, X) >= bn.lower_bound(net, X)


@settings(max_examples=30)
@given(SEEDS)
def test_every_direction_gives_a_bound(seed):
    rng = np.random.default_rng(seed)
    net = bn.random_network(rng, (3, 6, 6, 3), bias=0.5)
    J, K = np.asarray(jacobian(net, rng.normal(size=(2, 3))))
    V = np.linalg.qr(rng.normal(size=(3, 2)))[0]
    assert float(steiner(J @ V[:, 0], K @ V[:, 0])) <= weight_product(net) * (1 + ROUNDING)
    assert float(area_gain(J @ V, K @ V)) <= half_squares(net) * (1 + 1e-9)


def crossed_segments(net, X, Y):
    X, Y = np.asarray(X), np.asarray(Y)
    active = [np.array([np.concatenate(reference.forward(net, x)[0][:-1]) > 0 for x in A]) for A in (X, Y)]
    changed = np.any(active[0] != active[1], axis=1)
    return X[changed], Y[changed]


def check_creases(net, G, H, gain=crease):
    """Assert that no crease has a gain above that of the network."""
    assert np.all(gain(G, H) <= weight_product(net) * (1 + 1e-9))


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([0.0, 0.2]))
def test_creases_are_below_the_gain(seed, slope):
    rng = np.random.default_rng(seed)
    net = bn.random_network(rng, (2, 3, 3, 1), bias=0.5, negative_slope=slope)
    X, Y = crossed_segments(net, *rng.normal(size=(2, 12, net.d_in)))
    assume(len(X))
    G, H = facets(net, X, Y)
    check_creases(net, G, H)


@settings(max_examples=60)
@given(SEEDS, st.floats(-6, -1))
def test_creases_near_the_sharp_one_are_below_the_gain(seed, size):
    rng = np.random.default_rng(seed)
    net = jax.tree.map(lambda a: a + 10**size * rng.normal(size=a.shape), MAXIMUM)
    X, Y = crossed_segments(net, [[1.0, 0.2]], [[0.3, 1.1]])
    assume(len(X))
    check_creases(net, *facets(net, X, Y))


def test_the_crease_of_a_maximum_is_sharp_and_its_gradient_in_place_of_the_distance_is_not_true():
    net = MAXIMUM
    G, H = facets(net, [[1.0, 0.2]], [[0.3, 1.1]])
    np.testing.assert_allclose([G[0], H[0]], [[1, 0], [0, 1]], atol=1e-12)
    check_creases(net, G, H)
    assert float(crease(G, H)[0]) == pytest.approx(weight_product(net), rel=1e-9)
    with pytest.raises(AssertionError):
        check_creases(net, G, H, lambda g, h: np.linalg.norm(g - h, axis=1) + np.linalg.norm(g, axis=1))


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 3))
def test_a_map_that_turns_round_pays_for_it(seed, k):
    rng = np.random.default_rng(seed)
    net = bn.random_network(rng, (k, 5, 5, k), bias=0.5)
    X = rng.normal(size=(12, k))
    found, dets = orientation(net, X), [np.linalg.det(reference.jacobian(net, x)) for x in X]
    assert (found > -np.inf) == (min(dets) < 0 < max(dets))
    assert found <= float(bn.squared_norm(net))
    if found > -np.inf:
        assert found == pytest.approx(k * 3 + np.log(max(dets)) + np.log(-min(dets)) + 1, abs=1e-9)


def test_a_fold_pays_little_more_than_for_turning_round():
    """At great depth it pays log 4, where the bound says 1."""
    net = chains.fold(40)
    slack = float(bn.squared_norm(net)) - orientation(net, [[-1.0], [1.0]])
    assert 0 <= slack <= 1.05 * np.log(4) - 1


# Gradient search reaches equality and no more; it goes through each broken variant.


def log_gain(net):
    return sum(jnp.log(jnp.sum(W * W)) / 2 for W in (net.first[0], *net.hidden[0], net.last[0]))


LINE = np.linspace(-1, 1, 5)[:, None]
PAIR = np.array([[0.3, -0.8], [-0.5, 0.4]])


def derivatives(net):
    return jacobian(net, LINE)[:, 0, 0]


def columns(net):
    return jacobian(net, PAIR)[..., 0]


ATTACKS = {  # widths, the bound, a broken variant
    "alternation": (
        (1, 6, 6, 1),
        lambda net: jnp.log(alternating_sum(derivatives(net))),
        lambda net: jnp.log(jnp.sum(jnp.abs(derivatives(net)))),
    ),
    "steiner": (
        (2, 6, 6, 2),
        lambda net: jnp.log(steiner(*columns(net))),
        lambda net: jnp.log(jnp.sum(jnp.linalg.norm(columns(net), axis=1))),
    ),
    "area": (
        (2, 8, 8, 2),
        lambda net: jnp.log(area_gain(*jacobian(net, PAIR))) / 2 + 3 * jnp.log(2) / 2,
        lambda net: jnp.log(jnp.sum(jnp.abs(jnp.linalg.det(jacobian(net, PAIR))))) / 2 + 3 * jnp.log(2) / 2,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_gradient_search_reaches_equality_and_no_more(name):
    widths, bound, broken = ATTACKS[name]
    nets = random_ensemble(np.random.default_rng(1), 16, widths)
    slack = lowest(lambda net: log_gain(net) - bound(net), nets, 500)
    assert -1e-9 <= slack.min() <= 0.01
    assert lowest(lambda net: log_gain(net) - broken(net), nets, 500).min() < -0.05


# Whole bounds, and input that is refused.


def test_the_bracket_of_the_fold_closes_at_every_depth():
    for L in (2, 3, 7):
        net = chains.fold(L)
        low, high = gain_bracket(net, [[-0.5], [0.5]], 1, target=[[0.5], [0.5]])
        assert low == pytest.approx(high, abs=1e-9)
        assert bn.r1_bracket(net, [[-0.5], [0.5]], 1)[0] == pytest.approx(0, abs=1e-9)


def test_the_fold_beside_the_identity_needs_its_area():
    net = bn.balance(bends.beside(FOLD, bn.from_layers([([[1.0]], None)] * 2)))
    found = gains(net, [[-1.0, 0.5], [1.0, 0.5]])
    assert found.area == pytest.approx(2.0)
    assert gain_bound(net, [[-1.0, 0.5], [1.0, 0.5]]) == pytest.approx(2 * 2 * 2**0.5)


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_gains_are_homogeneous_and_no_square_overflows(size):
    net, X = (
        bn.random_network(np.random.default_rng(0), (2, 6, 6, 2), bias=0.5),
        np.random.default_rng(1).normal(size=(8, 2)),
    )
    (first, hidden, last), c = net.layers, size
    other = bn.from_layers([first, hidden, (c * c * last[0], c * c * last[1])])
    assert gains(other, X).steiner == pytest.approx(c * c * gains(net, X).steiner, rel=1e-9)
    homogeneous = 3 * max(gains(net, X).steiner ** (2 / 3), 2 * gains(net, X).area ** (1 / 3)) * (c * c) ** (2 / 3)
    assert gain_bound(other, X) == pytest.approx(max(homogeneous, bn.lower_bound(other, X), orientation(other, X)))


def test_inputs_are_compared_once_and_in_order():
    X = np.array([[1.0], [-1.0], [1.0]])
    assert gains(FOLD, X) == gains(FOLD, [[-1.0], [1.0]])
    assert gains(FOLD, [[1.0], [1.0]]).alternation == 1.0


def test_many_pairs_go_through_in_blocks(monkeypatch):
    net = bn.random_network(np.random.default_rng(0), (2, 6, 6, 2), bias=0.5)
    X = np.random.default_rng(1).normal(size=(12, 2))
    whole = gains(net, X)
    monkeypatch.setattr("bnlib.theory.gains.PAIRS", 7)
    assert gains(net, X) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gains(FOLD, [[1.0]]), "between 2 and 2000 inputs"),
        (lambda: gains(FOLD, np.zeros((2001, 1))), "holds 2001"),
        (lambda: alternation(FOLD, [[1.0]]), "two points or more"),
        (lambda: alternation(FOLD, [[1.0], [0.0], [0.5]]), "in their order"),
        (lambda: alternation(bn.from_layers([(np.eye(2), None)]), [[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]), "straight"),
        (lambda: alternating_sum([]), "shape"),
        (lambda: alternating_sum([np.nan]), "finite"),
        (lambda: steiner([1.0, 0.0], [1.0]), "one space"),
        (lambda: area_gain(np.eye(3), np.eye(3)), r"\(\.\.\., m, 2\)"),
        (lambda: facets(FOLD, [[1.0]], [[2.0]]), "No neuron changes"),
        (lambda: facets(bn.from_layers([([[1.0]], None)]), [[1.0]], [[2.0]]), "hidden layer"),
        (lambda: orientation(bn.from_layers([([[1.0], [1.0]], None)]), [[1.0]]), "as many outputs"),
        (lambda: gain_bracket(FOLD, [[-1.0], [1.0]], 2), "rank up to 1"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
