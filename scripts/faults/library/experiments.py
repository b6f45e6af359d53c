"""Faults in the papers' experiments."""

from __future__ import annotations

from scripts.faults.checks import THRESHOLDS, Row

EXPERIMENTS_FAULTS: list[Row] = [
    (
        "record-kernels-layer", "experiments/catalogue", "kernels of a record one layer too late",
        "post[setting.depth * quarters // 4 - 1]", "post[setting.depth * quarters // 4]",
        "tests/repository/test_paper_scale.py", "loops_over",
    ),
    (
        "record-norms-bias", "experiments/catalogue", "norms of layers without their biases",
        '"layer_norms": [float((W**2).sum() + (b**2).sum())', '"layer_norms": [float((W**2).sum() + 0 * (b**2).sum())',
        "tests/repository/test_paper_scale.py", "loops_over",
    ),
    # Scales of tolerances and distances.
    ("full-rank-absolute", "experiments/catalogue", "rank of a small Jacobian not relative to it",
     "float(np.mean(s[:, -1] > 1e-6 * s[:, 0]))", "float(np.mean(s[:, -1] > 1e-6))", THRESHOLDS, "whatever_its_size"),
    # Thresholds met exactly.
    ("schedule-width-end", "experiments/catalogue", "stages of narrow networks at a width of 200",
     "MEDIUM if setting.width >= 200", "MEDIUM if setting.width > 200", THRESHOLDS, "wide_networks"),
    # The first for the last, and what is merged, skipped or left out.
    ("curve-of-copies", "experiments/catalogue", "a curve through copies of its points",
     "rank_one_interpolant(X[: setting.n], Y[: setting.n],", "rank_one_interpolant(X, Y,", THRESHOLDS, "curves_run"),
    ("theorem-at-all-points", "experiments/catalogue", "the theorem at points of a lower rank",
     "data.X[:PROBES][s[:, -1] > 1e-6 * s[:, 0]]", "data.X[:PROBES]", THRESHOLDS, "whatever_its_size"),
]  # fmt: skip
