"""The faults that scripts/faults/plant.py plants, and the tests that should see them.

Chapters are named and their cells found by what they print, so that running a chapter again moves nothing.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from bnlib.book.claims import load
from scripts.chapters.freshness import outputs_hash
from scripts.chapters.run_notebooks import VERDICT, notebook_text
from scripts.faults.plant import ROOT, Edit, Fault, MutantError, swap
from scripts.faults.thresholds import THRESHOLD_FAULTS
from scripts.pages import claims_page

# Library: a text and what stands in its place.

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
RECORDS = "tests/library/experiments/test_records.py"

# (id, module, summary, old, new, file of tests, -k)
LIBRARY: list[tuple[str, str, str, str, str, str, str]] = [
    (
        "network-slope-sign", "networks", "sign of the negative slope",
        "return jnp.where(z > 0, z, net.negative_slope * z)", "return jnp.where(z > 0, z, -net.negative_slope * z)",
        NETWORKS, "explicit_loops",
    ),
    (
        "network-bias-dropped", "networks", "no bias in any layer",
        "return h @ layer[0].T + layer[1][None, :]", "return h @ layer[0].T",
        NETWORKS, "explicit_loops",
    ),
    (
        "network-last-activation", "networks", "an activation behind the last layer",
        "    return affine(net.last, h)\n", "    return sigma(net, affine(net.last, h))\n",
        NETWORKS, "explicit_loops",
    ),
    (
        "network-mask-inverted", "networks", "mask of positive neurons inverted",
        "return jnp.where(pre > 0, jnp.ones_like(pre), jnp.full_like(pre, net.negative_slope))",
        "return jnp.where(pre > 0, jnp.full_like(pre, net.negative_slope), jnp.ones_like(pre))",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "network-mask-at-zero", "networks", "slope one instead of s at a kink",
        "return jnp.where(pre > 0, jnp.ones_like(pre),", "return jnp.where(pre >= 0, jnp.ones_like(pre),",
        KERNEL, "ntk_identity",
    ),
    (
        "network-pre-and-post-swapped", "networks", "activations and pre-activations exchanged",
        "return post, (pre, post)", "return post, (post, pre)",
        NETWORKS, "explicit_loops",
    ),
    (
        "network-back-off-by-one", "networks", "masks of the neighbouring layer in the backward pass",
        "jax.tree.map(lambda a: a[:-1], extras)),", "jax.tree.map(lambda a: a[1:], extras)),",
        KERNEL, "loops",
    ),
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
    (
        "network-he-variance", "networks", "twice the variance in the start",
        "variance_scaling(1.0,", "variance_scaling(2.0,",
        NETWORKS, "test_init",
    ),
    (
        "norm-bias-dropped", "theory/costs", "no bias in the squared norm",
        "(W * W).sum() + (b * b).sum()", "(W * W).sum()",
        COSTS, "squared_norm_counts",
    ),
    (
        "cost-exponent", "theory/costs", "exponent 1/L in the cost of a matrix",
        "return depth * schatten(A, 2.0 / depth)", "return depth * schatten(A, 1.0 / depth)",
        COSTS, "test_linear_cost",
    ),
    (
        "bound-exponent", "theory/costs", "exponent 2/(L+1) in the lower bound",
        "terms = jnp.sum(_svd.powers(s, 2.0 / net.depth, (net.d_out",
        "terms = jnp.sum(_svd.powers(s, 2.0 / (net.depth + 1), (net.d_out",
        COSTS, "schatten_bound",
    ),
    (
        "bound-least-input", "theory/costs", "the least input's bound instead of the largest",
        "return net.depth * float(jnp.max(terms))", "return net.depth * float(jnp.min(terms))",
        COSTS, "schatten_bound",
    ),
    (
        "gap-sign", "theory/costs", "sign of the optimality gap",
        "return float(squared_norm(net)) - lower_bound(net, X)",
        "return lower_bound(net, X) - float(squared_norm(net))",
        COSTS, "gap_is_never_negative",
    ),
    (
        "expansion-log-not-squared", "theory/costs", "log instead of log squared in R2",
        "float(2 * jnp.sum(logs**2))", "float(2 * jnp.sum(logs))",
        COSTS, "coefficients_of_the_expansion",
    ),
    (
        "expansion-factor-of-r2", "theory/costs", "no factor 2 in R2",
        "float(2 * jnp.sum(logs**2))", "float(jnp.sum(logs**2))",
        COSTS, "coefficients_of_the_expansion",
    ),
    (
        "expansion-factor-of-r1", "theory/costs", "no factor 2 in R1",
        "float(rank), float(2 * jnp.sum(logs)),", "float(rank), float(jnp.sum(logs)),",
        COSTS, "coefficients_of_the_expansion",
    ),
    (
        "subadditivity-without-roots", "theory/costs", "no roots in the triangle inequality",
        "else a2**0.5 + b2**0.5 - c2**0.5", "else a2 + b2 - c2",
        REGULARITY, "without_the_root",
    ),
    (
        "bracket-natural-rank", "theory/costs", "rank not taken off the bracket's lower end",
        "return net.depth * float(jnp.max(terms) - k),", "return net.depth * float(jnp.max(terms)),",
        REGULARITY, "bracket_closes",
    ),
    (
        "certificate-bias-dropped", "theory/certificates", "no bias in the theorem's left side",
        "axis=(-2, -1)) + np.sum(b**2, axis=-1))", "axis=(-2, -1)))",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "certificate-mask-dropped", "theory/certificates", "frames without the activation mask",
        "M = W @ V if i == net.depth - 1 else D[..., i, :, :, None] * (W @ V)", "M = W @ V",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "certificate-factor", "theory/certificates", "no factor 2 before the logarithm",
        "- 2.0 * np.asarray(jnp.sum(jnp.log(s", "- np.asarray(jnp.sum(jnp.log(s",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "certificate-sign", "theory/certificates", "sign of the logarithm",
        "- 2.0 * np.asarray(jnp.sum(jnp.log(s", "+ 2.0 * np.asarray(jnp.sum(jnp.log(s",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "certificate-polar-transposed", "theory/certificates", "a factor of the polar factor transposed",
        "V, U @ Qt\n", "V, U @ np.swapaxes(Qt, -1, -2)\n",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "certificate-last-vectors", "theory/certificates", "frames from the smallest singular values",
        "np.swapaxes(Vt[..., :k, :], -1, -2)", "np.swapaxes(Vt[..., -k:, :], -1, -2)",
        CERTIFICATES, "weights_theorem_at_every_k",
    ),
    (
        "kernel-bound-off-by-one", "theory/certificates", "kl shifted by one layer",
        "axis=-1) - k * layer) / k", "axis=-1) - k * (layer - 1)) / k",
        CERTIFICATES, "ntk_bound",
    ),
    (
        "kernel-bound-exponent", "theory/certificates", "1/k instead of 2/k in the geometric mean",
        "geometric_mean = jnp.exp(2.0 * jnp.mean(", "geometric_mean = jnp.exp(1.0 * jnp.mean(",
        CERTIFICATES, "ntk_bound",
    ),
    (
        "kernel-bound-balanced", "theory/certificates", "a layer too few in the balanced exponent",
        "* layer / (k * net.depth)", "* (layer - 1) / (k * net.depth)",
        INDEPENDENT, "ntk-bound",
    ),
    (
        "kernel-without-one", "theory/ntk", "no gradient of the biases",
        "return (alpha_x @ alpha_y.T + 1.0)[", "return (alpha_x @ alpha_y.T)[",
        KERNEL, "loops",
    ),
    (
        "kernel-mask-dropped", "theory/ntk", "backward pass without its mask",
        "J = (J @ layer[0]) * slopes(net, pre)[:, None, :]", "J = J @ layer[0]",
        KERNEL, "loops",
    ),
    (
        "kernel-off-by-one", "theory/ntk", "derivatives of the neighbouring layer",
        "middle = (x.inner[:-1], y.inner[:-1], x.below[1:], y.below[1:])",
        "middle = (x.inner[:-1], y.inner[:-1], x.below[:-1], y.below[:-1])",
        KERNEL, "loops",
    ),
    (
        "kernel-transposed", "theory/ntk", "outputs of the kernel transposed",
        '"niw,mjw->nmij"', '"niw,mjw->nmji"',
        KERNEL, "ntk_identity or loops",
    ),
    (
        "kernel-trace-without-one", "theory/ntk", "no gradient of the biases in the trace",
        "squares], axis=1) + 1.0", "squares], axis=1)",
        KERNEL, "ntk_identity",
    ),
    (
        "sharpness-factor", "theory/ntk", "no factor 2 of the squared loss",
        "return 2 / len(X) * lax.scan(", "return 1 / len(X) * lax.scan(",
        "tests/chapters/test_tangent_kernel.py", "test_sharpness",
    ),
    (
        "spectra-normalised-twice", "theory/spectra", "N instead of its root",
        "/ np.sqrt(len(X))", "/ len(X)",
        SPECTRA, "representations",
    ),
    (
        "spectra-nonlinearity", "theory/spectra", "what is kept instead of what is cut off",
        "((acts.pre - acts.post, acts.pre) for", "((acts.post, acts.pre) for",
        SPECTRA, "representations",
    ),
    (
        "spectra-threshold", "theory/spectra", "threshold of the rank",
        "counts = np.sum(s > 0.5, axis=1)", "counts = np.sum(s > 0.75, axis=1)",
        SPECTRA, "bottleneck_rank",
    ),
    (
        "spectra-determinant-off-by-one", "theory/spectra", "one singular value too many",
        "_svd.values(A)[:k])))", "_svd.values(A)[: k + 1])))",
        SPECTRA, "pseudo_determinant",
    ),
    (
        "spectra-middle-off-by-one", "theory/spectra", "one middle layer too few",
        "return list(range(depth // 3, depth - depth // 3))", "return list(range(depth // 3 + 1, depth - depth // 3))",
        SPECTRA, "middle_third",
    ),
    (
        "rank-without-tolerance", "_svd", "rounding counted as rank",
        "rank = int(np.sum(s > tol))", "rank = int(np.sum(s > 0))",
        SPECTRA, "numerical_rank",
    ),
    (
        "rank-one-factor", "_svd", "rounding of a single matrix for a product",
        "return factors * max(shape[-2:])", "return max(shape[-2:])",
        COSTS, "rounding",
    ),
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
        "ridge-natural-scale", "training/objective", "ridge divided by the number of data",
        "+ lam * squared_norm(net)", "+ lam * squared_norm(net) / len(X)",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "ridge-halved", "training/outcome", "half the ridge in the reported objective",
        "objective = value + ridge * float(", "objective = value + ridge / 2 * float(",
        "tests/library/training/test_run.py", "reports_what_it_returns",
    ),
    (
        "loss-mean-over-entries", "training/objective", "loss divided by the number of outputs too",
        "return jnp.sum(entries) / len(X), (", "return jnp.sum(entries) / entries.size, (",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "gradient-factor", "training/objective", "no factor 2 in the written gradient",
        "g = error * (2 * seed / len(X))", "g = error * (seed / len(X))",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "gradient-bias-dropped", "training/objective", "no gradient of the biases of hidden layers",
        "* _slope(h, width, net.negative_slope), (g @ h.T, g.sum(1))",
        "* _slope(h, width, net.negative_slope), (g @ h.T, 0 * g.sum(1))",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "gradient-slope", "training/objective", "slope zero instead of s on negative values",
        "jnp.where(h > 0, 1.0, s))", "jnp.where(h > 0, 1.0, 0.0))",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "gradient-of-softmax", "training/objective", "twice the gradient of the cross-entropy",
        "(jax.nn.softmax(z, axis=0) - y) / 2", "jax.nn.softmax(z, axis=0) - y",
        INDEPENDENT, "softmax-ridge",
    ),
    (
        "moments-not-rescaled", "training/phases", "Adam's moments rescaled like parameters",
        "net, mu, nu = rescale(net, t), rescale(mu, 1 / t), rescale(nu, 1 / t**2)",
        "net, mu, nu = rescale(net, t), rescale(mu, t), rescale(nu, t**2)",
        "tests/library/training/test_phases.py", "moments",
    ),
    (
        "descent-sign", "training/lbfgs", "uphill instead of down",
        "direction = -_inverse_hessian_times(mem, new.g)", "direction = _inverse_hessian_times(mem, new.g)",
        "tests/library/training/test_lbfgs.py", "as_many_steps",
    ),
    (
        "compact-form-sign", "training/lbfgs", "a sign in the compact form",
        "gamma * (YY @ u - q)", "gamma * (YY @ u + q)",
        "tests/library/training/test_lbfgs.py", "compact_form",
    ),
    (
        "stationarity-scale", "training/stationarity", "gradient relative to half that of the ridge",
        "size = 2.0 * ridge *", "size = 1.0 * ridge *",
        STATIONARY, "autodiff_sees",
    ),
    (
        "stationarity-ridge", "training/stationarity", "half the ridge in the gradient",
        "jnp.mean(jnp.sum(entries, axis=0)) + ridge * squared_norm(net)",
        "jnp.mean(jnp.sum(entries, axis=0)) + ridge / 2 * squared_norm(net)",
        STATIONARY, "autodiff_sees",
    ),
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
        "third-coefficient-of-sums", "theory/costs", "sign of the third coefficient's excess in sums",
        "a2 + b2 - c2 if adding", "c2 - a2 - b2 if adding",
        REGULARITY, "not_orthogonal",
    ),
    (
        "imbalance-after-balancing", "training/outcome", "imbalance measured after balancing",
        "    imbalance = relative_imbalance(net)\n    net = balance(net)\n",
        "    net = balance(net)\n    imbalance = relative_imbalance(net)\n",
        OUTCOME, "imbalance_is",
    ),
    (
        "converged-out-of-balance", "training/outcome", "converged whatever the balance",
        "abs(decrease) <= 1e-3 and imbalance <= 1e-2", "abs(decrease) <= 1e-3",
        OUTCOME, "imbalance_is",
    ),
    (
        "rank-all-flat", "theory/spectra", "every middle representation must be flat, not one",
        "np.min(off) <= 0.1", "np.max(off) <= 0.1",
        SPECTRA, "one_flat",
    ),
    (
        "lbfgs-steepest", "training/lbfgs", "the steepest of the last points for the flattest",
        "flatter = (length < flattest[1])", "flatter = (length > flattest[1])",
        "tests/library/training/test_lbfgs.py", "never_increase",
    ),
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
    (
        "scale-choice-ignored", "book/scale", "the form's choice of the scale ignored",
        'os.environ.get("BNLIB_SCALE", choice)', 'os.environ.get("BNLIB_SCALE", "quick")',
        "tests/repository/test_paper_scale.py", "environment_chooses",
    ),
    (
        "interpolant-steepest", "build/interpolants", "the steepest of the drawn curves",
        "direction = min(drawn", "direction = max(drawn",
        "tests/chapters/test_window.py", "without_a_direction",
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
    (
        "claim-upper-bound", "book/claims", "no upper bound of a measurement",
        "self.low <= value <= self.high", "self.low <= value",
        CLAIMS, "only_the_outcome",
    ),
    (
        "claim-infinity", "book/claims", "infinity accepted",
        "return math.isfinite(value) and self.low", "return self.low",
        CLAIMS, "only_the_outcome",
    ),
    (
        "claim-any", "book/claims", "one passed check enough to hold",
        '"holds" if all(passed)', '"holds" if any(passed)',
        CLAIMS, "only_the_outcome",
    ),
    (
        "claim-silent", "book/claims", "a changed outcome passed over",
        "if outcome != EXPECTED.get(status := ledger[claim_id].status):",
        "if (status := ledger[claim_id].status) not in EXPECTED:",
        CLAIMS, "only_the_outcome",
    ),
    (
        "task-scale", "tasks", "variance instead of standard deviation",
        "return Y * jnp.sqrt(size / jnp.mean(", "return Y * (size / jnp.mean(",
        "tests/library/test_tasks.py", "moments",
    ),
    (
        "orbit-axes", "theory/invariance", "variance between orbits instead of along them",
        "A.reshape(n, m, -1).var(axis=1).mean(axis=0)", "A.reshape(n, m, -1).var(axis=0).mean(axis=0)",
        "tests/chapters/test_symmetry.py", "orbit_share",
    ),
    (
        "decoded-sign", "theory/invariance", "sign of the share that is not explained",
        "found.append(1 - np.sum(", "found.append(1 + np.sum(",
        "tests/chapters/test_symmetry.py", "readers_find",
    ),
    (
        "checkpoint-of-another-run", "training/checkpoints", "a checkpoint of another run accepted",
        "    if owner != run:\n", "    if False:\n",
        "tests/library/training/test_checkpoints.py", "another or other",
    ),
]  # fmt: skip


def library(name: str, modules: str, summary: str, old: str, new: str, tests: str, select: str) -> Fault:
    """Return a fault of one module, of the first that has the text where several are named."""
    paths = [Path("bnlib") / f"{module}.py" for module in modules.split(" or ")]
    held = [path for path in paths if (ROOT / path).exists() and old in (ROOT / path).read_text(encoding="utf-8")]
    file = (held or paths)[0].as_posix()
    return Fault(name, "the library", summary, ((file, swap(old, new)),), (tests, "-k", select))


# Stored notebooks.

CHAPTER = "next_order"
CLAIM = "r2-linear"


def on_notebook(change: Callable[[NotebookNode], None], *, sealed: bool = False) -> Edit:
    """Change a stored notebook; sealed, it gets the hash of its changed outputs too."""

    def edit(text: str, root: Path) -> str:
        notebook = nbformat.reads(text, as_version=4)
        change(notebook)
        if sealed:
            notebook.metadata["bnlib"]["outputs"] = outputs_hash(notebook)
        return notebook_text(notebook)

    return edit


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def verdict_cell(notebook: NotebookNode, claim: str = CLAIM) -> NotebookNode:
    for cell in code(notebook):
        for output in cell.outputs:
            if any((m := VERDICT.match(line)) and m["id"] == claim for line in output.get("text", "").splitlines()):
                return cell
    raise MutantError(f"no cell prints the verdict of {claim}")


def figures(notebook: NotebookNode) -> list[NotebookNode]:
    found = [o for cell in code(notebook) for o in cell.outputs if "image/png" in o.get("data", {})]
    if len(found) < 2:
        raise MutantError("the chapter has fewer than two figures")
    return found


def reprint(pattern: str, new: str, claim: str = CLAIM) -> Callable[[NotebookNode], None]:
    """Change what a verdict cell printed, in one place."""

    def change(notebook: NotebookNode) -> None:
        for output in verdict_cell(notebook, claim).outputs:
            if re.search(pattern, output.get("text", ""), re.M):
                output["text"] = re.sub(pattern, new, output["text"], count=1, flags=re.M)
                return
        raise MutantError(f"nothing printed matches {pattern!r}")

    return change


def other_digit(text: str) -> str:
    """Change the first digit of the first measurement of CLAIM in a text."""
    changed, count = re.subn(
        rf"(^holds  {CLAIM}: .*\[measured )(\d)",
        lambda m: m[1] + ("8" if m[2] != "8" else "7"),
        text,
        count=1,
        flags=re.M,
    )
    if not count:
        raise MutantError(f"{CLAIM} has no measurement that starts with a digit")
    return changed


def forge(notebook: NotebookNode) -> None:
    for output in verdict_cell(notebook).outputs:
        if CLAIM in output.get("text", ""):
            output["text"] = other_digit(output["text"])


def spoil(notebook: NotebookNode) -> None:
    """Print a first measurement far outside its tolerance."""
    reprint(rf"(^holds  {CLAIM}: .*\[measured )[^,\]]+", r"\g<1>0.5")(notebook)


def forge_plain(notebook: NotebookNode) -> None:
    """Change a digit of something printed that is no verdict."""
    for cell in code(notebook):
        for output in cell.outputs:
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            if "claim" not in cell.metadata.get("tags", []) and (found := re.search(r"\d\.(\d)", text)):
                digit = "8" if found[1] != "8" else "7"
                new = text[: found.start(1)] + digit + text[found.end(1) :]
                if output.get("text"):
                    output["text"] = new
                else:
                    output["data"]["text/plain"] = new
                return
    raise MutantError("no cell prints a number")


def exchange_figures(notebook: NotebookNode) -> None:
    first, second = figures(notebook)[:2]
    first["data"]["image/png"], second["data"]["image/png"] = second["data"]["image/png"], first["data"]["image/png"]


def figure_of(chapter: str) -> Edit:
    def edit(text: str, root: Path) -> str:
        other = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
        picture = figures(other)[0]["data"]["image/png"]
        return str(
            on_notebook(lambda nb: figures(nb)[0]["data"].__setitem__("image/png", picture))(text, root),
        )

    return edit


def stamp(*keys: str) -> Callable[[NotebookNode], None]:
    """Put another hash into the stamp of a chapter."""

    def change(notebook: NotebookNode) -> None:
        node = notebook.metadata["bnlib"]
        for key in keys[:-1]:
            node = node[key]
        if keys[-1] not in node:
            raise MutantError(f"the stamp has no {'/'.join(keys)}")
        node[keys[-1]] = "0" * 16

    return change


def not_run(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["execution_count"] = None


def cleared(notebook: NotebookNode) -> None:
    cell = verdict_cell(notebook)
    cell["outputs"], cell["execution_count"] = [], None


def counted(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["execution_count"] += 1


def emptied(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["outputs"] = []


def without_verdict(notebook: NotebookNode) -> None:
    notebook.cells.remove(verdict_cell(notebook))


def tagged(*tags: str) -> Callable[[NotebookNode], None]:
    return lambda nb: verdict_cell(nb).metadata.__setitem__("tags", list(tags))


def edited_code(notebook: NotebookNode) -> None:
    verdict_cell(notebook)["source"] += "\n# harmless"


def edited_prose(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.cell_type == "markdown" and len(c.source) > 200)
    cell["source"] = cell.source.replace(" the ", " a ", 1)


def no_alt(notebook: NotebookNode) -> None:
    cell = next(c for c in code(notebook) if "mystnb" in c.metadata)
    cell.metadata["mystnb"]["image"].pop("alt")


def printed(output: NotebookNode) -> Callable[[NotebookNode], None]:
    return lambda nb: verdict_cell(nb).outputs.append(output)


def older(notebook: NotebookNode) -> None:
    cell = code(notebook)[0]
    cell["source"] = re.sub(r"@v[\d.]+", "@v0.0.1", cell.source)


def gone(text: str, root: Path) -> None:
    """Delete the file."""


def paired_code(text: str, root: Path) -> str:
    """Change code in a chapter's text."""
    start = text.index("bn.check(")
    return text[:start] + "bn.check( " + text[start + len("bn.check(") :]


