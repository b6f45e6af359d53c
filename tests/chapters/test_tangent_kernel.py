"""What the chapter on the tangent kernel adds: sharpness, the parts of the Hessian, stability, growth with depth."""

import ast
import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

import bnlib as bn
from bnlib.theory.curvature import gram_matrix, hessian_parts
from bnlib.training.descent import descend
from strategies import networks_and_inputs

CHAPTER = Path(__file__).parents[2] / "notebooks" / "tangent_kernel.md"
SEEDS = st.integers(0, 2**16)


def chapter_functions(*names):
    """Return functions of the chapter, read from its source and defined apart from everything else in it."""
    code = re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", CHAPTER.read_text(encoding="utf-8"), re.M | re.S)
    cells = (re.sub(r"\A(---\n.*?---\n|(:[^\n]*\n)+)", "", cell, flags=re.S) for cell in code)
    trees = [ast.parse(cell) for cell in cells if "%pip" not in cell]
    found = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    space = {"bn": bn, "jax": jax, "jnp": jnp, "np": np, "ravel_pytree": ravel_pytree, "descend": descend}
    exec(compile(ast.Module(found, []), CHAPTER.name, "exec"), space)
    return [space[name] for name in names]


(descent_factor,) = chapter_functions("descent_factor")


def drawn(seed, count=5):
    """Draw a network R³→R² of depth 4 with biases, inputs and targets."""
    keys = jax.random.split(jax.random.key(seed), 6)
    net = bn.init(keys[0], 3, 5, 2, 4, scheme="he")
    parts = zip((net.first, net.hidden, net.last), keys[1:4], strict=True)
    net = bn.Network(*[(W, 0.3 * jax.random.normal(k, b.shape)) for (W, b), k in parts])
    return net, jax.random.normal(keys[4], (count, 3)), jax.random.normal(keys[5], (count, 2))


def top(A):
    return float(np.linalg.eigvalsh(A)[-1])


# The two-sided bound.


def check_two_sided(bounds, net, X):
    lower, upper = bounds(np.asarray(bn.ntk_trace(net, X)), net.d_out)
    largest = 2 / len(X) * top(gram_matrix(net, X))
    assert lower <= largest * (1 + 1e-10)
    assert largest <= upper * (1 + 1e-10)


def two_sided(traces, d_out):
    return 2 / (len(traces) * d_out) * traces.max(), 2 * traces.mean()


@given(networks_and_inputs())
@settings(max_examples=40)
def test_two_sided_bound(pair):
    net, X = pair
    check_two_sided(two_sided, net, jnp.asarray(X))


LINEAR = bn.from_layers([(np.eye(1), np.zeros(1))])
APART, TOGETHER = np.array([[1.0], [-1.0]]), np.ones((4, 1))


def test_both_bounds_are_attained():
    """At depth one the kernel is xy + 1: nothing between 1 and -1, and the same everywhere between equal inputs."""
    assert 2 / 2 * top(gram_matrix(LINEAR, APART)) == pytest.approx(two_sided(np.full(2, 2.0), 1)[0], rel=1e-12)
    assert 2 / 4 * top(gram_matrix(LINEAR, TOGETHER)) == pytest.approx(two_sided(np.full(4, 2.0), 1)[1], rel=1e-12)


@pytest.mark.parametrize(
    ("broken", "X"),
    [
        (lambda t, d: (2 / len(t) * t.sum(), np.inf), APART),
        (lambda t, d: (2 * t.max() / d, np.inf), APART),
        (lambda t, d: (0.0, t.mean()), TOGETHER),
        (lambda t, d: (0.0, 2 / len(t) * t.max()), TOGETHER),
    ],
    ids=["sum for maximum", "without 1/N", "tau for 2 tau", "maximum for sum"],
)
def test_a_wrong_bound_is_caught(broken, X):
    with pytest.raises(AssertionError):
        check_two_sided(broken, LINEAR, X)


def test_the_lower_bound_needs_the_number_of_outputs():
    net = bn.from_layers([(np.eye(2), np.zeros(2))])
    X = np.array([[1.0, 0.0], [-1.0, 0.0]])
    check_two_sided(two_sided, net, X)
    with pytest.raises(AssertionError):
        check_two_sided(lambda t, d: (2 / len(t) * t.max(), np.inf), net, X)


# bn.sharpness.


def check_sharpness(sharpness, net, X):
    """Assert the top eigenvalue of 2/N times the dense Gram matrix, from below."""
    exact = 2 / len(X) * top(gram_matrix(net, X))
    found = sharpness(net, X)
    assert found <= exact * (1 + 1e-10)
    assert found >= exact * 0.99


