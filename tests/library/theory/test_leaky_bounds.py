"""Bounds of leaky and plain residual layers: on random stacks, at equality, against search, and broken variants."""

from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from bnlib.build.random_networks import random_ensemble
from bnlib.theory.leaky_bounds import leaky_schatten, linear_minimum, residual_bound
from bnlib.training.attack import lowest

SEEDS = st.integers(0, 2**32 - 1)
LEAKS = st.floats(0.05, 1.0)
# The product of N matrices of m rows is exact to N m eps of its size, and so is every singular value: the bound is
# taken at values that are lower by eight times as much. The rest is rounding of sums and roots, of 1e-14.
ROUNDING = 1e-12


def lowered(J, n):
    """Return the singular values of a product of n factors, less than which they cannot be but for rounding."""
    s = np.linalg.svd(J, compute_uv=False)
    return np.maximum(s - 8 * n * len(J) * np.finfo(float).eps * s[0], 0.0)


def stack(rng, leak):
    """Draw square layers with slopes from 0 to 1; return their cost and the product."""
    n, w = rng.integers(1, 9), rng.integers(1, 6)
    J, cost = np.eye(w), 0.0
    for _ in range(n):
        W = rng.normal(size=(w, w)) * np.exp(rng.uniform(-2, 1)) + rng.integers(0, 2) * np.eye(w)
        D = rng.choice([rng.uniform(size=w), rng.integers(0, 2, w), np.ones(w)])
        J = ((1 - leak) * np.eye(w) + leak * W * D) @ J
        cost += leak * np.sum(W**2)
    return cost, J, int(n)


def least_ratio(bound, count=300):
    """Return the least cost over bound of random stacks and of stacks at equality."""
    ratios = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        leak = rng.uniform(0.05, 1)
        cost, J, n = (stack, equality, deletion)[seed % 3](rng, leak)
        if (low := float(bound(lowered(J, n), leak, n))) > 1e-9:
            ratios.append(cost / low)
    assert len(ratios) > count / 2
    return min(ratios)


def deletion(rng, leak):
    """Return cost, product and depth of layers without weights but for one, which takes away a dimension."""
    n, w, i = int(rng.integers(2, 9)), int(rng.integers(1, 6)), 0
    kept = (1 - leak) ** n * np.ones(w)
    kept[i] = 0.0
    return (1 - leak) ** 2 / leak, np.diag(kept), n


def equality(rng, leak):
    """Return cost, product and depth of the layers T = J^{1/N}, J symmetric with eigenvalues (1 - leak)^N at least."""
    n, w = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    Q = np.linalg.qr(rng.normal(size=(w, w)))[0]
    t = (1 - leak) + rng.exponential(0.7, w)
    W = (Q * t @ Q.T - (1 - leak) * np.eye(w)) / leak
    return n * leak * np.sum(W**2), Q * t**n @ Q.T, n


def test_no_stack_costs_less_than_the_leaky_bound():
    assert least_ratio(leaky_schatten) >= 1 - ROUNDING


@settings(max_examples=60)
@given(SEEDS, LEAKS)
def test_the_leaky_bound_is_attained(seed, leak):
    cost, J, n = equality(np.random.default_rng(seed), leak)
    s = np.linalg.svd(J, compute_uv=False)
    low, high = leaky_schatten(lowered(J, n), leak, n), leaky_schatten(2 * s - lowered(J, n), leak, n)
    assert low * (1 - ROUNDING) <= cost <= high * (1 + ROUNDING)


@settings(max_examples=100)
@given(st.lists(st.floats(1e-3, 20), min_size=1, max_size=5), LEAKS, st.integers(1, 40))
def test_the_leaky_bound_is_above_the_affine_one(s, leak, n):
    s = np.sort(s)[::-1]
    bound = float(leaky_schatten(s, leak, n))
    for k in range(len(s) + 1):
        assert bound >= k * n * leak + 2 * np.sum(np.log(s[:k])) - 1e-11 * (1 + bound)
    assert float(leaky_schatten(s, 1.0, n)) == pytest.approx(n * np.sum(s ** (2 / n)), rel=1e-12)


def test_many_thin_layers_cost_as_the_geodesic():
    s, depth = np.array([5.0, 1.0, 0.5, np.exp(-3.0), 1e-4]), 3.0
    geodesic = np.sum(np.maximum(depth + np.log(s), 0) ** 2) / depth
    errors = [abs(float(leaky_schatten(s, depth / n, n)) - geodesic) for n in (100, 1000)]
    assert errors[1] < errors[0] / 8
    assert errors[1] < 0.05


def test_a_mode_expands_as_the_books_coefficients_say():
    for leak, log in ((0.02, 0.7), (0.5, -0.4), (1.0, 0.7)):
        for depth in (100, 200):
            n = round(depth / leak)
            exact = float(leaky_schatten([np.exp(log)], leak, n))
            series = depth + 2 * log + (1 + leak) * log**2 / depth
            assert abs(exact - series) < 3 * abs(log) ** 3 / depth**2  # the next term, at most a cube over a square


