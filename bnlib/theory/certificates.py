"""The bottleneck theorem and the tangent-kernel bound as certificates: both sides, for any network and input."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _checks, _svd
from ..networks import Network, activations, each, jacobian, slopes
from .costs import squared_norm
from .ntk import input_weights, ntk_trace


class BottleneckCertificate(NamedTuple):
    """Hold what ``bottleneck_certificate`` returns; leading axes are N for a batch, (E, N) for an ensemble."""

    lhs: np.ndarray
    rhs: np.ndarray
    frames: tuple[np.ndarray, np.ndarray, np.ndarray]
    per_layer: np.ndarray
    stretches: np.ndarray


class NTKCertificate(NamedTuple):
    """Hold what ``ntk_certificate`` returns; leading axes are N for a batch, (E, N) for an ensemble."""

    trace: np.ndarray
    bound: np.ndarray


@_checks.float64
def bottleneck_certificate(net: Network, x: Any, k: int, *, any_rank: bool = False) -> BottleneckCertificate:
    r"""Return both sides of the bottleneck theorem in the weights, with the frames that prove it.

    .. math:: \sum_{l=1}^L \|W_l-V_lV_{l-1}^T\|_F^2+\|b_l\|^2 \;\le\; \|\theta\|^2-Lk-2\log|J(x)|_k

    V_0 holds the k leading right singular vectors of J(x), and V_l is the polar factor of D_l W_l V_{l-1}. The
    right side minus the left is exactly :math:`2\sum_l\sum_i (p_{l,i}-1-\log p_{l,i})` for ReLU, where p are the
    ``stretches``, the singular values of D_l W_l V_{l-1}.

    Args:
        net: any network, or an ensemble: E networks of one shape whose arrays are stacked along a leading axis.
        x: one input (d_in,) or a batch (N, d_in); each input has its own frames. For an ensemble (E, N, d_in).
        k: number of singular values, at most the numerical rank of every J(x).
        any_rank: accept inputs whose J(x) has a lower rank; the right side is infinite there, up to rounding.

    Returns:
        ``lhs``, ``rhs`` (scalars); ``frames = (V_0, V_1..V_{L-1} stacked, V_L)`` of shapes (d_in, k),
        (L-1, width, k), (d_out, k); ``per_layer``, the L terms of the left side; ``stretches`` (L, k).

    Raises:
        ValueError: k above min(d_in, d_out) or above the numerical rank of some J(x), bad inputs, or a call
            inside of jit, vmap or grad.

    Example:
        >>> from bnlib import from_layers
        >>> c = bottleneck_certificate(from_layers([([[2.0]], None), ([[1.0]], None)]), jnp.array([1.0]), 1)
        >>> round(float(c.lhs), 12), round(float(c.rhs), 6)
        (1.0, 1.613706)

    Source: J23; claim weights-theorem; chapter weights.
    """
    x, X, k = _batch_and_rank(net, x, k)
    J, pre, norm = each(net, lambda net, X: (jacobian(net, X), activations(net, X).pre, squared_norm(net)), X)
    _, s, Vt = _svd.svd(J)
    ranks = np.sum(s > _svd.tolerance(s, (net.d_out, net.d_in), net.depth), axis=-1)
    if not any_rank and np.min(ranks) < k:
        worst = np.unravel_index(np.argmin(ranks), ranks.shape)
        at = ", ".join(map(str, worst))
        raise ValueError(f"k is {k}, but at input {at} the Jacobian has numerical rank {int(ranks[worst])}.")
    rhs = np.asarray(norm)[..., None] - net.depth * k - 2.0 * np.asarray(jnp.sum(jnp.log(s[..., :k]), axis=-1))
    frames, per_layer, stretches = _polar_chain(net, np.asarray(slopes(net, pre)), np.swapaxes(Vt[..., :k, :], -1, -2))
    result = BottleneckCertificate(np.sum(per_layer, axis=-1), rhs, frames, per_layer, stretches)
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result


@_checks.float64
def certificate_slack(net: Network, x: Any, certificate: BottleneckCertificate) -> np.ndarray:
    r"""Return by how much the right side of the bottleneck theorem exceeds the left, from frames and stretches alone.

    .. math:: 2\sum_{l,i}\bigl(p_{l,i}-1-\log p_{l,i}\bigr)
              +2\sum_{l<L}\mathrm{Tr}\bigl(V_l^T(D_l^{-1}-I)D_lW_lV_{l-1}\bigr)

    For ReLU the second sum vanishes, because frames live on active neurons; for a leaky ReLU it is not negative. The
    jacobian and the norm of the network are not used, so agreement with ``rhs - lhs`` is a check of both sides.

    Args:
        net: any network, or an ensemble.
        x: the inputs of the certificate, of the same shape.
        certificate: from ``bottleneck_certificate``.

    Returns:
        A number for one input, (N,) for a batch, (E, N) for an ensemble; infinite where a stretch vanishes.

    Raises:
        ValueError: bad inputs, or a call inside of jit, vmap or grad.

    Example:
        >>> from bnlib import from_layers
        >>> net, x = from_layers([([[2.0]], None), ([[1.0]], None)]), jnp.array([1.0])
        >>> round(float(certificate_slack(net, x, bottleneck_certificate(net, x, 1))), 6)
        0.613706

    Source: J23; claim weights-theorem; chapter weights.
    """
    x, X, _ = _batch_and_rank(net, x, certificate.stretches.shape[-1])
    certificate = _checks.on_host(certificate)
    if x.ndim == 1:
        certificate = jax.tree.map(lambda a: a[None], certificate)
    inactive = 1.0 - np.asarray(slopes(net, each(net, activations, X).pre))[..., None]
    p, (before, hidden, _) = certificate.stretches, certificate.frames
    with np.errstate(divide="ignore"):
        slack = 2.0 * np.sum(p - 1.0 - np.log(p), axis=(-2, -1))
    for i, (W, _) in enumerate(_stacks(net)[:-1]):
        V = hidden[..., i, :, :]
        slack = slack + 2.0 * np.sum(inactive[..., i, :, :, :] * V * (W @ before), axis=(-2, -1))
        before = V
    return slack[0] if x.ndim == 1 else slack


def _batch_and_rank(net: Network, x: Any, k: int) -> tuple[Array, Array, int]:
    """Return the input as given, as a batch, and k, or raise ValueError."""
    _svd.untraced(net, x)
    x = _checks.floating("x", x)
    if net.last[0].ndim == 2:
        X = _checks.points("x", jnp.atleast_2d(x), net.d_in)
    elif x.ndim == 3 and len(x) == len(net.last[0]):
        _checks.points("x", x.reshape(-1, x.shape[2]), net.d_in)
        X = x
    else:
        raise ValueError(
            f"For an ensemble of {len(net.last[0])} networks x must have shape ({len(net.last[0])}, N, {net.d_in}), "
            f"but its shape is {x.shape}."
        )
    k = _checks.integer("k", k, 1)
    if k > min(net.d_in, net.d_out):
        raise ValueError(
            f"k is {k}, but a map from R^{net.d_in} to R^{net.d_out} has at most rank {min(net.d_in, net.d_out)}."
        )
    return x, X, k


def _stacks(net: Network) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the layers with an axis for the inputs: W (..., 1, rows, columns) and b (..., 1, rows)."""
    pairs = [net.last]
    if net.first is not None and net.hidden is not None:
        W, b = net.hidden
        pairs = [net.first, *((W[..., i, :, :], b[..., i, :]) for i in range(net.depth - 2)), net.last]
    return [(np.asarray(W)[..., None, :, :], np.asarray(b)[..., None, :]) for W, b in pairs]


