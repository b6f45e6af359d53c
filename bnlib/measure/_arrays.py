"""The arrays of a tree with their names, in stored order: metadata and optimisers are left out, functions looked at."""

import re
from collections import OrderedDict
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._objects import FINAL, Hints, check_places, opened

Named = tuple[str, np.ndarray]

PLAIN = (
    "bnlib reads plain ReLU networks: layers with a weight matrix and perhaps a bias vector, ReLU between them, "
    "nothing else"
)
# Parts of a checkpoint that are no network, if they hold others: by their names, and by what they hold.
ASIDE = re.compile(
    r"(optim|opt_state|lr_sched|sched|rngs?$|random(_?states?|_?keys?)?$|hyper_?param|callbacks|loops|config|.*args$|"
    r"history|grad_?scaler)",
    re.IGNORECASE,
)
OPTIMISER = {"mu", "nu", "trace", "count", "inner_state", "inner_states", "hyperparams", "hyperparams_states"}
# Attributes of Flax's layers that hold functions but no activation.
NO_ACTIVATION = re.compile(r".*_init$|dot_general|promote_dtype|apply_fn|tx|.*_cls$")
# Numbers of a run, which belong to no layer; and what is noted of it as a row of numbers.
COUNTER = re.compile(
    r"epochs?|(global_)?steps?|iter.*|num_.*|n_.*|count(er)?|p|lr|(.*_)?loss|best.*|eps(ilon)?|momentum|seed|t|"
    r"learning_rate|decay|dropout.*|rate|inference|(.*_)?log_?std|batch_size|beta\d?(_power)?",
    re.IGNORECASE,
)
ROWS = re.compile(r"(.*_)?loss(es)?|epochs?|(global_)?steps?|lr|learning_rate|(.*_)?log_?std", re.IGNORECASE)
# Parts of the names of flattened trees that belong to an optimiser: its own, and the moments that it keeps by weight.
MOMENT = re.compile(
    r"optim(i[sz]ers?)?(_states?)?|opt_state|OPTIMIZER_SLOT|(max_)?exp_avg(_sq)?|momentum_buffer|square_avg|"
    r"(Adam|Momentum|RMSProp|Adagrad|Ftrl)(_\d+)?"
)
# What TensorFlow adds to the name of a variable.
ADDED = re.compile(r"(/\.ATTRIBUTES/VARIABLE_VALUE|:\d+)$")
BIAS = re.compile(r"(.*_)?(b|bias|biases|intercepts?_?)_?\d*", re.IGNORECASE)
WEIGHT_LIKE = re.compile("w|kernel|coef", re.IGNORECASE)
QUANTISED = re.compile(r"(^|[./])(qweight|qzeros|g_idx|_packed_params|SCB|absmax|quant_map)([./]|$)")
# What a dictionary calls the name of its activation.
ACTIVATION = re.compile(r"(hidden_)?(activation|nonlinearity|act)(_fn|_function|_name)?")
FILE = re.compile(r".*\.(npz|npy|safetensors|h5|keras|pth?|ckpt|pkl)")
# Weights of recurrent layers, which can have the shapes of a chain.
RECURRENT = re.compile(r"weight_[ih]h(_l\d+(_reverse)?)?|recurrent_kernel")


def last(name: str) -> str:
    """Return the last part of a name."""
    return re.split(r"[./]", name)[-1]


def stem(name: str) -> str:
    """Return a name without its last part."""
    return name.removesuffix(last(name)).rstrip("./")


def array_of(name: str, leaf: Any) -> np.ndarray:
    """Return a leaf as an array of NumPy; numbers of 16 and 8 bits become float32, which holds them exactly.

    Tensors of PyTorch are detached, brought from their device and, where they are sparse or quantised, written out.
    What NumPy may not read by itself says how by ``get``, ``asnumpy`` or ``numpy``.

    Raises:
        ValueError: no numbers, or numbers that a mask hides.
    """
    if isinstance(leaf, np.ma.MaskedArray):
        if np.any(leaf.mask):
            raise ValueError(f"'{name}' has masked entries; say what they are first, as by filled(0).")
        leaf = leaf.data
    try:
        if callable(getattr(leaf, "detach", None)):
            leaf = leaf.detach().cpu()
            leaf = leaf.dequantize() if getattr(leaf, "is_quantized", False) else leaf
            leaf = leaf.to_dense() if getattr(leaf, "is_sparse", False) else leaf
            leaf = leaf.float() if re.search("bfloat16|float8", str(leaf.dtype)) else leaf
        array = _read(leaf)
    except Exception as error:  # tensors without numbers, or what raises when it is looked at
        raise ValueError(f"'{name}' cannot be made an array ({' '.join(str(error).split())}).") from error
    if array.dtype == object and array.shape != tuple(getattr(leaf, "shape", array.shape)):
        raise ValueError(f"'{name}' has a shape but no numbers, as what jax.eval_shape returns.")
    if array.dtype == object and array.ndim == 2 and all(isinstance(a, int | float) for a in array.flat):
        array = array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # JAX has no longer numbers
    array = np.asarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    if jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize < 4:
        array = array.astype(np.float32)  # float16 has no singular values
    return array


