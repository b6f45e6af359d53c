"""The cost of a constant in closed form, against the recursion over layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.theory.constants import LARGEST, constant_cost


def by_recursion(c, depth, points=601):
    """Return the cost on a grid: R_L(c) = min over a of c^2 / (1 + a^2) + R_{L-1}(a)."""
    a = np.linspace(0.0, c, points)
    R = a**2
    for _ in range(depth - 1):
        R = np.min(a[:, None] ** 2 / (1.0 + a[None, :] ** 2) + R[None, :], axis=1)
    return float(R[-1])


def check_constant(cost, c, depth):
    # The minimum over a grid of spacing c/600 is missed by its square times a second derivative of a few.
    assert cost(c, depth) == pytest.approx(by_recursion(c, depth), abs=1e-3)


@given(st.floats(0.0, LARGEST), st.integers(1, 6))
@settings(max_examples=40)
def test_constant_cost(c, depth):
    check_constant(constant_cost, c, depth)


@given(st.floats(0.0, 8.0), st.integers(1, 3))
@settings(max_examples=20)
def test_large_constants_of_few_layers(c, depth):
    check_constant(constant_cost, c, depth)


@pytest.mark.parametrize(
    ("broken", "c", "depth"),
    [
        (lambda c, depth: c**2, 1.5, 2),
        (lambda c, depth: 2 * c - 1, 3.0, 3),
        (lambda c, depth: constant_cost(c, 3), 4.0, 4),
    ],
    ids=["the output bias alone", "straight for too long", "three layers for too long"],
)
def test_wrong_costs_of_constants_are_caught(broken, c, depth):
    with pytest.raises(AssertionError):
        check_constant(broken, c, depth)


def test_where_no_closed_form_is_known():
    assert constant_cost(LARGEST, 4) == pytest.approx(5.5)
    with pytest.raises(ValueError, match=r"holds up to c = 3\.5355, but c is 4"):
        constant_cost(4.0, 4)
    with pytest.raises(ValueError, match="c must be a finite number >= 0"):
        constant_cost(-1.0, 2)
