r"""Networks with a corridor: many layers between positive codes in closed form, as a few gains.

In the bottleneck a network is linear on its data. There n layers that compute M together cost at least
:math:`n\sum_i s_i(M)^{2/n}`, and layers :math:`W_l=Q_lS^{1/n}Q_{l-1}^T` reach it, where the isometries :math:`Q_l` keep
the codes positive, so that every ReLU is the identity on them. So the layers need not be stored, and neither the
function nor its price takes longer to compute when there are more of them.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..networks import Layer, Network, activations_by_rows, affine, apply, by_rows, from_layers
from ..theory.costs import squared_norm
from .orthants import negative_part, orthant_isometry

# A corridor begins at the first hidden layer whose distance from the rank is at most so many times the least one.
NEAR = 1.5
# Least number of matrices of a corridor: the first, the last, and one whose power is the growth.
SHORTEST = 3
# Logarithm of a gain that is zero in every type: its square and its powers underflow.
NO_GAIN = -500.0


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["head", "into", "growth", "out", "tail"],
    meta_fields=["length"],
)
@dataclass(frozen=True)
class Compressed:
    r"""Hold a ReLU network whose n middle layers are a corridor; ``compress`` makes one.

    .. math:: f(x)=\mathrm{tail}\bigl(\sigma(B\,e^{t}\,A\,\sigma(\mathrm{head}(x))+b)\bigr),\qquad
              e^{t}=\mathrm{diag}(g_1^{n-2},\dots,g_k^{n-2})

    The gains :math:`g_i` of the n - 2 inner matrices are stored as their total growth :math:`t_i=(n-2)\log g_i`, of
    which the function depends on nothing else, however long the corridor is.

    Attributes:
        head: network from R^d_in to R^m, whose outputs pass a ReLU.
        into: A, of shape (k, m).
        growth: t, of shape (k,).
        out: (B, b) of shapes (m', k) and (m',), whose outputs pass a ReLU.
        tail: network from R^m' to R^d_out.
        length: number n of weight matrices of the corridor, at least 3.

    Source: book.
    """

    head: Network
    into: jax.Array
    growth: jax.Array
    out: Layer
    tail: Network
    length: int

    @property
    def depth(self) -> int:
        """Number of weight matrices of the expanded network."""
        return self.head.depth + self.length + self.tail.depth


def evaluate(net: Compressed, X: Any) -> jax.Array:
    """Evaluate a compressed network at inputs X of shape (N, d_in); returns (N, d_out).

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> net = Compressed(one, jnp.eye(1), jnp.log(jnp.array([2.0])), (jnp.eye(1), jnp.zeros(1)), one, 3)
        >>> evaluate(net, [[3.0], [-3.0]]).round(6).tolist()
        [[6.0], [0.0]]

    Source: book.
    """
    code = jnp.maximum(apply(net.head, X), 0.0) @ net.into.T
    return apply(net.tail, jnp.maximum(affine(net.out, code * jnp.exp(net.growth)[None, :]), 0.0))


def price(net: Compressed) -> Any:
    r"""Return the squared norm of the expanded network.

    .. math:: \|\theta\|^2=\|\mathrm{head}\|^2+\|A\|^2+(n-2)\sum_ie^{2t_i/(n-2)}+\|B\|^2+\|b\|^2+\|\mathrm{tail}\|^2

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> float(price(Compressed(one, jnp.eye(1), jnp.zeros(1), (jnp.eye(1), jnp.zeros(1)), one, 10)))
        12.0

    Source: J23; claim linear-cost; chapter linear.
    """
    inner = net.length - 2
    ends = squared_norm(net.head) + squared_norm(net.tail) + jnp.sum(net.into**2) + sum(jnp.sum(a**2) for a in net.out)
    return ends + inner * jnp.sum(jnp.exp(2 * net.growth / inner))


def straighten(net: Compressed, depth: int | None = None) -> Compressed:
    r"""Return the network with the same function whose corridor is the cheapest one of its length.

    With :math:`M=Be^tA=USV^T` the least price of n layers is :math:`n\sum_is_i^{2/n}`, at
    :math:`A=S^{1/n}V^T`, :math:`e^t=S^{(n-2)/n}`, :math:`B=US^{1/n}`. Gains of zero are left out.

    No network does better: wherever layers with any weights and biases agree with M near one code, the product of
    their matrices and slopes is M, and its factors cost that much. Biases can only shift the code. The bias b does
    that at its price, of which biases spread over the inner layers could save a part, and no more.

    Args:
        net: a compressed network.
        depth: new number of weight matrices; None for the same.

    Raises:
        ValueError: a depth that leaves fewer than three matrices to the corridor, or a corridor that is zero.

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> net = Compressed(one, 8 * jnp.eye(1), jnp.zeros(1), (jnp.eye(1), jnp.zeros(1)), one, 3)
        >>> float(price(net)), round(float(price(straighten(net))), 6)
        (68.0, 14.0)

    Source: J23; claim linear-cost; chapter linear.
    """
    ends = net.head.depth + net.tail.depth
    n = _checks.integer("depth", net.depth if depth is None else depth, ends + SHORTEST) - ends
    dtype = net.into.dtype
    host: Compressed = jax.tree.map(lambda a: np.asarray(a, np.float64), net)
    B, b = host.out
    with np.errstate(under="ignore"):  # a gain of zero
        U, s, Vt = _svd.svd((B * np.exp(host.growth)[None, :]) @ host.into)
    rank = int(np.sum(s > _svd.tolerance(s, (len(B), host.into.shape[1]))[0]))
    if rank == 0:
        raise ValueError("The corridor is zero: no gain is left, and the function is constant.")
    U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    root = s ** (1 / n)
    parts = root[:, None] * Vt, (n - 2) / n * np.log(s), (U * root[None, :], b)
    into, growth, out = jax.tree.map(lambda a: jnp.asarray(a.astype(dtype)), parts)
    return replace(net, into=into, growth=growth, out=out, length=n)


def compress(
    net: Network,
    X: Any,
    rank: int,
    depth: int,
    *,
    place: tuple[int, int] | None = None,
    width: int | None = None,
    cut: float = 1e-9,
) -> Compressed:
    r"""Replace the middle of a network by a corridor that makes it deeper.

    From hidden layer a to hidden layer b, and with a = b between a layer and itself, the representation is replaced by
    its projection to the ``rank`` leading right singular vectors, and what the network does with it by the linear map
    that fits best. A narrow layer in front of the corridor moves the code into the positive orthant of R^m. The
    function changes by what the representations have beyond the rank, and by what is not linear between them.

    Args:
        net: a ReLU network of depth at least 3.
        X: inputs (N, d_in).
        rank: number k of gains.
        depth: number of weight matrices of the result when expanded.
        place: hidden layers (a, b), counted from 1; None for the first one that is nearly as close to the rank as
            the closest, for both.
        width: m; None for the smallest from k to 2k in whose orthant the code is found to fit.
        cut: what the orthant may cut off, relative to the longest code.

    Raises:
        ValueError: a code that does not fit, a width below the rank, a rank above that of the representation, a depth
            that is too small or below that of the start, another place, or no ReLU network of depth at least 3.

    Example:
        >>> I = jnp.eye(2)
        >>> start = from_layers([(I, None)] * 3)
        >>> net = compress(start, [[1.0, 2.0], [2.0, 1.0]], 2, 20)
        >>> net.depth, round(float(price(net)), 5), evaluate(net, [[1.0, 2.0]]).round(5).tolist()
        (20, 40.0, [[1.0, 2.0]])

    Source: J23; claim rank-sandwich; chapter rank.
    """
    if net.first is None or net.depth < 3 or net.negative_slope != 0.0:
        raise ValueError(
            "Only ReLU networks of depth at least 3 have a middle to compress, but this one has depth "
            f"{net.depth} and slope {net.negative_slope}."
        )
    X = _checks.points("X", X, net.d_in)
    rank = _checks.integer("rank", rank, 1)
    depth = _checks.integer("depth", depth, net.depth)
    if width is not None and _checks.integer("width", width, 1) < rank:
        raise ValueError(f"A corridor of width {width} is narrower than the rank {rank}: take a width of at least it.")
    _, s, Vt = _svd.svd(_svd.triangle(acts.post for acts in activations_by_rows(net, X)))
    a, b = nearest_place(s, rank) if place is None else place
    if not 1 <= a <= b < net.depth:
        raise ValueError(f"place must be hidden layers 1 <= a <= b <= {net.depth - 1}, but it is {place!r}.")
    for layer in (a, b):
        if rank > s.shape[1] or not s[layer - 1, rank - 1] > _svd.tolerance(s[layer - 1], (len(X), net.width))[0]:
            raise ValueError(
                f"The representation in hidden layer {layer} has a rank below {rank}, the number of gains."
            )
    V = [np.asarray(Vt[layer - 1, :rank], np.float64) for layer in (a, b)]
    blocks = [[acts.post[layer - 1] @ v.T.astype(s.dtype) for layer, v in zip((a, b), V, strict=True)]
              for acts in activations_by_rows(net, X)]  # fmt: skip
    codes = [np.concatenate([np.asarray(block[i], np.float64) for block in blocks]) for i in (0, 1)]
    Q = [_framed(Z, layer, width, cut) for Z, layer in zip(codes, (a, b), strict=True)]
    M = np.eye(rank) if a == b else np.linalg.lstsq(codes[0], codes[1], rcond=None)[0].T
    layers: list[Any] = _checks.on_host(net).layers
    W, bias = layers[b]
    dtype = W.dtype
    head = from_layers([*layers[:a], ((Q[0] @ V[0]).astype(dtype), None)])
    tail = from_layers([((W @ V[1].T @ Q[1].T).astype(dtype), bias), *layers[b + 1 :]])
    into, growth, B = (jnp.asarray(part.astype(dtype)) for part in (Q[0].T, np.zeros(rank), Q[1] @ M))
    least = head.depth + tail.depth + SHORTEST
    if depth < least:
        raise ValueError(f"With the corridor between hidden layers {a} and {b} the depth must be at least {least}.")
    corridor = Compressed(head, into, growth, (B, jnp.zeros(len(Q[1]), dtype)), tail, depth - least + SHORTEST)
    return straighten(corridor)


def pad(net: Compressed, rank: int, width: int) -> Compressed:
    """Add gains of zero and code neurons of zero, which change neither function nor price.

    The gains stay zero in training, and so do the neurons while no kink is smoothed.

    Args:
        net: a compressed network.
        rank: number of gains of the result.
        width: code neurons of the result before and after the corridor.

    Raises:
        ValueError: fewer gains or neurons than there are.

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> net = pad(Compressed(one, jnp.eye(1), jnp.zeros(1), (jnp.eye(1), jnp.zeros(1)), one, 10), 2, 3)
        >>> net.into.shape, float(price(net))
        ((2, 3), 12.0)

    Source: bnlib.
    """
    gains = rank - len(net.growth)
    before, after = width - net.into.shape[1], width - len(net.out[1])
    if min(gains, before, after) < 0:
        raise ValueError(
            f"rank and width must be at least {len(net.growth)} and {width - min(before, after)}, but they are {rank} "
            f"and {width}."
        )
    (*front, (W, c)), ((V, d), *back) = _checks.on_host(net.head).layers, _checks.on_host(net.tail).layers
    head = from_layers([*front, (np.pad(W, ((0, before), (0, 0))), np.pad(c, (0, before)))])
    tail = from_layers([(np.pad(V, ((0, 0), (0, after))), d), *back])
    into = jnp.pad(net.into, ((0, gains), (0, before)))
    growth = jnp.pad(net.growth, (0, gains), constant_values=NO_GAIN * (net.length - 2))
    out = jnp.pad(net.out[0], ((0, after), (0, gains))), jnp.pad(net.out[1], (0, after))
    return replace(net, head=head, into=into, growth=growth, out=out, tail=tail)


def nearest_place(s: np.ndarray, rank: int) -> tuple[int, int]:
    """Return the first hidden layer that is nearly as close to a rank as the closest, twice; lower ranks are not near.

    Args:
        s: singular values (L-1, w) of the hidden representations.
        rank: k; the distance is :math:`s_{k+1}/s_1`, at least rounding.

    Example:
        >>> nearest_place(np.array([[1.0, 0.5], [1.0, 0.13], [1.0, 0.1]]), 1)
        (2, 2)

    Source: bnlib.
    """
    beyond = s[:, rank] if rank < s.shape[1] else np.zeros(len(s), s.dtype)
    rounding = _svd.tolerance(s, s.shape)[:, 0]
    full = s[:, min(rank, s.shape[1]) - 1] > rounding
    distance = np.where(full, np.maximum(beyond, rounding) / np.where(s[:, 0] > 0, s[:, 0], 1.0), np.inf)
    layer = int(np.argmax(distance <= NEAR * np.min(distance))) + 1
    return layer, layer


def _framed(codes: np.ndarray, layer: Any, width: int | None, cut: float) -> np.ndarray:
    """Return an isometry of codes into the orthant, or say of which layer they are."""
    try:
        Q = orthant_isometry(codes, widest=width, cut=cut)
    except ValueError as error:
        raise ValueError(f"The code of hidden layer {layer} does not fit the corridor. {error}") from error
    return Q if width is None else np.pad(Q, ((0, width - len(Q)), (0, 0)))


def expand(net: Compressed, X: Any, depth: int | None = None, *, cut: float = 1e-9) -> Network:
    r"""Write every layer of a compressed network down, with the cheapest corridor of the given depth.

    .. math:: W_1=Q_1S^{1/n}V^T,\qquad W_l=Q_lS^{1/n}Q_{l-1}^T,\qquad W_n=US^{1/n}Q_{n-1}^T

    The isometries :math:`Q_l` move the codes of X into the positive orthant; they change from layer to layer only where
    the code would leave it. On X the function is that of ``net`` and the squared norm its price, to rounding.

    Args:
        net: a compressed network.
        X: inputs (N, d_in) on which the ReLUs of the corridor have to be the identity.
        depth: number of weight matrices; None for that of ``net``.
        cut: what the orthant may cut off in a layer, relative to its longest code.

    Raises:
        ValueError: a code that fits no orthant, with its layer; or a depth as for ``straighten``.

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> net = Compressed(one, jnp.eye(1), jnp.log(jnp.array([8.0])), (jnp.eye(1), jnp.zeros(1)), one, 3)
        >>> deep = expand(net, [[1.0]], 8)
        >>> deep.depth, apply(deep, [[1.0]]).round(5).tolist()
        (8, [[8.0]])

    Source: J23; claims linear-cost, rank-sandwich; chapters linear, rank.
    """
    net = straighten(net, depth)
    X = _checks.points("X", X, net.head.d_in)
    dtype = net.into.dtype
    host: Compressed = jax.tree.map(lambda a: np.asarray(a, np.float64), net)
    outputs = np.concatenate([np.asarray(apply(net.head, block), np.float64) for block in by_rows(X)])
    codes = np.maximum(outputs, 0.0) @ host.into.T
    gains = np.exp(host.growth / (net.length - 2))
    Q = _framed(codes, net.head.depth + 1, None, cut)
    layers: list[Any] = [*_checks.on_host(net.head).layers, (Q @ host.into, None)]
    for layer in range(net.head.depth + 2, net.head.depth + net.length):
        codes, before = codes * gains[None, :], Q
        if negative_part(codes, Q) > cut:
            Q = _framed(codes, layer, None, cut)
        layers.append(((Q * gains[None, :]) @ before.T, None))
    layers += [(host.out[0] @ Q.T, host.out[1]), *_checks.on_host(net.tail).layers]
    return from_layers([(W.astype(dtype), None if b is None else b.astype(dtype)) for W, b in layers])