def _read(leaf: Any) -> np.ndarray:
    if callable(getattr(leaf, "toarray", None)):  # sparse matrices of SciPy
        return np.asarray(leaf.toarray())
    try:
        return np.asarray(leaf)
    except Exception:
        for way in ("get", "asnumpy", "numpy"):  # CuPy, MXNet, Paddle and others
            if callable(getattr(leaf, way, None)):
                return np.asarray(getattr(leaf, way)())
        raise


def arrays_of(tree: Any, hints: Hints) -> list[Named]:
    """Return every array of a tree that may belong to a layer, with its name, in stored order.

    Raises:
        ValueError: no tree of arrays, or what cannot be an array of a network.
    """
    found: list[Named] = []
    events: list[tuple[str, str]] = []
    for name, leaf in _leaves("", tree, hints):
        if callable(leaf) and not hasattr(leaf, "shape"):
            events += _function(name, leaf, hints)
            continue
        name = _plain(name)
        if MOMENT.fullmatch(last(name)) or any(MOMENT.fullmatch(part) for part in re.split(r"[./]+", name)):
            continue
        if type(leaf).__module__.partition(".")[0] == "paddle":
            hints.layout = "in_out"  # as its Linear has them, under the names of PyTorch
        array = array_of(name, leaf)
        if array.dtype == object and array.ndim:
            found += arrays_of({name: list(array)}, hints)
        elif array.dtype == object and not name:
            raise ValueError(
                f"'{type(leaf).__name__}' holds no arrays that bnlib knows how to find; give them, as in "
                f"[(model.W1, model.b1), ...] or as vars(model); {PLAIN}."
            )
        elif _matters(name, array):
            array = _unit_kernel(name, array)
            found.append((name, array))
            if array.ndim == 2:
                events.append(("layer", name))
    if any(kind == "activation" for kind, _ in events):
        check_places(events, hints)
    if hints.order == "kept" and not isinstance(tree, OrderedDict) and _sorted([name for name, _ in found]):
        hints.order = "letters"
    return _unstacked(_with_flat_biases(found))


def _plain(name: str) -> str:
    """Return the name of a variable of TensorFlow without what says that it is one."""
    return ADDED.sub("", name)


def _with_flat_biases(found: list[Named]) -> list[Named]:
    """Return biases that are rows, columns or numbers as vectors: by their names beside weights, or second in pairs."""
    if any(a.ndim == 2 and WEIGHT_LIKE.match(last(name)) for name, a in found):
        found = [
            (name, a.reshape(-1) if BIAS.fullmatch(last(name)) and a.size == max(a.shape, default=1) else a)
            for name, a in found
        ]
    pairs: dict[str, list[int]] = {}
    for i, (name, _) in enumerate(found):
        if last(name).isdigit() and stem(name):
            pairs.setdefault(stem(name), []).append(i)
    ends = [found[ij[1]][1] for ij in pairs.values() if len(ij) == 2 and found[ij[0]][1].ndim == 2]
    if len(ends) != len(pairs) or not all(b.size == max(b.shape, default=1) for b in ends):
        return found
    seconds = {ij[1] for ij in pairs.values()}
    return [(name, a.reshape(-1) if i in seconds else a) for i, (name, a) in enumerate(found)]


def _sorted(names: list[str]) -> bool:
    return all(a < b for a, b in pairwise(names))


