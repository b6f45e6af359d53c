"""Thirteen checkpoints of one training, and two networks side by side, for book/your_network.md.

`train` trains the healthy network of three_networks again, up to each of the steps, and stores its weights in
results/along-training, in two minutes; `page` writes what the page shows of them.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np

import bnlib as bn
from bnlib.measure.curves import TrainingCurves
from bnlib.measure.files import load_arrays
from bnlib.measure.pairs import Comparison
from scripts.atomic import write
from scripts.runs import stored, three_networks

STORED, SHOWN = three_networks.ROOT / "results" / "along-training", three_networks.SHOWN
STEPS = tuple(range(0, three_networks.STEPS + 1, 500))
NAME = "healthy"


def train_all() -> None:
    """Train up to each of the steps and store the weights in float32, with a manifest."""
    STORED.mkdir(parents=True, exist_ok=True)
    ridge, trainings = three_networks.RIDGE[NAME], {}
    with jax.enable_x64(True):
        data = load_arrays(three_networks.STORED / "task.npz")
        for steps in STEPS:
            net, values = three_networks.train(ridge, data["X"], data["Y"], steps=steps)
            arrays: dict[str, Any] = {name: a.astype(np.float32) for name, a in bn.to_torch_state(net).items()}
            np.savez_compressed(STORED / f"step_{steps}.npz", **arrays)
            trainings[f"step_{steps}"] = {"ridge": ridge} | ({"objective": float(values[-1])} if steps else {})
    settings = {"of": NAME, "steps": list(STEPS), "data": "results/three-networks/task.npz"}
    stored.write_manifest(STORED, "along_training", settings, ("jax", "numpy", "optax"), trainings)


def measure() -> tuple[TrainingCurves, Comparison]:
    """Return the curves along the training, and the comparison of the networks without and with a bottleneck."""
    X = load_arrays(three_networks.STORED / "task.npz")["X"]
    absent, healthy = (three_networks.STORED / f"{name}.npz" for name in ("absent", NAME))
    return bn.trajectory(STORED, X), bn.compare(absent, healthy, X, names=("absent", NAME))


def drawn_from() -> str:
    """Return the checksums of the files behind the figures, in one line."""
    return " ".join([*stored.checksums(STORED).values(), three_networks.drawn_from()])


def page() -> None:
    """Write what the page shows: both tables and both figures."""
    curves, comparison = measure()
    for name, found in (("along", curves), ("pair", comparison)):
        write(SHOWN / f"{name}.txt", f"{found}\n")
        stored.save_figure(found.plot(), SHOWN / f"{name}.png", drawn_from())


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
