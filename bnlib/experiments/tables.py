"""Records of an experiment as arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np


def select(records: Iterable[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    """Return the records that have the given fields.

    Example:
        >>> select([{"depth": 8, "seed": 0}, {"depth": 12, "seed": 0}], depth=12)
        [{'depth': 12, 'seed': 0}]

    Source: bnlib.
    """
    return [record for record in records if all(record[name] == value for name, value in fields.items())]


def table(
    records: Iterable[dict[str, Any]], value: str | Callable[[dict[str, Any]], float], **axes: Sequence[Any]
) -> np.ndarray:
    """Arrange one number of each record along some of its fields; NaN where there is no record.

    Args:
        records: the records.
        value: name of the number, or a function that takes it from a record.
        axes: by field, the values along that axis of the array.

    Returns:
        An array with one axis for each field, in the given order.

    Raises:
        ValueError: two records at one place.

    Example:
        >>> records = [{"depth": 8, "seed": 0, "rank": 2}, {"depth": 12, "seed": 1, "rank": 3}]
        >>> table(records, "rank", seed=(0, 1), depth=(8, 12))
        array([[ 2., nan],
               [nan,  3.]])

    Source: bnlib.
    """
    take = (lambda record: record[value]) if isinstance(value, str) else value
    found = np.full([len(places) for places in axes.values()], np.nan)
    where = {place: index for index, place in zip(np.ndindex(*found.shape), product(*axes.values()), strict=True)}
    filled = set()
    for record in records:
        place = tuple(record[name] for name in axes)
        if place in where:
            if place in filled:
                raise ValueError(f"There are two records of {dict(zip(axes, place, strict=True))}: select some first.")
            filled.add(place)
            found[where[place]] = take(record)
    return found


def kernels(record: Mapping[str, Any]) -> np.ndarray:
    """Return the kernels of the representations at a quarter, a half and three quarters of the depth.

    Records keep the upper triangle of each.

    Args:
        record: a record with the entry kernels.

    Returns:
        (3, n, n), symmetric.

    Example:
        >>> kernels({"kernels": [[1.0, 2.0, 3.0]] * 3})[0].tolist()
        [[1.0, 2.0], [2.0, 3.0]]

    Source: J23; claim depth-convergence; chapter features.
    """
    stored = np.asarray(record["kernels"], float)
    n = int((2 * stored.shape[1]) ** 0.5)
    found = np.zeros((len(stored), n, n))
    rows, columns = np.triu_indices(n)
    found[:, rows, columns] = found[:, columns, rows] = stored
    return found
