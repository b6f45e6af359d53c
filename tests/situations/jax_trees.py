"""Trees, states and files of JAX and its libraries, and classes of one's own."""

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models import mlp
from readings import DIFFERS, OPEN, OTHER, PLAIN, SQUARE, row

FLAX = {f"Dense_{i}": {"kernel": W.T, "bias": b} for i, (W, b) in enumerate(PLAIN)}
FLAX_OTHER = {f"Dense_{i}": {"kernel": W.T, "bias": b} for i, (W, b) in enumerate(OTHER)}


def flat(tree):
    return {
        jax.tree_util.keystr(p, simple=True, separator="/"): a for p, a in jax.tree_util.tree_flatten_with_path(tree)[0]
    }


MOMENTS = [{"count": np.int32(3), "mu": FLAX_OTHER, "nu": FLAX_OTHER}, {}]


@jax.tree_util.register_dataclass
@dataclass
class Partitioned:
    """A box of Flax around an array."""

    value: Any


@dataclass
class Layer:
    """Somebody's own layer, of which JAX knows nothing."""

    W: Any
    b: Any


@dataclass
class Net:
    """Somebody's own network."""

    first: Layer
    second: Layer
    third: Layer
    name: str = "net"


Weights = namedtuple("Weights", ["weights", "biases"])

ROWS = [
    row(
        "flat optimiser of optax",
        {**flat({"params": FLAX}), **flat({"opt_state": MOMENTS}), "step": np.int32(3)},
        PLAIN,
    ),
    row("restored by orbax", {"params": FLAX, "opt_state": MOMENTS, "step": 3}, PLAIN),
    row("restored pair", ({"params": FLAX}, MOMENTS), PLAIN),
    row(
        "params and ema",
        {"params": FLAX, "ema_params": FLAX_OTHER, "step": 3},
        PLAIN,
        "several networks: 'params' .3 layers., 'ema_params'",
    ),
    row("params chosen", {"params": FLAX, "ema_params": FLAX_OTHER}, PLAIN, layers=["params"]),
    row(
        "target params",
        SimpleNamespace(params=FLAX, target_params=FLAX_OTHER, opt_state=MOMENTS, tx=None),
        PLAIN,
        "several networks",
    ),
    row("actor and critic of flax", {"params": {"actor": FLAX, "critic": FLAX_OTHER}}, PLAIN, "several networks"),
    row("partitioned", jax.tree.map(Partitioned, FLAX), PLAIN),
    row(
        "weight norm of flax",
        {"params": {**FLAX, "WeightNorm_0": {"Dense_0/kernel/scale": np.ones(16)}}},
        PLAIN,
        "WeightNorm_0/Dense_0/kernel/scale'",
        True,
    ),
    row(
        "haiku, own names",
        {
            "enc": {"w": SQUARE[0][0].T, "b": SQUARE[0][1]},
            "mid": {"w": SQUARE[1][0].T, "b": SQUARE[1][1]},
            "out": {"w": SQUARE[2][0].T, "b": SQUARE[2][1]},
        },
        SQUARE,
        OPEN,
    ),
    row(
        "stax with empty layers",
        [(SQUARE[0][0].T, SQUARE[0][1]), (), (SQUARE[1][0].T, SQUARE[1][1]), (), (SQUARE[2][0].T, SQUARE[2][1])],
        SQUARE,
        OPEN,
    ),
    row(
        "shapes alone",
        {**FLAX, "Dense_1": {"kernel": jax.ShapeDtypeStruct((16, 16), jnp.float32), "bias": PLAIN[1][1]}},
        PLAIN,
        *["Dense_1/kernel' (has|holds|cannot)"] * 2,
    ),
    row(
        "shapes alone, square",
        [SQUARE[0][0], jax.ShapeDtypeStruct((8, 8), jnp.float32), SQUARE[1][0]],
        SQUARE,
        *["'1' (has|holds|cannot)"] * 2,
    ),
    row("own dataclass", Net(*(Layer(W, b) for W, b in PLAIN)), PLAIN),
    row("list of own dataclasses", [Layer(W, b) for W, b in PLAIN], PLAIN),
    row("own named tuple", Weights([W for W, _ in PLAIN], [b for _, b in PLAIN]), PLAIN),
    row(
        "own class",
        SimpleNamespace(W1=PLAIN[0][0], b1=PLAIN[0][1], dW1=PLAIN[0][0]),
        PLAIN,
        *["holds no arrays that bnlib knows how to find.*vars"] * 2,
    ),
    row(
        "activation named",
        {"activation": "tanh", "weights": [W for W, _ in PLAIN], "biases": [b for _, b in PLAIN]},
        PLAIN,
        "activation is tanh",
        f"{DIFFERS}.*tanh",
        function=mlp(PLAIN, np.tanh),
    ),
    row("relu named", {"activation": "relu", "weights": [W for W, _ in PLAIN], "biases": [b for _, b in PLAIN]}, PLAIN),
]
