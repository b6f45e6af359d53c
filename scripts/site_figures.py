"""Write data and picture of the page of knobs, book/_static/spectra.{js,svg}, from results/ (`--check`: compare).

The picture, which is what print shows, is redrawn when its data or this file change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from atomic import write
from bnlib import plotting
from freshness import digest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "fig-j23-small"
KEPT = ("depth", "ridge", "seed", "learned_rank", "decided", "converged", "collapsed", "weights", "representations")
SHOWN = {"depth": (4, 12, 25), "ridge": 0.002, "seed": 0}


def runs(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return what the page shows of each stored training, in the order of its knobs."""
    stored = json.loads((root / "results" / f"{SOURCE}.json").read_text(encoding="utf-8"))["records"]
    kept = [{name: run[name] for name in KEPT} for run in stored]
    return sorted(kept, key=lambda run: (run["depth"], run["ridge"], run["seed"]))


def script(kept: list[dict[str, Any]]) -> str:
    """Return the data as a script, since a page on disk may load one but may not fetch a file."""
    lines = ",\n".join(json.dumps(run, separators=(",", ":")) for run in kept)
    return f"// Written by scripts/site_figures.py from results/{SOURCE}.json.\nwindow.bnlibSpectra = [\n{lines}\n];\n"


def picture_stamp(kept: list[dict[str, Any]]) -> str:
    """Return a fingerprint of what the picture depends on; drawn digits may differ between processors."""
    return digest([kept, Path(__file__).read_text(encoding="utf-8")])


def draw(kept: list[dict[str, Any]], path: Path) -> None:
    """Draw the singular values of three depths."""
    plotting.use_style()
    mpl.rcParams["svg.hashsalt"] = SOURCE
    fig, axes = plotting.panels(len(SHOWN["depth"]), height=2.6)  # type: ignore[arg-type]
    fig.set_size_inches(9, 2.8)
    for ax, depth in zip(axes, SHOWN["depth"], strict=True):  # type: ignore[call-overload]
        (run,) = [r for r in kept if (r["depth"], r["ridge"], r["seed"]) == (depth, SHOWN["ridge"], SHOWN["seed"])]
        plotting.spectra_by_layer(ax, run["weights"], highlight=2)
        ax.set(title=f"depth {depth}", xlabel="layer", ylim=(0, 2))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("singular values of weights")
    fig.savefig(path, metadata={"Date": None, "Description": picture_stamp(kept)})
    plt.close(fig)
    write(path, re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.M))


def stale(root: Path = ROOT) -> list[str]:
    """Name the files that are not what the results say."""
    kept, folder = runs(root), root / "book" / "_static"
    data, picture = folder / "spectra.js", folder / "spectra.svg"
    found = [data.name] if not data.exists() or data.read_text(encoding="utf-8") != script(kept) else []
    if not picture.exists() or picture_stamp(kept) not in picture.read_text(encoding="utf-8"):
        found.append(picture.name)
    return found


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, or with `--check` name it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    found = stale()
    if parser.parse_args(argv).check:
        if found:
            print(f"{', '.join(found)}: not what results/ says, run scripts/site_figures.py.", file=sys.stderr)
        return int(bool(found))
    folder = ROOT / "book" / "_static"
    if "spectra.js" in found:
        write(folder / "spectra.js", script(runs()))
    if "spectra.svg" in found:
        draw(runs(), folder / "spectra.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
