"""Time full-batch training steps in float32: the library's Adam phase against PyTorch and a plain optax loop.

Every variant minimises the same objective with Adam; the ridge is in the loss or,
equivalently, `weight_decay` = 2 ridge. PyTorch is no dependency of this project; without it the rest runs.
"""

import shutil
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import machine
import numpy as np
import optax

import bnlib as bn
from bnlib.training import phases

try:
    import torch
except ImportError:
    torch = None
    print("PyTorch is missing: `.venv/bin/uv pip install --target DIR torch` and PYTHONPATH=DIR bring it in.")

SIZES = [(8, 50, 200), (13, 100, 500), (25, 64, 300), (25, 200, 1000)]  # depth, width, points
RIDGE, RATE = 1e-3, 1e-3
REPEATS, WORK = 9, 3e10  # operations of one timed run


def library(net: bn.Network, X: Any, Y: Any, steps: int) -> Callable[[], Any]:
    state = [(net, phases.optimiser(phases.CHUNK, RATE).init(net))]
    ridge = jnp.float32(RIDGE)

    def run() -> None:
        state[0], values = phases.adam(*state[0], X, Y, ridge, steps, phases.CHUNK, RATE)
        jax.block_until_ready(values)

    return run


def plain_optax(net: bn.Network, X: Any, Y: Any, steps: int) -> Callable[[], Any]:
    """Differentiate the unrolled network, as most code does, and call one compiled step from Python."""
    adam = optax.adam(RATE, b2=0.99)

    def objective(layers: Any) -> jax.Array:
        h = X
        for W, b in layers[:-1]:
            h = jax.nn.relu(h @ W.T + b)
        W, b = layers[-1]
        norm = sum(jnp.sum(a**2) for a in jax.tree.leaves(layers))
        return jnp.mean(jnp.sum((h @ W.T + b - Y) ** 2, axis=1)) + RIDGE * norm

    @jax.jit
    def step(layers: Any, state: Any) -> tuple[Any, Any]:
        updates, state = adam.update(jax.grad(objective)(layers), state)
        return optax.apply_updates(layers, updates), state

    state = [(net.layers, adam.init(net.layers))]

    def run() -> None:
        for _ in range(steps):
            state[0] = step(*state[0])
        jax.block_until_ready(state[0])

    return run


def pytorch(net: bn.Network, X: Any, Y: Any, steps: int, *, decay: bool, compiled: str = "", **kind: bool) -> Any:
    device = "cpu" if machine.ON_CPU else "cuda"
    layers: list[Any] = []
    for W, b in net.layers:
        layer = torch.nn.Linear(W.shape[1], W.shape[0])
        layer.load_state_dict({"weight": torch.tensor(np.array(W)), "bias": torch.tensor(np.array(b))})
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).to(device)
    x, y = (torch.tensor(np.array(a), device=device) for a in (X, Y))
    parameters = list(model.parameters())
    adam = torch.optim.Adam(parameters, RATE, betas=(0.9, 0.99), weight_decay=2 * RIDGE * decay, **kind)

    def objective() -> Any:
        error = ((model(x) - y) ** 2).sum(1).mean()
        return error if decay else error + RIDGE * sum((p * p).sum() for p in parameters)

    def one() -> None:
        adam.zero_grad(set_to_none=True)
        objective().backward()
        adam.step()

    if compiled == "loss":
        objective = torch.compile(objective)
    step = torch.compile(one) if compiled == "step" else one

    def run() -> None:
        for _ in range(steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def variants(depth: int, width: int, n: int, steps: int) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    net = bn.init(jax.random.key(0), 20, width, 20, depth, dtype=jnp.float32)
    X, Y = (jnp.asarray(rng.normal(size=(n, 20)), jnp.float32) for _ in range(2))
    found = {"bnlib": library(net, X, Y, steps), "optax loop": plain_optax(net, X, Y, steps)}
    if torch is not None:
        torch.set_num_threads(1)
        for decay, penalty in ((False, "ridge"), (True, "decay")):
            for kind in ("foreach", "fused"):
                found[f"torch {penalty} {kind}"] = pytorch(net, X, Y, steps, decay=decay, **{kind: True})
        if shutil.which("c++") or not machine.ON_CPU:
            found["torch decay fused compiled"] = pytorch(net, X, Y, steps, decay=True, compiled="loss", fused=True)
            found["torch decay step compiled"] = pytorch(net, X, Y, steps, decay=True, compiled="step", foreach=True)
        else:
            print("torch.compile needs a C++ compiler, and there is none.")
    return found


def main() -> None:
    options = machine.arguments(__doc__)
    rows = []
    for depth, width, n in [(4, 8, 20)] if options.tiny else SIZES:
        work = machine.operations(depth, width, n)
        steps = 20 if options.tiny else max(8, int(WORK / work))
        times = machine.interleaved(variants(depth, width, n, steps), 2 if options.tiny else REPEATS)
        rates = {name: [steps / t for t in values] for name, values in times.items()}
        middle = {name: median(values) for name, values in rates.items()}
        limit = (machine.matmul_rate(n, width, 3, 1e6) if options.tiny else machine.matmul_rate(n, width)) / work
        best = max((rate for name, rate in middle.items() if name.startswith("torch")), default=None)
        print(f"depth {depth}, width {width}, {n} points: steps per {machine.UNIT}, median of {len(times['bnlib'])}")
        for name, values in rates.items():
            ratio = "" if best is None else f"{middle[name] / best:8.2f} x best torch"
            print(f"  {name:28}{middle[name]:10.1f}  ({min(values):.1f} to {max(values):.1f}){ratio}")
        print(f"  {'products alone':28}{limit:10.1f}  (at the rate of one long product)", flush=True)
        size = {"depth": depth, "width": width, "points": n, "steps": steps}
        rows.append({**size, "steps_per_second": middle, "all": rates, "products_alone": limit})
        rows[-1]["ratio_to_best_torch"] = None if best is None else middle["bnlib"] / best
    machine.finish("steps", {"sizes": rows}, options.write)


if __name__ == "__main__":
    main()
