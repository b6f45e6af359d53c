"""What the two examples of book/any_architecture.md share: runs of all seeds and ridges, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jax import Array

from bnlib import plotting
from bnlib.measure.files import load_arrays
from bnlib.measure.recorded import Spectra
from bnlib.measure.spectrum import Spectrum
from scripts.runs import stored

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ROOT / "book" / "any_architecture"


def names(seeds: Sequence[int], ridges: Mapping[str, float]) -> list[str]:
    """Return the names of the runs."""
    return [f"{name}-{seed}" for name in ridges for seed in seeds]


def ending(values: Array, p: Any, ridge: Any, value: tuple[Array, Array], gradient: Any) -> dict[str, Array]:
    """Return what a training ended with: its loss, objective, gradient, and the gradient of its penalty alone."""
    return {
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
    fig, axes = plt.subplots(rows, 2, figsize=(6.0, 0.6 + 1.6 * rows), sharey=True)
    for ax, name in zip(axes.flat, shown, strict=False):
        for i, (ridge, spectra) in enumerate(found.items()):
            s = spectrum(spectra, name).singular_values
            label = f"ridge {ridge:g}" if ridge else "no ridge"
            color, marker = (plotting.GREY, ".") if not ridge else (plotting.COLORS[0], plotting.MARKERS[i])
            ax.plot(np.arange(1, len(s) + 1), s / s[0], color=color, marker=marker, linewidth=1, label=label)
        ax.set_title(name, fontsize=10)
    axes.flat[0].legend(loc="upper right", fontsize=9)
    fig.supylabel("singular value, relative to the largest", fontsize=10)
    draft = path.with_suffix(".draft")
    path.parent.mkdir(parents=True, exist_ok=True)
    source = " ".join(stored.checksums(folder).values())
    fig.savefig(draft, format="png", dpi=150, metadata={"Source": source, "Software": None})
    plt.close(fig)
    draft.replace(path)


def spectrum(found: Spectra, name: str) -> Spectrum:
    """Return the spectrum of a weight, or of activations."""
    return found.weights[name] if name in found.weights else found.activations[name]
