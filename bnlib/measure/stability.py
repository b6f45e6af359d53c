"""Linear stability of gradient descent at an interpolating network: what predicts it, and what is measured."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..networks import Network, apply
from ..theory.ntk import ntk


def kernel_sharpness(net: Network, X: Any) -> float:
    r"""Return the largest eigenvalue of 2/N times the tangent kernel of all inputs and outputs, exactly.

    At an interpolating network it is that of the Hessian of the mean squared error, so that gradient descent of rate
    :math:`\eta` is linearly stable for :math:`\eta<2/\lambda_{\max}`. ``bn.sharpness`` finds the same by power
    iteration, from below and for more inputs.

    Args:
        net: the network.
        X: inputs (N, d_in), a few hundred at most.

    Example:
        >>> from bnlib import from_layers
        >>> round(kernel_sharpness(from_layers([([[1.0]], None)] * 2), [[2.0]]), 9)
        20.0

    Source: J23; claim edge; chapter tangent_kernel.
    """
    kernel = np.asarray(ntk(net, X)).transpose(0, 2, 1, 3)
    size = kernel.shape[0] * kernel.shape[1]
    return float(2 / kernel.shape[0] * np.linalg.eigvalsh(kernel.reshape(size, size))[-1])


def descent(start: Network, X: Any, Y: Any, rate: float, steps: int, *, centre: Any = None, ridge: float = 0.0) -> Any:
    r"""Run full-batch gradient descent and return the mean squared error before every step.

    .. math:: \theta_{t+1}=\theta_t-\eta\nabla\Big(\frac1N\sum_i\|f_\theta(x_i)-y_i\|^2
              +\lambda\|\theta-\theta_0\|^2\Big)(\theta_t)

    Args:
        start: the network at which it starts.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        rate: the learning rate.
        steps: number of steps.
        centre: the network theta_0 to which the ridge pulls; the start when None.
        ridge: its weight.

    Returns:
        Errors, of shape (steps,).

    Raises:
        ValueError: data that do not fit to the network.

    Example:
        >>> from bnlib import from_layers
        >>> net = from_layers([([[1.0]], None)])
        >>> descent(net, [[1.0]], [[2.0]], 0.25, 3).tolist()
        [1.0, 0.0, 0.0]

    Source: book; claim narrow-rates; chapter narrow.
    """
    X, Y = _checks.points("X", X, start.d_in), _checks.points("Y", Y, start.d_out)
    _checks.equal_lengths(X, Y)
    steps = _checks.integer("steps", steps, 1)
    return np.asarray(_descent(start, start if centre is None else centre, X, Y, rate, ridge, steps))


@partial(jax.jit, static_argnames="steps")
def _descent(start: Network, centre: Network, X: Any, Y: Any, rate: Any, ridge: Any, steps: int) -> Any:
    def objective(net: Network) -> tuple[Any, Any]:
        error = jnp.mean(jnp.sum((apply(net, X) - Y) ** 2, axis=1))
        away = sum(jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(centre), strict=True))
        return error + ridge * away, error

    def step(net: Network, _: None) -> tuple[Network, Any]:
        (_, error), slope = jax.value_and_grad(objective, has_aux=True)(net)
        return jax.tree.map(lambda a, g: a - rate * g, net, slope), error

    return jax.lax.scan(step, start, None, length=steps)[1]


def stays(errors: Any) -> bool:
    """Say whether the error never exceeds its first value and is not larger at the end than half way.

    Args:
        errors: mean squared errors before every step, of shape (steps,).

    Example:
        >>> stays([2.0, 1.0, 1.0]), stays([2.0, 0.5, 1.0]), stays([2.0, float("nan"), 1.0])
        (True, False, False)

    Source: book; claim narrow-rates; chapter narrow.
    """
    errors = np.asarray(errors)
    return bool((errors.max() <= errors[0]) & (errors[-1] <= errors[len(errors) // 2]))


def largest_rate(
    start: Network,
    centre: Network,
    X: Any,
    Y: Any,
    between: tuple[float, float],
    *,
    ridge: float = 0.0,
    steps: int = 100,
    bisections: int = 9,
) -> float:
    r"""Measure the largest learning rate at which gradient descent stays near an interpolating network.

    The logarithm of the rate is bisected; no eigenvalue is used.

    Args:
        start: the network slightly moved, at which descent starts.
        centre: the interpolating network.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        between: rates at which it stays and at which it does not.
        ridge: weight of the penalty :math:`\|\theta-\theta_0\|^2`, which leaves the interpolant a minimum and adds
            twice its weight to all eigenvalues of the Hessian.
        steps: number of steps.
        bisections: number of halvings.

    Example:
        >>> from bnlib import from_layers
        >>> line, near = from_layers([([[1.0]], [0.0])]), from_layers([([[1.001]], [0.001])])
        >>> round(largest_rate(near, line, [[1.0]], [[1.0]], (0.1, 1.0), bisections=12), 2)
        0.5

    Source: book; claim narrow-rates; chapter narrow.
    """
    low, high = between
    for _ in range(_checks.integer("bisections", bisections, 0)):
        middle = (low * high) ** 0.5
        if stays(descent(start, X, Y, middle, steps, centre=centre, ridge=ridge)):
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5
