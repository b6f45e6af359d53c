"""Faults in infinitely wide networks."""

from __future__ import annotations

from scripts.faults.checks import INDEPENDENT, INFINITE, LINEAR, PROBLEMS, WIDE_KERNELS, Row

# What follows the two places at which descent is given up, and the same whatever the first loss was.
BLOWN = "if not value <= min(BLOW_UP * max(first, 1e-300), sys.float_info.max):\n"
BLOWN += "                raise Divergence(step, rate)\n            yield "
ABSOLUTE = BLOWN.replace("BLOW_UP * max(first, 1e-300)", "BLOW_UP")

WIDE_FAULTS: list[Row] = [
    (
        "closed-form-rate", "wide/deep_linear", "twice the rate of the closed form",
        "np.exp(-lam * R_b * t)", "np.exp(-2 * lam * R_b * t)",
        LINEAR, "test_closed_form",
    ),
    (
        "rates-off-by-one", "wide/deep_linear", "one layer too few in the rate of g",
        'return (depth_f + 1) / _checks.integer("d", d, 1), (depth_g + 1)',
        'return (depth_f + 1) / _checks.integer("d", d, 1), (depth_g + 2)',
        INDEPENDENT, "iw-linear-conserved",
    ),
    (
        "speed-up-layers", "wide/deep_linear", "one layer too few in gamma",
        "1 + 4 * over * under / (over + under)", "1 + 4 * (over - 1) * under / (over + under)",
        LINEAR, "speed_up_is",
    ),
    (
        "wide-bias-dropped", "wide/infinite/layers", "no bias in the values of a wide layer",
        "pre += self.net.sigma_b * self.b", "pre += 0.0 * self.b",
        INFINITE, "wide_layer_is",
    ),
    (
        "wide-bias-step", "wide/infinite/layers", "sign of the step of a wide layer's bias",
        "b = self.b - step * self.net.sigma_b", "b = self.b + step * self.net.sigma_b",
        INFINITE, "wide_layer_is",
    ),
    (
        "frozen-last-points", "wide/infinite/descent", "the last points trained on instead of the first",
        "return _descend_frozen(kernel[:, :N]", "return _descend_frozen(kernel[:, -N:]",
        INFINITE, "frozen_kernel_carries",
    ),
    (
        "wide-erf-factor", "wide/kernels", "2 instead of 4 under the root of erf",
        "Q = P - 4 * c**2", "Q = P - 2 * c**2",
        WIDE_KERNELS, "expectations",
    ),
    (
        "wide-relu-sign", "wide/kernels", "a sign in the arc-cosine kernel",
        "Dual(root / np.pi + Kd * c,", "Dual(root / np.pi - Kd * c,",
        WIDE_KERNELS, "expectations",
    ),
    (
        "wide-kink-dropped", "wide/kernels", "no delta function at the kink of ReLU",
        "-c / (2 * a) * Kdd)", "0 * c / (2 * a) * Kdd)",
        WIDE_KERNELS, "derivatives_of_expectations",
    ),
    (
        "wide-kernel-does-not-move", "wide/infinite/layers", "no movement of the points in the moving kernel",
        "np.asarray(theta_g, float) * (slopes @ slopes.T)", "0 * np.asarray(theta_g, float) * (slopes @ slopes.T)",
        INFINITE, "moving_kernel",
    ),
    # Scales of tolerances and distances.
    ("jitter-absolute", "wide/infinite/descent", "the same jitter for kernels of any size",
     "JITTER * np.trace(kernel) / len(kernel) * np.eye(len(kernel))", "JITTER * np.eye(len(kernel))",
     INFINITE, "any_size"),
    ("divergence-absolute", "wide/infinite/descent", "divergence not relative to the first loss",
     BLOWN + "State(", ABSOLUTE + "State(", INFINITE, "relative_to_the_first"),
    ("divergence-frozen-absolute", "wide/infinite/descent", "the same for frozen kernels",
     BLOWN + "step, value", ABSOLUTE + "step, value", INFINITE, "relative_to_the_first"),
    ("divergence-of-last", "wide/infinite/descent", "divergence relative to the loss before",
     "loss(F, Y)\n            first = value if step == 0 else first", "loss(F, Y)\n            first = value",
     INFINITE, "relative_to_the_first"),
    ("merge-dimension", "wide/infinite/history", "distance of samples not divided by the root of d",
     "new = far > self.merge * np.sqrt(Z.shape[1]) if", "new = far > self.merge if", INFINITE, "samples_merge"),
    ("merge-shift-rate", "wide/infinite/history", "no learning rate in the booked shift",
     "shift = self.shift + rate * float(", "shift = self.shift + float(", INFINITE, "samples_merge"),
    ("parallel-absolute", "wide/kernels", "small Gaussians taken for parallel",
     "regular = area > FLAT * a * b", "regular = area > FLAT", WIDE_KERNELS, "any_size"),
    ("definite-absolute", "wide/kernels", "small kernels taken for singular",
     "if values[0] <= 1e-12 * values[-1]:", "if values[0] <= 1e-12:", WIDE_KERNELS, "any_size"),
    ("balanced-start-absolute", "wide/deep_linear", "small starts taken for balanced",
     "    if kappa <= BALANCED * R:\n        decay", "    if kappa <= BALANCED:\n        decay",
     LINEAR, "balance_is_relative"),
    ("balanced-time-absolute", "wide/deep_linear", "the same in the time",
     "    if kappa <= BALANCED * R:\n        if p", "    if kappa <= BALANCED:\n        if p",
     LINEAR, "balance_is_relative"),
    ("balanced-wide", "wide/deep_linear", "starts taken for balanced within a thousandth",
     "BALANCED = 1e-9", "BALANCED = 1e-3", LINEAR, "out_of_balance"),
    # Thresholds met exactly.
    ("merge-end", "wide/infinite/history", "a sample at the very distance not merged",
     "new = far > self.merge * np.sqrt(Z.shape[1]) if", "new = far >= self.merge * np.sqrt(Z.shape[1]) if",
     INFINITE, "samples_merge"),
    ("bottleneck-width-end", "wide/infinite/descent", "as many dimensions as points refused",
     "if d > len(kernel) and not beyond:", "if d >= len(kernel) and not beyond:", INFINITE, "as_wide_as"),
    ("definite-end", "wide/kernels", "a kernel of zeros not singular",
     "if values[0] <= 1e-12 * values[-1]:", "if values[0] < 1e-12 * values[-1]:", WIDE_KERNELS, "one_sentence"),
    ("origin-refused", "wide/kernels", "the origin refused where there is a bias",
     'net.activation == "relu" and net.sigma_b == 0 and not', 'net.activation == "relu" and not',
     WIDE_KERNELS, "see_the_origin"),
    ("time-of-start", "wide/deep_linear", "no time for the start itself",
     "if not min(p, b) <= end <= max(p, b) or end == b:", "if not min(p, b) < end < max(p, b):", LINEAR, "time_runs"),
    ("time-of-target", "wide/deep_linear", "a time for the target itself",
     "<= max(p, b) or end == b:", "<= max(p, b):", LINEAR, "time_runs"),
    ("finite-readout", "wide/finite", "the readout's step with the bottleneck's sign",
     "net.v - rate * top.T @ chi", "net.v + rate * top.T @ chi", PROBLEMS, "follows_the_gradient"),
    ("finite-slope", "wide/finite", "no factor sqrt 2 in the derivative of the ReLU",
     "np.sqrt(2) * (u > 0)", "1.0 * (u > 0)", PROBLEMS, "follows_the_gradient"),
    ("problem-edge", "wide/problems", "the edge of all points for that of those trained on",
     "infinite.edge(limit[:train, :train])", "infinite.edge(limit)", PROBLEMS, "edge_is"),
    ("steps-at-level", "wide/problems", "a loss at the very level counted as below",
     "np.asarray(losses) < level", "np.asarray(losses) <= level", PROBLEMS, "losses_end"),
]  # fmt: skip
