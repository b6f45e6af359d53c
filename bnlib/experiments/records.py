"""The stored records of the experiments: where they lie, their checksum, and reading them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from .registry import plan
from .setting import Setting


def setting_of(record: dict[str, Any]) -> Setting:
    """Return the setting that a record belongs to; what older records do not name has its usual value.

    Example:
        >>> setting_of(load("fig-j22")[0]) == plan("fig-j22")[0]
        True

    Source: bnlib.
    """
    return Setting(**{field: record[field] for field in Setting._fields if field in record})


def folder() -> Path:
    """Return where results lie: beside the library in a wheel, at the root of a checkout.

    Example:
        >>> folder().name
        'results'

    Source: bnlib.
    """
    beside = Path(__file__).parents[1] / "results"
    return beside if beside.exists() else Path(__file__).parents[2] / "results"


def checksum(records: list[dict[str, Any]]) -> str:
    """Return the hash that the manifest of a results file gives for its records.

    Example:
        >>> checksum([])[:8]
        '4f53cda1'

    Source: bnlib; page running.
    """
    return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def load(name: str, path: Path | None = None, *, quick: bool = False) -> list[dict[str, Any]]:
    """Read the stored records of an experiment, in the order of its plan.

    Args:
        name: one of ``NAMES``.
        path: results file; None for the book's own.
        quick: whether its records are of the quick plan.

    Returns:
        Records, as from ``measure``, one for every setting of the plan that has been run; often not for all.

    Raises:
        ValueError: an unknown name, a file that is no results file, or one whose records are not those of its
            manifest.

    Example:
        >>> load("symmetry", Path("no-such-file.json"))
        []

    Source: bnlib; page running.
    """
    planned = plan(name, quick=quick)
    path = folder() / f"{name}.json" if path is None else path
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        records, stated = content["records"], content["manifest"]["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path.name}' is no results file ({type(error).__name__}: {error}).") from error
    if checksum(records) != stated:
        raise ValueError(f"The records in '{path.name}' are not those of its manifest: their checksum differs.")
    found = {setting_of(record): record for record in records}
    return [found[setting] for setting in planned if setting in found]
