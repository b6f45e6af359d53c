"""The second example of book/any_architecture.md: a convolutional network on the digits, without and with ridge.

`train` makes the weights in results/digits-cnn, in a few minutes; `page` writes what the page shows of them.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bnlib.measure.recorded import Spectra, spectra
from scripts.runs import any_architecture, stored
from scripts.runs.digits_mlp import TRAINING, digits

STORED = any_architecture.ROOT / "results" / "digits-cnn"
CHANNELS, STRIDES, SIDE, BATCH = (1, 8, 12, 12), (1, 2, 2), 8, 128
SEEDS, STEPS, RATE, FINISH = (0, 1, 2), 800, 1e-2, 200
RIDGE = {"plain": 0.0, "penalty": 2e-3}
KERNELS = [f"conv{i}" for i in range(1, len(CHANNELS))]

Parameters = dict[str, Array]


def init(key: Array) -> Parameters:
    """Draw kernels (out, in, 3, 3) with independent entries of variance 2 / (9 in), and zero biases."""
    keys = jax.random.split(key, len(CHANNELS))
    p = {}
    for name, k, before, after in zip(KERNELS, keys, CHANNELS, CHANNELS[1:], strict=False):
        p[name] = jax.random.normal(k, (after, before, 3, 3), jnp.float32) * np.float32((2 / (9 * before)) ** 0.5)
        p[f"{name}.bias"] = jnp.zeros(after, jnp.float32)
    last = jax.random.normal(keys[-1], (10, CHANNELS[-1]), jnp.float32) / np.float32(CHANNELS[-1] ** 0.5)
    return p | {"dense": last, "dense.bias": jnp.zeros(10, jnp.float32)}


def convolve(K: Array, x: Array, stride: int) -> Array:
    """Convolve images x (N, h, w, in) with a kernel (out, in, 3, 3) and zero padding, as one product of matrices."""
    size, padded = x.shape[1], jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = [padded[:, a : a + size : stride, b : b + size : stride] for a in range(3) for b in range(3)]
    return jnp.concatenate(places, axis=-1) @ K.transpose(2, 3, 1, 0).reshape(-1, K.shape[0])


def forward(p: Parameters, x: Any) -> tuple[Array, dict[str, Array]]:
    """Return the outputs (N, 10) and the activations (N, h, w, channels) behind each convolution."""
    recorded: dict[str, Array] = {}
    for name, stride in zip(KERNELS, STRIDES, strict=True):
        x = jax.nn.relu(convolve(p[name], x, stride) + p[f"{name}.bias"][None, None, None])
        recorded[f"after {name}"] = x
    return jnp.mean(x, axis=(1, 2)) @ p["dense"].T + p["dense.bias"][None], recorded


def images(X: np.ndarray) -> np.ndarray:
    """Return digits (N, 64) as images (N, 8, 8, 1)."""
    return X.reshape(-1, SIDE, SIDE, 1)


def train(seed: Any, ridge: Any, *, steps: int = STEPS, finish: int = FINISH) -> tuple[Parameters, dict[str, Array]]:
    """Train on random batches, at last on all digits; return the weights and what the training ended with."""
    X, classes = digits()
    x, y = jnp.asarray(images(X[:TRAINING])), jnp.asarray(classes[:TRAINING])
    start, order = jax.random.split(jax.random.key(seed))
    draw = jax.vmap(lambda key: jax.random.randint(key, (BATCH,), 0, TRAINING))
    rows = draw(jax.random.split(order, steps))
    settings: dict[str, Any] = {"rate": RATE, "steps": steps, "finish": finish, "rows": rows}
    return any_architecture.train_model(forward, init(start), ridge, x, y, **settings)


def train_all() -> None:
    """Train from three seeds, with and without a ridge, and store weights, the test digits and a manifest."""
    runs = any_architecture.train_each(train, SEEDS, RIDGE)
    X, y = digits()
    settings: dict[str, Any] = {"channels": CHANNELS, "strides": STRIDES, "digits": TRAINING, "batch": BATCH}
    settings |= {"seeds": SEEDS, "steps": STEPS, "rate": RATE, "finish": FINISH}
    data = {"X": X[TRAINING:], "classes": y[TRAINING:]}
    any_architecture.store(STORED, "digits_cnn", runs, data, settings)


def measure(name: str) -> tuple[Spectra, float]:
    """Return the spectra of a stored network and of its activations on test digits, and its share of right ones."""
    weights, data = any_architecture.load(STORED, name)
    recorded, right = any_architecture.recorded(forward, weights, images(data["X"]), data["classes"])
    return spectra(weights, recorded, layout="out_in", channels="last"), right


DRAWN = [*KERNELS, *(f"after {name}" for name in KERNELS)]


def page() -> None:
    """Write what the page shows: the table of all seeds, the spectra of one with a ridge, and a figure."""
    any_architecture.page("cnn", measure, STORED, SEEDS, RIDGE, DRAWN)


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
