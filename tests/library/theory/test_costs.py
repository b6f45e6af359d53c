"""What a function costs: lower bounds that no network beats, and linear maps exactly."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.balancing import rescale
from bnlib.networks import Network
from strategies import FIXED_X, SLOPES, fixed_net, matrices, narrow_net, networks, networks_and_inputs, with_spectrum


@given(networks())
@settings(max_examples=20)
def test_squared_norm_counts_every_weight_and_bias(net):
    assert float(bn.squared_norm(net)) == pytest.approx(reference.squared_norm(net), rel=1e-13)


def check_schatten_bound(lower, net, X):
    assert lower(net, X) <= reference.squared_norm(net) * (1 + 1e-12)


def chain_of_bounds(J, depth, k):
    """Return the four members of the chain from L sum s^(2/L) down to Lk + 2 log|J|_k."""
    s = reference.singular_values(J)
    log_det = np.sum(np.log(s[:k]))
    return [
        depth * np.sum(s[s > 1e-13 * s[0]] ** (2 / depth)),
        depth * np.sum(s[:k] ** (2 / depth)),
        depth * k * np.exp(2 * log_det / (depth * k)),
        depth * k + 2 * log_det,
    ]


@given(networks_and_inputs())
@settings(max_examples=40)
def test_schatten_bound(pair):
    net, X = pair
    check_schatten_bound(bn.lower_bound, net, X)
    Js = [reference.jacobian(net, x) for x in X]
    # Where weights cancel, rounding of 1e-17 in J may be kept by one computation and not by the other: (1e-17)^(2/6).
    assert bn.lower_bound(net, X) == pytest.approx(max(schatten_of(J, net.depth) for J in Js), rel=1e-6, abs=1e-3)
    assert bn.optimality_gap(net, X) == pytest.approx(
        reference.squared_norm(net) - bn.lower_bound(net, X), abs=1e-10 * (1 + reference.squared_norm(net))
    )
    for J in Js:
        s = reference.singular_values(J)
        for k in range(1, int(np.sum(s > 1e-9 * max(s[0], 1e-9))) + 1):
            members = [reference.squared_norm(net), *chain_of_bounds(J, net.depth, k)]
            assert all(a >= b - 1e-9 * (1 + abs(b)) for a, b in itertools.pairwise(members))


def schatten_of(J, depth):
    s = reference.singular_values(J)
    return depth * np.sum(s[s > max(J.shape) * np.finfo(float).eps * s[0]] ** (2 / depth))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=50)
def test_schatten_bound_for_any_slopes_up_to_one(seed, depth):
    """The proof uses of D_l only that its entries lie in [-1, 1]: tanh, dropout masks, anything."""
    rng = np.random.default_rng(seed)
    sizes = [3, *rng.integers(1, 6, depth - 1), 2]
    J, norm = np.eye(3), 0.0
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        W = rng.normal(size=(after, before))
        D = rng.uniform(-1, 1, after) if layer < depth - 1 else np.ones(after)
        J, norm = D[:, None] * (W @ J), norm + np.sum(W**2)
    assert schatten_of(J, depth) <= norm * (1 + 1e-12)


@given(matrices(), st.integers(2, 5))
@settings(max_examples=20)
def test_schatten_bound_is_attained(A, depth):
    # The sum of the right singular vectors has positive codes in every layer: a ReLU network can be exact there.
    _, s, Vt = np.linalg.svd(A)
    X = Vt[: int(np.sum(s > 1e-9))].sum(axis=0)[None]
    for net in (bn.linear_network(A, depth), bn.linear_network(A, depth, domain=X)):
        norm = reference.squared_norm(net)
        check_schatten_bound(bn.lower_bound, net, X)
        assert bn.lower_bound(net, X) == pytest.approx(norm, rel=1e-12)
        assert bn.optimality_gap(net, X) == pytest.approx(0.0, abs=1e-11 * norm)


def lower_with_exponent(net, X, exponent):
    J = np.asarray(bn.jacobian(net, X))
    return max(net.depth * np.sum(reference.singular_values(j) ** exponent) for j in J)


@pytest.mark.parametrize("depth", [2, 3, 7])
def test_broken_schatten_bounds_are_caught_where_it_is_an_equality(depth):
    net, X = bn.linear_network(np.diag([3.0, 2.0]), depth), np.array([[-1.0, -1.0]])
    check_schatten_bound(bn.lower_bound, net, X)
    with pytest.raises(AssertionError):
        check_schatten_bound(lambda n, x: lower_with_exponent(n, x, 2 / (depth - 1)), net, X)
    # An activation of slope 1.1 is not covered by the theorem, and from_layers refuses it.
    steep = Network(net.first, net.hidden, net.last, 1.1)
    with pytest.raises(AssertionError):
        check_schatten_bound(bn.lower_bound, steep, X)


def test_random_networks_are_too_slack_to_see_these_mistakes():
    check_schatten_bound(lambda n, x: lower_with_exponent(n, x, 2 / (n.depth - 1)), fixed_net(), FIXED_X)


@pytest.mark.parametrize("slope", SLOPES)
def test_gap_is_never_negative_for_any_slope(slope):
    assert bn.optimality_gap(fixed_net(slope), FIXED_X) >= 0


def test_rounding_is_dropped_before_the_power():
    A = with_spectrum([2.0, 1.0], (3, 3), seed=1)
    assert reference.singular_values(A)[2] < 1e-14
    assert bn.schatten(A, 2 / 40) == pytest.approx(2 ** (1 / 20) + 1, rel=1e-12)
    assert bn.schatten(np.zeros((2, 2)), 0.5) == 0.0


def check_rank_one_bound(lower, net, X):
    """Assert that rounding in a product of 60 matrices is not priced: (1e-15)^(2/60) would count for a third of L."""
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    assert lower(net, X) == pytest.approx(net.depth * np.max(s[:, 0]) ** (2 / net.depth), rel=1e-12)


def test_rounding_of_a_deep_product_is_not_priced():
    net, X = narrow_net(), np.random.default_rng(1).normal(size=(200, 4))
    check_rank_one_bound(bn.lower_bound, net, X)
    with pytest.raises(AssertionError):
        check_rank_one_bound(lambda n, x: lower_with_exponent(n, x, 2 / n.depth), net, X)
    with pytest.raises(AssertionError):
        check_rank_one_bound(lambda n, x: max(schatten_of(np.asarray(J), n.depth) for J in bn.jacobian(n, x)), net, X)


# Linear maps.


def attained(A, depth):
    return bn.linear_network(A, depth)


def check_linear_cost(build, A, depth, domain=None):
    """Assert that a construction computes A on the domain at exactly the price L sum s^(2/L)."""
    net = build(A, depth)
    X = np.vstack([np.eye(A.shape[1]), -np.ones((1, A.shape[1]))]) if domain is None else domain
    size = np.abs(A).max() * np.abs(X).max()
    np.testing.assert_allclose(reference.values(net, X), X @ A.T, rtol=1e-11, atol=1e-12 * size)
    s = reference.singular_values(A)
    price = depth * np.sum(s[s > 1e-9 * s[0]] ** (2 / depth))
    assert reference.squared_norm(net) == pytest.approx(price, rel=1e-12)
    assert bn.linear_cost(A, depth) == pytest.approx(price, rel=1e-12)


@given(matrices(), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_linear_cost(A, depth, seed):
    check_linear_cost(bn.linear_network, A, depth)
    # Other factorisations of the same matrix: none is cheaper.
    rng = np.random.default_rng(seed)
    factors = [np.asarray(W) for W, _ in bn.linear_network(A, depth).layers]
    for layer in range(depth - 1):
        mix = np.eye(len(factors[layer])) + 0.5 * rng.normal(size=(len(factors[layer]),) * 2)
        assume(np.linalg.cond(mix) < 1e4)
        factors[layer], factors[layer + 1] = mix @ factors[layer], factors[layer + 1] @ np.linalg.inv(mix)
    product = np.linalg.multi_dot(factors[::-1]) if depth > 1 else factors[0]
    np.testing.assert_allclose(product, A, atol=1e-8)
    assert sum(np.sum(W**2) for W in factors) >= bn.linear_cost(A, depth) * (1 - 1e-12)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 4), min_size=2, max_size=6))
@settings(max_examples=50)
def test_no_random_factorisation_is_below_the_linear_cost(seed, sizes):
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(after, before)) for before, after in itertools.pairwise(sizes)]
    A = np.linalg.multi_dot(factors[::-1]) if len(factors) > 1 else factors[0]
    assert sum(np.sum(W**2) for W in factors) >= schatten_of(A, len(factors)) * (1 - 1e-12)


CONE = np.array([[1.0, np.tan(np.deg2rad(40))], [1.0, -np.tan(np.deg2rad(40))], [0.3, 0.1]])


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_linear_cost_of_a_relu_network_on_a_cone(depth):
    A = np.diag([1.0, 0.1])
    check_linear_cost(lambda a, d: bn.linear_network(a, d, domain=CONE), A, depth, CONE)
    assert bn.linear_cost(A, depth) == pytest.approx(depth * (1 + 0.1 ** (2 / depth)), rel=1e-13)
    assert bn.linear_network(A, depth, domain=CONE).negative_slope == 0.0


@pytest.mark.parametrize("depth", [2, 3])
def test_a_map_that_opens_the_cone_too_far_is_refused(depth):
    with pytest.raises(ValueError, match=r"image of the domain at layer \d is not moved into a positive orthant"):
        bn.linear_network(np.diag([1.0, 4.0]), depth, domain=CONE)


def test_in_three_dimensions_the_ends_do_not_suffice():
    """<A^p x, A^p y> is .5, -1.5, .5 at p = 0, 1/2, 1: neither end sees that the middle layer is impossible."""
    A, s = np.diag([4.0, 2.0, 1.0]), np.array([4.0, 2.0, 1.0])
    domain = np.array([[1.0, np.sqrt(5), np.sqrt(4.5)], [1.0, -np.sqrt(5), np.sqrt(4.5)]])
    inner = [float((domain[0] * s**p) @ (domain[1] * s**p)) for p in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(inner, [0.5, -1.5, 0.5], atol=1e-12)
    with pytest.raises(ValueError, match="image of the domain at layer 1"):
        bn.linear_network(A, 2, domain=domain)


@pytest.mark.parametrize("size", [1e-14, 1.0, 1e14])
def test_what_counts_as_negative_is_relative_to_the_domain(size):
    """A quadrant that is turned fits exactly, up to rounding; a wider cone of any size does not."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert bn.linear_network(turn, 4, domain=size * np.eye(2)).negative_slope == 0.0
    assert bn.linear_network(np.eye(2), 4, domain=size * turn).negative_slope == 0.0
    with pytest.raises(ValueError, match="not moved into a positive orthant"):
        bn.linear_network(np.eye(2), 4, domain=size * np.array([[1.0, 0.0], [-0.001, 1.0]]))


