"""Refuse bad input with one clear sentence, and run what decides a rank in float64."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def is_traced(*arrays: Any) -> bool:
    """Say whether any of the arrays is a tracer, whose values cannot be inspected."""
    return any(isinstance(a, jax.core.Tracer) for a in jax.tree.leaves(arrays))


def on_host(tree: T) -> T:
    """Return a tree with NumPy arrays for all that are no tracers: operations on them need not be compiled."""
    return jax.tree.map(lambda a: a if is_traced(a) else np.asarray(a), tree)


def finite(name: str, *arrays: Any) -> None:
    """Raise ValueError when an array holds NaN or infinity (skipped while tracing)."""
    for a in jax.tree.leaves(arrays):
        if not is_traced(a) and not np.all(np.isfinite(np.asarray(a))):
            raise ValueError(f"{name} must be finite, but it contains NaN or infinity.")


def matrix(name: str, A: Any) -> jax.Array:
    """Return A as a floating matrix, or raise ValueError naming the argument."""
    A = floating(name, A)
    if A.ndim != 2 or 0 in A.shape:
        raise ValueError(f"{name} must be a non-empty matrix, but its shape is {A.shape}.")
    finite(name, A)
    return A


def floating(name: str, A: Any) -> jax.Array:
    """Return A as a real floating array, integers promoted to the default float type."""
    if not is_traced(A):
        try:
            A = A if isinstance(A, jax.Array) else np.asarray(A)
        except ValueError as error:  # rows of different lengths
            raise ValueError(f"{name} must be an array, but its rows do not fit together.") from error
        except (RuntimeError, TypeError) as error:  # tensors on another device, or that require a gradient
            raise ValueError(f"{name} cannot be made an array ({' '.join(str(error).split())}).") from error
        if not (jnp.issubdtype(A.dtype, np.number) or jnp.issubdtype(A.dtype, np.bool_)):
            raise ValueError(f"{name} must hold numbers, but its type is {A.dtype}.")
    A = jnp.asarray(A)
    if jnp.issubdtype(A.dtype, jnp.complexfloating):
        raise ValueError(f"{name} must be real, but its type is {A.dtype}.")
    return A if jnp.issubdtype(A.dtype, jnp.floating) else A.astype(jnp.result_type(float))


def points(name: str, X: Any, dim: int) -> jax.Array:
    """Return X as (N, dim) inputs, or raise ValueError saying what was expected."""
    X = floating(name, X)
    if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] != dim:
        raise ValueError(f"{name} must have shape (N, {dim}) with N >= 1, but its shape is {X.shape}.")
    finite(name, X)
    return X


def equal_lengths(X: jax.Array, Y: jax.Array) -> None:
    """Raise ValueError when inputs and targets differ in number."""
    if len(X) != len(Y):
        raise ValueError(f"X and Y must have the same length, but they have {len(X)} and {len(Y)} rows.")


def number(name: str, value: Any) -> float:
    """Return value as a finite float >= 0, or raise ValueError."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = float("nan")
    if isinstance(value, bool | str) or not 0.0 <= result < float("inf"):
        raise ValueError(f"{name} must be a finite number >= 0, but it is {value!r}.")
    return result


def integer(name: str, value: Any, low: int) -> int:
    """Return value as an int of at least ``low``, or raise ValueError."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):  # text, NaN, infinity
        number = low - 1
    if isinstance(value, bool) or number < low or number != value:
        raise ValueError(f"{name} must be an integer >= {low}, but it is {value!r}.")
    return number


def float64(fn: Callable[P, T]) -> Callable[P, T]:
    """Run a function on float64 copies of its floating-point arguments, whatever the global setting.

    Ranks and certificates are differences of numbers of the size of the norm: float32 cannot decide them.
    """

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        if is_traced(args, kwargs):
            return fn(*args, **kwargs)
        with jax.enable_x64(True):
            args, kwargs = jax.tree.map(_widen, (args, kwargs))
            # NumPy results keep their 64 bits when the session's default is 32.
            return jax.tree.map(lambda a: np.asarray(a) if isinstance(a, jax.Array) else a, fn(*args, **kwargs))

    return wrapper


def _widen(leaf: Any) -> Any:
    if isinstance(leaf, (np.ndarray, jax.Array)) and np.issubdtype(leaf.dtype, np.floating):
        return jnp.asarray(np.asarray(leaf), jnp.float64)
    return leaf
