"""What the scale and the type of data do to a training, said before it starts."""

from typing import Any

import numpy as np

# Entries above this are not scaled. Deviations whose square is below the other are lost in single precision.
LARGE, SMALL = 1e3, 1e-30


def warnings_of_scale(X: Any, Y: Any, dtype: Any) -> list[str]:
    """Say, in float64 and before the cast, where data lose their variation in the cast or are not scaled.

    Args:
        X: inputs (N, d_in), as they were given.
        Y: targets (N, d_out), as they were given.
        dtype: type of the training.

    Returns:
        At most one sentence for each of X and Y; none where no row differs from another.

    Example:
        >>> warnings_of_scale([[1e8], [1e8 + 1]], [[0.0], [1.0]], np.float32)[0][:48]
        'The cast of X to float32 loses 100 % of the vari'

    Source: bnlib.
    """
    said = []
    for name, given in (("X", X), ("Y", Y)):
        A = np.asarray(given).astype(np.float64)
        centred = A - A[:1]
        spread, largest = np.var(centred, axis=0), float(np.max(np.abs(A)))
        if np.all(np.abs(centred) <= 1e-14 * largest):
            continue
        lost = lost_in_cast(A, dtype)
        column = int(np.argmax(lost))
        way = f"subtract the mean of each column of {name} and divide by its standard deviation"
        if lost[column] > 0.01:
            said.append(
                f"The cast of {name} to {np.dtype(dtype)} loses {100 * min(1.0, lost[column]):.3g} % of the variance "
                f"of its column {column}: {way}, or train with dtype float64."
            )
        elif largest > LARGE:
            said.append(f"{name} is not scaled, because its entries reach {largest:.3g}: {way}.")
        elif name == "Y" and np.dtype(dtype) == np.float32 and float(np.sum(spread)) < SMALL:
            said.append(
                f"Y is not scaled, because its rows differ by {float(np.sum(spread)) ** 0.5:.3g}, whose square is lost "
                f"in float32: {way}."
            )
    return said


def lost_in_cast(A: np.ndarray, dtype: Any) -> np.ndarray:
    r"""Return the share of each column's variance that a cast changes.

    .. math:: \mathrm{Var}(a-\mathrm{cast}(a))/\mathrm{Var}(a)

    A column without variation has the share zero, and one that becomes infinite the share one.

    Args:
        A: columns (N, d) in float64.
        dtype: type of the training.

    Example:
        >>> lost_in_cast(np.array([[0.0, 1e8], [1.0, 1e8 + 1]]), np.float32).tolist()
        [0.0, 1.0]

    Source: bnlib.
    """
    with np.errstate(over="ignore"):
        cast = A.astype(dtype).astype(np.float64)
    infinite = ~np.all(np.isfinite(cast), axis=0)
    change = np.var(np.where(infinite[None, :], 0.0, cast - A), axis=0)
    centred = A - A[:1]
    varies = np.max(np.abs(centred), axis=0) > 1e-14 * np.max(np.abs(A), axis=0)
    variance = np.var(centred, axis=0)
    share = np.divide(change, variance, out=np.zeros(A.shape[1]), where=varies & (variance > 0))
    return np.where(infinite, 1.0, share)
