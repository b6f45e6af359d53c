"""Deep fully-connected networks as frozen pytrees of stacked arrays.

A network of depth L has L weight matrices. Hidden layers are zero-padded to one width (a neuron of zeros
changes neither the function nor the norm), so that ``lax.scan`` runs over depth and ``vmap`` over ensembles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import _checks, _rounding, _svd

Layer = tuple[jax.Array, jax.Array]
ROWS = 2048


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["first", "hidden", "last"],
    meta_fields=["negative_slope"],  # part of the function, not a parameter: never traced or differentiated
)
@dataclass(frozen=True)
class Network:
    r"""Hold the parameters of a ReLU network; build one with ``init`` or ``from_layers``.

    .. math:: \tilde\alpha_l = W_l\,\alpha_{l-1} + b_l,\quad \alpha_l=\sigma(\tilde\alpha_l)\ (l<L),\quad
              f_\theta(x)=\tilde\alpha_L

    with :math:`\sigma(z)=\max(z, 0) + s\min(z, 0)`, where s is ``negative_slope``: 0 is ReLU, 1 a linear network.

    Attributes:
        first: ``(W_1, b_1)`` of shapes (width, d_in), (width,); None at depth 1.
        hidden: ``W_2..W_{L-1}`` and biases stacked, shapes (L-2, width, width), (L-2, width); None at depth 1.
        last: ``(W_L, b_L)`` of shapes (d_out, width), (d_out,).
        negative_slope: slope s of the activation on negative numbers, between 0 and 1.

    Example:
        >>> net = from_layers([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])])
        >>> net.depth, net.width, [float(v) for v in apply(net, jnp.array([[-3.0], [2.0]]))[:, 0]]
        (2, 2, [3.0, 2.0])

    Source: book; page notation.
    """

    first: Layer | None
    hidden: Layer | None
    last: Layer
    negative_slope: float = field(default=0.0)

    @property
    def depth(self) -> int:
        """Number L of weight matrices."""
        return 1 if self.hidden is None else 2 + int(self.hidden[0].shape[-3])

    @property
    def width(self) -> int:
        """Common (padded) width of the hidden layers; d_in at depth 1."""
        return int(self.last[0].shape[-1])

    @property
    def d_in(self) -> int:
        """Dimension of the inputs."""
        return int((self.last if self.first is None else self.first)[0].shape[-1])

    @property
    def d_out(self) -> int:
        """Dimension of the outputs."""
        return int(self.last[0].shape[-2])

    @property
    def layers(self) -> list[Layer]:
        """The pairs ``(W_l, b_l)`` for l = 1..L, padded as stored."""
        if self.first is None or self.hidden is None:
            return [self.last]
        hidden: tuple[Any, Any] = _checks.on_host(self.hidden)
        if isinstance(self.hidden[0], jax.Array) and not _checks.is_traced(hidden):
            with jax.enable_x64(True):  # keeps float64 where the session's default is 32 bits
                hidden = ([jnp.asarray(W) for W in hidden[0]], [jnp.asarray(b) for b in hidden[1]])
        return [self.first, *zip(*hidden, strict=True), self.last]


class Activations(NamedTuple):
    """Hold what ``activations`` returns: arrays over hidden layers l = 1..L-1, inputs, neurons."""

    pre: jax.Array
    post: jax.Array
    output: jax.Array


def from_layers(layers: Sequence[tuple[Any, Any]], *, negative_slope: float = 0.0) -> Network:
    """Build a network from ``[(W_1, b_1), ..., (W_L, b_L)]``, zero-padding the hidden layers to one width.

    Args:
        layers: W_l of shape (w_l, w_{l-1}) and b_l of shape (w_l,); None for b_l means a zero bias.
        negative_slope: slope of the activation on negative numbers (0 for ReLU, 1 for a linear network).

    Returns:
        The network, in float64 when any weight matrix is and x64 is on.

    Raises:
        ValueError: no layer, shapes that do not chain, NaN or infinity, or a slope outside [0, 1].

    Example:
        >>> from_layers([(jnp.eye(3), None)]).depth
        1

    Source: book; page notation.
    """
    if not layers:
        raise ValueError("layers must hold at least one (W, b) pair: a network has depth >= 1.")
    if not 0.0 <= negative_slope <= 1.0:
        raise ValueError(f"negative_slope must lie in [0, 1], but it is {negative_slope!r}.")
    xp = jnp if _checks.is_traced(layers) else np
    Ws = [xp.asarray(_checks.matrix(f"W of layer {i}", W)) for i, (W, _) in enumerate(layers, 1)]
    dtype = jnp.result_type(*Ws)
    bs = []
    for i, (W, (_, b)) in enumerate(zip(Ws, layers, strict=True), 1):
        b = xp.zeros(W.shape[0], dtype) if b is None else xp.asarray(_checks.floating(f"b of layer {i}", b))
        if b.shape != W.shape[:1]:
            raise ValueError(f"b of layer {i} must have shape ({W.shape[0]},), but its shape is {b.shape}.")
        if i > 1 and W.shape[1] != Ws[i - 2].shape[0]:
            raise ValueError(
                f"W of layer {i} has shape {W.shape}, so layer {i - 1} must have {W.shape[1]} neurons, "
                f"but it has {Ws[i - 2].shape[0]}."
            )
        _checks.finite(f"b of layer {i}", b)
        bs.append(b.astype(dtype))
    Ws, bs = _rounding.elsewhere(([W.astype(dtype) for W in Ws], bs))
    if len(Ws) == 1:
        return Network(None, None, (jnp.asarray(Ws[0]), jnp.asarray(bs[0])), float(negative_slope))
    width = max(W.shape[0] for W in Ws[:-1])
    grow = [width - W.shape[0] for W in Ws[:-1]] + [0]
    Ws = [xp.pad(W, ((0, g), (0, h))) for W, g, h in zip(Ws, grow, [0, *grow], strict=False)]
    bs = [xp.pad(b, (0, g)) for b, g in zip(bs, grow, strict=True)]
    middle = (
        xp.stack(Ws[1:-1]) if len(Ws) > 2 else xp.zeros((0, width, width), dtype),
        xp.stack(bs[1:-1]) if len(Ws) > 2 else xp.zeros((0, width), dtype),
    )
    first, middle, last = jax.tree.map(jnp.asarray, ((Ws[0], bs[0]), middle, (Ws[-1], bs[-1])))
    return Network(first, middle, last, float(negative_slope))


def init(
    key: jax.Array,
    d_in: int,
    width: int,
    d_out: int,
    depth: int,
    *,
    scheme: str = "orthogonal",
    gain: float = 2**0.5,
    negative_slope: float = 0.0,
    dtype: Any = None,
) -> Network:
    """Draw a random network with zero biases.

    ``orthogonal`` draws every W_l as ``gain`` times a (semi-)orthogonal matrix; ``he`` draws independent
    normal entries of variance ``gain**2 / w_{l-1}``.

    Args:
        key: PRNG key.
        d_in, width, d_out: dimensions.
        depth: number of weight matrices, at least 1.
        scheme: ``"orthogonal"`` or ``"he"``.
        gain: scale of the weights.
        negative_slope: slope of the activation on negative numbers.
        dtype: floating type; the default float type when None.

    Raises:
        ValueError: a dimension or depth below 1, or an unknown scheme.

    Example:
        >>> init(jax.random.key(0), 3, 5, 2, depth=4).depth
        4

    Source: bnlib.
    """
    sizes = {"d_in": d_in, "width": width, "d_out": d_out, "depth": depth}
    d_in, width, d_out, depth = (_checks.integer(name, v, 1) for name, v in sizes.items())
    if scheme not in ("orthogonal", "he"):
        raise ValueError(f"scheme must be 'orthogonal' or 'he', but it is {scheme!r}.")
    dtype = jnp.result_type(float) if dtype is None else dtype
    draw = _orthogonal if scheme == "orthogonal" else _independent
    shapes = [(width, d_in)] + [(width, width)] * (depth - 2) + [(d_out, width)] if depth > 1 else [(d_out, d_in)]
    keys = jax.random.split(key, depth)
    layers = [(gain * draw(k, s, dtype), jnp.zeros(s[0], dtype)) for k, s in zip(keys, shapes, strict=True)]
    return from_layers(layers, negative_slope=negative_slope)


def _orthogonal(key: jax.Array, shape: tuple[int, int], dtype: Any) -> Any:
    """Draw a matrix with orthonormal rows or columns, from the uniform distribution on these."""
    Q, R = _svd.qr(jax.random.normal(key, (max(shape), min(shape)), dtype))
    Q = Q * jnp.sign(jnp.diagonal(R))[None, :]
    return Q.T if shape[0] < shape[1] else Q


def _independent(key: jax.Array, shape: tuple[int, int], dtype: Any) -> jax.Array:
    return jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal", in_axis=-1, out_axis=-2)(key, shape, dtype)


def fold_layers(step: Callable[..., Any], carry: Any, net: Network, extras: Any = None) -> tuple[Any, Any]:
    """Run ``carry, out = step(carry, (W_l, b_l), extra_l)`` over the hidden layers l = 1..L-1.

    The first layer is stepped alone because its shape differs; the rest is one ``lax.scan``.

    Args:
        step: function of the carry, a layer and that layer's extra.
        carry: start value; its shapes may change at the first layer and then stay.
        net: the network.
        extras: pytree of arrays with leading axis L-1, or None.

    Returns:
        The last carry and the outputs with leading axis L-1 (None at depth 1).
    """
    if net.first is None:
        return carry, None
    carry, out = step(carry, net.first, jax.tree.map(lambda a: a[0], extras))
    carry, outs = lax.scan(lambda c, s: step(c, s[0], s[1]), carry, (net.hidden, jax.tree.map(lambda a: a[1:], extras)))
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), out, outs)


def fold_layers_back(step: Callable[..., Any], carry: Any, net: Network, extras: Any = None) -> tuple[Any, Any]:
    """Run ``carry, out = step(carry, (W_{l+1}, b_{l+1}), extra_l)`` for l = L-1 down to 1; see ``fold_layers``."""
    if net.first is None:
        return carry, None
    carry, out = step(carry, net.last, jax.tree.map(lambda a: a[-1], extras))
    carry, outs = lax.scan(
        lambda c, s: step(c, s[0], s[1]),
        carry,
        (net.hidden, jax.tree.map(lambda a: a[:-1], extras)),
        reverse=True,
    )
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([b, a[None]]), out, outs)


def affine(layer: Layer, h: jax.Array) -> jax.Array:
    """Return the pre-activations W h + b of a batch h (N, w)."""
    return h @ layer[0].T + layer[1][None, :]


def sigma(net: Network, z: jax.Array) -> jax.Array:
    """Apply the network's activation; its derivative at 0 is taken to be the negative slope."""
    return jnp.where(z > 0, z, net.negative_slope * z)


