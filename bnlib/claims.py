"""The claims ledger: what the book states, how each statement is checked, and the verdict lines."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["Check", "Claim", "ClaimError", "Verdict", "check", "load", "parse_verdict", "verdict"]

EXPECTED = {
    "certified": "holds",
    "reproduced": "holds",
    "partly": "partly",
    "not reproduced": "not reproduced",
}
STATUSES = (*EXPECTED, "open")
KINDS = ("theorem", "proposition", "conjecture", "figure", "remark", "experiment")
LINE = re.compile(r"^(holds|partly|not reproduced)  ([a-z0-9-]+): (.+)  \[measured ([^\[\]]*)\]$")


class ClaimError(RuntimeError):
    """Say in one sentence why a claim could not be loaded, or why its verdict is not the ledger's."""


@dataclass(frozen=True)
class Check:
    """Hold the interval ``low <= x <= high`` allowed to a measured number, in words, and its reason."""

    stated: str
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
    part: str
    source: tuple[str, ...]
    kind: str
    standing: tuple[str, ...]
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
    measured: str | None


class Verdict(NamedTuple):
    """Hold an evaluated claim: its outcome, and the line that says so."""

    outcome: str
    id: str
    line: str
    values: tuple[float, ...]


def _refuse(where: str, problem: str) -> ClaimError:
    return ClaimError(f"The claims ledger cannot be used: {where} {problem}.")


def _check_of(where: str, record: Any) -> Check:
    if not isinstance(record, dict) or not all(isinstance(record.get(k), str) for k in ("label", "why")):
        raise _refuse(where, "needs a label, one comparison and a why")
    label, why = record["label"], record["why"]
    if not label.strip() or not why.strip() or re.search(r"[\[\]\n]|  ", label):
        raise _refuse(where, "needs a why and a one-line label without square brackets or double spaces")
    rest = {k: v for k, v in record.items() if k not in ("label", "why")}
    numbers = [n for v in rest.values() for n in (v if isinstance(v, list) else [v])]
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in numbers):
        raise _refuse(where, "has a bound that is not a finite number (YAML reads 1e-9 as text: write 1.0e-9)")
    match rest:
        case {"equals": float() | int() as v, "within": float() | int() as t, **other} if not other and t >= 0:
            return Check(f"{label} is {v} +/- {t}" if t else f"{label} is exactly {v}", v - t, v + t, why)
        case {"at_most": float() | int() as v, **other} if not other:
            return Check(f"{label} is at most {v}", -math.inf, v, why)
        case {"at_least": float() | int() as v, **other} if not other:
            return Check(f"{label} is at least {v}", v, math.inf, why)
        case {"between": [lo, hi], **other} if not other and lo <= hi:
            return Check(f"{label} is between {lo} and {hi}", lo, hi, why)
    raise _refuse(
        where,
        "needs exactly one comparison: `equals` with a `within` that is not negative, `at_most`, "
        "`at_least`, or `between` with a lower and an upper bound in this order",
    )


