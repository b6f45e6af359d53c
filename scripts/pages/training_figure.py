"""Run the training of the page of knobs under node and draw it, or with `--check` hold what is stored to its sources.

`--train` runs book/_static/widgets/train-worker.js, the code of the page itself, for all depths and ridges that the
page offers, and stores what came of it in results/browser-training.json with the fingerprint of that code. The
picture, which print and readers without scripts see, is drawn from there: book/_static/widgets/training.svg.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import bnlib as bn
from bnlib import plotting
from bnlib.experiments.records import checksum
from scripts.atomic import write
from scripts.chapters.freshness import digest

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path("book") / "_static" / "widgets" / "train-worker.js"
PICTURE = WORKER.with_name("training.svg")
RESULTS = Path("results") / "browser-training.json"
MISSING = "There is no node here, which runs the code of the page: install Node.js."
DEPTHS, RIDGES, SEEDS = (8, 10, 12), (0.0, 0.003, 0.01, 0.02, 0.05, 0.1), (0, 1)
PLAN = [
    *({"rank": 2, "depth": L, "ridge": a, "seed": s} for L in DEPTHS for a in RIDGES for s in SEEDS),
    *({"rank": 1, "depth": 10, "ridge": a, "seed": 0} for a in RIDGES),
]
FIRST = {"rank": 2, "depth": 10, "ridge": 0.02, "seed": 0}  # what the page begins with
KEPT = ("loss", "squaredNorm", "objective", "rank", "gap", "decided", "decrease", "imbalance", "converged", "collapsed")
SHOWN = ((0.02, 0), (0.02, -1), (0.0, -1))  # ridges of the picture, and which of the stored moments
# Reads one setting a line and answers each with a report at the start, after a thousand steps, and at the end.
PROGRAM = """
const trainer = require(process.argv[1])();
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) {
  const training = trainer.create(JSON.parse(line)), told = [training.report()];
  while (!training.finished()) {
    training.advance();
    if (training.history.length === 1000) told.push(training.report());
  }
  const { theta, data, shape: { layers } } = training, [w, X, Y] = [theta, data.X, data.Y].map((a) => [...a]);
  console.log(JSON.stringify([...told, { ...training.report(), layers, theta: w, X, Y }]));
}
"""


def node() -> str | None:
    """Return the path of node, None where there is none."""
    return shutil.which("node")


def run(program: str, lines: list[Any], root: Path = ROOT) -> list[Any]:
    """Run a program under node that is given the path of the page's code and a line of JSON for every setting.

    Args:
        program: JavaScript.
        lines: what it reads, a line each.
        root: the checkout.

    Returns:
        What it prints, a line of JSON each.

    Raises:
        FileNotFoundError: there is no node.
        RuntimeError: the program failed.
    """
    if (path := node()) is None:
        raise FileNotFoundError(MISSING)
    text = "\n".join(json.dumps(line) for line in lines)
    done = subprocess.run([path, "-e", program, str(root / WORKER)], input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"node could not run '{WORKER.name}':\n{done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def record(setting: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is stored of one training: where it ended, and the singular values of all layers at three moments."""
    ended = {name: told[-1][name] for name in KEPT}
    spectra = [[[float(f"{s:.4g}") for s in row] for row in report["spectra"]] for report in told]
    return {"target": setting["rank"]} | setting | ended | {"steps": [r["step"] for r in told], "spectra": spectra}


def continued(end: dict[str, Any], ridge: float) -> dict[str, float]:
    """Train on from where the page ends, by the L-BFGS of ``bn.train`` alone and without smoothing the ReLU.

    Args:
        end: the last report of `PROGRAM`.
        ridge: that of the training.

    Returns:
        By how much the objective fell, relative to where the page ended, and the rank of the network then.
    """
    theta = np.array(end["theta"])
    parts = [
        (theta[a["W"] : a["b"]].reshape(a["rows"], a["columns"]), theta[a["b"] : a["b"] + a["rows"]])
        for a in end["layers"]
    ]
    X, Y = (np.reshape(end[name], (-1, end["options"]["points"])).T for name in ("X", "Y"))
    with jax.enable_x64(True):
        found = bn.train(
            bn.from_layers(parts), X, Y, ridge, first_order_steps=0, stages=((0.0, 400),), dtype=jnp.float64
        )
        return {"fell": 1 - found.objective / end["objective"], "rank": bn.bottleneck_rank(found.net, X).rank}


