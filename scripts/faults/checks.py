"""The files of tests that see planted faults, and how a row of the library names one."""

from __future__ import annotations

# (id, module, summary, old, new, file of tests, -k)
Row = tuple[str, str, str, str, str, str, str]

NETWORKS = "tests/library/test_networks.py"
COSTS = "tests/library/theory/test_costs.py"
CERTIFICATES = "tests/library/theory/test_certificates.py"
KERNEL = "tests/library/theory/test_ntk.py"
SPECTRA = "tests/library/theory/test_spectra.py"
BALANCED = "tests/library/build/test_balancing.py"
BUILT = "tests/library/build/test_constructions.py"
REGULARITY = "tests/chapters/test_regularity.py"
RANK = "tests/chapters/test_rank.py"
INSERTION = "tests/library/training/test_insertion.py"
OUTCOME = "tests/library/training/test_outcome.py"
STATIONARY = "tests/library/training/test_stationarity.py"
INFINITE = "tests/library/wide/test_infinite.py"
WIDE_KERNELS = "tests/library/wide/test_kernels.py"
LINEAR = "tests/library/wide/test_deep_linear.py"
CLAIMS = "tests/library/book/test_claims.py"
INDEPENDENT = "tests/library/test_independent.py"
WINDOW = "tests/chapters/test_window.py"
THRESHOLDS = "tests/library/test_thresholds.py"
LBFGS = "tests/library/training/test_lbfgs.py"
SYMMETRY = "tests/chapters/test_symmetry.py"
TASKS = "tests/library/test_tasks.py"
READERS = "tests/library/measure/test_readers.py"
SWEEPS = "tests/library/training/test_sweeps.py"
DECOMPOSED = "tests/library/test_svd.py"
