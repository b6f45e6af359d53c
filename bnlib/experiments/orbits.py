"""What layers keep of inputs that are turned at random: shares of the variance along orbits, and readings."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..networks import Network
from ..tasks import Task
from ..theory.invariance import decoded, orbit_share, principal_components

# Points from which invariants and phase are read off a layer, and as many on which the reading is scored.
READ = 2000


class Turned(NamedTuple):
    """Hold inputs on whole orbits, (orbits, turns, d_in), and data to fit readings and to score them."""

    orbits: Array
    fit: Task
    test: Task


def turned(place: Callable[..., Array], turns: int, draw: Callable[[Array], Task]) -> Turned:
    """Turn 81 inputs by 40 angles each, and draw two sets of data of which training saw nothing, in float64.

    Args:
        place: inputs, (m, d_in), from two coordinates in [-1, 1] and an angle, each (m,).
        turns: how many inputs in a row make an orbit: 40, or 360 where the second coordinate belongs to it.
        draw: data from a key.

    Example:
        >>> from bnlib import tasks
        >>> turned(tasks.rotated_pair, 40, lambda key: tasks.symmetry_task(key, 9, n_test=1)).orbits.shape
        (81, 40, 4)

    Source: J23, book; claims symmetry, symmetry-groups; chapter symmetry.
    """
    with jax.enable_x64(True):
        side, turn = np.linspace(-1, 1, 9), np.linspace(-np.pi, np.pi, 40, endpoint=False)
        X = place(*(jnp.asarray(a.ravel()) for a in np.meshgrid(side, side, turn, indexing="ij")))
        fit, test = (draw(jax.random.key(seed)) for seed in (1, 2))
        return Turned(X.reshape(-1, turns, X.shape[1]), fit, test)


def readings(net: Network, rank: int, data: Turned, quantities: Callable[..., tuple[Any, Any]]) -> dict[str, Any]:
    """Return, by layer, what is left of the turn and how well two invariants and the phase can be read.

    Args:
        net: a network.
        rank: how many components the readings of degree 5 get.
        data: see ``turned``.
        quantities: two quantities that do not see the turn, from the latent variables but the last, the phase.

    Returns:
        The shares of the variance along orbits, those of the leading principal components, and R^2 of the two
        quantities and of the phase, read off as many components as the rank and linearly off all neurons.

    Example:
        >>> from bnlib import init, tasks
        >>> data = turned(tasks.rotated_pair, 40, lambda key: tasks.symmetry_task(key, 99, n_test=1))
        >>> found = readings(init(jax.random.key(0), 4, 5, 1, 3), 2, data, lambda s, t: (s, t))
        >>> np.shape(found["decoded"])
        (2, 3)

    Source: J23, book; claims symmetry, symmetry-groups; chapter symmetry.
    """

    def asked(task: Task) -> np.ndarray:
        *latent, phase = np.asarray(task.latent).T
        return np.stack([*quantities(*latent), np.cos(phase), np.sin(phase)], axis=1)

    def read(components: int, degree: int) -> list[list[float]]:
        fit, test = data.fit, data.test
        R2 = decoded(net, fit.X, asked(fit), test.X, asked(test), components=components, degree=degree)
        return np.concatenate([R2[:, :2], R2[:, 2:].mean(axis=1, keepdims=True)], axis=1).tolist()

    return {
        "orbit_share": orbit_share(net, data.orbits).tolist(),
        "component_shares": principal_components(net, data.fit.X, 4).shares.tolist(),
        "decoded": read(rank, 5),
        "decoded_linearly": read(net.width, 1),
    }
