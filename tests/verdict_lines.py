"""Judge stored verdict lines anew: a line is sound when the numbers in its brackets earn it."""

from bnlib.book.claims import ClaimError
from scripts.chapters.notebook import VERDICT


def parse_verdict(line, ledger):
    """Evaluate a stored verdict line again, from the numbers in its brackets and the ledger alone.

    Args:
        line: A line as printed by ``check``.
        ledger: The claims by id.

    Returns:
        The outcome and the line that these numbers earn; the line differs from ``line`` where that was edited.

    Raises:
        ClaimError: The text is not a verdict line, its claim is not in the ledger, or its numbers are no numbers.

    Example:
        >>> parse_verdict("all is well", {})
        Traceback (most recent call last):
        bnlib.book.claims.ClaimError: This is not a verdict line: 'all is well'.
    """
    if not (found := VERDICT.match(line)):
        raise ClaimError(f"This is not a verdict line: {line!r}.")
    if found["id"] not in ledger:
        raise ClaimError(f"This line is of a claim that is not in the ledger: {line!r}.")
    claim = ledger[found["id"]]
    parts = found["measured"].split(", ", len(claim.checks))
    if len(parts) < len(claim.checks):
        raise ClaimError(f"The verdict line of {claim.id!r} has fewer numbers than the claim has checks: {line!r}.")
    return claim.verdict(dict(zip(claim.checks, parts, strict=False)), "".join(parts[len(claim.checks) :]))