def without_isometry(A, depth):
    """Build the same factors as a ReLU network without turning the codes into the positive orthant."""
    return bn.from_layers(bn.linear_network(A, depth).layers)


def with_wrong_roots(A, depth):
    net = bn.linear_network(A, depth)
    return rescale(net, np.full((depth - 1, net.width), 1.5))


def with_one_layer_too_many(A, depth):
    return bn.linear_network(A, depth + 1)


@pytest.mark.parametrize(
    ("broken", "domain"),
    [(without_isometry, CONE), (with_wrong_roots, None), (with_one_layer_too_many, None)],
    ids=["no isometry", "unequal roots", "power 1/(L+1)"],
)
def test_broken_linear_networks_are_caught(broken, domain):
    with pytest.raises(AssertionError):
        check_linear_cost(broken, np.diag([1.0, 0.1]), 3, domain)


DEPTHS = np.array([100, 140, 200, 280, 400])


def test_a_rank_is_that_of_the_float64_matrix_when_the_session_is_float32():
    """Rounded to float32 the matrix of rank one below has two singular values, the second one 1e-8."""
    A = np.array([[0.36, 0.48], [0.48, 0.64]])
    with jax.enable_x64(False):
        for given in (A, A.tolist()):
            assert bn.linear_expansion(given) == pytest.approx((1.0, 0.0, 0.0), abs=1e-14)
            assert bn.pseudo_determinant(given) == pytest.approx(1.0, abs=1e-14)
            assert bn.linear_cost(given, 20) == pytest.approx(20.0, abs=1e-12)
        assert bn.squared_norm(bn.linear_network(A, 20)) == pytest.approx(20.0, abs=1e-4)
        assert bn.schatten(np.array([[2**40]]), 1.0) == 2.0**40
        assert bn.schatten(np.array([[1e60]]), 1.0) == pytest.approx(1e60)


