"""What stands beside a weight matrix and can be merged into it exactly: norms, masks, adapters, normalisations."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._adapters import ADAPTER_NAMES, adapted, refuse_adapters
from ._arrays import PLAIN, Named, last, stem

# The names of parametrisations in PyTorch and of adapters, in one form.
RENAMED: list[tuple[str, Any]] = [
    (r"parametrizations\.(weight|bias)\.original0$", r"\1_g"),
    (r"parametrizations\.(weight|bias)\.original1$", r"\1_v"),
    (r"parametrizations\.(weight|bias)\.original$", r"\1_orig"),
    (r"parametrizations\.weight\.0\._([uv])$", r"weight_\1"),
    (r"base_layer\.(weight|bias)$", r"\1"),
    *ADAPTER_NAMES,
]
MEAN, VARIANCE = ("running_mean", "moving_mean", "mean"), ("running_var", "moving_variance", "variance", "var")
FACTOR, SHIFT = ("weight", "gamma", "scale"), ("bias", "beta", "offset")
KERAS = {
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "normalization": ("mean", "variance"),
}
EPSILON = {"moving_variance": 1e-3, "running_var": 1e-5, "var": 1e-5, "variance": 0.0}  # Keras; PyTorch; Flax; Keras
# What a vector beside a matrix is called when it is no bias.
FACTORS = re.compile(
    r"(.*_)?(weight|scale|gamma|gain|alpha|slopes?|sigma|std|var|variance|mean|mask|threshold|temperature)|running_.*|"
    r"log_.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Affine:
    """Hold a map x -> scale * x + shift by coordinates, a normalisation in eval mode."""

    name: str
    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Piece:
    """Hold one linear layer as it is stored, and what is merged into it.

    Attributes:
        name: of its weight matrix.
        W: weight matrix, (out, in) or (in, out).
        b: bias (out,), or None.
        before, after: maps of its inputs and its outputs, in the order in which they act; a matrix stands for itself.
    """

    name: str
    W: np.ndarray
    b: np.ndarray | None = None
    before: tuple[Affine | np.ndarray, ...] = ()
    after: tuple[Affine, ...] = field(default=())

    def shape(self, transposed: bool) -> tuple[int, int]:
        """Return its shape as (out, in)."""
        first = next((m for m in self.before if isinstance(m, np.ndarray)), self.W)
        return self.W.shape[transposed], first.shape[not transposed]

    def fits(self, transposed: bool) -> bool:
        """Say whether its bias and what is merged have the lengths of this orientation."""
        n_out, n_in = (self.W.T if transposed else self.W).shape
        ends = [len(self.b)] if self.b is not None else []
        ends += [len(m.scale) for m in self.after]
        starts = [len(m.scale) for m in self.before if isinstance(m, Affine)]
        maps = [m.shape[1] if transposed else m.shape[0] for m in self.before if isinstance(m, np.ndarray)]
        return set(ends) <= {n_out} and (set(maps) <= {n_in} if maps else set(starts) <= {n_in})

    def layer(self, transposed: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the layer (W, b) as (out, in), with all that is merged into it, in the type of its weights."""
        W, b = self.W.T if transposed else self.W, self.b
        if not (self.before or self.after):
            return W, b
        kind = np.result_type(self.W.dtype, np.float32)
        W, b = W.astype(np.float64), np.zeros(len(W)) if b is None else b.astype(np.float64)
        for m in reversed(self.before):
            if isinstance(m, Affine):
                b = b + W @ m.shift
                W = W * m.scale[None, :]
            else:
                W = W @ (m.T if transposed else m)
        for m in self.after:
            W, b = m.scale[:, None] * W, m.scale * b + m.shift
        return W.astype(kind), b.astype(kind)


def by_module(arrays: list[Named]) -> dict[str, dict[str, Named]]:
    """Group arrays by the module that they stand in, under one form of their last names; order is kept."""
    modules: dict[str, dict[str, Named]] = {}
    for name, a in arrays:
        refuse_adapters(name)
        plain = re.sub(r"^(.*/)?(params|batch_stats)/", "", name)
        for pattern, into in RENAMED:
            plain = re.sub(pattern, into, plain)
        where = modules.setdefault(stem(plain), {})
        key = last(plain)
        where[key if key not in where else name] = (name, a)
    return {name: _keras(name, module) for name, module in modules.items()}


def _keras(name: str, module: dict[str, Named]) -> dict[str, Named]:
    """Name the vectors of normalisations, which the files of Keras number."""
    for kind, names in KERAS.items():
        if kind in name and list(module) == [str(i) for i in range(len(names))]:
            return dict(zip(names, module.values(), strict=True))
    return module