def dense(net, X, variant=None):
    """Evaluate the sharpness from the Gram matrix, with one mistake if asked for."""
    A = gram_matrix(net, X)
    scale = {"1/N": 1 / len(X), "no 1/N": 2.0}.get(variant, 2 / len(X))
    if variant == "trace":
        return scale * np.trace(A)
    if variant == "diagonal blocks":
        return scale * np.max(np.diag(A))
    if variant == "no +1":
        acts, total = [X, *bn.activations(net, X).post], 0.0
        kernels = [np.asarray(a @ a.T) / np.asarray(a @ a.T + 1.0) for a in acts[-1:]]
        total = A * np.kron(kernels[0], np.ones((net.d_out, net.d_out)))
        return scale * top((total + total.T) / 2)
    return scale * top(A)


@given(SEEDS)
@settings(max_examples=20)
def test_sharpness(seed):
    net, X, _ = drawn(seed)
    check_sharpness(partial(bn.sharpness, steps=3000), net, X)


@pytest.mark.parametrize("variant", [None, "1/N", "no 1/N", "trace", "diagonal blocks", "no +1"])
def test_a_wrong_sharpness_is_caught(variant):
    net, X, _ = drawn(3)
    if variant is None:
        check_sharpness(dense, net, X)
    else:
        with pytest.raises(AssertionError):
            check_sharpness(partial(dense, variant=variant), net, X)


def test_a_single_power_iteration_is_not_enough():
    net, X, _ = drawn(3)
    assert bn.sharpness(net, X, steps=1) < bn.sharpness(net, X, steps=3000) * 0.999


def test_sharpness_of_a_constant_is_two():
    """Only the output bias acts: its kernel is one between all inputs."""
    net, X, _ = drawn(0)
    dead = bn.Network(net.first, (net.hidden[0], net.hidden[1] - 100.0), net.last)
    assert bn.sharpness(dead, X) == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize(
    ("X", "steps", "message"),
    [
        (np.ones(3), 10, r"X must have shape \(N, 3\)"),
        (np.full((2, 3), np.inf), 10, "X must be finite"),
        (np.ones((2, 3)), 0, "steps must be an integer >= 1"),
    ],
)
def test_bad_input_is_refused(X, steps, message):
    with pytest.raises(ValueError, match=message):
        bn.sharpness(drawn(0)[0], X, steps=steps)


# Linear stability.


def check_limit(limit, seed):
    """Assert that gradient descent beside a fitting network contracts below the limit and expands above."""
    net, X, _ = drawn(seed)
    _, G, _ = hessian_parts(net, X, bn.apply(net, X), 0.0)
    values, vectors = np.linalg.eigh(np.asarray(G))
    for c in (0.95, 1.05):
        rate = c * limit(values[-1])
        factor = float(descent_factor(net, X, jnp.asarray(vectors[:, -1]), rate))
        assert factor == pytest.approx(abs(1 - rate * values[-1]), abs=1e-4)
        assert (factor < 1) == (c < 1)


@given(SEEDS)
@settings(max_examples=10)
def test_linear_stability(seed):
    check_limit(lambda largest: 2 / largest, seed)


@pytest.mark.parametrize("numerator", [1.0, 1.8, 2.2])
def test_a_wrong_limit_is_caught(numerator):
    with pytest.raises(AssertionError):
        check_limit(lambda largest: numerator / largest, 0)


# Collapse.


def by_variance(mse, variance):
    return np.isfinite(mse) and abs(mse / variance - 1) < 1e-3


def check_detector(detects):
    """Assert that a dead network that computes the mean is detected, and neither a fitting nor a random one is."""
    net, X, Y = drawn(1, count=20)
    dead = bn.Network(net.first, (net.hidden[0], net.hidden[1] - 100.0), (net.last[0], Y.mean(0)))
    variance = float(jnp.mean(jnp.sum((Y - Y.mean(0, keepdims=True)) ** 2, axis=1)))
    for case, expected in ((dead, True), (net, False)):
        mse = float(jnp.mean(jnp.sum((bn.apply(case, X) - Y) ** 2, axis=1)))
        assert detects(mse, variance) == expected
    assert not detects(0.0, variance)
    assert not detects(np.nan, variance)


def test_collapse_is_seen_by_the_variance():
    check_detector(by_variance)


@pytest.mark.parametrize(
    "broken",
    [lambda m, v: not np.isfinite(m), lambda m, v: m > 10 * v, lambda m, v: m >= 0.9 * v],
    ids=["not finite", "large", "no upper limit"],
)
def test_a_wrong_detector_is_caught(broken):
    with pytest.raises(AssertionError):
        check_detector(broken)


# Bounded representations.


