"""Tables of how fast training is, from the stored timings of results/benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

HEAD = """
## How fast training is

`make bench` measures these, and no claim rests on them. The unit of time is the {per}, of a machine
with {cores} cores ({cpu}, JAX {jax}, PyTorch {torch}).

Full-batch steps of Adam per second in float32, with a ridge: the library's compiled loop, a plain loop of Optax, the
fastest of the variants in PyTorch (eager and compiled, fused and not, with the ridge in the loss or as weight decay),
and what the matrix products of a step alone would allow.

| Depth | Width | Points | bnlib | Optax | PyTorch | Products alone |
| --: | --: | --: | --: | --: | --: | --: |
"""
RECIPES = """
Seconds of whole recipes, medians over seeds: 3000 steps of tuned Adam from the deep start and then 2500 iterations of
SciPy's L-BFGS-B, against `bn.train` with inserted layers. The target of a seed is {slack:g} times the objective at
which the first recipe ended.

| Depth | Width | Points | Adam and L-BFGS-B | `bn.train` | Times as fast | Seeds at the target |
| --: | --: | --: | --: | --: | --: | --: |
"""
DEPTHS = """
Seconds to compile a training, which is a loop over layers and does not grow with depth. A run of depth {depth}, width
{width} and {points} points takes {peak:.1f} GB of memory.

| Depth | Adam | L-BFGS |
| --: | --: | --: |
"""


def speed_tables(benchmarks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the section of the speed of training; empty when no timings are stored.

    Args:
        benchmarks: what is stored, by the name of the benchmark.
    """
    if not {"steps", "time_to_target", "depth"} <= benchmarks.keys():
        return ""
    steps, recipes, depth = (benchmarks[name] for name in ("steps", "time_to_target", "depth"))
    machine = steps["machine"]
    text = HEAD.format(**machine | machine["versions"])
    text += "".join(_row(*_rates(size)) for size in steps["sizes"])
    text += RECIPES.format(slack=recipes["slack"])
    text += "".join(_row(*_recipe(group)) for group in recipes["results"].values())
    memory, seconds = depth["memory"], depth["compilation"]["seconds"]
    text += DEPTHS.format(**memory | {"peak": memory["peak"] / 1000})
    return text + "".join(
        _row(layers, *(f"{median(seconds[method][layers]):.1f}" for method in ("adam", "l-bfgs")))
        for layers in seconds["adam"]
    )


def _row(*cells: Any) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _rates(size: Mapping[str, Any]) -> list[Any]:
    """List a row of the first table; a variant that was not timed has a dash."""
    rates = size["steps_per_second"]
    torch = max((rate for name, rate in rates.items() if name.startswith("torch")), default=None)
    shown = [rates["bnlib"], rates["optax loop"], torch, size["products_alone"]]
    return [size["depth"], size["width"], size["points"], *("–" if rate is None else f"{rate:.0f}" for rate in shown)]


def _recipe(group: Mapping[str, Any]) -> list[Any]:
    """List a row of the second table."""
    runs = group["runs"]
    seconds = [f"{median(run[side]['seconds'] for run in runs):.1f}" for side in ("baseline", "bnlib")]
    return [
        *group["setting"][:3],
        *seconds,
        f"{group['ratios']['whole']:.1f}",
        f"{group['ratios']['met']} of {len(runs)}",
    ]
