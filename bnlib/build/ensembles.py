"""Ensembles: networks of one shape whose arrays are stacked along a leading axis."""

from typing import Any

import jax
from jax import lax

from ..networks import Network
from .balancing import balancing_factors, rescale


def one_of(nets: Network, index: int) -> Network:
    """Return one network of an ensemble.

    Args:
        nets: an ensemble.
        index: which one, from 0.

    Example:
        >>> import numpy as np
        >>> from bnlib import random_ensemble
        >>> one_of(random_ensemble(np.random.default_rng(0), 5, (3, 8, 8, 2)), 4).depth
        3

    Source: bnlib.
    """
    return jax.tree.map(lambda a: a[index], nets)


@jax.jit
def balance_ensemble(nets: Network, sweeps: int = 120) -> Network:
    """Balance every network of an ensemble by sweeps over odd and even layers, all at once and compiled.

    Every sweep sets incoming and outgoing squared norms equal, neuron by neuron; the functions stay. The number of
    sweeps is fixed, so look at ``balance_residual`` afterwards. ``balance`` converges faster, one network at a time.

    Args:
        nets: an ensemble of depth at least 2.
        sweeps: how many.

    Example:
        >>> import numpy as np
        >>> from bnlib import balance_residual, random_ensemble
        >>> nets = balance_ensemble(random_ensemble(np.random.default_rng(0), 5, (3, 8, 8, 2)))
        >>> bool(abs(balance_residual(one_of(nets, 4))).max() < 1e-5)
        True

    Source: J23; claim balance; chapter cost.
    """

    def sweep(_: Any, net: Network) -> Network:
        for parity in (0, 1):
            net = rescale(net, balancing_factors(net, parity))
        return net

    return jax.vmap(lambda net: lax.fori_loop(0, sweeps, sweep, net))(nets)
