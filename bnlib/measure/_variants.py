"""What arrays can mean where their names leave it open: adapters, normalisations, buffers, several networks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

import numpy as np

from ._adapters import adapter_names
from ._arrays import Named, last, stem
from ._chains import Bounds
from ._folding import Affine, Piece
from ._networks import doubtful_block, networks, refuse_block, refuse_several
from ._objects import Hints
from ._pieces import Pieces, pieces_of, put, refuse_spare

MOST_VARIANTS = 300
# Factors of low-rank adapters, alpha/r or alpha/sqrt(r), and none where an adapter is merged or not in use.
SCALES = (1.0, 2.0, 0.5, 4.0, 0.25, 8.0, 0.125, 16.0, 0.0, *(2.0 ** (k + 0.5) for k in (0, 1, -1, 2, -2, 3, 4)))
EPSILONS = (None, 1e-3, 1e-5, 1e-6, 1e-12)  # of batch normalisations; None for that of their framework


@dataclass(frozen=True)
class Variant:
    """Hold the layers of one meaning, in stored order, what was done for it, and what of that is a guess."""

    layers: list[Piece]
    said: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    slopes: tuple[float, ...] = ()


def plain_variant(arrays: Sequence[Named], hints: Hints, wanted: Sequence[str] | None) -> Variant:
    """Return the meaning by names alone.

    Raises:
        ValueError: arrays that belong to no layer, or several networks.
    """
    found = pieces_of(arrays, hints)
    beside: list[str] = []
    if wanted is None:
        refuse_spare(found)
        refuse_block(found.layers)
        beside = [*refuse_several(found.layers), *doubtful_block(found.layers)]
    for i, norm in found.norms:
        put(found, i, norm, _side(found.layers[i], norm))
    names = [f"'{norm.name}'" for _, norm in found.norms]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    guessed = (f"on which side of the activation {shown} stand: read as before it",) if names else ()
    return Variant(found.layers, tuple(found.said), (*found.guessed, *guessed, *beside), tuple(found.slopes))


def _side(piece: Piece, norm: Affine) -> str:
    """Return the usual place of a normalisation, between a layer and its ReLU, if the lengths allow it."""
    return "after" if len(norm.scale) in piece.W.shape else "before"


def variants(arrays: Sequence[Named], hints: Hints, wanted: Sequence[str] | None, bounds: Bounds) -> Iterator[Variant]:
    """Yield the meanings that outputs can decide between, the one by names alone first; at most ``MOST_VARIANTS``."""
    adapters = adapter_names(arrays)
    some = [adapters, *([name] for name in adapters)] if len(adapters) > 1 else [adapters]
    for (scale, used), epsilon in product(product(SCALES if adapters else (None,), some), EPSILONS):
        factors = dict.fromkeys(adapters, 0.0) | dict.fromkeys(used, scale)
        found = pieces_of(arrays, hints, factors.get, epsilon)
        normal = bool(found.norms) or any("merged into" in said for said in found.said)
        if epsilon is not None and not normal:
            continue
        yield from bounds.first(_placed(found, wanted), MOST_VARIANTS)


def _placed(found: Pieces, wanted: Sequence[str] | None) -> Iterator[Variant]:
    usual = [(side,) * len(found.norms) for side in ("after", "before")]  # one rule for all, before any mixture
    mixed = product(("after", "before"), repeat=len(found.norms))
    for sides in chain(dict.fromkeys(usual), (sides for sides in mixed if sides not in usual)):
        one = Pieces(list(found.layers), found.odd, [], found.spare, list(found.said), found.slopes)
        for (i, norm), side in zip(found.norms, sides, strict=True):
            j = i if side == "after" else min(i + 1, len(one.layers) - 1)
            put(one, j, norm, side)
        if wanted is not None:
            yield Variant(one.layers, tuple(one.said), (), tuple(one.slopes))
            continue
        for layers, odd_said in _without_odd(one):
            for ready, said in _scaled(layers, one.spare):
                done = (*one.said, *odd_said, *said)
                yield Variant(ready, done, (), tuple(one.slopes))
        for name, group in networks(one.layers).items():
            rest = [piece for i, piece in enumerate(one.layers) if i not in group]
            if len(group) > 1 and rest:
                yield Variant(rest, (*one.said, f"without '{name}'"), (), tuple(one.slopes))
            yield Variant([one.layers[i] for i in group], (*one.said, f"only '{name}'"), (), tuple(one.slopes))


def _without_odd(found: Pieces) -> Iterator[tuple[list[Piece], tuple[str, ...]]]:
    """Yield the layers with each bare matrix left out, merged into the first layer as a linear map, or as a layer."""
    odd = [i for i, strange in enumerate(found.odd) if strange]
    for picks in product(("out", "map", "layer"), repeat=len(odd)):
        pick = dict(zip(odd, picks, strict=True))
        layers = [piece for i, piece in enumerate(found.layers) if pick.get(i) not in ("out", "map")]
        if not layers:
            continue
        maps = tuple(found.layers[i].W for i in odd if pick[i] == "map")
        said = tuple(f"'{found.layers[i].name}' left out" for i in odd if pick[i] == "out")
        said += tuple(f"'{found.layers[i].name}' merged as a linear map" for i in odd if pick[i] == "map")
        if len(maps) == 1:
            for i in range(len(layers)):
                for matrix in (maps[0], maps[0].T):
                    yield [replace(p, before=(matrix, *p.before)) if j == i else p for j, p in enumerate(layers)], said
        elif not maps:
            yield layers, said


def _scaled(layers: list[Piece], spare: list[Named]) -> Iterator[tuple[list[Piece], tuple[str, ...]]]:
    """Yield the layers without spare vectors, or with means and deviations of inputs or outputs merged."""
    names = ", ".join(f"'{name}'" for name, _ in spare)
    yield layers, ((f"left out: {names}",) if spare else ())
    means = [(name, a.astype(float)) for name, a in spare if a.ndim == 1 and re.search("mean|mu|loc|offset|min", name)]
    spreads = [(n, a.astype(float)) for n, a in spare if a.ndim == 1 and re.search("std|scale|sigma|dev|range|max", n)]
    spreads += [(n, np.sqrt(np.abs(a.astype(float)))) for n, a in spare if a.ndim == 1 and re.search("var", n)]
    ranges = [
        (f"{s_name}' and '{m_name}", s - m, m)
        for (m_name, m), (s_name, s) in product(means, spreads)
        if "min" in m_name and "max" in s_name and len(s) == len(m)
    ]
    pairs = [(f"{m_name}' and '{s_name}", s, m) for (m_name, m), (s_name, s) in product(means, spreads) if
             len(m) == len(s) and "max" not in s_name] + ranges  # fmt: skip
    starts = [("", None), *((name, Affine(name, 1 / s, -m / s)) for name, s, m in pairs if np.all(s))]
    ends = [("", None), *((name, Affine(name, s, m)) for name, s, m in pairs)]
    for (first, start), (second, end) in product(starts, ends):
        said = tuple(
            f"'{name}' merged into the {where}" for name, where in ((first, "inputs"), (second, "outputs")) if name
        )
        if not said or first == second:
            continue
        for i, j in product(range(len(layers)) if start else (0,), range(len(layers)) if end else (0,)):
            ready = list(layers)
            if start:
                ready[i] = replace(ready[i], before=(start, *ready[i].before))
            if end:
                ready[j] = replace(ready[j], after=(*ready[j].after, end))
            if (i == 0 or not start) and (j == len(layers) - 1 or not end):
                yield ready, said


def selected(layers: Sequence[Piece], wanted: Sequence[str]) -> list[Piece]:
    """Return the layers of the given names, in the order given; a name may be that of a matrix, a module or a network.

    Raises:
        ValueError: a name that no layer has.
    """
    chosen = []
    for name in wanted:
        plain = str(name).replace("/", ".")
        names = [piece.name.replace("/", ".") for piece in layers]
        tests = (
            lambda n, p=plain: p in (n, stem(n)),
            lambda n, p=plain: n.startswith(f"{p}."),
            lambda n, p=plain: f".{n}".endswith(f".{p}") or f".{stem(n)}".endswith(f".{p}"),
            lambda n, p=plain: f".{p}." in f".{n}",
        )
        hits = next((hit for test in tests if (hit := [i for i, n in enumerate(names) if test(n)])), [])
        if not hits:
            known = ", ".join(f"'{stem(piece.name) or piece.name}'" for piece in layers)
            raise ValueError(f"layers names '{name}', but the layers found are {known}.")
        chosen += [layers[i] for i in hits]
    return chosen


def dtype_of(layers: Sequence[Piece]) -> str:
    """Return the type of the weights as they are stored."""
    return str(np.result_type(*(piece.W for piece in layers)))


def convention(layers: Sequence[Piece], hints: Hints) -> bool | None:
    """Say whether names tell that weights are (in, out); None where they tell nothing."""
    if hints.layout is not None:
        return hints.layout == "in_out"
    name = layers[0].name
    if re.search(r"(^|[./])c_(fc|proj|attn)[./]weight$", name):  # Conv1D of Hugging Face
        return True
    if (
        last(name) == "weight"
        or name.startswith("arg:")
        or "original" in last(name)
        or last(name).startswith("weight_")
    ):
        return False
    if last(name) == "kernel" or "coefs_" in name or re.search(r"vars[./]0$", name):  # Flax and Keras, scikit-learn
        return True
    if re.fullmatch("w|w_0", last(name)) and "linear" in stem(name).lower():  # Haiku and Sonnet; Paddle
        return True
    return None
