"""Networks and matrices drawn at random, on which theorems are checked and attacked."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..networks import Network, from_layers


def random_matrix(rng: np.random.Generator, values: Any, rows: int, columns: int) -> np.ndarray:
    r"""Draw a matrix :math:`U\,\mathrm{diag}(s)\,V^T` with given singular values and random frames U and V.

    Args:
        rng: the random numbers.
        values: the non-zero singular values s, of shape (r,).
        rows: m >= r.
        columns: n >= r.

    Returns:
        The matrix, (m, n).

    Raises:
        ValueError: more singular values than rows or columns.

    Example:
        >>> A = random_matrix(np.random.default_rng(0), [3.0, 1.0], 4, 5)
        >>> np.linalg.svd(A, compute_uv=False).round(9) + 0
        array([3., 1., 0., 0.])

    Source: bnlib.
    """
    s = np.asarray(values, float)
    if len(s) > min(rows, columns):
        raise ValueError(f"A matrix of {rows} rows and {columns} columns has no {len(s)} singular values.")
    U, V = (np.linalg.qr(rng.normal(size=(d, len(s))))[0] for d in (rows, columns))
    return U * s @ V.T


def random_network(
    rng: np.random.Generator, widths: Sequence[int], *, bias: float = 0.3, negative_slope: float = 0.0
) -> Network:
    r"""Draw a network whose signals stay of order one: weights of variance :math:`2/((1+s^2)n)` for n inputs.

    Args:
        rng: the random numbers.
        widths: widths of the representations, from that of the inputs to that of the outputs.
        bias: standard deviation of the biases.
        negative_slope: slope s of the activation on negative numbers.

    Raises:
        ValueError: fewer than two widths, or widths that differ between hidden layers; see ``from_layers``.

    Example:
        >>> random_network(np.random.default_rng(0), (3, 8, 8, 2)).depth
        3

    Source: bnlib.
    """
    if len(widths) < 2:
        raise ValueError(f"widths must name inputs and outputs at least, but they are {tuple(widths)}.")
    gain = (2 / (1 + negative_slope**2)) ** 0.5
    layers = []
    for before, after in pairwise(widths):
        W = gain * rng.normal(size=(after, before)) / max(before, 1) ** 0.5
        layers.append((W, bias * rng.normal(size=after)))
    return from_layers(layers, negative_slope=negative_slope)


def random_ensemble(rng: np.random.Generator, count: int, widths: Sequence[int], *, bias: float = 0.3) -> Network:
    r"""Draw networks of equal hidden widths and of gains between 1/2 and 2, stacked into one.

    Args:
        rng: the random numbers.
        count: number of networks.
        widths: widths of the representations; the hidden ones are equal, and there are at least two.
        bias: standard deviation of the biases.

    Returns:
        A network whose arrays have a leading axis of length count.

    Raises:
        ValueError: hidden widths that differ, or fewer than three layers.

    Example:
        >>> random_ensemble(np.random.default_rng(0), 5, (3, 8, 8, 2)).first[0].shape
        (5, 8, 3)

    Source: bnlib.
    """
    _checks.integer("count", count, 1)
    if len(widths) < 4 or len(set(widths[1:-1])) > 1:
        raise ValueError(f"An ensemble needs two hidden layers or more, of one width, but widths are {tuple(widths)}.")
    gain = np.exp(rng.uniform(-0.7, 0.7, size=count))[:, None]
    layers: list[Any] = []
    for before, after in pairwise(widths):
        W = gain[:, None] * rng.normal(scale=(2 / before) ** 0.5, size=(count, after, before))
        layers.append((W, bias * rng.normal(size=(count, after))))
    first, *hidden, last = layers
    between: Any = tuple(np.stack(part, axis=1) for part in zip(*hidden, strict=True))
    return Network(first, between, last)


def random_like(net: Network, key: Any) -> Network:
    """Draw a Gaussian network that has the norms of a given one, weights and biases of every layer apart.

    It is the usual negative control: as large as the trained network, layer by layer, but of no structure.

    Args:
        net: the network.
        key: the random key.

    Returns:
        A network of the same shape.

    Example:
        >>> from bnlib import init
        >>> net = random_like(init(jax.random.key(0), 3, 8, 2, 4), jax.random.key(1))
        >>> net.width
        8

    Source: bnlib.
    """

    def of_same_norm(a: Any, key: Any) -> Any:
        noise = jax.random.normal(key, a.shape, a.dtype)
        return noise * jnp.linalg.norm(a) / jnp.linalg.norm(noise)

    pairs = zip(net.layers, jax.random.split(key, (net.depth, 2)), strict=True)
    layers = [(of_same_norm(W, keys[0]), of_same_norm(b, keys[1])) for (W, b), keys in pairs]
    return from_layers(layers, negative_slope=net.negative_slope)
