"""Another shape, the same function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.surgery import widened
from strategies import fixed_net, networks_and_inputs


@given(networks_and_inputs(), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
@settings(max_examples=25)
def test_widened(pair, neurons, more_in, more_out):
    net, X = pair
    wide = widened(net, net.width + neurons, d_in=net.d_in + more_in, d_out=net.d_out + more_out)
    assert (wide.depth, wide.d_in, wide.d_out) == (net.depth, net.d_in + more_in, net.d_out + more_out)
    assert net.depth == 1 or wide.width == net.width + neurons
    ignored = np.ones((len(X), more_in))
    Y = reference.values(wide, np.concatenate([X, ignored], axis=1))
    np.testing.assert_allclose(Y[:, : net.d_out], reference.values(net, X), rtol=1e-12, atol=1e-12)
    assert np.all(Y[:, net.d_out :] == 0)
    assert reference.squared_norm(wide) == pytest.approx(reference.squared_norm(net), rel=1e-12)


def test_a_network_does_not_shrink():
    net = fixed_net()
    assert widened(net, net.width).width == net.width
    for sizes in ({"width": net.width - 1}, {"width": net.width, "d_in": 2}, {"width": net.width, "d_out": 2}):
        with pytest.raises(ValueError, match="must be an integer >="):
            widened(net, **sizes)


def test_the_activation_stays():
    assert widened(bn.from_layers([([[1.0]], None)] * 2, negative_slope=0.25), 3).negative_slope == 0.25