def check_linear_expansion(expansion, spectrum):
    """Assert that L r0 + r1 + r2/L misses the cost by (4/3) sum log^3 s / L^2, or by L^-3 when this vanishes."""
    A = with_spectrum(spectrum, (3, 3), seed=7)
    r0, r1, r2 = expansion(A)
    rest = np.array([bn.linear_cost(A, int(d)) - (d * r0 + r1 + r2 / d) for d in DEPTHS])
    exponent = np.polyfit(np.log(DEPTHS), np.log(np.abs(rest)), 1)[0]
    logs = np.log(spectrum)
    cubes = 4 / 3 * np.sum(logs**3)
    if abs(cubes) > 1e-12:
        assert exponent == pytest.approx(-2.0, abs=0.02)
        rest_at_300 = bn.linear_cost(A, 300) - (300 * r0 + r1 + r2 / 300)
        assert 300**2 * rest_at_300 == pytest.approx(cubes, rel=0.01)
    else:
        assert exponent == pytest.approx(-3.0, abs=0.02)
        assert DEPTHS[-1] ** 3 * rest[-1] == pytest.approx(2 / 3 * np.sum(logs**4), rel=0.01)


@pytest.mark.parametrize("spectrum", [[2.0, 3.0], [3.0], [0.4, 0.5], [2.0, 0.5], [3.0, 1.0, 1 / 3]])
def test_linear_expansion(spectrum):
    check_linear_expansion(bn.linear_expansion, spectrum)


