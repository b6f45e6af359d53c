"""Faults in the ledger of claims, alone or with the page that shows it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from bnlib.book.claims import load
from scripts.faults.checks import INDEPENDENT
from scripts.faults.fault import Edit, MutantError
from scripts.pages import claims_page

LEDGER, PAGE = "claims.yml", "book/claims.md"
WHOLE = ("tests/book/test_ledger.py", "-k", "test_the_ledger_of_the_book or no_claim_is_lost")
MAPPED = ("tests/book/test_ledger.py", INDEPENDENT, "-k", "test_the_ledger_of_the_book or every_certified")


def on_record(claim: str, pattern: str, new: str) -> Edit:
    """Change the record of one claim, in the first place that matches."""

    def edit(text: str, root: Path) -> str:
        start = text.index(f"  - id: {claim}\n")
        end = text.find("\n  - id: ", start + 1) % len(text)
        changed, count = re.subn(pattern, new, text[start:end], count=1, flags=re.M)
        if not count:
            raise MutantError(f"the record of {claim} has nothing that matches {pattern!r}")
        return text[:start] + changed + text[end:]

    return edit


def new_page(text: str, root: Path, ledger: str) -> str:
    """Return the page of claims for another ledger."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims.yml"
        path.write_text(ledger, encoding="utf-8")
        return claims_page.page(load(path), root)


def with_page(edit: Edit) -> tuple[tuple[str, Edit], ...]:
    """Pair a change of the ledger with the page that fits it."""

    def page(text: str, root: Path) -> str:
        changed = edit((root / LEDGER).read_text(encoding="utf-8"), root)
        return new_page(text, root, changed or "")

    return ((LEDGER, edit), (PAGE, page))


# (id, summary, claim, pattern, new)
LEDGERS: list[tuple[str, str, str, str, str]] = [
    ("status-down", "certified made reproduced", "balance", "^    status: certified", "    status: reproduced"),
    ("status-up", "reproduced made certified", "affine-law", "^    status: reproduced", "    status: certified"),
    ("status-partly", "partly made reproduced", "rank-phase", "^    status: partly", "    status: reproduced"),
    ("status-open", "certified made open", "balance", "^    status: certified", "    status: open"),
    ("status-unknown", "a status that there is not", "balance", "^    status: certified", "    status: proven"),
    ("tolerance-wider", "a tolerance a thousand times wider", "balance", r"at_most: 1\.0e-10", "at_most: 1.0e-7"),
    ("tolerance-narrower", "a tolerance below the measurement", "balance", r"at_most: 1\.0e-10", "at_most: 1.0e-14"),
    ("tolerance-turned", "at most made at least", "balance", r"at_most: 1\.0e-10", "at_least: 1.0e-10"),
    ("tolerance-text", "a tolerance that YAML reads as text", "balance", r"at_most: 1\.0e-10", "at_most: 1e-10"),
    ("tolerance-twice", "two comparisons", "balance", r"(at_most: 1\.0e-10)", r"\1\n        at_least: 0"),
    ("tolerance-without-reason", "no reason for a tolerance", "balance", r"^        why: >-\n.*$", "        why: so"),
    ("label-changed", "another wording of a check", "balance", "error of the identity", "error of an identity"),
    ("id-changed", "another id", "balance", "id: balance", "id: balances"),
    ("id-twice", "the id of another claim", "balance", "id: balance", "id: schatten-bound"),
    ("anchor-changed", "another chapter", "balance", "notebooks/cost.md#claim", "notebooks/linear.md#claim"),
    ("anchor-of-another", "another claim's anchor", "balance", "#claim-balance", "#claim-schatten-bound"),
    ("proof-missing", "a proof that there is not", "balance", "#proof-balance", "#proof-balanced"),
    ("test-missing", "a test that there is not", "balance", "::test_balance$", "::test_balances"),
    ("test-file-missing", "a file of tests that there is not", "balance", "test_balancing.py", "test_built.py"),
    ("measured-changed", "another measurement", "balance", r'^    measured: \{("\w+"): "', r'    measured: {\1: "9'),
    ("measured-dropped", "no measurement", "balance", "^    measured: .*$", "    measured: null"),
    ("deviation-dropped", "a deviation concealed", "rank-phase",
     r"^    deviation: (?:.|\n)*?(?=^    \w)", "    deviation: null\n"),
    ("field-unknown", "a field that there is not", "balance", "^    tier: quick", "    tier: quick\n    level: high"),
    ("field-missing", "no tier", "balance", "^    tier: quick\n", ""),
]  # fmt: skip
