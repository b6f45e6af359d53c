"""The bottleneck theorem for residual networks with a leak, as a certificate: an identity for any network and input."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..leaky import LeakyNetwork, action, jacobian, states


class LeakyCertificate(NamedTuple):
    """Hold what ``leaky_certificate`` returns; a batch of n inputs adds a leading axis to all but ``action``.

    Attributes:
        weights: (N + 2,), distance of every layer from a partial isometry on active neurons.
        biases: (N + 2,), squared norms of the biases.
        motion: (N + 2,), how far the frame moves in the state that is kept; 0 at both ends.
        off_active: (N + 2,), how much of the frame lies on neurons that are off.
        slack: (N + 2,), distance of the stretches from 1.
        excess: :math:`E_k`, by how much the action exceeds the bound.
        bound: the lower bound of the action.
        action: the action.
        spectra: (N + 2,), distance of the singular values of every layer from k ones; their sum is at most 2 E_k.
        frames: the frames V_{-1} (d_in, k), V_0..V_N (N + 1, w, k) and V_{N+1} (d_out, k).
        stretches: (N + 2, k), the singular values of the layers between the frames.
    """

    weights: np.ndarray
    biases: np.ndarray
    motion: np.ndarray
    off_active: np.ndarray
    slack: np.ndarray
    excess: np.ndarray
    bound: np.ndarray
    action: np.ndarray
    spectra: np.ndarray
    frames: tuple[np.ndarray, np.ndarray, np.ndarray]
    stretches: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Sum of the five parts over all layers, which is ``excess``."""
        return np.sum(self.weights + self.biases + self.motion + self.off_active + self.slack, axis=-1)


@_checks.float64
def leaky_certificate(net: LeakyNetwork, x: Any, k: int) -> LeakyCertificate:
    r"""Return both sides of the bottleneck theorem of a leaky network, part by part and layer by layer.

    .. math:: \sum_l\kappa_l\bigl(\|W_l-V_lV_{l-1}^TD_{l-1}\|_F^2+\|b_l\|^2\bigr)
              +(1-\kappa_l)\|V_l-V_{l-1}\|_F^2+\kappa_l\|(I-D_{l-1})V_{l-1}\|_F^2
              +2\sum_i\bigl(p_{l,i}-1-\log p_{l,i}\bigr) \;=\; A(\theta)-k(\tilde L+2)-2\log|J(x)|_k

    where :math:`V_{-1}` holds the k leading right singular vectors of J(x), :math:`V_l` is the polar factor of
    :math:`T_lV_{l-1}`, and p are the singular values of that product. The first and the last layer count as leak 1;
    nothing is off before the first. No part is negative, so that the action is at least ``bound``, and every part is at
    most ``excess``: layers are partial isometries, frames move slowly and live on active neurons.

    Args:
        net: any leaky network.
        x: one input (d_in,) or a batch (n, d_in); each input has its own frames.
        k: number of singular values, at most the numerical rank of every J(x).

    Returns:
        The five parts, ``excess`` with ``bound`` and ``action``, ``spectra``, ``frames`` and ``stretches``; ``total``
        is the sum of the parts.

    Raises:
        ValueError: k above min(d_in, d_out) or above the numerical rank of some J(x), bad inputs, or a call
            inside of jit, vmap or grad.

    Example:
        >>> from bnlib import leaky
        >>> net = leaky.leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> c = leaky_certificate(net, [1.0], 1)
        >>> round(float(c.total), 9), round(float(c.excess), 9)
        (2.613705639, 2.613705639)

    Source: book; claim leaky-weights; chapter leaky.
    """
    _svd.untraced(net, x)
    x = _checks.floating("x", x)
    X = _checks.points("x", jnp.atleast_2d(x), net.d_in)
    J = jacobian(net, X)
    V, log_volume = _leading_frame(J, k, net.steps + 2)
    D = np.asarray(states(net, X) > 0)
    leak, k = np.pad(np.asarray(net.leak), 1, constant_values=1.0), V.shape[-1]
    frames, found = [V], []
    for i, (W, b, on) in enumerate(_layers(net, D)):
        U = on[..., None] * V
        kept = V if 0 < i <= net.steps else 0.0
        before, (V, p) = V, _polar((1.0 - leak[i]) * kept + leak[i] * (W @ U))
        s = np.asarray(_svd.values(W))
        found.append(
            (
                leak[i] * np.sum((W - V @ np.swapaxes(U, -1, -2)) ** 2, axis=(-2, -1)),
                np.full(len(X), leak[i] * np.sum(b**2)),
                (1.0 - leak[i]) * np.sum((V - kept) ** 2, axis=(-2, -1)),
                leak[i] * np.sum((before - U) ** 2, axis=(-2, -1)),
                2.0 * np.sum(p - 1.0 - np.log(p), axis=-1),
                np.full(len(X), leak[i] * np.sum((s - (np.arange(len(s)) < k)) ** 2)),
                p,
            )
        )
        frames.append(V)
    weights, biases, motion, off_active, slack, spectra, stretches = (
        np.stack(part, axis=1) for part in zip(*found, strict=True)
    )
    size, bound = np.full(len(X), action(net)), k * np.sum(leak) + 2.0 * log_volume
    chain = frames[0], np.stack(frames[1:-1], axis=1), frames[-1]
    result = LeakyCertificate(
        weights, biases, motion, off_active, slack, size - bound, bound, size, spectra, chain, stretches
    )
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result


def _leading_frame(J: Any, k: Any, factors: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k leading right singular vectors (n, d_in, k) of a stack of matrices, and log |J|_k (n,)."""
    k, most = _checks.integer("k", k, 1), min(J.shape[1:])
    if k > most:
        raise ValueError(f"k is {k}, but a map from R^{J.shape[2]} to R^{J.shape[1]} has at most rank {most}.")
    _, s, Vt = _svd.svd(J)
    ranks = np.sum(s > _svd.tolerance(s, J.shape, factors), axis=-1)
    if (least := int(np.min(ranks))) < k:
        raise ValueError(f"k is {k}, but at input {np.argmin(ranks)} the Jacobian has numerical rank {least}.")
    return np.swapaxes(Vt[:, :k], -1, -2), np.sum(np.log(s[:, :k]), axis=-1)


def _layers(net: LeakyNetwork, D: np.ndarray) -> Any:
    """Yield W_l, b_l and the neurons (n, columns) that it sees switched on, first and last layer included."""
    hidden = zip(*map(np.asarray, net.hidden), D, strict=False)
    yield *map(np.asarray, net.first), np.ones((D.shape[1], net.d_in))
    yield from hidden
    yield *map(np.asarray, net.last), D[-1]


def _polar(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the polar factors of a stack of matrices, and their singular values."""
    U, p, Qt = _svd.svd(M)
    return U @ Qt, p
