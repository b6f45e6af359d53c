"""Follow the sharpness of the networks of the ladder of learning rates through time, and store it for the site.

    python -m scripts.runs.learning_rates            train and write results/learning-rates.json: about two minutes

The starts, tasks, ridges and rates are those of the chapter `tangent_kernel` at quick scale, which measures late times.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bnlib import tasks
from bnlib.networks import Network, apply, init
from bnlib.theory.curvature import gram_matrix
from bnlib.training.descent import descend
from scripts.atomic import write

STORED = Path(__file__).resolve().parents[2] / "results" / "learning-rates.json"
DEPTH, WIDTH, POINTS, RIDGE, SEEDS, KEY = 6, 12, 40, 0.01, 5, 11
RATES = (0.01, 0.02, 0.04, 0.08, 0.16)
# Counted in steps of the largest rate, since a time is a whole number of steps at every rate.
STEPS = (0, *np.unique(np.round(np.geomspace(1, 2400, 50)).astype(int)).tolist())
TIMES = tuple(round(max(RATES) * step, 2) for step in STEPS)
GROUPS = ("no ridge", "ridge")


def starts() -> tuple[Network, Any, Any, Any]:
    """Return the starts with their inputs, targets and ridges, stacked: all seeds without ridge, then with it."""
    members = []
    for seed in range(SEEDS):
        k_task, k_net = jax.random.split(jax.random.fold_in(jax.random.key(KEY), 50 + seed))
        data = tasks.latent_task(k_task, POINTS, rank=2, d_latent=4, d_in=8, d_out=4)
        members.append((init(k_net, 8, WIDTH, 4, DEPTH), data.X, data.Y))
    nets, X, Y = jax.tree.map(lambda *a: jnp.concatenate([jnp.stack(a)] * 2).astype(jnp.float32), *members)
    return nets, X, Y, jnp.repeat(jnp.array([0.0, RIDGE], jnp.float32), SEEDS)


def sharpness(nets: Network, X: Any, Y: Any) -> np.ndarray:
    r"""Return the top eigenvalue of the Gauss-Newton part of each network, NaN where it has died or diverged.

    A network counts as dead when its mean squared error is the variance of the targets to one part in a thousand.

    Args:
        nets: an ensemble of E networks.
        X: inputs (E, N, d_in).
        Y: targets (E, N, d_out).
    """
    nets, X, Y = jax.tree.map(lambda a: a.astype(float), (nets, X, Y))
    error = np.asarray(jnp.mean(jnp.sum((jax.vmap(apply)(nets, X) - Y) ** 2, axis=2), axis=1))
    variance = np.asarray(jnp.mean(jnp.sum((Y - Y.mean(1, keepdims=True)) ** 2, axis=2), axis=1))
    finite = np.isfinite(error) & (error < 1e6)
    matrices = np.where(finite[:, None, None], gram_matrix(nets, X), 0.0)
    alive = finite & (np.abs(error / variance - 1) > 1e-3)
    return np.where(alive, 2 / X.shape[1] * np.linalg.eigvalsh(matrices)[:, -1], np.nan)


def follow(rate: float, steps: tuple[int, ...] = STEPS) -> np.ndarray:
    """Train at one rate and return the sharpness at each time, (times, groups, seeds).

    Args:
        rate: the learning rate.
        steps: times, counted in steps of the largest rate, increasing.
    """
    with jax.enable_x64(True):
        nets, X, Y, ridge = starts()
        found, now = [], 0
        for step in steps:
            nets = descend(nets, X, Y, ridge, rate, round((step - now) * max(RATES) / rate))
            found.append(sharpness(nets, X, Y))
            now = step
        return np.array(found).reshape(len(steps), len(GROUPS), SEEDS)


def record(rate: float) -> dict[str, Any]:
    """Return what is stored of one rate: four digits of the sharpness by group, seed and time, None for the dead."""
    digits = [
        [[None if np.isnan(s) else float(f"{s:.4g}") for s in seed] for seed in group]
        for group in follow(rate).transpose(1, 2, 0)
    ]
    return {"rate": rate, "sharpness": dict(zip(GROUPS, digits, strict=True))}


def checksum(records: list[dict[str, Any]]) -> str:
    """Hash the records, so that a number changed by hand shows."""
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Train at every rate and write the records with their manifest."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args(arguments)
    records = [record(rate) for rate in RATES]
    manifest = {
        "command": "python -m scripts.runs.learning_rates",
        "settings": {"depth": DEPTH, "width": WIDTH, "n": POINTS, "ridge": RIDGE, "seeds": SEEDS, "key": KEY},
        "device": f"{jax.default_backend()}, {platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("jax", "jaxlib", "numpy")},
        "times": TIMES,
        "sha256": checksum(records),
    }
    lines = ",\n".join(json.dumps(found) for found in records)
    write(STORED, f'{{"manifest": {json.dumps(manifest, indent=1)},\n"records": [\n{lines}\n]}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
