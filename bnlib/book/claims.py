"""The claims ledger: what the book states, how each statement is checked, and where it stands."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# The outcome that a status stands for; an open claim has none yet.
EXPECTED = {"certified": "holds", "reproduced": "holds", "partly": "partly", "not reproduced": "not reproduced"}


class ClaimError(RuntimeError):
    """Say in one sentence why a claim could not be loaded, or why its verdict is not the ledger's."""


@dataclass(frozen=True)
class Check:
    """Hold what a measured number stands for, the interval ``low <= x <= high`` allowed to it, and its reason."""

    label: str
    bound: str
    low: float
    high: float
    why: str

    def accepts(self, value: float) -> bool:
        """Tell whether ``value`` is finite and inside the interval; a NaN never is."""
        return math.isfinite(value) and self.low <= value <= self.high


@dataclass(frozen=True)
class Claim:
    """Hold one record of claims.yml; the fields have the names they have in the file."""

    id: str
    source: tuple[str, ...]
    kind: str
    standing: str
    statement: str
    proved: str | None
    test: str
    settings: str
    checks: Mapping[str, Check]
    tier: str
    chapter: str | None
    tests: tuple[str, ...]
    status: str
    deviation: str | None
    measured: Mapping[str, str] | None


def _check(name: str, record: Any) -> Check:
    match record:
        case {"equals": float() | int() as v, "within": float() | int() as t} if t >= 0:
            rule, low, high = f"{v} +/- {t}" if t else f"exactly {v}", v - t, v + t
        case {"at_most": float() | int() as v}:
            rule, low, high = f"at most {v}", -math.inf, v
        case {"at_least": float() | int() as v}:
            rule, low, high = f"at least {v}", v, math.inf
        case {"between": [float() | int() as low, float() | int() as high]} if low <= high:
            rule = f"between {low} and {high}"
        case _:
            raise ValueError(f"check {name!r} has no sound comparison; YAML reads 1e-9 as text: write 1.0e-9")
    return Check(record["label"], rule, low, high, record["why"])


def _claim(record: Any) -> Claim:
    # Only what this code relies on: the rules of the ledger are in tests/claims.schema.json.
    try:
        lists = {k: tuple([v] if isinstance(v := record[k], str) else v) for k in ("source", "tests")}
        checks = {name: _check(name, rule) for name, rule in (record["checks"] or {}).items()}
        return Claim(**record | lists | {"checks": checks})
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        name = record["id"] if isinstance(record, dict) and "id" in record else record
        raise ValueError(f"claim {name!r} cannot be read ({type(error).__name__}: {error})") from error


def _ledger_path() -> Path:
    beside = Path(__file__).parents[1] / "claims.yml"  # put there by the wheel; a checkout has it at its root
    return beside if beside.exists() else Path(__file__).parents[2] / "claims.yml"


def load(path: str | Path | None = None) -> dict[str, Claim]:
    """Read the claims ledger.

    Args:
        path: A ledger file; by default the book's own ``claims.yml``.

    Returns:
        A dictionary from claim id to ``Claim``, in the order of the file.

    Raises:
        ClaimError: The file is missing, is no YAML, or has a record that cannot be read; the sentence says which.

    Example:
        >>> load()["balance"].source
        ('J23',)
    """
    path = _ledger_path() if path is None else Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not isinstance(data.get("claims"), list) or not data["claims"]:
            raise ValueError("it has no list under `claims:`")
        return {claim.id: claim for claim in map(_claim, data["claims"])}
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:  # YAML's message has several lines
        raise ClaimError(f"The claims ledger {path.name} cannot be used: {' '.join(str(error).split())}.") from error
