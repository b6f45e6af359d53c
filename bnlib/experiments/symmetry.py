"""What deep networks keep of inputs that are turned at random while the targets do not see the turn."""

from functools import partial
from typing import Any

import numpy as np
from jax import Array

from .. import tasks
from ..networks import Network
from ..tasks import Task
from ..theory.invariance import principal_components
from ..training.outcome import TrainResult
from ..training.phases import Stages
from .experiment import Experiment
from .measurements import usual
from .orbits import READ, readings, turned
from .schedules import insertion
from .setting import Setting, over_seeds

SLOW: Stages = ((0.003, 200),) * 3 + ((0.003, 400),) * 4 + ((0.001, 400),) * 4 + ((0.0, 400),) * 3


def _plan(quick: bool, seeds: int) -> list[Setting]:
    depth, start_depth, width, n, ridge = (12, 8, 40, 300, 0.001) if quick else (25, 10, 200, 1000, 0.0002)
    return over_seeds([Setting("symmetry", 2, depth, start_depth, width, n, ridge, 0, quick)], seeds)


def _task(key: Array, setting: Setting) -> Task:
    return tasks.symmetry_task(key, setting.n, n_test=500)


def kept(net: Network, rank: int) -> dict[str, Any]:
    """Return what the layers keep of turned pairs, with the codes of a few orbits.

    Args:
        net: a network of four inputs.
        rank: how many components the readings get.

    Returns:
        What ``readings`` returns, and by layer the codes of 25 orbits of 8 inputs, (200, 2).

    Example:
        >>> import jax
        >>> from bnlib import init
        >>> np.shape(kept(init(jax.random.key(0), 4, 5, 1, 3), 2)["codes"])
        (2, 200, 2)

    Source: J23; claim symmetry; chapter symmetry.
    """
    data = turned(tasks.rotated_pair, 40, partial(tasks.symmetry_task, n=READ, n_test=1))
    # Every second orbit each way and every fifth angle, for pictures of the codes.
    shown = np.asarray(data.orbits).reshape(9, 9, 40, 4)[::2, ::2, ::5].reshape(-1, 4)
    found = readings(net, rank, data, lambda s, t: (s, t))
    return found | {"codes": principal_components(net, data.fit.X, 2, shown).scores.tolist()}


def _measure(setting: Setting, result: TrainResult, data: Task) -> dict[str, Any]:
    return usual(setting, result, data) | kept(result.net, setting.rank)


SYMMETRY = Experiment(
    "symmetry",
    _plan,
    seeds=5,
    task=_task,
    # The ridge is the smallest of all, so shallow networks are slow to find the rank.
    schedule=partial(insertion, stages=SLOW, shallow=((0.01, 400),) * 4),
    measure=_measure,
)
