"""Faults in leaky networks: their record, bounds, certificate, potential and laws."""

from __future__ import annotations

from scripts.faults.checks import HAMILTONIAN, LEAKY, LEAKY_BOUNDS, LEAKY_CERTIFICATES, POTENTIAL, Row

LEAKY_FAULTS: list[Row] = [
    (
        "leaky-action-without-leaks", "leaky", "hidden layers count whole in the action",
        "return ends + (net.leak * (",
        "return ends + (jnp.ones_like(net.leak) * (",
        LEAKY, "explicit_loops",
    ),
    (
        "leaky-states-keep-all", "leaky", "a state that forgets nothing",
        "h = (1 - leak) * h + leak * affine",
        "h = h + leak * affine",
        LEAKY, "explicit_loops",
    ),
    (
        "leaky-residual-biases", "leaky", "biases of the residual form without their leaks",
        "(net.leak / P)[:, None] * b)",
        "(1 / P)[:, None] * b)",
        LEAKY, "same_function",
    ),
    (
        "leaky-leak-of-zero", "leaky", "a leak of zero accepted",
        "(np.asarray(leak) > 0) &",
        "(np.asarray(leak) >= 0) &",
        LEAKY, "bad_arrays",
    ),
    (
        "leaky-smoothing-width", "leaky", "a parabola that jumps at its end",
        "4 * smoothing, 1.0)",
        "2 * smoothing, 1.0)",
        LEAKY, "smoothed_kink",
    ),
    (
        "leaky-bound-leak", "theory/leaky_bounds", "no leak under the depth in the leaky bound",
        "np.asarray(layers / leak * jnp.sum",
        "np.asarray(layers * jnp.sum",
        LEAKY_BOUNDS, "affine_one or attained",
    ),
    (
        "leaky-bound-negative-part", "theory/leaky_bounds", "small singular values cost in the leaky bound",
        "jnp.sum(jnp.maximum(roots - 1.0 + leak, 0.0) ** 2, axis=-1))",
        "jnp.sum((roots - 1.0 + leak) ** 2, axis=-1))",
        LEAKY_BOUNDS, "no_stack",
    ),
    (
        "residual-bound-factor", "theory/leaky_bounds", "factor 4 in the bound of residual blocks",
        "np.sum(2.0 * excess if",
        "np.sum(4.0 * excess if",
        LEAKY_BOUNDS, "residual_bound_holds",
    ),
    (
        "linear-minimum-first-zero", "theory/leaky_bounds", "the first zero of the derivative instead of the best",
        "return min(sorted({*knots, *_zeros(f, knots)}), key=objective)",
        "return min(_zeros(f, knots), default=high)",
        LEAKY_BOUNDS, "best_of_a_grid or dropped",
    ),
    (
        "leaky-certificate-motion", "theory/leaky_certificates", "motion of the frames weighed by the leak",
        "(1.0 - leak[i]) * np.sum((V - kept)",
        "leak[i] * np.sum((V - kept)",
        LEAKY_CERTIFICATES, "five_parts",
    ),
    (
        "leaky-certificate-off-active", "theory/leaky_certificates", "what lies off active neurons left out",
        "leak[i] * np.sum((before - U) ** 2",
        "0.0 * np.sum((before - U) ** 2",
        LEAKY_CERTIFICATES, "five_parts",
    ),
    (
        "leaky-certificate-depth", "theory/leaky_certificates", "first and last layer left out of the depth",
        "bound = np.full(len(X), action(net)), k * np.sum(leak)",
        "bound = np.full(len(X), action(net)), k * np.sum(leak[1:-1])",
        LEAKY_CERTIFICATES, "five_parts",
    ),
    (
        "leaky-certificate-rank", "theory/leaky_certificates", "a frame of a rank that is not there",
        "if (least := int(np.min(ranks))) < k:",
        "if (least := int(np.max(ranks))) < k:",
        LEAKY_CERTIFICATES, "not_there",
    ),
    (
        "potential-bound-ones", "theory/potential", "the row of ones left out of the bound of the potential",
        "+ bias * A.shape[1]",
        "+ 0 * A.shape[1]",
        POTENTIAL, "above_its_bound",
    ),
    (
        "potential-outside", "theory/potential", "a miss outside of the row space left out",
        "axis=(-2, -1)) + outside / gamma",
        "axis=(-2, -1)) + 0.0 * outside / gamma",
        POTENTIAL, "above_its_bound",
    ),
    (
        "hamiltonian-weights", "theory/hamiltonian", "weights count whole in the Hamiltonian",
        "axis=(1, 2)) - 0.5 * (",
        "axis=(1, 2)) - 1.0 * (",
        HAMILTONIAN, "what_a_leak_is_worth",
    ),
    (
        "neuron-law-biases", "theory/hamiltonian", "no biases in the law of neurons",
        "np.sum(G * W, axis=2) + c * b -",
        "np.sum(G * W, axis=2) -",
        HAMILTONIAN, "balance_of_every_neuron",
    ),
    (
        "linear-law-order", "theory/hamiltonian", "factors of the linear law in the wrong order",
        "(M / kappa)[:-1] @ T[:-1]",
        "T[:-1] @ (M / kappa)[:-1]",
        HAMILTONIAN, "keep_their_law",
    ),
    (
        "forces-leak", "theory/hamiltonian", "forces that do not pass through what is kept",
        "before = (1.0 - leak) * g + leak",
        "before = g + leak",
        HAMILTONIAN, "derivative_in_the_leaks",
    ),
]  # fmt: skip
