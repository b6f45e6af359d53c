"""Faults in the papers' experiments."""

from __future__ import annotations

from scripts.faults.checks import PLANS, RECORDS, TABLES, Row

EXPERIMENTS_FAULTS: list[Row] = [
    (
        "record-kernels-layer", "experiments/affine_law", "kernels of a record one layer too late",
        "post[setting.depth * quarters // 4 - 1]", "post[setting.depth * quarters // 4]",
        RECORDS, "loops_over",
    ),
    (
        "record-norms-bias", "experiments/measurements", "norms of layers without their biases",
        '"layer_norms": [float((W**2).sum() + (b**2).sum())', '"layer_norms": [float((W**2).sum() + 0 * (b**2).sum())',
        RECORDS, "loops_over",
    ),
    # Scales of tolerances and distances.
    ("full-rank-absolute", "experiments/measurements", "rank of a small Jacobian not relative to it",
     "float(np.mean(s[:, -1] > 1e-6 * s[:, 0]))", "float(np.mean(s[:, -1] > 1e-6))", RECORDS, "whatever_its_size"),
    # Thresholds met exactly.
    ("schedule-width-end", "experiments/schedules", "stages of narrow networks at a width of 200",
     "MEDIUM if setting.width >= 200", "MEDIUM if setting.width > 200", PLANS, "wide_networks"),
    # The first for the last, and what is merged, skipped or left out.
    ("curve-of-copies", "experiments/phase_diagrams", "a curve through copies of its points",
     "_along_a_curve(data.X, data.Y,", "_along_a_curve(X, Y,", PLANS, "curves_run"),
    ("theorem-at-all-points", "experiments/measurements", "the theorem at points of a lower rank",
     "data.X[:PROBES][s[:, -1] > 1e-6 * s[:, 0]]", "data.X[:PROBES]", RECORDS, "whatever_its_size"),
    ("table-first-record", "experiments/tables", "a second record in silence in the place of the first",
     "if place in filled:", "if False:", TABLES, "two_records"),
    ("table-holes", "experiments/tables", "zero where there is no record",
     "for places in axes.values()], np.nan)", "for places in axes.values()], 0.0)", TABLES, "order_and_holes"),
    ("kernels-upper-only", "experiments/tables", "the lower triangle stays empty",
     "found[:, rows, columns] = found[:, columns, rows] = stored", "found[:, rows, columns] = stored",
     TABLES, "test_kernels"),
]  # fmt: skip
