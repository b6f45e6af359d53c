"""Training with a ridge until the bottleneck has formed: a first-order phase, then L-BFGS."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from . import _checks, lbfgs
from .constructions import balance, balance_residual
from .costs import squared_norm
from .networks import Layer, Network, affine, fold_layers

# Width of the smoothed ReLU and L-BFGS iterations at each: a kink that is still wide is easier to cross.
# Equal numbers of iterations share one compiled program.
STAGES = ((0.03, 400), (0.01, 400), (0.003, 400), (0.001, 400), (0.0, 400))


class TrainResult(NamedTuple):
    """Hold what ``train`` returns.

    Attributes:
        net: the trained network, balanced.
        history: objective after every step of both phases; the smoothed one where the ReLU was smoothed.
        objective: final value of the mean squared error plus ridge times squared norm.
        mse: its first term.
        decrease: relative decrease of the objective over the last 100 iterations.
        imbalance: largest difference of A_i and B_i before the final balancing, relative to the largest squared norm
            of a neuron.
        converged: both of these are at most 1e-3 and 1e-2.
        collapsed: the network explains less than one percent of the variance of Y.
    """

    net: Network
    history: np.ndarray
    objective: float
    mse: float
    decrease: float
    imbalance: float
    converged: bool
    collapsed: bool


def train(
    net: Network,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    first_order_steps: int = 500,
    learning_rate: float = 5e-3,
    stages: tuple[tuple[float, int], ...] = STAGES,
    memory: int = 60,
    dtype: Any = jnp.float32,
) -> TrainResult:
    r"""Minimise :math:`\frac1N\sum_i|f_\theta(x_i)-y_i|^2+\lambda\|\theta\|^2` from a given start.

    Adam finds the basin; L-BFGS on a ReLU smoothed over a shrinking width follows it down; the last stage uses the
    ReLU itself. Balancing at the end lowers the norm without changing the function. Everything is deterministic.

    Args:
        net: start, for instance from ``init``.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        ridge: lambda >= 0.
        first_order_steps: steps of Adam.
        learning_rate: its peak, after a warm-up of a tenth of the steps and before a cosine decay.
        stages: pairs of smoothing width and L-BFGS iterations.
        memory: pairs kept by L-BFGS.
        dtype: type used in training; the network comes back in it.

    Returns:
        A ``TrainResult``. ``converged`` says that the objective has stopped moving and that the network is balanced.
        It does not say that the gradient vanishes: data sit on kinks, where it cannot.

    Raises:
        ValueError: lengths of X and Y that differ, wrong dimensions, NaN or infinity, or a negative ridge.
        RuntimeError: the objective became NaN or infinite, with the step.

    Example:
        >>> from bnlib import from_layers
        >>> result = train(from_layers([([[1.0]], [0.0])]), [[-1.0], [1.0]], [[-2.0], [2.0]], 0.25)
        >>> round(float(result.net.last[0][0, 0]), 4), result.converged
        (1.6, True)

    Source: recipe measured for the book; chapter: opening.
    """
    if not np.isfinite(ridge) or ridge < 0:
        raise ValueError(f"ridge must be a finite number >= 0, but it is {ridge!r}.")
    X = _checks.points("X", X, net.d_in).astype(dtype)
    Y = _checks.points("Y", Y, net.d_out).astype(dtype)
    if len(X) != len(Y):
        raise ValueError(f"X and Y must have the same length, but they have {len(X)} and {len(Y)} rows.")
    first_order_steps = _checks.integer("first_order_steps", first_order_steps, 0)
    net = jax.tree.map(lambda a: a.astype(dtype), net)
    lam = jnp.asarray(ridge, dtype)
    histories = []
    if first_order_steps:
        net, history = _adam(net, X, Y, lam, first_order_steps, float(learning_rate))
        histories.append(_finite(history, 0))
    for width, iterations in stages:
        net, history = _quasi_newton(net, X, Y, lam, jnp.asarray(width, dtype), iterations, memory)
        histories.append(_finite(history, sum(map(len, histories))))
    history = np.concatenate(histories) if histories else np.zeros(0)
    decrease = float(history[-101] / history[-1] - 1.0) if len(history) > 100 else float("inf")
    imbalance = _relative_imbalance(net)
    net = _balanced(net)
    mse = float(_mse(net, X, Y, jnp.asarray(0.0, dtype)))
    objective = mse + ridge * float(squared_norm(net))
    variance = float(jnp.mean(jnp.sum((Y - Y.mean(0, keepdims=True)) ** 2, axis=1)))
    collapsed = variance > 0 and mse > 0.99 * variance
    return TrainResult(
        net, history, objective, mse, decrease, imbalance, decrease <= 1e-3 and imbalance <= 1e-2, collapsed
    )


def _finite(history: Array, before: int) -> np.ndarray:
    values = np.asarray(history, np.float64)
    if not np.all(np.isfinite(values)):
        raise RuntimeError(
            f"Training diverged: the objective is not finite at step {before + int(np.argmin(np.isfinite(values)))}."
        )
    return values


def _mse(net: Network, X: Array, Y: Array, width: Array) -> Array:
    """Evaluate the mean squared error with the kink of the activation smoothed over [-width, width]."""

    def step(h: Array, layer: Layer, _: Any) -> tuple[Array, None]:
        z = affine(layer, h)
        ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
        relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
        return net.negative_slope * z + (1.0 - net.negative_slope) * relu, None

    h, _ = fold_layers(step, X, net)
    return jnp.mean(jnp.sum((affine(net.last, h) - Y) ** 2, axis=1))


def _objective(net: Network, X: Array, Y: Array, lam: Array, width: Array) -> Array:
    return _mse(net, X, Y, width) + lam * squared_norm(net)


@partial(jax.jit, static_argnames=("steps", "learning_rate"))
def _adam(net: Network, X: Array, Y: Array, lam: Array, steps: int, learning_rate: float) -> tuple[Network, Array]:
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 10), steps, 1e-3 * learning_rate)
    # The usual second-moment decay .999 remembers early oscillations for so long that the ridge hardly acts.
    optimiser = optax.adam(schedule, b2=0.99)
    no_smoothing = jnp.zeros((), X.dtype)

    def step(carry: Any, _: None) -> tuple[Any, Array]:
        net, state = carry
        value, grad = jax.value_and_grad(_objective)(net, X, Y, lam, no_smoothing)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
            updates, state = optimiser.update(grad, state)
        return (optax.apply_updates(net, updates), state), value

    (net, _), history = jax.lax.scan(step, (net, optimiser.init(net)), None, length=steps)
    return net, history


@partial(jax.jit, static_argnames=("iterations", "memory"))
def _quasi_newton(
    net: Network, X: Array, Y: Array, lam: Array, width: Array, iterations: int, memory: int
) -> tuple[Network, Array]:
    flat, unravel = ravel_pytree(net)
    flat, history, _ = lbfgs.minimize(lambda v: _objective(unravel(v), X, Y, lam, width), flat, iterations, memory)
    return unravel(flat), history


@_checks.float64
def _relative_imbalance(net: Network) -> float:
    residual = balance_residual(net)
    if residual.size == 0:
        return 0.0
    largest = max(float(jnp.max(jnp.sum(W**2, axis=1) + b**2)) for W, b in net.layers[:-1])
    return float(jnp.max(jnp.abs(residual))) / largest if largest else 0.0


def _balanced(net: Network) -> Network:
    dtype = net.last[0].dtype
    return jax.tree.map(lambda a: np.asarray(a).astype(dtype), _checks.float64(balance)(net))
