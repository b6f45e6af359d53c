"""The bottleneck theorem and the tangent-kernel bound as certificates: both sides, for any network and input."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from . import _checks, _svd
from .costs import squared_norm
from .networks import Layer, Network, activations, fold_layers, jacobian, slopes
from .ntk import input_weights, ntk_trace


class BottleneckCertificate(NamedTuple):
    """Hold what ``bottleneck_certificate`` returns; a leading axis N is there when the input was a batch."""

    lhs: Array
    rhs: Array
    frames: tuple[Array, Array, Array]
    per_layer: Array
    stretches: Array


class NTKCertificate(NamedTuple):
    """Hold what ``ntk_certificate`` returns; a leading axis N is there when the input was a batch."""

    trace: Array
    bound: Array


@_checks.float64
def bottleneck_certificate(net: Network, x: Any, k: int) -> BottleneckCertificate:
    r"""Return both sides of the bottleneck theorem in the weights, with the frames that prove it.

    .. math:: \sum_{l=1}^L \|W_l-V_lV_{l-1}^T\|_F^2+\|b_l\|^2 \;\le\; \|\theta\|^2-Lk-2\log|J(x)|_k

    V_0 holds the k leading right singular vectors of J(x), and V_l is the polar factor of D_l W_l V_{l-1}. The
    right side minus the left is exactly :math:`2\sum_l\sum_i (p_{l,i}-1-\log p_{l,i})` for ReLU, where p are the
    ``stretches``, the singular values of D_l W_l V_{l-1}.

    Args:
        net: any network.
        x: one input (d_in,) or a batch (N, d_in); each input has its own frames.
        k: number of singular values, at most the numerical rank of every J(x).

    Returns:
        ``lhs``, ``rhs`` (scalars); ``frames = (V_0, V_1..V_{L-1} stacked, V_L)`` of shapes (d_in, k),
        (L-1, width, k), (d_out, k); ``per_layer``, the L terms of the left side; ``stretches`` (L, k).

    Raises:
        ValueError: k above min(d_in, d_out) or above the numerical rank of some J(x), or bad inputs.

    Example:
        >>> from bnlib import from_layers
        >>> c = bottleneck_certificate(from_layers([([[2.0]], None), ([[1.0]], None)]), jnp.array([1.0]), 1)
        >>> round(float(c.lhs), 12), round(float(c.rhs), 6)
        (1.0, 1.613706)

    Source: theory id weights-theorem.
    """
    x, X, k = _batch_and_rank(net, x, k)
    _, s, Vt = jnp.linalg.svd(jacobian(net, X), full_matrices=False)
    ranks = jnp.sum(s > _svd.tolerance(s, (net.d_out, net.d_in), net.depth), axis=-1)
    if not _checks.is_traced(ranks) and int(jnp.min(ranks)) < k:
        worst = int(jnp.argmin(ranks))
        raise ValueError(f"k is {k}, but at input {worst} the Jacobian has numerical rank {int(ranks[worst])}.")
    rhs = squared_norm(net) - net.depth * k - 2.0 * jnp.sum(jnp.log(s[:, :k]), axis=-1)
    result = _polar_chain(net, activations(net, X).pre, jnp.swapaxes(Vt[:, :k], 1, 2))
    result = BottleneckCertificate(jnp.sum(result.per_layer, axis=-1), rhs, *result)
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result


def _batch_and_rank(net: Network, x: Any, k: int) -> tuple[Array, Array, int]:
    """Return the input as given, as a batch, and k, or raise ValueError."""
    x = _checks.floating("x", x)
    X = _checks.points("x", jnp.atleast_2d(x), net.d_in)
    k = _checks.integer("k", k, 1)
    if k > min(net.d_in, net.d_out):
        raise ValueError(
            f"k is {k}, but a map from R^{net.d_in} to R^{net.d_out} has at most rank {min(net.d_in, net.d_out)}."
        )
    return x, X, k


class _Chain(NamedTuple):
    frames: tuple[Array, Array, Array]
    per_layer: Array
    stretches: Array


@jax.jit
@partial(jax.vmap, in_axes=(None, 1, 0))
def _polar_chain(net: Network, pre: Array, V0: Array) -> _Chain:
    """Run V_l = polar(D_l W_l V_{l-1}) through the layers, for each input of a batch."""

    def step(V: Array, layer: Layer, z: Array | None) -> tuple[Array, tuple[Array, Array, Array]]:
        W, b = layer
        M = W @ V if z is None else slopes(net, z)[:, None] * (W @ V)
        U, p, Qt = jnp.linalg.svd(M, full_matrices=False)
        V_next = U @ Qt
        return V_next, (V_next, jnp.sum((W - V_next @ V.T) ** 2) + jnp.sum(b**2), p)

    V, hidden = fold_layers(step, V0, net, pre)
    V_last, (_, delta, p) = step(V, net.last, None)
    if hidden is None:
        return _Chain((V0, jnp.zeros((0, *V0.shape)), V_last), delta[None], p[None])
    frames, deltas, ps = hidden
    return _Chain((V0, frames, V_last), jnp.append(deltas, delta), jnp.concatenate([ps, p[None]]))


@_checks.float64
def ntk_certificate(net: Network, x: Any, k: int, *, balanced: bool = False) -> NTKCertificate:
    r"""Return Tr Theta(x,x) and its lower bound from the Jacobian and the representations.

    .. math:: \mathrm{Tr}\,\Theta(x,x)\ge k|J(x)|_k^{2/k}\sum_l(\|\alpha_{l-1}(x)\|^2+1)
              e^{-(\sum_{m\le l}\|W_m\|_F^2-kl)/k}

    Args:
        net: any network.
        x: one input (d_in,) or a batch (N, d_in).
        k: number of singular values; inputs whose Jacobian has lower rank get the trivial bound 0, up to rounding.
        balanced: use the exponent :math:`-(\|\theta\|^2-Lk)\,l/(kL)`, which is valid for balanced networks only.

    Returns:
        ``trace`` and ``bound``, scalars or of shape (N,).

    Raises:
        ValueError: k above min(d_in, d_out), or bad inputs.

    Example:
        >>> from bnlib import from_layers
        >>> c = ntk_certificate(from_layers([([[1.0]], None)] * 3), jnp.array([2.0]), 1)
        >>> round(float(c.trace), 9), round(float(c.bound), 9)
        (15.0, 15.0)

    Source: theory id ntk-bound.
    """
    x, X, k = _batch_and_rank(net, x, k)
    trace = ntk_trace(net, X)
    layer = jnp.arange(1, net.depth + 1, dtype=trace.dtype)
    if balanced:
        exponent = (squared_norm(net) - net.depth * k) * layer / (k * net.depth)
    else:
        exponent = (jnp.cumsum(jnp.stack([jnp.sum(W**2) for W, _ in net.layers])) - k * layer) / k
    s = jnp.linalg.svd(jacobian(net, X), compute_uv=False)[:, :k]
    positive = jnp.all(s > 0, axis=-1)
    geometric_mean = jnp.exp(2.0 * jnp.mean(jnp.log(jnp.where(s > 0, s, 1.0)), axis=-1))
    weighted = jnp.sum(input_weights(net, X) * jnp.exp(-exponent)[None, :], axis=-1)
    bound = jnp.where(positive, k * geometric_mean * weighted, 0.0)
    result = NTKCertificate(trace, bound)
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result
