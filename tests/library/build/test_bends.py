"""Maps of an interval at the least gain: their values, their gains, their cost at great depth, and bad input."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build import bends
from bnlib.theory.gains import alternating_sum, weight_product

SEEDS = st.integers(0, 2**32 - 1)
T = np.linspace(0, 1, 41)[:, None]


def values(slopes, kinks, start):
    """The map on T, by adding up its pieces."""
    steps = np.diff(slopes)
    return start + slopes[0] * T[:, 0] + np.maximum(T - np.reshape(kinks, (1, -1)), 0) @ steps


def check(net, slopes, kinks, start):
    """Assert the values of a network."""
    np.testing.assert_allclose(reference.values(net, T)[:, 0], values(slopes, kinks, start), atol=1e-9)


def drawn(seed, low=0.0):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 7)
    return rng.uniform(low, 1.5, n), np.sort(rng.uniform(0.05, 0.95, n - 1))


@given(SEEDS)
def test_two_layers_have_the_values_and_the_gain_they_say(seed):
    slopes, kinks = drawn(seed, -1.5)
    net = bn.from_layers(bends.two_layers(slopes, kinks, 0.3))
    check(net, slopes, kinks, 0.3)
    gain = bends.two_layer_gain(slopes)
    assert weight_product(net) == pytest.approx(gain, rel=1e-12)
    assert gain >= alternating_sum(slopes) - 1e-12


@given(SEEDS)
def test_two_layers_of_a_convex_or_concave_map_need_its_alternation(seed):
    slopes, _ = drawn(seed, -1.5)
    for s in (np.sort(slopes), np.sort(slopes)[::-1]):
        assert bends.two_layer_gain(s) == pytest.approx(alternating_sum(s), rel=1e-12)
        assert alternating_sum(s) == pytest.approx(max(np.abs(s).max(), s.max() - s.min()))


@settings(max_examples=40)
@given(SEEDS)
def test_a_rising_map_in_a_deep_chain(seed):
    slopes, kinks = drawn(seed)
    assume(np.abs(np.diff(slopes)).min(initial=1) > 0.05)
    net = bends.bend(slopes, kinks, 14, start=0.2)
    check(net, slopes, kinks, 0.2)
    assert float(bn.squared_norm(net)) >= 14 * alternating_sum(slopes) ** (2 / 14) - 1e-9


@pytest.mark.parametrize(
    ("slopes", "kinks", "start", "gain"),
    [
        ([-1, 1], [0.5], 0.5, 2),
        ([1, 0, 1], [0.3, 0.6], 0, 2),
        ([0, 1, 0], [0.25, 0.75], 0, 1),
        ([0.2, 1, 0.5, 0.8, 0.3, 0.1], [0.1, 0.3, 0.5, 0.6, 0.8], 0.2, 1.3),
        ([1, 0.5, 0.8, 0.4, 0.9], [0.2, 0.4, 0.6, 0.8], 0, 1.8),
    ],
)
def test_the_layers_have_the_least_gain_and_depth_comes_near_it(slopes, kinks, start, gain):
    slopes = np.asarray(slopes, float)
    assert alternating_sum(slopes) == pytest.approx(gain)
    parts = [bends.bend(slopes, kinks, L, start=start) for L in (16, 64, 256)]
    excess = [float(bn.squared_norm(net)) - net.depth - 2 * np.log(gain) for net in parts]
    for net in parts:
        check(net, slopes, kinks, start)
    assert excess[0] > excess[1] > excess[2] > 0
    L = np.array([16, 64, 256])
    assert np.all(excess < 3 * np.log(L) ** 2 / L)


@pytest.mark.parametrize(
    "slopes", [[-1, 1], [1, 0, 1], [0, 1, 0], [0.2, 1, 0.5, 0.8, 0.3, 0.1], [1, 0.5, 0.8, 0.4, 0.9], [0, 1e-16]]
)
def test_the_weights_have_the_least_gain_before_they_are_balanced(monkeypatch, slopes):
    monkeypatch.setattr(bends, "balance", lambda net: net)
    net = bends.bend(slopes, np.linspace(0, 1, len(slopes) + 1)[1:-1], 9, start=1.0)
    assert weight_product(net) == pytest.approx(alternating_sum(slopes), rel=1e-12, abs=0)


def test_the_flanks_are_needed():
    slopes = [0.2, 1, 0.5, 0.8, 0.3, 0.1]
    assert bends.two_layer_gain(slopes) > alternating_sum(slopes) + 0.9


def test_a_shear_has_its_values_and_costs_no_more_than_twice_the_depth_in_the_end():
    X = np.random.default_rng(0).uniform(0, 1, (20, 2))
    excess = []
    depths = np.array([16, 128, 1024])
    for L in depths:
        net = bends.shear([0.0, 0.5], [0.5], L)
        expected = X + np.outer(np.maximum(X[:, 0] - 0.5, 0) / 2, [0, 1])
        np.testing.assert_allclose(reference.values(net, X), expected, atol=1e-9)
        excess.append(float(bn.squared_norm(net)) - 2 * L)
    assert excess[0] > excess[1] > excess[2] > 0
    assert np.all(excess < 6 * np.log(depths) ** 2 / depths)  # twice that of one coordinate


@settings(max_examples=20)
@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(0, 3), st.integers(2, 9))
def test_a_crossing_costs_what_its_formula_says(kappa, other, aside, L):
    net = bends.crossing(kappa, other, aside, L)
    assert float(bn.squared_norm(net)) == pytest.approx(L * (kappa + other + aside) ** (2 / L), rel=1e-9)
    X = np.array([[1.0, 0.3], [0.2, 2.0]])
    n, z = np.array([1, -1]) / 2**0.5, aside * np.array([1, 1]) / 2**0.5
    expected = X @ z + kappa * np.maximum(X @ n, 0) + other * np.maximum(-X @ n, 0)
    np.testing.assert_allclose(reference.values(net, X)[:, 0], expected, atol=1e-9)


def test_networks_beside_each_other_do_not_meet():
    rng = np.random.default_rng(0)
    f, g = (bn.random_network(rng, widths, bias=0.5) for widths in ((2, 3, 3, 1), (1, 4, 4, 2)))
    X = rng.normal(size=(5, 3))
    both = bends.beside(f, g)
    expected = np.concatenate([reference.values(f, X[:, :2]), reference.values(g, X[:, 2:])], axis=1)
    np.testing.assert_allclose(reference.values(both, X), expected, atol=1e-12)
    assert bn.squared_norm(both) == pytest.approx(bn.squared_norm(f) + bn.squared_norm(g))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bends.bend([0.0, 0.0], [0.5], 4), "a constant"),
        (lambda: bends.bend([1.0, -1.0, 1.0], [0.3, 0.6], 8, start=1.0), "none of them negative"),
        (lambda: bends.bend([0.2, 1.0, 0.1], [0.3, 0.6], 4), "needs 6 layers"),
        (lambda: bends.bend([-1.0, 1.0], [0.5], 4), r"value -0.5 at 0 or at a kink"),
        (lambda: bends.bend([1.0, 2.0], [0.5], 4, start=-0.1), r"value -0.1 at 0 or at a kink"),
        (lambda: bends.bend([1.0, 0.0, 1.0], [0.2, 0.4, 0.6], 4), "2 kinks"),
        (lambda: bends.two_layers([1.0, 2.0], [np.nan], 0.0), "kinks must be finite"),
        (lambda: bends.two_layers([1.0, 2.0], [], 0.0), "1 kinks"),
        (lambda: bends.two_layers([1.0, 2.0, 3.0], [0.5, 0.4], 0.0), "increasing"),
        (lambda: bends.crossing(-1.0, 1.0, 0.0, 2), "kappa must be"),
        (lambda: bends.beside(bn.from_layers([([[1.0]], None)]), bends.shear([0.0, 1.0], [0.5], 2)), "same depth"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
