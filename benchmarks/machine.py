"""What all benchmarks share: one core, one clock, a table on the screen and a record in results/benchmarks.

CPU times are process-CPU seconds of one core: wall time means little on a machine that others use too. Import this
file before JAX or PyTorch computes anything. Run by itself it describes the machine.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

ON_CPU = os.environ.get("JAX_PLATFORMS", "cpu") == "cpu"
if ON_CPU:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
clock: Callable[[], float] = time.process_time if ON_CPU else time.perf_counter
UNIT = "process-CPU second of one core" if ON_CPU else "second"


def arguments(description: str, **flags: str) -> argparse.Namespace:
    """Read ``--tiny``, ``--write`` and further switches, given with their help, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="run at toy size, to see that it runs")
    parser.add_argument("--write", action="store_true", help=f"store the results in {RESULTS.name}/")
    for name, text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


def describe() -> dict[str, Any]:
    """Return processor, accelerator, cores and versions."""
    import jax

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    versions = {"python": platform.python_version()}
    for package in ("jax", "jaxlib", "optax", "numpy", "scipy", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "per": UNIT,
        "shared": "Others may have used the machine at the same time.",
        "versions": versions,
    }


def interleaved(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Time calls one after the other, again and again, after one warm-up each; every call must block until done."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append(clock() - start)
    return times


def operations(depth: int, width: int, n: int) -> int:
    """Count the floating-point operations of the matrix products of one step, forward and back."""
    hidden, first, last = 6 * (depth - 2) * width**2 * n, 4 * 20 * width * n, 6 * 20 * width * n
    return hidden + first + last


def matmul_rate(n: int, width: int, repeats: int = 9, work: float = 2e9) -> float:
    """Measure the rate (FLOP/s) of products of (n, width) with (width, width) in float32; on a CPU, of some work."""
    import jax
    import jax.numpy as jnp

    count = max(4, int(work / (2 * n * width**2))) if ON_CPU else 200
    W = jnp.eye(width, dtype=jnp.float32)
    run = jax.jit(lambda h: jax.lax.fori_loop(0, count, lambda _, h: h @ W, h))
    h = jnp.ones((n, width), jnp.float32)
    times = interleaved({"matmul": lambda: jax.block_until_ready(run(h))}, repeats)["matmul"]
    return 2 * n * width**2 * count / median(times)


def finish(name: str, record: Mapping[str, Any], write: bool) -> None:
    """Store a record with the machine's description, whole or not at all."""
    if not write:
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": describe(), **record}, indent=1, allow_nan=False) + "\n"
    scratch = path.with_suffix(".part")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
    print(f"stored results/benchmarks/{path.name}")


if __name__ == "__main__":
    json.dump(describe(), sys.stdout, indent=1)
    print()
