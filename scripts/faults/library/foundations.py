"""Faults in networks, tasks, and what every room stands on: checks, decompositions, rounding."""

from __future__ import annotations

from scripts.faults.checks import (
    CERTIFICATES,
    COSTS,
    DECOMPOSED,
    KERNEL,
    NETWORKS,
    RINGS,
    SPECTRA,
    SUMS,
    TASKS,
    WRITING,
    Row,
)

FOUNDATIONS_FAULTS: list[Row] = [
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
        "network-he-variance", "networks", "twice the variance in the start",
        "variance_scaling(1.0,", "variance_scaling(2.0,",
        NETWORKS, "test_init",
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
        "task-scale", "tasks", "variance instead of standard deviation",
        "return Y * jnp.sqrt(size / jnp.mean(", "return Y * (size / jnp.mean(",
        "tests/library/test_tasks.py", "moments",
    ),
    # Thresholds met exactly.
    ("task-rank-end", "tasks", "outputs that depend on every latent refused",
     "if rank > min(d_latent, d_out):", "if rank >= min(d_latent, d_out):", TASKS, "whole_dimension"),
    ("composed-rank-end", "tasks", "a code as wide as the data refused",
     '(rank := _checks.integer("rank", rank, 1)) > d:', '(rank := _checks.integer("rank", rank, 1)) >= d:',
     TASKS, "whole_dimension"),
    # Defaults and limits of arguments.
    ("task-test-points", "tasks", "fewer test points",
     "d_out: int = 20,\n    n_test: int = 500,", "d_out: int = 20,\n    n_test: int = 50,", TASKS, "first_latent"),
    # Decompositions.
    ("rank-size-ignored", "_svd", "rank of a product judged by the product alone",
     "scale = s[:1] if size is None else np.maximum(s[:1], size)", "scale = s[:1]", SUMS, "judged_by"),
    ("rows-dropped", "_svd", "only the last block of rows kept",
     'np.concatenate([np.linalg.qr(A, mode="r"), block], axis=-2)', "block", DECOMPOSED, "blocks_of_rows"),
    ("traced-decompositions", "_svd", "decompositions in compiled programs",
     "if _checks.is_traced(*trees):", "if False:", NETWORKS, "refused_in_compiled"),
    ("perturbed-one-seed", "_rounding", "arrays moved alike whatever the seed",
     "[seed, content, *a.shape]", "[content, *a.shape]", DECOMPOSED, "traced_networks"),
    ("ring-closed", "rings", "the last point of the whole circle is the first",
     "else 2 * np.pi / _checks", "else 0 / _checks", RINGS, "test_circle"),
    ("ring-fine-arc", "rings", "the fine grid runs across the cut",
     "2 * np.pi - gap * (degrees > 0), 20_001", "2 * np.pi, 20_001", RINGS, "test_circle"),
    ("ring-code-negative", "rings", "codes of the circle are negative",
     "{1: 2 * t[:, None], 2: U + 1}", "{1: 2 * t[:, None], 2: U}", RINGS, "test_circle"),
    ("ring-annulus-cut", "rings", "the code of the annulus is cut at the first angle",
     "order[(np.argmax(gaps) + 1) % n], np.max(gaps)", "order[0], np.max(gaps)", RINGS, "test_annulus"),
    ("ring-annulus-hole", "rings", "points in the hole of the annulus",
     ">= 0.5][:n]", ">= 0.25][:n]", RINGS, "fill_it"),
    ("classes-sectors", "tasks", "sectors of a half turn",
     "third = 2 * np.pi / 3", "third = np.pi", TASKS, "classes_have_their_shape"),
    # Files that are whole or the old ones.
    ("writing-one-name", "_writing", "two threads write to one temporary file",
     "{os.getpid()}-{threading.get_ident()}.part", "{os.getpid()}.part", WRITING, "two_threads"),
    ("writing-left", "_writing", "the temporary file of a failure stays",
     "part.unlink(missing_ok=True)", "pass", WRITING, "leaves_the_old"),
    ("writing-through", "_writing", "a link replaced by the file",
     "place = Path(os.path.realpath(path))", "place = Path(path)", WRITING, "link_stays"),
]  # fmt: skip
