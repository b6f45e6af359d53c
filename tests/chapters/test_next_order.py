"""The third coefficient: linear maps, sums, and slow codes."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import matrices, pad, random_layers, with_spectrum

SEEDS = st.integers(0, 2**32 - 1)


def norm(net):
    return reference.squared_norm(net)


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
