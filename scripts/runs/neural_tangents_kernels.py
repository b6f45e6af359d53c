# /// script
# requires-python = "==3.11.*"
# dependencies = ["neural-tangents==0.6.5", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2.1", "scipy<1.14"]
# ///
"""Write the kernels that neural-tangents computes to tests/neural_tangents.json, to which bnlib's are compared.

neural-tangents does not import under the locked jax, so its numbers are stored. They are made again by

    uv run --no-project scripts/runs/neural_tangents_kernels.py
"""

import json
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import neural_tangents
import numpy as np
from neural_tangents import stax

jax.config.update("jax_enable_x64", True)

TARGET = Path(__file__).parents[2] / "tests" / "neural_tangents.json"
X = np.array([[1.0, -0.5, 0.25], [0.3, 0.8, -1.2], [-0.7, 0.1, 0.6], [0.9, 1.1, 0.4]])
Y = np.array([[0.2, -1.3, 0.5], [1.4, 0.6, 0.8], [-0.4, -0.9, -1.1]])
ACTIVATIONS = {"relu": stax.ABRelu(0, 2**0.5), "erf": stax.Erf()}
READOUT = stax.Dense(1, W_std=1, b_std=None)


def hidden(depth: int, activation: str, sigma_w: float, sigma_b: float) -> list[Any]:
    """Return the hidden layers of one network."""
    return [stax.Dense(1, W_std=sigma_w, b_std=sigma_b or None), ACTIVATIONS[activation]] * depth


def lists(array: Any) -> list[Any]:
    """Return the entries; JSON keeps every digit of a double."""
    return np.asarray(array, float).tolist()


def main() -> None:
    """Compute all kernels and write them."""
    single = []
    for depth, activation, sigma_b in product((1, 2, 3), ACTIVATIONS, (0.0, 0.6)):
        net = (depth, activation, 1.2, sigma_b)
        kernel = stax.serial(*hidden(*net), READOUT)[2]
        found = kernel(jnp.asarray(X), jnp.asarray(Y), ("nngp", "ntk"))

        def entry(x: Any, y: Any, kernel: Any = kernel) -> Any:
            return kernel(x[None], y[None], "ntk")[0, 0]

        slope = jax.vmap(lambda x, e=entry: jax.vmap(lambda y: jax.grad(e)(x, y))(jnp.asarray(Y)))(jnp.asarray(X))
        single.append({"net": net, "nngp": lists(found.nngp), "ntk": lists(found.ntk), "ntk_gradient": lists(slope)})
    joined = []
    for top, below in product(ACTIVATIONS, ACTIVATIONS):
        f, g = (1, top, 1.3, 0.5), (2, below, 1.1, 0.4)
        kernel = stax.serial(*hidden(*g), READOUT, *hidden(*f), READOUT)[2]
        joined.append({"f": f, "g": g, "ntk": lists(kernel(jnp.asarray(X), jnp.asarray(Y), "ntk"))})
    versions = {"neural_tangents": neural_tangents.__version__, "jax": jax.__version__}
    record = {"made_by": "scripts/runs/neural_tangents_kernels.py", "versions": versions, "X": lists(X), "Y": lists(Y)}
    TARGET.write_text(json.dumps(record | {"single": single, "joined": joined}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
