"""Write data and pictures of the page of knobs from results/, or with `--check` compare them.

They are book/_static/{spectra,phases,planes}.{js,svg}. A picture, which is what print shows, is redrawn when its data
or this file change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import orthogonal_procrustes

from bnlib import plotting
from scripts.atomic import write
from scripts.chapters.freshness import digest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("depth", "ridge", "seed", "learned_rank", "decided", "converged", "collapsed", "weights", "representations")
COMPETED = ("depth", "ridge", "seed", "start", "learned_rank", "decided", "objective", "spectrum")
SHOWN = {"depth": (4, 12, 25), "ridge": 0.002, "seed": 0}
CELLS = ((6, 0.004), (24, 0.004), (24, 0.032))  # depths and ridges of the picture of phases
LAYERS = (1, 2, 12)  # of the picture of planes


def records(source: str, root: Path) -> list[dict[str, Any]]:
    """Read the stored trainings of an experiment."""
    stored: list[dict[str, Any]] = json.loads((root / "results" / f"{source}.json").read_text(encoding="utf-8"))[
        "records"
    ]
    return stored


def spectra(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return what the page shows of each training of the grid of depths and ridges, in the order of its knobs."""
    kept = [{name: run[name] for name in KEPT} for run in records("fig-j23-small", root)]
    return sorted(kept, key=lambda run: (run["depth"], run["ridge"], run["seed"]))


