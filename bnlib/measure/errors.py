"""How far apart two sets of values are."""

from typing import Any

import numpy as np


def relative_error(values: Any, truth: Any) -> float:
    r"""Return :math:`\max|v-t|/\max|t|`: the largest error of an entry, relative to the largest entry.

    Args:
        values: numbers of any shape.
        truth: numbers of the same shape, not all zero.

    Raises:
        ValueError: shapes that differ, or a truth of zeros.

    Example:
        >>> relative_error([[1.0, 4.0]], [[1.0, 5.0]])
        0.2

    Source: bnlib.
    """
    values, truth = np.asarray(values), np.asarray(truth)
    if values.shape != truth.shape:
        raise ValueError(f"values and truth must have one shape, but theirs are {values.shape} and {truth.shape}.")
    if not (size := np.max(np.abs(truth))) > 0:
        raise ValueError("truth must have an entry that is not zero: an error is relative to the largest.")
    return float(np.max(np.abs(values - truth)) / size)
