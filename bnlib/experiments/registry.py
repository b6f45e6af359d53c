"""The experiments by name, and what each of them says of its settings."""

from typing import Any

import jax

from .. import _checks
from ..tasks import Task
from ..training.outcome import TrainResult
from ..training.sweeps import Member
from . import affine_law, j22, phase_diagrams, planets, spectra_grid, symmetry
from .experiment import Experiment
from .measurements import five_digits, verdict
from .setting import Setting

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        affine_law.LAW,
        affine_law.DEEP,
        j22.FIGURE,
        spectra_grid.LARGE,
        spectra_grid.SMALL,
        phase_diagrams.OVER_POINTS,
        phase_diagrams.OVER_RIDGES,
        planets.PLANETS,
        symmetry.SYMMETRY,
    )
}
NAMES = tuple(EXPERIMENTS)


def plan(name: str, *, quick: bool = False, seeds: int | None = None) -> tuple[Setting, ...]:
    """List the trainings of an experiment, the most telling first.

    Args:
        name: one of ``NAMES``.
        quick: the small sizes that the chapters run instead of the paper's.
        seeds: how many seeds; None for the book's number.

    Raises:
        ValueError: a name that is none of ``NAMES``, or no seeds.

    Example:
        >>> len(plan("fig-j22")), plan("fig-j22")[0].width
        (8, 100)

    Source: J22, J23; chapters first_pictures, window, symmetry.
    """
    experiment = _named(name)
    usual = 2 if quick else experiment.seeds
    return tuple(experiment.plan(quick, usual if seeds is None else _checks.integer("seeds", seeds, 1)))


def task(setting: Setting) -> Task:
    """Draw the data of a setting, in float64 whatever the session's default.

    Example:
        >>> task(plan("symmetry", quick=True)[0]).X.shape
        (300, 4)

    Source: J22, J23, book; chapters first_pictures, window, symmetry.
    """
    experiment = _named(setting.experiment)
    with jax.enable_x64(True):
        key, _ = experiment.keys(setting.seed)
        return experiment.task(key, setting)


def member(setting: Setting) -> Member:
    """Return the start, the data and the ridge of a setting, as ``train`` and ``sweep`` take them.

    Example:
        >>> member(plan("fig-j22", quick=True)[0])[0].depth
        9

    Source: bnlib.
    """
    experiment, data = _named(setting.experiment), task(setting)
    with jax.enable_x64(True):
        _, key = experiment.keys(setting.seed)
        return experiment.member(key, setting, data)


def schedule(setting: Setting) -> dict[str, Any]:
    """Return the other arguments of ``train`` for a setting.

    Example:
        >>> schedule(plan("fig-j22")[0])["depth"]
        13

    Source: bnlib; chapter training.
    """
    return _named(setting.experiment).schedule(setting)


def measure(setting: Setting, result: TrainResult) -> dict[str, Any]:
    """Return what the book keeps of a trained network: numbers and short lists, never weights.

    Args:
        setting: its setting.
        result: what ``train`` returned.

    Returns:
        A dictionary with the fields of the setting, what ``verdict`` returns, and what the experiment measures: most
        do what ``usual`` returns; the affine law also kernels of a few points, the tasks of turned inputs what
        ``readings`` returns, and the many small networks of the phase diagrams only what decides between them.

    Example:
        >>> setting = Setting("symmetry", 2, 3, 3, 4, 20, 0.01, 1)
        >>> from bnlib import train
        >>> result = train(*member(setting), first_order_steps=10, stages=((0.0, 10),))
        >>> len(measure(setting, result)["weights"])
        3

    Source: J22, J23; claims affine-law, fig-j22, fig-j23, symmetry; chapters first_pictures, symmetry.
    """
    data = task(setting)
    found = verdict(result, data) | _named(setting.experiment).measure(setting, result, data)
    return setting._asdict() | five_digits(found)


def _named(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ValueError(f"There is no experiment {name!r}; the experiments are {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
