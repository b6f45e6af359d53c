"""The bracket of the second coefficient: never empty, when it closes, and two points."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import RELU, fixed_net, networks_and_inputs

CORNERS = np.array([[1.0, 0.0], [0.0, 1.0]])
INSIDE = np.random.default_rng(5).uniform(0.05, 0.95, size=(12, 2))


def norm(net):
    return reference.squared_norm(net)


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
