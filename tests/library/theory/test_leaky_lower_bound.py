"""What a whole leaky network must cost: below every network, attained, and the bounds at both ends."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import bnlib as bn
import second_leaky as second
from bnlib import leaky
from bnlib.theory.leaky_bounds import leaky_lower_bound

SEEDS = st.integers(0, 2**32 - 1)
LEAKS = st.lists(st.floats(0.02, 1.0), min_size=1, max_size=8)
LOGARITHMS = st.floats(-8.0, 6.0)


def by_dimensions(s, leak):
    """Return the largest k (L + 2) + 2 log |J|_k over k."""
    return np.max(np.cumsum(np.sum(leak) + 2 + 2 * np.log(s)), initial=0.0)


def aligned(t, leak):
    """Return a network on active neurons whose layers multiply coordinate i by t[l, i]."""
    W = [np.diag(row) for row in (t[1:-1] - 1 + leak[:, None]) / leak[:, None]]
    return leaky.leaky_network((np.diag(t[0]), None), (np.array(W), None), (np.diag(t[-1]), None), leak)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 6), st.integers(2, 8))
def test_no_network_costs_less(seed, layers, width):
    net, X = second.draw(np.random.default_rng(seed), width=width, layers=layers)
    s = bn.singular_values(leaky.jacobian(net, X))
    assert np.all(leaky_lower_bound(s, net.leak) <= leaky.action(net) * (1 + 1e-12))


def minimum(y, leaks):
    """Return the least cost of one mode by a search over the factors."""

    def cost(x):
        t = np.exp(np.append(x, y - np.sum(x)))
        return np.sum(np.maximum(t - 1 + leaks, 0) ** 2 / leaks)

    return minimize(cost, np.full(len(leaks) - 1, y / len(leaks)), method="BFGS", options={"gtol": 1e-9}).fun


@settings(max_examples=25)
@given(LEAKS, LOGARITHMS)
def test_a_search_over_factors_finds_the_same_minimum(leak, y):
    found, leaks = float(leaky_lower_bound([np.exp(y)], leak)), np.pad(leak, 1, constant_values=1.0)
    searched = minimum(y, leaks)  # never below the minimum, and at it up to the gradient where it stops
    assert found <= searched * (1 + 1e-12) + 1e-12
    assert searched <= found * (1 + 1e-6) + 1e-6


@given(LEAKS, st.lists(LOGARITHMS, min_size=1, max_size=4))
def test_it_is_above_the_count_of_dimensions(leak, logarithms):
    s = np.exp(sorted(logarithms, reverse=True))
    assert leaky_lower_bound(s, leak) >= by_dimensions(s, leak) * (1 - 1e-12) - 1e-12


@given(st.integers(1, 8), st.lists(LOGARITHMS, min_size=1, max_size=4))
def test_at_leak_one_it_is_the_bound_of_a_plain_network(layers, logarithms):
    s = np.exp(sorted(logarithms, reverse=True))
    expected = (layers + 2) * np.sum(s ** (2 / (layers + 2)))
    assert float(leaky_lower_bound(s, np.ones(layers))) == pytest.approx(expected, rel=1e-10)


@settings(max_examples=40)
@given(SEEDS, LEAKS)
def test_aligned_networks_with_one_multiplier_attain_it(seed, leak):
    """At the minimum all t (t - 1 + leak) / leak of a mode are equal: so are these, whose cost is the bound."""
    leak = np.array(leak)
    half = np.exp(np.random.default_rng(seed).uniform(-1, 1, 2))
    leaks = np.pad(leak, 1, constant_values=1.0)[:, None]
    t = (1 - leaks + np.sqrt((1 - leaks) ** 2 + 4 * leaks * half)) / 2
    net = aligned(t, leak)
    s = np.sort(np.prod(t, axis=0))[::-1]
    np.testing.assert_allclose(bn.singular_values(leaky.jacobian(net, np.ones(2))), s, rtol=1e-10)
    assert float(leaky_lower_bound(s, leak)) == pytest.approx(float(leaky.action(net)), rel=1e-10)


def test_the_broken_bound_is_above_a_network():
    """With a leak of 1.1 times the true one the bound exceeds the cost of an identity that keeps most of its state."""
    net = leaky.leaky_network((np.eye(2), None), (np.stack([np.eye(2)] * 8), None), (np.eye(2), None), 0.5)
    assert float(leaky_lower_bound([1.0, 1.0], np.full(8, 0.5))) == pytest.approx(float(leaky.action(net)), rel=1e-12)
    assert float(leaky_lower_bound([1.0, 1.0], np.full(8, 0.55))) > 1.05 * float(leaky.action(net))


def test_rounding_is_no_dimension_and_stacks_are_taken_at_once():
    leak = np.full(30, 0.2)
    s = np.array([[1.0, 1e-17], [2.0, 1.0]])
    found = leaky_lower_bound(s, leak)
    assert found[0] == leaky_lower_bound([1.0, 0.0], leak) == pytest.approx(8.0)
    assert all(a < b for a, b in pairwise(found))


@pytest.mark.parametrize(("s", "leak"), [([1.0], [0.0]), ([1.0], [1.5]), ([-1.0], [0.5]), ([], [0.5])])
def test_bad_numbers_are_refused(s, leak):
    with pytest.raises(ValueError, match=r"The leak must lie above 0|s must hold numbers >= 0"):
        leaky_lower_bound(s, leak)
