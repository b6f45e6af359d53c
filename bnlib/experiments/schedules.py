"""How long the networks of an experiment train, and with which smoothing of the ReLU."""

from typing import Any

from ..training.phases import Stages
from .setting import Setting

# Equal numbers of iterations share one compiled program.
LONG: Stages = ((0.003, 100), (0.003, 100)) + ((0.003, 400),) * 2 + ((0.001, 400),) * 3 + ((0.0, 400),)
MEDIUM: Stages = ((0.003, 100), (0.003, 100), (0.003, 400), (0.001, 400), (0.0, 400))
SHORT: Stages = ((0.003, 150),) * 2 + ((0.001, 150),) * 2 + ((0.0, 150),)
DIRECT: Stages = ((0.03, 450), (0.01, 450), (0.003, 450), (0.001, 450), (0.0, 450), (0.0, 450))
DIRECT_SHORT: Stages = ((0.03, 150), (0.01, 150), (0.003, 150), (0.001, 150), (0.0, 150))


def insertion(setting: Setting, **full: Any) -> dict[str, Any]:
    """Train the start and insert layers up to the depth, where the start is not as deep already.

    Args:
        setting: the setting to train.
        **full: arguments of ``train`` that take the place of the usual ones after insertion at full scale.

    Returns:
        Arguments of ``train``: the stages and, for insertion, the depth.

    Example:
        >>> insertion(Setting("fig-j22", 4, 13, 9, 50, 150, 0.004, 0, quick=True))["depth"]
        13

    Source: bnlib; chapter training.
    """
    if setting.depth == setting.start_depth:
        return {"stages": DIRECT_SHORT if setting.quick else DIRECT}
    if setting.quick:
        return {"depth": setting.depth, "stages": SHORT}
    return {"depth": setting.depth, "stages": MEDIUM if setting.width >= 200 else LONG} | full
