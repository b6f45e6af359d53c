"""Train residual networks with a leak whose kinks are smoothed, so that their gradients vanish: Hamiltonians, spacings.

    python -m scripts.runs.leaky_steps             train, measure and write results/leaky-steps.json: ten minutes

All spacings start from one network and take as many iterations. The rule of the adaptive one is applied once. Trained
leaks are slow: for the Hamiltonian, and for no comparison of spacings, they are trained on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bnlib import leaky, tasks
from bnlib.theory.hamiltonian import hamiltonian
from bnlib.training.leaky import LeakyFit, continued, train_leaky
from scripts.runs import stored

STORED = Path(__file__).resolve().parents[2] / "results" / "leaky-steps.json"
DEPTH, COARSE, FINE, DEEPER, KINK = 4.0, 8, 32, (8.0, 12.0, 16.0), 0.1
WIDTH, POINTS, RIDGE, RANK, SEEDS, KEY, GAMMA = 10, 40, 0.003, 2, 7, 28, 1e-3
FIRST, THEN, RAISED, SETTLED = 2500, 4000, 2500, 16000


def within(wanted: Any, total: float) -> np.ndarray:
    """Scale wanted leaks so that, with 1 as the most, they have a given sum.

    Example:
        >>> within([3.0, 1.0, 1.0], 2.0).round(3).tolist()
        [1.0, 0.5, 0.5]
    """
    wanted = np.asarray(wanted, float)
    leak = np.zeros_like(wanted)
    free = np.ones(len(wanted), bool)
    while True:
        leak[~free] = 1.0
        leak[free] = wanted[free] * (total - (~free).sum()) / wanted[free].sum()
        if np.all(leak[free] <= 1):
            return leak
        free &= leak < 1


def irregular(layers: int, total: float) -> np.ndarray:
    """Return leaks that are small at both ends: the steps of half a cosine."""
    return total * np.diff((1 - np.cos(np.pi * np.arange(layers + 1) / layers)) / 2)


def adaptive(states: Any, leak: Any) -> np.ndarray:
    """Return leaks inverse to the relative speed of the states h_0..h_N, with the sum that they have."""
    h = np.asarray(states)
    speed = np.linalg.norm(np.diff(h, axis=0), axis=(1, 2)) / np.asarray(leak) / np.linalg.norm(h[:-1], axis=(1, 2))
    return within(1 / speed, float(np.sum(leak)))


def record(fit: LeakyFit, task: tasks.Task, **names: Any) -> dict[str, Any]:
    """Return what is stored of a training."""
    of = hamiltonian(fit.net, task.X, task.Y, RIDGE, GAMMA, smoothing=KINK)
    error = leaky.apply(fit.net, task.X_test, KINK) - task.Y_test
    middle = np.asarray(leaky.rectify(fit.states[len(fit.states) // 2], KINK))
    return names | {
        "objective": fit.objective,
        "mse": fit.mse,
        "test": float(jnp.sum(error**2) / len(error)),
        "decrease": fit.decrease,
        "gradient": fit.gradient,
        "leak": [float(f"{v:.6g}") for v in np.asarray(fit.net.leak)],
        "H": [float(f"{v:.8g}") for v in of.H],
        "potential": [float(f"{v:.6g}") for v in of.potential],
        "kinetic": [float(f"{v:.6g}") for v in of.kinetic],
        "residual": float(np.abs(of.residual).max()),
        "middle": [float(f"{v:.4g}") for v in np.linalg.svd(middle, compute_uv=False)],
    }


def trained(seed: int) -> list[dict[str, Any]]:
    """Train with every spacing, and with more layers to larger effective depths."""
    k_task, k_net = jax.random.split(jax.random.fold_in(jax.random.key(KEY), seed))
    task = tasks.latent_task(k_task, POINTS, rank=RANK)
    d_in, d_out = task.X.shape[1], task.Y.shape[1]

    def fit(net: leaky.LeakyNetwork, leak: Any, iterations: int, **how: Any) -> LeakyFit:
        start = continued(net, jnp.asarray(leak)) if len(leak) != net.steps else with_leak(net, leak)
        return train_leaky(start, task.X, task.Y, RIDGE, stages=((KINK, iterations),), **how)

    even = np.full(COARSE, DEPTH / COARSE)
    start = leaky.init(k_net, d_in, WIDTH, d_out, jnp.full(COARSE, 1 / COARSE))
    first = fit(fit(start, np.full(COARSE, 1 / COARSE), FIRST).net, even, FIRST)
    spacings = {
        "uniform": (even, False),
        "irregular": (irregular(COARSE, DEPTH), False),
        "adaptive": (adaptive(first.states, even), False),
        "trained": (even, True),
    }
    found = []
    for name, (leak, free) in spacings.items():
        last = fit(first.net, leak, THEN, spacing=free)
        found.append(record(last, task, seed=seed, depth=DEPTH, layers=COARSE, spacing=name))
        if name == "uniform":
            uniform = last
        if free:
            settled = fit(last.net, last.net.leak, SETTLED, spacing=True)
            found.append(record(settled, task, seed=seed, depth=DEPTH, layers=COARSE, spacing="settled"))
    fine = fit(uniform.net, np.full(FINE, DEPTH / FINE), THEN)
    found.append(record(fine, task, seed=seed, depth=DEPTH, layers=FINE, spacing="uniform"))
    for depth in DEEPER:
        fine = fit(fine.net, np.full(FINE, depth / FINE), RAISED)
        found.append(record(fine, task, seed=seed, depth=depth, layers=FINE, spacing="uniform"))
    return found


def with_leak(net: leaky.LeakyNetwork, leak: Any) -> leaky.LeakyNetwork:
    """Return a network with other leaks for the same layers."""
    return leaky.LeakyNetwork(net.first, net.hidden, net.last, jnp.asarray(leak, net.leak.dtype))


def main(arguments: list[str] | None = None) -> int:
    """Train from every seed and write the records with their manifest."""
    settings = {
        "depths": (DEPTH, *DEEPER),
        "layers": (COARSE, FINE),
        "kink": KINK,
        "width": WIDTH,
        "n": POINTS,
        "ridge": RIDGE,
        "rank": RANK,
        "gamma": GAMMA,
        "iterations": (FIRST, FIRST, THEN, RAISED, SETTLED),
        "seeds": SEEDS,
        "key": KEY,
    }
    return stored.records_command(__doc__, STORED, settings, trained, arguments)


if __name__ == "__main__":
    sys.exit(main())
