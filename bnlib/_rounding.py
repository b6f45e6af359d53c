"""What another machine would compute: arrays that differ by a few units in the last place."""

import os
import zlib
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from . import _checks

T = TypeVar("T")
UNITS = 4  # of the last place, as the standard deviation


def elsewhere(tree: T) -> T:
    """Return a tree as it is; where BNLIB_PERTURB holds a seed, multiply its real arrays by 1 + 4 eps N(0, 1).

    Equal arrays get equal factors, as two equal computations of one machine give equal results. `make perturb` runs
    the chapters so: whatever they print has to survive it.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, {"BNLIB_PERTURB": "1"}):
        ...     bool(0 < abs(elsewhere(np.ones(1)) - 1) < 1e-14)
        True
    """
    if not (seed := os.environ.get("BNLIB_PERTURB")):
        return tree
    if not seed.isdecimal():
        raise ValueError(f"BNLIB_PERTURB must be a seed, an integer >= 0, or unset, but it is {seed!r}.")
    return jax.tree.map(lambda a: _moved(int(seed), a), tree)


def _moved(seed: int, a: Any) -> Any:
    if not isinstance(a, np.ndarray | jax.Array) or not jnp.issubdtype(a.dtype, jnp.floating):
        return a
    content = zlib.crc32(b"" if _checks.is_traced(a) else np.asarray(a).tobytes())
    noise = np.random.default_rng([seed, content, *a.shape]).normal(size=a.shape)
    return a * (1 + UNITS * float(jnp.finfo(a.dtype).eps) * noise).astype(a.dtype)
