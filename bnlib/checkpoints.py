"""Checkpoints that are whole or absent: arrays only, checksummed, tied to one run."""

import hashlib
import os
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np


def fingerprint(*parts: Any) -> str:
    """Return a hash of arrays and settings; a checkpoint belongs to the run whose fingerprint it carries.

    Example:
        >>> fingerprint(np.zeros(2), 1) == fingerprint(np.zeros(2), 1) != fingerprint(np.zeros(2), 2)
        True

    Source: bnlib.
    """
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parts, is_leaf=lambda part: part is None):
        if isinstance(leaf, np.ndarray | jax.Array):
            array = np.asarray(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        else:
            digest.update(repr(leaf).encode())
    return digest.hexdigest()


def save(path: Path, run: str, phase: int, arrays: Sequence[np.ndarray]) -> bool:
    """Write a checkpoint to a temporary file and rename it; warn and keep the old one when that fails.

    Args:
        path: file to replace.
        run: fingerprint of the run.
        phase: number of phases done.
        arrays: state of the run.

    Returns:
        Whether the checkpoint was written.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> save(folder / "run.npz", "abc", 1, [np.zeros(2)]), load(folder / "run.npz", "abc")[0]
        (True, 1)

    Source: bnlib.
    """
    header = np.array([run, str(phase), fingerprint(run, phase, list(arrays))])
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, allow_pickle=False, header=header, **{f"array_{i}": a for i, a in enumerate(arrays)})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        warnings.warn(f"No checkpoint could be written to '{path}' ({error.strerror}); training goes on.", stacklevel=2)
        return False
    return True


def load(path: Path, run: str) -> tuple[int, list[np.ndarray]] | None:
    """Read a checkpoint; None when there is none.

    Args:
        path: file written by ``save``.
        run: fingerprint of the run that wants to continue.

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
        with np.load(path, allow_pickle=False) as archive:
            owner, phase, checksum = (str(v) for v in archive["header"])
            arrays = [archive[f"array_{i}"] for i in range(len(archive.files) - 1)]
        done = int(phase)
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"'{path}' is not a whole checkpoint ({error}); move it away to start again.") from error
    if checksum != fingerprint(owner, done, arrays):
        raise ValueError(f"'{path}' is damaged: its checksum does not fit; move it away to start again.")
    if owner != run:
        raise ValueError(f"'{path}' belongs to a run with other data or settings; choose another file.")
    return done, arrays
