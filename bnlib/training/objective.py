"""What training minimises: a loss, through activations whose kink is smoothed, and the ridge; with its gradient."""

from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import _checks
from ..networks import Layer, Network
from ..theory.costs import squared_norm

Loss = Literal["squared", "cross-entropy"]


def targets(Y: Any, d_out: int, loss: Loss) -> Array:
    """Return targets as (N, d_out), or raise ValueError where the loss is unknown or cannot take them.

    Example:
        >>> targets([[0.5, 0.6]], 2, "cross-entropy")
        Traceback (most recent call last):
        ValueError: For the cross-entropy the rows of Y must be >= 0 and sum to one, but row 0 has the sum 1.1.

    Source: bnlib.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {', '.join(map(repr, get_args(Loss)))}, but it is {loss!r}.")
    if np.ndim(Y) == 1 and not _checks.is_traced(Y):
        labels = jnp.issubdtype(np.asarray(Y).dtype, np.integer)
        way = "np.eye(classes)[labels]" if labels else "Y[:, None]"
        raise ValueError(f"Y must have shape (N, {d_out}), but its shape is {np.shape(Y)}: give {way}.")
    Y = _checks.points("Y", Y, d_out)
    if loss == "cross-entropy":
        rows = np.asarray(Y, np.float64)
        least, total = rows.min(axis=1), rows.sum(axis=1)
        wrong = (least < 0) | (np.abs(total - 1) > 1e-5)
        if np.any(wrong):
            i = int(np.argmax(wrong))
            found = f"the entry {least[i]:.6g}" if least[i] < 0 else f"the sum {total[i]:.6g}"
            raise ValueError(
                f"For the cross-entropy the rows of Y must be >= 0 and sum to one, but row {i} has {found}."
            )
    return Y


def entropy(Y: Array) -> Array:
    """Return the mean entropy of rows of probabilities.

    Example:
        >>> float(entropy(jnp.array([[0.5, 0.5], [1.0, 0.0]])))
        0.34657359

    Source: bnlib.
    """
    return jnp.mean(jnp.sum(jax.scipy.special.entr(Y), axis=1))


def smoothed_objective(net: Network, X: Array, Y: Array, lam: Array, width: Array, loss: Loss = "squared") -> Array:
    """Evaluate what ``train`` minimises, with the kink smoothed over [-width, width].

    Source: bnlib.
    """
    return _risk(net, X, Y, width, loss) + lam * squared_norm(net)


@partial(jax.jit, static_argnames="loss")
def mean_loss(net: Network, X: Array, Y: Array, loss: Loss) -> Array:
    """Evaluate the mean loss of a network, without smoothing.

    Source: bnlib.
    """
    return _risk(net, X, Y, jnp.zeros(()), loss)


def entrywise(z: Array, y: Array, loss: Loss) -> tuple[Array, Array]:
    """Return what each entry of columns of outputs and targets adds to the loss, and half the derivative of the sum.

    Source: bnlib.
    """
    if loss == "squared":
        error = z - y
        return error**2, error
    return -y * jax.nn.log_softmax(z, axis=0), (jax.nn.softmax(z, axis=0) - y) / 2


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _risk(net: Network, X: Array, Y: Array, width: Array, loss: Loss) -> Array:
    """Evaluate the mean loss with the kink of the activation smoothed over [-width, width].

    Steps are bound by memory as much as by arithmetic, so the gradient is written out: data stand in columns, and
    one array per layer is kept, for the slope of the activation is a function of its value. X, Y and the width are
    constants to it.
    """
    return _risk_forward(net, X, Y, width, loss)[0]


def _risk_forward(net: Network, X: Array, Y: Array, width: Array, loss: Loss) -> tuple[Array, Any]:
    def up(h: Array, layer: Layer) -> tuple[Array, Array]:
        return _activation(_columns(layer, h), width, net.negative_slope), h

    h, inner = X.T, None
    if net.first is not None:
        h, _ = up(h, net.first)
        h, inner = lax.scan(up, h, net.hidden)
    entries, error = entrywise(_columns(net.last, h), Y.T, loss)
    return jnp.sum(entries) / len(X), (net, X, width, inner, h, error)


def _risk_backward(loss: Loss, kept: Any, seed: Array) -> tuple[Network, None, None, None]:
    net, X, width, inner, h, error = kept

    def down(g: Array, at: tuple[Layer, Array]) -> tuple[Array, Layer]:
        (W, _), h = at
        return (W.T @ g) * _slope(h, width, net.negative_slope), (g @ h.T, g.sum(1))

    g = error * (2 * seed / len(X))
    if net.first is None:
        return Network(None, None, (g @ X, g.sum(1)), net.negative_slope), None, None, None
    g, last = down(g, (net.last, h))
    g, hidden = lax.scan(down, g, (net.hidden, inner), reverse=True)
    return Network((g @ X, g.sum(1)), hidden, last, net.negative_slope), None, None, None


_risk.defvjp(_risk_forward, _risk_backward)


def _columns(layer: Layer, h: Array) -> Array:
    return layer[0] @ h + layer[1][:, None]


def _activation(z: Array, width: Array, negative_slope: float) -> Array:
    ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
    relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
    return negative_slope * z + (1.0 - negative_slope) * relu


def _slope(h: Array, width: Array, s: float) -> Array:
    """Return the derivative of the activation where its value is h; on the ramp it is the root of s + (1-s) h/width."""
    ramp = (h > -s * width) & (h < width)
    square = jnp.where(ramp, s + (1.0 - s) * h / jnp.where(width > 0, width, 1.0), 1.0)
    return jnp.where(ramp, jnp.sqrt(square), jnp.where(h > 0, 1.0, s))
