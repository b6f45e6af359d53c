"""The neural tangent kernel from representations and back-propagated outputs, without parameter Jacobians."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..networks import Layer, Network, activations, apply, fold_layers_back, slopes


class _Passes(NamedTuple):
    """Hold alpha_1..alpha_{L-1}, J_L and J_1..J_{L-1} for a batch of inputs."""

    inner: Array
    top: Array
    below: Array | None


def _passes(net: Network, X: Array) -> _Passes:
    """Run one forward and one backward pass."""
    acts = activations(net, X)

    def step(J: Array, layer: Layer, pre: Array) -> tuple[Array, Array]:
        # J_l = J_{l+1} W_{l+1} D_l
        J = (J @ layer[0]) * slopes(net, pre)[:, None, :]
        return J, J

    top = jnp.broadcast_to(jnp.eye(net.d_out, dtype=acts.output.dtype), (len(X), net.d_out, net.d_out))
    _, below = fold_layers_back(step, top, net, acts.pre)
    return _Passes(acts.post, top, below)


@_checks.float64
def ntk(net: Network, X: Any, Y: Any = None) -> Array:
    r"""Return the empirical neural tangent kernel between inputs X and Y (Y is X when None).

    .. math:: \Theta(x,y)=\sum_{l=1}^L(\alpha_{l-1}(x)\cdot\alpha_{l-1}(y)+1)\,J_l(x)J_l(y)^T,\qquad
              J_l=W_LD_{L-1}\cdots W_{l+1}D_l

    The +1 is the gradient of b_l. Time and memory are linear in the depth.

    Args:
        net: the network.
        X: inputs (N, d_in).
        Y: inputs (M, d_in), or None for X.

    Returns:
        (N, M, d_out, d_out) float64.

    Example:
        >>> from bnlib import from_layers
        >>> ntk(from_layers([([[1.0]], None)] * 2), [[2.0]]).tolist()
        [[[[10.0]]]]

    Source: book; claim ntk-identity; chapter tangent_kernel.
    """
    X = _checks.points("X", X, net.d_in)
    Y = X if Y is None else _checks.points("Y", Y, net.d_in)
    return _kernel(net, X, Y)


@jax.jit
def _kernel(net: Network, X: Array, Y: Array) -> Array:
    x, y = _passes(net, X), _passes(net, Y)
    total = _term(x.inner[-1] if net.depth > 1 else X, y.inner[-1] if net.depth > 1 else Y, x.top, y.top)
    if x.below is None or y.below is None:
        return total
    total = total + _term(X, Y, x.below[0], y.below[0])
    middle = (x.inner[:-1], y.inner[:-1], x.below[1:], y.below[1:])
    return lax.scan(lambda kernel, layer: (kernel + _term(*layer), None), total, middle)[0]


def _term(alpha_x: Array, alpha_y: Array, J_x: Array, J_y: Array) -> Array:
    return (alpha_x @ alpha_y.T + 1.0)[:, :, None, None] * jnp.einsum("niw,mjw->nmij", J_x, J_y)


@_checks.float64
def ntk_trace(net: Network, X: Any) -> Array:
    r"""Return :math:`\mathrm{Tr}\,\Theta(x,x)=\sum_l(\|\alpha_{l-1}(x)\|^2+1)\|J_l(x)\|_F^2` at each input.

    It is the squared Frobenius norm of the Jacobian of the output with respect to all parameters.

    Args:
        net: the network.
        X: inputs (N, d_in).

    Returns:
        (N,) float64.

    Example:
        >>> from bnlib import from_layers
        >>> ntk_trace(from_layers([([[1.0]], None)] * 2), [[2.0]]).tolist()
        [10.0]

    Source: book; claim ntk-identity; chapter tangent_kernel.
    """
    return _trace(net, _checks.points("X", X, net.d_in))


@jax.jit
def _trace(net: Network, X: Array) -> Array:
    passes = _passes(net, X)
    energy = jnp.sum(passes.top**2, axis=(1, 2))[:, None]
    if passes.below is not None:
        energy = jnp.concatenate([jnp.sum(passes.below**2, axis=(2, 3)).T, energy], axis=1)
    return jnp.sum(_input_weights(passes.inner, X) * energy, axis=1)


@_checks.float64
def sharpness(net: Network, X: Any, *, steps: int = 100) -> float:
    r"""Return the largest eigenvalue of the Gauss-Newton part of the Hessian of the mean squared error.

    .. math:: \lambda_{\max}\Big(\frac2N\sum_i Df_\theta(x_i)^TDf_\theta(x_i)\Big),

    which is that of 2/N times the tangent kernel of all inputs and outputs. By power iteration, from below.

    Args:
        net: the network.
        X: inputs (N, d_in).
        steps: power iterations.

    Example:
        >>> from bnlib import from_layers
        >>> round(sharpness(from_layers([([[1.0]], None)] * 2), [[2.0]]), 6)
        20.0

    Source: J23; claim edge; chapter tangent_kernel.
    """
    return float(_sharpness(net, _checks.points("X", X, net.d_in), _checks.integer("steps", steps, 1)))


@partial(jax.jit, static_argnames="steps")
def _sharpness(net: Network, X: Array, steps: int) -> Array:
    flat, unravel = ravel_pytree(net)
    outputs, forward = jax.linearize(lambda v: apply(unravel(v), X), flat)
    backward = jax.linear_transpose(forward, flat)
    generic = jax.random.normal(jax.random.key(0), outputs.shape, outputs.dtype)

    def step(v: Array, _: None) -> tuple[Array, Array]:
        (v,) = backward(forward(v))
        size = jnp.linalg.norm(v)
        return v / jnp.where(size > 0, size, 1.0), size

    start, _ = step(backward(generic)[0], None)
    return 2 / len(X) * lax.scan(step, start, None, length=steps)[1][-1]


def input_weights(net: Network, X: Array) -> Array:
    r"""Return the factors :math:`\|\alpha_{l-1}(x)\|^2+1` of the kernel, of shape (N, L)."""
    return _input_weights(activations(net, X).post, X)


def _input_weights(inner: Array, X: Array) -> Array:
    squares = jnp.sum(inner**2, axis=2).T
    return jnp.concatenate([jnp.sum(X**2, axis=1)[:, None], squares], axis=1) + 1.0
