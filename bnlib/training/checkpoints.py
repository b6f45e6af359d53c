"""Checkpoints that are whole or absent: arrays only, checksummed, tied to one run."""

import errno
import hashlib
import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from . import locks


def fingerprint(*parts: Any) -> str:
    """Return a hash of arrays and settings; a checkpoint belongs to the run whose fingerprint it carries.

    Example:
        >>> fingerprint(np.zeros(2), 1, 12) == fingerprint(np.zeros(2), 1, 12) != fingerprint(np.zeros(2), 11, 2)
        True

    Source: bnlib.
    """
    leaves, structure = jax.tree.flatten(parts)
    digest = hashlib.sha256(str(structure).encode())  # holds what is no leaf, such as the slope of the activation
    for leaf in leaves:
        array = np.asarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def beside(path: Path, name: str) -> Path:
    """Return the file of one part of a run.

    Example:
        >>> beside(Path("run.npz"), "shallow").name
        'run.shallow.npz'

    Source: bnlib.
    """
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def reserve(path: Path) -> None:
    """Refuse a path to which nothing can be written, before hours of work rely on it.

    Raises:
        ValueError: the folder is missing or read-only.

    Source: bnlib.
    """
    try:
        _part(path).touch()
        _part(path).unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"No checkpoint can be written to '{path}' ({error.strerror}).") from error


def _part(path: Path) -> Path:
    """Return the temporary name, which no other process or thread writes to."""
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def _parts(path: Path) -> list[Path]:
    """Return the temporary files of all processes; those of killed runs are among them."""
    return [p for p in path.parent.iterdir() if p.name.startswith(f"{path.name}.") and p.suffix == ".part"]


def save(path: Path, run: str | Sequence[str], phase: int, arrays: Sequence[np.ndarray]) -> None:
    """Write a checkpoint to a temporary file and rename it, so that the old one stays until the new one is whole.

    One process writes at a time, and looks again whose the old one is. One of this run that is further stays.

    Args:
        path: file to replace.
        run: fingerprint of the run, or that of each of its beginnings, of 0, 1, 2, ... phases.
        phase: number of phases done.
        arrays: state of the run.

    Raises:
        OSError: it could not be written, or the file is now another run's; the old one is intact.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "run.npz"
        >>> save(path, "abc", 1, [np.zeros(2)])
        >>> load(path, "abc")
        (1, [array([0., 0.])])

    Source: bnlib.
    """
    owner = run if isinstance(run, str) else run[phase]
    header = np.array([owner, str(phase), fingerprint(owner, phase, list(arrays))])
    whole = io.BytesIO()
    np.savez(whole, allow_pickle=False, header=header, **{f"array_{i}": a for i, a in enumerate(arrays)})
    with locks.held(path) as alone:
        try:
            found = load(path, run)
        except ValueError as error:
            raise OSError(errno.EEXIST, "what lies there now is not of this run") from error
        if found is not None and found[0] > phase:
            return
        try:
            with _part(path).open("wb") as file:
                file.write(whole.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            _part(path).replace(path)
        except OSError:
            _part(path).unlink(missing_ok=True)
            raise
        for left in _parts(path) if alone else []:  # by killed runs, because no other writes now
            left.unlink(missing_ok=True)


def load(path: Path, run: str | Sequence[str]) -> tuple[int, list[np.ndarray]] | None:
    """Read a checkpoint; None when there is none.

    Args:
        path: file written by ``save``.
        run: fingerprint of the run that wants to continue, or that of each of its beginnings, of 0, 1, 2, ... phases:
            then a run that ended earlier than this one is continued.

    Returns:
        The number of phases done and the arrays.

    Raises:
        ValueError: the file is truncated, damaged, not a checkpoint, or belongs to another run.

    Example:
        >>> load(Path("no-such-file.npz"), "abc") is None
        True

    Source: bnlib.
    """
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            owner, phase, checksum = (str(v) for v in archive["header"])
            arrays = [archive[f"array_{i}"] for i in range(len(archive.files) - 1)]
        done = int(phase)
    except Exception as error:  # damaged bytes make zipfile and numpy raise almost anything
        raise ValueError(f"'{path}' is not a whole checkpoint ({error}); move it away to start again.") from error
    if checksum != fingerprint(owner, done, arrays):
        raise ValueError(f"'{path}' is damaged: its checksum does not fit; move it away to start again.")
    if owner not in ([run] if isinstance(run, str) else run[done : done + 1]):
        raise ValueError(f"'{path}' belongs to a run with other data or settings; choose another file.")
    return done, arrays
