"""Which matrix each recorded array of a model is measured as, and its rows in blocks."""

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _svd
from ..networks import ROWS
from ._arrays import ASIDE, array_of
from ._objects import Hints, opened
from .readers import Layout

Kind = Literal["matrix", "kernel", "activations"]
Channels = Literal["first", "last"]


class Recording(NamedTuple):
    """Hold an array and how it is read.

    Attributes:
        name: its name; of one matrix of a stack with its number in brackets.
        kind: what it is.
        array: (..., d), measured as the matrix with d columns and all other axes as rows.
        shape: as it was given.
        taps: number of places that a kernel looks at; one for everything else.
        dtype: type that stores it.
    """

    name: str
    kind: Kind
    array: np.ndarray
    shape: tuple[int, ...]
    taps: int
    dtype: str

    @property
    def matrix(self) -> tuple[int, int]:
        """Shape of the matrix: (out, in) or (out, in x taps) of weights, (rows, features) of activations."""
        return math.prod(self.array.shape[:-1]), self.array.shape[-1]


def weights_of(tree: Any, layout: Layout | None) -> tuple[list[Recording], list[str]]:
    """Return the matrices and kernels of a model by name, and the names of what holds no matrix."""
    if layout not in (None, "out_in", "in_out"):
        raise ValueError(f"layout must be 'out_in' or 'in_out', but it is {layout!r}.")
    found, left_out = _named("weights", tree, vectors=False)
    parts = [part for name, array, dtype in found for part in _weight(name, array, dtype, layout)]
    _check_names("weights", [part.name for part in parts])
    return parts, left_out


def activations_of(tree: Any, channels: Channels | None) -> list[Recording]:
    """Return recorded activations by name."""
    if channels not in (None, "first", "last"):
        raise ValueError(f"channels must be 'first' or 'last', but it is {channels!r}.")
    found, left_out = _named("activations", tree, vectors=True)
    if left_out:
        raise ValueError(f"'{left_out[0]}' in activations is no array; leave it out.")
    return [_activation(name, array, dtype, channels) for name, array, dtype in found]


