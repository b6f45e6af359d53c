"""The second coefficient: bounds that hold for every network, and the functions for which they are sharp."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import RELU, networks, networks_and_inputs, pad, random_layers

CORNERS = np.array([[1.0, 0.0], [0.0, 1.0]])
INSIDE = np.random.default_rng(5).uniform(0.05, 0.95, size=(12, 2))
SEEDS = st.integers(0, 2**32 - 1)


def norm(net):
    return reference.squared_norm(net)


def chain(weight, bias, depth, last=0.0):
    """Return one neuron per layer with equal weights, a bias in the first layer and one at the output."""
    biases = [bias, *[0.0] * (depth - 2), last]
    return bn.from_layers([([[weight]], [b]) for b in biases])


# The bound from the Jacobian.


def check_jacobian_bound(bound, net, X):
    """Assert that the norm is at least the bound, for every input and every k up to the rank."""
    for x in X:
        s = reference.singular_values(reference.jacobian(net, x))
        for k in range(1, int(np.sum(s > 1e-9 * max(s[0], 1e-300))) + 1):
            assert norm(net) >= bound(s[:k], net.depth) - 1e-9 * norm(net)


def volume_bound(s, depth, factor=2.0, per_layer=1.0):
    return per_layer * depth * len(s) + factor * np.sum(np.log(s))


@given(networks_and_inputs(RELU))
@settings(max_examples=40)
def test_jacobian_bound(pair):
    net, X = pair
    check_jacobian_bound(volume_bound, net, X)
    check_jacobian_bound(lambda s, L: L * np.sum(s ** (2 / L)), net, X)


def test_isometries_attain_the_jacobian_bound():
    for depth in (1, 4, 20):
        net = bn.linear_network(np.array([[0.6, -0.8], [0.8, 0.6]]), depth, domain=CORNERS)
        check_jacobian_bound(volume_bound, net, INSIDE)
        assert norm(net) == pytest.approx(2 * depth, abs=1e-10)


@pytest.mark.parametrize("mistake", [{"factor": 3.0}, {"factor": 2.2}, {"per_layer": 1.2}], ids=str)
def test_a_larger_jacobian_bound_is_caught(mistake):
    net = bn.linear_network(3.0 * np.eye(2), 30, domain=CORNERS)
    check_jacobian_bound(volume_bound, net, INSIDE)
    with pytest.raises(AssertionError):
        check_jacobian_bound(lambda s, L: volume_bound(s, L, **mistake), net, INSIDE)


# Composition.


def pair_of_nets(seed, inner=(4, 3), outer=(5, 2)):
    rng = np.random.default_rng(seed)
    g = bn.from_layers(pad(random_layers(rng, [2, *inner])))
    return bn.from_layers(pad(random_layers(rng, [inner[-1], *outer]))), g, rng.normal(size=(8, 2))


def shifted_norm(f, g, s, outer_sign=-1.0, inner=2.0):
    """Return the norm of f(g + s - s), with the signs of its terms open to mistakes."""
    (W, b), c = reference.layers(f)[0], reference.layers(g)[-1][1]
    return norm(f) + norm(g) + s @ s + inner * c @ s + np.sum((W @ s) ** 2) + 2 * outer_sign * b @ W @ s


def check_composition(formula, f, g, X):
    codes = np.asarray(bn.apply(g, X))
    s = np.maximum(0.0, -codes.min(axis=0)) + 0.1
    net = bn.compose(f, g, shift=s, domain=X)
    np.testing.assert_allclose(bn.apply(net, X), bn.apply(f, codes), rtol=1e-11, atol=1e-11)
    assert norm(net) == pytest.approx(formula(f, g, s), rel=1e-12)


@given(SEEDS)
@settings(max_examples=25)
def test_composition_with_a_shift(seed):
    check_composition(shifted_norm, *pair_of_nets(seed))


@pytest.mark.parametrize("mistake", [{"outer_sign": 1.0}, {"outer_sign": 0.0}, {"inner": 0.0}], ids=str)
def test_a_wrong_formula_of_the_shift_is_caught(mistake):
    with pytest.raises(AssertionError):
        check_composition(lambda f, g, s: shifted_norm(f, g, s, **mistake), *pair_of_nets(0))


def check_price(net, s, factor=1.0):
    """Assert that a shift of the inputs costs a balanced network at most a_2 (|s|^2 + |s|)."""
    (W, b), (W2, _) = reference.layers(net)[:2]
    price = np.sum((W @ s) ** 2) - 2 * b @ W @ s
    size = np.linalg.norm(s)
    assert price <= factor * np.sum(W2**2) * (size**2 + size) + 1e-9


@given(networks(tuple(a for a in RELU if a[0] > 1), integers=False), SEEDS)
@settings(max_examples=25)
def test_price_of_a_shift(net, seed):
    rng = np.random.default_rng(seed)
    check_price(bn.balance(net), 10.0 ** rng.uniform(-2, 1) * rng.normal(size=net.d_in))


def test_the_price_of_a_shift_needs_balance_and_its_factor():
    net = bn.from_layers([([[3.0]], [-4.0]), ([[0.1]], None)])
    with pytest.raises(AssertionError):
        check_price(net, np.array([1.0]))
    check_price(bn.balance(net), np.array([1.0]))
    with pytest.raises(AssertionError):
        check_price(bn.balance(net), np.array([1.0]), factor=0.5)


def test_positivity_is_needed():
    """The identity on an interval costs 2 sqrt 2 at depth 2, and 1 + 1 at depths 1 and 1."""
    identity, ends = bn.from_layers([([[1.0]], None)]), np.array([[-1.0], [1.0]])
    assert 2 * norm(identity) < 8**0.5
    with pytest.raises(ValueError, match=r"coordinate 0 goes down to -1,.*would cut it off"):
        bn.compose(identity, identity, domain=ends)
    with pytest.raises(ValueError, match=r"goes down to -0\.5"):
        bn.compose(identity, identity, shift=[0.5], domain=ends)
    net = bn.compose(identity, identity, shift=[1.0], domain=ends)
    np.testing.assert_allclose(bn.apply(net, ends), ends)
    assert norm(net) == pytest.approx(4.0)


def test_what_counts_as_negative_is_relative_to_the_code():
    identity, ends = bn.from_layers([(np.eye(2), None)]), np.array([[1.0, -1.0], [1.0, 1.0]])
    for size in (1e-9, 1.0, 1e9):
        bn.compose(identity, identity, domain=size * np.array([[1.0, 1.0], [1.0, -1e-13]]))
        with pytest.raises(ValueError, match="coordinate 1 goes down to -"):
            bn.compose(identity, identity, domain=1e-4 * size * ends)


def test_a_linear_network_needs_no_positive_domain():
    linear = bn.from_layers([(np.eye(2), None)], negative_slope=1.0)
    assert bn.compose(linear, linear, domain=-CORNERS).depth == 2


def check_interval(net, price=2.0):
    """Assert that a network with f(1) - f(-1) = 2c costs at least L (2 c^2)^(1/L)."""
    low, high = (reference.forward(net, [x])[0][-1] for x in (-1.0, 1.0))
    c = np.linalg.norm(high - low) / 2
    assert norm(net) >= net.depth * (price * c**2) ** (1 / net.depth) * (1 - 1e-12)


@given(SEEDS, st.integers(2, 6), st.floats(0.2, 2.0))
@settings(max_examples=40)
def test_interval(seed, depth, scale):
    rng = np.random.default_rng(seed)
    check_interval(bn.from_layers(random_layers(rng, [1, *[4] * (depth - 1), 2], scale=scale)))


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_the_price_of_the_interval_is_attained_and_not_higher(depth):
    net = chain(2 ** (0.5 / depth), 1.0, depth)
    first = 2 ** (0.5 / depth - 0.5)
    net = bn.from_layers([([[first]], [first]), *net.layers[1:]])
    np.testing.assert_allclose(bn.apply(net, [[-1.0], [0.5]]), [[0.0], [1.5]], atol=1e-12)
    assert norm(net) == pytest.approx(depth * 2 ** (1 / depth), rel=1e-12)
    check_interval(net)
    with pytest.raises(AssertionError):
        check_interval(net, price=2.1)


# Constants and addition.


def constant_cost(c, depth, points=601):
    """Return the cost of the constant c by the recursion, on a grid."""
    a = np.linspace(0.0, c, points)
    R = a**2
    for _ in range(depth - 1):
        R = np.min(a[:, None] ** 2 / (1.0 + a[None, :] ** 2) + R[None, :], axis=1)
    return float(R[-1])


def closed_form(c, depth, switch=2.0):
    if depth == 1 or c <= 1:
        return c**2
    if depth == 2 or c <= switch:
        return 2 * c - 1
    low, high = 1e-6, 1.0  # mu + mu^-3 decreases to 2 at mu = 1
    for _ in range(100):
        mid = (low + high) / 2
        low, high = (mid, high) if mid + mid**-3 > c else (low, mid)
    return low**2 + 3 / low**2 - 1


def check_constants(formula, cases):
    for c, depth in cases:
        assert formula(c, depth) == pytest.approx(constant_cost(c, depth), abs=1e-3)


CASES = [(c, 1) for c in (0.5, 3.0)] + [(c, 2) for c in (0.5, 1.5, 4.0)] + [(c, 3) for c in (0.9, 1.9, 2.1, 6.0)]
CASES += [(c, depth) for c in (0.5, 1.0, 1.5, 2.0, 2.7, 3.5) for depth in (4, 6)]


def test_constants():
    check_constants(closed_form, CASES)
    for c, depth, value in ((3.0, 4, 4.7135), (4.0, 3, 6.1388), (4.0, 4, 6.1059)):
        assert constant_cost(c, depth) == pytest.approx(value, abs=1e-3)
    for c in (5.0, 50.0):
        depth = int(np.ceil(2 + 2 * np.log(c)))
        assert np.log(1 + c**2) <= constant_cost(c, depth) <= 1 + np.e + 2 * np.e * np.log(c)


@pytest.mark.parametrize(
    "broken",
    [
        lambda c, depth: c**2,
        lambda c, depth: closed_form(c, depth, switch=3.0),
        lambda c, depth: closed_form(c, min(depth, 2)),
    ],
    ids=["output bias only", "straight too long", "depth two"],
)
def test_wrong_costs_of_constants_are_caught(broken):
    with pytest.raises(AssertionError):
        check_constants(broken, CASES)


def test_the_closed_form_ends_where_the_chapter_says():
    with pytest.raises(AssertionError):
        check_constants(closed_form, [(4.0, 4)])


def check_constant_bound(cost, net):
    value = np.linalg.norm(reference.forward(net, np.zeros(net.d_in))[0][-1])
    assert norm(net) >= cost(value, net.depth) - 2e-4


@given(networks(RELU))
@settings(max_examples=25)
def test_no_network_is_cheaper_than_its_constant(net):
    check_constant_bound(constant_cost, net)


def cheapest_constant(c, depth):
    """Return the network of the recursion: r_l with weight r r'/(1 + r'^2) and bias r/(1 + r'^2)."""
    values, target = [c], c
    for d in range(depth - 1, 0, -1):
        a = np.linspace(0.0, target, 601)
        costs = [target**2 / (1 + x**2) + constant_cost(x, d, 301) for x in a]
        target = a[int(np.argmin(costs))]
        values.append(target)
    r = [0.0, *reversed(values)]
    return bn.from_layers([([[y * x / (1 + x**2)]], [y / (1 + x**2)]) for x, y in pairwise(r)])


def test_the_cost_of_a_constant_is_attained_and_not_higher():
    net = cheapest_constant(3.0, 3)
    np.testing.assert_allclose(bn.apply(net, [[0.0], [5.0]])[:1], 3.0, atol=1e-12)
    assert norm(net) == pytest.approx(constant_cost(3.0, 3), abs=1e-3)
    check_constant_bound(constant_cost, net)
    with pytest.raises(AssertionError):
        check_constant_bound(lambda c, depth: 1.01 * constant_cost(c, depth), net)


def check_addition(bound, a, b, depth):
    assert constant_cost(a + b, depth) <= bound(constant_cost(a, depth), constant_cost(b, depth)) + 1e-3


@given(st.floats(0.0, 4.0), st.floats(0.0, 4.0), st.integers(2, 6))
@settings(max_examples=30)
def test_addition(a, b, depth):
    check_addition(lambda x, y: x + y + 1.0, a, b, depth)


@pytest.mark.parametrize("extra", [0.0, 0.5, 0.99])
def test_the_one_in_the_addition_bound_cannot_be_lowered(extra):
    with pytest.raises(AssertionError):
        check_addition(lambda x, y: x + y + extra, 1.0, 1.0, 5)


def check_offset(bound, net, x):
    """Assert |theta|^2 >= L sum s^(2/L) + R_L(distance of the offset from the range of J)."""
    J = reference.jacobian(net, x)
    s = reference.singular_values(J)
    offset = reference.forward(net, x)[0][-1] - J @ x
    Q = np.linalg.qr(J)[0]
    gamma = np.linalg.norm(offset - Q @ (Q.T @ offset))
    assert norm(net) >= bound(s, gamma, net.depth) - 1e-3


def offset_bound(s, gamma, depth, factor=1.0):
    return depth * np.sum(s ** (2 / depth)) + factor * constant_cost(gamma, depth)


@given(SEEDS, st.integers(1, 5), st.floats(0.3, 1.5))
@settings(max_examples=40)
def test_offset_bound(seed, depth, scale):
    rng = np.random.default_rng(seed)
    net = bn.from_layers(random_layers(rng, [2, *[5] * (depth - 1), 4], scale=scale))
    x = rng.normal(size=2)
    s = reference.singular_values(reference.jacobian(net, x))
    assume(s[1] > 1e-6 * s[0])
    check_offset(offset_bound, net, x)


def test_the_clean_addition_fails_at_rank_two_as_well():
    maps = [np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])]
    nets = [bn.linear_network(A, 6, domain=CORNERS) for A in maps]
    halves = [bn.from_layers([*net.layers[:-1], (net.last[0], np.array([0.0, 0.0, 0.5]))]) for net in nets]
    both = bn.add(*halves)
    np.testing.assert_allclose(bn.apply(both, INSIDE), np.c_[INSIDE, np.ones(len(INSIDE))], atol=1e-12)
    assert norm(both) == pytest.approx(2 * 6 + 1, abs=1e-10)
    check_offset(offset_bound, both, INSIDE[0])
    with pytest.raises(AssertionError):
        check_offset(lambda *args: offset_bound(*args, factor=1.01), both, INSIDE[0])
    assert norm(both) > sum(map(norm, halves)) + 0.49
