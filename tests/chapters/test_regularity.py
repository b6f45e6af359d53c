"""The second and third coefficients: bounds that hold for every network, and the functions for which they are sharp."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import RELU, fixed_net, matrices, networks, networks_and_inputs, pad, random_layers, with_spectrum

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


# Linear maps.


def frames(A, k):
    U, s, Vt = np.linalg.svd(A)
    return U[:, :k], s[:k], Vt[:k].T


def of_rank(rng, k, d=4):
    return rng.normal(size=(d, k)) @ rng.normal(size=(k, d))


def check_product(formula, A, B, k):
    measured = np.sum(np.log(reference.singular_values(A @ B)[:k]))
    assert measured == pytest.approx(formula(frames(A, k), frames(B, k)), abs=1e-8)


def product_formula(a, b, overlap=1.0):
    return np.sum(np.log(a[1])) + np.sum(np.log(b[1])) + overlap * np.log(abs(np.linalg.det(a[2].T @ b[0])))


def check_sum(formula, A, B, k):
    measured = np.sum(np.log(reference.singular_values(A + B)[: 2 * k]))
    assert measured == pytest.approx(formula(frames(A, k), frames(B, k)), abs=1e-8)


def sum_formula(a, b, volumes=(1.0, 1.0)):
    both = [np.concatenate([a[i], b[i]], axis=1) for i in (0, 2)]
    logs = [np.sum(np.log(reference.singular_values(M))) for M in both]
    return np.sum(np.log(a[1])) + np.sum(np.log(b[1])) + volumes[0] * logs[0] + volumes[1] * logs[1]


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=60)
@example(4038285, 1)  # A B nearly cancels: its rounding is that of abs(A) abs(B)
def test_linear_regularity(seed, k):
    rng = np.random.default_rng(seed)
    A, B = of_rank(rng, k), of_rank(rng, k)
    s = [reference.singular_values(M)[:k] for M in (A, B, A @ B)]
    assume(all(x[-1] > 1e-4 * x[0] for x in s) and s[2][-1] > 1e-6 * s[0][0] * s[1][0])
    check_product(product_formula, A, B, k)
    r1, _ = bn.subadditivity(A, B, "compose")
    assert r1 >= -1e-8
    if k <= 2:
        total = reference.singular_values(A + B)[: 2 * k]
        assume(total[-1] > 1e-4 * total[0])
        check_sum(sum_formula, A, B, k)
        assert bn.subadditivity(A, B, "add")[0] >= -1e-8


@pytest.mark.parametrize("left", [1e-3, 1e-9, 0.0])
def test_ranks_of_products_and_sums_are_judged_by_the_size_of_their_terms(left):
    rng = np.random.default_rng(3)
    u, v, w, z = rng.normal(size=(4, 5))
    w = w - (w @ v) / (v @ v) * v + left * v  # orthogonal to v up to what is left
    A, B = np.outer(u, v), np.outer(w, z)
    near = -A + left * np.outer(w, z)
    if left:
        assert bn.subadditivity(A, B, "compose")[0] > -2 * np.log(left) - 20
        with pytest.raises(ValueError, match="ranks do not add"):
            bn.subadditivity(A, near, "add")
    else:  # what rounding has left of zero is no rank
        with pytest.raises(ValueError, match="A, B and AB have ranks 1, 1 and 0"):
            bn.subadditivity(A, B, "compose")
        noisy = -A * (1 + 1e-16 * rng.normal(size=A.shape))
        with pytest.raises(ValueError, match="A \\+ B has rank 0"):
            bn.subadditivity(A, noisy, "add")


def test_the_rounding_of_a_product_grows_with_as_many_terms_as_it_adds_up():
    """A B is 500 units in the last place of half of its 4,000 terms: that much may be rounding, so it is no rank."""
    n, eps = 4000, np.finfo(float).eps
    A, B = np.ones((1, n)), np.ones((n, 1))
    B[n // 2 :] = -1.0
    B[: n // 2] *= 1 + 500 * eps
    with pytest.raises(ValueError, match="A, B and AB have ranks 1, 1 and 0"):
        bn.subadditivity(A, B, "compose")


def test_wrong_identities_are_caught():
    rng = np.random.default_rng(0)
    A, B = of_rank(rng, 2), of_rank(rng, 2)
    check_product(product_formula, A, B, 2)
    check_sum(sum_formula, A, B, 2)
    with pytest.raises(AssertionError):
        check_product(lambda a, b: product_formula(a, b, overlap=0.0), A, B, 2)
    for volumes in ((1.0, 0.0), (0.0, 1.0)):
        with pytest.raises(AssertionError):
            check_sum(lambda a, b, v=volumes: sum_formula(a, b, v), A, B, 2)


def test_overlapping_ranges():
    one = np.array([[1.0]])
    r1 = [bn.linear_expansion(M)[1] for M in (one, one + one)]
    assert r1[1] == pytest.approx(2 * np.log(2.0))
    assert r1[1] > 2 * r1[0]
    with pytest.raises(ValueError, match=r"ranks do not add: .* but A \+ B has rank 1"):
        bn.subadditivity(one, one, "add")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn.subadditivity(np.eye(2), np.diag([1.0, 0.0]), "compose"), "A, B and AB have ranks 2, 1 and 1"),
        (lambda: bn.subadditivity(np.eye(2), np.eye(3), "compose"), "which do not compose"),
        (lambda: bn.subadditivity(np.eye(2), np.eye(3), "add"), "which do not add"),
        (lambda: bn.subadditivity(np.eye(2), np.eye(2), "subtract"), "operation must be 'compose' or 'add'"),
        (lambda: bn.subadditivity(np.diag([1.0, 1e-14]), np.eye(2), "compose"), "rank of A is undecided"),
        (lambda: bn.subadditivity(np.full((2, 2), np.nan), np.eye(2), "compose"), "A must be finite"),
    ],
)
def test_a_failing_hypothesis_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def bent(first, second, kink, depth):
    base = [([[1.0], [1.0]], [0.0, -kink]), ([[first, second - first]], None), ([[1.0]], None)]
    return bn.balance(bn.deepen(bn.from_layers(base), depth))


def check_inverse(there, back, least):
    line = np.linspace(0.0, 1.0, 11)[:, None]
    net = bn.compose(back, there, domain=line)
    np.testing.assert_allclose(bn.apply(net, line), line, atol=1e-10)
    assert norm(there) + norm(back) - there.depth - back.depth >= least


def test_inverses():
    there, back = bent(0.5, 1.5, 0.5, 8), bent(2.0, 2 / 3, 0.25, 8)
    check_inverse(there, back, 2 * np.log(3.0))
    with pytest.raises(AssertionError):
        check_inverse(there, bent(2.0, 2 / 3, 0.3, 8), 2 * np.log(3.0))


# The bracket.


@given(networks_and_inputs(RELU))
@settings(max_examples=30)
def test_bracket_is_never_empty(pair):
    net, X = pair
    s = np.array([reference.singular_values(reference.jacobian(net, x)) for x in X])
    ranks = np.sum(s > 1e-9 * np.maximum(s[:, :1], 1e-300), axis=1)
    k = int(ranks.max())
    assume(k > 0 and np.all((s < 1e-13) | (s > 1e-6)))
    low, high = bn.r1_bracket(net, X, k, target=np.asarray(bn.apply(net, X)))
    terms = np.sum(np.where(s > 1e-6, s, 0.0) ** (2 / net.depth), axis=1)
    assert low == pytest.approx(net.depth * (terms.max() - k), rel=1e-9, abs=1e-9)
    assert high == pytest.approx(norm(net) - net.depth * k, rel=1e-12, abs=1e-12)
    assert low <= high + 1e-9 * norm(net)


@given(st.sampled_from([3.0, 1 / 3, 0.9]), st.sampled_from([1, 4, 40]), st.floats(0.0, np.pi / 2))
@settings(max_examples=30)
def test_bracket_closes(scale, depth, angle):
    """Scaled rotations of a positive domain and positive matrices."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for A in (scale * turn, scale * np.array([[2.0, 1.0], [0.5, 1.0]])):
        low, high = bn.r1_bracket(bn.linear_network(A, depth, domain=CORNERS), INSIDE, 2, target=INSIDE @ A.T)
        assert high - low == pytest.approx(0.0, abs=1e-9)
        assert high == pytest.approx(
            bn.linear_expansion(A)[1], abs=2 * bn.linear_expansion(A)[2] / depth + 1e-9 + 40 / depth**2
        )


