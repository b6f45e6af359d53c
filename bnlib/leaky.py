"""Residual networks with a leak as frozen pytrees: between a plain residual network and a plain deep one.

Every hidden layer forgets a share of its state, the leak, and replaces it by what its weights make of the state. The
sum of the leaks plays the part of the depth. At leak 1 in all layers these are the networks of ``networks``.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import _checks, _rounding, networks
from .networks import Layer, Network, affine


@partial(jax.tree_util.register_dataclass, data_fields=["first", "hidden", "last", "leak"], meta_fields=[])
@dataclass(frozen=True)
class LeakyNetwork:
    r"""Hold the parameters of a leaky residual network; build one with ``leaky_network``, ``from_network`` or ``init``.

    .. math:: h_0=W_{in}x+b_{in},\quad h_l=(1-\kappa_l)h_{l-1}+\kappa_l\bigl(W_l\,\sigma(h_{l-1})+b_l\bigr),\quad
              f(x)=W_{out}\,\sigma(h_N)+b_{out}

    with :math:`\sigma(z)=\max(z,0)` and leaks :math:`0<\kappa_l\le1`. The state h is a pre-activation.

    Attributes:
        first: ``(W_in, b_in)`` of shapes (w, d_in), (w,).
        hidden: ``W_1..W_N`` and biases stacked, shapes (N, w, w), (N, w).
        last: ``(W_out, b_out)`` of shapes (d_out, w), (d_out,).
        leak: the leaks, (N,).

    Example:
        >>> net = leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> apply(net, jnp.array([[1.0], [-1.0]])).tolist()
        [[2.0], [0.0]]

    Source: JK24; page notation.
    """

    first: Layer
    hidden: Layer
    last: Layer
    leak: jax.Array

    @property
    def steps(self) -> int:
        """Number N of layers with a leak."""
        return int(self.leak.shape[-1])

    @property
    def width(self) -> int:
        """Width w of the states."""
        return int(self.last[0].shape[-1])

    @property
    def d_in(self) -> int:
        """Dimension of the inputs."""
        return int(self.first[0].shape[-1])

    @property
    def d_out(self) -> int:
        """Dimension of the outputs."""
        return int(self.last[0].shape[-2])

    @property
    def effective_depth(self) -> Any:
        r"""Sum of the leaks, :math:`\tilde L=\sum_l\kappa_l`."""
        return self.leak.sum(-1)


def leaky_network(first: Any, hidden: Any, last: Any, leak: Any) -> LeakyNetwork:
    """Build a leaky residual network from its arrays.

    Args:
        first: ``(W_in, b_in)`` of shapes (w, d_in), (w,); None for a bias of zeros, here and below.
        hidden: ``(W, b)`` of shapes (N, w, w), (N, w).
        last: ``(W_out, b_out)`` of shapes (d_out, w), (d_out,).
        leak: one leak for all hidden layers, or (N,) leaks, above 0 and at most 1.

    Returns:
        The network, in float64 when any weight matrix is and x64 is on.

    Raises:
        ValueError: hidden layers that are not square, shapes that do not chain, a leak outside (0, 1], NaN or infinity.

    Example:
        >>> leaky_network((np.eye(2), None), (np.zeros((3, 2, 2)), None), (np.eye(2), None), 0.1).steps
        3

    Source: JK24; page notation.
    """
    named = [("first layer", first), ("hidden layers", hidden), ("last layer", last)]
    weights = [_checks.floating(f"W of the {name}", W) for name, (W, _) in named]
    dtype, square = jnp.result_type(*weights), weights[1].shape
    if len(square) != 3 or square[1] != square[2]:
        raise ValueError(f"The hidden layers must be square, of shape (N, w, w), but their shape is {square}.")
    _end("first layer", "(w, d_in)", weights[0].shape, 0, square[2])
    _end("last layer", "(d_out, w)", weights[2].shape, 1, square[2])
    pairs = []
    for W, (name, (_, b)) in zip(weights, named, strict=True):
        b = jnp.zeros(W.shape[:-1], dtype) if b is None else _checks.floating(f"b of the {name}", b)
        if b.shape != W.shape[:-1]:
            raise ValueError(f"b of the {name} must have shape {W.shape[:-1]}, but its shape is {b.shape}.")
        _checks.finite(f"The {name}", W, b)
        pairs.append((W.astype(dtype), b.astype(dtype)))
    first, hidden, last = _rounding.elsewhere(pairs)
    return LeakyNetwork(first, hidden, last, _leaks(leak, square[0], dtype))


def _end(name: str, wanted: str, shape: tuple[int, ...], axis: int, width: int) -> None:
    """Raise ValueError where the first or the last layer does not fit the states."""
    if len(shape) != 2 or 0 in shape or shape[axis] != width:
        raise ValueError(f"W of the {name} must have shape {wanted} with w = {width}, but its shape is {shape}.")


def _leaks(leak: Any, layers: int, dtype: Any) -> jax.Array:
    """Return the leaks as (N,), or raise ValueError."""
    leak = _checks.floating("leak", leak).astype(dtype)
    if leak.shape not in ((), (layers,)):
        raise ValueError(f"leak must be a number or have shape ({layers},), but its shape is {leak.shape}.")
    if not _checks.is_traced(leak) and not np.all((np.asarray(leak) > 0) & (np.asarray(leak) <= 1)):
        raise ValueError("Every leak must lie above 0 and be at most 1; a plain residual network has no leak.")
    return jnp.broadcast_to(leak, (layers,))


def init(key: jax.Array, d_in: int, width: int, d_out: int, leak: Any, **how: Any) -> LeakyNetwork:
    """Draw a random leaky network with zero biases, its weights as ``networks.init`` draws them.

    Args:
        key: PRNG key.
        d_in, width, d_out: dimensions.
        leak: the leaks (N,).
        how: ``scheme``, ``gain`` and ``dtype`` of ``networks.init``.

    Raises:
        ValueError: a dimension below 1, an unknown scheme, or a leak outside (0, 1].

    Example:
        >>> init(jax.random.key(0), 3, 5, 2, jnp.full(4, 0.5)).effective_depth.item()
        2.0

    Source: bnlib.
    """
    return from_network(networks.init(key, d_in, width, d_out, len(leak) + 2, **how), leak)


def from_network(net: Network, leak: Any = 1.0) -> LeakyNetwork:
    """Return a network's weights as those of a leaky network; at leak 1 it is the same function.

    Args:
        net: a ReLU network of depth N + 2, at least 2.
        leak: one leak for all hidden layers, or (N,).

    Raises:
        ValueError: a network without a hidden layer or of another activation, or a leak outside (0, 1].

    Example:
        >>> net = networks.init(jax.random.key(0), 3, 5, 2, depth=6)
        >>> from_network(net).effective_depth.item()
        4.0

    Source: bnlib.
    """
    if net.first is None or net.hidden is None or net.negative_slope:
        raise ValueError("Only a ReLU network with a hidden layer is a leaky network of leak 1.")
    return LeakyNetwork(net.first, net.hidden, net.last, _leaks(leak, net.depth - 2, net.last[0].dtype))


def to_network(net: LeakyNetwork) -> Network:
    """Return a leaky network whose leaks are all 1 as the plain network that it is.

    Raises:
        ValueError: a leak below 1.

    Example:
        >>> to_network(init(jax.random.key(0), 3, 5, 2, jnp.ones(4))).depth
        6

    Source: bnlib.
    """
    if not np.all(np.asarray(net.leak) == 1):
        raise ValueError("A network with a leak below 1 keeps part of its state, which a plain network cannot.")
    return Network(net.first, net.hidden, net.last)


class ResidualForm(NamedTuple):
    """Hold what ``residual_form`` returns: pairs of weights and biases, and the scale of the outputs."""

    first: Layer
    blocks: Layer
    last: Layer
    scale: jax.Array


def residual_form(net: LeakyNetwork) -> ResidualForm:
    r"""Return the plain residual network that is the same function, up to the scale of its outputs.

    .. math:: h'_l=h'_{l-1}+M_l\,\sigma(h'_{l-1})+c_l,\quad h'_l=\frac{h_l}{P_l},\quad
              M_l=\frac{\kappa_lW_l}{1-\kappa_l},\quad c_l=\frac{\kappa_lb_l}{P_l},\quad
              P_l=\prod_{j\le l}(1-\kappa_j)

    Its outputs are those of the leaky network divided by :math:`P_N\approx e^{-\tilde L}`: the larger the outputs of a
    plain residual network, the larger the effective depth that it has.

    Args:
        net: the network, every leak below 1.

    Returns:
        ``first``, ``blocks`` (M (N, w, w), c (N, w)), ``last``, and ``scale`` :math:`P_N`.

    Raises:
        ValueError: a leak of 1, which forgets its state.

    Example:
        >>> net = leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> form = residual_form(net)
        >>> form.blocks[0].item(), form.scale.item()  # 1 + 3 = 4, and twice f(1) = 2
        (3.0, 0.5)

    Source: JK24; claim leaky-scale; chapter leaky.
    """
    if not np.all(np.asarray(net.leak) < 1):
        raise ValueError("A layer of leak 1 forgets its state: no plain residual network does that.")
    (W, b), (V, c) = net.hidden, net.last
    P = jnp.cumprod(1 - net.leak)
    M = (net.leak / (1 - net.leak))[:, None, None] * W
    return ResidualForm(net.first, (M, (net.leak / P)[:, None] * b), (V, c / P[-1]), P[-1])


def rectify(z: Any, smoothing: Any = 0.0) -> jax.Array:
    r"""Return :math:`\max(z,0)`, or a parabola from 0 to it over :math:`[-s,s]`, s the smoothing.

    Example:
        >>> rectify(jnp.array([-1.0, 0.0, 2.0]), 1.0).tolist()
        [0.0, 0.25, 2.0]

    Source: bnlib.
    """
    ramp = (z + smoothing) ** 2 / jnp.where(smoothing > 0, 4 * smoothing, 1.0)
    return jnp.where(z > smoothing, z, jnp.where(z > -smoothing, ramp, 0.0))


def states(net: LeakyNetwork, X: Any, smoothing: Any = 0.0) -> jax.Array:
    """Return the states h_0..h_N at inputs X of shape (n, d_in), as (N + 1, n, w).

    Args:
        net: the network.
        X: inputs (n, d_in).
        smoothing: half-width of the smoothed kink of the activation; 0 for ReLU.

    Raises:
        ValueError: X of another shape, or with NaN or infinity.

    Example:
        >>> net = leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> states(net, jnp.array([[1.0]]))[:, 0, 0].tolist()
        [1.0, 2.0]

    Source: JK24; page notation.
    """
    X = _checks.points("X", X, net.d_in).astype(net.last[0].dtype)
    return _states(net, X, jnp.asarray(smoothing, X.dtype))


@jax.jit
def _states(net: LeakyNetwork, X: jax.Array, smoothing: jax.Array) -> jax.Array:
    def step(h: jax.Array, at: tuple[Layer, jax.Array]) -> tuple[jax.Array, jax.Array]:
        layer, leak = at
        h = (1 - leak) * h + leak * affine(layer, rectify(h, smoothing))
        return h, h

    start = affine(net.first, X)
    _, others = lax.scan(step, start, (net.hidden, net.leak))
    return jnp.concatenate([start[None], others])


def apply(net: LeakyNetwork, X: Any, smoothing: Any = 0.0) -> jax.Array:
    """Evaluate the network at inputs X of shape (n, d_in); returns (n, d_out).

    Args:
        net: the network.
        X: inputs (n, d_in).
        smoothing: half-width of the smoothed kink of the activation; 0 for ReLU.

    Raises:
        ValueError: X of another shape, or with NaN or infinity.

    Example:
        >>> apply(leaky_network(([[2.0]], None), ([[[1.0]]], None), ([[1.0]], [1.0]), 0.5), jnp.array([[3.0]])).tolist()
        [[7.0]]

    Source: JK24; page notation.
    """
    h = states(net, X, smoothing)[-1]
    return affine(net.last, rectify(h, jnp.asarray(smoothing, h.dtype)))


def jacobian(net: LeakyNetwork, x: Any) -> jax.Array:
    r"""Return the product :math:`J=W_{out}D_N\,T_N\cdots T_1\,W_{in}`, :math:`T_l=(1-\kappa_l)I+\kappa_lW_lD_{l-1}`.

    It is the Jacobian of the network wherever no state is zero; the certificates hold for the product.

    Args:
        net: the network.
        x: one input (d_in,) or a batch (n, d_in).

    Returns:
        (d_out, d_in), or (n, d_out, d_in) for a batch.

    Example:
        >>> net = leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> jacobian(net, jnp.array([1.0])).tolist()
        [[2.0]]

    Source: JK24; page notation.
    """
    x = _checks.floating("x", x)
    X = _checks.points("x", jnp.atleast_2d(x), net.d_in)
    J = _jacobian(net, X.astype(net.last[0].dtype))
    return J[0] if x.ndim == 1 else J


@jax.jit
def _jacobian(net: LeakyNetwork, X: jax.Array) -> jax.Array:
    differentiate = jax.jacfwd if net.d_in <= net.d_out else jax.jacrev
    return jax.vmap(differentiate(lambda v: apply(net, v[None])[0]))(X)


def action(net: LeakyNetwork) -> Any:
    r"""Return :math:`A(\theta)=\|\theta_{in}\|^2+\|\theta_{out}\|^2+\sum_l\kappa_l(\|W_l\|_F^2+\|b_l\|^2)`.

    Weights and biases count alike. At leak 1 it is the squared norm of the parameters.

    Example:
        >>> action(leaky_network(([[1.0]], None), ([[[3.0]]], [[1.0]]), ([[2.0]], None), 0.5)).item()
        10.0

    Source: JK24; page notation.
    """
    ends = sum((part * part).sum() for part in (*net.first, *net.last))
    W, b = net.hidden
    return ends + (net.leak * ((W * W).sum((-2, -1)) + (b * b).sum(-1))).sum()
