"""The first example of book/any_architecture.md: a transformer that adds modulo 7, without and with ridge.

`train` makes the weights in results/small-transformer, in a few minutes; `page` writes what the page shows of them.
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

STORED = any_architecture.ROOT / "results" / "small-transformer"
MODULUS, WIDTH, HIDDEN, HEADS, BLOCKS = 7, 24, 48, 2, 2
SEEDS, STEPS, RATE, FINISH = (0, 1, 2), 3000, 3e-3, 1000
RIDGE = {"plain": 0.0, "penalty": 2e-3}
# The outputs depend on the product of query and key alone.
SCALE_FREE = tuple(f"block{b}.{factor}" for b in range(1, BLOCKS + 1) for factor in ("query", "key"))

Parameters = dict[str, Array]


def task() -> tuple[np.ndarray, np.ndarray]:
    """Return all sums of two numbers as rows a, b, =, and their values modulo 7."""
    a, b = np.divmod(np.arange(MODULUS**2), MODULUS)
    return np.stack([a, b, np.full(MODULUS**2, MODULUS)], axis=1), (a + b) % MODULUS


def init(key: Array) -> Parameters:
    """Draw weights (out, in) with independent entries of variance 1 / in; embeddings have entries of variance one."""
    shapes = {"embed": (WIDTH, MODULUS + 1), "position": (WIDTH, 3)}
    for b in range(1, BLOCKS + 1):
        shapes |= {f"block{b}.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value", "output")}
        shapes |= {f"block{b}.up": (HIDDEN, WIDTH), f"block{b}.down": (WIDTH, HIDDEN)}
    shapes["unembed"] = (MODULUS, WIDTH)
    keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
    weights = {name: jax.random.normal(keys[name], shape, jnp.float32) for name, shape in shapes.items()}
    scaled = {n: W if n in ("embed", "position") else W / np.float32(W.shape[1] ** 0.5) for n, W in weights.items()}
    return scaled | {f"block{b}.bias": jnp.zeros(HIDDEN, jnp.float32) for b in range(1, BLOCKS + 1)}


def forward(p: Parameters, tokens: Any) -> tuple[Array, dict[str, Array]]:
    """Return the outputs (N, 7) at the last token, and the activations (N, 3, d) at the places of the MLP blocks."""
    x = p["embed"].T[tokens] + p["position"].T[None]
    recorded: dict[str, Array] = {}
    for b in range(1, BLOCKS + 1):
        x = x + _attention({n: p[f"block{b}.{n}"] for n in ("query", "key", "value", "output")}, x)
        hidden = jax.nn.gelu(x @ p[f"block{b}.up"].T + p[f"block{b}.bias"][None, None])
        recorded |= {f"block{b}.before": x, f"block{b}.hidden": hidden}
        x = x + hidden @ p[f"block{b}.down"].T
        recorded[f"block{b}.after"] = x
    return x[:, -1] @ p["unembed"].T, recorded


def _attention(p: Parameters, x: Array) -> Array:
    heads = (*x.shape[:-1], HEADS, WIDTH // HEADS)
    query, key, value = ((x @ p[name].T).reshape(heads) for name in ("query", "key", "value"))
    scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) / np.float32((WIDTH // HEADS) ** 0.5)
    scores = jnp.where(jnp.tril(jnp.ones((3, 3), bool))[None, None], scores, -jnp.inf)
    mixed = jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores), value)
    return mixed.reshape(x.shape) @ p["output"].T


def train(seed: Any, ridge: Any, *, steps: int = STEPS, finish: int = FINISH) -> tuple[Parameters, dict[str, Array]]:
    """Train on all sums at once; return the weights and what the training ended with."""
    tokens, sums = map(jnp.asarray, task())
    p = init(jax.random.key(seed))
    return any_architecture.train_model(forward, p, ridge, tokens, sums, rate=RATE, steps=steps, finish=finish)


def train_all() -> None:
    """Train from three seeds, with and without a ridge, and store weights, sums and a manifest."""
    runs = any_architecture.train_each(train, SEEDS, RIDGE)
    tokens, sums = task()
    settings: dict[str, Any] = {"modulus": MODULUS, "width": WIDTH, "hidden": HIDDEN, "heads": HEADS, "blocks": BLOCKS}
    settings |= {"seeds": SEEDS, "steps": STEPS, "rate": RATE, "finish": FINISH}
    any_architecture.store(STORED, "small_transformer", runs, {"tokens": tokens, "sums": sums}, settings)


def measure(name: str) -> tuple[Spectra, float]:
    """Return the spectra of a stored transformer and its activations, and its share of right sums."""
    weights, data = any_architecture.load(STORED, name)
    recorded, right = any_architecture.recorded(forward, weights, data["tokens"], data["sums"])
    return spectra(weights, recorded, scale_free=SCALE_FREE), right


MLP = ["block1.up", "block1.down", "block2.up", "block2.down", "block1.hidden", "block2.hidden"]


def page() -> None:
    """Write what the page shows: the table of all seeds, the spectra of one with a ridge, and a figure."""
    any_architecture.page("transformer", measure, STORED, SEEDS, RIDGE, MLP)


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
