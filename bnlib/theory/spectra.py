"""Singular values of weights and representations, layer by layer, and the rank they show."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..networks import Network, activations, in_float64, slopes


class BottleneckRank(NamedTuple):
    """Hold what ``bottleneck_rank`` returns."""

    rank: int
    gap: float
    decided: bool


def singular_values(A: Any) -> np.ndarray:
    """Return the singular values of a matrix, or of a stack of matrices, decreasing.

    They come from NumPy's LAPACK: JAX's own are NaN for some finite matrices of low rank with tiny columns.

    Args:
        A: (..., m, n).

    Returns:
        (..., min(m, n)), in the type of A.

    Raises:
        ValueError: NaN or infinity, no matrix, or a call inside of jit, vmap or grad.

    Example:
        >>> singular_values([[3.0, 4.0], [0.0, 0.0]]).tolist()
        [5.0, 0.0]

    Source: bnlib.
    """
    A = _checks.floating("A", A)
    if A.ndim < 2 or 0 in A.shape[-2:]:
        raise ValueError(f"A must be a non-empty matrix or a stack of such, but its shape is {A.shape}.")
    _checks.finite("A", A)
    return _svd.values(A)


@_checks.float64
def weight_singular_values(net: Network) -> np.ndarray:
    """Return the singular values of every weight matrix, decreasing, one row per layer.

    Returns:
        (L, m) float64, m the largest number of singular values of a layer; shorter rows end in zeros.

    Example:
        >>> from bnlib import from_layers
        >>> weight_singular_values(from_layers([([[3.0, 4.0]], None), ([[2.0]], None)])).tolist()
        [[5.0], [2.0]]

    Source: J23; claim weights-corollary; chapter weights.
    """
    rows = [_svd.values(W) for W in _stacks(net)]
    m = max(s.shape[-1] for s in rows)
    return np.concatenate([np.pad(s, ((0, 0), (0, m - s.shape[-1]))) for s in rows])


def _stacks(net: Network) -> list[jax.Array]:
    """Return the weights as stacks (n_layers, rows, columns) of equal shape."""
    if net.first is None or net.hidden is None:
        return [net.last[0][None]]
    return [net.first[0][None], net.hidden[0], net.last[0][None]]


def representation_singular_values(net: Network, X: Any, *, pre: bool = False) -> np.ndarray:
    r"""Return the singular values of the hidden representations :math:`A_l/\sqrt N`, one row per hidden layer.

    The matrices are not centred: the theory counts the dimension of the span, mean included.

    Args:
        net: the network.
        X: inputs (N, d_in).
        pre: use the pre-activations instead of the activations.

    Returns:
        (L-1, min(N, width)) float64, decreasing.

    Example:
        >>> from bnlib import from_layers
        >>> representation_singular_values(from_layers([([[2.0]], None), ([[1.0]], None)]), [[1.0], [1.0]]).round(9)
        array([[2.]])

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    blocks = (acts.pre if pre else acts.post for acts in in_float64(activations, net, X))
    return _svd.values(_svd.triangle(blocks)) / np.sqrt(len(X))