def slopes(net: Network, pre: jax.Array) -> jax.Array:
    """Return the diagonal of D_l at pre-activations: 1 where positive, the negative slope elsewhere."""
    return jnp.where(pre > 0, jnp.ones_like(pre), jnp.full_like(pre, net.negative_slope))


def apply(net: Network, X: Any) -> jax.Array:
    """Evaluate the network at inputs X of shape (N, d_in); returns (N, d_out).

    Raises:
        ValueError: X of another shape, or with NaN or infinity.

    Example:
        >>> apply(from_layers([([[2.0]], [1.0])]), jnp.array([[3.0]])).tolist()
        [[7.0]]

    Source: book; page notation.
    """
    return _apply(net, _checks.points("X", X, net.d_in))


@jax.jit
def _apply(net: Network, X: jax.Array) -> jax.Array:
    X = X.astype(net.last[0].dtype)
    h, _ = fold_layers(lambda h, layer, _: (sigma(net, affine(layer, h)), None), X, net)
    return affine(net.last, h)


def activations(net: Network, X: Any) -> Activations:
    """Return pre-activations, activations and outputs at inputs X of shape (N, d_in).

    Returns:
        ``Activations(pre, post, output)``: pre and post have shape (L-1, N, width) for l = 1..L-1, output
        (N, d_out). The input itself is layer 0 and is not repeated.

    Example:
        >>> net = from_layers([([[1.0], [-1.0]], None), ([[1.0, 1.0]], None)])
        >>> activations(net, jnp.array([[2.0]])).pre.tolist()
        [[[2.0, -2.0]]]

    Source: book; page notation.
    """
    return _activations(net, _checks.points("X", X, net.d_in))