def _leaves(name: str, thing: Any, hints: Hints) -> Iterator[tuple[str, Any]]:
    """Yield what a tree holds, in stored order: dictionaries as they are, modules in the order of their fields."""
    if thing is None and last(name) in ("weight", "kernel"):
        raise ValueError(f"'{name}' is None, so that its layer has no weights.")
    thing = thing if isinstance(thing, str | bytes) else opened(thing, hints)
    if isinstance(thing, Mapping):
        children = [(str(key), value) for key, value in thing.items()]
        keys = {key for key, _ in children}
        if {"state", "param_groups"} <= keys or ({"mu", "nu"} <= keys <= OPTIMISER):
            return
        for key, value in children:
            if ACTIVATION.fullmatch(key) and isinstance(value, str):
                _named_activation(value, hints)
    elif _is_optimiser(thing):
        return
    elif isinstance(thing, list | tuple | Iterator | ItemsView | ValuesView):
        things = list(thing)
        if _numbers(things):
            yield name, thing
            return
        if things and all(isinstance(t, tuple) and len(t) == 2 and isinstance(t[0], str) for t in things):
            children = things  # as named_parameters() gives them
        else:
            names = getattr(thing, "_fields", map(str, range(len(things))))
            children = list(zip(names, things, strict=True))
    elif hasattr(thing, "shape") and (hasattr(thing, "dtype") or hasattr(thing, "__array__")):
        if not (isinstance(thing, jax.Array) and jnp.issubdtype(thing.dtype, jax.dtypes.prng_key)):
            yield name.removesuffix("/value"), thing
        return
    elif any(base.__module__.startswith("flax.nnx") for base in type(thing).__mro__) and hasattr(thing, "__dict__"):
        children = [(key, value) for key, value in vars(thing).items() if not key.startswith("_pytree__")]
        children = [(key, v) for key, v in children if not (callable(v) and NO_ACTIVATION.fullmatch(key))]
        children = [(key, v) for key, v in children if not isinstance(v, type) and key not in ("dtype", "precision")]
    else:
        parts = jax.tree_util.tree_flatten_with_path(thing, is_leaf=lambda part: part is not thing)[0]
        if any(part is thing for _, part in parts):
            if is_dataclass(thing) and not isinstance(thing, type):
                for field in fields(thing):
                    yield from _leaves(f"{name}/{field.name}".lstrip("/"), getattr(thing, field.name), hints)
            elif callable(thing) or not name or _is_bias(name, thing):
                yield name, thing
            else:
                _refuse_unread(name, thing)
            return  # strings, numbers and what else a checkpoint notes
        children = [(jax.tree_util.keystr(path, simple=True, separator="/"), part) for path, part in parts]
    for key, value in children:
        if not (ASIDE.match(key) and not hasattr(value, "dtype")):
            yield from _leaves(f"{name}/{key}" if name else key, value, hints)


def _is_bias(name: str, thing: Any) -> bool:
    """Say whether a number is the bias of a layer of one neuron."""
    return isinstance(thing, float) and bool(BIAS.fullmatch(last(name)) or name.endswith("/1"))


def _refuse_unread(name: str, thing: Any) -> None:
    """Refuse what holds arrays that would be passed over, and paths that stand in a list."""
    if isinstance(thing, str):
        if name.isdigit() and FILE.fullmatch(thing):
            raise ValueError(f"'{thing}' is a path in a list; give one path, or the arrays of the files.")
    elif any(hasattr(value, "shape") for value in getattr(thing, "__dict__", {}).values()):
        raise ValueError(
            f"'{name}' is of the kind {type(thing).__name__}, whose arrays bnlib does not know how to find; give them, "
            "as in [(model.W1, model.b1), ...] or as vars(model)."
        )


def _named_activation(kind: str, hints: Hints) -> None:
    if kind.lower() in ("relu", "linear", "identity"):
        hints.slopes.append(float(kind.lower() != "relu"))
    elif not re.fullmatch("leaky_?relu|prelu", kind.lower()):
        hints.doubts.append(f"its activation is {kind}")


def _is_optimiser(thing: Any) -> bool:
    fields = getattr(thing, "_fields", None)
    return isinstance(thing, tuple) and fields is not None and ("count" in fields or set(fields) <= OPTIMISER)


def _numbers(things: Any) -> bool:
    """Say whether nested lists are an array written out, of one dimension or two."""
    first = things
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if not isinstance(first, int | float | complex) or isinstance(first, bool):
        return False
    try:
        return np.asarray(things).ndim <= 2
    except ValueError:  # rows of different lengths
        return False


