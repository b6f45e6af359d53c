"""The potential of a representation: exact values, lower bounds, search, and broken variants."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from bnlib.theory.potential import cost_of_identity, potential, potential_bound

SEEDS = st.integers(0, 2**32 - 1)
# K + gamma I is met through the singular values of the activations: both sides are exact to eps (s_1^2 + gamma)/gamma,
# which is 1e-11 where gamma is at least 1e-4 of the squares.
ROUNDING = 1e-9
COUNTEREXAMPLE = [[1, 0, Fraction(3, 10)], [Fraction(-3, 10), Fraction(3, 10), 0], [0, Fraction(1, 2), Fraction(3, 10)]]


def drawn(seed):
    """Draw a representation (w, n), at times of low rank, of one sign or of integers, and gamma."""
    rng = np.random.default_rng(seed)
    w, n = rng.integers(1, 6), rng.integers(1, 8)
    A = rng.normal(size=(w, n))
    if seed % 3 == 0:
        A = np.outer(rng.normal(size=w), rng.normal(size=n))
    if seed % 5 == 0:
        A = np.abs(A)
    if seed % 7 == 0:
        A = rng.integers(-1, 2, (w, n)) + 0.0
    return A, float(np.sum(A**2) + 1.0) * 10 ** rng.uniform(-4, 0)


def multiplied(W, S):
    return [[sum(w * s for w, s in zip(row, column, strict=True)) for column in zip(*S, strict=True)] for row in W]


# Exact values, in fractions.


def test_the_cost_of_identity_may_be_below_the_rank():
    S = [[max(v, 0) for v in row] for row in COUNTEREXAMPLE]
    W = [[1, 0, 0], [Fraction(-3, 10), Fraction(1, 2), Fraction(3, 10)], [0, 0, 1]]
    assert multiplied(W, S) == COUNTEREXAMPLE
    (a, b, c), (d, e, f), (g, h, i) = S
    assert a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) != 0  # so that no other W does it
    assert sum(w * w for row in W for w in row) == Fraction(243, 100)
    A = np.array(COUNTEREXAMPLE, float)
    assert np.linalg.matrix_rank(A) == 3
    assert cost_of_identity(A) == pytest.approx(2.43, rel=1e-12)
    assert potential(A, 1e-10, bias=False) == pytest.approx(2.43, rel=1e-8)
    assert np.linalg.norm(A, "nuc") ** 2 / np.sum(A**2) == pytest.approx(2.02, abs=5e-3)  # its stable rank


def test_with_a_row_of_ones_even_rank_one_costs_a_half():
    W = [[Fraction(1, 2), Fraction(1, 2)]]
    assert multiplied(W, [[1, 1], [1, 1]]) == [[1, 1]]
    assert sum(w * w for w in W[0]) == Fraction(1, 2)  # all W with this product have w_1 + w_2 = 1: no smaller square
    assert cost_of_identity([[1.0, 1.0]], bias=True) == pytest.approx(0.5, rel=1e-12)
    assert cost_of_identity([[1.0, 1.0]]) == pytest.approx(1.0, rel=1e-12)
    assert potential_bound([[1.0, 1.0]], 1e-12) == pytest.approx(0.5, rel=1e-9)
    assert potential_bound([[1.0, 1.0]], 1e-12, bias=False) == pytest.approx(1.0, rel=1e-9)


@given(SEEDS)
def test_without_negative_entries_it_is_the_rank(seed):
    rng = np.random.default_rng(seed)
    A = rng.uniform(size=(4, 2)) @ rng.uniform(size=(2, 5)) if seed % 2 else rng.integers(0, 2, (3, 4)) + 0.0
    if np.any(A):
        assert cost_of_identity(A) == pytest.approx(np.linalg.matrix_rank(A), abs=1e-6)


def test_it_is_infinite_for_more_inputs_than_rows():
    rng = np.random.default_rng(0)
    for _ in range(20):
        A = rng.normal(size=(3, 6))
        assert cost_of_identity(A, bias=True) == np.inf
        assert potential(A, 1e-9) > 1e6
        W = rng.normal(size=(3, 4))
        rows = np.vstack([np.maximum(A, 0), np.ones(6)])
        speed = W @ rows - A  # only the sum of state and speed is in the row space
        assert np.linalg.matrix_rank(np.vstack([rows, A + speed])) == np.linalg.matrix_rank(rows)
        assert np.linalg.matrix_rank(np.vstack([rows, speed])) > np.linalg.matrix_rank(rows)


def test_a_neuron_that_is_added_changes_it_by_the_papers_term():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(9, 3))  # three inputs: W exists
    S = np.maximum(A, 0)
    for i in range(3):
        z = S.T @ S[:, i]
        rate = np.sum(S[:, i] ** 2) - np.sum(A[:, i] ** 2)
        sizes = 0.1 / np.linalg.norm(z), 0.05 / np.linalg.norm(z)
        changes = [cost_of_identity(np.vstack([A, size * z])) - cost_of_identity(A) for size in sizes]
        errors = [abs(change - size**2 * rate) for change, size in zip(changes, sizes, strict=True)]
        assert errors[1] < errors[0] / 12  # of fourth order: a sixteenth
        assert errors[0] < 0.1 * abs(changes[0])
        assert rate < 0  # so that a stable minimum has no negative entry


# The inequality.


@settings(max_examples=150)
@given(SEEDS, st.booleans())
def test_the_potential_is_what_ridge_regression_costs_and_above_its_bound(seed, bias):
    A, gamma = drawn(seed)
    rows = np.vstack([np.maximum(A, 0), *[np.ones(A.shape[1])] * bias])
    W = np.linalg.solve(rows @ rows.T + gamma * np.eye(len(rows)), rows @ A.T).T
    found = potential(A, gamma, bias=bias)
    assert found == pytest.approx(np.sum(W**2) + np.sum((A - W @ rows) ** 2) / gamma, rel=1e-8, abs=1e-10)
    bound = potential_bound(A, gamma, bias=bias)
    assert found >= bound * (1 - ROUNDING) - 1e-12
    rank = np.linalg.matrix_rank(A)
    if rank:  # the one of the rank is among them
        assert bound >= np.linalg.norm(A, "nuc") ** 2 / (np.sum(rows**2) + gamma * rank) * (1 - 1e-12)
    assert potential(A, 2 * gamma, bias=bias) <= found * (1 + ROUNDING) + 1e-12


def least_ratio(bound):
    """Return the least potential over bound of random representations, and of those at equality."""
    ratios = [potential(np.eye(4), gamma, bias=False) / bound(np.eye(4), gamma, False) for gamma in (0.01, 1.0, 100.0)]
    ratios += [potential(np.ones((1, 5)), gamma) / bound(np.ones((1, 5)), gamma, True) for gamma in (0.01, 1.0)]
    for seed in range(200):
        A, gamma = drawn(seed)
        if np.any(A):
            ratios += [potential(A, gamma, bias=bias) / bound(A, gamma, bias) for bias in (False, True)]
    return min(ratios)


def at_rank(A, gamma, bias, *, misses=1.0, ones=1.0, clipped=True):
    size = np.sum((np.maximum(A, 0) if clipped else A) ** 2) + ones * bias * A.shape[1]
    return np.linalg.norm(A, "nuc") ** 2 / (size + misses * gamma * np.linalg.matrix_rank(A) + 1e-12)


@pytest.mark.parametrize(
    "broken",
    [
        lambda *at: at_rank(*at, misses=0.0),
        lambda *at: at_rank(*at, ones=0.0),
        lambda *at: 1.01 * at_rank(*at),
        lambda A, *at: at_rank(A, *at) * np.linalg.matrix_rank(A),
    ],
)
def test_a_wrong_bound_is_caught(broken):
    assert least_ratio(lambda A, gamma, bias: potential_bound(A, gamma, bias=bias)) >= 1 - ROUNDING
    assert least_ratio(at_rank) >= 1 - ROUNDING
    assert least_ratio(broken) < 0.995


def test_search_reaches_the_bound_and_no_more():
    rng = np.random.default_rng(0)
    least = []
    for _ in range(6):
        gamma = float(rng.uniform(0.05, 1))

        def ratio(a, gamma=gamma):
            A = a.reshape(2, 3)
            return np.log(potential(A, gamma) / potential_bound(A, gamma))

        least.append(minimize(ratio, rng.uniform(size=6), method="BFGS").fun)
    assert -1e-9 <= min(least) <= 1e-3


@pytest.mark.parametrize("call", [potential, potential_bound])
def test_bad_numbers_are_refused(call):
    with pytest.raises(ValueError, match="gamma must be positive"):
        call(np.eye(2), 0.0)
    with pytest.raises(ValueError, match="gamma must be a finite number"):
        call(np.eye(2), -1.0)
    with pytest.raises(ValueError, match="A must be finite"):
        call([[np.nan]], 1.0)
    with pytest.raises(ValueError, match="non-empty matrix"):
        cost_of_identity(np.zeros(3))
