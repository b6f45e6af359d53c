"""The optimality gap bounds how far the spectra of all layers are from one: both sides, for any network and input."""

from typing import Any, NamedTuple

import jax
import numpy as np

from .. import _checks, _svd
from ..networks import Network, activations, each, slopes
from .certificates import _batch_and_rank, _stacks


class SpectrumCertificate(NamedTuple):
    r"""Hold what ``spectrum_certificate`` returns; leading axes are N for a batch, (E, N) for an ensemble.

    Attributes:
        lhs, rhs: the two sides.
        per_layer: the terms of the left side, one for each layer of the window.
        biases: :math:`\|b_l\|^2`, the part of each term that both sides share.
        roots: the root spectrum :math:`\tau`, zeros behind the rank of the Jacobian.
        slack: :math:`2\sum_i\tau_i(\sum_ls_i(W_l)-N\tau_i)`, which is the right side minus the left.
    """

    lhs: np.ndarray
    rhs: np.ndarray
    per_layer: np.ndarray
    biases: np.ndarray
    roots: np.ndarray
    slack: np.ndarray

    @property
    def radius(self) -> np.ndarray:
        """The root of the right side without biases: no singular value of the window is farther from its root."""
        return np.sqrt(np.maximum(self.rhs - np.sum(self.biases, axis=-1), 0.0))

    @property
    def distances(self) -> np.ndarray:
        r"""The distance :math:`(\sum_i(s_i(W_l)-\tau_i)^2)^{1/2}` of each layer, at most the ``radius``."""
        return np.sqrt(np.maximum(self.per_layer - self.biases, 0.0))


@_checks.float64
def root_spectrum(A: Any, depth: int, *, size: Any = None) -> np.ndarray:
    r"""Return :math:`\tau_i=s_i(A)^{1/L}`, the singular values that every factor has if L factors make A at least norm.

    Singular values are lowered by their rounding first, so that those which are rounding give zero; the theorem of
    ``spectrum_certificate`` holds for all lower ones.

    Args:
        A: a matrix (m, n), or a stack of matrices (..., m, n).
        depth: number L of factors, at least 1.
        size: what rounding is relative to: the product of the norms of the factors; the norm of A when None.

    Returns:
        (..., min(m, n)), decreasing.

    Raises:
        ValueError: depth below 1, NaN or infinity, no matrix, or a call inside of jit, vmap or grad.

    Example:
        >>> root_spectrum([[8.0, 0.0], [0.0, 0.0]], 3).round(9)
        array([2., 0.])

    Source: book; claim gap-spectrum; chapter weights.
    """
    depth = _checks.integer("depth", depth, 1)
    A = _checks.floating("A", A)
    if A.ndim < 2 or 0 in A.shape[-2:]:
        raise ValueError(f"A must be a non-empty matrix or a stack of such, but its shape is {A.shape}.")
    _checks.finite("A", A)
    s = _svd.values(A)
    rounding = _svd.tolerance(s if size is None else np.asarray(size, s.dtype)[..., None], A.shape, depth)
    return np.maximum(s - rounding, 0.0) ** (1.0 / depth)


@_checks.float64
def spectrum_certificate(net: Network, x: Any, window: tuple[int, int] | None = None) -> SpectrumCertificate:
    r"""Return both sides of the bound on the distance of the spectra of consecutive layers to one spectrum.

    .. math:: \sum_{p<l\le q}\Bigl(\sum_i(s_i(W_l)-\tau_i)^2+\|b_l\|^2\Bigr)
              \le\sum_{p<l\le q}(\|W_l\|_F^2+\|b_l\|^2)-N\sum_is_i(J)^{2/N}

    with N = q-p, :math:`J=W_qD_{q-1}W_{q-1}\cdots D_{p+1}W_{p+1}` at x and :math:`\tau_i=s_i(J)^{1/N}`. For all layers
    the right side is the optimality gap at x. There is no rank to be chosen. The biases stand on both sides: without
    them the right side is the square of the ``radius``.

    Args:
        net: any network, or an ensemble: E networks of one shape whose arrays are stacked along a leading axis.
        x: one input (d_in,) or a batch (N, d_in). For an ensemble (E, N, d_in).
        window: (p, q) with 0 <= p < q <= L for the layers p+1 to q; None for all.

    Returns:
        ``lhs``, ``rhs``, ``slack`` (scalars), ``per_layer`` and ``biases`` (q-p,), and ``roots`` (m,), with m the
        largest number of singular values of a layer of the window.

    Raises:
        ValueError: a window that holds no layer or more than there are, bad inputs, or a call inside of jit, vmap or
            grad.

    Example:
        >>> from bnlib import from_layers
        >>> c = spectrum_certificate(from_layers([([[4.0]], None), ([[1.0]], None)]), np.array([1.0]))
        >>> float(c.lhs), float(c.rhs), c.roots.round(9).tolist()
        (5.0, 9.0, [2.0])

    Source: book; claim gap-spectrum; chapter weights.
    """
    p, q = _window(net, window)
    x, X, _ = _batch_and_rank(net, x, 1)
    D = np.asarray(slopes(net, each(net, activations, X).pre))
    layers = _stacks(net)[p:q]
    s = [np.asarray(_svd.values(W)) for W, _ in layers]
    J = layers[0][0]
    for i, (W, _) in enumerate(layers[1:], p):
        J = W @ (D[..., i, :, :, None] * J)
    with np.errstate(over="ignore"):  # an infinite size leaves the inequality with roots of zero
        size = np.prod([values[..., 0] for values in s], axis=0)
    tau = root_spectrum(J, q - p, size=size)
    m = max(tau.shape[-1], *(values.shape[-1] for values in s))
    tau, *s = (np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, m - a.shape[-1])]) for a in (tau, *s))
    biases = np.stack([np.sum(b**2, axis=-1) for _, b in layers], axis=-1)
    per_layer = np.stack([np.sum((values - tau) ** 2, axis=-1) for values in s], axis=-1) + biases
    norm = sum(np.sum(W**2, axis=(-2, -1)) for W, _ in layers) + np.sum(biases, axis=-1)
    result = SpectrumCertificate(
        np.sum(per_layer, axis=-1),
        norm - (q - p) * np.sum(tau**2, axis=-1),
        per_layer,
        biases,
        tau,
        2.0 * np.sum(tau * (sum(s) - (q - p) * tau), axis=-1),
    )
    result = jax.tree.map(lambda a: np.broadcast_to(a, (*X.shape[:-1], *a.shape[X.ndim - 1 :])), result)
    return jax.tree.map(lambda a: a[0], result) if x.ndim == 1 else result


def _window(net: Network, window: tuple[int, int] | None) -> tuple[int, int]:
    """Return (p, q), or raise ValueError."""
    p, q = (0, net.depth) if window is None else window
    p, q = _checks.integer("window[0]", p, 0), _checks.integer("window[1]", q, 1)
    if not p < q <= net.depth:
        raise ValueError(
            f"window is ({p}, {q}), but the layers {p + 1} to {q} must be some of the {net.depth} of the network."
        )
    return p, q