def _claim_of(where: str, record: Any) -> Claim:
    if not isinstance(record, dict):
        raise _refuse(where, "is not a mapping")
    where = f"claim {record['id']!r}" if "id" in record else where
    if missing := [f for f in Claim.__dataclass_fields__ if f not in record]:
        raise _refuse(where, f"lacks {', '.join(missing)}")
    if unknown := [f for f in record if f not in Claim.__dataclass_fields__]:
        raise _refuse(where, f"has unknown fields: {', '.join(map(str, unknown))}")
    for field, allowed in (("status", STATUSES), ("kind", KINDS), ("tier", ("quick", "paper", "gpu"))):
        if record[field] not in allowed:
            raise _refuse(where, f"has {field} {record[field]!r}, which is not one of {', '.join(allowed)}")
    if not re.fullmatch(r"[a-z0-9-]+", str(record["id"])):
        raise _refuse(where, "has an id that is not made of a-z, 0-9 and hyphens")
    source = record["source"] if isinstance(record["source"], list) else [record["source"]]
    for field, value in (("source", source), ("standing", record["standing"]), ("tests", record["tests"])):
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise _refuse(where, f"has a {field} that is not a list of strings")
    if not isinstance(checks := record["checks"] or {}, dict):
        raise _refuse(where, "has checks that are not a mapping from a name to a check")
    if bad := [str(k) for k in checks if not str(k).isidentifier() or k == "note"]:
        raise _refuse(where, f"has checks whose names are not usable as arguments: {', '.join(bad)}")
    parsed = {k: _check_of(f"check {k!r} of {where}", v) for k, v in checks.items()}
    return Claim(
        **{
            **record,
            "source": tuple(source),
            "standing": tuple(record["standing"]),
            "tests": tuple(record["tests"]),
            "checks": MappingProxyType(parsed),
        }
    )


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> Mapping[str, Claim]:
    import yaml

    try:
        text = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refuse(path.name, f"is not readable YAML ({' '.join(str(error).split())})") from error
    if not isinstance(text, dict) or not isinstance(text.get("claims"), list) or not text["claims"]:
        raise _refuse(path.name, "has no list under `claims:`")
    claims = [_claim_of(f"record {i} of {path.name}", r) for i, r in enumerate(text["claims"], 1)]
    if double := sorted({c.id for c in claims if sum(d.id == c.id for d in claims) > 1}):
        raise _refuse(path.name, f"has more than one record with the id {', '.join(double)}")
    return MappingProxyType({c.id: c for c in claims})


def _ledger_path() -> Path:
    beside = Path(__file__).with_name("claims.yml")  # put there by the wheel; a checkout has it at its root
    return beside if beside.exists() else Path(__file__).parents[1] / "claims.yml"


def load(path: str | Path | None = None) -> dict[str, Claim]:
    """Read the claims ledger.

    Args:
        path: A ledger file; by default the book's own ``claims.yml``.

    Returns:
        A dictionary from claim id to ``Claim``, in the order of the file.

    Raises:
        ClaimError: The file is missing, unreadable or breaks a rule of the ledger; the sentence says which.

    Example:
        >>> load()["balance"].source
        ('J23',)
    """
    path = Path(path) if path is not None else _ledger_path()
    try:
        return dict(_read(path, path.stat().st_mtime_ns))
    except OSError as error:
        raise _refuse(path.name, f"could not be opened ({error.strerror})") from error


def _number(value: float, rule: Check) -> str:
    """Write 4 significant digits, and more only where fewer would move the number across a bound."""
    if value.is_integer() and abs(value) < 1e9:
        return str(int(value))
    texts = (f"{value:.{digits}g}" for digits in range(4, 18))
    same = (math.isfinite(value), rule.accepts(value))
    text = next((t for t in texts if (math.isfinite(float(t)), rule.accepts(float(t))) == same), repr(value))
    # Read back and written again, the text must stay as it is.
    return text if float(text) == value or math.isnan(value) else _number(float(text), rule)