def merged(module: dict[str, Named], factor: Callable[[str], float | None]) -> tuple[dict[str, Named], str | None]:
    """Return the arrays of a module with parametrisations, masks and adapters merged, and what was merged.

    Args:
        module: arrays by last name, each with its full name.
        factor: factor of the low-rank adapter of a name, alpha/r, 0 where it is not in use; None where it is unknown.

    Raises:
        ValueError: parts that can not be merged from the arrays alone.
    """
    parts, said = dict(module), None
    for kind in ("weight", "bias"):
        if f"{kind}_orig" in parts and f"{kind}_mask" in parts:
            name, original = parts.pop(f"{kind}_orig")
            parts[kind] = name, original * parts.pop(f"{kind}_mask")[1].astype(original.dtype)
            said = "pruning masks"
    if {"weight_orig", "weight_u", "weight_v"} <= set(parts):
        (name, W), (_, u), (_, v) = (parts.pop(f"weight_{part}") for part in ("orig", "u", "v"))
        parts["weight"] = name, (W / (u.astype(float) @ W.astype(float) @ v.astype(float))).astype(W.dtype)
        said = "spectral norm"
    if {"weight_g", "weight_v"} <= set(parts):
        (_, g), (name, v) = parts.pop("weight_g"), parts.pop("weight_v")
        axes = tuple(i for i, n in enumerate(g.shape) if n == 1) if g.ndim == 2 else None  # over which it is taken
        wide = v.astype(float)
        parts["weight"] = name, (g * (wide / np.linalg.norm(wide, axis=axes, keepdims=True))).astype(v.dtype)
        said = "weight norm"
    if {"weight", "weight_mask"} <= set(parts):
        name, W = parts["weight"]
        parts["weight"], said = (name, W * parts.pop("weight_mask")[1].astype(W.dtype)), "masks"
    key = next((k for k in ("weight", "kernel") if k in parts), None)
    if key and "mask" in parts and parts["mask"][1].shape == parts[key][1].shape:
        name, W = parts[key]
        mask = parts.pop("mask")[1].astype(W.dtype)
        parts[key], said = (name, W * mask), "masks"
    if any(key.startswith("lora_") for key in parts):
        parts, said = adapted(parts, factor), "a low-rank adapter"
    for rest in ("weight_orig", "weight_g", "weight_v", "weight_u", "bias_orig"):
        if rest in parts:
            raise ValueError(
                f"'{parts[rest][0]}' is a part of a parametrised weight, which the arrays alone do not give; call "
                "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') on the layer first."
            )
    return {key: (_plain(name, key), a) for key, (name, a) in parts.items()}, said


def _plain(name: str, key: str) -> str:
    """Return the name of an array without the words of a parametrisation or an adapter around it."""
    if key not in ("weight", "bias"):
        return name
    for pattern, into in RENAMED:
        name = re.sub(pattern, into, name)
    return f"{name.removesuffix(last(name))}{key}"


def normalisation(module: Mapping[str, Named], epsilon: float | None) -> Affine | None:
    r"""Return the map of a batch normalisation in eval mode, or of a normalisation of inputs; None if it is neither.

    .. math:: x\mapsto\gamma\,(x-\mu)/\sqrt{v+\epsilon}+\beta
    """
    sizes = {key: a.size for key, (_, a) in module.items()}
    mean, variance = (next((k for k in keys if k in module), None) for keys in (MEAN, VARIANCE))
    if mean is None or variance is None or sizes[mean] != sizes[variance]:
        return None
    n = sizes[mean]
    if any(max(a.shape, default=1) != a.size or a.size != n for _, a in module.values()):
        return None
    name, v = module[variance]
    v, m = v.astype(float).reshape(n), module[mean][1].astype(float).reshape(n)
    epsilon = EPSILON[variance] if epsilon is None else epsilon
    deviation = np.maximum(np.sqrt(v), 1e-7) if variance == "variance" else np.sqrt(v + epsilon)
    factor, shift = (next((module[k][1].astype(float).reshape(n) for k in keys if k in module), default)
                     for keys, default in ((FACTOR, np.ones(n)), (SHIFT, np.zeros(n))))  # fmt: skip
    scale = factor / deviation
    return Affine(stem(name) or name, scale, shift - m * scale)


def is_factor(name: str, a: np.ndarray) -> bool:
    """Say whether a vector is called like a part of a normalisation or of an activation, and so is no bias."""
    return a.ndim == 1 and bool(FACTORS.fullmatch(last(name)))


def refuse_normalisation(name: str, a: np.ndarray) -> None:
    """Refuse a vector by its name where it can only be a part of a normalisation of each input by itself."""
    if a.ndim == 0 or re.fullmatch("weight|scale|gamma|running_.*", last(name)):
        raise ValueError(f"'{name}' has shape {a.shape}, like a part of a normalisation layer; {PLAIN}.")
