"""Faults in claims and the scale of a chapter."""

from __future__ import annotations

from scripts.faults.checks import CLAIMS, PLOTTING, SCALE, VERDICTS, Row

BOOK_FAULTS: list[Row] = [
    (
        "scale-choice-ignored", "book/scale", "the form's choice of the scale ignored",
        'os.environ.get("BNLIB_SCALE", choice)', 'os.environ.get("BNLIB_SCALE", "quick")',
        "tests/repository/test_paper_scale.py", "environment_chooses",
    ),
    (
        "claim-upper-bound", "book/claims", "no upper bound of a measurement",
        "self.low <= value <= self.high", "self.low <= value",
        VERDICTS, "only_the_outcome",
    ),
    (
        "claim-infinity", "book/claims", "infinity accepted",
        "return math.isfinite(value) and self.low", "return self.low",
        VERDICTS, "only_the_outcome",
    ),
    (
        "claim-any", "book/verdict", "one passed check enough to hold",
        '"holds" if all(passed)', '"holds" if any(passed)',
        VERDICTS, "only_the_outcome",
    ),
    (
        "claim-silent", "book/verdict", "a changed outcome passed over",
        "if verdict.outcome != claims.EXPECTED.get(status := ledger[claim_id].status):",
        "if (status := ledger[claim_id].status) not in claims.EXPECTED:",
        VERDICTS, "only_the_outcome",
    ),
    # Thresholds met exactly.
    ("claim-single-number", "book/claims", "an interval of one number refused",
     "high]} if low <= high:", "high]} if low < high:", CLAIMS, "single_number"),
    ("claim-counts", "book/verdict", "counts above 1000 rounded",
     "abs(value) < 1e9:", "abs(value) < 1e3:", VERDICTS, "in_full"),
    ("verdict-order", "book/verdict", "what holds shown first in the table",
     "key=lambda row: row.passed", "key=lambda row: not row.passed", VERDICTS, "fails_first"),
    ("verdict-markup", "book/verdict", "words of the ledger shown as markup",
     "label, bound, why = map(html.escape, (", "label, bound, why = map(str, (", VERDICTS, "no_markup"),
    ("verdict-digits", "book/verdict", "a measurement rounded across its bound",
     "rule.accepts(float(t))) == same", "rule.accepts(value)) == same", VERDICTS, "earned_by"),
    ("parameters-other-scale", "book/scale", "the other scale's parameters",
     "index = SCALES.index(scale(choice))", "index = 1 - SCALES.index(scale(choice))", SCALE, "follow_the_scale"),
    ("stream-of-run", "book/streams", "the same numbers in every run",
     "[zlib.crc32(claim.encode()), run]", "[zlib.crc32(claim.encode()), 0]", SCALE, "streams"),
    ("bands-of-all", "book/plotting", "positions without a number are drawn",
     "there = ~np.all(np.isnan(values), axis=0)", "there = np.ones(values.shape[1], bool)", PLOTTING, "test_bands"),
]  # fmt: skip
