"""The first example of book/any_architecture.md: a transformer that adds modulo 7, without and with ridge.

`train` makes the weights in results/small-transformer, in two minutes; `page` writes what the page shows of them.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from bnlib.measure.recorded import Spectra, spectra
from scripts.atomic import write
from scripts.runs import any_architecture, stored

STORED, SHOWN = any_architecture.ROOT / "results" / "small-transformer", any_architecture.SHOWN
MODULUS, WIDTH, HIDDEN, HEADS, BLOCKS = 7, 24, 48, 2, 2
SEEDS, STEPS, RATE = (0, 1, 2), 3000, 1e-2
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
        hidden = jax.nn.relu(x @ p[f"block{b}.up"].T + p[f"block{b}.bias"][None, None])
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


def objective(p: Parameters, ridge: Any, tokens: Any, sums: Any) -> tuple[Array, Array]:
    """Return the cross-entropy plus the ridge times the squared norm of all parameters, and the cross-entropy."""
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(forward(p, tokens)[0], sums))
    return loss + ridge * sum(jnp.sum(W**2) for W in p.values()), loss


def train(seed: Any, ridge: Any, *, steps: int = STEPS) -> tuple[Parameters, dict[str, Array]]:
    """Train by Adam on all sums at once; return the weights and what the training ended with."""
    tokens, sums = map(jnp.asarray, task())
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    slope = jax.value_and_grad(objective, has_aux=True)

    def step(carry: Any, _: None) -> tuple[Any, Array]:
        p, state = carry
        (value, _), gradient = slope(p, ridge, tokens, sums)
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(p, change), state), value

    p = init(jax.random.key(seed))
    (p, _), values = lax.scan(step, (p, optimiser.init(p)), None, length=steps)
    return p, any_architecture.ending(values, p, ridge, *slope(p, ridge, tokens, sums))


def train_all() -> None:
    """Train from three seeds, with and without a ridge, and store weights, sums and a manifest."""
    runs = any_architecture.train_each(train, SEEDS, RIDGE)
    tokens, sums = task()
    settings: dict[str, Any] = {"modulus": MODULUS, "width": WIDTH, "hidden": HIDDEN, "heads": HEADS, "blocks": BLOCKS}
    settings |= {"seeds": SEEDS, "steps": STEPS, "rate": RATE}
    any_architecture.store(STORED, "small_transformer", runs, {"tokens": tokens, "sums": sums}, settings)


def measure(name: str) -> tuple[Spectra, float]:
    """Return the spectra of a stored transformer and its activations, and its share of right sums."""
    weights, data = any_architecture.load(STORED, name)
    outputs, recorded = forward({n: jnp.asarray(W) for n, W in weights.items()}, data["tokens"])
    right = np.argmax(np.asarray(outputs), axis=1) == data["sums"]
    return spectra(weights, recorded, scale_free=SCALE_FREE), float(np.mean(right))


MLP = ["block1.up", "block1.down", "block2.up", "block2.down", "block1.hidden", "block2.hidden"]


def page() -> None:
    """Write what the page shows: the table of all seeds, the spectra of one with a ridge, and a figure."""
    found = {name: measure(name) for name in any_architecture.names(SEEDS, RIDGE)}
    table = any_architecture.table(found, stored.trainings(STORED), SEEDS, RIDGE, MLP)
    write(SHOWN / "transformer.txt", table)
    write(SHOWN / "transformer-penalty-0.txt", f"{found['penalty-0'][0]}\n")
    any_architecture.draw(
        {RIDGE[name]: found[f"{name}-0"][0] for name in RIDGE}, MLP, SHOWN / "transformer.png", STORED
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
