"""Networks from somebody else's files and models: layers found by names and shapes, settled by the model's outputs."""

import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..networks import Network, from_layers
from ._agreement import SINGLE, TF32, Format, Layers, Skip, kept
from ._arrays import PLAIN, array_of, arrays_of, stem
from ._chains import Bounds
from ._comparison import CHANCE, SLOPES, Trial, Truth, agreement, chance, confirmed, explained, nearest, square, truth
from ._folding import Piece
from ._networks import block
from ._objects import Hints, opened
from ._variants import Variant, convention, dtype_of, plain_variant, selected, variants
from ._ways import (
    MOST_MIXED,
    Way,
    mixed,
    open_layout,
    open_mixture,
    open_order,
    permuted,
    refuse_chain,
    repeated,
    ways,
)

Layout = Literal["out_in", "in_out"]
MOST_WAYS = 200  # chains of one meaning that outputs are asked about
SHOWN = 8  # names of layers in the text


@dataclass(frozen=True)
class Reading:
    """Hold a network as it was read from somebody's arrays, and how: ``str(reading)`` says it in a few lines.

    Attributes:
        net: the network.
        layers: names of its weight matrices, first layer first.
        layout: how they are stored, (out, in) as in PyTorch or (in, out) as in Flax and Keras, or some so and some so.
        dtype: their type.
        said: what was merged into layers, and what was left out.
        open: what neither shapes nor names nor outputs settle, one phrase each.
        difference: largest difference from the model's own outputs, relative to their spread; None if not compared.
        skips: what each layer keeps of its state, the values before the activation; 0 in a plain network.

    Source: bnlib.
    """

    net: Network
    layers: tuple[str, ...]
    layout: Layout | Literal["mixed"]
    dtype: str
    said: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    difference: float | None = None
    skips: tuple[float, ...] = ()

    @property
    def warning(self) -> str:
        """What is open, with the way out, in two sentences; empty where nothing is."""
        if not self.open:
            return ""
        return (
            f"More than one reading fits the arrays, and this is open: {'; '.join(self.open)}. "
            "Give the model's outputs on X, or layers= and layout=, to settle it."
        )

    def __str__(self) -> str:
        """Return the reading as text of at most 70 characters a line."""
        names = [stem(name) or name for name in self.layers]
        if len(names) > SHOWN:
            names = [*names[: SHOWN // 2], "...", *names[-SHOWN // 2 :]]
        shown = {"out_in": "(out, in)", "in_out": "(in, out)", "mixed": "(out, in) and (in, out)"}
        layout = shown[self.layout]
        lines = [f"read as              {len(self.layers)} layers, {layout}, {self.dtype}"]
        said = [*self.said[:3], f"and {len(self.said) - 3} more of this kind"] if len(self.said) > 4 else self.said
        for text in (", ".join(names), *said):
            lines += textwrap.wrap(text, 70, initial_indent="  ", subsequent_indent="  ")
        if self.difference is None:
            return "\n".join([*lines, "=> Not compared with the model's own outputs: outputs= does that."])
        agree = f"Agrees with the model's outputs up to {self.difference:.1g} of their spread."
        return "\n".join([*lines, *textwrap.wrap(agree, 70, initial_indent="=> ", subsequent_indent="   ")])

    def record(self) -> dict[str, Any]:
        """Return what JSON holds of it: everything but the network."""
        return {name: value for name, value in vars(self).items() if name != "net"}


def load_network(
    path: str | Path,
    *,
    d_in: int | None = None,
    negative_slope: float | None = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
) -> Network:
    """Read a network from an npz, safetensors or HDF5 file; ``from_arrays`` says how its layers are found.

    Args:
        path: file of weights, such as a PyTorch ``state_dict`` stored with ``safetensors.torch.save_file``.
        d_in, negative_slope, layers, layout: as for ``from_arrays``.

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
    reading = read(Path(path), d_in=d_in, negative_slope=negative_slope, layers=layers, layout=layout)
    return _announced(reading)


def from_arrays(
    parameters: Any,
    *,
    d_in: int | None = None,
    negative_slope: float | None = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
) -> Network:
    """Build a network from a model, a file or any tree of weight matrices and bias vectors, whatever their names.

    Layers are taken in the order in which they are stored in memory; those of files and of dictionaries that JAX has
    sorted in the natural order of their names, where 10 comes after 9; and where the shapes do not follow each other in
    it, in one in which they do. Weights are (out, in), as in PyTorch and Equinox, or all (in, out), as in Flax, Keras
    and scikit-learn: shapes and names decide. Layers without a bias have a bias of zero. Batch normalisations
    in eval mode, weight norms, spectral norms, pruning masks and adapters of a known factor are merged into their
    layers; optimisers, counters and random numbers are left out.

    Only arrays and the activations that a model names are seen: another activation or a skip connection in the code of
    a model is not. ``report(..., outputs=Y)`` finds it.

    Args:
        parameters: a ``state_dict`` or a module of PyTorch, parameters or a ``TrainState`` of Flax, an Equinox or nnx
            model, a Keras model, an estimator of scikit-learn, a checkpoint that holds one of them, nested lists and
            dicts, or the path of a file.
        d_in: dimension of the inputs, where it is known.
        negative_slope: slope of the activation on negative numbers; None for that of the model where it names one,
            else 0.
        layers: names of the layers in their order, where they are not all or not in this order; a name may be that of
            a matrix, a module or a whole network, and may be given twice.
        layout: "out_in" or "in_out"; None for what shapes and names say.

    Raises:
        ValueError: arrays of no plain network, several networks, no chain of shapes, NaN or infinity, or an order that
            nothing tells; the sentence names the array or its layer.

    Warns:
        UserWarning: more than one reading fits the arrays.

    Example:
        >>> net = from_arrays({"Dense_0": {"kernel": np.ones((3, 5))}, "Dense_1": {"kernel": np.ones((5, 2))}})
        >>> net.d_in, net.d_out, net.depth
        (3, 2, 2)

    Source: bnlib.
    """
    reading = read(parameters, d_in=d_in, negative_slope=negative_slope, layers=layers, layout=layout)
    return _announced(reading)


def _announced(reading: Reading) -> Network:
    if reading.warning:
        warnings.warn(reading.warning, stacklevel=3)
    return jax.tree.map(lambda a: jnp.asarray(np.asarray(a)), reading.net)  # in the types of the session


def read(
    parameters: Any,
    X: Any = None,
    outputs: Any = None,
    *,
    d_in: int | None = None,
    negative_slope: float | None = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    skip: Skip = 0.0,
) -> Reading:
    """Read a network as ``from_arrays`` does, and say how; the model's outputs settle what names leave open.

    With outputs, readings are tried until one has the same values on X: orders and orientations that chain, slopes of
    the activation, places of normalisations, factors of adapters, buffers that are no layers, layers used repeatedly.

    Args:
        parameters, d_in, negative_slope, layers, layout: as for ``from_arrays``.
        X: inputs (N, d_in) as the model sees them; needed with outputs.
        outputs: what the model itself returns for them, (N, d_out).
        skip: what layers keep of their state: the share of every square hidden one, or that of each.

    Raises:
        ValueError: as ``from_arrays``; outputs that no reading has, with the largest difference, or too few numbers.

    Example:
        >>> W = np.array([[0.0, 1.0], [0.0, 0.0]])
        >>> read([W, W.T], np.eye(2), [[1.0, 0.0], [0.0, 0.0]]).layout
        'in_out'

    Source: bnlib.
    """
    if layout not in (None, "out_in", "in_out"):
        raise ValueError(f"layout must be 'out_in' or 'in_out', but it is {layout!r}.")
    if outputs is not None and X is None:
        raise ValueError("outputs need the inputs X that they belong to.")
    if isinstance(parameters, Network):
        if layers is not None or layout is not None or negative_slope is not None:
            raise ValueError("layers, layout and negative_slope are those of the Network itself; leave them out.")
        return _as_it_is(parameters, None if outputs is None else _truth(X, outputs), skip)
    wanted = [layers] if isinstance(layers, str) else layers
    hints = Hints(skip=skip)
    arrays = arrays_of(opened(parameters, hints), hints)
    hints.layout = layout or hints.layout
    if outputs is not None:
        bounds = Bounds()
        meanings = list(variants(arrays, hints, wanted, bounds))
        return _by_outputs(meanings, bounds, hints, wanted, negative_slope, _truth(X, outputs))
    if hints.doubts:
        raise ValueError(f"This is no plain ReLU network: {'; '.join(hints.doubts)}; {PLAIN}.")
    return _by_names(plain_variant(arrays, hints, wanted), hints, wanted, d_in, negative_slope)


def _truth(X: Any, outputs: Any) -> Truth:
    return truth(array_of("X", X), array_of("outputs", outputs), str(getattr(outputs, "dtype", "float64")))


def _as_it_is(net: Network, given: Truth | None, skip: Skip) -> Reading:
    """Return a network that needs no reading, compared with outputs if there are any."""
    pieces = [Piece(f"layer {i}", np.asarray(W), np.asarray(b)) for i, (W, b) in enumerate(net.layers, 1)]
    way = Way((False,) * len(pieces), tuple(range(len(pieces))))
    as_read = replace(_reading(pieces, way, net.negative_slope, (), skip=skip), net=net)
    if given is None:
        return as_read
    bounds = Bounds()
    trial = nearest([([(p.W, p.b) for p in pieces], None)], [net.negative_slope], given, bounds, skip)
    difference, left_open = _agreed(trial, given, [], [], bounds)
    return replace(as_read, difference=difference, open=left_open)


def _slopes(variant: Variant, hints: Hints, given: float | None, tried: Sequence[float]) -> Sequence[float]:
    """Return the slopes on negative numbers that are possible."""
    named = sorted({round(slope, 6) for slope in (*hints.slopes, *variant.slopes)})
    if len(named) > 1:
        raise ValueError(f"The activations have several slopes on negative numbers, {named}; bnlib knows one for all.")
    if given is not None and named and abs(named[0] - given) > 1e-6:
        raise ValueError(f"negative_slope is {given}, but the model's activation has the slope {named[0]}.")
    return [given] if given is not None else named or tried


def _by_names(
    variant: Variant, hints: Hints, wanted: Sequence[str] | None, d_in: int | None, given: float | None
) -> Reading:
    """Return the first reading that chains, and what of it nothing settles."""
    pieces = variant.layers if wanted is None else selected(variant.layers, wanted)
    fixed = wanted is not None
    bounds = Bounds()
    way = next(ways(pieces, hints, d_in, fixed=fixed, bounds=bounds), None)
    # Without d_in only as the names say: then the sentence about a wrong width of the inputs names the right one.
    usual = bool(convention(pieces, hints))
    way = way or next((other for other in ways(pieces, hints, None, fixed=True) if other.sides[0] == usual), None)
    way = way or next(mixed(pieces, hints, d_in), None)
    if way is None:
        refuse_chain(pieces, hints, bounds)
        raise AssertionError
    left_open = [*variant.guessed, *open_mixture(pieces, way)]
    left_open += [] if len(set(way.sides)) > 1 else open_layout(pieces, way, hints, d_in, fixed=fixed)
    left_open += [] if fixed else open_order(pieces, way, hints, d_in)
    slope = _slopes(variant, hints, given, [0.0])[0]
    return _reading(pieces, way, slope, (*hints.notes, *variant.said), tuple(left_open), hints.skip)


def _by_outputs(
    meanings: Sequence[Variant],
    bounds: Bounds,
    hints: Hints,
    wanted: Sequence[str] | None,
    slope: float | None,
    given: Truth,
) -> Reading:
    """Return the reading that agrees with the outputs.

    Raises:
        ValueError: none does; the sentence has the largest difference of the nearest one.
    """
    d_in, d_out = given.X.shape[1], given.Y.shape[1]
    fixed = wanted is not None
    groups = [(v, v.layers if wanted is None else selected(v.layers, wanted)) for v in meanings]
    chained = [ways(p, hints, d_in, d_out, fixed=fixed, bounds=bounds) for _, p in groups]
    found = [list(bounds.first(way, MOST_WAYS)) for way in chained]
    for piece in groups[0][1]:
        if not np.all(np.isfinite(piece.W)):
            raise ValueError(f"'{piece.name}' must be finite, but it contains NaN or infinity.")
    slopes = _slopes(meanings[0], hints, slope, SLOPES)
    doubts = [*hints.doubts, *filter(None, [block(groups[0][1])])]
    best: Trial | None = None
    there: list[Iterable[Way]]
    for stage in ("as found", "mixed", "permuted", "repeated")[: 2 if fixed else 4]:
        if stage == "mixed":
            there = [list(bounds.first(mixed(p, hints, d_in, d_out), MOST_MIXED)) for _, p in groups]
        elif stage == "as found":
            there = list(found)
        else:
            more = permuted if stage == "permuted" else repeated
            there = [more(p, way, bounds) for (_, p), way in zip(groups, found, strict=True)]
        trial = nearest(_candidates(groups, there), slopes, given, bounds, hints.skip)
        if trial is not None and (best is None or trial.difference < best.difference):
            best = trial
        if best is not None and agreement(best, given) == SINGLE:
            break
    if best is None:  # no reading has these dimensions
        net = _by_names(meanings[0], hints, wanted, None, slope).net
        raise ValueError(
            f"No reading of the arrays maps {d_in} to {d_out} numbers, as X and outputs say; as their names say, they "
            f"map {net.d_in} to {net.d_out}{'; '.join(['', *doubts])}."
        )
    usual = [layers for layers, _ in islice(_candidates(groups, found), 20)]
    difference, left_open = _agreed(best, given, usual, doubts, bounds)
    variant, pieces, way = best.what
    said = [*hints.notes, *variant.said]
    if best.final and not hints.notes:
        said.append(f"the model applies {best.final} after the last layer")
    return replace(_reading(pieces, way, best.slope, tuple(said), left_open, hints.skip), difference=difference)


def _candidates(groups: Any, found: Sequence[Iterable[Way]]) -> Iterator[tuple[Layers, tuple]]:
    """Yield the layers of all readings, each with its variant, its pieces and its way."""
    for (variant, pieces), there in zip(groups, found, strict=True):
        for way in there:
            ready = {i: pieces[i].layer(way.sides[i]) for i in set(way.order)}
            yield [ready[i] for i in way.order], (variant, pieces, way)


def _agreed(
    trial: Trial | None, given: Truth, usual: Sequence[Layers], doubts: Sequence[str], bounds: Bounds
) -> tuple[float, tuple[str, ...]]:
    """Return the largest difference over all inputs and what it leaves open, or refuse one that is no rounding."""
    if trial is None:
        raise ValueError("X or outputs have another dimension than the network.")
    difference, row = confirmed(trial, given)
    if form := agreement(trial, given, row):
        if chance(trial, difference, given) > CHANCE:
            raise ValueError(
                f"The outputs are too few numbers: one of the {trial.tried} readings that were tried agrees with them "
                f"up to {difference:.1g} of their spread, which can be chance; give outputs for more inputs."
            )
        return difference, tuple(_coarse(trial, given, form))
    why = next((said for layers in (trial.layers, *usual) if (said := explained(layers, given))), square(trial))
    cut = "The search was cut off before all readings were tried." if bounds.reached else ""
    found = " ".join(filter(None, [why, *(f"In the model, {doubt}." for doubt in doubts), cut, "Check"]))
    raise ValueError(
        f"No reading that was tried has the model's outputs: the nearest differs from them by {difference:.2g} of "
        f"their spread. {found} that X is what the model sees and that it is in evaluation mode, or name what is read "
        "by layers, layout, negative_slope and skip."
    )


def _coarse(trial: Trial, given: Truth, form: Format) -> Iterator[str]:
    """Say what rounding coarser than float32 leaves open."""
    if form == TF32:
        yield (
            "whether the outputs were computed with factors of 10 bits (TF32), which would explain that they differ by "
            "more than float32 rounds; compute them in float32"
        )
    if form != SINGLE and trial.rival is not None and agreement(trial.rival, given):
        of, other = f"slope {trial.slope:g}", f"slope {trial.rival.slope:g}"
        yield (
            "which of several readings it is: outputs of so few bits agree as well with another one"
            + (f", of {other} in place of {of}" if other != of else "")
        )


def _reading(
    pieces: Sequence[Piece],
    way: Way,
    slope: float,
    said: Sequence[str],
    left_open: tuple[str, ...] = (),
    skip: Skip = 0.0,
) -> Reading:
    chosen = [pieces[i] for i in way.order]
    with jax.enable_x64(True):  # a report judges weights in the type in which they are stored
        net = from_layers(layers := [pieces[i].layer(way.sides[i]) for i in way.order], negative_slope=slope)
    kinds = {way.sides[i] for i in way.order}
    layout: Any = "mixed" if len(kinds) > 1 else "in_out" if True in kinds else "out_in"
    names, shares = tuple(p.name for p in chosen), tuple(kept(layers, skip))
    return Reading(net, names, layout, dtype_of(chosen), tuple(said), left_open, skips=shares)
