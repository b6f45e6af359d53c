"""Readings of linear layers: in which order and orientation they chain, and what of that nothing tells."""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from ..networks import from_layers
from ._arrays import PLAIN, stem
from ._chains import Bounds, Shape, chains, exchanged, follows
from ._folding import Affine, Piece
from ._networks import listed, networks
from ._objects import Hints
from ._pieces import roles, suggested, told
from ._variants import convention


class Way(NamedTuple):
    """Hold whether the weights of each layer are (in, out), by its place in storage, and the order of the layers."""

    sides: tuple[bool, ...]
    order: tuple[int, ...]


MOST_ORDERS = 2000  # permutations of layers of one shape that outputs are asked about, for each chain
MOST_MIXED = 2000  # mixtures of (out, in) and (in, out)
MOST_REPEATS = 8  # how often a layer may be used in a row
PROBED = 50  # chains looked at to see whether there are several


def ways(
    pieces: Sequence[Piece],
    hints: Hints,
    d_in: int | None,
    d_out: int | None = None,
    *,
    fixed: bool = False,
    bounds: Bounds | None = None,
) -> Iterator[Way]:
    """Yield all ways in which layers of one orientation chain, what their names say first.

    With ``fixed`` they chain in the order given; a search that is cut off is noted in bounds.
    """
    says = convention(pieces, hints)
    sides = [bool(says)] if hints.layout else [bool(says), not says]
    sides = [side for side in sides if all(piece.fits(side) for piece in pieces)]
    shapes = {side: [piece.shape(side) for piece in pieces] for side in sides}
    stored = tuple(range(len(pieces)))
    early = fixed or says is None  # the order of names is worth more than an orientation that nothing tells
    if early:
        yield from (_one(side, stored) for side in sides if follows(shapes[side], d_in, d_out))
    if not fixed:
        numbered = told(
            [piece.name for piece in pieces]
        )  # perhaps from the last layer on, as Flax numbers nested calls
        for side in sides:
            orders = chains(shapes[side], d_in, d_out, reverse=numbered, bounds=bounds)
            yield from (_one(side, order) for order in orders if not early or order != stored)


def _one(side: bool, order: tuple[int, ...]) -> Way:
    return Way((side,) * (max(order) + 1), order)


def mixed(pieces: Sequence[Piece], hints: Hints, d_in: int | None, d_out: int | None = None) -> Iterator[Way]:
    """Yield ways in stored order with some weights (out, in) and others (in, out), those that names suggest first."""
    if hints.layout is not None or len(pieces) < 2:
        return
    usual = bool(convention(pieces, hints))
    options = [[(side, piece.shape(side)) for side in (usual, not usual) if piece.fits(side)] for piece in pieces]
    for i, piece in enumerate(pieces):
        if np.array_equal(piece.W, piece.W.T):
            options[i] = options[i][:1]
    open_ends: list[set[int]] = [set() for _ in pieces]  # widths from which the rest chains
    after = {d_out} if d_out is not None else {shape[0] for _, shape in options[-1]}
    for i in range(len(pieces) - 1, -1, -1):
        after = open_ends[i] = {shape[1] for _, shape in options[i] if shape[0] in after}

    def rest(i: int, width: int | None, sides: tuple[bool, ...]) -> Iterator[tuple[bool, ...]]:
        if i == len(pieces):
            if d_out in (None, width) and len(set(sides)) > 1:
                yield sides
            return
        for side, (n_out, n_in) in options[i]:
            if width in (None, n_in) and n_in in open_ends[i]:
                yield from rest(i + 1, n_out, (*sides, side))

    yield from (Way(sides, tuple(range(len(pieces)))) for sides in rest(0, d_in, ()))


def open_mixture(pieces: Sequence[Piece], way: Way) -> Iterator[str]:
    """Say that single weights may be stored the other way round, unless the length of each bias tells."""
    if len(set(way.sides)) > 1 and any(piece.fits(not side) for piece, side in zip(pieces, way.sides, strict=True)):
        names = [f"'{piece.name}'" for piece, side in zip(pieces, way.sides, strict=True) if side]
        yield f"which weights are (in, out): read so are {', '.join(names[:4])}"


