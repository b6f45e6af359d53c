"""What an experiment consists of, with what most of them share."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import Array

from .. import tasks
from ..networks import init
from ..tasks import Task
from ..training.outcome import TrainResult
from ..training.sweeps import Member
from .measurements import usual
from .schedules import insertion
from .setting import Setting


def latent(key: Array, setting: Setting) -> Task:
    """Draw inputs and outputs that share few latent variables.

    Example:
        >>> latent(jax.random.key(0), Setting("fig-j23", 2, 8, 8, 40, 150, 0.002, 0)).X.shape
        (150, 20)

    Source: J23; claim fig-j23; chapter first_pictures.
    """
    return tasks.latent_task(key, setting.n, rank=setting.rank)


def random_start(key: Array, setting: Setting, data: Task) -> Member:
    """Start from a random network.

    Example:
        >>> setting = Setting("fig-j23", 2, 16, 8, 40, 150, 0.002, 0)
        >>> random_start(jax.random.key(1), setting, latent(jax.random.key(0), setting))[0].depth
        8

    Source: bnlib.
    """
    X, Y = data[:2]
    return init(key, X.shape[1], setting.width, Y.shape[1], setting.start_depth), X, Y, setting.ridge


@dataclass(frozen=True)
class Experiment:
    """Hold what defines an experiment: its name, its number of seeds at full scale and five functions.

    ``plan`` lists the trainings, given whether they are quick and the number of seeds; ``task`` draws the data of a
    setting and ``member`` its start, each from a key of its own; ``schedule`` returns the other arguments of ``train``;
    ``measure`` returns what a record of this experiment holds besides what all records do. The experiments of a family
    share their random numbers.
    """

    name: str
    plan: Callable[[bool, int], list[Setting]]
    seeds: int = 8
    task: Callable[[Array, Setting], Task] = latent
    member: Callable[[Array, Setting, Task], Member] = random_start
    schedule: Callable[[Setting], dict[str, Any]] = insertion
    measure: Callable[[Setting, TrainResult, Task], dict[str, Any]] = usual
    family: str | None = None

    def keys(self, seed: int) -> tuple[Array, Array]:
        """Return the keys of the data and of the start; the experiments of a family have the same."""
        root = jax.random.key(zlib.crc32((self.family or self.name).encode()))
        data, start = jax.random.split(jax.random.fold_in(root, seed))
        return data, start