@given(matrices())
@settings(max_examples=30)
def test_coefficients_of_the_expansion(A):
    s = reference.singular_values(A)
    s = s[s > 1e-9]
    r0, r1, r2 = bn.linear_expansion(A)
    assert (r0, r1) == pytest.approx((len(s), 2 * np.sum(np.log(s))), abs=1e-9)
    assert r2 == pytest.approx(2 * np.sum(np.log(s) ** 2), abs=1e-9)
    gram = np.linalg.eigvalsh(A.T @ A)
    assert r2 == pytest.approx(0.5 * np.sum(np.log(gram[gram > 1e-9]) ** 2), abs=1e-9)
    assert r1 == pytest.approx(2 * bn.pseudo_determinant(A, log=True), abs=1e-9)


def change(i, factor):
    def expansion(A):
        r = list(bn.linear_expansion(A))
        r[i] *= factor
        return r

    return expansion


@pytest.mark.parametrize(
    ("i", "spectrum"),
    [(0, [2.0, 3.0]), (1, [2.0, 3.0]), (2, [2.0, 3.0]), (0, [3.0, 1 / 3]), (2, [3.0, 1 / 3])],
)
def test_a_coefficient_without_its_factor_is_caught(i, spectrum):
    with pytest.raises(AssertionError):
        check_linear_expansion(change(i, 0.5), spectrum)


