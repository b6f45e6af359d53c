"""Verdicts: what measured numbers say of a claim, as a table for readers and as lines that can be compared."""

from __future__ import annotations

import difflib
import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import claims
from .claims import Check, Claim, ClaimError

HEADER = "".join(
    f'<th scope="col">{title}</th>' for title in ("check, with its reason", "stated", "measured", "outcome")
)
MARKS = {True: "holds", False: "fails"}


@dataclass(frozen=True)
class Row:
    """Hold one check of a verdict: its name, its rule, the measurement as it is written, and whether it passed."""

    name: str
    rule: Check
    measured: str
    passed: bool

    def __str__(self) -> str:
        return (
            f"  {MARKS[self.passed]}  {self.name}: {self.rule.label} is {self.rule.bound}  [measured {self.measured}]"
        )


@dataclass(frozen=True)
class Verdict:
    """Hold the outcome that measured numbers earn, check by check.

    A notebook shows it as a table, the checks that fail first; its text has one check a line.

    Attributes:
        claim: the id of the claim.
        outcome: ``holds``, ``partly`` or ``not reproduced``, as all, some or none of the checks pass.
        rows: the checks, in the order of the ledger.
        note: a remark on what was measured, such as ``8 seeds``.
    """

    claim: str
    outcome: str
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def count(self) -> str:
        """How many checks hold, in words."""
        return f"{sum(row.passed for row in self.rows)} of {len(self.rows)} checks"

    def __str__(self) -> str:
        head = f"{self.outcome}  {self.claim}: {self.count}" + (f"  [{self.note}]" if self.note else "")
        return "\n".join([head, *map(str, self.rows)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table, as a notebook shows it."""
        rows = sorted(self.rows, key=lambda row: row.passed)
        head = [f"<strong>{self.outcome}</strong>", f"<code>{self.claim}</code>", self.count, html.escape(self.note)]
        return (
            f'<div class="verdict {self.outcome.partition(" ")[0]}">\n'
            f"<p>{' · '.join(filter(None, head))}</p>\n"
            f"<table><thead><tr>{HEADER}</tr></thead>\n<tbody>\n"
            + "".join(map(_html_row, rows))
            + "</tbody></table>\n</div>"
        )


def _html_row(row: Row) -> str:
    label, bound, why = map(html.escape, (row.rule.label, row.rule.bound, row.rule.why))
    mark = "✓ holds" if row.passed else "✗ fails"
    return (
        f'<tr class="{MARKS[row.passed]}"><td><details><summary>{label}</summary>{why}</details></td>'
        f"<td>{bound}</td><td>{row.measured}</td><td>{mark}</td></tr>\n"
    )


def judge(claim: Claim, measured: Mapping[str, Any], note: str = "") -> Verdict:
    """Return the verdict that numbers earn, one for each check of a claim by its name.

    Args:
        claim: a record of the ledger.
        measured: by the name of each check, one number.
        note: a remark of one line without square brackets.

    Raises:
        ClaimError: the numbers are not those that the checks ask for, or the note is no such line.

    Example:
        >>> judge(claims.load()["iw-kink-term"], {"ratio": 4}).outcome
        'holds'

    Source: bnlib.
    """
    if not claim.checks or set(measured) != set(claim.checks):
        asked, given = (", ".join(names) or "nothing" for names in (claim.checks, measured))
        raise ClaimError(f"Claim {claim.id!r} is checked by {asked}, but was given {given}.")
    if set("[]\r\n") & set(note):
        raise ClaimError(f"The note of claim {claim.id!r} must be one line without square brackets.")
    try:
        values = {name: float(measured[name]) for name in claim.checks}
    except (TypeError, ValueError) as error:
        raise ClaimError(f"Claim {claim.id!r} needs one number for each check ({error}).") from error
    rows = tuple(
        Row(name, rule, _number(values[name], rule), rule.accepts(values[name])) for name, rule in claim.checks.items()
    )
    passed = [row.passed for row in rows]
    outcome = "holds" if all(passed) else "partly" if any(passed) else "not reproduced"
    return Verdict(claim.id, outcome, rows, note)


def _number(value: float, rule: Check) -> str:
    """Write 4 significant digits, and more only where fewer would move the number across a bound."""
    if value.is_integer() and abs(value) < 1e9:
        return str(int(value))
    texts = (f"{value:.{digits}g}" for digits in range(4, 18))
    same = (math.isfinite(value), rule.accepts(value))
    text = next((t for t in texts if (math.isfinite(float(t)), rule.accepts(float(t))) == same), repr(value))
    # Read back and written again, the text must stay as it is.
    return text if float(text) == value or math.isnan(value) else _number(float(text), rule)


def check(claim_id: str, *, note: str = "", **measured: Any) -> Verdict:
    """Return the verdict that measured numbers earn, and raise if it is not the ledger's.

    Args:
        claim_id: The id of a claim in claims.yml.
        note: A remark on what was measured, such as ``8 seeds``.
        **measured: One number for each of the claim's checks, by name.

    Returns:
        The verdict, which a notebook shows as a table when it is the last expression of a cell.

    Raises:
        ClaimError: The outcome is not the one that the claim's status stands for, or the claim is open (the
            verdict is printed first); it is not in the ledger, or the numbers are not those its checks ask for.

    Example:
        >>> check("blance", identity=0.0)
        Traceback (most recent call last):
        bnlib.book.claims.ClaimError: Claim 'blance' is not in the ledger; did you mean balance?

    Source: bnlib; page claims.
    """
    if claim_id not in (ledger := claims.load()):
        close = " or ".join(difflib.get_close_matches(claim_id, ledger, n=3))
        raise ClaimError(f"Claim {claim_id!r} is not in the ledger" + (f"; did you mean {close}?" if close else "."))
    verdict = judge(ledger[claim_id], measured, note)
    if verdict.outcome != claims.EXPECTED.get(status := ledger[claim_id].status):
        print(verdict)
        raise ClaimError(
            f"Claim {claim_id!r} came out as {verdict.outcome!r}, but its status in claims.yml is {status!r}."
        )
    return verdict
