"""Time the compilation of the training programs against depth, and take the peak memory of a deep and wide run."""

import re
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import machine
import numpy as np

import bnlib as bn
from bnlib.training import phases

DEPTHS, WIDTH, POINTS, REPEATS = (10, 25, 50, 100), 50, 200, 5
LARGE = (100, 200, 1000)  # depth, width, points
STEPS = 20  # Adam steps and L-BFGS iterations of the large run; the L-BFGS memory is allocated whole at once


def data(depth: int, width: int, n: int) -> tuple[bn.Network, jax.Array, jax.Array]:
    """Draw with NumPy, because JAX would compile programs to do so."""
    rng, sizes = np.random.default_rng(0), [20, *[width] * (depth - 1), 20]
    layers = [((rng.normal(size=(o, i)) * (2 / i) ** 0.5).astype(np.float32), None) for i, o in pairwise(sizes)]
    return bn.from_layers(layers), *(jnp.asarray(rng.normal(size=(n, 20)), jnp.float32) for _ in range(2))


def adam(depth: int, width: int, n: int) -> Any:
    net, X, Y = data(depth, width, n)
    state = phases.optimiser(500, 1e-3).init(net)
    return phases.adam.lower(net, state, X, Y, jnp.float32(1e-3), 500, 500, 1e-3)


def quasi_newton(depth: int, width: int, n: int) -> Any:
    net, X, Y = data(depth, width, n)
    return phases.quasi_newton.lower(net, X, Y, jnp.float32(1e-3), jnp.float32(0.01), 400)


def compile_seconds(program: Any, depth: int, width: int, n: int) -> float:
    jax.clear_caches()
    begin = machine.clock()
    program(depth, width, n).compile()
    return machine.clock() - begin


def peak_megabytes(depth: int, width: int, n: int, steps: int) -> dict[str, float]:
    """Return the peak resident memory of a fresh process before and after training in it."""
    begin = f"import machine, depth; net, X, Y = depth.data({depth}, {width}, {n}); before = depth.high_water()"
    train = f"depth.short_run(net, X, Y, {steps})"
    code = f"{begin}; {train}; print(before, depth.high_water())"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=sys.path[0], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The run in a process of its own failed:\n{done.stderr}")
    before, after = map(float, done.stdout.split())
    return {"before": before, "peak": after}


def short_run(net: bn.Network, X: jax.Array, Y: jax.Array, steps: int) -> None:
    """Run a whole training, with few steps of each phase and the balancing at its end."""
    bn.train(net, X, Y, 1e-3, first_order_steps=steps, stages=((0.01, steps), (0.0, steps)))


def high_water() -> float:
    """Return this process's peak resident memory in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count what the parent held when it started this process
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    options = machine.arguments(__doc__)
    depths, repeats, large, steps = (DEPTHS, REPEATS, LARGE, STEPS)
    if options.tiny:
        depths, repeats, large, steps = (4, 6), 1, (6, 8, 20), 3
    compile_seconds(adam, depths[0], WIDTH, POINTS)  # what is loaded only once
    table: dict[str, dict[str, list[float]]] = {"adam": {}, "l-bfgs": {}}
    for _ in range(repeats):
        for depth in depths:
            for name, program in (("adam", adam), ("l-bfgs", quasi_newton)):
                table[name].setdefault(str(depth), []).append(compile_seconds(program, depth, WIDTH, POINTS))
    print(f"compilation in seconds, median of {repeats}; width {WIDTH}, {POINTS} points")
    print("depth  " + "  ".join(f"{name:>8}" for name in table))
    for depth in map(str, depths):
        print(f"{depth:>5}  " + "  ".join(f"{median(times[depth]):8.2f}" for times in table.values()))
    flat = {}
    for name, times in table.items():
        middle = [median(values) for values in times.values()]
        flat[name] = max(middle) / min(middle)
    print("largest over smallest: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in flat.items()), flush=True)
    memory = peak_megabytes(*large, steps)
    print(f"depth, width, points {large}: peak {memory['peak']:.0f} MB, before training {memory['before']:.0f} MB")
    size = {"depth": large[0], "width": large[1], "points": large[2], "steps": steps}
    compilation = {"width": WIDTH, "points": POINTS, "seconds": table, "largest_over_smallest": flat}
    machine.finish("depth", {"compilation": compilation, "memory": size | memory}, options.write)


if __name__ == "__main__":
    main()
