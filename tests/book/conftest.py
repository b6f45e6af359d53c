"""What several tests of the book share."""

from site_visits import address, browser  # noqa: F401
from small_ledger import book  # noqa: F401
