"""What the two examples of book/any_architecture.md share: runs of all seeds and ridges, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from bnlib import plotting
from bnlib.measure.files import load_arrays
from bnlib.measure.recorded import Spectra
from bnlib.measure.spectrum import Spectrum
from bnlib.training.lbfgs import minimize
from scripts.atomic import write
from scripts.runs import stored

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ROOT / "book" / "any_architecture"

Parameters = dict[str, Any]
Forward = Callable[[Parameters, Any], tuple[Array, dict[str, Array]]]


def names(seeds: Sequence[int], ridges: Mapping[str, float]) -> list[str]:
    """Return the names of the runs."""
    return [f"{name}-{seed}" for name in ridges for seed in seeds]


def objective(forward: Forward, p: Parameters, ridge: Any, x: Any, y: Any) -> tuple[Array, Array]:
    """Return the cross-entropy plus the ridge times the squared norm of all parameters, and the cross-entropy."""
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(forward(p, x)[0], y))
    return loss + ridge * sum(jnp.sum(W**2) for W in p.values()), loss


def train_model(
    forward: Forward,
    p: Parameters,
    ridge: Any,
    x: Any,
    y: Any,
    *,
    rate: float,
    steps: int,
    finish: int,
    rows: Any = None,
) -> tuple[Parameters, dict[str, Array]]:
    """Train by Adam with a rate that decays to zero, then by L-BFGS; return the weights and what it ended with.

    Args:
        forward: outputs, and what is recorded, of parameters on inputs.
        p: parameters at the start.
        ridge: factor of the squared norm.
        x, y: inputs and classes.
        rate: of Adam, at the start.
        steps: number of steps of Adam.
        finish: number of steps of L-BFGS, each on all inputs.
        rows: (steps, batch) of x and y for each step of Adam; None for all of them at once.
    """
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))
    slope = jax.value_and_grad(partial(objective, forward), has_aux=True)

    def step(carry: Any, batch: Any) -> tuple[Any, Array]:
        p, state = carry
        (value, _), gradient = slope(p, ridge, *((x, y) if batch is None else (x[batch], y[batch])))
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(p, change), state), value

    (p, _), values = lax.scan(step, (p, optimiser.init(p)), rows, length=steps)
    flat, restore = ravel_pytree(p)
    p = restore(minimize(lambda flat: objective(forward, restore(flat), ridge, x, y)[0], flat, finish).x)
    value, gradient = slope(p, ridge, x, y)
    return p, {
        "ridge": ridge,
        "loss": value[1],
        "objective": value[0],
        "gradient": optax.global_norm(gradient),
        "gradient of the penalty": 2 * ridge * optax.global_norm(p),
        "first objective": values[0],
    }


def train_each(
    train: Callable[..., Any], seeds: Sequence[int], ridges: Mapping[str, float], **settings: Any
) -> dict[str, tuple[dict[str, np.ndarray], dict[str, float]]]:
    """Train every seed with every ridge, as one program; return weights and endings by name."""
    pairs = [(seed, ridge) for ridge in ridges.values() for seed in seeds]
    each = jax.jit(jax.vmap(lambda seed, ridge: train(seed, ridge, **settings)))
    weights, endings = each(
        jnp.asarray([seed for seed, _ in pairs]), jnp.asarray([ridge for _, ridge in pairs], jnp.float32)
    )
    found = {}
    for i, name in enumerate(names(seeds, ridges)):
        part = {n: np.asarray(W[i]) for n, W in weights.items()}
        found[name] = part, {n: float(v[i]) for n, v in endings.items()}
    return found


def store(folder: Path, module: str, runs: Mapping[str, Any], data: dict[str, Any], settings: dict[str, Any]) -> None:
    """Store weights, data and a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (weights, _) in runs.items():
        np.savez_compressed(folder / f"{name}.npz", **weights)
    np.savez_compressed(folder / "data.npz", **data)
    endings = {name: ending for name, (_, ending) in runs.items()}
    stored.write_manifest(folder, module, settings, ("jax", "numpy", "optax"), endings)


