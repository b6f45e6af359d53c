"""The Hessian of the ridge-regularised squared loss and its parts, as full matrices of small networks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..networks import Network, apply, each
from .ntk import ntk


class HessianParts(NamedTuple):
    """Hold what ``hessian_parts`` returns: matrices of P rows and columns, P the number of parameters."""

    hessian: Array
    gauss_newton: Array
    residual: Array


def gram_matrix(net: Network, X: Any) -> Array:
    r"""Return the matrix of the blocks :math:`\Theta(x_i,x_j)` of the tangent kernel.

    :math:`2/N` times its eigenvalues are the non-zero ones of the Gauss-Newton part of the Hessian.

    Args:
        net: the network, or an ensemble.
        X: inputs (N, d_in), for an ensemble (E, N, d_in).

    Returns:
        (N d_out, N d_out), for an ensemble with a leading axis E.

    Example:
        >>> from bnlib import from_layers
        >>> gram_matrix(from_layers([(jnp.eye(1), None)]), jnp.array([[1.0], [-1.0]])).tolist()
        [[2.0, 0.0], [0.0, 2.0]]

    Source: J23; claim edge; chapter tangent_kernel.
    """
    return _gram(net, _checks.floating("X", X))


@jax.jit
def _gram(net: Network, X: Array) -> Array:
    kernel = each(net, ntk, X)
    rows = X.shape[-2] * net.d_out
    return jnp.swapaxes(kernel, -3, -2).reshape(*X.shape[:-2], rows, rows)


def hessian_parts(net: Network, X: Any, Y: Any, ridge: float) -> HessianParts:
    r"""Return the Hessian of :math:`\frac1N\sum_i\|f_\theta(x_i)-y_i\|^2+\lambda\|\theta\|^2` and its two parts.

    .. math:: \nabla^2\mathcal L=G+R+2\lambda I,\quad G=\tfrac2N\sum_iF_i^TF_i,\quad
              R=\tfrac2N\sum_{i,a}r_{ia}\nabla^2f_a(x_i)

    with F the derivatives of the outputs and r the residuals. The Hessian itself is that of the loss, not the sum.

    Args:
        net: a network of so few parameters that a matrix of their number squared fits into memory.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        ridge: lambda.

    Raises:
        ValueError: inputs of another shape, with NaN or infinity, or lengths that differ.

    Example:
        >>> from bnlib import from_layers
        >>> parts = hessian_parts(from_layers([([[1.0]], None)]), [[2.0]], [[1.0]], 0.5)
        >>> parts.gauss_newton.tolist(), jnp.diag(parts.hessian).tolist()
        ([[8.0, 4.0], [4.0, 2.0]], [9.0, 3.0])

    Source: J23; claim edge; chapter tangent_kernel.
    """
    X, Y = _checks.points("X", X, net.d_in), _checks.points("Y", Y, net.d_out)
    _checks.equal_lengths(X, Y)
    return _parts(net, X, Y, jnp.asarray(ridge, X.dtype))


@jax.jit
def _parts(net: Network, X: Array, Y: Array, ridge: Array) -> HessianParts:
    flat, unravel = ravel_pytree(net)

    def outputs(v: Array) -> Array:
        return apply(unravel(v), X)

    def loss(v: Array) -> Array:
        return jnp.sum((outputs(v) - Y) ** 2) / len(X) + ridge * jnp.sum(v**2)

    residual = outputs(flat) - Y
    F = jax.jacrev(outputs)(flat).reshape(-1, len(flat))
    R = 2 / len(X) * jax.hessian(lambda v: jnp.sum(residual * outputs(v)))(flat)
    return HessianParts(jax.hessian(loss)(flat), 2 / len(X) * F.T @ F, R)
