"""Chains compute what they should, at the norms that are stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build import chains

DEPTHS = st.integers(2, 9)


def check_chain(net, x, values, norm=None, balanced=False):
    np.testing.assert_allclose(reference.values(net, x[:, None])[:, 0], values, atol=1e-11)
    if norm is not None:
        assert reference.squared_norm(net) == pytest.approx(norm, rel=1e-12)
    if balanced:
        for _, _, into, bias, out in reference.hidden_neurons(net):
            assert into @ into + bias**2 == pytest.approx(out @ out, rel=1e-9, abs=1e-12)


@given(DEPTHS, st.floats(0, 2))
@settings(max_examples=15)
def test_hinge(depth, kink):
    x = np.linspace(0, 3, 13)
    check_chain(chains.hinge(depth, kink), x, np.maximum(x - kink, 0.0), depth + kink**2 / (depth - 1))


@given(DEPTHS)
@settings(max_examples=8)
def test_fold(depth):
    x = np.linspace(-2, 2, 9)
    check_chain(chains.fold(depth), x, np.abs(x), depth * 4 ** (1 / depth), balanced=True)


@given(st.integers(1, 9), st.floats(0.1, 5))
@settings(max_examples=15)
def test_ramp(depth, factor):
    x, norm = np.linspace(-1, 1, 9), depth * (2 * factor**2) ** (1 / depth)
    check_chain(chains.ramp(depth, factor), x, factor * (x + 1), norm, balanced=True)


@given(st.integers(3, 9), st.floats(0.1, 3), st.floats(0.1, 3), st.floats(0.1, 1))
@settings(max_examples=15)
def test_bent(depth, first, second, kink):
    x = np.linspace(0, 2, 9)
    values = first * np.minimum(x, kink) + second * np.maximum(x - kink, 0.0)
    check_chain(chains.bent(first, second, kink, depth), x, values, balanced=True)


def test_another_map_or_norm_or_lost_balance_is_caught():
    x = np.linspace(-1, 1, 9)
    for mistake in (
        lambda: check_chain(chains.hinge(4), x, np.maximum(x - 0.25, 0.0)),
        lambda: check_chain(chains.fold(4), x, np.abs(x), 4 * 2 ** (1 / 4)),
        lambda: check_chain(bn.from_layers([([[2.0]], [2.0]), ([[0.5]], None)]), x, x + 1, balanced=True),
    ):
        with pytest.raises(AssertionError):
            mistake()


def test_chains_have_a_least_depth():
    for build, least in ((chains.hinge, 2), (chains.fold, 2), (chains.ramp, 1)):
        with pytest.raises(ValueError, match=f"depth must be an integer >= {least}"):
            build(least - 1)
