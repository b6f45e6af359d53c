"""What deep networks keep of the positions of two bodies, whose orbits are turned and which targets do not see."""

from functools import partial
from typing import Any

import numpy as np
from jax import Array

from .. import tasks
from ..networks import Network
from ..tasks import Task
from ..training.outcome import TrainResult
from ..training.phases import Stages
from .experiment import Experiment
from .measurements import usual
from .orbits import READ, readings, turned
from .schedules import insertion
from .setting import Setting, over_seeds

# How many, at a ridge so small that what is left of the turn falls with their number.
NUMBERS, RIDGE = (3200, 800, 200), 0.0005
LONGEST: Stages = ((0.003, 1500),) * 2 + ((0.001, 1500),) * 2 + ((0.0, 1500),)


def _plan(quick: bool, seeds: int) -> list[Setting]:
    numbers = NUMBERS[-1:] if quick else NUMBERS
    settings = [Setting("planets", rank, 12, 8, 28, n, RIDGE, 0, quick) for n in numbers for rank in (2, 1)]
    return over_seeds(settings, seeds)


def _draw(key: Array, rank: int, n: int, n_test: int) -> Task:
    """Draw positions; at rank 1 the targets see only the shape of the ellipse."""
    return tasks.two_body_task(key, n, shape_only=rank == 1, n_test=n_test)


def _task(key: Array, setting: Setting) -> Task:
    return _draw(key, setting.rank, setting.n, 500)


def kept(net: Network, rank: int) -> dict[str, Any]:
    """Return what the layers keep of turned ellipses.

    Args:
        net: a network of six inputs.
        rank: 2, or 1 where ellipses count as equal if they are similar.

    Returns:
        What ``readings`` returns, of energy and momentum at rank 2 and of eccentricity and size at rank 1.

    Example:
        >>> import jax
        >>> from bnlib import init
        >>> np.shape(kept(init(jax.random.key(0), 6, 5, 1, 3), 1)["decoded_linearly"])
        (2, 3)

    Source: book; claim symmetry-groups; chapter symmetry.
    """

    def ellipses(s: Array, t: Array, angle: Array) -> Array:
        return tasks.planets(1 + t / 5, 0.3 + 0.15 * s, angle)

    def quantities(a: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (e, a) if rank == 1 else (-1 / (2 * a), np.sqrt(a * (1 - e**2)))

    data = turned(ellipses, 360 if rank == 1 else 40, partial(_draw, rank=rank, n=READ, n_test=1))
    return readings(net, rank, data, quantities)


def _measure(setting: Setting, result: TrainResult, data: Task) -> dict[str, Any]:
    return usual(setting, result, data) | kept(result.net, setting.rank)


PLANETS = Experiment("planets", _plan, task=_task, schedule=partial(insertion, stages=LONGEST), measure=_measure)
