"""Readings of linear layers: in which order and orientation they chain, and what of that nothing tells."""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import numpy as np

from ..networks import from_layers
from ._arrays import PLAIN, stem
from ._chains import Shape, chains, exchanged, follows
from ._folding import Affine, Piece
from ._objects import Hints
from ._pieces import roles, suggested, told
from ._variants import convention, listed, networks

Way = tuple[bool, tuple[int, ...]]  # whether weights are (in, out), and the order of the layers

MOST_ORDERS = 2000  # permutations of layers of one shape that outputs are asked about, for each chain
MOST_REPEATS = 8  # how often a layer may be used in a row
PROBED = 50  # chains looked at to see whether there are several


def ways(
    pieces: Sequence[Piece], hints: Hints, d_in: int | None, d_out: int | None = None, *, fixed: bool = False
) -> Iterator[Way]:
    """Yield all ways in which layers chain, what their names say first; with ``fixed`` only in the order given."""
    says = convention(pieces, hints)
    sides = [bool(says)] if hints.layout else [bool(says), not says]
    sides = [side for side in sides if all(piece.fits(side) for piece in pieces)]
    shapes = {side: [piece.shape(side) for piece in pieces] for side in sides}
    stored = tuple(range(len(pieces)))
    early = fixed or says is None  # the order of names is worth more than an orientation that nothing tells
    if early:
        yield from ((side, stored) for side in sides if follows(shapes[side], d_in, d_out))
    if not fixed:
        numbered = told(
            [piece.name for piece in pieces]
        )  # perhaps from the last layer on, as Flax numbers nested calls
        for side in sides:
            orders = chains(shapes[side], d_in, d_out, reverse=numbered)
            yield from ((side, order) for order in orders if not early or order != stored)


def open_layout(pieces: Sequence[Piece], hints: Hints, d_in: int | None, *, fixed: bool) -> Iterator[str]:
    """Say that weights may be stored the other way round, if shapes allow it and names do not tell."""
    if convention(pieces, hints) is not None or all(np.array_equal(piece.W, piece.W.T) for piece in pieces):
        return
    fixed = fixed or hints.order == "told" or told([piece.name for piece in pieces])
    found = {side for side, _ in islice(ways(pieces, hints, d_in, fixed=fixed), PROBED)}
    if len(found) > 1:
        yield "whether weights are (out, in), as they are read, or (in, out)"


def open_order(pieces: Sequence[Piece], way: Way, hints: Hints, d_in: int | None) -> Iterator[str]:
    """Say that layers may follow each other otherwise, if shapes allow it and names do not tell.

    Raises:
        ValueError: nothing tells the order, not even that of the names or the arrays.
    """
    transposed, order = way
    if hints.order == "told" or told([pieces[i].name for i in order]):
        return
    shapes = [piece.shape(transposed) for piece in pieces]
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


def permuted(pieces: Sequence[Piece], found: Sequence[Way]) -> Iterator[Way]:
    """Yield ways with layers of one shape in other orders, those near to the ones given first."""
    for transposed, order in found:
        shapes = [piece.shape(transposed) for piece in pieces]
        yield from ((transposed, other) for other in exchanged(order, shapes, MOST_ORDERS))


def repeated(pieces: Sequence[Piece], found: Sequence[Way]) -> Iterator[Way]:
    """Yield ways with one square layer used several times in a row, as where weights are shared."""
    for transposed, order in found:
        for place, i in enumerate(order):
            n_out, n_in = pieces[i].shape(transposed)
            for times in range(2, MOST_REPEATS + 1) if n_out == n_in else ():
                yield transposed, (*order[:place], *[i] * times, *order[place + 1 :])


def refuse_chain(pieces: Sequence[Piece], hints: Hints) -> None:
    """Say in one sentence why layers form no chain.

    Raises:
        ValueError: always.
    """
    side = bool(convention(pieces, hints))
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