def _polar_chain(net: Network, D: np.ndarray, V: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Run V_l = polar(D_l W_l V_{l-1}) through the layers, with D (..., L-1, N, width) and V_0 (..., N, d_in, k)."""
    frames, per_layer, stretches = [V], [], []
    for i, (W, b) in enumerate(_stacks(net)):
        M = W @ V if i == net.depth - 1 else D[..., i, :, :, None] * (W @ V)
        U, p, Qt = _svd.svd(M)
        before, V = V, U @ Qt
        frames.append(V)
        per_layer.append(np.sum((W - V @ np.swapaxes(before, -1, -2)) ** 2, axis=(-2, -1)) + np.sum(b**2, axis=-1))
        stretches.append(p)
    hidden = np.stack(frames[1:-1], axis=-3) if net.depth > 1 else np.zeros((*V.shape[:-2], 0, *frames[0].shape[-2:]))
    return (frames[0], hidden, V), np.stack(per_layer, axis=-1), np.stack(stretches, axis=-2)


@_checks.float64
def ntk_certificate(net: Network, x: Any, k: int, *, balanced: bool = False) -> NTKCertificate:
    r"""Return Tr Theta(x,x) and its lower bound from the Jacobian and the representations.

    .. math:: \mathrm{Tr}\,\Theta(x,x)\ge k|J(x)|_k^{2/k}\sum_l(\|\alpha_{l-1}(x)\|^2+1)
              e^{-(\sum_{m\le l}\|W_m\|_F^2-kl)/k}

    Args:
        net: any network, or an ensemble: E networks of one shape whose arrays are stacked along a leading axis.
        x: one input (d_in,) or a batch (N, d_in); for an ensemble (E, N, d_in).
        k: number of singular values; inputs whose Jacobian has lower rank get the trivial bound 0, up to rounding.
        balanced: use the exponent :math:`-(\|\theta\|^2-Lk)\,l/(kL)`, which is valid for balanced networks only.

    Returns:
        ``trace`` and ``bound``, scalars or of shape (N,), (E, N) for an ensemble.

    Raises:
        ValueError: k above min(d_in, d_out), bad inputs, or a call inside of jit, vmap or grad.

    Example:
        >>> from bnlib import from_layers
        >>> c = ntk_certificate(from_layers([([[1.0]], None)] * 3), jnp.array([2.0]), 1)
        >>> round(float(c.trace), 9), round(float(c.bound), 9)
        (15.0, 15.0)

    Source: J23; claim ntk-bound; chapter tangent_kernel.
    """
    x, X, k = _batch_and_rank(net, x, k)
    trace, weights, norm, J = each(
        net, lambda net, X: (ntk_trace(net, X), input_weights(net, X), squared_norm(net), jacobian(net, X)), X
    )
    layer = np.arange(1, net.depth + 1)
    if balanced:
        exponent = (np.asarray(norm)[..., None] - net.depth * k) * layer / (k * net.depth)
    else:
        squares = np.stack([np.sum(W**2, axis=(-2, -1))[..., 0] for W, _ in _stacks(net)], axis=-1)
        exponent = (np.cumsum(squares, axis=-1) - k * layer) / k
    s = _svd.values(J)[..., :k]
    positive = jnp.all(s > 0, axis=-1)
    geometric_mean = jnp.exp(2.0 * jnp.mean(jnp.log(jnp.where(s > 0, s, 1.0)), axis=-1))
    weighted = jnp.sum(weights * np.exp(-exponent)[..., None, :], axis=-1)
    bound = jnp.where(positive, k * geometric_mean * weighted, 0.0)
    result = NTKCertificate(np.asarray(trace), np.asarray(bound))
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result
