"""The faults that scripts/faults/plant.py plants, and the tests that should see them."""

from __future__ import annotations

from scripts.faults.checks import Row
from scripts.faults.fault import Fault, swap
from scripts.faults.files import REPOSITORY
from scripts.faults.ledger import LEDGER, LEDGERS, WHOLE, on_record
from scripts.faults.library.book import BOOK_FAULTS
from scripts.faults.library.build import BUILD_FAULTS
from scripts.faults.library.experiments import EXPERIMENTS_FAULTS
from scripts.faults.library.foundations import FOUNDATIONS_FAULTS
from scripts.faults.library.leaky import LEAKY_FAULTS
from scripts.faults.library.measure import MEASURE_FAULTS
from scripts.faults.library.theory import THEORY_FAULTS
from scripts.faults.library.training import TRAINING_FAULTS
from scripts.faults.library.wide import WIDE_FAULTS
from scripts.faults.notebooks import NOTEBOOKS, STORED
from scripts.faults.pairs import PAIRS

LIBRARY: list[Row] = [
    *FOUNDATIONS_FAULTS,
    *THEORY_FAULTS,
    *LEAKY_FAULTS,
    *BUILD_FAULTS,
    *TRAINING_FAULTS,
    *WIDE_FAULTS,
    *MEASURE_FAULTS,
    *EXPERIMENTS_FAULTS,
    *BOOK_FAULTS,
]


def library(name: str, module: str, summary: str, old: str, new: str, tests: str, select: str) -> Fault:
    """Return a fault of one module of the library."""
    return Fault(name, "the library", summary, ((f"bnlib/{module}.py", swap(old, new)),), (tests, "-k", select))


FAULTS: list[Fault] = [
    *(library(*row) for row in LIBRARY),
    *(Fault(f"notebook-{i}", "stored notebooks", s, ((file, e),), STORED) for i, s, e, file in NOTEBOOKS),
    *(Fault(f"ledger-{i}", "the ledger", s, ((LEDGER, on_record(c, p, n)),), WHOLE) for i, s, c, p, n in LEDGERS),
    *(Fault(f"file-{i}", "other files", s, ((file, e),), checks) for i, file, s, e, checks in REPOSITORY),
    *PAIRS,
]
