"""Singular values by layer for a composed target of rank 4, as in a figure of Jacot (2022)."""

from functools import partial

from jax import Array

from .. import tasks
from ..tasks import Task
from .experiment import Experiment
from .measurements import usual
from .setting import Setting, over_seeds


def _plan(quick: bool, seeds: int) -> list[Setting]:
    width, n = (50, 150) if quick else (100, 500)
    return over_seeds([Setting("fig-j22", 4, 13, 9, width, n, 0.05 / 13, 0, quick)], seeds)


def _task(key: Array, setting: Setting) -> Task:
    return tasks.composed_task(key, setting.n, rank=setting.rank)


FIGURE = Experiment("fig-j22", _plan, task=_task, measure=partial(usual, shown=10))