IPYNB, MD = f"notebooks/{CHAPTER}.ipynb", f"notebooks/{CHAPTER}.md"
STORED = ("tests/book/test_notebooks.py", "-k", CHAPTER)
BOTH = ("tests/book/test_ledger.py", "tests/book/test_notebooks.py", "-k", f"{CHAPTER} or test_the_ledger_of_the_book")

# (id, summary, edit, file)
NOTEBOOKS: list[tuple[str, str, Edit, str]] = [
    ("verdict-changed", "holds made partly", on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}")), IPYNB),
    ("verdict-changed-sealed", "the same with a new hash of the outputs",
     on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}"), sealed=True), IPYNB),
    ("verdict-of-another-claim", "verdict under another id, with a new hash",
     on_notebook(reprint(f"^holds  {CLAIM}", "holds  balance"), sealed=True), IPYNB),
    ("verdict-removed", "the cell of a verdict removed", on_notebook(without_verdict, sealed=True), IPYNB),
    ("verdict-emptied", "the outputs of a verdict removed, with a new hash", on_notebook(emptied, sealed=True), IPYNB),
    ("verdict-untagged", "no tag claim", on_notebook(tagged()), IPYNB),
    ("verdict-not-compared", "a tag that keeps the verdict from being compared",
     on_notebook(tagged("claim", "nbval-skip")), IPYNB),
    ("number-changed", "a digit of a measurement", on_notebook(forge), IPYNB),
    ("number-changed-sealed", "the same with a new hash", on_notebook(forge, sealed=True), IPYNB),
    ("number-plain", "a digit of another number", on_notebook(forge_plain), IPYNB),
    ("not-run", "a cell without execution count", on_notebook(not_run, sealed=True), IPYNB),
    ("run-twice", "an execution count too high", on_notebook(counted, sealed=True), IPYNB),
    ("cleared", "a cell cleared, with a new hash", on_notebook(cleared, sealed=True), IPYNB),
    ("figures-exchanged", "two figures exchanged", on_notebook(exchange_figures), IPYNB),
    ("figure-of-another-chapter", "a figure of another chapter", figure_of("cost"), IPYNB),
    ("figure-without-alt", "no alternative text", on_notebook(no_alt), IPYNB),
    ("stale-code", "stale hash of the code", on_notebook(stamp("code")), IPYNB),
    ("stale-library", "stale hash of a module", on_notebook(stamp("library", "theory/costs")), IPYNB),
    ("stale-lock", "stale version of jax", on_notebook(stamp("lock", "jax")), IPYNB),
    ("stale-outputs", "stale hash of the outputs", on_notebook(stamp("outputs")), IPYNB),
    ("no-stamp", "no stamp", on_notebook(lambda nb: nb.metadata.pop("bnlib") and None), IPYNB),
    ("code-edited", "code changed in the notebook alone", on_notebook(edited_code), IPYNB),
    ("prose-edited", "prose changed in the notebook alone", on_notebook(edited_prose), IPYNB),
    ("text-edited", "prose changed in the text alone", lambda text, root: text + "\nAnd more.\n", MD),
    ("text-code-edited", "code changed in the text alone", paired_code, MD),
    ("older-version", "an older version installed on Colab", on_notebook(older), IPYNB),
    ("stderr", "a warning stored", on_notebook(printed(new_output("stream", name="stderr", text="Warning")),
                                               sealed=True), IPYNB),
    ("error", "an error stored", on_notebook(printed(new_output("error", ename="ValueError", evalue="x")),
                                             sealed=True), IPYNB),
    ("missing", "the notebook missing", gone, IPYNB),
]  # fmt: skip