def nonlinearity_ratio(net: Network, X: Any) -> np.ndarray:
    r"""Return :math:`\|\tilde Z_l-A_l\|_F/\|\tilde Z_l\|_F` per hidden layer: how much the activation changes.

    Args:
        net: the network.
        X: inputs (N, d_in).

    Returns:
        (L-1,) float64 between 0 (the layer acts as a linear one) and 1; 0 where all pre-activations vanish.

    Example:
        >>> from bnlib import from_layers
        >>> nonlinearity_ratio(from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)]), [[1.0]]).round(6)
        array([0.707107])

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    parts = ((acts.pre - acts.post, acts.pre) for acts in in_float64(activations, net, X))
    change, size = np.linalg.norm([[np.linalg.norm(A, axis=(1, 2)) for A in pair] for pair in parts], axis=0)
    return np.divide(change, size, out=np.zeros_like(size), where=size > 0)


def bottleneck_rank(net: Network, X: Any) -> BottleneckRank:
    r"""Read the bottleneck rank off the middle third of the layers, with its gap, or say "undecided".

    The rank k whose partial isometry is nearest to W_l, the minimiser of
    :math:`\sum_i (s_i(W_l)-1[i\le k])^2`, is the number of singular values above 1/2. The rank returned is the
    most common one over the middle third of the layers (the smallest of equals). It is decided when all middle
    layers agree, when the smallest gap :math:`s_k-s_{k+1}` there is at least 1/2, and when some middle
    representation of X lies within a tenth of its norm of a k-dimensional space. These thresholds are this book's own.

    Args:
        net: a network of depth at least 3.
        X: inputs (N, d_in).

    Returns:
        ``(rank, gap, decided)``.

    Raises:
        ValueError: depth below 3, which has no middle.

    Example:
        >>> from bnlib import from_layers
        >>> I = jnp.eye(2)
        >>> bottleneck_rank(from_layers([(I, None)] * 4), [[1.0, 2.0], [2.0, 1.0]])
        BottleneckRank(rank=2, gap=1.0, decided=True)

    Source: J22, J23; claims weights-corollary, low-dim-features; chapters weights, features.
    """
    return rank_of_spectra(weight_singular_values(net), representation_singular_values(net, X))


def rank_of_spectra(weights: np.ndarray, representations: np.ndarray) -> BottleneckRank:
    """Decide the bottleneck rank, as ``bottleneck_rank`` does, from singular values that are known already.

    Args:
        weights: (L, m) from ``weight_singular_values``.
        representations: (L-1, n) from ``representation_singular_values``.

    Raises:
        ValueError: depth below 3, which has no middle, or NaN or infinity in a spectrum.

    Example:
        >>> rank_of_spectra(np.ones((4, 2)), np.ones((3, 2)))
        BottleneckRank(rank=2, gap=1.0, decided=True)

    Source: J22, J23; claims weights-corollary, low-dim-features; chapters weights, features.
    """
    if len(weights) < 3:
        raise ValueError(f"The bottleneck rank is read in the middle layers; depth {len(weights)} has none.")
    _checks.finite("Spectra", weights, representations)
    layers = middle(len(weights))
    s = np.pad(weights, ((0, 0), (0, 1)))[layers]
    counts = np.sum(s > 0.5, axis=1)
    rank = int(np.argmax(np.bincount(counts)))
    gap = float(np.min(s[:, rank - 1] - s[:, rank])) if rank else float(1 - np.max(s[:, 0]))
    sigma = representations[[i for i in layers if i < len(representations)]]
    size = np.linalg.norm(sigma, axis=1)
    off = np.divide(np.linalg.norm(sigma[:, rank:], axis=1), size, out=np.zeros_like(size), where=size > 0)
    return BottleneckRank(rank, gap, bool(np.all(counts == rank) and gap >= 0.5 and np.min(off) <= 0.1))


def middle(depth: int) -> list[int]:
    """Return the indices (from 0) of the middle third of the layers of a network of the given depth.

    Example:
        >>> middle(12)
        [4, 5, 6, 7]

    Source: bnlib.
    """
    return list(range(depth // 3, depth - depth // 3))


@_checks.float64
def pseudo_determinant(A: Any, k: int | None = None, *, log: bool = False) -> float:
    r"""Return the product of the k largest singular values; of all non-zero ones when k is None.

    Args:
        A: matrix.
        k: how many singular values; None for the numerical rank.
        log: return the logarithm, which neither overflows nor underflows.

    Raises:
        ValueError: k above the numerical rank, or k None and the rank undecided.

    Example:
        >>> round(pseudo_determinant([[2.0, 0.0], [0.0, 0.0]]), 12)
        2.0

    Source: book; page notation.
    """
    A = _checks.matrix("A", A)
    rank, gap, decided = _svd.numerical_rank(A)
    if k is None and not decided:
        raise ValueError(f"The rank of A is undecided (gap {gap:.1f}); pass k, the number of singular values wanted.")
    k = rank if k is None else _checks.integer("k", k, 1)
    if k > rank:
        raise ValueError(f"k is {k}, but the numerical rank of A is {rank}.")
    value = float(jnp.sum(jnp.log(_svd.values(A)[:k])))
    return value if log else float(np.exp(value))


@_checks.float64
def partial_log_products(net: Network, X: Any) -> np.ndarray:
    r"""Return :math:`A_l=\log|W_lD_{l-1}W_{l-1}\cdots D_1W_1|_k` for every k: how far the first l layers carry volumes.

    The product is the Jacobian of the l-th pre-activation, and the logarithm is that of its k largest singular values.

    Args:
        net: the network.
        X: inputs (N, d_in).

    Returns:
        (N, L+1, m) float64 with the entries k = 1..m, m = min(d_in, d_out, width), and zeros for l = 0; minus infinity
        where the rank is below k.

    Example:
        >>> from bnlib import from_layers
        >>> partial_log_products(from_layers([([[2.0]], None), ([[3.0]], None)]), [[1.0]])[0, :, 0].round(6)
        array([0.      , 0.693147, 1.791759])

    Source: book; claim balanced-profile; chapter weights.
    """
    X = _checks.points("X", X, net.d_in)
    D = np.asarray(slopes(net, activations(net, X).pre))
    J, found = np.broadcast_to(np.eye(net.d_in), (len(X), net.d_in, net.d_in)), []
    for i, (W, _) in enumerate(net.layers):
        J = np.asarray(W) @ (D[i - 1][:, :, None] * J if i else J)
        s = _svd.values(J)
        found.append(np.cumsum(np.log(s, where=s > 0, out=np.full_like(s, -np.inf)), axis=1))
    m = min(A.shape[1] for A in found)
    return np.stack([np.zeros((len(X), m)), *(A[:, :m] for A in found)], axis=1)


@_checks.float64
def participation_ratio(A: Any) -> np.ndarray:
    r"""Return :math:`(\sum_is_i^2)^2/\sum_is_i^4`, the number of equal singular values that would be as spread out.

    Args:
        A: a matrix (m, n), or a stack of matrices (..., m, n).

    Returns:
        (...) between 1 and min(m, n); 0 for a matrix of zeros.

    Example:
        >>> float(participation_ratio(np.diag([3.0, 3.0, 0.0])))
        2.0

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    squares = singular_values(A) ** 2
    total = np.sum(squares, axis=-1)
    # Relative to the sum, so that small matrices do not underflow.
    shares = np.divide(squares, total[..., None], out=np.zeros_like(squares), where=total[..., None] > 0)
    spread = np.sum(shares**2, axis=-1)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
