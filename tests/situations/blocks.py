"""Blocks that are no chain of layers, and layouts that differ from layer to layer."""

import numpy as np

from models import mlp, relu
from readings import BARE, DIFFERS, MIRROR, OPEN, PLAIN, SQUARE, STATE, TORCH, layers_of, row, state

RNG = np.random.default_rng(13)

GATE, UP, DOWN = RNG.normal(size=(16, 8)), RNG.normal(size=(16, 8)), RNG.normal(size=(8, 16))


def gated(X):
    z = X @ GATE.T
    return (z / (1 + np.exp(-z)) * (X @ UP.T)) @ DOWN.T


HEADS = {f"self_attn.{k}_proj.weight": RNG.normal(size=(8, 8)) for k in "qkvo"}
TRUE8 = [(np.eye(8), None)]
ROWS = [
    row(
        "SwiGLU w1 w2 w3",
        {"feed_forward.w1.weight": GATE, "feed_forward.w2.weight": DOWN, "feed_forward.w3.weight": UP},
        TRUE8,
        "gated block",
        "No reading of the arrays maps 8 to 8.*gated block",
        function=gated,
    ),
    row("SwiGLU square", {f"w{i}.weight": W for i, (W, _) in enumerate(BARE, 1)}, BARE, OPEN),
    row(
        "SwiGLU gate",
        {"mlp.gate_proj.weight": GATE, "mlp.up_proj.weight": UP, "mlp.down_proj.weight": DOWN},
        TRUE8,
        "gated block",
        "No reading of the arrays maps 8 to 8.*gated block",
        function=gated,
    ),
    row(
        "SwiGLU gate square",
        {"mlp.gate_proj.weight": BARE[0][0], "mlp.up_proj.weight": BARE[1][0], "mlp.down_proj.weight": BARE[2][0]},
        TRUE8,
        "gated block",
        DIFFERS,
        function=lambda X: (relu(X @ BARE[0][0].T) * (X @ BARE[1][0].T)) @ BARE[2][0].T,
    ),
    row(
        "gated T5",
        {"wi_0.weight": GATE, "wi_1.weight": UP, "wo.weight": DOWN},
        TRUE8,
        "gated block",
        "No reading of the arrays maps 8 to 8.*gated block",
        function=gated,
    ),
    row("plain w1 w2 w3", {k: a for i, (W, b) in enumerate(PLAIN, 1) for k, a in ((f"w{i}", W), (f"b{i}", b))}, PLAIN),
    row(
        "attention",
        HEADS,
        TRUE8,
        "'self_attn.k_proj.weight' is a part of an attention",
        DIFFERS,
        function=lambda X: np.tanh(X),
    ),
    row(
        "attention of Hugging Face",
        {f"attention.self.{k}.weight": a for k, a in zip(("query", "key", "value"), HEADS.values(), strict=False)},
        TRUE8,
        "is a part of an attention",
        f"{DIFFERS}.*is a part of an attention",
        function=lambda X: np.tanh(X),
    ),
    row(
        "LSTM of flax",
        {
            f"{k}{g}": {"kernel": W}
            for k, n in (("i", 8), ("h", 16))
            for g in "ifgo"
            for W in [RNG.normal(size=(n, 16))]
        },
        TRUE8,
        *["recurrent"] * 2,
    ),
    row(
        "Conv1D of GPT-2",
        {
            "mlp.c_fc.weight": MIRROR[0][0].T,
            "mlp.c_fc.bias": MIRROR[0][1],
            "mlp.c_proj.weight": MIRROR[1][0].T,
            "mlp.c_proj.bias": MIRROR[1][1],
        },
        MIRROR,
    ),
    row(
        "weights in, out",
        {"fc.weight": MIRROR[0][0].T, "out.weight": MIRROR[1][0].T},
        [(W, None) for W, _ in MIRROR],
        OPEN,
    ),
    row(
        "mixed layouts",
        {
            "0.weight": PLAIN[0][0],
            "2.weight": PLAIN[1][0].T,
            "4.weight": PLAIN[2][0].T,
            **{k: a for k, a in STATE.items() if "bias" in k},
        },
        PLAIN,
        OPEN,
    ),
    row(
        "mixed layouts by shape",
        {
            k: a
            for i, (W, b) in enumerate(layers_of(np.random.default_rng(1), 8, 16, 12, 3))
            for k, a in ((f"{2 * i}.weight", W.T if i == 1 else W), (f"{2 * i}.bias", b))
        },
        layers_of(np.random.default_rng(1), 8, 16, 12, 3),
    ),
    row(
        "mixed layouts square",
        {f"{2 * i}.weight": W.T if i == 1 else W for i, (W, _) in enumerate(BARE)},
        BARE,
        "wrong",
    ),
    row(
        "residual network",
        state(SQUARE, *TORCH),
        SQUARE,
        "wrong",
        f"{DIFFERS}.*skip",
        function=lambda X: mlp(SQUARE[2:])(
            (lambda h: h + relu(h @ SQUARE[1][0].T + SQUARE[1][1]))(X + relu(X @ SQUARE[0][0].T + SQUARE[0][1]))
        ),
    ),
]
