"""A start with a code has its rank in every middle layer, and the values that it was trained to."""

import jax
import numpy as np
import pytest

import bnlib as bn
from bnlib import rings
from bnlib.training.starts import coded_start

RING = rings.circle(np.random.default_rng(0), 24, 3, 90.0)


@pytest.mark.parametrize("rank", [1, 2])
def test_coded_start(rank):
    net = coded_start(jax.random.key(0), RING.X, RING.codes[rank], RING.Y, 9, width=8)
    assert (net.depth, net.width) == (9, 8)
    s = bn.weight_singular_values(net)
    assert np.all(s[2:7, rank:] < 1e-12)  # encoder's last layer, three that carry, decoder's first
    np.testing.assert_allclose(s[3:6, :rank], 1.0)
    assert np.mean((np.asarray(bn.apply(net, RING.X)) - RING.Y) ** 2) < 0.2 * np.mean(RING.Y**2)


def test_inputs_and_outputs_may_differ_in_number():
    X, Y = RING.X, RING.Y[:, :2]
    net = coded_start(jax.random.key(0), X, RING.codes[2], Y, 6, width=5, stages=((0.01, 3),))
    assert (net.d_in, net.d_out, net.depth) == (3, 2, 6)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="A code of 2 dimensions needs as many inputs and outputs, but there are 3, 1"):
        coded_start(jax.random.key(0), RING.X, RING.codes[2], RING.Y[:, :1], 6, width=5)
    with pytest.raises(ValueError, match="depth must be an integer >= 6"):
        coded_start(jax.random.key(0), RING.X, RING.codes[2], RING.Y, 5, width=5)
