"""Faults in constructions and interpolants."""

from __future__ import annotations

from scripts.faults.checks import BALANCED, BUILT, COSTS, INDEPENDENT, INSERTION, RANK, REGULARITY, WINDOW, Row

BUILD_FAULTS: list[Row] = [
    (
        "linear-network-root", "build/constructions", "exponent 2/L in the factors",
        "root = s ** (1.0 / depth)", "root = s ** (2.0 / depth)",
        COSTS, "test_linear_cost",
    ),
    (
        "compose-sign", "build/constructions", "the shift added twice",
        "(Wf, bf - Wf @ s)", "(Wf, bf + Wf @ s)",
        BUILT, "test_compose",
    ),
    (
        "compose-slope-lost", "build/constructions", "a ReLU in the composition of networks with another activation",
        "(Wf, bf - Wf @ s), *behind]\n    return from_layers(layers, negative_slope=slope)",
        "(Wf, bf - Wf @ s), *behind]\n    return from_layers(layers)",
        BUILT, "keeps_the_slope",
    ),
    (
        "compose-shift-dropped", "build/constructions", "no shift in front of the ReLU",
        "(Wg, bg + s)", "(Wg, bg)",
        BUILT, "test_compose",
    ),
    (
        "add-bias-dropped", "build/constructions", "output bias of the second summand lost",
        "xp.concatenate([Wf, Wg], axis=1), bf + bg))", "xp.concatenate([Wf, Wg], axis=1), bf))",
        BUILT, "test_add",
    ),
    (
        "residual-sign", "build/balancing", "incoming plus outgoing norm",
        "return _incoming(net) - _outgoing(net)", "return _incoming(net) + _outgoing(net)",
        BALANCED, "balance_residual_is",
    ),
    (
        "residual-bias-dropped", "build/balancing", "incoming norm without bias",
        "(W**2).sum(axis=-1) + b**2 for W, b in (net.first, net.hidden)",
        "(W**2).sum(axis=-1) for W, b in (net.first, net.hidden)",
        BALANCED, "balance_residual_is",
    ),
    (
        "residual-transposed", "build/balancing", "rows instead of columns of outgoing weights",
        "(net.hidden[0] ** 2).sum(axis=-2)", "(net.hidden[0] ** 2).sum(axis=-1)",
        BALANCED, "balance_residual_is",
    ),
    (
        "rescale-bias-dropped", "build/balancing", "biases of hidden layers not rescaled",
        "/ t[:-1, None, :], net.hidden[1] * t[1:])", "/ t[:-1, None, :], net.hidden[1])",
        INDEPENDENT, "agree and balance",
    ),
    (
        "rescale-off-by-one", "build/balancing", "factors of the neighbouring layer",
        "(net.hidden[0] * t[1:, :, None] / t[:-1, None, :],", "(net.hidden[0] * t[1:, :, None] / t[1:, None, :],",
        INDEPENDENT, "agree and balance",
    ),
    (
        "deepen-rank-off-by-one", "build/constructions", "inserted layers of one rank too many",
        "inserted = Vt[after, :rank].T @ Vt[after, :rank]",
        "inserted = Vt[after, : rank + 1].T @ Vt[after, : rank + 1]",
        INSERTION, "inserted_layers",
    ),
    (
        "padded-sign", "build/constructions", "sign of the least shift",
        "s = np.maximum(0.0, -code.min(axis=0))", "s = np.maximum(0.0, code.min(axis=0))",
        RANK, "test_padded",
    ),
    (
        "padded-off-by-one", "build/constructions", "identity layers in front of the code",
        "layers[g.depth : g.depth] =", "layers[g.depth - 1 : g.depth - 1] =",
        RANK, "test_padded",
    ),
    (
        "interpolant-steepest", "build/interpolants", "the steepest of the drawn curves",
        "direction = min(drawn", "direction = max(drawn",
        "tests/chapters/test_window.py", "without_a_direction",
    ),
    # Scales of tolerances and distances.
    ("orthant-slack-absolute", "build/constructions", "slack of the positive orthant not relative to the domain",
     "slack = 1e-12 * float(np.max(np.abs(codes), initial=0.0))", "slack = 1e-12", COSTS, "counts_as_negative"),
    ("compose-slack-absolute", "build/constructions", "slack of a composition not relative to the code",
     "< -1e-12 * float(np.abs(codes).max()):", "< -1e-12:", REGULARITY, "counts_as_negative"),
    ("compose-no-slack", "build/constructions", "rounding of a composition's code refused",
     "< -1e-12 * float(np.abs(codes).max()):", "< 0:", REGULARITY, "counts_as_negative"),
    ("deepen-absolute", "build/constructions", "layers inserted where the rest is least absolutely",
     "after = int(np.argmin(beyond / np.where(s[:, 0] > 0, s[:, 0], 1.0)))", "after = int(np.argmin(beyond))",
     BUILT, "flat_relative"),
    ("balance-absolute", "build/balancing", "tolerance of balancing not relative to the largest neuron",
     "<= tolerance * np.max(_incoming(even)):", "<= tolerance:", BALANCED, "relative_to_the_largest"),
    ("factors-floor-one-side", "build/balancing", "the larger of a neuron's norms against the floor",
     "xp.minimum(A, B) > floor", "xp.maximum(A, B) > floor", BALANCED, "at_the_floor"),
    ("padded-shift-common", "build/constructions", "one shift for all coordinates of a code",
     "s = np.maximum(0.0, -code.min(axis=0)) if", "s = np.full(code.shape[1], max(0.0, -code.min())) if",
     RANK, "coordinate_by"),
    ("interpolant-not-normalised", "build/interpolants", "steepness in directions of unequal length",
     "min(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), key", "min(drawn, key", WINDOW, "least_steep"),
    # Thresholds met exactly.
    ("deepen-rank-end", "build/constructions", "inserted layers of full rank refused",
     "if X is None or rank > net.width:", "if X is None or rank >= net.width:", BUILT, "flat_relative"),
    ("balance-zeros", "build/balancing", "a network of zeros not balanced",
     "<= tolerance * np.max(_incoming(even)):",
     "< tolerance * np.max(_incoming(even)):", BALANCED, "zeros_is_balanced"),
    ("balance-last-step", "build/balancing", "balance not looked at after the last step",
     "for count in range(max_steps + 1):", "for count in range(max_steps):", BALANCED, "relative_to_the_largest"),
    ("factors-floor-end", "build/balancing", "neurons at the floor rescaled",
     "usable = (xp.minimum(A, B) > floor)", "usable = (xp.minimum(A, B) >= floor)", BALANCED, "at_the_floor"),
    ("factors-floor-ignored", "build/balancing", "the floor of a neuron's norm ignored",
     "usable = (xp.minimum(A, B) > floor)", "usable = (xp.minimum(A, B) > 0.0)", BALANCED, "at_the_floor"),
    ("padded-shift-down", "build/constructions", "codes above zero shifted down",
     "s = np.maximum(0.0, -code.min(axis=0)) if", "s = -code.min(axis=0) if", RANK, "coordinate_by"),
    ("steepness-nan", "build/interpolants", "no speed where codes and targets are equal",
     "np.divide(steps, gaps, out=np.full_like(steps, np.inf), where=gaps > 0)",
     "np.divide(steps, gaps, out=np.full_like(steps, np.inf), where=(gaps > 0) | (steps == 0))",
     WINDOW, "equal_codes"),
    # The first for the last, and what is merged, skipped or left out.
    ("compose-coordinate", "build/constructions", "another coordinate named",
     "int(np.argmin(codes.min(axis=0)))", "int(np.argmin(codes.min(axis=1)))", REGULARITY, "counts_as_negative"),
    ("padded-carry-bias", "build/constructions", "a code that only a bias feeds not carried",
     "carry = np.diag((np.any(W != 0, axis=1) | (b != 0)).astype(W.dtype))",
     "carry = np.diag(np.any(W != 0, axis=1).astype(W.dtype))",
     RANK, "coordinate_by"),
    ("deepen-living-bias", "build/constructions", "a neuron that only a bias feeds not carried on",
     "living = [np.any(W != 0, axis=1) | (b != 0) for W, b", "living = [np.any(W != 0, axis=1) for W, b",
     BUILT, "only_a_bias_feeds"),
    # Defaults and limits of arguments.
    ("interpolant-no-tail", "build/interpolants", "no identity layers behind the curve",
     "*[carry] * tail])", "])", WINDOW, "two_points"),
    ("interpolant-few-directions", "build/interpolants", "three directions instead of many",
     "DIRECTIONS = 200", "DIRECTIONS = 3", WINDOW, "least_steep"),
]  # fmt: skip
