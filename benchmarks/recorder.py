"""Time a training loop with a Recorder every 100 steps against the same loop without one, side by side.

The loop is plain optax: one compiled step of Adam, called from Python, in float32. Its step waits for the device only
where the Recorder looks, and at the end.
"""

import machine  # before NumPy, whose decompositions else run on two threads that wait for each other

# isort: split
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import bnlib as bn

SIZES = [(6, 64, 200), (8, 200, 500)]  # depth, width, points
EVERY, REPEATS, RIDGE = 100, 5, 1e-3


def loop(net: bn.Network, X: Any, Y: Any, recorded: bool, steps: int, every: int) -> Callable[[], Any]:
    """Return a call that trains for some steps, from where the last call ended."""
    adam = optax.adam(1e-3)

    def objective(net: bn.Network, X: Any, Y: Any) -> jax.Array:
        return jnp.mean(jnp.sum((bn.apply(net, X) - Y) ** 2, axis=1)) + RIDGE * bn.squared_norm(net)

    @jax.jit
    def update(net: bn.Network, state: Any, X: Any, Y: Any) -> tuple[bn.Network, Any]:
        change, state = adam.update(jax.grad(objective)(net, X, Y), state, net)
        return optax.apply_updates(net, change), state

    state = [(net, adam.init(net))]

    def run() -> None:
        recorder = bn.Recorder(X, every=every) if recorded else None
        for step in range(steps):
            state[0] = update(*state[0], X, Y)
            if recorder is not None:
                recorder(step, state[0][0])
        jax.block_until_ready(state[0])

    return run


def main() -> None:
    options = machine.arguments(__doc__)
    rows = []
    steps, every, repeats = (4, 2, 1) if options.tiny else (EVERY, EVERY, REPEATS)
    print(f"{steps} steps and one record, per {machine.UNIT}: medians of {repeats}")
    for depth, width, n in [(4, 8, 20)] if options.tiny else SIZES:
        rng = np.random.default_rng(0)
        net = bn.init(jax.random.key(0), 20, width, 20, depth, dtype=jnp.float32)
        X, Y = (jnp.asarray(rng.normal(size=(n, 20)), jnp.float32) for _ in range(2))
        calls = {name: loop(net, X, Y, name == "with", steps, every) for name in ("without", "with")}
        times = machine.interleaved(calls, repeats)
        ratio = median(b / a for a, b in zip(times["without"], times["with"], strict=True))
        middle = {name: median(values) for name, values in times.items()}
        record = (middle["with"] - middle["without"]) * every / steps
        print(
            f"depth {depth}, width {width}, {n} points: without {middle['without']:.3f}, with {middle['with']:.3f}, "
            f"ratio {ratio:.3f}, a record {record:.4f}",
            flush=True,
        )
        size = {"depth": depth, "width": width, "points": n, "steps": steps, "every": every}
        rows.append({**size, "seconds": times, "ratio": ratio, "record": record})
    machine.finish("recorder", {"sizes": rows}, options.write)


if __name__ == "__main__":
    main()
