"""Second coefficients of products and sums of matrices, and of inverses."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference

SEEDS = st.integers(0, 2**32 - 1)


def norm(net):
    return reference.squared_norm(net)


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
