"""What several tests of the book share."""

from small_ledger import book  # noqa: F401