def fingerprint(root: Path = ROOT) -> str:
    """Return the fingerprint of the code of the page."""
    return digest((root / WORKER).read_text(encoding="utf-8"))


def train(root: Path = ROOT) -> None:
    """Run all settings, one after the other, and store what came of them."""
    begun, records = time.monotonic(), []
    for setting in PLAN:
        (told,) = run(PROGRAM, [setting], root)
        records.append(record(setting, told))
        if setting == FIRST:
            records[-1] |= {"continued": continued(told[-1], setting["ridge"])}
        print(f"{len(records)} of {len(PLAN)}: {setting}", flush=True)
    version = subprocess.run([str(node()), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    manifest = {
        "command": "python -m scripts.pages.training_figure --train",
        "node": version,
        "code": fingerprint(root),
        "seconds": round(time.monotonic() - begun, 1),
        "sha256": checksum(records),
    }
    write(root / RESULTS, json.dumps({"manifest": manifest, "records": records}) + "\n")


def stored(root: Path = ROOT) -> list[dict[str, Any]]:
    """Read the stored trainings.

    Raises:
        ValueError: they are not those of their manifest, or of another code than that of the page.
    """
    content = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    records: list[dict[str, Any]] = content["records"]
    if checksum(records) != content["manifest"]["sha256"]:
        raise ValueError(f"The records in '{RESULTS.name}' are not those of its manifest: their checksum differs.")
    if content["manifest"]["code"] != fingerprint(root):
        raise ValueError(
            f"'{RESULTS.name}' is of another '{WORKER.name}': run `python -m scripts.pages.training_figure --train`."
        )
    return records


def stamp(records: list[dict[str, Any]]) -> str:
    """Return a fingerprint of what the picture depends on; drawn digits may differ between processors."""
    return digest([records, Path(__file__).read_text(encoding="utf-8")])


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Draw the singular values of every layer at the start, at the end, and at the end of the control."""
    plotting.use_style()
    mpl.rcParams["svg.hashsalt"] = RESULTS.stem
    fig, axes = plotting.panels(len(SHOWN), height=2.6)
    fig.set_size_inches(9, 2.8)
    for ax, (ridge, moment) in zip(axes, SHOWN, strict=True):
        (found,) = [r for r in records if (r["target"], r["depth"], r["ridge"], r["seed"]) == (2, 10, ridge, 0)]
        width = max(len(row) for row in found["spectra"][moment])
        rows = [row + [float("nan")] * (width - len(row)) for row in found["spectra"][moment]]
        plotting.spectra_by_layer(ax, rows, highlight=2)
        ax.set(title=f"ridge {ridge:g}, step {found['steps'][moment]}", xlabel="layer", ylim=(0, None))
        ax.set_xticks(range(2, len(rows) + 1, 2))
    axes[0].set_ylabel("singular values of weights")
    plt.savefig(path, metadata={"Date": None, "Description": stamp(records)})
    plt.close("all")
    write(path, re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.M))


def stale(root: Path = ROOT) -> str:
    """Say what is not as its sources say; nothing when all is."""
    try:
        records = stored(root)
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    drawn = root / PICTURE
    if not drawn.exists() or stamp(records) not in drawn.read_text(encoding="utf-8"):
        return f"'{PICTURE.name}' is stale: run `python -m scripts.pages.training_figure`."
    return ""


def main(argv: list[str] | None = None) -> int:
    """Draw the picture, after training with `--train`, or with `--check` say what is stale; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--train", action="store_true", help="run all trainings again, under node: ten minutes")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is out of date")
    args = parser.parse_args(argv)
    if args.check:
        if found := stale():
            print(found, file=sys.stderr)
        return int(bool(found))
    if args.train:
        train()
    if stale():
        draw(stored(), ROOT / PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
