"""The example of book/your_network.md: a PyTorch network on the digits, without and with an L2 penalty.

`train` makes the weights in results/digits-mlp and needs PyTorch; `page` writes the outputs that the page shows.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bnlib.measure.files import load_arrays
from bnlib.measure.readers import load_network
from bnlib.measure.report import Report, report
from bnlib.networks import apply
from scripts.atomic import write
from scripts.runs import stored

ROOT = Path(__file__).resolve().parents[2]
STORED, SHOWN = ROOT / "results" / "digits-mlp", ROOT / "book" / "your_network"
DEPTH, WIDTH, TRAINING, SEED = 6, 64, 1500, 0
STEPS, RATE = 6000, 2e-3
# PyTorch's weight_decay adds wd * theta to the gradient of the loss: the penalty is wd / 2 * ||theta||^2.
DECAY = {"plain": 0.0, "penalty": 3e-3}
SAID = {"plain": "without penalty", "penalty": "with penalty"}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return all digits, pixels scaled to [0, 1], and their classes, in a fixed random order."""
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(classes))
    return pixels[order].astype(np.float32) / 16, classes[order]


def train(decay: float, X: Any, y: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Train by Adam on all training digits at once; return the weights and what the training ended with."""
    import torch

    torch.manual_seed(SEED)
    widths = [X.shape[1], *[WIDTH] * (DEPTH - 1), 10]
    layers: list[Any] = []
    for before, after in pairwise(widths):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for layer in model[::2]:
            torch.nn.init.orthogonal_(layer.weight, 2**0.5)
            layer.bias.zero_()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    inputs, classes = torch.tensor(X), torch.tensor(y)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), classes)
        loss.backward()
        optimiser.step()
        schedule.step()
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(inputs), classes)
    loss.backward()
    gradient = sum(float(((p.grad + decay * p.detach()) ** 2).sum()) for p in model.parameters()) ** 0.5
    return model.state_dict(), {"weight_decay": decay, "loss": float(loss.detach()), "gradient": gradient}


def train_all() -> None:
    """Train both networks and store them with the test digits and a manifest."""
    from safetensors.torch import save_file

    STORED.mkdir(parents=True, exist_ok=True)
    X, y = digits()
    trainings = {}
    for name, decay in DECAY.items():
        state, trainings[name] = train(decay, X[:TRAINING], y[:TRAINING])
        save_file(state, STORED / f"{name}.safetensors")
    np.savez_compressed(STORED / "inputs.npz", X=X[TRAINING:], classes=y[TRAINING:])
    settings = {"depth": DEPTH, "width": WIDTH, "digits": TRAINING, "seed": SEED, "steps": STEPS, "rate": RATE}
    stored.write_manifest(STORED, "digits_mlp", settings, ("torch", "numpy", "safetensors", "scikit-learn"), trainings)


def measure(name: str) -> tuple[Report, float]:
    """Return the report on one of the two networks, and the share of the test digits that it classifies rightly."""
    arrays = load_arrays(STORED / "inputs.npz")
    with jax.enable_x64(True):  # as the command line does
        net = load_network(STORED / f"{name}.safetensors")
        right = np.argmax(apply(net, arrays["X"]), axis=1) == arrays["classes"]
        return report(net, arrays["X"]), float(np.mean(right))


def training_table(accuracies: dict[str, float]) -> str:
    """Return the page's table of the two trainings."""
    rows = "".join(
        f"| {SAID[name]} | {t['weight_decay']:g} | {t['loss']:.2g} | {t['gradient']:.1g} | {accuracies[name]:.1%} |\n"
        for name, t in stored.trainings(STORED).items()
    )
    return "| network | weight decay | training loss | gradient | test digits right |\n|---|--:|--:|--:|--:|\n" + rows


def page() -> None:
    """Write the outputs that the page shows: both reports, their figures, and the table of trainings."""
    accuracies = {}
    for name in DECAY:
        measured, accuracies[name] = measure(name)
        write(SHOWN / f"{name}.txt", f"{measured}\n")
        measured.plot(SHOWN / f"{name}.png")
    write(SHOWN / "trainings.txt", training_table(accuracies))


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
