"""Time the certificates and the tangent kernel, after compilation, against the Jacobian by autodiff."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import bnlib as bn

jax.config.update("jax_enable_x64", True)

DEPTH, WIDTH, DIMENSION, INPUTS, RANK = 24, 50, 20, 1000, 2
FEWER = 100  # inputs of the kernel, whose values are (N, N, d_out, d_out), and of the parameter Jacobians
RUNS = 5


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the time of the first call, compilation included, and the median of later ones."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return times[0], median(times[1:])


def example() -> tuple[bn.Network, np.ndarray]:
    """Draw a network and inputs at which its Jacobian has numerical rank RANK or more."""
    net = bn.init(jax.random.key(0), DIMENSION, WIDTH, DIMENSION, DEPTH)
    X = np.asarray(jax.random.normal(jax.random.key(1), (INPUTS, DIMENSION)))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    good = X[s[:, RANK - 1] > 1e-6 * s[:, 0]]
    return net, good[np.arange(INPUTS) % len(good)]


def main() -> None:
    net, X = example()
    flat, unravel = ravel_pytree(net)
    by_autodiff = jax.jit(jax.vmap(jax.jacrev(lambda v, x: bn.apply(unravel(v), x[None])[0]), in_axes=(None, 0)))
    trace_by_autodiff = jax.jit(lambda v, Z: jnp.sum(by_autodiff(v, Z) ** 2, axis=(1, 2)))
    rows = [
        ("jacobian", INPUTS, lambda: bn.jacobian(net, X)),
        ("bottleneck_certificate", INPUTS, lambda: bn.bottleneck_certificate(net, X, RANK)),
        ("ntk_certificate", INPUTS, lambda: bn.ntk_certificate(net, X, RANK)),
        ("ntk_trace", INPUTS, lambda: bn.ntk_trace(net, X)),
        ("ntk_trace", FEWER, lambda: bn.ntk_trace(net, X[:FEWER])),
        ("  by parameter Jacobians", FEWER, lambda: trace_by_autodiff(flat, jnp.asarray(X[:FEWER]))),
        ("ntk", FEWER, lambda: bn.ntk(net, X[:FEWER])),
    ]
    print(f"depth {DEPTH}, width {WIDTH}, R^{DIMENSION} -> R^{DIMENSION}, float64, median of {RUNS} warm runs")
    print(f"{'':26}{'inputs':>8}{'first [s]':>12}{'warm [s]':>12}")
    for name, count, call in rows:
        first, warm = seconds(call)
        print(f"{name:26}{count:8d}{first:12.3f}{warm:12.3f}", flush=True)


if __name__ == "__main__":
    main()