def phases(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return what the page shows of each training of the phase diagram, and what a constant function would cost."""
    kept = []
    for run in records("phase-ridges", root):
        constant = run["variance"] + run["ridge"] / (1 + run["ridge"]) * run["mean"]
        kept.append({name: run[name] for name in COMPETED} | {"constant": float(f"{constant:.5g}")})
    return sorted(kept, key=lambda run: (run["depth"], run["ridge"], run["seed"], run["start"] or 0))


def latents() -> np.ndarray:
    """Return radii and phase of the inputs whose codes are stored, (200, 3), in the order of bnlib.experiments."""
    side, turn = np.linspace(-1, 1, 5), np.linspace(-np.pi, np.pi, 8, endpoint=False)
    return np.stack([a.ravel() for a in np.meshgrid(side, side, turn, indexing="ij")], axis=1)


def planes(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return the codes of every layer of the networks on the symmetry task.

    Principal components have no sign and, where two are alike, no direction. So each layer is turned, mirrored and
    scaled such that it matches the square of the two radii as well as it can.
    """
    square, found = latents()[:, :2], []
    for run in sorted(records("symmetry", root), key=lambda run: run["seed"]):
        codes = [np.asarray(code) - np.mean(code, axis=0) for code in run["codes"]]
        turned = [code @ orthogonal_procrustes(code, square)[0] / np.sqrt(np.mean(code**2)) for code in codes]
        kept = {
            name: run[name]
            for name in ("depth", "seed", "learned_rank", "decided", "converged", "orbit_share", "decoded")
        }
        found.append(kept | {"codes": np.round(turned, 3).tolist()})
    return found


def draw_spectra(kept: list[dict[str, Any]]) -> None:
    """Draw the singular values of three depths."""
    fig, axes = plotting.panels(len(SHOWN["depth"]), height=2.6)  # type: ignore[arg-type]
    fig.set_size_inches(9, 2.8)
    for ax, depth in zip(axes, SHOWN["depth"], strict=True):  # type: ignore[call-overload]
        (run,) = [r for r in kept if (r["depth"], r["ridge"], r["seed"]) == (depth, SHOWN["ridge"], SHOWN["seed"])]
        plotting.spectra_by_layer(ax, run["weights"], highlight=2)
        ax.set(title=f"depth {depth}", xlabel="layer", ylim=(0, 2))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("singular values of weights")


def draw_phases(kept: list[dict[str, Any]]) -> None:
    """Draw the spectra of the best networks of three cells."""
    fig, axes = plotting.panels(len(CELLS), height=2.6)
    fig.set_size_inches(9, 2.8)
    for ax, (depth, ridge) in zip(axes, CELLS, strict=True):
        cell = [run for run in kept if (run["depth"], run["ridge"]) == (depth, ridge)]
        for seed in sorted({run["seed"] for run in cell}):
            best = min((run for run in cell if run["seed"] == seed), key=lambda run: run["objective"])
            at, color, marker = range(1, 1 + len(best["spectrum"])), plotting.COLORS[seed], plotting.MARKERS[seed]
            ax.plot(at, best["spectrum"], color=color, marker=marker)
        ax.set(title=f"depth {depth}, ridge {ridge}", xlabel="singular value, by size", ylim=(0, 1.6))
    axes[0].set_ylabel("in the middle layers")


def draw_planes(kept: list[dict[str, Any]]) -> None:
    """Draw three layers of the first network, coloured by the first radius."""
    fig, axes = plotting.panels(len(LAYERS), height=2.6)
    fig.set_size_inches(9, 2.8)
    for ax, layer in zip(axes, LAYERS, strict=True):
        x, y = np.transpose(kept[0]["codes"][layer - 1])
        points = ax.scatter(x, y, c=latents()[:, 0], cmap="viridis", s=10)
        ax.set(title=f"layer {layer}", xticks=[], yticks=[], aspect="equal")
    fig.colorbar(points, ax=list(axes), label="first radius, $s$")


class Figure(NamedTuple):
    """Hold where a figure's data come from, the name that its script sees them by, and how its picture is drawn."""

    source: str
    variable: str
    kept: Callable[[Path], list[dict[str, Any]]]
    draw: Callable[[list[dict[str, Any]]], None]


FIGURES = {
    "spectra": Figure("fig-j23-small", "bnlibSpectra", spectra, draw_spectra),
    "phases": Figure("phase-ridges", "bnlibPhases", phases, draw_phases),
    "planes": Figure("symmetry", "bnlibPlanes", planes, draw_planes),
}


def script(figure: Figure, kept: list[dict[str, Any]]) -> str:
    """Return the data as a script, since a page on disk may load one but may not fetch a file."""
    lines = ",\n".join(json.dumps(run, separators=(",", ":")) for run in kept)
    source = f"// Written by scripts/pages/site_figures.py from results/{figure.source}.json."
    return f"{source}\nwindow.{figure.variable} = [\n{lines}\n];\n"


def picture_stamp(kept: list[dict[str, Any]]) -> str:
    """Return a fingerprint of what the picture depends on; drawn digits may differ between processors."""
    return digest([kept, Path(__file__).read_text(encoding="utf-8")])


def picture(figure: Figure, kept: list[dict[str, Any]], path: Path) -> None:
    """Draw the picture into a file."""
    plotting.use_style()
    mpl.rcParams["svg.hashsalt"] = figure.source
    figure.draw(kept)
    plt.savefig(path, metadata={"Date": None, "Description": picture_stamp(kept)})
    plt.close("all")
    write(path, re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.M))


def stale(root: Path = ROOT) -> list[str]:
    """Name the files that are not what the results say."""
    found = []
    for name, figure in FIGURES.items():
        kept = figure.kept(root)
        data, drawn = (root / "book" / "_static" / f"{name}.{suffix}" for suffix in ("js", "svg"))
        if not data.exists() or data.read_text(encoding="utf-8") != script(figure, kept):
            found.append(data.name)
        if not drawn.exists() or picture_stamp(kept) not in drawn.read_text(encoding="utf-8"):
            found.append(drawn.name)
    return found


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, or with `--check` name it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    found = stale()
    if parser.parse_args(argv).check:
        if found:
            print(f"{', '.join(found)}: stale, run `python -m scripts.pages.site_figures`.", file=sys.stderr)
        return int(bool(found))
    for name, figure in FIGURES.items():
        path, kept = ROOT / "book" / "_static" / name, figure.kept(ROOT)
        if f"{name}.js" in found:
            write(path.with_suffix(".js"), script(figure, kept))
        if f"{name}.svg" in found:
            picture(figure, kept, path.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
