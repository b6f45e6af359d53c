"""Several checkpoints of one training, measured in one call: files, folders, patterns, or parameters in memory."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from ..networks import Network
from ._given import is_number
from ._objects import READERS
from .curves import TrainingCurves
from .readers import Layout
from .recorder import Recorder

SUFFIXES = (".npz", ".safetensors", ".h5", ".hdf5", ".keras")  # of the files of a folder that hold weights
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?")
LABELS = ("step", "iter", "epoch")  # in front of a number, where names hold several


def trajectory(
    checkpoints: Any,
    X: Any,
    *,
    steps: Iterable[float] | None = None,
    layers: Sequence[str] | None = None,
    layout: Layout | None = None,
    negative_slope: float | None = None,
) -> TrainingCurves:
    """Measure checkpoints of one training on inputs X: rank, norm and its bound, imbalance and spectra at each step.

    Networks are read one at a time, so that the memory of one is enough.

    Args:
        checkpoints: a folder of files, a pattern such as ``"runs/step_*.npz"``, or any iterable of paths, models,
            parameters as ``report`` takes them, or pairs (step, parameters).
        X: inputs (N, d_in), as the networks see them.
        steps: step of each checkpoint, or another number to draw them against, such as a ridge; None for what names
            or pairs say, else 0, 1, 2, ... in the order given, files of folders and patterns in their natural order.
        layers, layout, negative_slope: how the parameters are read, as for ``from_arrays``.

    Returns:
        The curves, in the order of the steps.

    Raises:
        ValueError: no checkpoint, or one network in place of several; networks of different architectures; names of
            files whose numbers do not tell the steps; what ``report`` refuses.

    Example:
        >>> import numpy as np
        >>> from bnlib import from_layers
        >>> nets = [from_layers([(np.diag([1.0, s]), None)] * 4) for s in (0.75, 0.0)]
        >>> curves = trajectory(nets, [[1.0, 2.0], [2.0, 1.0]], steps=[0, 1000])
        >>> curves.rank.tolist(), curves.steps.tolist()
        ([2, 1], [0, 1000])

    Source: J23; claims weights-corollary, schatten-bound, balance; chapters weights, cost.
    """
    recorder = Recorder(X, sample=None, bound=True, layers=layers, layout=layout, negative_slope=negative_slope)
    for step, name, parameters in _listed(checkpoints, steps):
        recorder.record(step, parameters, name=name)
    return recorder.curves


def _listed(checkpoints: Any, steps: Iterable[float] | None) -> Iterator[tuple[float, str, Any]]:
    """Yield step, name and parameters of each checkpoint."""
    if isinstance(checkpoints, str | os.PathLike):
        yield from _files(_found(os.fspath(checkpoints)), steps)
        return
    items = _several(checkpoints)
    first = next(items, None)
    if first is None:
        raise ValueError("There are no checkpoints: the iterable is empty.")
    items = chain([first], items)
    if isinstance(first, str | os.PathLike):
        yield from _files([os.fspath(path) for path in items], steps)
    elif steps is None and _is_pair(first):
        for number, item in enumerate(items, 1):
            if not _is_pair(item):
                raise ValueError(f"Checkpoint 1 is a pair (step, parameters), but checkpoint {number} is none.")
            yield item[0], f"step {item[0]}", item[1]
    else:
        numbered = ((f"checkpoint {number}", parameters) for number, parameters in enumerate(items, 1))
        yield from _at(steps, numbered)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and is_number(item[0])


def _several(checkpoints: Any) -> Iterator[Any]:
    """Return an iterator over checkpoints, or refuse what is one network."""
    if isinstance(checkpoints, Mapping):
        raise ValueError(
            "checkpoints is a mapping, which may be one network: give [parameters, ...], or its items() where it maps "
            "steps to parameters."
        )
    if isinstance(checkpoints, Network) or any(known(checkpoints) for known, _ in READERS):
        raise ValueError(f"checkpoints is one {type(checkpoints).__name__}; give a list of them, or use report.")
    try:
        return iter(checkpoints)
    except TypeError:
        raise ValueError(f"checkpoints must be a list, but it is a {type(checkpoints).__name__}.") from None


def _at(steps: Iterable[float] | None, named: Iterator[tuple[str, Any]]) -> Iterator[tuple[float, str, Any]]:
    """Yield named checkpoints with their steps, of which there must be as many."""
    given = iter(count() if steps is None else steps)
    for name, parameters in named:
        try:
            step = next(given)
        except StopIteration:
            raise ValueError(f"There are fewer steps than checkpoints: '{name}' has none.") from None
        yield step, name, parameters
    if steps is not None and next(given, None) is not None:
        raise ValueError("There are more steps than checkpoints.")


def _found(path: str) -> list[str]:
    """Return the files of a folder or of a pattern in their natural order; a path that is neither stands for itself.

    Raises:
        ValueError: there are none.
    """
    if Path(path).is_dir():
        there = [p for p in Path(path).iterdir() if p.is_file() and not p.name.startswith(".")]
        files = [str(p) for p in there if p.name.endswith(SUFFIXES)]
        if not files:
            raise ValueError(
                f"The folder '{path}' holds no file of weights ({', '.join(SUFFIXES)}); a pattern such as "
                f"'{path}/*/model.safetensors' finds those of its folders."
            )
    elif not Path(path).exists() and glob.has_magic(path):
        files = [p for p in glob.iglob(path, recursive=True) if Path(p).is_file()]  # noqa: PTH207 - absolute ones too
        if not files:
            raise ValueError(f"No file fits the pattern '{path}'.")
    else:
        files = [path]
    return sorted(files, key=_natural)


def _natural(name: str) -> list[tuple[float, str]]:
    """Return what puts 10 behind 9."""
    return [(float(part), "") if part.isdecimal() else (-1.0, part) for part in re.split("([0-9]+)", name)]


def _files(paths: list[str], steps: Iterable[float] | None) -> Iterator[tuple[float, str, Any]]:
    """Yield step, name and path of files."""
    common = os.path.commonpath([Path(path).parent for path in paths])
    names = [Path(os.path.relpath(path, common)).as_posix() for path in paths]
    named = iter(zip(names, map(Path, paths), strict=True))
    yield from _at(steps_of(names) if steps is None else steps, named)


def steps_of(names: Sequence[str]) -> list[float] | None:
    """Return the steps that names of files hold: the one number in which they differ, or the one called a step.

    Where several numbers differ, it is the one behind ``step``, ``iter`` or ``epoch``, in this order.

    Args:
        names: of the files of one training.

    Returns:
        The steps, or None where the names hold no number, or no other from file to file.

    Raises:
        ValueError: some names hold no number, or nothing tells which of several is the step.

    Example:
        >>> steps_of(["net_100.npz", "net_20.npz"]), steps_of(["epoch=2-step=30.npz", "epoch=3-step=45.npz"])
        ([100, 20], [30, 45])

    Source: bnlib.
    """
    bare = [re.sub(r"(\.[A-Za-z][A-Za-z0-9]*)+$", "", name) for name in names]
    numbers = [NUMBER.findall(name) for name in bare]
    if not any(numbers):
        return None
    if missing := [name for name, there in zip(names, numbers, strict=True) if not there]:
        raise ValueError(
            f"The name '{missing[0]}' holds no number, as others do; give a pattern that leaves it out, or steps=."
        )
    if len({len(there) for there in numbers}) == 1:
        columns = list(zip(*numbers, strict=True))
        differing = [c for c in columns if len(names) == 1 or len(set(c)) > 1]
        if len(differing) < 2:
            return [_number(text) for text in differing[0]] if differing else None
    for label in LABELS:
        behind = re.compile(rf"{label}[a-z]*[^0-9a-z]*({NUMBER.pattern})", re.IGNORECASE)
        called = [behind.findall(name) for name in bare]
        if all(len(there) == 1 for there in called):
            return [_number(there[0]) for there in called]
    raise ValueError(
        f"Several numbers of names such as '{names[0]}' and '{names[-1]}' differ; say by steps= what counts."
    )


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)