def test_the_bracket_of_the_interval_is_open():
    """The Jacobian of the identity is 1, so it does not see the price log 2 of positivity."""
    depth = 12
    first = 2 ** (0.5 / depth - 0.5)
    layers = [([[first]], [first]), *[([[2 ** (0.5 / depth)]], None)] * (depth - 2), ([[2 ** (0.5 / depth)]], [-1.0])]
    low, high = bn.r1_bracket(bn.from_layers(layers), [[-0.5], [0.5]], 1, target=[[-0.5], [0.5]])
    assert low == pytest.approx(0.0, abs=1e-10)
    assert high == pytest.approx(depth * (2 ** (1 / depth) - 1) + 1)


def test_rank_zero_has_a_bracket():
    low, high = bn.r1_bracket(bn.from_layers([([[0.0]], [1.0]), ([[1.0]], None)]), [[1.0]], 0)
    assert (low, high) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn.r1_bracket(fixed_net(), np.eye(3), 2), "rank is given as 2, but .* has rank up to 3"),
        (lambda: bn.r1_bracket(bn.from_layers([([[0.0]], None)]), [[1.0]], 1), "has rank up to 0"),
        (lambda: bn.r1_bracket(fixed_net(), np.eye(3), -1), "rank must be an integer >= 0"),
        (
            lambda: bn.r1_bracket(bn.from_layers([([[1.0]], None)]), [[0.5]], 1, target=[[0.25]]),
            "misses the target by 0.25",
        ),
        (
            lambda: bn.r1_bracket(bn.from_layers([([[1.0]], None)]), [[0.5]], 1, target=[[1.0], [1.0]]),
            "2 rows, but X has 1",
        ),
        (lambda: bn.r1_bracket(fixed_net(), np.eye(2), 2), r"X must have shape \(N, 3\)"),
    ],
)
def test_the_bracket_names_the_hypothesis_that_fails(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [1.0, 1e12])
def test_a_miss_is_relative_to_large_targets(size):
    """At a billionth of the largest entry, or of one, it is still rounding."""
    net, at = bn.from_layers([([[size]], None)], negative_slope=1.0), np.array([[1.0], [-1.0]])
    for off, accepted in ((0.9e-9, True), (1.1e-9, False)):
        if accepted:
            bn.r1_bracket(net, at, 1, target=size * at * (1 + off))
        else:
            with pytest.raises(ValueError, match="misses the target"):
                bn.r1_bracket(net, at, 1, target=size * at * (1 + off))


