"""The ledger, the chapters, the tests and the claims page must tell the same story; each check is shown to fail."""

import pytest

from bnlib import claims
from ledger_checks import (
    CHECKS,
    check_anchors,
    check_chapters,
    check_ids,
    check_layout,
    check_page,
    check_schema,
    check_tests,
    check_verdicts,
    ledger_of,
)
from notebook_checks import ROOT
from small_ledger import CHECK, VERDICT

EXPECTED = [
    "two-dimensions",
    "adam-stalls",
    "clarke",
    "stationary-points",
    "balance",
    "schatten-bound",
    "linear-cost",
    "linear-expansion",
    "linear-sv",
    "rank-sandwich",
    "rank-properties",
    "rank-gap",
    "affine-law",
    "jacobian-bound",
    "composition",
    "addition",
    "constants",
    "linear-r1",
    "r1-bracket",
    "gain-free",
    "gain-principle",
    "gain-alternation",
    "gain-steiner",
    "gain-crease",
    "gain-area",
    "gain-orientation",
    "gain-closed",
    "gain-rate",
    "gain-open",
    "r2-linear",
    "r2-subadditive",
    "tsp",
    "depth-window",
    "rank-phase",
    "extra-rank",
    "narrow-minima",
    "narrow-rates",
    "weights-theorem",
    "weights-corollary",
    "gap-spectrum",
    "balanced-profile",
    "ntk-identity",
    "ntk-bound",
    "edge",
    "sharpness-growth",
    "still-code",
    "low-dim-features",
    "depth-convergence",
    "fig-j22",
    "fig-j23",
    "invariants",
    "symmetry",
    "symmetry-groups",
    "autoencoder",
    "topology",
    "softmax-ridge",
    "class-order",
    "iw-kernel-gradients",
    "iw-finite-to-infinite",
    "iw-lazy-fails",
    "iw-kink-term",
    "iw-finite-conservation",
    "iw-linear-closed-form",
    "iw-linear-conserved",
    "iw-linear-finite",
    "iw-speedup-formula",
    "iw-equal-rate",
    "iw-small-target",
    "iw-own-edge",
    "iw-movement",
    "iw-alignment",
    "iw-digits",
    "iw-kernel-limit",
    "leaky-scale",
    "leaky-schatten",
    "residual-bound",
    "leaky-weights",
    "leaky-linear",
    "leaky-bottleneck",
    "leaky-laws",
    "leaky-potential",
    "leaky-energy",
    "leaky-rank",
    "leaky-spacing",
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_ledger_of_the_book(check):
    assert list(check(ROOT)) == []


def test_every_open_draft_has_reasons():
    for claim in claims.load().values():
        assert all(len(rule.why) > 20 for rule in claim.checks.values())


def test_no_claim_is_lost():
    assert sorted(ledger_of(ROOT)) == sorted(EXPECTED)


# From here on: a small sound book, and each check shown to fail on a broken one.


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_book_passes(book, check):
    assert list(check(book.root)) == []


FAULTS = [
    (check_schema, lambda b: b.change(status="proven", page=False), "'proven' is not one of"),
    (check_schema, lambda b: b.change(colour="red", page=False), "'colour' was unexpected"),
    (check_schema, lambda b: b.records[0].pop("tier") and b.write(page=False), "'tier' is a required"),
    (check_schema, lambda b: b.change(chapter=None, page=False), "None is not of type 'string'"),
    (check_schema, lambda b: b.change(checks=None), "None is not of type 'object'"),
    (check_schema, lambda b: b.change(tests=[]), "should be non-empty"),
    (check_schema, lambda b: b.change(status="partly"), "None is not of type 'string'"),
    (check_schema, lambda b: b.change(1, measured={"x": "1.0"}), "is not of type 'null'"),
    (check_schema, lambda b: b.change(proved=None), "'proved here' is not one of"),
    (check_schema, lambda b: b.change(checks={"identity": CHECK | {"why": "so"}}), "'so' is too short"),
    (check_schema, lambda b: b.change(checks={"x": CHECK | {"at_least": 0}}, page=False), "valid under each"),
    (check_layout, lambda b: b.replace("    measured: null\n", "    measured: ~\n"), "linear-cost must have"),
    (check_layout, lambda b: b.replace("measured: {", "measured:\n      {"), "balance must have one"),
    (check_layout, lambda b: b.replace("  - id: balance", '  - id: "balance"'), "start with a line"),
    (check_ids, lambda b: b.change(1, id="balance", page=False), "balance has more than one record"),
    (
        check_chapters,
        lambda b: b.change(chapter="notebooks/costs.md#claim-x"),
        "must end in #claim-balance",
    ),
    (
        check_chapters,
        lambda b: b.change(chapter="notebooks/x.md#claim-balance"),
        "x.md must have exactly",
    ),
    (
        check_chapters,
        lambda b: b.replace("(claim-balance)=", "", b.md),
        "exactly one anchor (claim-balance)=",
    ),
    (check_chapters, lambda b: b.replace("(proof-balance)=", "", b.md), "is said to be proved at"),
    (check_chapters, lambda b: b.change(checks=None), "balance has no checks"),
    (check_anchors, lambda b: b.replace("claim-balance", "claim-balanced", b.md), "which no record"),
    (
        check_anchors,
        lambda b: b.change(chapter="notebooks/x.md#claim-balance"),
        "points to notebooks/x",
    ),
    (check_tests, lambda b: b.change(tests=["tests/library/test_x.py::test_y"]), "there is no tests/library/test_x.py"),
    (check_tests, lambda b: b.replace("test_identity", "test_other", b.test), "has no such test"),
    (check_tests, lambda b: b.change(tests=["tests/library/theory/test_costs.py::TestBalance"]), "has no such test"),
    (check_tests, lambda b: b.change(tests=[]), "balance has no test"),
    (check_verdicts, lambda b: b.verdicts("no verdict"), "is stored 0 times"),
    (check_verdicts, lambda b: b.verdicts(VERDICT, VERDICT), "is stored 2 times"),
    (check_verdicts, lambda b: b.verdicts(VERDICT, name="x"), "is stored 2 times: costs, x"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("3.1e-13", "3.1e-3")), "its numbers earn 'not repr"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("3.1e-13", "nan")), "its numbers earn 'not repr"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("holds  b", "partly  b")), "its numbers earn 'holds"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("1e-10", "1e-9")), "its numbers earn 'holds"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("3.1e-13", "2.1e-13")), "not what costs stores"),
    (check_verdicts, lambda b: b.verdicts(VERDICT, VERDICT.replace("balance", "blance")), "is not in the ledger"),
    (check_verdicts, lambda b: b.verdicts(VERDICT.replace("3.1e-13", "x")), "needs one number"),
    (
        check_verdicts,
        lambda b: b.change(status="not reproduced"),
        "is 'not reproduced' in the ledger and 'holds'",
    ),
    (check_verdicts, lambda b: b.change(checks={"identity": CHECK}), "its numbers earn 'holds"),
    (
        check_page,
        lambda b: b.change(statement="Another statement, as long as it should be.", page=False),
        "is out of date",
    ),
    (check_page, lambda b: (b.root / "book" / "claims.md").unlink(), "is out of date"),
]


@pytest.mark.parametrize(("check", "spoil", "reason"), FAULTS, ids=[f"{c.__name__}-{r}" for c, _, r in FAULTS])
def test_a_fault_is_found(book, check, spoil, reason):
    spoil(book)
    assert any(reason in problem for problem in check(book.root)), list(check(book.root))


def test_every_check_has_a_fault():
    assert {check for check, _, _ in FAULTS} == set(CHECKS)


def test_a_verdict_in_another_chapter_is_found(book):
    (book.root / "notebooks" / "costs.ipynb").rename(book.root / "notebooks" / "x.ipynb")
    assert "the verdict of balance is stored in x, not in its chapter" in list(check_verdicts(book.root))
