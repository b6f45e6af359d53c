"""Support functions of regular polygons, which a few folds of the plane compute."""

import numpy as np

from .. import _checks
from ..networks import Network, from_layers


def folded_polygon(folds: int) -> Network:
    r"""Build the support function :math:`\max_j\langle x,u_j\rangle` of the regular polygon with 2^folds corners.

    Each layer folds the plane along its first axis, :math:`(x,y)\mapsto(x,|y|)`, and turns it, the first time by a
    quarter turn back, then by half the angle before. The corners stand at the angles
    :math:`2\pi(j+\tfrac12)/2^{folds}`, and no invariant function of so few pieces varies less along a circle.

    Args:
        folds: how often the plane is folded, at least 1.

    Returns:
        A network of depth folds + 1 and width 4, without biases.

    Raises:
        ValueError: no fold.

    Example:
        >>> from bnlib import apply
        >>> apply(folded_polygon(2), np.array([[1.0, 0.0]])).round(6).tolist()
        [[0.707107]]

    Source: J23; claim symmetry; chapter symmetry.
    """
    folds = _checks.integer("folds", folds, 1)
    split = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # x, -x, y, -y
    fold = np.array([[1.0, -1, 0, 0], [0, 0, 1, 1]])  # back to x and |y|
    angles = np.pi / 2 ** np.arange(folds)
    turns = [_turn(-angle / 2) @ fold for angle in angles]
    return from_layers([(split, None), *((split @ turn, None) for turn in turns[:-1]), (turns[-1][:1], None)])


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