@jax.jit
def _activations(net: Network, X: jax.Array) -> Activations:
    X = X.astype(net.last[0].dtype)

    def step(h: jax.Array, layer: Layer, _: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        pre = affine(layer, h)
        post = sigma(net, pre)
        return post, (pre, post)

    h, both = fold_layers(step, X, net)
    pre, post = both if both is not None else (jnp.zeros((0, len(X), net.width), X.dtype),) * 2
    return Activations(pre, post, affine(net.last, h))


def each(net: Network, measure: Callable[..., Any], X: Any) -> Any:
    """Return ``measure(net, X)``, or that of every network of an ensemble, stacked along a leading axis, with its X."""
    return measure(net, X) if net.last[0].ndim == 2 else jax.vmap(measure)(net, X)


def by_rows(X: Any) -> Iterator[Any]:
    """Yield inputs in blocks of at most ROWS, so that no more than a block's activations are held at a time."""
    return (X[start : start + ROWS] for start in range(0, len(X), ROWS))


def activations_by_rows(net: Network, X: Any) -> Iterator[Activations]:
    """Yield the activations of inputs X of shape (N, d_in) in blocks of at most ROWS inputs."""
    return (activations(net, block) for block in by_rows(_checks.points("X", X, net.d_in)))


def in_float64(measure: Callable[..., Any], net: Network, X: Any) -> Iterator[Any]:
    """Yield ``measure(net, block)`` in float64 for blocks of inputs X (N, d_in), as they were given.

    Only a block at a time becomes float64, so that a million inputs need no second and wider copy.
    """
    _svd.untraced(net, X)
    with jax.enable_x64(True):  # what is given in 64 bits keeps them
        rows = np.asarray(_checks.points("X", X, net.d_in))
    return map(partial(_checks.float64(measure), net), by_rows(rows))


def jacobian(net: Network, x: Any) -> jax.Array:
    r"""Return the product :math:`J(x) = W_L D_{L-1} W_{L-1}\cdots D_1 W_1`.

    It is the Jacobian of the network wherever no pre-activation is zero. At a kink it may differ from it, but
    every certificate of the book holds for the product.

    Args:
        net: the network.
        x: one input (d_in,) or a batch (N, d_in).

    Returns:
        (d_out, d_in), or (N, d_out, d_in) for a batch.

    Example:
        >>> jacobian(from_layers([([[2.0]], None), ([[3.0]], None)]), jnp.array([1.0])).tolist()
        [[6.0]]

    Source: book; chapter cost; page notation.
    """
    x = _checks.floating("x", x)
    X = _checks.points("x", jnp.atleast_2d(x), net.d_in)
    J = _jacobian(net, X)
    return J[0] if x.ndim == 1 else J


@jax.jit
def _jacobian(net: Network, X: jax.Array) -> jax.Array:
    differentiate = jax.jacfwd if net.d_in <= net.d_out else jax.jacrev
    return jax.vmap(differentiate(lambda v: _apply(net, v[None])[0]))(X)