# The ledger.

LEDGER, PAGE = "claims.yml", "book/claims.md"
WHOLE = ("tests/book/test_ledger.py", "-k", "test_the_ledger_of_the_book")
MAPPED = ("tests/book/test_ledger.py", INDEPENDENT, "-k", "test_the_ledger_of_the_book or every_certified")


def on_record(claim: str, pattern: str, new: str) -> Edit:
    """Change the record of one claim, in the first place that matches."""

    def edit(text: str, root: Path) -> str:
        start = text.index(f"  - id: {claim}\n")
        end = text.find("\n  - id: ", start + 1) % len(text)
        changed, count = re.subn(pattern, new, text[start:end], count=1, flags=re.M)
        if not count:
            raise MutantError(f"the record of {claim} has nothing that matches {pattern!r}")
        return text[:start] + changed + text[end:]

    return edit


def new_page(text: str, root: Path, ledger: str) -> str:
    """Return the page of claims for another ledger."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims.yml"
        path.write_text(ledger, encoding="utf-8")
        return claims_page.page(load(path), root)


def with_page(edit: Edit) -> tuple[tuple[str, Edit], ...]:
    """Pair a change of the ledger with the page that fits it."""

    def page(text: str, root: Path) -> str:
        changed = edit((root / LEDGER).read_text(encoding="utf-8"), root)
        return new_page(text, root, changed or "")

    return ((LEDGER, edit), (PAGE, page))


# (id, summary, claim, pattern, new)
LEDGERS: list[tuple[str, str, str, str, str]] = [
    ("status-down", "certified made reproduced", "balance", "^    status: certified", "    status: reproduced"),
    ("status-up", "reproduced made certified", "affine-law", "^    status: reproduced", "    status: certified"),
    ("status-partly", "partly made reproduced", "rank-phase", "^    status: partly", "    status: reproduced"),
    ("status-open", "certified made open", "balance", "^    status: certified", "    status: open"),
    ("status-unknown", "a status that there is not", "balance", "^    status: certified", "    status: proven"),
    ("tolerance-wider", "a tolerance a thousand times wider", "balance", r"at_most: 1\.0e-10", "at_most: 1.0e-7"),
    ("tolerance-narrower", "a tolerance below the measurement", "balance", r"at_most: 1\.0e-10", "at_most: 1.0e-14"),
    ("tolerance-turned", "at most made at least", "balance", r"at_most: 1\.0e-10", "at_least: 1.0e-10"),
    ("tolerance-text", "a tolerance that YAML reads as text", "balance", r"at_most: 1\.0e-10", "at_most: 1e-10"),
    ("tolerance-twice", "two comparisons", "balance", r"(at_most: 1\.0e-10)", r"\1\n        at_least: 0"),
    ("tolerance-without-reason", "no reason for a tolerance", "balance", r"^        why: >-\n.*$", "        why: so"),
    ("label-changed", "another wording of a check", "balance", "error of the identity", "error of an identity"),
    ("id-changed", "another id", "balance", "id: balance", "id: balances"),
    ("id-twice", "the id of another claim", "balance", "id: balance", "id: schatten-bound"),
    ("anchor-changed", "another chapter", "balance", "notebooks/cost.md#claim", "notebooks/linear.md#claim"),
    ("anchor-of-another", "another claim's anchor", "balance", "#claim-balance", "#claim-schatten-bound"),
    ("proof-missing", "a proof that there is not", "balance", "#proof-balance", "#proof-balanced"),
    ("test-missing", "a test that there is not", "balance", "::test_balance$", "::test_balances"),
    ("test-file-missing", "a file of tests that there is not", "balance", "test_balancing.py", "test_built.py"),
    ("measured-changed", "another measurement", "balance", '^    measured: "', '    measured: "9'),
    ("measured-dropped", "no measurement", "balance", "^    measured: .*$", "    measured: null"),
    ("deviation-dropped", "a deviation concealed", "rank-phase",
     r"^    deviation: (?:.|\n)*?(?=^    \w)", "    deviation: null\n"),
    ("field-unknown", "a field that there is not", "balance", "^    tier: quick", "    tier: quick\n    level: high"),
    ("field-missing", "no tier", "balance", "^    tier: quick\n", ""),
]  # fmt: skip


# Files around the code.

REPOSITORY = [
    ("lock-without-hash", "requirements.lock", "a pin without its hashes",
     lambda text, root: re.sub(r"^(jax==\S+) \\\n(?:    --hash=.*\n)+", r"\1\n", text, flags=re.M),
     ("tests/repository/test_repository.py", "-k", "lock")),
    ("lock-other-numpy", "requirements.lock", "another NumPy",
     lambda text, root: re.sub(r"^numpy==[\d.]+", "numpy==2.4.1", text, flags=re.M), STORED),
    ("lock-index", "requirements.lock", "a foreign index",
     lambda text, root: "--index-url https://example.org\n" + text, ("tests/repository/test_repository.py", "-k", "lock")),
    ("citation-version", "CITATION.cff", "another version",
     lambda text, root: re.sub(r"^version: .*$", "version: 9.9.9", text, flags=re.M),
     ("tests/repository/test_repository.py", "-k", "version_is_the_same")),
    ("chapter-not-listed", "_toc.yml", "a chapter not in the contents",
     lambda text, root: re.sub(rf".*{CHAPTER}.*\n", "", text), ("tests/repository/test_repository.py", "-k", "contents")),
    ("python-not-tested", ".github/workflows/ci.yml", "a Python left out of the workflow",
     swap('"3.11", ', ""), ("tests/repository/test_repository.py", "-k", "workflow")),
    ("fork", "README.md", "address of a fork",
     lambda text, root: text + "\nhttps://github.com/bottleneck-book/bottleneck-fork\n",
     ("tests/repository/test_repository.py", "-k", "repository_address")),
    ("result-edited", "results/affine-law.json", "a stored result edited",
     lambda text, root: edited_result(text), (RECORDS, "-k", "stored_results_are_whole")),
    ("runtime-edited", "results/runtimes.json", "a running time that the status page does not have",
     lambda text, root: re.sub(r'("seconds": )\d', r"\g<1>99", text, count=1),
     ("tests/repository/test_repository.py", "-k", "runtimes")),
    ("page-edited", PAGE, "a word of the page of claims", swap("# The claims and where", "# Claims and where"), WHOLE),
]  # fmt: skip


def edited_result(text: str) -> str:
    content = json.loads(text)
    stored = copy.deepcopy(content)

    def spoil(node: object) -> bool:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            if isinstance(value, float):
                node[key] = value + 0.5  # type: ignore[index]
                return True
            if spoil(value):
                return True
        return False

    spoil(stored["records"])
    return json.dumps(stored)


# Two or more at once, some of which hide each other.

AGREED = (
    "measurements within their tolerance are not compared, for they differ between machines; running the chapter "
    "again restores it"
)


def forged_ledger(text: str, root: Path) -> str:
    """Put the forged measurement of CLAIM into the ledger."""
    notebook = nbformat.read(root / IPYNB, as_version=4)
    forge(notebook)
    lines = [line for o in verdict_cell(notebook).outputs for line in o.get("text", "").splitlines()]
    measured = next(m["measured"] for line in lines if (m := VERDICT.match(line)) and m["id"] == CLAIM)
    return str(on_record(CLAIM, "^    measured: .*$", f'    measured: "{measured}"')(text, root))


def spoilt_ledger(text: str, root: Path) -> str:
    return str(on_record(CLAIM, r'^    measured: "[^,"]+', '    measured: "0.5')(text, root))


def module(name: str, old: str, new: str) -> tuple[str, Edit]:
    return f"bnlib/{name}.py", swap(old, new)


ONE = module("theory/ntk", "return (alpha_x @ alpha_y.T + 1.0)[", "return (alpha_x @ alpha_y.T)[")
TRACE_ONE = module("theory/ntk", "squares], axis=1) + 1.0", "squares], axis=1)")

PAIRS = [
    Fault("pair-kernel-and-trace", "pairs", "no gradient of the biases in the kernel nor in its trace",
          (ONE, TRACE_ONE), (KERNEL, "-k", "ntk_identity")),
    Fault("pair-cost-and-bound", "pairs", "the same wrong exponent in the cost and in its bound",
          (module("theory/costs", "return depth * schatten(A, 2.0 / depth)", "return depth * schatten(A, 1.0 / depth)"),
           module("theory/costs", "terms = jnp.sum(_svd.powers(s, 2.0 / net.depth, (net.d_out",
                  "terms = jnp.sum(_svd.powers(s, 1.0 / net.depth, (net.d_out")),
          (COSTS, "-k", "schatten_bound or test_linear_cost")),
    Fault("pair-norm-and-certificate", "pairs", "no bias on either side of the theorem",
          (module("theory/costs", "(W * W).sum() + (b * b).sum()", "(W * W).sum()"),
           module("theory/certificates", "axis=(-2, -1)) + np.sum(b**2, axis=-1))", "axis=(-2, -1)))")),
          (CERTIFICATES, "tests/library/theory/test_costs.py", "-k", "weights_theorem or squared_norm_counts")),
    Fault("pair-slope-and-mask", "pairs", "the same wrong slope in the network and in its mask",
          (module("networks", "return jnp.where(z > 0, z, net.negative_slope * z)",
                  "return jnp.where(z > 0, z, net.negative_slope**2 * z)"),
           module("networks", "jnp.full_like(pre, net.negative_slope))", "jnp.full_like(pre, net.negative_slope**2))")),
          (NETWORKS, "-k", "explicit_loops")),
    Fault("pair-loss-and-gradient", "pairs", "half the loss, and its gradient",
          (module("training/objective", "return jnp.sum(entries) / len(X), (",
                  "return jnp.sum(entries) / (2 * len(X)), ("),
           module("training/objective", "g = error * (2 * seed / len(X))", "g = error * (seed / len(X))")),
          (INDEPENDENT, "-k", "softmax-ridge")),
    Fault("pair-compose-signs", "pairs", "shift subtracted before and added after",
          (module("build/constructions", "(Wg, bg + s)", "(Wg, bg - s)"),
           module("build/constructions", "(Wf, bf - Wf @ s)", "(Wf, bf + Wf @ s)")),
          (BUILT, "-k", "test_compose")),
    Fault("pair-residual", "pairs", "incoming and outgoing norms both without square",
          (module("build/balancing", "(W**2).sum(axis=-1) + b**2 for", "abs(W).sum(axis=-1) + abs(b) for"),
           module("build/balancing", "(net.hidden[0] ** 2).sum(axis=-2), (net.last[0] ** 2).sum(axis=-2)[None]",
                  "abs(net.hidden[0]).sum(axis=-2), abs(net.last[0]).sum(axis=-2)[None]")),
          (BALANCED, "-k", "balance_residual_is")),
    Fault("pair-ledger-and-page-down", "pairs", "certified made reproduced, on the page too",
          with_page(on_record("balance", "^    status: certified", "    status: reproduced")), MAPPED),
    Fault("pair-ledger-and-page-up", "pairs", "reproduced made certified, on the page too",
          with_page(on_record("affine-law", "^    status: reproduced", "    status: certified")), MAPPED),
    Fault("pair-tolerance-and-line", "pairs", "a wider tolerance in the ledger, in the stored line and with a new hash",
          ((LEDGER, on_record("balance", r"at_most: 1\.0e-10", "at_most: 1.0e-7")),
           ("notebooks/cost.ipynb",
            on_notebook(reprint(r"at most 1e-10", "at most 1e-07", "balance"), sealed=True))),
          ("tests/book/test_ledger.py", "tests/book/test_notebooks.py", "-k", "cost or test_the_ledger_of_the_book"),
          "ledger and chapter agree on another statement, which running the chapter does not contradict; only who "
          "reads the change can judge it"),
    Fault("pair-measured-and-page", "pairs", "another measurement in the ledger, on the page too",
          with_page(forged_ledger), WHOLE),
    Fault("pair-text-and-notebook", "pairs", "code changed in text and notebook alike",
          ((IPYNB, on_notebook(lambda nb: verdict_cell(nb).__setitem__(
              "source", verdict_cell(nb).source.replace("bn.check(", "bn.check( ", 1)))),
           (MD, paired_code)), STORED),
    Fault("pair-number-and-ledger", "pairs", "a measurement outside its tolerance in notebook, ledger, page and hash",
          ((IPYNB, on_notebook(spoil, sealed=True)), *with_page(spoilt_ledger)), BOTH),
    Fault("pair-verdict-and-status", "pairs", "a verdict made partly in notebook, hash, ledger and page",
          ((IPYNB, on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}"), sealed=True)),
           *with_page(on_record(CLAIM, "^    status: certified\n    deviation: null",
                                "    status: partly\n    deviation: One check is off by a little."))), BOTH),
    Fault("pair-forged-within-tolerance", "pairs",
          "a measurement forged within its tolerance in notebook, hash, ledger and page alike",
          ((IPYNB, on_notebook(forge, sealed=True)), *with_page(forged_ledger)), BOTH, AGREED),
    Fault("pair-figures-and-hash", "pairs", "two figures exchanged and the hash renewed",
          ((IPYNB, on_notebook(exchange_figures, sealed=True)),), BOTH,
          "the hash tells edits by hand from runs, not forgeries that renew it; running the chapter again restores it"),
]  # fmt: skip

FAULTS: list[Fault] = [
    *(library(*row) for row in (*LIBRARY, *THRESHOLD_FAULTS)),
    *(Fault(f"notebook-{i}", "stored notebooks", s, ((file, e),), STORED) for i, s, e, file in NOTEBOOKS),
    *(Fault(f"ledger-{i}", "the ledger", s, ((LEDGER, on_record(c, p, n)),), WHOLE) for i, s, c, p, n in LEDGERS),
    *(Fault(f"file-{i}", "other files", s, ((file, e),), checks) for i, file, s, e, checks in REPOSITORY),
    *PAIRS,
]