def test_r2_without_its_factor_leaves_a_rest_of_order_one_over_depth():
    A = with_spectrum([2.0, 3.0], (3, 3))
    r0, r1, r2 = change(2, 0.5)(A)
    rest = [bn.linear_cost(A, int(d)) - (d * r0 + r1 + r2 / d) for d in DEPTHS]
    assert np.polyfit(np.log(DEPTHS), np.log(rest), 1)[0] == pytest.approx(-1.0, abs=0.02)


def check_linear_singular_values(build, A, depth):
    """Assert that every layer has the singular values s^(1/L), at distance log(s)/L from 1."""
    s = reference.singular_values(A)
    s = s[s > 1e-9 * s[0]]
    values = bn.weight_singular_values(build(A, depth))[:, : len(s)]
    np.testing.assert_allclose(values, np.broadcast_to(s ** (1 / depth), (depth, len(s))), rtol=1e-12)


@given(matrices(), st.integers(1, 5))
@settings(max_examples=30)
def test_linear_singular_values(A, depth):
    check_linear_singular_values(bn.linear_network, A, depth)


def test_linear_singular_values_approach_one_like_one_over_depth():
    A = np.diag([3.0, 0.5])
    for depth in (10, 40):
        distance = bn.weight_singular_values(bn.linear_network(A, depth))[:, :2] - 1
        np.testing.assert_allclose(
            depth * distance, np.broadcast_to(np.log([3.0, 0.5]), (depth, 2)), atol=np.log(3) ** 2 / depth
        )


def first_layer_does_all(A, depth):
    rank = int(np.linalg.matrix_rank(A))
    U, s, Vt = np.linalg.svd(A)
    codes = [(s[:rank, None] * Vt[:rank], None)] + [(np.eye(rank), None)] * (depth - 2) + [(U[:, :rank], None)]
    return bn.from_layers(codes, negative_slope=1.0)


@pytest.mark.parametrize("broken", [first_layer_does_all, with_wrong_roots])
def test_other_factorisations_have_other_singular_values(broken):
    A = np.diag([3.0, 0.5])
    X = np.eye(2)
    np.testing.assert_allclose(bn.apply(broken(A, 4), X), A, atol=1e-12)
    with pytest.raises(AssertionError):
        check_linear_singular_values(broken, A, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn.schatten(np.eye(2), 0.0), "p must be positive, but it is 0.0"),
        (lambda: bn.schatten(np.eye(2), float("nan")), "p must be positive"),
        (lambda: bn.schatten(np.full((2, 2), np.nan), 1.0), "A must be finite"),
        (lambda: bn.schatten(np.ones(2), 1.0), r"A must be a non-empty matrix, but its shape is \(2,\)"),
        (lambda: bn.linear_cost(np.eye(2), 0), "depth must be an integer >= 1, but it is 0"),
        (lambda: bn.linear_cost(np.ones((0, 2)), 2), "A must be a non-empty matrix"),
        (lambda: bn.linear_network(np.eye(2), 0), "depth must be an integer >= 1"),
        (lambda: bn.linear_network([[np.inf]], 2), "A must be finite"),
        (lambda: bn.linear_network(np.eye(2), 2, domain=np.ones((3, 3))), r"domain must have shape \(N, 2\)"),
        (lambda: bn.linear_expansion(np.diag([1.0, 1e-14])), "The rank of A is undecided"),
        (lambda: bn.lower_bound(fixed_net(), np.ones((2, 2))), r"X must have shape \(N, 3\)"),
        (lambda: bn.optimality_gap(fixed_net(), np.full((2, 3), np.nan)), "X must be finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_measures_can_be_differentiated():
    """The norm is part of the training objective."""
    net = fixed_net()
    gradient = jax.grad(lambda n: bn.squared_norm(n))(net)
    for g, a in zip(jax.tree.leaves(gradient), jax.tree.leaves(net), strict=True):
        np.testing.assert_allclose(g, 2 * a)
