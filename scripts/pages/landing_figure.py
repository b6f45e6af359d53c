"""Draw the picture of the first page and of the README from stored runs: two dimensions are left in deep layers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from bnlib import experiments, plotting

ROOT = Path(__file__).resolve().parents[2]
SOURCE, TARGET, DEPTH = "affine-law-deep", ROOT / "book" / "_static" / "bottleneck.png", 48


def main() -> int:
    """Write the picture, with the checksum of its data."""
    records = [r for r in experiments.load(SOURCE) if r["depth"] == DEPTH]
    values = np.median([r["weights"] for r in records], axis=0)
    checksum = json.loads((ROOT / "results" / f"{SOURCE}.json").read_text(encoding="utf-8"))["manifest"]["sha256"]
    plotting.use_style()
    fig, ax = plt.subplots(figsize=(7.2, 2.9))
    plotting.spectra_by_layer(ax, values, highlight=records[0]["rank"], shown=5)
    ax.set(xlabel="layer", ylabel="singular values of the weights", ylim=(0, None), xlim=(0, DEPTH + 1))
    ax.legend(loc="upper center", ncols=2)
    draft = TARGET.with_suffix(".draft")
    fig.savefig(draft, format="png", dpi=150, metadata={"Source": checksum, "Software": None})
    draft.replace(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
