"""Training residual networks with a leak: the mean squared error plus a ridge on the action, by L-BFGS."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..leaky import LeakyNetwork, action, rectify
from ..networks import Layer, affine
from . import lbfgs
from .phases import Stages

# Width of the smoothed ReLU and L-BFGS iterations at each, as in ``run.STAGES``.
STAGES: Stages = ((0.01, 400), (0.003, 400), (0.001, 400), (0.001, 400), (0.0, 400))


class LeakyFit(NamedTuple):
    r"""Hold what ``train_leaky`` returns.

    Attributes:
        net: the trained network; of a plain residual network the leak is the length of its steps.
        states: h_0..h_N at the inputs, (N + 1, n, w).
        history: objective after every iteration, smoothed as its stage was.
        objective: the last of them.
        mse: mean squared error at the end.
        decrease: relative decrease of the objective over the last 100 iterations; NaN for fewer.
        gradient: norm of the gradient at the flattest of the last points of the last smoothed stage, relative to that
            of the ridge, both by :math:`\sqrt{\kappa_l}W_l`; NaN without such a stage.
        converged: the decrease is at most 1e-3.
    """

    net: LeakyNetwork
    states: Array
    history: np.ndarray
    objective: float
    mse: float
    decrease: float
    gradient: float
    converged: bool


def train_leaky(
    net: LeakyNetwork,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    forget: bool = True,
    spacing: bool = False,
    stages: Stages = STAGES,
    memory: int = 60,
) -> LeakyFit:
    r"""Minimise :math:`\frac1n\sum_i|f_\theta(x_i)-y_i|^2+\lambda A(\theta)` from a given start, in float64.

    .. math:: A(\theta)=\|W_{in}\|^2+\|b_{in}\|^2+\|W_{out}\|^2+\|b_{out}\|^2+\sum_l\kappa_l(\|W_l\|^2+\|b_l\|^2)

    L-BFGS runs on a ReLU whose kink is smoothed over a shrinking width, in the variables
    :math:`\sqrt{\kappa_l}W_l`, by which the action is the squared norm. A random start of large effective depth dies;
    start at a small one and raise it with ``continued``.

    Args:
        net: start, for instance from ``leaky.init``.
        X: inputs (n, d_in).
        Y: targets (n, d_out).
        ridge: lambda > 0.
        forget: False for the control, a plain residual network
            :math:`h_l=h_{l-1}+\kappa_l(W_l\sigma(h_{l-1})+b_l)` of the same action.
        spacing: whether the leaks are trained too, above 0 and at most 1, with their sum kept.
        stages: pairs of smoothing width and L-BFGS iterations.
        memory: pairs kept by L-BFGS.

    Returns:
        A ``LeakyFit``.

    Raises:
        ValueError: lengths of X and Y that differ, wrong dimensions, NaN or infinity, a ridge that is not positive, no
            stages, or a spacing to train that a plain residual network or leaks of 1 have not.

    Example:
        >>> from bnlib import leaky
        >>> X = jnp.linspace(0.0, 1.0, 9)[:, None]
        >>> fit = train_leaky(leaky.init(jax.random.key(0), 1, 3, 1, jnp.full(4, 0.2)), X, 2 * X, 1e-3)
        >>> fit.mse < 1e-3, fit.converged
        (True, True)

    Source: JK24; chapter leaky.
    """
    if not _checks.number("ridge", ridge) > 0:
        raise ValueError("ridge must be positive: without it no network has the least action.")
    if not stages:
        raise ValueError("stages must hold at least one pair of a width and a number of iterations.")
    _checks.finite("net", net)
    layers, depth = int(net.leak.shape[-1]), float(net.leak.sum())
    if spacing and not (forget and depth < layers):
        raise ValueError("A spacing can be trained where the net forgets and its leaks add up to less than the layers.")
    with jax.enable_x64(True):
        X, Y = _checks.points("X", X, net.d_in), _checks.points("Y", Y, net.d_out)
        _checks.equal_lengths(X, Y)
        net, X, Y, lam = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (net, X, Y, ridge))
        history, gradient = [], float("nan")
        for width, iterations in stages:
            kink = jnp.asarray(width, jnp.float64)
            net, values, length = _quasi_newton(net, X, Y, lam, kink, iterations, memory, forget, spacing)
            history.append(np.asarray(values))
            gradient = float(length) if width > 0 else gradient
        h, outputs = _forward(net, X, kink, forget)
        mse = float(_error(outputs, Y))
    values = np.concatenate(history)
    decrease = float((values[-101] - values[-1]) / values[-1]) if len(values) > 100 else float("nan")
    return LeakyFit(net, h, values, float(values[-1]), mse, decrease, gradient, abs(decrease) <= 1e-3)


def continued(net: LeakyNetwork, leak: Any) -> LeakyNetwork:
    r"""Carry weights over to other leaks, and so to more layers or a larger effective depth.

    New layer l takes the weights of the old layer that is in force in the middle of its share of the time
    :math:`\sum_{j\le l}\kappa_j/\tilde L`. With twice as many layers of half the leak the function is nearly kept.

    Args:
        net: the trained network.
        leak: the new leaks (N,).

    Raises:
        ValueError: a leak outside (0, 1].

    Example:
        >>> from bnlib import leaky
        >>> continued(leaky.init(jax.random.key(0), 1, 3, 1, jnp.full(4, 0.2)), jnp.full(8, 0.1)).steps
        8

    Source: bnlib; chapter leaky.
    """
    leak = np.asarray(_checks.floating("leak", leak))
    if leak.ndim != 1 or not np.all((leak > 0) & (leak <= 1)):
        raise ValueError(f"leak must have shape (N,) with every leak above 0 and at most 1, but it is {leak!r}.")
    ends = np.cumsum(np.asarray(net.leak)) / np.sum(np.asarray(net.leak))
    middles = (np.cumsum(leak) - leak / 2) / np.sum(leak)
    source = np.searchsorted(ends, middles)
    dtype = net.last[0].dtype
    return LeakyNetwork(net.first, jax.tree.map(lambda a: a[source], net.hidden), net.last, jnp.asarray(leak, dtype))


def _forward(net: LeakyNetwork, X: Array, width: Array, forget: bool) -> tuple[Array, Array]:
    """Return the states h_0..h_N and the outputs."""

    def step(h: Array, at: tuple[Layer, Array]) -> tuple[Array, Array]:
        layer, leak = at
        new = (1 - leak if forget else 1.0) * h + leak * affine(layer, rectify(h, width))
        return new, new

    start = affine(net.first, X)
    end, others = lax.scan(step, start, (net.hidden, net.leak))
    return jnp.concatenate([start[None], others]), affine(net.last, rectify(end, width))


def _error(outputs: Array, Y: Array) -> Array:
    return jnp.sum((outputs - Y) ** 2) / len(Y)


@partial(jax.jit, static_argnames=("iterations", "memory", "forget", "spacing"))
def _quasi_newton(
    net: LeakyNetwork,
    X: Array,
    Y: Array,
    lam: Array,
    width: Array,
    iterations: int,
    memory: int,
    forget: bool,
    spacing: bool,
) -> tuple[LeakyNetwork, Array, Array]:
    """Run L-BFGS at one width; also return the history and the least relative gradient of the last points."""
    root, depth = jnp.sqrt(net.leak), net.leak.sum()
    W, b = net.hidden
    # Leaks at an end of their interval would never leave it again.
    inner = jnp.clip(net.leak, 1e-3, 1 - 1e-3)
    logits = jnp.log(inner / (1 - inner)) if spacing else jnp.zeros(0)
    start, unravel = ravel_pytree((net.first, (W * root[:, None, None], b * root[:, None]), net.last, logits))

    def network(v: Array) -> LeakyNetwork:
        first, (W, b), last, logits = unravel(v)
        leak = _with_sum(logits, depth) if spacing else net.leak
        return LeakyNetwork(first, (W / root[:, None, None], b / root[:, None]), last, leak)

    def objective(v: Array) -> Array:
        now = network(v)
        return _error(_forward(now, X, width, forget)[1], Y) + lam * action(now)

    found = lbfgs.minimize(objective, start, iterations, memory)
    end = network(found.x)
    return end, found.history, found.gradient / (2 * lam * jnp.sqrt(action(end)))


def _with_sum(logits: Array, total: Array) -> Array:
    """Return the logistic function of shifted logits, the shift such that the values have a given sum."""
    fixed = lax.stop_gradient(logits)

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        above = jax.nn.sigmoid(fixed + middle).sum() > total
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    reach = jnp.max(jnp.abs(fixed)) + 40.0
    low, high = lax.fori_loop(0, 60, halve, (-reach, reach))
    shift = (low + high) / 2
    # One step of Newton, which is nought in value, gives the derivative of the shift.
    values = jax.nn.sigmoid(logits + shift)
    slope = lax.stop_gradient((values * (1 - values)).sum())
    return jax.nn.sigmoid(logits + shift - (values.sum() - total) / slope)
