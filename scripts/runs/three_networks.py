"""Three networks of book/your_network.md: one task, one start and three ridges show three kinds of bottleneck.

`train` makes the weights in results/three-networks, in half a minute; `page` writes what the page shows of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jax import Array, lax

import bnlib as bn
from bnlib import plotting
from bnlib.measure import advice, words
from bnlib.measure.files import load_arrays
from bnlib.measure.readers import load_network
from bnlib.measure.report import Report, report
from scripts.atomic import write
from scripts.runs import stored

ROOT = Path(__file__).resolve().parents[2]
STORED, SHOWN = ROOT / "results" / "three-networks", ROOT / "book" / "your_network"
DEPTH, WIDTH, POINTS, SEED = 8, 20, 64, 0
LATENT, INPUTS, OUTPUTS, RANK = 4, 8, 6, 2
STEPS, RATE = 6000, 2e-3
RIDGE = {"absent": 0.0, "partial": 2e-3, "healthy": 2e-2}


def task() -> bn.tasks.Task:
    """Return the task: outputs that depend on two of four latent numbers behind the inputs."""
    key = jax.random.key(SEED)
    return bn.tasks.latent_task(key, POINTS, rank=RANK, d_latent=LATENT, d_in=INPUTS, d_out=OUTPUTS)


def error(net: bn.Network, X: Any, Y: Any) -> Array:
    """Return the squared error, added over outputs and averaged over points."""
    return jnp.mean(jnp.sum((bn.apply(net, X) - Y) ** 2, axis=1))


def train(ridge: float, X: Any, Y: Any, *, steps: int = STEPS) -> tuple[bn.Network, np.ndarray]:
    """Train by Adam with the penalty in the loss, as the loop of the page does; return the objective of each step."""
    start = bn.init(jax.random.key(SEED + 1), INPUTS, WIDTH, OUTPUTS, DEPTH)
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    def objective(net: bn.Network) -> Array:
        return error(net, X, Y) + ridge * bn.squared_norm(net)

    @jax.jit
    def run(net: bn.Network) -> tuple[bn.Network, Array]:
        def step(carry: Any, _: None) -> tuple[Any, Array]:
            net, state = carry
            value, gradient = jax.value_and_grad(objective)(net)
            change, state = optimiser.update(gradient, state, net)
            return (optax.apply_updates(net, change), state), value

        (net, _), values = lax.scan(step, (net, optimiser.init(net)), None, length=steps)
        return net, values

    net, values = run(start)
    return net, np.asarray(values)


def train_all() -> None:
    """Train the three networks and store them with the task and a manifest."""
    STORED.mkdir(parents=True, exist_ok=True)
    trainings = {}
    with jax.enable_x64(True):
        data = task()
        X, Y = np.asarray(data.X), np.asarray(data.Y)
        for name, ridge in RIDGE.items():
            net, values = train(ridge, X, Y)
            arrays: dict[str, Any] = bn.to_torch_state(net)
            np.savez_compressed(STORED / f"{name}.npz", **arrays)
            trainings[name] = {
                "ridge": ridge,
                "objective": float(values[-1]),
                "decrease": float((values[-100] - values[-1]) / values[-1]),
            }
        X_test, Y_test = np.asarray(data.X_test), np.asarray(data.Y_test)
        np.savez_compressed(STORED / "task.npz", X=X, Y=Y, X_test=X_test, Y_test=Y_test)
    settings = {"depth": DEPTH, "width": WIDTH, "points": POINTS, "seed": SEED, "steps": STEPS, "rate": RATE}
    stored.write_manifest(STORED, "three_networks", settings, ("jax", "numpy", "optax"), trainings)


def measure() -> dict[str, tuple[Report, float, float]]:
    """Return the report on each network, and its errors on the training points and on others."""
    found = {}
    with jax.enable_x64(True):
        data = load_arrays(STORED / "task.npz")
        for name in RIDGE:
            net = load_network(STORED / f"{name}.npz", d_in=INPUTS)
            fit, test = (float(error(net, data[f"X{which}"], data[f"Y{which}"])) for which in ("", "_test"))
            found[name] = (report(net, data["X"]), fit, test)
    return found


def table(found: dict[str, tuple[Report, float, float]]) -> str:
    """Return the page's table of the three networks, and what the report says of each."""
    rows = [
        f"| {name} | {RIDGE[name]:g} | {fit:.4f} | {test:.4f} | {words.percent(r.squared_norm, r.bound)} % | "
        f"{r.relative_imbalance:.2g} |\n"
        for name, (r, fit, test) in found.items()
    ]
    said = [f"- {name}: *{r.words['bottleneck']}*\n" for name, (r, *_) in found.items()]
    head = "| bottleneck | ridge | error | on new points | certified | imbalance |\n|---|--:|--:|--:|--:|--:|\n"
    return head + "".join(rows) + "\nWhat the report says of the weights:\n\n" + "".join(said)


def draw(found: dict[str, tuple[Report, float, float]], path: Path) -> None:
    """Draw the singular values of the weights of all three, side by side, with the checksums of what was read."""
    plotting.use_style()
    fig, axes = plt.subplots(1, 3, figsize=(6.0, 2.8), sharey=True)
    for ax, (name, (r, *_)) in zip(axes, found.items(), strict=True):
        absent = r.bottleneck == "absent"
        values = r.weights.copy()
        values[0, INPUTS:] = values[-1, OUTPUTS:] = np.nan  # the ends have fewer
        label = f"all {WIDTH}" if absent else None
        plotting.spectra_by_layer(ax, values, highlight=0 if absent else r.rank or 0, shown=WIDTH, label=label)
        ridge = f"ridge {RIDGE[name]:g}" if RIDGE[name] else "no ridge"
        ax.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="layer", title=f"{name.capitalize()}\n{ridge}", ylim=(0, None))
        ax.legend(loc="upper center", fontsize=9)
    axes[0].set_ylabel("singular values of the weights")
    stored.save_figure(fig, path, drawn_from())


def advice_table() -> str:
    """Return the page's table of what one sees, what it means and what to try, from the one that reports use."""
    rows = [f"| {row.see} | {row.means} | {advice.linked(row.do, _link)} |\n" for row in advice.ADVICE]
    return "| you see | it means | try |\n|---|---|---|\n" + "".join(rows)


def _link(words: str, page: str, place: str) -> str:
    """Return a link as the book writes it: to a theorem, to another place, or to a chapter."""
    if not place:
        return f"{{doc}}`{words} </{page}>`"
    return f"{{prf:ref}}`{words} <{place}>`" if place.startswith(("thm-", "cor-")) else f"{{ref}}`{words} <{place}>`"


def drawn_from() -> str:
    """Return the checksums of the files behind the figure, in one line."""
    return " ".join(stored.checksums(STORED).values())


def page() -> None:
    """Write what the page shows: the table, the report on the healthy network and the figure."""
    found = measure()
    write(SHOWN / "three.txt", table(found))
    write(SHOWN / "advice.txt", advice_table())
    write(SHOWN / "healthy.txt", f"{found['healthy'][0]}\n")
    draw(found, SHOWN / "three.png")


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands."""
    return stored.command(__doc__, train_all, page, arguments)


if __name__ == "__main__":
    sys.exit(main())
