"""Compute the points that two chapters move, or with `--check` hold the stored ones to their manifest.

They are book/_static/widgets/{cloud,points}-data.js: the training set in every layer of the network of the figure
`fig-features-maps`, and the bottleneck of the infinitely wide network of `fig-features` after several steps. Each file
has a manifest with its settings, which are those of the chapter, and the checksum of its frames.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bnlib as bn
from bnlib import experiments, infinite, tasks
from bnlib.experiments.records import checksum
from bnlib.measure.representations import principal_plane
from bnlib.wide.problems import problem, sphere_task
from scripts.atomic import write
from scripts.chapters.rerun import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("book") / "_static" / "widgets"
CLOUD: dict[str, Any] = {"root": 10, "n_train": 80, "width": 20, "ridge": 0.004, "start": 8, "depth": 24}
POINTS: dict[str, Any] = {
    "stream": "iw-alignment",
    "n_train": 100,
    "n_test": 300,
    "width": 2048,
    "scale": 10,
    "share": 0.03,
    "d": 2,
}
STOP, CAP = 0.01, 300  # as in the chapter: the fraction of the first loss, and the number of steps, at which to end
FRAMES = 40  # of the points, about


def cloud() -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """Train the network of the chapter on features, and project the training set in every layer to its plane.

    Returns:
        For every layer, the input and the output included, the plane of the two leading principal components, turned
        to fit the layer before, with the share of the variance that it holds; and the two latents that matter.
    """
    root, depth = jax.random.key(CLOUD["root"]), CLOUD["depth"]
    data = tasks.latent_task(jax.random.fold_in(root, 0), CLOUD["n_train"], rank=2)
    key = jax.random.fold_in(root, 1000 * depth)
    start = bn.init(key, data.X.shape[1], CLOUD["width"], data.Y.shape[1], CLOUD["start"])
    net = bn.train(start, data.X, data.Y, CLOUD["ridge"], depth=depth, stages=experiments.MEDIUM).net
    acts = bn.activations(jax.tree.map(lambda a: a.astype(jnp.float64), net), data.X)
    frames, flat = [], None
    for layer, A in enumerate([data.X, *acts.post, acts.output]):
        flat, share = principal_plane(A, flat)
        frames.append({"layer": layer, "share": round(share, 4), "points": np.round(flat, 3).tolist()})
    return frames, {f"latent {i + 1}": np.round(data.latent[:, i], 3).tolist() for i in range(2)}


def points() -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """Train the infinitely wide network of the chapter on its features, and keep its bottleneck after some steps.

    Returns:
        Step, loss relative to the first, centred kernel alignment with the target, and points (N, 2); and the target
        with the two coordinates of the inputs that it depends on.
    """
    N, s, relu = POINTS["n_train"], POINTS["scale"], infinite.Wide()
    inputs = sphere_task(bn.stream(POINTS["stream"], 10_000), N + POINTS["n_test"], train=N)
    data, rng = problem(*inputs, train=N), bn.stream(POINTS["stream"], POINTS["d"])
    y = data.y[:N]
    f = infinite.WideLayer.draw(relu, POINTS["d"], POINTS["width"], rng, dtype=np.float32)
    Z = infinite.bottleneck(data.K, POINTS["d"], rng, beyond=True)
    states = []
    for state in infinite.descend(f, Z, data.theta, s * y, POINTS["share"] * data.edge):
        states.append((state.loss, state.Z[:N]))
        if state.loss < STOP * states[0][0] or state.step >= CAP:
            break
    steps = np.unique(np.round(np.geomspace(1, len(states), FRAMES)).astype(int)) - 1  # many of the first ones
    frames = []
    for step in steps.tolist():
        loss, Z = states[step]
        A, t = Z - Z.mean(0), y - y.mean()
        alignment = np.sum((A.T @ t) ** 2) / (np.linalg.norm(A @ A.T) * (t @ t))
        numbers = {"loss": loss / states[0][0], "alignment": alignment}
        kept = {name: float(f"{value:.4g}") for name, value in numbers.items()}
        frames.append({"step": step} | kept | {"points": np.round(Z, 3).tolist()})
    colours = {"target": y, "first coordinate": inputs[0][:N, 0], "second coordinate": inputs[0][:N, 1]}
    return frames, {name: np.round(values, 3).tolist() for name, values in colours.items()}


class Film(NamedTuple):
    """Hold the name by which a script sees a film, its settings, and how its frames and colours are computed."""

    variable: str
    settings: dict[str, Any]
    compute: Callable[[], tuple[list[dict[str, Any]], dict[str, list[float]]]]


FILMS = {"cloud": Film("bnlibCloud", CLOUD, cloud), "points": Film("bnlibPoints", POINTS, points)}


def path(name: str, root: Path = ROOT) -> Path:
    """Return where the data of a film lie."""
    return root / FOLDER / f"{name}-data.js"


def read(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Read the stored data of a film.

    Raises:
        ValueError: the file is not what this script writes.
    """
    found = re.fullmatch(
        rf"// [^\n]*\nwindow\.{FILMS[name].variable} = (.*);\n", path(name, root).read_text(encoding="utf-8"), re.S
    )
    if found is None:
        raise ValueError(f"'{path(name, root).name}' is no film: compute it by `python -m scripts.pages.films {name}`.")
    film: dict[str, Any] = json.loads(found[1])
    return film


def script(name: str, frames: list[dict[str, Any]], colours: dict[str, list[float]]) -> str:
    """Return the data as a script, a frame a line, since a page on disk may load one but may not fetch a file."""
    manifest = {
        "command": f"python -m scripts.pages.films {name}",
        "settings": FILMS[name].settings,
        "versions": {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__},
        "sha256": checksum([*frames, colours]),
    }
    lines = ",\n".join(json.dumps(frame, separators=(",", ":")) for frame in frames)
    head = f'"manifest":{json.dumps(manifest)},\n"colours":{json.dumps(colours, separators=(",", ":"))},\n'
    source = "// Written by scripts/pages/films.py, which also checks it."
    return f'{source}\nwindow.{FILMS[name].variable} = {{{head}"frames":[\n{lines}\n]}};\n'


def faults(root: Path = ROOT) -> list[str]:
    """Name the films that are not what their manifest says, or whose settings are not those of this script."""
    found = []
    for name, film in FILMS.items():
        try:
            stored = read(name, root)
            whole = checksum([*stored["frames"], stored["colours"]]) == stored["manifest"]["sha256"]
            same = stored["manifest"]["settings"] == film.settings
        except (OSError, ValueError, KeyError, TypeError):
            whole = same = False
        if not (whole and same):
            found.append(name)
    return found


def main(argv: list[str] | None = None) -> int:
    """Compute the films that are named, or with `--check` hold all to their manifests; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("films", nargs="*", help=f"which to compute, of {' and '.join(FILMS)}; both when none is named")
    parser.add_argument("--check", action="store_true", help="compute nothing; fail when a stored film is not whole")
    args = parser.parse_args(argv)
    if unknown := set(args.films) - set(FILMS):
        parser.error(f"There is no film '{min(unknown)}': name {' or '.join(FILMS)}.")
    if args.check:
        if found := faults():
            print(
                f"{', '.join(found)}: not whole, run `python -m scripts.pages.films {' '.join(found)}`.",
                file=sys.stderr,
            )
        return int(bool(found))
    for name, value in ENVIRONMENT.items():  # read when JAX first computes: rounding is then that of the chapters
        os.environ.setdefault(name, value)
    with jax.enable_x64(True):
        for name in args.films or FILMS:
            write(path(name), script(name, *FILMS[name].compute()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
