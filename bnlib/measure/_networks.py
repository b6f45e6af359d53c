"""Several networks in one tree, and blocks that are no chain of layers, known by their names and shapes."""

import re
from collections.abc import Iterator, Sequence

from ._arrays import last, stem
from ._chains import follows
from ._folding import Piece

# Words for a copy of a network or what an optimiser keeps of it, for one of several that belong together, and for
# members of an ensemble.
COPY = {
    "target", "ema", "shadow", "teacher", "swa", "averaged", "avg", "copy", "old", "best", "previous", "initial",
    "grad", "grads", "gradients", "velocity", "momentum", "fisher", "m", "v",
}  # fmt: skip
SEVERAL = {
    "actor", "critic", "policy", "value", "generator", "discriminator", "student", "online", "q", "qf", "vf", "pi",
}  # fmt: skip
MEMBERS = {
    "models", "model", "nets", "net", "networks", "network", "ensemble", "members", "member", "experts", "expert",
    "heads", "head", "critics", "critic", "estimators", "q", "qf", "qs", "epoch", "step", "checkpoint", "ckpt",
    "fold", "seed", "run",
}  # fmt: skip
QUERY = [{"q", "k", "v"}, {"query", "key", "value"}, {"q_proj", "k_proj", "v_proj"}, {"wq", "wk", "wv"}]
GATED = [
    {"gate_proj", "up_proj"},
    {"gate", "up"},
    {"wi_0", "wi_1"},
    {"gate_proj", "down_proj"},
    {"linear_v", "linear_1"},
]
GATES = {f"{a}{b}" for a in "ih" for b in "ifgo"}  # of an LSTM of Flax


def networks(layers: Sequence[Piece]) -> dict[str, list[int]]:
    """Return the groups of layers that are networks of their own, by the first parts of their names."""
    for parts in (1, 2, 3):
        groups: dict[str, list[int]] = {}
        for i, piece in enumerate(layers):
            groups.setdefault(".".join(re.split(r"[./]", stem(piece.name))[:parts]), []).append(i)
        chained = {
            name: group
            for name, group in groups.items()
            if name and any(follows([layers[i].shape(t) for i in group]) for t in (False, True))
        }
        if len(chained) == len(groups) > 1 and any(len(group) > 1 for group in groups.values()):
            return chained
    return {}


def listed(groups: dict[str, list[int]]) -> str:
    """Name networks with their numbers of layers."""
    return ", ".join(f"'{name}' ({len(group)} layer{'s' * (len(group) > 1)})" for name, group in groups.items())


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())) - {""}


def refuse_several(layers: Sequence[Piece]) -> Iterator[str]:
    """Refuse several networks by their names, and say where layers may be blocks or networks beside each other.

    Raises:
        ValueError: a network beside a copy of it, a critic, or others of an ensemble; the sentence lists them.
    """
    groups = networks(layers)
    names = list(groups)
    common = set.intersection(*(_words(name) for name in names)) if names else set()
    own = [_words(name) - common for name in names]
    several = sum(bool(words & SEVERAL) for words in own) > 1
    twins = _twins(layers, groups)
    if several or _copied(layers, groups, own) or (twins and all(_words(name) & MEMBERS for name in names)):
        shown = f"There are several networks{' in these parts' * _in_parts(groups)}: {listed(groups)}."
        choice = "Name those of one in their order, as by layers=['{}', ...]." if _in_parts(groups) else (
            "Choose one, as in layers=['{}']."
        )  # fmt: skip
        raise ValueError(f"{shown} {choice.format(names[0])}")
    if twins:
        yield f"whether {listed(groups)} follow each other, as they are read, or stand beside each other"


def _in_parts(groups: dict[str, list[int]]) -> bool:
    return min(len(group) for group in groups.values()) == 1


def _copied(layers: Sequence[Piece], groups: dict[str, list[int]], own: Sequence[set[str]]) -> bool:
    """Say whether a network that is called a copy has the shapes of another one, or of all other layers."""
    shapes = [[layers[i].W.shape for i in group] for group in groups.values()]
    copies = [bool(words & COPY) for words in own]
    rest = [shape for of, copy in zip(shapes, copies, strict=True) if not copy for shape in of]
    others = [rest, *(of for of, copy in zip(shapes, copies, strict=True) if not copy)]
    return any(copy and of in others for of, copy in zip(shapes, copies, strict=True))


def _twins(layers: Sequence[Piece], groups: dict[str, list[int]]) -> bool:
    """Say whether the networks differ by a number in their names alone, and have the same shapes."""
    plain = {re.sub(r"\d+", "#", name) for name in groups}
    shapes = [[layers[i].W.shape for i in group] for group in groups.values()]
    return len(plain) == 1 and len(groups) > 1 and len(shapes[0]) > 1 and all(s == shapes[0] for s in shapes)


def block(layers: Sequence[Piece]) -> str:
    """Say which matrix is a part of an attention, a gated block or a recurrent layer, by their names; else ''."""
    own = {last(stem(piece.name) or piece.name): piece.name for piece in layers}
    for what, names in (("an attention", QUERY), ("a gated block", GATED)):
        for parts in names:
            if parts <= set(own):
                return f"'{own[min(parts)]}' is a part of {what}"
    if len(GATES & set(own)) > 5:
        return f"'{own[min(GATES & set(own))]}' is a weight of a recurrent layer"
    triple = _triple(layers)
    if triple and triple[0].W.shape[0] != triple[0].W.shape[1]:
        return f"'{triple[0].name}' looks like a part of a gated block w2(f(w1 x) * w3 x)"
    return ""


def refuse_block(layers: Sequence[Piece]) -> None:
    """Refuse what is no chain of layers, by the names of its parts.

    Raises:
        ValueError: such a block; the sentence names one of its matrices.
    """
    if said := block(layers):
        raise ValueError(
            f"{said}; bnlib reads chains of layers. If these are one, name them in their order by layers=[...], or "
            "give outputs, which tell."
        )


def _triple(layers: Sequence[Piece]) -> list[Piece]:
    """Return w1, w2, w3 without biases whose shapes are those of a gated block, or nothing."""
    own = {last(stem(piece.name) or piece.name).lower(): piece for piece in layers}
    found = [own[name] for name in ("w1", "w2", "w3") if name in own and own[name].b is None]
    if len(found) < 3 or len(layers) > 3 or any(piece.before or piece.after for piece in found):
        return []
    a, b, c = (piece.W.shape for piece in found)
    return found if a == c == b[::-1] else []


def doubtful_block(layers: Sequence[Piece]) -> Iterator[str]:
    """Say that square w1, w2, w3 may be a gated block."""
    if triple := _triple(layers):
        shown = ", ".join(f"'{piece.name}'" for piece in triple)
        yield f"whether {shown} are layers one behind the other, as they are read, or a gated block"