def _matters(name: str, array: np.ndarray) -> bool:
    """Say whether an array may be a part of a layer: no counter, text, mark or state of random numbers."""
    if array.dtype.kind in "USOmMV" and array.ndim < 2:
        return False
    if QUANTISED.search(name):
        raise ValueError(f"'{name}' holds a part of quantised weights; dequantise them first.")
    if (COUNTER if array.ndim == 0 else ROWS).fullmatch(last(name)) and array.size == max(array.shape, default=1):
        return False
    if array.ndim == 2 and RECURRENT.fullmatch(last(name)):
        raise ValueError(f"'{name}' is a weight of a recurrent layer; {PLAIN}.")
    if array.ndim == 0 and array.dtype.kind in "biu":
        return False
    if array.ndim == 1 and array.dtype.kind in "bu":
        return False
    short = array.dtype.itemsize == 1 and array.dtype != bool
    if array.ndim == 2 and short and jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"'{name}' holds integers of 8 bits or less, as of quantised weights; dequantise them first.")
    if array.ndim == 2 and array.dtype.kind in "USOmMVc" and (array.dtype.kind == "c" or _is_weight(name)):
        raise ValueError(f"'{name}' must hold real numbers, but its type is {array.dtype}.")
    if array.ndim == 2 and array.dtype.kind in "USOmMV":
        return False
    if not array.size and last(name) in ("weight", "kernel"):
        raise ValueError(f"'{name}' has shape {array.shape}, so that its layer has no weights.")
    return array.size > 0


def _is_weight(name: str) -> bool:
    return bool(WEIGHT_LIKE.match(last(name))) or last(name).isdigit() or not name


def _unit_kernel(name: str, array: np.ndarray) -> np.ndarray:
    """Return a convolution over single points as the matrix that it is."""
    if array.ndim > 2 and last(name) == "weight" and set(array.shape[2:]) == {1}:
        return array.reshape(array.shape[:2])
    if array.ndim > 2 and last(name) == "kernel" and set(array.shape[:-2]) == {1}:
        return array.reshape(array.shape[-2:])
    return array


def _unstacked(found: list[Named]) -> list[Named]:
    """Return the layers of stacks, as of a scan over layers, one by one."""
    deep = {stem(name): len(a) for name, a in found if a.ndim == 3}
    flat = {stem(name) for name, a in found if a.ndim == 2 and stem(name) in deep and len(a) == deep[stem(name)]}
    if flat and len(set(deep.values())) == 1 and all(stem(name) in flat for name, _ in found) and len(deep) > 1:
        raise ValueError(
            f"This is an ensemble of {next(iter(deep.values()))} networks, one beside the other in every array; "
            "pass one, as jax.tree.map(lambda a: a[0], parameters)."
        )
    out: list[Named] = []
    for name, a in found:
        if stem(name) in flat:
            out += [(f"{stem(name)}.{i}.{last(name)}".lstrip("."), part) for i, part in enumerate(a)]
        elif a.ndim > 2:
            raise ValueError(f"'{name}' has shape {a.shape}, like a convolution; {PLAIN}.")
        else:
            out.append((name, a))
    return out


def _function(name: str, function: Any, hints: Hints) -> list[tuple[str, str]]:
    """Look at a function by its values: note its slope on negative numbers, and its place if it stands in a row."""
    probe = np.array([-2.0, -0.01, 0.01, 3.0, -100.0, 100.0], np.float32)  # ReLU6 bends at 6, a softplus near 0
    try:
        values = np.asarray(function(jnp.asarray(probe)))
    except Exception:  # a model, or anything else that can be called
        values = np.zeros(0)
    final = last(name).startswith("final")
    slope = float(values[0] / probe[0]) if values.shape == probe.shape else float("nan")
    if not np.allclose(values if values.shape == probe.shape else np.nan, np.where(probe > 0, probe, slope * probe)):
        if final and getattr(function, "__name__", "") in FINAL:
            hints.notes.append(f"without the final {function.__name__}")
            return []
        name = name or type(function).__name__
        raise ValueError(f"'{name}' is neither an array nor ReLU (the identity after the last layer); {PLAIN}.")
    slope = round(slope, 6) + 0.0
    if final:
        if slope != 1.0:
            raise ValueError(f"'{name}' is neither an array nor ReLU (the identity after the last layer); {PLAIN}.")
        return []
    placed = last(name).isdigit() or last(name) == "fn"
    if placed and slope == 1.0:
        return []
    hints.slopes.append(slope)
    return [("activation", name)] if placed else []
