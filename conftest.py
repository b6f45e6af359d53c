"""Makes nbval compare numbers within a tolerance; everything else in an output must be equal."""

import copy
import os
from pathlib import Path

from scripts.chapters.comparison import agree, texts
from scripts.chapters.rerun import ENVIRONMENT

# As in scripts/chapters/run_notebooks.py: for the kernels that nbval starts, and before anything here imports jax.
os.environ["BNLIB_SCALE"] = "quick"
os.environ.pop("MPLBACKEND", None)
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)

# Kernels, and whatever else tests start, do without a network.
OFFLINE = str(Path(__file__).parent / "tests" / "offline")
if OFFLINE not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])])

pytest_plugins = ["pytester"]


def pytest_configure(config):
    if not config.pluginmanager.hasplugin("nbval"):
        return
    from nbval.plugin import IPyNbCell

    compare = IPyNbCell.compare_outputs
    if hasattr(compare, "tolerant"):  # pytester configures pytest again in the same process
        return

    def tolerant(self, test, ref, skip_compare=None):
        """Compare as nbval does, after taking over stored texts that differ only within the tolerance."""
        if "nbval-exact" not in self.cell.metadata.get("tags", []):
            test = copy.deepcopy(test)
            for (new, key), (stored, stored_key) in zip(texts(test), texts(ref), strict=False):
                if key == stored_key and agree(stored[key], new[key]):
                    new[key] = stored[key]
        return compare(self, test, ref, skip_compare)

    tolerant.tolerant = True
    IPyNbCell.compare_outputs = tolerant


def pytest_collectstart(collector):
    # A warning on another machine's stderr decides nothing; stored chapters may not have any. What a verdict shows as a
    # table it says in its text, too.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, "stderr", "text/html")