def check_representations(constant, net, X, k):
    """Assert that the mean of ||alpha||^2 + 1 is at most the constant times Tr Theta / L, and most are near it."""
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)[:, :k]
    excess = float(bn.squared_norm(net)) - net.depth * k
    sizes = (
        np.concatenate([np.sum(X**2, axis=1)[None], np.sum(np.asarray(bn.activations(net, X).post) ** 2, axis=2)]) + 1
    )
    for i, trace in enumerate(np.asarray(bn.ntk_trace(net, X))):
        limit = trace / net.depth * constant(excess / k) / (k * np.prod(s[i]) ** (2 / k))
        assert sizes[:, i].mean() <= limit * (1 + 1e-9)
        for share in (0.25, 0.5):
            assert np.mean(sizes[:, i] > limit / share * (1 + 1e-9)) <= share


def larger(c):
    return max(1.0, np.exp(c))


@given(SEEDS, st.integers(1, 2))
@settings(max_examples=20)
def test_bounded_representations(seed, k):
    net, X, _ = drawn(seed)
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    X = np.asarray(X)[s[:, 1] > 1e-3 * s[:, 0]]
    assume(len(X))
    check_representations(larger, bn.balance(net), X, k)


@pytest.mark.parametrize(("gain", "x"), [(1.3, 1e-6), (0.8, 1e-6)])
def test_the_constant_needs_both_cases(gain, x):
    """Expanding chains need the exponential, contracting ones the 1."""
    net, X = bn.from_layers([(gain * np.eye(1), None)] * 8), np.array([[x]])
    check_representations(larger, net, X, 1)
    with pytest.raises(AssertionError):
        check_representations(lambda c: min(1.0, np.exp(c)), net, X, 1)


# Growth with depth.


def padded_grams(depths, carry=1.0, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    X = jax.random.normal(keys[0], (8, 3))
    g, h = bn.init(keys[1], 3, 6, 2, 2), bn.init(keys[2], 2, 6, 2, 2)
    grams = []
    for depth in depths:
        layers = list(bn.padded(h, g, depth, domain=X).layers)
        for i in range(g.depth, depth - h.depth):
            layers[i] = (carry * layers[i][0], layers[i][1])
        grams.append(gram_matrix(bn.from_layers(layers), X))
    return grams


def check_affine(grams):
    """Assert equal differences of Gram matrices at equally spaced depths, and the bounds on the top eigenvalue."""
    steps = [after - before for before, after in pairwise(grams)]
    for step in steps[1:]:
        np.testing.assert_allclose(step, steps[0], atol=1e-10 * np.abs(grams[-1]).max())
    for n, A in enumerate(grams):
        assert n * top(steps[0]) <= top(A) * (1 + 1e-10)
        assert top(A) <= (n * top(steps[0]) + top(grams[0])) * (1 + 1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_padded_gram_is_affine_in_depth(seed):
    check_affine(padded_grams((6, 10, 14, 18), seed=seed))


def test_layers_that_are_no_identities_are_caught():
    with pytest.raises(AssertionError):
        check_affine(padded_grams((6, 10, 14, 18), carry=1.02))


DEPTHS = [12, 24, 36, 48]
(growth_between,) = chapter_functions("growth_between")
growth_between.__globals__["depths"] = DEPTHS


def check_growth(growth):
    """Assert that a power law with a factor per seed has its exponent everywhere, and that gaps stay gaps."""
    values = np.array([1.0, 5.0, 0.1])[:, None] * np.array(DEPTHS)[None, :] ** 1.7
    values[1, 2] = np.nan
    for low, high in ((12, 24), (24, 36), (24, 48), (36, 48)):
        found = growth(values, low, high)
        expected = np.full(3, 1.7)
        if 36 in (low, high):
            expected[1] = np.nan
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_local_exponents():
    check_growth(growth_between)
    mean, low, high = bn.interval(np.append(np.arange(8.0), np.nan))
    assert mean == 3.5
    # Of eight numbers with standard deviation 2.29 the mean is good to 2.29/sqrt 8 = 0.81.
    assert low == pytest.approx(3.5 - 1.96 * 0.81, abs=0.15)
    assert high == pytest.approx(3.5 + 1.96 * 0.81, abs=0.15)


@pytest.mark.parametrize(
    "broken",
    [
        lambda v, a, b: np.log(v[:, DEPTHS.index(b)] / v[:, DEPTHS.index(a)]) / np.log(b - a),
        lambda v, a, b: np.log(v[:, DEPTHS.index(b)] / v[:, DEPTHS.index(a)]) / np.log(2),
        lambda v, a, b: np.log(np.nan_to_num(v[:, DEPTHS.index(b)], nan=1.0) / v[:, DEPTHS.index(a)]) / np.log(b / a),
    ],
    ids=["difference of depths", "always a doubling", "gaps filled"],
)
def test_a_wrong_exponent_is_caught(broken):
    with pytest.raises(AssertionError):
        check_growth(broken)