def verdict(claim: Claim, measured: Mapping[str, Any], note: str = "") -> Verdict:
    """Evaluate a claim's checks and write its verdict line; nothing is printed and no status is compared.

    Args:
        claim: A record of the ledger that has checks.
        measured: One number for each of the record's checks, by name.
        note: A remark to follow the numbers in the brackets, such as ``8 seeds``.

    Returns:
        A ``Verdict``; its outcome is ``holds`` if every check accepts its number, ``not reproduced`` if none
        does, and ``partly`` otherwise.

    Raises:
        ClaimError: A check has no number, a number has no check, or the note cannot stand in a verdict line.

    Example:
        >>> import dataclasses
        >>> rule = Check("slope is 2.0 +/- 0.15", 1.85, 2.15, why="spread over seeds")
        >>> claim = dataclasses.replace(load()["affine-law"], checks={"slope": rule})
        >>> verdict(claim, {"slope": 1.98}, "8 seeds").line
        'holds  affine-law: slope is 2.0 +/- 0.15  [measured 1.98, 8 seeds]'
    """
    if not claim.checks:
        raise ClaimError(f"Claim {claim.id!r} has no checks in the ledger yet, so nothing can be measured against it.")
    if set(measured) != set(claim.checks):
        raise ClaimError(
            f"Claim {claim.id!r} is checked by {', '.join(claim.checks)}, but was given "
            f"{', '.join(measured) or 'nothing'}."
        )
    if re.search(r"[\[\]\r\n]", note):
        raise ClaimError(f"The note of claim {claim.id!r} must be one line without square brackets.")
    try:
        values = {name: float(measured[name]) for name in claim.checks}
    except (TypeError, ValueError) as error:
        raise ClaimError(f"Claim {claim.id!r} needs one number for each check ({error}).") from error
    passed = [rule.accepts(values[name]) for name, rule in claim.checks.items()]
    outcome = "holds" if all(passed) else "partly" if any(passed) else "not reproduced"
    stated = "; ".join(rule.stated for rule in claim.checks.values())
    numbers = ", ".join(_number(values[name], rule) for name, rule in claim.checks.items())
    bracket = f"[measured {numbers}{', ' + note if note else ''}]"
    return Verdict(outcome, claim.id, f"{outcome}  {claim.id}: {stated}  {bracket}", tuple(values.values()))


def parse_verdict(line: str, ledger: Mapping[str, Claim] | None = None) -> Verdict:
    """Evaluate a stored verdict line again, from the numbers in its brackets and the ledger alone.

    Args:
        line: A line as printed by ``check``.
        ledger: The claims by id; by default the book's own.

    Returns:
        The ``Verdict`` that these numbers earn; its line differs from ``line`` where that was edited.

    Raises:
        ClaimError: The text is not a verdict line, or its claim is not in the ledger.

    Example:
        >>> parse_verdict("all is well")
        Traceback (most recent call last):
        bnlib.claims.ClaimError: This is not a verdict line: 'all is well'.
    """
    if not (found := LINE.match(line)):
        raise ClaimError(f"This is not a verdict line: {line!r}.")
    claim = _find(found[2], load() if ledger is None else ledger)
    parts = found[4].split(", ", len(claim.checks))
    if len(parts) < len(claim.checks):
        raise ClaimError(f"The verdict line of {claim.id!r} has fewer numbers than the claim has checks: {line!r}.")
    return verdict(claim, dict(zip(claim.checks, parts, strict=False)), "".join(parts[len(claim.checks) :]))


def _find(claim_id: str, ledger: Mapping[str, Claim]) -> Claim:
    if claim_id in ledger:
        return ledger[claim_id]
    close = difflib.get_close_matches(claim_id, ledger, n=3)
    raise ClaimError(
        f"Claim {claim_id!r} is not in the ledger" + (f"; did you mean {' or '.join(close)}?" if close else ".")
    )


def check(claim_id: str, *, note: str = "", **measured: Any) -> str:
    """Print the verdict line that measured numbers earn, and raise if it is not the ledger's.

    Args:
        claim_id: The id of a claim in claims.yml.
        note: A remark to follow the numbers in the brackets, such as ``8 seeds``.
        **measured: One number for each of the claim's checks, by name.

    Returns:
        The verdict line, as printed.

    Raises:
        ClaimError: The outcome is not the one that the claim's status stands for, or the claim is open (the
            line is printed first); it is not in the ledger, or the numbers are not those its checks ask for.

    Example:
        >>> check("blance", identity=0.0)
        Traceback (most recent call last):
        bnlib.claims.ClaimError: Claim 'blance' is not in the ledger; did you mean balance?
    """
    claim = _find(claim_id, load())
    result = verdict(claim, measured, note)
    print(result.line)
    if claim.status == "open":
        raise ClaimError(f"Claim {claim_id!r} is open: set its status in claims.yml before a chapter states a verdict.")
    if result.outcome != EXPECTED[claim.status]:
        raise ClaimError(
            f"Claim {claim_id!r} came out as {result.outcome!r}, but its status {claim.status!r} "
            f"in claims.yml stands for {EXPECTED[claim.status]!r}."
        )
    return result.line
