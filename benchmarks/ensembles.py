"""Time batches of members of a sweep against what the device's arithmetic and memory allow.

This is for accelerators. On a CPU, where `sweep` trains members one after the other, a small version shows why.
The allowance is the smaller of two measured rates, of batched matrix products and of memory, per step of one member:
products as in steps.py, and as traffic seven passes over the parameters (Adam) and five over the stored activations.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import machine

import bnlib as bn
from bnlib.training import phases, sweeps

SIZE, MEMBERS, STEPS, REPEATS = (12, 50, 200), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), 200, 5
ON_CPU = ((12, 50, 200), (1, 2, 4, 8), 50, 3)
TINY = ((4, 8, 20), (1, 2), 5, 1)


def batch(members: int, depth: int, width: int, n: int) -> Any:
    k_net, k_x, k_y = jax.random.split(jax.random.key(0), 3)
    nets = jax.vmap(lambda k: bn.init(k, 20, width, 20, depth, dtype=jnp.float32))(jax.random.split(k_net, members))
    X, Y = (jax.random.normal(k, (members, n, 20), jnp.float32) for k in (k_x, k_y))
    return nets, X, Y, jnp.full(members, 1e-3, jnp.float32)


def programs(steps: int) -> dict[str, Callable]:
    """Return what `sweep` runs for a batch, one phase at a time."""
    schedules = {"adam": phases.schedule(steps, ()), "l-bfgs": phases.schedule(0, ((0.01, steps),))}
    return {name: partial(sweeps._run, tuple(listed), 1e-3, None, "squared") for name, listed in schedules.items()}


def seconds(call: Callable[[], Any], repeats: int) -> float:
    return median(machine.interleaved({"": lambda: jax.block_until_ready(call())}, repeats)[""])


def product_rate(members: int, width: int, n: int) -> float:
    """Measure the rate (FLOP/s) of (members, width, width) times (members, width, n) in float32."""
    W = jnp.broadcast_to(jnp.eye(width, dtype=jnp.float32), (members, width, width))
    h, count = jnp.ones((members, width, n), jnp.float32), 50
    run = jax.jit(lambda h: jax.lax.fori_loop(0, count, lambda _, h: W @ h, h))
    return 2 * members * n * width**2 * count / seconds(lambda: run(h), 5)


def memory_rate(floats: int) -> float:
    """Measure the rate (byte/s) of reading and writing a long vector."""
    v, count = jnp.ones(floats, jnp.float32), 20
    run = jax.jit(lambda v: jax.lax.fori_loop(0, count, lambda i, v: v * 1.000001 + i, v))
    return 8 * floats * count / seconds(lambda: run(v), 5)


def main() -> None:
    options = machine.arguments(__doc__)
    (depth, width, n), members, steps, repeats = (SIZE, MEMBERS, STEPS, REPEATS)
    if options.tiny or machine.ON_CPU:
        (depth, width, n), members, steps, repeats = TINY if options.tiny else ON_CPU
        print("A small version on one core of a CPU; the benchmark is meant for an accelerator.")
    parameters = (depth - 2) * (width + 1) * width + 21 * width + (width + 1) * 20
    work, traffic = machine.operations(depth, width, n), 4 * (7 * parameters + 5 * (depth - 1) * width * n)
    bandwidth = memory_rate(10**5 if options.tiny else 10**7 if machine.ON_CPU else 2 * 10**8)
    print(f"depth {depth}, width {width}, {n} points; memory {bandwidth / 1e9:.0f} GB/s")
    print("members   adam [member-steps/s]   of allowed   l-bfgs [member-iterations/s]   products [GFLOP/s]")
    rows = []
    for count in members:
        inputs = batch(count, depth, width, n)
        rate = {name: count * steps / seconds(partial(run, *inputs), repeats) for name, run in programs(steps).items()}
        products = product_rate(count, width, n)
        allowed = min(products / work, bandwidth / traffic)
        rows.append({"members": count, "rate": rate, "products": products, "allowed": allowed})
        share = rate["adam"] / allowed
        print(
            f"{count:7}   {rate['adam']:21.0f}   {share:10.0%}   {rate['l-bfgs']:28.0f}   {products / 1e9:18.0f}",
            flush=True,
        )
    size = {"depth": depth, "width": width, "points": n, "steps": steps, "bandwidth": bandwidth}
    machine.finish("ensembles", {"size": size, "small": machine.ON_CPU, "rows": rows}, options.write)


if __name__ == "__main__":
    main()
