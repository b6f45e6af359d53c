"""How far a network is from a stationary point of the ridge objective, measured where the gradient cannot vanish.

Training data come to lie exactly on kinks of the trained function. There the objective has no gradient: autodiff
returns one element of the generalised (Clarke) gradient, and that element stays away from zero even at a minimum. What
vanishes at a minimum is the shortest element.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

from .. import _checks
from ..networks import Layer, Network, activations, affine, fold_layers
from ..theory.costs import optimality_gap, squared_norm
from .objective import Loss, entrywise, targets
from .outcome import relative_imbalance
from .phases import quasi_newton

# Most rounds of L-BFGS in ``stationary_point``, and the relative gradient at which they end.
ROUNDS, STILL = 40, 1e-9


class Stationarity(NamedTuple):
    r"""Hold what ``stationarity`` returns; the first two are relative to :math:`2\lambda\|\theta\|`.

    For a network of zeros they are absolute.

    Attributes:
        gradient: norm of the gradient that autodiff returns.
        clarke: norm of the shortest gradient found over slopes in [0, 1] at the kinks. Where no input lies on kinks of
            two layers these gradients include Clarke's, so that the shortest vanishes at a minimum. Where kinks
            cancel there are more of them, so that it may vanish elsewhere.
        imbalance: largest difference of A_i and B_i relative to the largest squared norm of a neuron.
        kinks: number of pre-activations treated as lying on a kink.
        gap: squared norm above the certified lower bound for this function near X, see ``optimality_gap``.
    """

    gradient: float
    clarke: float
    imbalance: float
    kinks: int
    gap: float


@jax.custom_jvp
def _relu_with_slope(z: Array, slope: Array) -> Array:
    """Evaluate the ReLU, with a prescribed derivative."""
    return jnp.maximum(z, 0.0)


@_relu_with_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _relu_with_slope(*primals), primals[1] * tangents[0]


@_checks.float64
def stationarity(
    net: Network,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    loss: Loss = "squared",
    kink: float = 1e-3,
    iterations: int = 300,
) -> Stationarity:
    r"""Measure stationarity of what ``train`` minimises at a ReLU network.

    Pre-activations within ``kink`` of zero, in units of their neuron's root mean square over the data, may take any
    slope in [0, 1]; bounded L-BFGS looks for the slopes that make the gradient shortest.

    Args:
        net: a ReLU network.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        ridge: lambda > 0.
        loss: as in ``train``.
        kink: relative distance below which a pre-activation counts as zero.
        iterations: of the search for the shortest gradient.

    Raises:
        ValueError: a ridge that is not positive, a network that is not ReLU, or bad shapes.

    Example:
        >>> from bnlib import from_layers
        >>> r = 0.5**0.5
        >>> s = stationarity(from_layers([([[r]], [r]), ([[1.0]], [r])]), [[1.0]], [[3.5 * r]], 0.5)
        >>> round(s.gradient, 9), round(s.imbalance, 9)
        (0.0, 0.0)

    Source: clarke1983; claim clarke; chapter training.
    """
    if _checks.number("ridge", ridge) == 0:
        raise ValueError("ridge must be positive: gradients are measured relative to that of the ridge.")
    kink, iterations = _checks.number("kink", kink), _checks.integer("iterations", iterations, 1)
    if net.negative_slope != 0:
        raise ValueError(f"Only ReLU networks are supported, but negative_slope is {net.negative_slope}.")
    X, Y = _checks.points("X", X, net.d_in), targets(Y, net.d_out, loss)
    _checks.equal_lengths(X, Y)
    pre = activations(net, X).pre
    scale = jnp.sqrt(jnp.mean(pre**2, axis=1, keepdims=True))
    free = np.flatnonzero(np.asarray((jnp.abs(pre) <= kink * scale) & (scale > 0)))
    masks = (pre > 0).astype(pre.dtype).ravel()
    size = 2.0 * ridge * float(jnp.sqrt(squared_norm(net))) or 1.0
    flat, unravel = ravel_pytree(net)

    def squared_gradient(slopes: Array) -> Array:
        m = masks.at[free].set(slopes).reshape(pre.shape)
        gradient = jax.grad(lambda v: _objective(unravel(v), X, Y, ridge, m, loss))(flat)
        return jnp.sum((gradient / size) ** 2)

    start = np.asarray(masks[free])
    evaluate = jax.jit(jax.value_and_grad(squared_gradient))
    plain = float(evaluate(jnp.asarray(start))[0])
    shortest = plain
    if len(free):
        result = minimize(
            lambda s: tuple(np.asarray(a, np.float64) for a in evaluate(jnp.asarray(s))),
            np.clip(start, 0.25, 0.75),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * len(free),
            options={"maxiter": iterations, "maxcor": 20},
        )
        shortest = min(plain, float(result.fun))
    return Stationarity(plain**0.5, shortest**0.5, relative_imbalance(net), len(free), optimality_gap(net, X))


def _objective(net: Network, X: Array, Y: Array, ridge: float, masks: Array, loss: Loss) -> Array:
    def step(h: Array, layer: Layer, mask: Array) -> tuple[Array, None]:
        return _relu_with_slope(affine(layer, h), mask), None

    h, _ = fold_layers(step, X, net, masks)
    entries, _ = entrywise(affine(net.last, h).T, Y.T, loss)
    return jnp.mean(jnp.sum(entries, axis=0)) + ridge * squared_norm(net)


@_checks.float64
def stationary_point(
    net: Network, X: Any, Y: Any, ridge: float, *, width: float, loss: Loss = "squared"
) -> tuple[Network, float]:
    r"""Find a stationary point of the objective whose ReLU is smoothed over [-width, width]; for small networks.

    L-BFGS in float64, in rounds with an empty memory, until the gradient is a billionth of the ridge's. The Hessian
    jumps where a pre-activation enters or leaves a ramp, so that what the memory holds is soon wrong. In a valley that
    is flat along a curve the rounds may end above that; the flattest one counts.

    Args:
        net: a network of at most some thousand parameters.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        ridge: lambda > 0.
        width: positive smoothing width.
        loss: as in ``train``.

    Returns:
        The network and the norm of the smoothed gradient there, relative to :math:`2\lambda\|\theta\|`.

    Raises:
        ValueError: a ridge or width that is not positive, or bad shapes.

    Example:
        >>> from bnlib import from_layers
        >>> start = from_layers([([[1.2]], None), ([[1.0]], None)])
        >>> stationary_point(start, [[1.0]], [[2.0]], 0.5, width=0.1)[1] < 1e-9
        True

    Source: bnlib; chapter training.
    """
    if 0 in (_checks.number("ridge", ridge), _checks.number("width", width)):
        raise ValueError(f"ridge and width must be positive, but they are {ridge!r} and {width!r}.")
    X, Y = _checks.points("X", X, net.d_in), targets(Y, net.d_out, loss)
    _checks.equal_lengths(X, Y)
    lam, smoothing = jnp.asarray(ridge, X.dtype), jnp.asarray(width, X.dtype)
    flattest, least = net, np.inf
    for _ in range(ROUNDS):
        net, _, gradient = quasi_newton(net, X, Y, lam, smoothing, 1500, 100, flattest=True, loss=loss)
        if gradient < least:
            flattest, least = net, float(gradient)
        if least <= STILL:
            break
    return flattest, least