def test_a_miss_of_small_targets_is_absolute():
    net = bn.from_layers([([[1e-9]], None)])
    assert bn.r1_bracket(net, [[1.0]], 1, target=[[0.0]]) == bn.r1_bracket(net, [[1.0]], 1)
    with pytest.raises(ValueError, match="misses the target by 2e-09"):
        bn.r1_bracket(net, [[2.0]], 1, target=[[0.0]])


def check_two_points(bound, net, x, y):
    (U, s, Vt), (U2, s2, Vt2) = (np.linalg.svd(reference.jacobian(net, z)) for z in (x, y))
    turn = (U[:, 0] @ U2[:, 0]) * (Vt[0] @ Vt2[0])
    assert norm(net) >= bound(net.depth, s[0], s2[0], turn) - 1e-9


def two_point_bound(depth, s, s2, turn, factor=0.5):
    return depth + np.log(s) + np.log(s2) + factor * (1 - turn)


@given(networks_and_inputs(RELU, integers=False))
@settings(max_examples=40)
def test_two_points(pair):
    net, X = pair
    assume(all(reference.singular_values(reference.jacobian(net, x))[0] > 1e-9 for x in X[:2]))
    check_two_points(two_point_bound, net, X[0], X[1])


def test_a_larger_two_point_bound_is_caught():
    """The fold costs L 4^(1/L), which is L + 2 log 2 in the limit: less than a bound with the factor 1."""
    depth = 40
    g = 4 ** (0.5 / depth)
    ends = [([[g / 2**0.5], [-g / 2**0.5]], None), ([[g / 2**0.5, g / 2**0.5]], None)]
    fold = bn.from_layers([*ends, *[([[g]], None)] * (depth - 2)])
    np.testing.assert_allclose(bn.apply(fold, [[-0.5], [0.25]]), [[0.5], [0.25]], atol=1e-12)
    assert norm(fold) == pytest.approx(depth * 4 ** (1 / depth), rel=1e-12)
    ends = np.array([0.5]), np.array([-0.5])
    check_two_points(two_point_bound, fold, *ends)
    with pytest.raises(AssertionError):
        check_two_points(lambda *args: two_point_bound(*args, factor=1.0), fold, *ends)