@pytest.mark.parametrize(
    "broken",
    [
        lambda s, leak, n: n / leak * np.sum(np.maximum(s ** (1 / n) - 1 + 1.1 * leak, 0) ** 2),
        lambda s, leak, n: n / leak * np.sum((s ** (1 / n) - 1 + leak) ** 2),  # without the positive part
        lambda s, leak, n: leaky_schatten(s, 1.0, n),  # as if nothing were kept
        lambda s, leak, n: 1.001 * leaky_schatten(s, leak, n),
    ],
)
def test_a_wrong_leaky_bound_is_caught(broken):
    assert least_ratio(broken) < 1 - 1e-4


def test_a_leak_above_one_would_break_the_bound():
    leak, W = 1.5, 0.0  # one layer of one neuron: its factor 1 - leak is free and has modulus 1/2
    s = abs(1 - leak + leak * W)
    assert leak * W**2 < (s - 1 + leak) ** 2 / leak
    with pytest.raises(ValueError, match="at most 1"):
        leaky_schatten([s], leak, 1)


def singular_values(J):
    """Return those of a matrix of two rows and columns, with a derivative."""
    F, d = jnp.sum(J**2), jnp.abs(J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0])
    both = jnp.sqrt(F + 2 * d), jnp.sqrt(jnp.maximum(F - 2 * d, 1e-12))
    return jnp.stack([both[0] + both[1], both[0] - both[1]]) / 2


def search(bound):
    """Return the least cost minus bound that gradient search finds for layers of two neurons, all on."""
    leak, n = 0.3, 4

    def slack(net):
        W = net.hidden[0]
        J = jnp.eye(2)
        for A in W:
            J = ((1 - leak) * jnp.eye(2) + leak * A) @ J
        return leak * jnp.sum(W**2) - bound(singular_values(J) ** (1 / n), leak, n)

    plain = random_ensemble(np.random.default_rng(1), 16, (2, *[2] * (n + 1), 2))
    return lowest(slack, plain, 800).min()


def test_gradient_search_reaches_the_leaky_bound_and_no_more():
    found = search(lambda t, leak, n: n / leak * jnp.sum(jnp.maximum(t - 1 + leak, 0) ** 2))
    assert -1e-9 <= found <= 0.01
    assert search(lambda t, leak, n: n / leak * jnp.sum(jnp.maximum(t - 1 + 1.1 * leak, 0) ** 2)) < -0.02


# Plain residual layers.


def residual_stack(rng, matrices, sharp):
    """Draw blocks without a leak; return their cost and the product."""
    n, w = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    J, cost = np.eye(w), 0.0
    Q, t = np.linalg.qr(rng.normal(size=(w, w)))[0], 1 + rng.exponential(0.5, w)
    for _ in range(n):
        if sharp:  # T = S^{1/N}, S symmetric and at least 1
            A, D = (Q * np.sqrt(t - 1)).T, np.ones(w)
            B = A.T if matrices == 2 else Q * (t - 1) @ Q.T
        else:
            A, B = rng.normal(size=(2, w, w)) * np.exp(rng.uniform(-2, 0.5))
            D = rng.integers(0, 2, w) if rng.random() < 0.5 else rng.uniform(size=w)
        J = (np.eye(w) + (B * D @ A if matrices == 2 else B * D)) @ J
        cost += np.sum(B**2) + (np.sum(A**2) if matrices == 2 else 0.0)
    return cost, J, n


def least_residual_ratio(bound, matrices):
    ratios = []
    for seed in range(400):
        cost, J, n = residual_stack(np.random.default_rng(seed), matrices, sharp=seed % 2 == 0)
        if (low := float(bound(J, n, matrices=matrices))) > 1e-6:
            ratios.append(cost / low)
    return min(ratios)


@pytest.mark.parametrize("matrices", [1, 2])
def test_the_residual_bound_holds_and_is_attained(matrices):
    ratio = least_residual_ratio(residual_bound, matrices)
    assert 1 - 1e-10 <= ratio <= 1 + 1e-9
    J = np.random.default_rng(0).normal(size=(4, 4))
    logs = np.log(np.linalg.svd(J, compute_uv=False))
    for n in (1, 5, 50):
        assert float(residual_bound(J, n)) >= 2 * np.sum(logs[logs > 0])
    np.testing.assert_allclose(residual_bound(np.stack([J, J]), 3), [float(residual_bound(J, 3))] * 2)


@pytest.mark.parametrize(
    ("broken", "matrices"),
    [
        (lambda J, n, matrices: 2 * residual_bound(J, n, matrices=matrices), 2),  # the factor 4
        (lambda J, n, matrices: residual_bound(J, n, matrices=2), 1),
        (lambda J, n, matrices: n * np.sum((np.linalg.svd(J)[1] ** (1 / n) - 1) ** 2) + 0.01, 1),
    ],
)
def test_a_wrong_residual_bound_is_caught(broken, matrices):
    assert least_residual_ratio(broken, matrices) < 1 - 1e-3


def test_the_residual_bound_has_no_term_for_the_rank():
    depth = 64
    assert float(residual_bound(np.eye(5), depth)) == 0.0
    assert float(leaky_schatten(np.ones(5), 0.25, depth)) == pytest.approx(5 * 0.25 * depth)


