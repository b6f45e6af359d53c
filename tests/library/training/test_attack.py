"""Gradient search for a broken inequality: it finds what is there, and an undefined slack stops nobody."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib.build.random_networks import random_ensemble
from bnlib.training.attack import lowest


def drawn(count=4):
    return random_ensemble(np.random.default_rng(0), count, (2, 4, 4, 2))


def test_it_goes_down_from_where_it_starts_and_keeps_the_least():
    nets = drawn()

    def wave(net):
        return jnp.cos(8 * net.last[1][0]) + net.last[1][0] ** 2

    assert np.all(lowest(wave, nets, 300) <= np.asarray(jax.vmap(wave)(nets)) + 1e-12)
    assert lowest(wave, nets, 300).min() < -0.7
    assert lowest(wave, nets, 1) == pytest.approx(np.asarray(jax.vmap(wave)(nets)))
    first = jax.vmap(bn.squared_norm)(nets)
    assert lowest(bn.squared_norm, nets, 2, rate=1e3) == pytest.approx(np.asarray(first))  # the second step is too far


def test_a_slack_that_is_no_number_is_infinite_and_does_not_spoil_the_others():
    first = float(drawn().last[1][0, 0])

    def slack(net):
        return jnp.where(net.last[1][0] == first, jnp.nan, bn.squared_norm(net))

    found = lowest(slack, drawn(), 50)
    assert found[0] == np.inf
    assert np.all(np.isfinite(found[1:]))


def test_a_gradient_that_is_no_number_moves_nothing():
    found = lowest(lambda net: jnp.sqrt(jnp.sum(net.last[1] ** 2) * 0.0), drawn(), 5)
    assert found.tolist() == [0.0] * 4


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="steps must be an integer"):
        lowest(bn.squared_norm, drawn(), 0)
