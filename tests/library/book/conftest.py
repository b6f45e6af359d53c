"""A ledger of a few records, for the tests of its reader and of verdicts."""

from small_claims import ledger  # noqa: F401
