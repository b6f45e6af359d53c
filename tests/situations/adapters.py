"""Layers with adapters and parametrisations, and numbers of few bits."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np

from models import dense, keras, keras_layer, linear, part, sequential
from readings import DIFFERS, OPEN, PLAIN, STATE, row, state

RNG = np.random.default_rng(12)

A1, B1, A2, B2 = (RNG.normal(size=s) / 3 for s in ((2, 16), (16, 2), (2, 16), (16, 2)))
W1, M1 = PLAIN[1][0], RNG.uniform(0.5, 2, 16)
HEAD, TAIL = state(PLAIN[:1], "0"), {**state(PLAIN[2:], "4"), "2.base_layer.bias": PLAIN[1][1]}
BASE = {**HEAD, "2.base_layer.weight": W1, **TAIL}


def put_at(i, W):
    return [(W, b) if i == j else (V, b) for j, (V, b) in enumerate(PLAIN)]


def lora(name, A, B, end=".weight"):
    return {f"2.lora_A.{name}{end}": A, f"2.lora_B.{name}{end}": B}


def dora(scale, A=A1, B=B1):
    V = W1 + scale * B @ A
    return put_at(1, M1[:, None] * V / np.linalg.norm(V, axis=1, keepdims=True))


def adapted(**attributes):
    """Return a module with adapters of peft on its second layer."""
    arrays = [
        ("base_layer.weight", W1),
        ("base_layer.bias", PLAIN[1][1]),
        *((k.removeprefix("2."), a) for k, a in (lora("default", A1, B1) | lora("extra", A2, B2)).items()),
    ]
    layer = part("Linear", module="peft", state=arrays, in_features=16, **attributes)
    return sequential(linear(*PLAIN[0]), part("ReLU"), layer, part("ReLU"), linear(*PLAIN[2]))


BOTH = {"default": 0.5, "extra": 2.0}
ROWS = [
    row(
        "two adapters",
        {**BASE, **lora("default", A1, B1), **lora("extra", A2, B2)},
        put_at(1, W1 + 2 * B2 @ A2),
        "'2.lora_A.default.weight' is one of several low-rank adapters of its layer, 'default', 'extra'",
        True,
    ),
    row(
        "two adapters together",
        {**BASE, **lora("default", A1, B1), **lora("extra", A2, B2)},
        put_at(1, W1 + B1 @ A1 + B2 @ A2),
        "one of several low-rank adapters",
        True,
    ),
    row(
        "two adapters, one active",
        adapted(scaling=BOTH, active_adapters=["extra"], merged=False, merged_adapters=[]),
        put_at(1, W1 + 2 * B2 @ A2),
    ),
    row(
        "two adapters, both active",
        adapted(scaling=BOTH, active_adapters=["default", "extra"], merged=False, merged_adapters=[]),
        put_at(1, W1 + 0.5 * B1 @ A1 + 2 * B2 @ A2),
    ),
    row(
        "two adapters, one merged",
        adapted(scaling=BOTH, active_adapters=["default", "extra"], merged=True, merged_adapters=["default", "extra"]),
        PLAIN,
    ),
    row(
        "two adapters, switched off",
        adapted(scaling=BOTH, active_adapters=["default"], merged=False, merged_adapters=[], disable_adapters=True),
        PLAIN,
    ),
    row(
        "dora",
        {**BASE, **lora("default", A1, B1), "2.lora_magnitude_vector.default.weight": M1},
        dora(2.0),
        "low-rank adapter, and its factor",
        True,
    ),
    row(
        "dora of old",
        {**BASE, **lora("default", A1, B1), "2.lora_magnitude_vector.default": M1},
        dora(0.5),
        "low-rank adapter, and its factor",
        True,
    ),
    row(
        "dora at its start",
        {**BASE, **lora("default", A1, 0 * B1), "2.lora_magnitude_vector.default.weight": M1},
        dora(1.0, B=0 * B1),
    ),
    row(
        "rank-stabilised",
        {**BASE, **lora("default", A1, B1)},
        put_at(1, W1 + 8 / 2**0.5 * B1 @ A1),
        "low-rank adapter, and its factor",
        True,
    ),
    row(
        "merged by loralib",
        {**HEAD, "2.weight": W1, "2.bias": PLAIN[1][1], "2.lora_A": A1, "2.lora_B": B1, **state(PLAIN[2:], "4")},
        PLAIN,
        "low-rank adapter, and its factor",
        True,
    ),
    row(
        "torchtune",
        {
            **HEAD,
            "2.weight": W1,
            "2.bias": PLAIN[1][1],
            "2.lora_a.weight": A1,
            "2.lora_b.weight": B1,
            **state(PLAIN[2:], "4"),
        },
        put_at(1, W1 + 2 * B1 @ A1),
        "low-rank adapter, and its factor",
        True,
    ),
    row(
        "factor stored",
        {
            **HEAD,
            "2.weight": W1,
            "2.bias": PLAIN[1][1],
            "2.lora_down.weight": A1,
            "2.lora_up.weight": B1,
            "2.alpha": np.float32(1.0),
            **state(PLAIN[2:], "4"),
        },
        put_at(1, W1 + 0.5 * B1 @ A1),
    ),
    row(
        "adapters alone",
        {f"base_model.model.{n}.lora_{k}.weight": a for n in "24" for k, a in (("A", A1), ("B", B1))},
        PLAIN,
        *["low-rank adapter without its layer"] * 2,
    ),
    row(
        "adalora",
        {
            **BASE,
            **lora("default", A1, B1, end=""),
            "2.lora_E.default": RNG.normal(size=(2, 1)),
            "2.ranknum.default": np.float32(2),
        },
        PLAIN,
        *["lora_E"] * 2,
    ),
    row("ia3", {**BASE, "2.ia3_l.default": RNG.normal(size=(16, 1))}, PLAIN, *["ia3_l.default' is"] * 2),
    row(
        "loha",
        {**BASE, "2.hada_w1_a.default": RNG.normal(size=(16, 16)), "2.hada_w1_b.default": RNG.normal(size=(16, 16))},
        PLAIN,
        *["hada_w1_a.default' is"] * 2,
    ),
    row(
        "vera",
        {
            **BASE,
            "2.vera_lambda_b.default": np.ones(16),
            "2.vera_lambda_d.default": np.ones(2),
            "2.vera_A.default": A1,
            "2.vera_B.default": B1,
        },
        PLAIN,
        *["vera"] * 2,
    ),
    row(
        "keras lora",
        keras(
            dense("d0", *PLAIN[0]),
            keras_layer(
                "Dense",
                "d1",
                [("kernel", W1.T), ("bias", PLAIN[1][1]), ("lora_kernel_a", B1), ("lora_kernel_b", A1)],
                activation=SimpleNamespace(__name__="relu"),
                lora_enabled=True,
                lora_alpha=4,
                lora_rank=2,
            ),
            dense("d2", *PLAIN[2], "linear"),
        ),
        put_at(1, W1 + 2 * (B1 @ A1).T),
    ),
    row(
        "pruned, mask of bools",
        {**HEAD, "2.weight_orig": W1, "2.weight_mask": W1 > 0, "2.bias": PLAIN[1][1], **state(PLAIN[2:], "4")},
        put_at(1, np.maximum(W1, 0)),
    ),
    row(
        "pruned bias",
        {**HEAD, "2.weight": W1, "2.bias_orig": PLAIN[1][1], "2.bias_mask": np.arange(16) % 2, **state(PLAIN[2:], "4")},
        [PLAIN[0], (W1, PLAIN[1][1] * (np.arange(16) % 2)), PLAIN[2]],
    ),
    row(
        "weight and spectral norm",
        {
            **HEAD,
            "2.parametrizations.weight.original0": M1[:, None],
            "2.parametrizations.weight.original1": W1,
            "2.parametrizations.weight.1._u": M1,
            "2.parametrizations.weight.1._v": M1,
            "2.bias": PLAIN[1][1],
            **state(PLAIN[2:], "4"),
        },
        PLAIN,
        "vectors without a matrix",
        DIFFERS,
    ),
    row(
        "quantised tensor",
        {
            k: SimpleNamespace(shape=a.shape, dtype="torch.qint8", is_quantized=True, detach=lambda a=a: _Quantised(a))
            for k, a in STATE.items()
        },
        PLAIN,
    ),
    row(
        "dynamic quantisation",
        {
            "0.scale": np.float32(1),
            "0.zero_point": np.int64(0),
            "0._packed_params.dtype": "qint8",
            "0._packed_params._packed_params": (W1, M1),
            **state(PLAIN[1:], "2", "4"),
        },
        PLAIN,
        *["_packed_params"] * 2,
    ),
    row(
        "gptq",
        {
            "0.qweight": np.ones((4, 16), np.int32),
            "0.qzeros": np.ones((1, 2), np.int32),
            "0.scales": np.ones((1, 16), np.float16),
            "0.bias": PLAIN[0][1],
            **state(PLAIN[1:], "2", "4"),
        },
        PLAIN,
        *["'0.qweight' holds"] * 2,
    ),
    row(
        "four bits",
        {
            "0.weight": np.ones((64, 1), np.uint8),
            "0.weight.absmax": np.ones(2),
            "0.bias": PLAIN[0][1],
            **state(PLAIN[1:], "2", "4"),
        },
        PLAIN,
        *["'0.weight' holds integers"] * 2,
    ),
    row(
        "ints of four bits", {**STATE, "2.weight": W1.astype(ml_dtypes.int4)}, PLAIN, *["'2.weight' holds integers"] * 2
    ),
    row("boolean mask of attention", {**STATE, "causal_mask": np.tri(16, dtype=bool)}, PLAIN, "'causal_mask' holds"),
    row(
        "integer positions",
        {**STATE, "relative_position_index": np.ones((16, 16), np.int64)},
        PLAIN,
        "'relative_position_index' holds",
    ),
    row(
        "all integers",
        [np.array([[1, 2], [3, 4]]), np.array([[0, 1], [-1, 0]])],
        [(np.array([[1, 2], [3, 4]]), None), (np.array([[0, 1], [-1, 0]]), None)],
        OPEN,
    ),
]


class _Quantised:
    is_quantized = True

    def __init__(self, a):
        self.a = a

    def cpu(self):
        return self

    def dequantize(self):
        return SimpleNamespace(dtype="torch.float32", is_sparse=False, __array__=None) if self.a is None else self.a
