"""Networks from somebody else's files and pytrees: arrays are read without running code, layers found by shape."""

import math
import re
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..networks import Network, from_layers

Named = tuple[str, np.ndarray]

PICKLE = (
    "it is a pickle, which can run any code when it is opened; store the weights with safetensors.torch.save_file, "
    "or with numpy.savez as plain arrays"
)
PLAIN = "bnlib reads plain ReLU networks, whose layers have a weight matrix and a bias vector each, or no biases at all"


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an npz or safetensors file, told apart by content, without unpickling anything.

    A header is believed only as far as the file is long: what it declares beyond that is never allocated.

    Args:
        path: file written by ``numpy.savez`` or by ``safetensors``, whose package is needed for the latter.

    Returns:
        The arrays by name.

    Raises:
        ValueError: a missing, empty, truncated or foreign file, or a pickle.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez(file, **{"0.weight": np.eye(2)})
        >>> list(load_arrays(file))
        ['0.weight']

    Source: bnlib.
    """
    try:
        return _reader(Path(path))(Path(path))
    except Exception as error:  # a damaged file can end in any error of zipfile, zlib, tokenize or numpy
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise ValueError(f"Cannot read arrays from '{path}': {reason}.") from error


def _reader(path: Path) -> Callable[[Path], dict[str, np.ndarray]]:
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise ValueError("it is empty")
    if head.startswith(b"PK"):
        return _npz
    if head.endswith(b"{") and len(head) == 9:  # after the eight bytes of the header's length
        return _safetensors
    if head[0] == 0x80:
        raise ValueError(PICKLE)
    raise ValueError("it is neither an npz archive nor a safetensors file")


def _npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith(".pkl") for name in archive.namelist()):  # as in the files of torch.save
            raise ValueError(PICKLE)
        return {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"'{info.filename}' is compressed in a way that numpy does not write")
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
        if dtype.hasobject:
            raise ValueError(f"'{info.filename}' holds Python objects: {PICKLE}")
        size = math.prod(shape) * dtype.itemsize
        if size != info.file_size - file.tell():
            raise ValueError(f"'{info.filename}' declares {size} bytes but has {info.file_size - file.tell()}")
        flat = np.frombuffer(file.read(), dtype)
    return flat.reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="))


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import numpy
    except ImportError as error:
        raise ValueError("safetensors files need the package of that name: pip install safetensors") from error
    try:
        return numpy.load(path.read_bytes())
    except KeyError as error:
        raise ValueError(f"its numbers are of type {error}, which NumPy lacks; store them as float32") from error


def load_network(path: str | Path, *, d_in: int | None = None, negative_slope: float = 0.0) -> Network:
    """Read a network from an npz or safetensors file; ``from_arrays`` says how its layers are found.

    Args:
        path: file of weights, such as a PyTorch ``state_dict`` stored with ``safetensors.torch.save_file``.
        d_in: dimension of the inputs, where it is known.
        negative_slope: slope of the activation on negative numbers.

    Raises:
        ValueError: an unreadable file, or arrays that do not form a multilayer perceptron.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez(file, **{"0.weight": np.eye(2), "2.weight": np.eye(2)})
        >>> load_network(file).depth
        2

    Source: bnlib.
    """
    return from_arrays(load_arrays(path), d_in=d_in, negative_slope=negative_slope)


def from_arrays(parameters: Any, *, d_in: int | None = None, negative_slope: float = 0.0) -> Network:
    """Build a network from any pytree of weight matrices and bias vectors, whatever their names.

    The k-th matrix goes with the k-th vector; without any vector all biases are zero. Layers are taken in the natural
    order of their names, where 10 comes after 9; where the shapes do not follow each other in it, in the order in which
    they do from ``d_in`` on, if at every step layers of one shape only can come next. Weights are (out, in), as in
    PyTorch and Equinox, or all (in, out), as in Flax: the shapes decide. Where they allow both, as for square matrices,
    a ``kernel`` is (in, out), any other (out, in).

    Only shapes and names are seen. A network with another activation, or with skip connections
    between layers of one width, looks like a ReLU network and is read as one; only activations that are leaves of
    the pytree, as in an Equinox model, are checked.

    Args:
        parameters: a ``state_dict``, the parameters of a Flax model, an Equinox model, nested lists and dicts.
        d_in: dimension of the inputs, where it is known.
        negative_slope: slope of the activation on negative numbers.

    Raises:
        ValueError: arrays of convolutions or normalisation layers, biases in some layers only, no chain of shapes,
            NaN or infinity; the sentence names the array or its layer.

    Example:
        >>> net = from_arrays({"Dense_0": {"kernel": np.ones((3, 5))}, "Dense_1": {"kernel": np.ones((5, 2))}})
        >>> net.d_in, net.d_out, net.depth
        (3, 2, 2)

    Source: bnlib.
    """
    weights, biases = _sorted_arrays(parameters)
    columns_first = _last(weights[0][0]) == "kernel"
    ways = [(transposed, sort) for sort in (False, True) for transposed in (columns_first, not columns_first)]
    if _last(weights[0][0]) in ("kernel", "weight"):  # a convention that is stronger than the order of names
        ways.sort(key=lambda way: way[0] != columns_first)
    # Without d_in only as the names say: then the sentence about a wrong width of the inputs names the right one.
    for transposed, sort, start in [(*way, d_in) for way in ways] + [(*ways[0], None)]:
        layers = [(W.T if transposed else W, b) for (_, W), b in zip(weights, biases, strict=True)]
        order = _chain([W.shape for W, _ in layers], start, sort)
        if order and all(b is None or len(b) == len(W) for W, b in layers):
            return from_layers([layers[i] for i in order], negative_slope=negative_slope)
    for (before, V), (name, W) in pairwise(weights):
        if V.shape[columns_first] != W.shape[not columns_first]:
            raise ValueError(
                f"The layers form no chain: '{name}' of shape {W.shape} cannot follow '{before}' of shape {V.shape}, "
                f"as in a network with skip connections or with names out of order; {PLAIN}."
            )
    return from_layers(layers)  # which says of what bias the length is wrong


def _sorted_arrays(parameters: Any) -> tuple[list[Named], Sequence[np.ndarray | None]]:
    """Return the weights with their names, and their biases, in the natural order of the names."""
    arrays = sorted(_named_arrays(parameters), key=lambda named: _natural(named[0]))
    weights = [(name, a) for name, a in arrays if a.ndim == 2]
    biases = [(name, a) for name, a in arrays if a.ndim == 1]
    if not weights:
        raise ValueError(f"There is no weight matrix among the arrays {[name for name, _ in arrays]}; {PLAIN}.")
    if not biases:
        return weights, [None] * len(weights)
    if len(biases) != len(weights):
        beside = {_stem(name) for name, _ in biases}
        bare = next((f", and '{name}' has none beside it" for name, _ in weights if _stem(name) not in beside), "")
        raise ValueError(f"There are {len(weights)} weight matrices but {len(biases)} vectors{bare}; {PLAIN}.")
    for (weight, _), (bias, _) in zip(weights, biases, strict=True):
        if _stem(weight) != _stem(bias) and _numbers(weight) != _numbers(bias):
            raise ValueError(f"Weights and biases do not pair up: '{bias}' would be the bias of '{weight}'; {PLAIN}.")
    return weights, [b for _, b in biases]


def _named_arrays(parameters: Any) -> list[Named]:
    """Return every array of a pytree with its name, or raise ValueError for what a plain network does not have."""
    arrays = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(parameters)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")  # of Flax's variables
        if callable(leaf) and not hasattr(leaf, "shape"):
            _check_activation(name, leaf)
            continue
        try:
            array = np.asarray(leaf)
        except Exception as error:  # tensors on another device, or that require a gradient
            raise ValueError(f"'{name}' cannot be made an array ({' '.join(str(error).split())}).") from error
        if array.ndim > 2:
            raise ValueError(f"'{name}' has shape {array.shape}, like a convolution; {PLAIN}.")
        if array.ndim == 0 or (array.ndim == 1 and re.fullmatch("weight|scale|gamma|running_.*", _last(name))):
            raise ValueError(f"'{name}' has shape {array.shape}, like a part of a normalisation layer; {PLAIN}.")
        if jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize < 4:
            array = array.astype(np.float32)  # exact, and float16 has no singular values
        arrays.append((name, array))
    return arrays


def _check_activation(name: str, function: Callable[..., Any]) -> None:
    """Refuse a leaf that is neither ReLU nor, after the last layer, the identity."""
    probe = np.array([-2.0, -0.5, 1.0], np.float32)
    wanted = probe if _last(name).startswith("final") else np.maximum(probe, 0)
    try:
        found = np.asarray(function(jnp.asarray(probe)))
    except Exception:  # a model, or anything else that can be called
        found = np.zeros(0)
    if not np.array_equal(found, wanted):
        name = name or type(function).__name__
        raise ValueError(f"'{name}' is neither an array nor ReLU (the identity after the last layer); {PLAIN}.")


def _chain(shapes: Sequence[tuple[int, ...]], d_in: int | None, sort: bool) -> list[int] | None:
    """Return the order given if layers (out, in) follow each other in it; with ``sort`` the one without a choice."""
    if not sort:
        fits = d_in in (None, shapes[0][1]) and all(a[0] == b[1] for a, b in pairwise(shapes))
        return list(range(len(shapes))) if fits else None
    order: list[int] = []
    while len(order) < len(shapes):
        next_ones = [i for i, shape in enumerate(shapes) if i not in order and shape[1] == d_in]
        if len({shapes[i] for i in next_ones}) != 1:  # equal shapes keep the order of their names
            return None
        order.append(next_ones[0])
        d_in = shapes[next_ones[0]][0]
    return order


def _stem(name: str) -> str:
    return name.removesuffix(_last(name))


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
