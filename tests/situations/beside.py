"""What stands beside the layers, and layers that lack something."""

import numpy as np

from models import leaky, mlp
from readings import DIFFERS, OPEN, PLAIN, SQUARE, TORCH, prefixed, row, state

SQUARES = state(SQUARE, *TORCH)
BACK = state(SQUARE[::-1], *TORCH)
LACK = {"0.weight": SQUARE[0][0], "4.weight": SQUARE[2][0]}
GAINS = {
    f"{n}.{k}": a for n, (W, _) in zip(TORCH, SQUARE, strict=True) for k, a in (("weight", W), ("g", np.full(8, 2.0)))
}
ROWS = [
    row("gradients", {"params": SQUARES, "grads": BACK}, SQUARE, "several networks: 'params' .3 layers., 'grads'"),
    row("moments in a tree", {"params": SQUARES, "m": BACK, "v": BACK}, SQUARE, "several networks: 'params'"),
    row("epochs", {"epoch_1": SQUARES, "epoch_2": BACK}, SQUARE, "several networks: 'epoch_1'"),
    row("Fisher information", {**SQUARES, **prefixed("fisher.", BACK)}, SQUARE, "several networks in these parts: '0'"),
    row("factors of K-FAC", {**SQUARES, **{f"{n}.A": np.eye(8) for n in TORCH}}, SQUARE, "'0.A' is a matrix beside"),
    row("two networks of other names", {**prefixed("phi.", SQUARES), **prefixed("psi.", BACK)}, SQUARE, OPEN),
    row("two trees in a pair", ({"params": SQUARES}, {"params": BACK}), SQUARE, OPEN),
    row("defined in another order", state([SQUARE[2], *SQUARE[:2]], "out", "l1", "l2"), SQUARE, OPEN),
    row("gains", GAINS, [(2 * W, None) for W, _ in SQUARE], OPEN, DIFFERS),
    row(
        "biases by example",
        {f"{k}{i}": a for i, (W, b) in enumerate(SQUARE) for k, a in (("W", W), ("b", np.tile(b, (8, 1))))},
        SQUARE,
        "'b0' is a matrix beside layers",
        DIFFERS,
    ),
    row("no weights", {**LACK, "2.weight": None}, SQUARE, *["'2.weight' is None"] * 2),
    row("empty weights", {**LACK, "2.weight": np.zeros((0, 8))}, SQUARE, *["'2.weight' has shape .0, 8., so that"] * 2),
    row(
        "weights as text",
        {**LACK, "2.weight": SQUARE[1][0].astype(str)},
        SQUARE,
        *["'2.weight' must hold real numbers"] * 2,
    ),
    row(
        "weights of infinity",
        {**LACK, "2.weight": np.full((8, 8), np.inf)},
        SQUARE,
        *["must be finite, but it contains"] * 2,
    ),
    row("complex weights", {**LACK, "2.weight": np.eye(8) * 1j}, SQUARE, *["'2.weight' must hold real numbers"] * 2),
    row("flat shard", {"_flat_param": np.ones(200)}, SQUARE, *["There is no weight matrix among the arrays"] * 2),
    row(
        "shards of a matrix",
        {"0.weight.shard_0": PLAIN[0][0][:8], "0.weight.shard_1": PLAIN[0][0][8:], "2.weight": PLAIN[1][0]},
        PLAIN,
        "'0.weight.shard_0' is a matrix beside",
        "No reading of the arrays maps 8 to 3",
    ),
    row(
        "slopes of every neuron",
        {**state(PLAIN[:1], "0"), "1.weight": np.full(16, 0.25), **state(PLAIN[1:], "2", "4")},
        PLAIN,
        "'1.weight' has shape .16,., like a part of a normalisation",
        True,
        function=mlp(PLAIN, leaky(0.25)),
    ),
]
