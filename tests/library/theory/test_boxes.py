"""Interval arithmetic bounds a network at every point of a box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.theory.boxes import image_box
from strategies import networks

SEEDS = st.integers(0, 2**32 - 1)


def check_box(box, net, seed):
    """Assert that corners and random points of a random box are mapped within the bounds."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.normal(size=(2, net.d_in)), axis=0)
    low, high = box(net, *ends)
    corners = np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, net.d_in)
    Y = reference.values(net, np.concatenate([corners, rng.uniform(*ends, size=(30, net.d_in))]))
    slack = 1e-12 * (1 + np.abs(Y).max())
    assert np.all(low - slack <= Y)
    assert np.all(high + slack >= Y)


@given(networks(), SEEDS)
@settings(max_examples=40)
def test_the_box_holds_every_value(net, seed):
    check_box(image_box, net, seed)


@given(networks(), SEEDS)
@settings(max_examples=20)
def test_a_point_is_mapped_to_itself_alone(net, seed):
    x = np.random.default_rng(seed).normal(size=net.d_in)
    for bound in image_box(net, x, x):
        np.testing.assert_allclose(bound, reference.values(net, x[None])[0], rtol=1e-11, atol=1e-12)


def test_one_layer_attains_its_bounds():
    net = bn.from_layers([([[1.0, -2.0]], [3.0])])
    low, high = image_box(net, [-1.0, 0.0], [1.0, 5.0])
    assert (low.tolist(), high.tolist()) == ([-8.0], [4.0])


def test_ends_mapped_to_ends_are_caught():
    """Negative weights exchange the ends."""

    def broken(net, low, high):
        return tuple(reference.values(net, np.stack([low, high])))

    with pytest.raises(AssertionError):
        check_box(broken, bn.from_layers([([[-1.0]], None)]), 0)


def test_a_box_has_two_ends_in_order():
    net = bn.from_layers([([[1.0]], None)])
    for ends in (([1.0], [0.0]), ([0.0, 0.0], [1.0, 1.0]), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match=r"shape \(1,\) and be in order"):
            image_box(net, *ends)
