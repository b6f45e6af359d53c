"""Train residual networks with a leak at several effective depths, and a plain residual network beside them.

    python -m scripts.runs.leaky_depths            train, measure and write results/leaky-depths.json: ten minutes

Each effective depth is reached twice: from smaller ones and, coming back, from larger ones; the lower objective counts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bnlib import leaky, tasks
from bnlib.leaky import LeakyNetwork
from bnlib.theory.hamiltonian import hamiltonian
from bnlib.theory.leaky_certificates import leaky_certificate
from bnlib.training.leaky import LeakyFit, continued, train_leaky
from scripts.runs import stored

STORED = Path(__file__).resolve().parents[2] / "results" / "leaky-depths.json"
DEPTHS, LAYERS, FINER = (1, 3, 6, 10, 16), 16, {6: 32, 10: 32}
WIDTH, POINTS, RIDGE, RANK, SEEDS, KEY, GAMMA = 20, 60, 0.003, 2, 6, 27, 1e-3
STAGES = ((0.01, 800), (0.001, 800), (0.001, 800))
PARTS = ("weights", "biases", "motion", "off_active", "slack")


def setting(seed: int) -> tuple[tasks.Task, LeakyNetwork]:
    """Return the task of a seed and its start, with steps of 1/N."""
    k_task, k_net = jax.random.split(jax.random.fold_in(jax.random.key(KEY), seed))
    task = tasks.latent_task(k_task, POINTS, rank=RANK)
    d_in, d_out = task.X.shape[1], task.Y.shape[1]
    return task, leaky.init(k_net, d_in, WIDTH, d_out, jnp.full(LAYERS, 1 / LAYERS))


def dimensions(states: Any) -> list[int]:
    """Count, in each layer, the singular values of what the next layer sees that exceed a tenth of the first."""
    s = np.linalg.svd(np.maximum(np.asarray(states), 0.0), compute_uv=False)
    return [int(n) for n in (s > 0.1 * s[:, :1]).sum(axis=1)]


def record(fit: LeakyFit, **names: Any) -> dict[str, Any]:
    """Return what is stored of every training, a plain residual network included."""
    ends = sum(float(jnp.sum(a**2)) for a in (*fit.net.first, *fit.net.last))
    W, b = map(np.asarray, fit.net.hidden)
    squares = (W**2).sum((1, 2))
    return names | {
        "layers": len(W),
        "objective": fit.objective,
        "mse": fit.mse,
        "action": ends + float(np.asarray(fit.net.leak) @ (squares + (b**2).sum(1))),
        "decrease": fit.decrease,
        "gradient": fit.gradient,
        "dimensions": dimensions(fit.states),
        "weights": [float(f"{v:.4g}") for v in np.sqrt(squares)],
    }


def measured(fit: LeakyFit, task: tasks.Task) -> dict[str, Any]:
    """Return the energies of every layer, and medians over inputs of what the bottleneck theorem leaves at the rank."""
    of = hamiltonian(fit.net, task.X, task.Y, RIDGE, GAMMA)
    s = np.linalg.svd(np.asarray(leaky.jacobian(fit.net, task.X)), compute_uv=False)
    seen = leaky_certificate(fit.net, task.X[s[:, RANK - 1] > 1e-9 * s[:, 0]], RANK)
    parts = {name: float(np.median(getattr(seen, name).sum(1))) for name in PARTS}
    energies = {name: [float(f"{v:.4g}") for v in getattr(of, name)] for name in ("potential", "kinetic", "H")}
    identity = float(np.max(np.abs(seen.total - seen.excess) / seen.action))
    return energies | {
        "excess": float(np.median(seen.excess)),
        "log_volume": float(np.median(seen.bound)) - RANK * (float(fit.net.leak.sum()) + 2),
        "identity": identity,
        "parts": parts,
    }


def trained(seed: int) -> list[dict[str, Any]]:
    """Train at every effective depth, up and down again, and return the records of the lower objectives."""
    task, net = setting(seed)
    plain = train_leaky(net, task.X, task.Y, RIDGE, forget=False, stages=STAGES)
    found = [record(plain, seed=seed, depth=0)]
    ways: dict[int, dict[str, LeakyFit]] = {depth: {} for depth in DEPTHS}
    for way, depths in (("up", DEPTHS), ("down", DEPTHS[-2::-1])):
        for depth in depths:
            start = continued(net, jnp.full(LAYERS, depth / LAYERS))
            fit = train_leaky(start, task.X, task.Y, RIDGE, stages=STAGES)
            ways[depth][way], net = fit, fit.net
    for depth, fits in ways.items():
        best = min(fits, key=lambda way: fits[way].objective)
        objectives = {way: fit.objective for way, fit in fits.items()}
        found.append(record(fits[best], seed=seed, depth=depth, ways=objectives) | measured(fits[best], task))
        if depth in FINER:
            start = continued(fits[best].net, jnp.full(FINER[depth], depth / FINER[depth]))
            finer = train_leaky(start, task.X, task.Y, RIDGE, stages=STAGES)
            found.append(record(finer, seed=seed, depth=depth) | measured(finer, task))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train from every seed and write the records with their manifest."""
    settings = {
        "depths": DEPTHS,
        "layers": LAYERS,
        "width": WIDTH,
        "n": POINTS,
        "ridge": RIDGE,
        "rank": RANK,
        "gamma": GAMMA,
        "stages": STAGES,
        "seeds": SEEDS,
        "key": KEY,
    }
    return stored.records_command(__doc__, STORED, settings, trained, arguments)


if __name__ == "__main__":
    sys.exit(main())
