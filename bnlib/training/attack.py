"""Gradient search for a network that breaks an inequality."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from .. import _checks
from ..networks import Network


def lowest(slack: Callable[[Network], Any], nets: Network, steps: int, *, rate: float = 0.03) -> np.ndarray:
    r"""Return the least slack of an inequality that Adam meets from each of several networks.

    The rate falls to zero along a half cosine. A slack that is no number is passed over, and an entry of its gradient
    that is none counts as zero.

    Args:
        slack: function of a network that the inequality says is not negative, with a derivative by its parameters.
        nets: an ensemble: a network whose arrays have a leading axis.
        steps: number of steps.
        rate: first rate of Adam, in units of a parameter.

    Returns:
        One number for each network, infinite where the slack never was a number.

    Example:
        >>> from bnlib.build.random_networks import random_ensemble
        >>> nets = random_ensemble(np.random.default_rng(0), 3, (1, 2, 2, 1))
        >>> lowest(lambda net: jnp.sum(net.last[0] ** 2), nets, 200).round(2).tolist()
        [0.0, 0.0, 0.0]

    Source: bnlib.
    """
    steps = _checks.integer("steps", steps, 1)
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def search(net: Network) -> Any:
        def step(carry: Any, _: Any) -> tuple[Any, None]:
            net, state, least = carry
            value, gradient = jax.value_and_grad(slack)(net)
            gradient = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0.0), gradient)
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
                update, state = optimiser.update(gradient, state)
            least = jnp.where(value < least, value, least)  # never where it is NaN
            return (optax.apply_updates(net, update), state, least), None

        start = (net, optimiser.init(net), jnp.asarray(jnp.inf, net.last[0].dtype))
        return lax.scan(step, start, None, steps)[0][2]

    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(search))(jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), nets)))
