"""Linear layers from named arrays: which vector is whose bias, and what is merged into which layer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ._arrays import BIAS, PLAIN, Named, last, stem
from ._folding import Affine, Piece, by_module, is_factor, merged, normalisation, refuse_normalisation
from ._objects import Hints

WEIGHT = ("weight", "kernel")
# Matrices that belong to the weights of a layer and are none: gradients, deviations, scales.
BESIDE = re.compile(r"(.*_)?(grad|rho|scale|gain|sigma|std|var|variance|mask)|(.*_)?log_.*", re.IGNORECASE)
# Names that say where a layer stands, by the parts of a name between its separators.
FIRST = {"input", "in", "enc", "encoder", "embed", "embedding", "stem", "first", "features", "backbone", "trunk", "up"}
FINAL = {
    "output",
    "out",
    "dec",
    "decoder",
    "head",
    "final",
    "last",
    "classifier",
    "readout",
    "logits",
    "action",
    "down",
}
BIAS_LIKE = re.compile(r"bias|^b(_|\d|$)|beta|shift|offset|intercept|^\d+$", re.IGNORECASE)
INPUTS = -1  # the place of a normalisation of the inputs
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]


@dataclass
class Pieces:
    """Hold the linear layers of a tree in the order of their arrays or names, and what is left.

    Attributes:
        layers: the layers.
        odd: whether each is a bare matrix beside layers that are named as such, like a fixed projection or a gradient.
        norms: batch normalisations that may stand before or behind their layer, with its number.
        spare: arrays that belong to no layer.
        said: what was merged.
        slopes: of activations that are stored, as PReLU is.
        guessed: what of it is a guess.
    """

    layers: list[Piece]
    odd: list[bool]
    norms: list[tuple[int, Affine]]
    spare: list[Named]
    said: list[str] = field(default_factory=list)
    slopes: list[float] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)


def unknown(adapter: str) -> float | None:
    """Return the factor of an adapter of which only its arrays are known."""
    return None


def pieces_of(
    arrays: Sequence[Named],
    hints: Hints,
    factor: Callable[[str], float | None] = unknown,
    epsilon: float | None = None,
) -> Pieces:
    """Return the layers that named arrays hold; those of files are put into the natural order of their names.

    Args:
        arrays: names and arrays, in stored order.
        hints: what the model says of itself.
        factor: of low-rank adapters that do not say theirs, by their names.
        epsilon: of batch normalisations that do not say theirs.

    Raises:
        ValueError: arrays that belong to no plain network; the sentence names one.
    """
    by_name = sorted(arrays, key=lambda named: natural(named[0]))
    kept_order = hints.order in ("kept", "told") and not told([name for name, a in by_name if a.ndim == 2])
    if hints.order != "told" and not kept_order:
        arrays = by_name
    kept: list[Named] = []
    norms: list[tuple[int, Affine]] = []
    said: dict[str, int] = {}
    slopes: list[float] = []
    for name, module in by_module(list(arrays)).items():
        if norm := normalisation(module, hints.epsilon.get(name, epsilon)):
            norms.append((INPUTS if "variance" in module else sum(a.ndim == 2 for _, a in kept), norm))
            continue
        if _is_slope(module):
            slopes.append(float(module["weight"][1][0]))
            continue
        own = hints.scales.get(name)
        parts, done = merged(module, factor if own is None else own.get)
        for part, (where, a) in parts.items():
            if a.ndim == 2 and part in ("scale", "offset", "gamma", "beta"):
                raise ValueError(f"'{where}' has shape {a.shape}, like a part of a normalisation layer; {PLAIN}.")
        kept += parts.values()
        if done:
            said[done] = said.get(done, 0) + 1
    layers, spare = _paired(kept)
    strange = _strange(kept, layers, spare)
    guessed = [f"whether {', '.join(strange[:3])} and its like are biases, as they are read"] if strange else []
    if _fits_in_order(layers, spare):
        layers = [replace(piece, b=b) for piece, (_, b) in zip(layers, spare, strict=True)]
        spare, guessed = [], ["which bias belongs to which weights: read in the order in which they stand"]
    named = any(last(p.name) in WEIGHT or (p.b is not None and _is_weight(p.name)) for p in layers)
    weights = any(_is_weight(p.name) for p in layers)
    real = any(piece.W.dtype.kind not in "biu" for piece in layers)
    owners = {stem(piece.name) for piece in layers if last(piece.name) in WEIGHT}
    odd = [
        (named and piece.b is None and not _is_weight(piece.name))
        or bool(BESIDE.fullmatch(last(piece.name)))
        or (real and piece.W.dtype.kind in "biu")
        or (weights and bool(BIAS.fullmatch(last(piece.name))))
        or (last(piece.name) not in WEIGHT and stem(piece.name) in owners)
        for piece in layers
    ]
    merges = [f"{what} in {n} layer{'s' * (n > 1)}" for what, n in said.items()]
    found = Pieces(layers, odd, [], spare, merges, slopes, guessed)
    for place, norm in norms:
        if place == INPUTS:
            put(found, 0, norm, "before")
            continue
        _attach(norm, place, found, hints, first=kept_order and not place)
    return found


def _is_weight(name: str) -> bool:
    plain = bool(re.search(r"weight|kernel|^W|^w|coef|original|MatMul", last(name)))
    return plain or last(name).isdigit()


def _strange(arrays: Sequence[Named], layers: Sequence[Piece], spare: Sequence[Named]) -> list[str]:
    """Return the names of vectors that are read as biases of weights that are named as such, and are not called so."""
    if not any(last(piece.name) in WEIGHT for piece in layers):
        return []
    left = {name for name, _ in spare}
    return [f"'{name}'" for name, a in arrays if a.ndim == 1 and name not in left and not BIAS_LIKE.search(last(name))]


def _fits_in_order(layers: Sequence[Piece], spare: Sequence[Named]) -> bool:
    """Say whether as many vectors, which are called biases, are left as there are layers, of their lengths in order."""
    return (
        len(spare) == len(layers)
        and all(
            piece.b is None and len(b) in piece.W.shape for piece, (_, b) in zip(layers, spare, strict=True) if b.ndim
        )
        and all(b.ndim == 1 and BIAS.fullmatch(last(name)) for name, b in spare)
        and not any(last(piece.name) in WEIGHT for piece in layers)
    )


def _is_slope(module: Mapping[str, Named]) -> bool:
    """Say whether a module is a PReLU with one slope."""
    return list(module) == ["weight"] and module["weight"][1].shape == (1,) and 0 <= module["weight"][1][0] <= 1


def _paired(arrays: list[Named]) -> tuple[list[Piece], list[Named]]:
    """Give each matrix its vector: by their module, by their numbers, or by their places in a row."""
    weights = [(name, a) for name, a in arrays if a.ndim == 2]
    vectors = [(name, a) for name, a in arrays if a.ndim < 2]
    if not weights:
        raise ValueError(f"There is no weight matrix among the arrays {[name for name, _ in arrays]}; {PLAIN}.")
    biases = [(name, b) for name, b in vectors if b.ndim == 1 and not is_factor(name, b)]
    owners = {stem(name) for name, _ in weights if last(name) in WEIGHT}
    mains = [name for name, _ in weights if last(name) in WEIGHT or stem(name) not in owners]
    for key in (stem, _numbers, _last_number):
        beside = {key(name): [(n, b) for n, b in biases if key(n) == key(name)] for name in mains}
        if len(beside) < len(mains) or any(len(near) > 1 for near in beside.values()):
            continue  # several matrices, or several vectors, of one key
        if any(beside.values()) or not vectors:
            used = {name for near in beside.values() for name, _ in near}
            own = {name: next((b for _, b in beside[key(name)]), None) for name in mains}
            return [Piece(name, W, own.get(name)) for name, W in weights], [v for v in vectors if v[0] not in used]
    if vectors and len({stem(name) for name, _ in arrays}) == 1 and len(vectors) == len(biases):
        if len(biases) == len(weights):
            return [Piece(name, W, b) for (name, W), (_, b) in zip(weights, vectors, strict=True)], []
        row = [a for _, a in arrays]  # one behind the other, a bias behind its weights
        if all(b.ndim == 2 for b, a in zip([vectors[0][1], *row], row, strict=False) if a.ndim == 1):
            behind = {i: a for i, a in enumerate(row) if a.ndim == 1}
            places = [i for i, a in enumerate(row) if a.ndim == 2]
            return [Piece(name, W, behind.get(i + 1)) for (name, W), i in zip(weights, places, strict=True)], []
    return [Piece(name, W) for name, W in weights], vectors


def _attach(norm: Affine, place: int, found: Pieces, hints: Hints, *, first: bool) -> None:
    """Give a normalisation to its layer: by what the model says, by numbers of one row, or by its own number."""
    layers, own = found.layers, _numbers(norm.name)
    side, i = hints.places.get(norm.name), place
    row = [j for j, p in enumerate(layers) if own and shape_of_name(stem(p.name)) == shape_of_name(norm.name)]
    if side is None and row:
        behind = [j for j in row if natural(stem(layers[j].name)) < natural(norm.name)]
        ahead = [j for j in row if j not in behind]
        next_to = behind and int(_numbers(stem(layers[behind[-1]].name))[-1]) + 1 == int(own[-1])
        side = "after" if next_to or not ahead else "before"
        i = behind[-1] if side == "after" else ahead[0]
    elif side is not None:
        i = place - 1 if side == "after" else place
    elif any(_numbers(stem(piece.name)) == own for piece in layers):
        found.norms.append((next(j for j, piece in enumerate(layers) if _numbers(stem(piece.name)) == own), norm))
        return
    elif first:
        side = "before"
    else:
        found.norms.append((max(place - 1, 0), norm))
        return
    if not 0 <= i < len(layers):
        raise ValueError(f"'{norm.name}' is a normalisation without a layer that it belongs to; {PLAIN}.")
    put(found, i, norm, side)


def put(found: Pieces, i: int, norm: Affine, side: str) -> None:
    """Merge a normalisation into the inputs of layer i, "before", or its outputs, "after"."""
    piece = found.layers[i]
    if side == "after":
        found.layers[i] = replace(piece, after=(*piece.after, norm))
    else:
        found.layers[i] = replace(piece, before=(*piece.before, norm))
    found.said.append(f"'{norm.name}' merged into '{piece.name}'")


def refuse_spare(found: Pieces) -> None:
    """Refuse what belongs to no layer, by its name."""
    for name, a in found.spare:
        refuse_normalisation(name, a)
    if found.spare:
        names = ", ".join(f"'{name}'" for name, _ in found.spare[:4])
        raise ValueError(
            f"{names}: these are vectors without a matrix. Leave them out if they are no part of the function, as by "
            f"layers=[...], or give outputs; {PLAIN}."
        )
    for piece, odd in zip(found.layers, found.odd, strict=True):
        if odd and piece.W.dtype.kind in "biu":
            raise ValueError(
                f"'{piece.name}' holds {'marks' if piece.W.dtype.kind == 'b' else 'integers'} beside weights of real "
                "numbers, like a mask or an index. Name the layers, as in layers=['0', '2'], or give outputs."
            )
        if odd:
            raise ValueError(
                f"'{piece.name}' is a matrix beside layers that are called otherwise, like a fixed projection. Name "
                "the layers, as in layers=['0', '2'], or give outputs."
            )


def natural(name: str) -> tuple:
    """Return the key of a name by which 10 comes after 9, and an input layer before, an output layer behind others."""
    return tuple((_role(part), [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", part)])
                 for part in re.split(r"[./]", name))  # fmt: skip


def _role(part: str) -> tuple[int, int]:
    words = set(re.split(r"[^a-z]+", part.lower()))
    ordinal = next((i for i, word in enumerate(ORDINALS) if word in words), -1)
    return (0 if words & FIRST else 2 if words & FINAL else 1), (ordinal if ordinal > 0 else 0)


def told(names: Sequence[str]) -> bool:
    """Say whether numbers in the names of layers tell their order: the names differ in growing numbers alone."""
    return all(
        (shape_of_name(stem(a)) == shape_of_name(stem(b)) and natural(a) < natural(b)) or a == b
        for a, b in pairwise(names)
    )


def suggested(names: Sequence[str]) -> bool:
    """Say whether names tell their order by numbers or by words, such as input and output, encoder and decoder."""
    return all(
        natural(a) < natural(b) and (roles(a) != roles(b) or shape_of_name(stem(a)) == shape_of_name(stem(b)))
        for a, b in pairwise(names)
    )


def roles(name: str) -> tuple:
    """Return what the words of a name say of the place of its layer."""
    return tuple(role for role, _ in natural(name) if role != 1)


def shape_of_name(name: str) -> str:
    """Return a name without its numbers: dense, dense_1 and dense_2 have one shape."""
    parts = [re.sub(r"_?\d+", "#", part) for part in re.split(r"[./]", name)]
    return ".".join(part.rstrip("#") or "#" for part in parts)


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", name))


def _last_number(name: str) -> str:
    return (_numbers(name) or ("",))[-1]