# The third coefficient.


def check_third(r2, A):
    """Assert the limit of L (cost - L rank - 2 log|A|_+) by extrapolation."""
    s = reference.singular_values(A)
    s = s[s > 1e-9]
    depths = np.array([100.0, 200.0, 400.0])
    rest = [L * (L * np.sum(s ** (2 / L)) - L * len(s) - 2 * np.sum(np.log(s))) for L in depths]
    assert r2(s) == pytest.approx(np.polyfit(1 / depths, rest, 2)[-1], abs=1e-4)


@given(matrices(low=0.3, high=3.0))
@settings(max_examples=30)
def test_third_coefficient(A):
    check_third(lambda s: bn.linear_expansion(A)[2], A)
    values = np.linalg.eigvalsh(A.T @ A)
    logs = np.log(values[values > 1e-9])
    assert bn.linear_expansion(A)[2] == pytest.approx(0.5 * np.sum(logs**2), abs=1e-8)


@pytest.mark.parametrize(
    "broken", [lambda s: np.sum(np.log(s) ** 2), lambda s: 2 * np.sum(np.log(s)) ** 2, lambda s: 0.0]
)
def test_a_wrong_third_coefficient_is_caught(broken):
    with pytest.raises(AssertionError):
        check_third(broken, np.diag([2.0, 0.3]))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_unequal_steps(share):
    s, depth = np.array([2.0, 0.4]), 2000
    moving = int(share * depth)
    cost = moving * np.sum(s ** (2 / moving)) + (depth - moving) * 2
    energy = depth * (cost - 2 * depth - 2 * np.sum(np.log(s)))
    assert energy == pytest.approx(bn.linear_expansion(np.diag(s))[2] / share, rel=0.01)


def root(M):
    return np.sqrt(2 * np.sum(np.log(np.linalg.svd(M, compute_uv=False)) ** 2, axis=-1))


def check_triangle(measure, A, B):
    assert measure(A @ B) <= measure(A) + measure(B) + 1e-8


@given(SEEDS, st.integers(1, 4), st.booleans())
@settings(max_examples=60)
def test_triangle_inequality(seed, d, commute):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(2, d, d)) * np.exp(rng.uniform(-2, 2, size=(2, 1, 1)))
    if commute:
        B = A @ A
    assume(min(np.min(reference.singular_values(M)) for M in (A, B)) > 1e-4)
    check_triangle(root, A, B)


def test_without_the_root_or_the_rank_the_inequality_fails():
    with pytest.raises(AssertionError):
        check_triangle(lambda M: root(M) ** 2, 2 * np.eye(2), 2 * np.eye(2))
    A, u = np.diag([1.0, 0.0]), np.array([0.1, 0.99**0.5])
    r1, r2 = bn.subadditivity(A, np.outer(u, u), "compose")
    assert r1 == pytest.approx(-2 * np.log(0.1))  # the second coefficient does not add
    assert r2 == pytest.approx(2**0.5 * np.log(0.1))


