"""Makes nbval compare numbers within a tolerance; everything else in an output must be equal."""

import copy
import math
import os
import re
from pathlib import Path

# As in scripts/run_notebooks.py: for the kernels that nbval starts, and before anything here imports jax.
os.environ["BNLIB_SCALE"] = "quick"
os.environ.pop("MPLBACKEND", None)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("NPROC", "1")

# Kernels, and whatever else tests start, do without a network.
OFFLINE = str(Path(__file__).parent / "tests" / "offline")
if OFFLINE not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])])

pytest_plugins = ["pytester"]

# Numbers with a point or an exponent; integers are counts and must be equal.
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
# Wide enough for another CPU's rounding, far narrower than what any verdict line allows.
RELATIVE, ABSOLUTE = 1e-3, 1e-6


def agree(stored: str, new: str) -> bool:
    """Tell whether two texts have the same words and, number by number, nearly the same values."""
    # Numbers stand apart from brackets here, since arrays pad them with spaces.
    if NUMBER.sub(" # ", stored).split() != NUMBER.sub(" # ", new).split():
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(new), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=ABSOLUTE) for a, b in pairs)


def texts(outputs):
    """List the printed texts and plain representations in a cell's outputs, each with where it is kept."""
    places = []
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            places.append((output, "text"))
        elif "text/plain" in output.get("data", {}):
            places.append((output["data"], "text/plain"))
    return places


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
                if key == stored_key and agree(self.sanitize(stored[key]), self.sanitize(new[key])):
                    new[key] = stored[key]
        return compare(self, test, ref, skip_compare)

    tolerant.tolerant = True
    IPyNbCell.compare_outputs = tolerant


def pytest_collectstart(collector):
    # A warning on another machine's stderr decides nothing; stored chapters may not have any.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, "stderr")
