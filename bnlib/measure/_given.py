"""What a call is given: inputs as arrays, parameters as networks, steps as numbers."""

from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..networks import Network
from ._arrays import array_of
from .readers import read


def floats_of(X: Any) -> np.ndarray:
    """Return inputs of any shape as an array of NumPy, in the type in which they were given.

    Raises:
        ValueError: integers, or no real numbers.

    Example:
        >>> floats_of([[1.0, 2.0]]).dtype
        dtype('float64')

    Source: bnlib.
    """
    found = array_of("X", X)
    if not jnp.issubdtype(found.dtype, jnp.floating):
        _checks.floating("X", found)  # complex numbers and text have sentences of their own
        raise ValueError("X holds integers, such as raw pixels; give the floating-point inputs that the network sees.")
    return found


def inputs_of(X: Any, d_in: int | None = None) -> np.ndarray:
    """Return inputs as an array of NumPy, in the type in which they were given.

    Args:
        X: inputs (N, d_in) in the form of any framework.
        d_in: their dimension; None for any.

    Raises:
        ValueError: another shape, integers, NaN or infinity.

    Example:
        >>> inputs_of([[1.0, 2.0]]).shape
        (1, 2)

    Source: bnlib.
    """
    found = floats_of(X)
    if found.ndim != 2 or not found.size or d_in not in (None, found.shape[1]):
        raise ValueError(f"X must have shape (N, {d_in or 'd_in'}) with N >= 1, but its shape is {found.shape}.")
    _checks.finite("X", found)
    return found


def network_of(parameters: Any, d_in: int, **how: Any) -> tuple[Network, list[str]]:
    """Return a network as ``from_arrays`` reads it, and a sentence for each choice that nothing settles.

    Args:
        parameters: a network, or parameters as ``report`` takes them.
        d_in: dimension of the inputs.
        how: layers, layout and negative_slope, or None for them.

    Raises:
        ValueError: parameters of no plain ReLU network, or with NaN or infinity.

    Example:
        >>> network_of([np.eye(2), np.eye(2)], 2, layout="out_in")[0].depth
        2

    Source: bnlib.
    """
    reading = read(parameters, d_in=d_in, **how)
    settle = "layers= and layout= settle it."
    return reading.net, [f"More than one reading fits the arrays: {phrase}. {settle}" for phrase in reading.open]


def is_number(value: Any) -> bool:
    """Say whether a value is a real number of Python or NumPy, and no truth value.

    Example:
        >>> is_number(np.float32(0.5)), is_number(True), is_number(np.ones(1))
        (True, False, False)

    Source: bnlib.
    """
    return isinstance(value, Real) and not isinstance(value, bool)
