"""The claims ledger: what the book states, how each statement is checked, and the verdict lines."""

import difflib
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

    def verdict(self, measured: Mapping[str, Any], note: str = "") -> tuple[str, str]:
        """Return the outcome that numbers earn, one for each check by its name, and the verdict line.

        The outcome is ``holds``, ``partly`` or ``not reproduced``, as all, some or none of the checks accept.
        """
        if not self.checks or set(measured) != set(self.checks):
            asked, given = (", ".join(names) or "nothing" for names in (self.checks, measured))
            raise ClaimError(f"Claim {self.id!r} is checked by {asked}, but was given {given}.")
        if set("[]\r\n") & set(note):
            raise ClaimError(f"The note of claim {self.id!r} must be one line without square brackets.")
        try:
            pairs = [(rule, float(measured[name])) for name, rule in self.checks.items()]
        except (TypeError, ValueError) as error:
            raise ClaimError(f"Claim {self.id!r} needs one number for each check ({error}).") from error
        passed = [rule.accepts(value) for rule, value in pairs]
        outcome = "holds" if all(passed) else "partly" if any(passed) else "not reproduced"
        stated = "; ".join(rule.stated for rule, _ in pairs)
        numbers = ", ".join(_number(value, rule) for rule, value in pairs)
        return outcome, f"{outcome}  {self.id}: {stated}  [measured {numbers}{', ' + note if note else ''}]"


def _number(value: float, rule: Check) -> str:
    """Write 4 significant digits, and more only where fewer would move the number across a bound."""
    if value.is_integer() and abs(value) < 1e9:
        return str(int(value))
    texts = (f"{value:.{digits}g}" for digits in range(4, 18))
    same = (math.isfinite(value), rule.accepts(value))
    text = next((t for t in texts if (math.isfinite(float(t)), rule.accepts(float(t))) == same), repr(value))
    # Read back and written again, the text must stay as it is.
    return text if float(text) == value or math.isnan(value) else _number(float(text), rule)


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
    return Check(f"{record['label']} is {rule}", low, high, record["why"])


def _claim(record: Any) -> Claim:
    # Only what this code relies on: the rules of the ledger are in tests/claims.schema.json.
    try:
        lists = {k: tuple([v] if isinstance(v := record[k], str) else v) for k in ("source", "standing", "tests")}
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
        bnlib.book.claims.ClaimError: Claim 'blance' is not in the ledger; did you mean balance?
    """
    if claim_id not in (ledger := load()):
        close = " or ".join(difflib.get_close_matches(claim_id, ledger, n=3))
        raise ClaimError(f"Claim {claim_id!r} is not in the ledger" + (f"; did you mean {close}?" if close else "."))
    outcome, line = ledger[claim_id].verdict(measured, note)
    print(line)
    if outcome != EXPECTED.get(status := ledger[claim_id].status):
        raise ClaimError(f"Claim {claim_id!r} came out as {outcome!r}, but its status in claims.yml is {status!r}.")
    return line
