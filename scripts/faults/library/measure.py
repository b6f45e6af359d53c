"""Faults in readers of weights and the report on a network."""

from __future__ import annotations

from scripts.faults.checks import NETWORKS, READERS, STATISTICS, THRESHOLDS, Row

MEASURE_FAULTS: list[Row] = [
    (
        "network-state-transposed", "measure/torch_state", "weights transposed in the exported state",
        'f"{2 * i}.{name}": np.asarray(a)', 'f"{2 * i}.{name}": np.asarray(a).T',
        NETWORKS, "round_trip",
    ),
    (
        "network-state-order", "measure/torch_state", "layers read in the order of letters",
        "order = sorted(weights, key=lambda stem: [int(n) for n in re.findall(r\"\\d+\", stem)])",
        "order = sorted(weights)",
        NETWORKS, "order_of_its_numbers",
    ),
    # Scales of tolerances and distances.
    ("report-dimension-absolute", "measure/report", "dimension of a representation not relative to its size",
     "beyond <= 0.1 * beyond[0]", "beyond <= 0.1", THRESHOLDS, "ranks_by_layer"),
    ("report-rounding-layer", "measure/report", "rounding of one layer in the features of all",
     "eps * layer * max(len(X), net.width))", "eps * max(len(X), net.width))", THRESHOLDS, "adds_up_over"),
    ("report-rounding-inputs", "measure/report", "rounding of many inputs by the width alone",
     "eps * layer * max(len(X), net.width))", "eps * layer * net.width)", THRESHOLDS, "adds_up_over"),
    # Thresholds met exactly.
    ("report-dimension-end", "measure/report", "a tenth beyond the dimension too much",
     "beyond <= 0.1 * beyond[0]", "beyond < 0.1 * beyond[0]", THRESHOLDS, "ranks_by_layer"),
    ("report-half", "measure/report", "a singular value of one half counted in a report",
     "int(np.sum(s > 0.5))", "int(np.sum(s >= 0.5))", THRESHOLDS, "ranks_by_layer"),
    ("report-decided-end", "measure/report", "a ratio of 1000 decided",
     "bool(ratio > 1e3)", "bool(ratio >= 1e3)", THRESHOLDS, "ranks_by_layer"),
    # The first for the last, and what is merged, skipped or left out.
    ("equal-shapes-last", "measure/readers", "layers of equal shape in the opposite order",
     "order.append(next_ones[0])", "order.append(next_ones[-1])", READERS, "layers_of_equal_shape"),
    # Defaults and limits of arguments.
    ("load-input-width", "measure/readers", "the width of the inputs not passed on",
     "return from_arrays(load_arrays(path), d_in=d_in, negative_slope",
     "return from_arrays(load_arrays(path), negative_slope",
     READERS, "input_width_decides"),
    ("interval-one-sided", "measure/statistics", "the interval's whole error at its lower end",
     "[(1 - level) / 2, (1 + level) / 2]",
     "[1 - level, 1.0]",
     STATISTICS, "as_often"),
    ("interval-nan", "measure/statistics", "seeds without a number kept in the sample",
     "values = values[~np.isnan(values)]",
     "values = np.nan_to_num(values)",
     STATISTICS, "left_out"),
    ("exponent-of-sizes", "measure/statistics", "slope against the size instead of its logarithm",
     "return slope(np.log(sizes), logs)",
     "return slope(sizes, logs)",
     STATISTICS, "power_laws"),
    ("slope-of-two-points", "measure/statistics", "a slope through a single point",
     "if len(np.unique(x[there])) < 2:",
     "if len(np.unique(x[there])) < 3:",
     STATISTICS, "missing"),
]  # fmt: skip