# The linear case.


def objective(x, Y, leak, n, ridge):
    """Return the objective of n linear layers with a leak, and its gradient."""
    W = x.reshape(n, *Y.shape)
    T = (1 - leak) * np.eye(len(Y)) + leak * W
    up, down = [np.eye(len(Y))], [np.eye(len(Y))]
    for before, after in zip(T, T[::-1], strict=True):
        up.append(before @ up[-1])
        down.append(down[-1] @ after)
    E = up[-1] - Y
    G = [2 * leak * (Q.T @ E @ P.T + ridge * A) for Q, P, A in zip(down[-2::-1], up, W, strict=False)]
    return np.sum(E**2) + ridge * leak * np.sum(W**2), np.ravel(G)


@pytest.mark.parametrize(
    ("leak", "n", "ridge", "y"),
    [
        (0.3, 4, 0.1, [2.0, 1.0, 0.5]),
        (0.5, 5, 0.05, [3.0, 0.3]),
        (1.0, 3, 0.05, [2.0, 0.3]),
        (0.2, 8, 0.3, [1.5, 1.0]),
    ],
)
def test_search_reaches_the_linear_minimum_and_no_less(leak, n, ridge, y):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(len(y), len(y))))[0]
    Y, found, floor = Q * y @ Q.T, linear_minimum(y, leak, n, ridge), 1 - leak
    values = []
    for kept in (set(c) for k in range(len(y) + 1) for c in combinations(range(len(y)), k)):
        t = np.array([v ** (1 / n) if i in kept else floor for i, v in enumerate(y)])
        start = np.stack([(Q * (t - floor) @ Q.T) / leak] * n) + 0.01 * rng.normal(size=(n, *Y.shape))
        options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}
        best = minimize(objective, start.ravel(), (Y, leak, n, ridge), jac=True, method="L-BFGS-B", options=options)
        values.append(best.fun)
    for _ in range(4):
        start = rng.normal(size=n * Y.size)
        values.append(minimize(objective, start, (Y, leak, n, ridge), jac=True, method="L-BFGS-B").fun)
    assert min(values) >= found.value - 1e-10
    assert min(values) <= found.value + 1e-8
    W = np.stack([Q * found.weights @ Q.T] * n)
    assert objective(W.ravel(), Y, leak, n, ridge)[0] == pytest.approx(found.value, rel=1e-10)
    plain = linear_minimum(y, 1.0, n, ridge).value
    assert leak == 1 or abs(plain - min(values)) > 1e-3  # the formula of plain linear networks


@settings(max_examples=60)
@given(LEAKS, st.integers(1, 60), st.floats(1e-4, 1.0), st.floats(0.0, 4.0))
def test_each_mode_is_the_best_of_a_grid(leak, n, ridge, excess):
    floor = 1 - leak
    y = floor**n + excess
    found = linear_minimum([y], leak, n, ridge)
    t = np.linspace(floor, max(y ** (1 / n), floor), 4001)
    grid = (t**n - y) ** 2 + ridge * n / leak * (t - floor) ** 2
    assert found.value <= grid.min() + 1e-12 * (1 + grid.min())
    assert grid.min() - found.value <= 1e-3 * (1 + grid.min())
    assert floor**n * (1 - 1e-12) <= found.modes[0] <= y * (1 + 1e-12)


def test_modes_are_dropped_one_by_one_where_the_brief_law_says():
    y, leak, ridge = np.array([3.0, 1.5, 0.7, 0.2, 0.05]), 0.25, 0.05
    ranks = {}
    for depth in (8, 16, 32, 64, 100):
        modes = linear_minimum(y, leak, int(depth / leak), ridge).modes
        ranks[depth] = int(np.sum(modes > y / 2))
        price = ridge * (depth + 2 * np.log(y) + (1 + leak) * np.log(y) ** 2 / depth)
        clear = np.abs(np.log(price / y**2)) > 0.5  # off the threshold, where a factor of the first order decides
        np.testing.assert_array_equal((modes > y / 2)[clear], (price < y**2)[clear])
    assert ranks == {8: 3, 16: 2, 32: 2, 64: 1, 100: 1}


def test_without_a_ridge_the_target_is_fitted():
    np.testing.assert_allclose(linear_minimum([2.0, 1.0], 0.5, 3, 0.0).modes, [2.0, 1.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: leaky_schatten([1.0], 0.0, 3), "above 0"),
        (lambda: leaky_schatten([-1.0], 0.5, 3), "numbers >= 0"),
        (lambda: leaky_schatten([1.0], 0.5, 0), "layers must be an integer >= 1"),
        (lambda: residual_bound(np.ones((2, 3)), 1), "must be square"),
        (lambda: residual_bound(np.eye(2), 1, matrices=3), "must be 1 or 2"),
        (lambda: residual_bound(np.full((2, 2), np.inf), 1), "finite"),
        (lambda: linear_minimum([0.01], 0.5, 2, 0.1), "no closed form"),
        (lambda: linear_minimum([[1.0]], 0.5, 2, 0.1), "must have shape"),
    ],
)
def test_bad_numbers_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
