"""What several seeds say together: bootstrap intervals, and exponents of power laws."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks


class Interval(NamedTuple):
    """Hold a mean and the ends of its interval."""

    mean: float
    low: float
    high: float


def interval(sample: Any, level: float = 0.95, draws: int = 10_000) -> Interval:
    r"""Return the mean of a sample and its percentile bootstrap interval.

    The sample of size n is drawn again n times with replacement, ``draws`` times over; the ends are the quantiles
    :math:`(1\mp\text{level})/2` of the means. The draws are the same on every call. Entries that are NaN, such as seeds
    without a number, are left out.

    Args:
        sample: numbers, of shape (n,), one for each seed.
        level: share of the means inside.
        draws: number of resamplings.

    Raises:
        ValueError: no number in the sample, an infinite one, or a level outside (0, 1).

    Example:
        >>> interval([1.0, 2.0, 3.0])
        Interval(mean=2.0, low=1.0, high=3.0)

    Source: efron1993.
    """
    values = np.asarray(sample, float)
    if values.ndim != 1:
        raise ValueError(f"sample must have one axis, but its shape is {values.shape}.")
    values = values[~np.isnan(values)]
    if not values.size or not np.all(np.isfinite(values)):
        raise ValueError("sample must hold at least one number and no infinite one: leave out the seeds that failed.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but it is {level}.")
    means = np.random.default_rng(0).choice(values, (_checks.integer("draws", draws, 1), len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def slope(x: Any, y: Any) -> Any:
    r"""Return the slope of the least-squares line through points, where y may be NaN for some.

    Args:
        x: numbers, of shape (n,).
        y: numbers, of shape (n,), or (seeds, n) for a slope each.

    Returns:
        A number, or an array of shape (seeds,); NaN where fewer than two points are left.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> round(slope([1, 2, 3], [2.0, 4.0, 6.0]), 9)
        2.0

    Source: bnlib.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[-1] != len(x):
        raise ValueError(
            f"y must have shape (n,) or (seeds, n) for x of shape (n,), but they are {y.shape} and {x.shape}."
        )
    if y.ndim == 2:
        return np.array([slope(x, row) for row in y])
    there = np.isfinite(y)
    if len(np.unique(x[there])) < 2:
        return float("nan")
    return float(np.polyfit(x[there], y[there], 1)[0])


def exponent(sizes: Any, values: Any) -> Any:
    r"""Return the exponent a of the power law :math:`y\approx c\,x^a`: the slope of log y against log x.

    Values of zero or below have no logarithm and are left out.

    Args:
        sizes: positive numbers, of shape (n,).
        values: numbers, of shape (n,), or (seeds, n) for an exponent each.

    Raises:
        ValueError: sizes that are not positive, or shapes that do not fit.

    Example:
        >>> round(exponent([2, 4, 8], [12.0, 48.0, 192.0]), 9)
        2.0

    Source: bnlib.
    """
    sizes, values = np.asarray(sizes, float), np.asarray(values, float)
    if not np.all(sizes > 0):
        raise ValueError("sizes must be positive: a power law has no other.")
    logs = np.log(values, where=values > 0, out=np.full_like(values, np.nan))
    return slope(np.log(sizes), logs)
