"""Plain gradient descent at a constant rate, for one network or many at once: what theorems on step sizes speak of."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..networks import Network
from .objective import smoothed_objective


def descend(net: Network, X: Any, Y: Any, ridge: Any, rate: Any, steps: int) -> Network:
    r"""Take steps :math:`\theta\mapsto\theta-\eta\nabla\mathcal L(\theta)` of full-batch gradient descent.

    .. math:: \mathcal L(\theta)=\tfrac1N\sum_i\|f_\theta(x_i)-y_i\|^2+\lambda\|\theta\|^2

    Nothing is done about divergence: at too large a rate the parameters become infinite.

    Args:
        net: start, or an ensemble of E starts.
        X: inputs (N, d_in), for an ensemble (E, N, d_in).
        Y: targets (N, d_out), for an ensemble (E, N, d_out).
        ridge: lambda, for an ensemble (E,).
        rate: eta, the same for all.
        steps: their number.

    Returns:
        The network after the steps, in the type of its start.

    Example:
        >>> from bnlib import from_layers
        >>> net = descend(from_layers([([[1.0]], None)]), jnp.array([[1.0]]), jnp.array([[3.0]]), 0.0, 0.25, 1)
        >>> [a.tolist() for a in net.last]
        [[[2.0]], [1.0]]

    Source: J23; claim edge; chapter tangent_kernel.
    """
    dtype = net.last[0].dtype
    X, Y, ridge, rate = (jnp.asarray(a, dtype) for a in (X, Y, ridge, rate))
    return _descend(net, X, Y, ridge, rate, steps)


@jax.jit
def _descend(nets: Network, X: Array, Y: Array, ridge: Array, rate: Array, steps: int) -> Network:
    def one(net: Network, X: Array, Y: Array, ridge: Array) -> Network:
        def step(_: Any, net: Network) -> Network:
            slope = jax.grad(smoothed_objective)(net, X, Y, ridge, jnp.zeros((), X.dtype))
            return jax.tree.map(lambda a, g: a - rate * g, net, slope)

        return lax.fori_loop(0, steps, step, net)

    many = nets.last[0].ndim == 3
    return (jax.vmap(one) if many else one)(nets, X, Y, ridge)