def recorded(forward: Forward, weights: Parameters, x: Any, y: Any) -> tuple[dict[str, Array], float]:
    """Return what a stored model records on inputs, and the share of them that it classifies rightly."""
    outputs, found = forward({name: jnp.asarray(W) for name, W in weights.items()}, x)
    return found, float(np.mean(np.argmax(np.asarray(outputs), axis=1) == y))


def load(folder: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the weights of a run, and the data of its folder."""
    return load_arrays(folder / f"{name}.npz"), load_arrays(folder / "data.npz")


def table(
    found: Mapping[str, tuple[Spectra, float]],
    endings: Mapping[str, Mapping[str, float]],
    seeds: Sequence[int],
    ridges: Mapping[str, float],
    shown: Sequence[str],
) -> str:
    """Return the page's two tables: what the trainings ended with, and the dimension of each spectrum by seed."""
    head = "| ridge | seed | loss | gradient | of the penalty alone | right |\n|--:|--:|--:|--:|--:|--:|\n"
    rows = [
        f"| {ridges[kind]:g} | {seed} | {(e := endings[f'{kind}-{seed}'])['loss']:.2g} | {e['gradient']:.1g} | "
        f"{e['gradient of the penalty']:.1g} | {100 * found[f'{kind}-{seed}'][1]:.0f} % |\n"
        for kind in ridges
        for seed in seeds
    ]
    columns = " | ".join(f"ridge {ridge:g}" for ridge in ridges.values())
    counts = []
    for name in shown:
        cells = [
            ", ".join(str(spectrum(found[f"{kind}-{seed}"][0], name).dimension) for seed in seeds) for kind in ridges
        ]
        most = len(spectrum(found[f"{next(iter(ridges))}-{seeds[0]}"][0], name).singular_values)
        counts.append(f"| {name} | {most} | {' | '.join(cells)} |\n")
    return (
        head + "".join(rows) + "\nDimensions up to a tenth of the norm, one number for each seed:\n\n"
        f"| array | of | {columns} |\n|---|--:|{'--:|' * len(ridges)}\n" + "".join(counts)
    )


def draw(found: Mapping[float, Spectra], shown: Sequence[str], path: Path, folder: Path) -> None:
    """Draw the spectra of two runs relative to their largest values, with the checksums of what was read."""
    plotting.use_style()
    rows = -(-len(shown) // 2)
    fig, axes = plt.subplots(rows, 2, figsize=(5.0, 0.6 + 1.5 * rows), sharey=True)
    for ax, name in zip(axes.flat, shown, strict=False):
        for i, (ridge, spectra) in enumerate(found.items()):
            s = spectrum(spectra, name).singular_values
            label = f"ridge {ridge:g}" if ridge else "no ridge"
            color, marker = (plotting.GREY, ".") if not ridge else (plotting.COLORS[0], plotting.MARKERS[i])
            ax.plot(np.arange(1, len(s) + 1), s / s[0], color=color, marker=marker, linewidth=1, label=label)
        ax.set_title(name, fontsize=10)
    axes.flat[0].legend(loc="upper right", fontsize=9)
    fig.supylabel("singular value, relative to the largest", fontsize=10)
    stored.save_figure(fig, path, " ".join(stored.checksums(folder).values()))


def page(
    example: str,
    measure: Callable[[str], tuple[Spectra, float]],
    folder: Path,
    seeds: Sequence[int],
    ridges: Mapping[str, float],
    shown: Sequence[str],
) -> None:
    """Write what the page shows of an example: the table of all seeds, one with a ridge, and a figure."""
    found = {name: measure(name) for name in names(seeds, ridges)}
    write(SHOWN / f"{example}.txt", table(found, stored.trainings(folder), seeds, ridges, shown))
    write(SHOWN / f"{example}-penalty-0.txt", f"{found['penalty-0'][0]}\n")
    draw({ridge: found[f"{name}-0"][0] for name, ridge in ridges.items()}, shown, SHOWN / f"{example}.png", folder)


def spectrum(found: Spectra, name: str) -> Spectrum:
    """Return the spectrum of a weight, or of activations."""
    return found.weights[name] if name in found.weights else found.activations[name]
