"""Time gradient descent in function space: f as a wide layer, as merged history, and as the naive sum over the past.

The layer runs in float64 and, with the same weights, in float32 ("single"). The naive sum costs O(T^2 N^2), so all
run on few points; all but the naive sum also run at full size. The error is the
largest difference of outputs from the naive sum, over all steps and points, relative to the largest target.
"""

from typing import Any

import machine
import numpy as np

from bnlib import infinite
from bnlib.wide.infinite import History, Wide, WideLayer

D, DIM, SCALE, SHARE = 20, 10, 3.0, 0.05  # inputs, bottleneck, size of the targets, share of the edge
WIDTH, MERGE = 2048, 0.03
SMALL, FULL, STEPS = 24, 200, 1000


def single(f: WideLayer) -> WideLayer:
    """Return the same layer in float32."""
    return WideLayer(f.net, *(np.asarray(a, np.float32) for a in (f.U, f.v, f.b)))


def problem(points: int, activation: str) -> tuple[Wide, WideLayer, Any, Any, Any, float]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(points, D))
    X *= np.sqrt(D) / np.linalg.norm(X, axis=1, keepdims=True)
    y = X[:, 0] * (1 + X[:, 1])
    net = Wide(activation=activation)
    K, theta = infinite.kernels(net, X)
    rate = SHARE * infinite.edge(infinite.limit_kernel(net, net, X))
    start = WideLayer.draw(net, DIM, WIDTH, rng)
    return net, start, infinite.bottleneck(K, DIM, rng), theta, SCALE * (y - y.mean()) / y.std(), rate


def run(f: Any, Z: Any, theta: Any, y: Any, rate: float, steps: int) -> tuple[float, Any, Any]:
    start, outputs = machine.clock(), []
    for state in infinite.descend(f, Z, theta, y, rate):
        outputs.append(state.F)
        if state.step == steps:
            break
    return machine.clock() - start, np.array(outputs), state


def main() -> None:
    options = machine.arguments(__doc__)
    small, full, steps = (12, 16, 20) if options.tiny else (SMALL, FULL, STEPS)
    rows = []
    for activation in infinite.ACTIVATIONS:
        net, start, *data = problem(small, activation)
        carriers = {"naive": History(start, net), "merged": History(start, net, MERGE)}
        carriers |= {"layer": start, "single": single(start)}
        found = {name: run(f, *data, steps) for name, f in carriers.items()}
        row: dict[str, Any] = {"activation": activation, "points": small, "steps": steps, "merge": MERGE}
        print(f"{activation}, {small} points, {steps} steps: seconds, ratio to the naive sum, largest error")
        for name, (seconds, outputs, _) in found.items():
            error = float(np.max(np.abs(outputs - found["naive"][1])) / np.max(np.abs(data[2])))
            row[name] = {"seconds": seconds, "speed_up": found["naive"][0] / seconds, "error": error}
            print(f"  {name:8}{seconds:9.2f}{found['naive'][0] / seconds:9.1f}{error:10.1e}", flush=True)
        row["centres"] = len(found["merged"][2].f.centres)
        net, start, *data = problem(full, activation)
        row["full"] = {"points": full}
        for name, f in (("layer", start), ("single", single(start)), ("merged", History(start, net, MERGE))):
            row["full"][name] = run(f, *data, steps)[0]
            print(f"  {full} points, {name:8}{row['full'][name]:9.2f}", flush=True)
        rows.append(row)
    machine.finish("infinite", {"width": WIDTH, "bottleneck": DIM, "runs": rows}, options.write)


if __name__ == "__main__":
    main()