def blocks(A: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of an array (..., d) in float64, at most ROWS or d at a time, without another copy of it."""
    d = A.shape[-1]
    most = max(ROWS, d)
    group = max(1, most // math.prod(A.shape[1:-1]))
    for start in range(0, len(A), group):
        flat = A[start : start + group].reshape(-1, d)
        for row in range(0, len(flat), most):
            yield flat[row : row + most].astype(np.float64)


def _weight(name: str, array: np.ndarray, dtype: str, layout: Layout | None) -> Iterator[Recording]:
    if array.ndim == 2:
        yield Recording(name, "matrix", array, array.shape, 1, dtype)
    elif array.ndim == 3:
        if len(array) > min(array.shape[1:]):
            raise ValueError(
                f"'{name}' has shape {array.shape}, too many matrices for a stack of layers or heads. Give a stack "
                "under one name for each matrix, a kernel of one dimension with an axis more, as (out, in, 1, w), and "
                "heads that stand behind the inputs as one matrix, by reshape."
            )
        for i, part in enumerate(array):
            yield Recording(f"{name}[{i}]", "matrix", part, part.shape, 1, dtype)
    elif layout is None:
        raise ValueError(
            f"'{name}' has shape {array.shape}, like the kernel of a convolution: give layout='out_in' if it is "
            "(out, in, h, w), as in PyTorch, or layout='in_out' if it is (h, w, in, out), as in Flax and Keras."
        )
    else:
        taps = math.prod(array.shape[2:] if layout == "out_in" else array.shape[:-2])
        rows = array if layout == "out_in" else np.moveaxis(array, -1, 0)
        flat = rows.reshape(len(rows), -1)
        yield Recording(name, "kernel" if taps > 1 else "matrix", flat, array.shape, taps, dtype)


def _activation(name: str, array: np.ndarray, dtype: str, channels: Channels | None) -> Recording:
    if array.ndim < 2:
        raise ValueError(
            f"'{name}' has shape {array.shape}, but activations have shape (N, d), (N, T, d) or those of images; "
            "record a batch, and give one number for each input as (N, 1)."
        )
    if array.ndim > 3 and channels is None:
        raise ValueError(
            f"'{name}' has shape {array.shape}: give channels='first' if it is (N, C, H, W), as in PyTorch, or "
            "channels='last' if it is (N, H, W, C), as in Flax and Keras."
        )
    rows = np.moveaxis(array, 1, -1) if array.ndim > 3 and channels == "first" else array
    return Recording(name, "activations", rows, array.shape, 1, dtype)


def _named(what: str, tree: Any, *, vectors: bool) -> tuple[list[tuple[str, np.ndarray, str]], list[str]]:
    """Return (name, array, type) for all arrays of a tree, and the names of what is left out."""
    tree = opened(tree, Hints())
    if not isinstance(tree, Mapping | list | tuple):
        raise ValueError(
            f"{what} must be a dictionary from names to arrays, but it is of the type {type(tree).__name__}; give "
            "{'name': array}."
        )
    found, left_out = [], []
    for name, leaf in _leaves("", tree):
        if leaf is None or isinstance(leaf, str | bytes | numbers.Number) or _is_function(leaf):
            left_out.append(name)
            continue
        array, dtype = _array(name, leaf)
        if array.ndim < 2 and not vectors:
            left_out.append(name)
        else:
            _check_numbers(name, array)
            found.append((name, array, dtype))
    _check_names(what, [name for name, _, _ in found])
    return found, left_out


def _check_names(what: str, names: list[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{what} holds two matrices named '{twice[0]}'; give every array a name of its own.")


def _leaves(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a tree of dictionaries and lists holds, in stored order; of optimisers only the name."""
    if isinstance(thing, Mapping):
        children = [(str(key), value) for key, value in thing.items()]
    elif isinstance(thing, list | tuple) and not _written_out(thing):
        children = [(str(i), value) for i, value in enumerate(thing)]
    else:
        yield name, thing
        return
    for key, value in children:
        path = f"{name}/{key}" if name else key
        if ASIDE.match(key) and not hasattr(value, "dtype"):
            yield path, None
        else:
            yield from _leaves(path, value)


def _written_out(thing: Any) -> bool:
    """Say whether nested lists are an array written out."""
    while isinstance(thing, list | tuple) and thing:
        thing = thing[0]
    return isinstance(thing, numbers.Number)


def _is_function(leaf: Any) -> bool:
    return callable(leaf) and not hasattr(leaf, "shape")


def _array(name: str, leaf: Any) -> tuple[np.ndarray, str]:
    """Return an array as it is stored, and its type; tensors of PyTorch in 16 bits become float32, which holds them."""
    _svd.untraced(leaf)
    dtype = str(getattr(leaf, "dtype", "")).removeprefix("torch.")
    # A wider copy of what NumPy can hold is never needed at once.
    array = np.asarray(leaf) if isinstance(leaf, np.ndarray | jax.Array) else array_of(name, leaf)
    return array, dtype if "float" in dtype else str(array.dtype)


def _check_numbers(name: str, array: np.ndarray) -> None:
    if array.dtype.kind in "biu":
        raise ValueError(
            f"'{name}' holds {array.dtype}, such as pixels, tokens, masks or quantised weights: give it as "
            "floating-point numbers, dequantised or by .astype(float), or leave it out."
        )
    if array.dtype.kind == "c":
        raise ValueError(
            f"'{name}' is complex; give np.block([[A.real, -A.imag], [A.imag, A.real]]), which has each of its "
            "singular values twice."
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"'{name}' must hold numbers, but its type is {array.dtype}.")
    if array.dtype.itemsize > 8:
        raise ValueError(f"'{name}' is of the type {array.dtype}, which bnlib would round; give it as float64.")
    if not array.size:
        raise ValueError(f"'{name}' is empty: its shape is {array.shape}.")