def open_layout(pieces: Sequence[Piece], way: Way, hints: Hints, d_in: int | None, *, fixed: bool) -> Iterator[str]:
    """Say that weights may be stored the other way round, if shapes allow it and names do not tell."""
    stored, other = tuple(range(len(pieces))), not way.sides[0]
    fit = all(piece.fits(other) for piece in pieces) and follows([piece.shape(other) for piece in pieces], d_in)
    if way.order != stored and fit and hints.layout is None:  # names say one thing, the order says the other
        yield "whether weights are (out, in) or (in, out): in the order in which they stand they are the other one"
        return
    if convention(pieces, hints) is not None or all(np.array_equal(piece.W, piece.W.T) for piece in pieces):
        return
    fixed = fixed or hints.order == "told" or told([piece.name for piece in pieces])
    found = {sides[0] for sides, _ in islice(ways(pieces, hints, d_in, fixed=fixed), PROBED)}
    if len(found) > 1:
        yield "whether weights are (out, in), as they are read, or (in, out)"


def open_order(pieces: Sequence[Piece], way: Way, hints: Hints, d_in: int | None) -> Iterator[str]:
    """Say that layers may follow each other otherwise, if shapes allow it and names do not tell.

    Raises:
        ValueError: nothing tells the order, not even that of the names or the arrays.
    """
    sides, order = way
    if len(set(sides)) > 1 or hints.order == "told" or told([pieces[i].name for i in order]):
        return
    shapes = [piece.shape(sides[0]) for piece in pieces]
    paths = {tuple(shapes[i] for i in other) for other in islice(chains(shapes, d_in), PROBED)}
    groups: dict[Shape, list[int]] = {}
    for i in order:
        groups.setdefault(shapes[i], []).append(i)
    for group in [list(order)] if len(paths) > 1 else [group for group in groups.values() if len(group) > 1]:
        names = [pieces[i].name for i in group]
        if told(names) or (hints.order == "kept" and suggested(names)):
            continue  # two sources that agree
        shown = ", ".join(f"'{stem(name) or name}'" for name in names[:6]) + (", ..." if len(names) > 6 else "")
        if hints.order == "file" and len({roles(name) for name in names}) == 1:
            raise ValueError(
                f"Nothing tells the order of the layers {shown}: their shapes fit in several, and a file has none. "
                "Give the dimension of the inputs, outputs, or the names in their order, as layers=['a', 'b']."
            )
        how = "in which they are stored" if hints.order == "kept" else "that their names suggest"
        yield f"the order of the layers {shown}, which is the one {how}"


def permuted(pieces: Sequence[Piece], found: Sequence[Way], bounds: Bounds) -> Iterator[Way]:
    """Yield ways with layers of one shape in other orders, those near to the ones given first."""
    for sides, order in found:
        shapes = [piece.shape(side) for piece, side in zip(pieces, sides, strict=True)]
        others = bounds.first(exchanged(order, shapes, MOST_ORDERS + 1), MOST_ORDERS)
        yield from (Way(sides, other) for other in others)


def repeated(pieces: Sequence[Piece], found: Sequence[Way], bounds: Bounds) -> Iterator[Way]:
    """Yield ways with one square layer used several times in a row, as where weights are shared."""
    for sides, order in found:
        for place, i in enumerate(order):
            n_out, n_in = pieces[i].shape(sides[i])
            for times in range(2, MOST_REPEATS + 1) if n_out == n_in else ():
                yield Way(sides, (*order[:place], *[i] * times, *order[place + 1 :]))


def refuse_chain(pieces: Sequence[Piece], hints: Hints, bounds: Bounds) -> None:
    """Say in one sentence why layers form no chain.

    Raises:
        ValueError: always.
    """
    side = bool(convention(pieces, hints))
    if bounds.reached:
        raise ValueError(
            "The layers fit together in no order that was tried, and the search was cut off; name them in their order, "
            "as layers=['a', 'b']."
        )
    for piece in pieces:
        for m in (*piece.before, *piece.after):
            if isinstance(m, Affine) and len(m.scale) not in piece.W.shape:
                raise ValueError(
                    f"'{m.name}' normalises {len(m.scale)} numbers, which does not fit '{piece.name}' of shape "
                    f"{piece.W.shape}; {PLAIN}."
                )
    groups = networks(pieces)
    out = f"there are several parts: {listed(groups)}, of which layers=[...] names some" if groups else (
        "layers=[...] names them in their order"
    )  # fmt: skip
    for before, after in pairwise(pieces):
        if before.shape(side)[0] != after.shape(side)[1]:
            raise ValueError(
                f"The layers form no chain: '{after.name}' of shape {after.W.shape} cannot follow '{before.name}' of "
                f"shape {before.W.shape}, as in a network with skip connections or with names out of order; {out}; "
                f"{PLAIN}."
            )
    from_layers([piece.layer(side) for piece in pieces])  # which says of what bias the length is wrong
    raise ValueError(f"The layers fit together in no order and orientation; {out}; {PLAIN}.")