@given(SEEDS)
@settings(max_examples=20)
def test_third_coefficients_of_sums(seed):
    rng = np.random.default_rng(seed)
    s = np.exp(rng.uniform(-1, 1, 4))
    U, V = (np.linalg.qr(rng.normal(size=(5, 4)))[0] for _ in range(2))
    A, B = (U[:, h] * s[h] @ V[:, h].T for h in (slice(0, 2), slice(2, 4)))
    np.testing.assert_allclose(bn.subadditivity(A, B, "add"), 0.0, atol=1e-9)


def test_third_coefficients_of_sums_that_are_not_orthogonal():
    A, B = np.diag([2.0, 0.0]), np.outer([1.0, 1.0], [0.0, 3.0])
    singular = (np.linalg.svd(M, compute_uv=False) for M in (A, B, A + B))
    a, b, c = (2 * np.sum(np.log(s[s > 1e-9]) ** 2) for s in singular)
    assert abs(a + b - c) > 0.1
    assert bn.subadditivity(A, B, "add")[1] == pytest.approx(a + b - c, abs=1e-12)


def test_best_split():
    """The depth is best shared in proportion to the roots of the third coefficients."""
    A, B, depth = np.diag([2.0, 1.5]), np.diag([4.0, 2.25]), 300  # B = A^2
    costs = [bn.linear_cost(A, n) + bn.linear_cost(B, depth - n) for n in range(50, 200)]
    assert abs((50 + int(np.argmin(costs))) / depth - 1 / 3) <= 0.01
    assert min(costs) == pytest.approx(bn.linear_cost(A @ B, depth), rel=1e-9)


def check_slow_codes(net, x, y, factor=1.0):
    """Assert the bounds on layers, representations and codes in terms of kappa^2 = L E."""
    found = bn.bottleneck_certificate(net, x, 1)
    kappa = factor * np.sqrt(net.depth * float(found.rhs))
    assert net.depth * float(found.lhs) <= kappa**2 * (1 + 1e-9) + 1e-9
    _, post = reference.forward(net, y)
    start = np.arcsinh(np.linalg.norm(y))
    assert all(np.linalg.norm(a) <= np.sinh(start + kappa) + 1e-9 for a in post[1:])
    _, post = reference.forward(net, x)
    M = np.cosh(np.arcsinh(np.linalg.norm(x)) + kappa)
    first, hidden, _ = map(np.asarray, found.frames)
    codes = [V.T @ a for V, a in zip([first, *hidden], post, strict=True)]
    for i in range(len(codes)):
        for j in range(i, len(codes)):
            assert np.linalg.norm(codes[j] - codes[i]) <= M * kappa * np.sqrt((j - i) / net.depth) + 1e-9


@given(SEEDS, st.sampled_from([2, 5, 8]), st.floats(0.3, 1.0))
@settings(max_examples=30)
def test_slow_codes(seed, depth, scale):
    rng = np.random.default_rng(seed)
    net = bn.from_layers(pad(random_layers(rng, [2, *[4] * (depth - 1), 2], scale=scale)))
    x, y = rng.normal(size=(2, 2))
    assume(reference.singular_values(reference.jacobian(net, x))[0] > 1e-3)
    check_slow_codes(net, x, y)


def test_smaller_constants_of_slow_codes_are_caught():
    depth = 20
    net = bn.from_layers([([[1.0]], [-0.5 / (depth - 1)])] * (depth - 1) + [([[1.0]], None)])
    check_slow_codes(net, np.array([0.9]), np.array([0.2]))
    with pytest.raises(AssertionError):
        check_slow_codes(net, np.array([0.9]), np.array([0.2]), factor=0.5)


def test_matrices_of_full_rank_are_read_in_float32_too():
    A = jnp.asarray(with_spectrum([2.0, 0.5], (2, 2)), jnp.float32)
    assert bn.subadditivity(A, A, "compose")[0] == pytest.approx(0.0, abs=1e-6)
