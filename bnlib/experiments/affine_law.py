"""How the norm grows with the depth: affine at a fixed ridge, and a control whose ridge falls like 1/L."""

from typing import Any

import numpy as np

from ..networks import activations
from ..tasks import Task
from ..training.outcome import TrainResult
from .experiment import Experiment
from .measurements import usual
from .setting import Setting, first_depth, over_seeds

AFFINE_RIDGE, AFFINE_DEPTHS = 0.002, (6, 8, 10, 12, 16, 20, 24)
# The control's ridge is proportional to 1/L and equals the fixed one at depth 20.
CONTROL = 20 * AFFINE_RIDGE
# Points whose kernel is kept.
KEPT = 12


def _plan(quick: bool, seeds: int) -> list[Setting]:
    def setting(rank: int, depth: int, ridge: float = AFFINE_RIDGE) -> Setting:
        return Setting("affine-law", rank, depth, first_depth(depth), 40, 150, ridge, 0, quick)

    if quick:
        return [*over_seeds([setting(2, 8), setting(2, 16)], seeds), setting(1, 16), setting(3, 16)]
    law = [setting(rank, depth) for depth in AFFINE_DEPTHS for rank in (2, 1, 3)]
    control = [setting(2, depth, CONTROL / depth) for depth in AFFINE_DEPTHS if depth != 20]
    return over_seeds(law + control, seeds)


def _deep_plan(quick: bool, seeds: int) -> list[Setting]:
    """By insertion alone: an upper bound of what training from deep starts would find."""
    depths = (32,) if quick else (36, 48)
    settings = [Setting("affine-law-deep", 2, depth, 12, 40, 150, AFFINE_RIDGE, 0, quick) for depth in depths]
    return over_seeds(settings, seeds)


def _measure(setting: Setting, result: TrainResult, data: Task) -> dict[str, Any]:
    """Keep the kernels of a few points at a quarter, a half and three quarters of the depth."""
    found = usual(setting, result, data)
    if setting.quick or setting.depth % 4:
        return found
    net = result.net
    post = np.asarray(activations(net, data.X[:KEPT].astype(net.last[0].dtype)).post, float)
    at = [post[setting.depth * quarters // 4 - 1] for quarters in (1, 2, 3)]
    return found | {"kernels": [(A @ A.T)[np.triu_indices(KEPT)].tolist() for A in at]}


LAW = Experiment("affine-law", _plan, measure=_measure)
DEEP = Experiment("affine-law-deep", _deep_plan, measure=_measure, family="affine-law")
