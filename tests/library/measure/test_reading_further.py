"""Further networks as the documentation of their frameworks writes them: read right, announced, or refused by name.

Outcomes are those of the log of users (``test_reading_log``): by names alone, and with the model's outputs.
"""

import re
import warnings
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import LambdaType, SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import bnlib as bn
from bnlib.measure.readers import read
from models import Tensor, batch_norm, dense, estimator, keras, keras_layer, leaky, linear, mlp, part, relu, sequential
from readings import DIFFERS, OPEN, inputs, is_right, layers_of, row, state

RNG = np.random.default_rng(11)
PLAIN = layers_of(RNG, 8, 16, 16, 3)
SQUARE = layers_of(RNG, 8, 8, 8, 8)
BARE = layers_of(RNG, 8, 8, 8, 8, bias=False)
OTHER = layers_of(RNG, 8, 16, 16, 3)
CRITIC = layers_of(RNG, 8, 16, 1)
MIRROR = layers_of(RNG, 8, 16, 8)
TORCH = ["0", "2", "4"]
STATE = state(PLAIN, *TORCH)
FLAT = [a for W, b in PLAIN for a in (W.T, b)]
HEADLESS = [*PLAIN[:2], (PLAIN[2][0], None)]


def prefixed(prefix, arrays):
    return {f"{prefix}{name}": a for name, a in arrays.items()}


def put_at(i, W, layers=PLAIN):
    return [(W, b) if i == j else (V, b) for j, (V, b) in enumerate(layers)]


# PyTorch: wrappers, copies, several networks.

ADAM_FLAT = {
    f"optimizer.state.{i}.{k}": np.ones_like(a) for i, a in enumerate(STATE.values()) for k in ("exp_avg", "exp_avg_sq")
}
ENSEMBLE = {
    f"models.{i}.{n}.{k}": a
    for i in range(3)
    for n, pair in zip(TORCH, layers_of(RNG, 8, 8, 8, 8), strict=True)
    for k, a in zip(("weight", "bias"), pair, strict=True)
}
TWINS = {**prefixed("q1.", state(SQUARE, *TORCH)), **prefixed("q2.", state(layers_of(RNG, 8, 8, 8, 8), *TORCH))}

WRAPPED = [
    row("fsdp", prefixed("_fsdp_wrapped_module.", STATE), PLAIN),
    row("ddp compiled fsdp", prefixed("module._orig_mod._fsdp_wrapped_module.", STATE), PLAIN),
    row("checkpoint wrapper", {k.replace(".", "._checkpoint_wrapped_module."): a for k, a in STATE.items()}, PLAIN),
    row("averaged", {"n_averaged": np.int64(4), **prefixed("module.", STATE)}, PLAIN),
    row(
        "averaged after training",
        {"model": STATE, "swa_model": {"n_averaged": np.int64(4), **prefixed("module.", state(OTHER, *TORCH))}},
        PLAIN,
        "several networks: 'model' .3 layers., 'swa_model",
    ),
    row(
        "model and ema",
        {"model": STATE, "model_ema": state(OTHER, *TORCH), "epoch": 3},
        PLAIN,
        "several networks: 'model' .3 layers., 'model_ema' .3 layers..*layers=.'model'.",
    ),
    row(
        "online and ema",
        {
            **prefixed("online_model.", STATE),
            **prefixed("ema_model.", state(OTHER, *TORCH)),
            "initted": np.array(True),
            "step": np.array(7),
        },
        PLAIN,
        "several networks: 'online_model'",
    ),
    row(
        "lightning ema",
        {"state_dict": {**prefixed("net.", STATE), **prefixed("net_ema.", state(OTHER, *TORCH))}},
        PLAIN,
        "several networks: 'state_dict.net'",
    ),
    row(
        "model and best",
        {"model": STATE, "best_model": state(OTHER, *TORCH), "best_acc": 0.9},
        PLAIN,
        "several networks: 'model' .3 layers., 'best_model'",
    ),
    row("model chosen", {"model": STATE, "best_model": state(OTHER, *TORCH)}, PLAIN, layers=["model"]),
    row("best state", {"state_dict": STATE, "best_state_dict": state(OTHER, *TORCH)}, PLAIN, "several networks"),
    row(
        "actor and critic",
        {**prefixed("actor.", STATE), **prefixed("critic.", state(CRITIC, "0", "2"))},
        PLAIN,
        "several networks: 'actor' .3 layers., 'critic' .2 layers.",
    ),
    row(
        "actor and critic square",
        {**prefixed("actor.", state(SQUARE, *TORCH)), **prefixed("critic.", state(layers_of(RNG, 8, 8, 1), "0", "2"))},
        SQUARE,
        "several networks: 'actor'",
    ),
    row(
        "actor chosen",
        {**prefixed("actor.", STATE), **prefixed("critic.", state(CRITIC, "0", "2"))},
        PLAIN,
        layers=["actor"],
    ),
    row(
        "generator and discriminator",
        {**prefixed("generator.", state(MIRROR, "0", "2")), **prefixed("discriminator.", state(CRITIC, "0", "2"))},
        MIRROR,
        "several networks: 'generator'",
    ),
    row("twin critics", TWINS, SQUARE, "several networks: 'q1' .3 layers., 'q2' .3 layers."),
    row(
        "student and teacher",
        {**prefixed("student.", state(SQUARE, *TORCH)), **prefixed("teacher.", state(SQUARE[::-1], *TORCH))},
        SQUARE,
        "several networks: 'student'",
    ),
    row(
        "ensemble",
        ENSEMBLE,
        SQUARE,
        "several networks: 'models.0' .3 layers., 'models.1'",
        True,
        function=mlp([(ENSEMBLE[f"models.1.{n}.weight"], ENSEMBLE[f"models.1.{n}.bias"]) for n in TORCH]),
    ),
    row(
        "blocks",
        {
            f"blocks.{i}.{n}.{k}": a
            for i in range(2)
            for n, pair in zip("02", SQUARE[2 * i : 2 * i + 2] + SQUARE[:i], strict=True)
            for k, a in zip(("weight", "bias"), pair, strict=True)
        },
        [*SQUARE, SQUARE[0]],
        OPEN,
    ),
    row("flat optimiser", {**STATE, **ADAM_FLAT}, PLAIN),
    row(
        "flat optimiser of a sharded checkpoint",
        {**prefixed("model.", STATE), **{f"optim.state.{k}.exp_avg": np.ones_like(a) for k, a in STATE.items()}},
        PLAIN,
    ),
    row(
        "moments beside weights", {**STATE, **{f"{k}.exp_avg": np.ones_like(a) for k, a in STATE.items()}}, PLAIN, True
    ),
    row("momentum buffers", {**STATE, **{f"{k}.momentum_buffer": np.ones_like(a) for k, a in STATE.items()}}, PLAIN),
    row(
        "loss module",
        part(
            "Model",
            module="home",
            children=[
                (
                    "net",
                    sequential(linear(*PLAIN[0]), part("ReLU"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])),
                ),
                ("criterion", part("CrossEntropyLoss", module="torch.nn.modules.loss")),
            ],
        ),
        PLAIN,
    ),
    row(
        "dropout of channels",
        sequential(
            linear(*PLAIN[0]), part("ReLU"), part("Dropout1d"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])
        ),
        PLAIN,
    ),
    row("gaps in numbers", state(PLAIN, "1", "4", "8"), PLAIN),
    row(
        "skorch",
        SimpleNamespace(
            module_=sequential(linear(*PLAIN[0]), part("ReLU"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])),
            module=len,
            fit=len,
            get_params=len,
        ),
        PLAIN,
    ),
    row(
        "scripted",
        part(
            "RecursiveScriptModule",
            module="torch.jit._script",
            original_name="Sequential",
            children=[
                (
                    "0",
                    part(
                        "RecursiveScriptModule",
                        module="torch.jit._script",
                        original_name="Linear",
                        state=[("weight", PLAIN[0][0]), ("bias", PLAIN[0][1])],
                    ),
                ),
                ("1", part("RecursiveScriptModule", module="torch.jit._script", original_name="Tanh")),
                (
                    "2",
                    part(
                        "RecursiveScriptModule",
                        module="torch.jit._script",
                        original_name="Linear",
                        state=[("weight", CRITIC[1][0]), ("bias", CRITIC[1][1])],
                    ),
                ),
            ],
        ),
        [PLAIN[0], CRITIC[1]],
        "'1' is of the kind Tanh",
        f"{DIFFERS}.*tanh in place of ReLU",
        function=mlp([PLAIN[0], CRITIC[1]], np.tanh),
    ),
    row("exported program", SimpleNamespace(state_dict=STATE, graph_module=None), PLAIN),
    row(
        "cleanrl",
        {
            **state(CRITIC, "critic.0", "critic.2"),
            **state(PLAIN, *(f"actor_mean.{n}" for n in TORCH)),
            "actor_logstd": np.zeros((1, 3)),
        },
        PLAIN,
        "several networks: 'critic' .2 layers., 'actor_mean' .3 layers.",
    ),
    row("log deviation as a row", {**STATE, "log_std": np.zeros((1, 3))}, PLAIN),
    row(
        "SAC",
        {
            **prefixed("actor.latent_pi.", state(PLAIN[:2], "0", "2")),
            **state(PLAIN[2:], "actor.mu"),
            **state(layers_of(RNG, 16, 3), "actor.log_std"),
            **prefixed("critic.qf0.", state(layers_of(RNG, 11, 16, 1), "0", "2")),
        },
        PLAIN,
        "several networks in these parts: 'actor.latent_pi' .2 layers.",
        "No reading|cannot follow",
    ),
    row(
        "tied decoder",
        {"encoder.weight": MIRROR[0][0], "encoder.bias": MIRROR[0][1], "decoder_bias": MIRROR[1][1]},
        [MIRROR[0], (MIRROR[0][0].T, MIRROR[1][1])],
        "'decoder_bias': these are vectors without a matrix",
        "No reading",
    ),
]


# Adapters, parametrisations, numbers of few bits.

A1, B1, A2, B2 = (RNG.normal(size=s) / 3 for s in ((2, 16), (16, 2), (2, 16), (16, 2)))
W1, M1 = PLAIN[1][0], RNG.uniform(0.5, 2, 16)
HEAD, TAIL = state(PLAIN[:1], "0"), {**state(PLAIN[2:], "4"), "2.base_layer.bias": PLAIN[1][1]}
BASE = {**HEAD, "2.base_layer.weight": W1, **TAIL}


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
ADAPTERS = [
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


# Blocks that are no chain of layers.

GATE, UP, DOWN = RNG.normal(size=(16, 8)), RNG.normal(size=(16, 8)), RNG.normal(size=(8, 16))


def gated(X):
    z = X @ GATE.T
    return (z / (1 + np.exp(-z)) * (X @ UP.T)) @ DOWN.T


HEADS = {f"self_attn.{k}_proj.weight": RNG.normal(size=(8, 8)) for k in "qkvo"}
TRUE8 = [(np.eye(8), None)]
BLOCKS = [
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


# JAX: trees, states, files.

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


class Frame:
    """A table as pandas has it."""

    def __init__(self, values):
        self.values, self.shape, self.columns = values, values.shape, list("abcdefghijklmnop")[: values.shape[-1]]

    def __array__(self, dtype=None, copy=None):
        return self.values


class Device:
    """An array of CuPy, which NumPy may not read without being asked."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self):
        return self.values


class MxArray:
    """An array of MXNet."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def asnumpy(self):
        return self.values

    def __array__(self, *args, **kwargs):
        raise TypeError("no array")


PaddleTensor = type(
    "Tensor", (Frame,), {"__module__": "paddle", "dtype": "paddle.float32", "numpy": lambda self: self.values}
)
Weights = namedtuple("Weights", ["weights", "biases"])
OBJECTS = np.empty(3, object)
for i, (W, _) in enumerate(BARE):
    OBJECTS[i] = W

JAX_ROWS = [
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
        "haiku, flat",
        {f"mlp/~/linear_{i}/{k}": a for i, (W, b) in enumerate(SQUARE) for k, a in (("w", W.T), ("b", b))},
        SQUARE,
    ),
    row(
        "stax with empty layers",
        [(SQUARE[0][0].T, SQUARE[0][1]), (), (SQUARE[1][0].T, SQUARE[1][1]), (), (SQUARE[2][0].T, SQUARE[2][1])],
        SQUARE,
        OPEN,
    ),
    row(
        "sonnet",
        {f"mlp/linear_{i}/{k}:0": a for i, (W, b) in enumerate(SQUARE) for k, a in (("w", W.T), ("b", b))},
        SQUARE,
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


# TensorFlow, Keras, scikit-learn, MXNet, Paddle, ONNX.

CALLED_TWICE = keras(dense("d0", *SQUARE[0]), dense("d1", *SQUARE[1]), dense("d2", *SQUARE[2], "linear"))
CALLED_TWICE._nodes_by_depth = {
    i: [SimpleNamespace(operation=CALLED_TWICE.layers[j])] for i, j in enumerate((2, 1, 1, 0))
}
ADDED = keras(dense("d0", *SQUARE[0]), dense("d1", *SQUARE[1]), dense("d2", *SQUARE[2], "linear"))
ADDED.operations = [*ADDED.layers[:2], type("Add", (), {"name": "add"})(), ADDED.layers[2]]
NORM, normalised = batch_norm(RNG, 16)
VARIABLES = {
    f"dense{'_' * bool(i)}{i or ''}/{k}:0": a
    for i, (W, b) in enumerate(SQUARE)
    for k, a in (("kernel", W.T), ("bias", b))
}
OTHER_ROWS = [
    row("variables of TensorFlow", VARIABLES, SQUARE),
    row(
        "variables and slots",
        {
            **VARIABLES,
            **{k.replace(":0", "/Adam:0"): np.ones_like(a) for k, a in VARIABLES.items()},
            **{k.replace(":0", "/Adam_1:0"): np.ones_like(a) for k, a in VARIABLES.items()},
            "beta1_power:0": np.float32(0.9),
        },
        SQUARE,
    ),
    row(
        "checkpoint of TensorFlow",
        {
            f"model/layer_with_weights-{i}/{k}/.ATTRIBUTES/VARIABLE_VALUE": a
            for i, (W, b) in enumerate(SQUARE)
            for k, a in (("kernel", W.T), ("bias", b))
        }
        | {
            f"model/layer_with_weights-{i}/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE": np.ones(
                (8, 8)
            )
            for i in range(3)
        }
        | {"save_counter/.ATTRIBUTES/VARIABLE_VALUE": np.int64(1)},
        SQUARE,
    ),
    row(
        "weights and biases of TF1",
        {f"hidden{i}/{k}:0": a for i, (W, b) in enumerate(SQUARE, 1) for k, a in (("weights", W.T), ("biases", b))},
        SQUARE,
        OPEN,
    ),
    row(
        "keras layer called twice",
        CALLED_TWICE,
        SQUARE,
        "'d1' is called 2 times",
        True,
        function=mlp([SQUARE[0], SQUARE[1], SQUARE[1], SQUARE[2]]),
    ),
    row("keras addition", ADDED, SQUARE, "'add' is of the kind Add", DIFFERS, function=lambda X: mlp(SQUARE)(X) + X),
    row(
        "keras in keras",
        keras(keras(dense("d0", *PLAIN[0]), dense("d1", *PLAIN[1])), dense("d2", *PLAIN[2], "linear")),
        PLAIN,
    ),
    row(
        "legacy h5",
        {
            f"model_weights/dense{'_' * bool(i)}{i or ''}/dense{'_' * bool(i)}{i or ''}/{k}:0": a
            for i, (W, b) in enumerate(SQUARE)
            for k, a in (("kernel", W.T), ("bias", b))
        },
        SQUARE,
    ),
    row(
        "get_weights with normalisation",
        [
            PLAIN[0][0].T,
            PLAIN[0][1],
            NORM["weight"],
            NORM["bias"],
            NORM["running_mean"],
            NORM["running_var"],
            *FLAT[2:],
        ],
        PLAIN,
        "vectors without a matrix",
        "No reading|vectors",
        function=lambda X: mlp(PLAIN[1:])(relu(normalised(X @ PLAIN[0][0].T + PLAIN[0][1]))),
    ),
    row("get_weights without the last bias", FLAT[:-1], HEADLESS),
    row("one hidden layer (38, 68)", estimator(MIRROR), MIRROR),
    row("block of a transformer (38)", {**state(MIRROR, "linear1", "linear2")}, MIRROR),
    row("one layer (35)", state(PLAIN[:1], "0"), PLAIN[:1]),
    row(
        "target transformed",
        SimpleNamespace(regressor_=estimator(PLAIN), transformer_=None, fit=len),
        PLAIN,
        *["regressor_"] * 2,
    ),
    row(
        "linear model",
        SimpleNamespace(coef_=PLAIN[2][0], intercept_=PLAIN[2][1], fit=len),
        PLAIN[2:],
        *["no multilayer perceptron|holds no arrays"] * 2,
    ),
    row(
        "names of MXNet",
        {f"arg:fc{i}_{k}": a for i, (W, b) in enumerate(SQUARE, 1) for k, a in (("weight", W), ("bias", b))},
        SQUARE,
    ),
    row(
        "arrays of MXNet",
        {f"dense{i}.{k}": MxArray(a) for i, (W, b) in enumerate(SQUARE) for k, a in (("weight", W), ("bias", b))},
        SQUARE,
    ),
    row(
        "names of Paddle",
        {f"linear_{i}.{k}_0": a for i, (W, b) in enumerate(SQUARE) for k, a in (("w", W.T), ("b", b))},
        SQUARE,
    ),
    row(
        "tensors of Paddle",
        {f"{2 * i}.{k}": PaddleTensor(a) for i, (W, b) in enumerate(SQUARE) for k, a in (("weight", W.T), ("bias", b))},
        SQUARE,
    ),
    row(
        "ONNX MatMul",
        {
            "fc1.bias": SQUARE[0][1],
            "fc2.bias": SQUARE[1][1],
            "fc3.bias": SQUARE[2][1],
            **{f"onnx::MatMul_{20 + i}": W.T for i, (W, _) in enumerate(SQUARE)},
        },
        SQUARE,
        OPEN,
    ),
    row(
        "ONNX of Keras",
        {
            f"sequential/dense_{i}/{k}/ReadVariableOp:0": a
            for i, (W, b) in enumerate(SQUARE)
            for k, a in (("MatMul", W.T), ("BiasAdd", b))
        },
        SQUARE,
        OPEN,
    ),
]


# Forms of arrays.


def masked(A, hidden=False):
    return np.ma.masked_array(A, mask=(A > 1) if hidden else False)


def matrices(arrays):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return {k: np.asmatrix(a) if a.ndim == 2 else a for k, a in arrays.items()}


W1S = {k: a for i, (W, b) in enumerate(PLAIN, 1) for k, a in ((f"W{i}", W.T), (f"b{i}", b[None, :]))}
FORMS = [
    row("biases as rows", W1S, PLAIN),
    row(
        "biases as columns",
        {k: a for i, (W, b) in enumerate(PLAIN, 1) for k, a in ((f"W{i}", W), (f"b{i}", b[:, None]))},
        PLAIN,
    ),
    row(
        "biases as rows, square",
        {k: a for i, (W, b) in enumerate(SQUARE, 1) for k, a in ((f"W{i}", W), (f"b{i}", b[None, :]))},
        SQUARE,
        OPEN,
    ),
    row("pairs with rows", [(W.T, b[None, :]) for W, b in PLAIN], PLAIN),
    row(
        "one output, biases as rows",
        {k: a for i, (W, b) in enumerate(CRITIC, 1) for k, a in ((f"W{i}", W.T), (f"b{i}", b[None, :]))},
        CRITIC,
    ),
    row(
        "one input",
        {
            k: a
            for i, (W, b) in enumerate(layers_of(np.random.default_rng(2), 1, 16, 1), 1)
            for k, a in ((f"W{i}", W.T), (f"b{i}", b[None, :]))
        },
        layers_of(np.random.default_rng(2), 1, 16, 1),
    ),
    row("scalar bias", [*PLAIN[:2], (CRITIC[1][0], float(CRITIC[1][1][0]))], [*PLAIN[:2], CRITIC[1]]),
    row("array of objects", OBJECTS, BARE, OPEN),
    row("lists of numbers", [[W.tolist(), b.tolist()] for W, b in PLAIN], PLAIN),
    row("JSON", {"layers": [{"weights": W.tolist(), "biases": b.tolist(), "size": 3} for W, b in PLAIN]}, PLAIN),
    row(
        "words beside arrays",
        {
            **STATE,
            "author": "me",
            "date": np.datetime64("2026-01-01"),
            "classes": np.array(["a", "b"]),
            "tags": ["x", "y"],
        },
        PLAIN,
    ),
    row("empty arrays", {**STATE, "extra": np.zeros((0, 4)), "none": None, "hooks": {}}, PLAIN),
    row("big-endian", {k: a.astype(">f8") for k, a in STATE.items()}, PLAIN),
    row("by columns", {k: np.asfortranarray(a) for k, a in STATE.items()}, PLAIN),
    row("strided", {k: np.repeat(a, 2, axis=0)[::2] for k, a in STATE.items()}, PLAIN),
    row("long double", {k: a.astype(np.longdouble) for k, a in STATE.items()}, PLAIN),
    row("masked, nothing hidden", {k: masked(a) for k, a in STATE.items()}, PLAIN),
    row("masked", {**STATE, "2.weight": masked(W1, True)}, PLAIN, *["'2.weight' has masked entries"] * 2),
    row("matrices", lambda: matrices(STATE), PLAIN),
    row("generator of arrays", lambda: (a for pair in PLAIN for a in pair), PLAIN),
    row("dictionary view", lambda: STATE.items(), PLAIN),
    row("values", lambda: STATE.values(), PLAIN),
    row("frames", {k: Frame(a) for k, a in STATE.items()}, PLAIN),
    row("frames, square", {k: Frame(a) if k == "2.weight" else a for k, a in state(SQUARE, *TORCH).items()}, SQUARE),
    row("device", {k: Device(a) for k, a in STATE.items()}, PLAIN),
    row(
        "data beside weights",
        {
            **{k: a for i, (W, b) in enumerate(SQUARE, 1) for k, a in ((f"W{i}", W), (f"b{i}", b))},
            "X": RNG.normal(size=(8, 8)),
        },
        SQUARE,
        "'X' is a matrix beside layers",
        True,
    ),
    row("reversed dictionary", dict(reversed(list(STATE.items()))), PLAIN),
    row(
        "number 10 after 9",
        OrderedDict(
            (f"layer{i}.weight", W)
            for i, (W, _) in sorted(
                enumerate(layers_of(np.random.default_rng(3), *[8] * 12, bias=False)), key=lambda p: str(p[0])
            )
        ),
        layers_of(np.random.default_rng(3), *[8] * 12, bias=False),
    ),
    row("tensors with gradients", {k: Tensor(a) for k, a in STATE.items()}, PLAIN),
    row("list of paths", ["a.npz", "b.npz"], PLAIN, *["'a.npz'"] * 2),
    row(
        "leaky by module",
        sequential(
            linear(*PLAIN[0]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[1]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[2]),
        ),
        PLAIN,
        function=mlp(PLAIN, leaky(0.05)),
    ),
    row(
        "two slopes",
        sequential(
            linear(*PLAIN[0]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[1]),
            part("ReLU"),
            linear(*PLAIN[2]),
        ),
        PLAIN,
        *["several slopes"] * 2,
    ),
]

# What stands beside the layers, and layers that lack something.

SQUARES = state(SQUARE, *TORCH)
BACK = state(SQUARE[::-1], *TORCH)
LACK = {"0.weight": SQUARE[0][0], "4.weight": SQUARE[2][0]}
GAINS = {
    f"{n}.{k}": a for n, (W, _) in zip(TORCH, SQUARE, strict=True) for k, a in (("weight", W), ("g", np.full(8, 2.0)))
}
BESIDE = [
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

ROWS = [*WRAPPED, *ADAPTERS, *BLOCKS, *JAX_ROWS, *OTHER_ROWS, *FORMS, *BESIDE]
IDS = [r.number for r in ROWS]


def fresh(row):
    return row.params() if isinstance(row.params, LambdaType) else row.params


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_by_names_alone_it_is_read_right_or_announced_or_refused(row):
    X = inputs(row)
    if row.names not in (True, OPEN, "wrong"):
        with pytest.raises(ValueError, match=row.names) as error:
            read(fresh(row), d_in=row.d_in, **row.options)
        assert re.fullmatch(r"[^\n]*\.", str(error.value))
        return
    reading = read(fresh(row), d_in=row.d_in, **row.options)
    assert bool(reading.open) == (row.names == OPEN)
    if row.names is True and row.outputs is True:
        assert is_right(reading, row, X)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_with_outputs_it_is_read_right_or_refused(row):
    X = inputs(row)
    if row.outputs is not True:
        with pytest.raises(ValueError, match=row.outputs) as error:
            read(fresh(row), X, row.function(X), **row.options)
        assert re.fullmatch(r"[^\n]*\.", str(error.value))
        return
    reading = read(fresh(row), X, row.function(X), **row.options)
    assert not reading.open
    assert is_right(reading, row, X)


# Inputs and outputs, reports, files.


class Sparse:
    """A matrix of SciPy, which NumPy takes for one object."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def toarray(self):
        return self.values


FORMS_OF_POINTS = {
    "lists": lambda a: a.tolist(),
    "objects": lambda a: a.astype(object),
    "frame": Frame,
    "big-endian": lambda a: a.astype(">f8"),
    "by columns": np.asfortranarray,
    "long double": lambda a: a.astype(np.longdouble),
    "nothing masked": masked,
    "sparse": Sparse,
    "device": Device,
    "tensor": Tensor,
    "float32": lambda a: a.astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS_OF_POINTS)
def test_inputs_and_outputs_come_in_any_form(form):
    X = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32).astype(float)
    made = FORMS_OF_POINTS[form]
    report = bn.report(STATE, made(X), outputs=made(mlp(PLAIN)(X)))
    assert report.reading.difference < 1e-5
    assert not report.reading.open


@pytest.mark.parametrize(
    ("X", "Y", "sentence"),
    [
        (masked(np.eye(8) * 2, True), np.eye(8), "'X' has masked entries; say what they are first, as by filled"),
        (np.eye(8), masked(np.eye(8) * 2, True), "'outputs' has masked entries"),
        (np.eye(8), (np.ones((8, 3)), np.ones((8, 16))), "'outputs' cannot be made an array"),
        (np.eye(8), {"logits": np.ones((8, 3))}, "outputs must hold real numbers, but its type is object"),
        (np.eye(8), jax.ShapeDtypeStruct((8, 3), jnp.float32), "'outputs' has a shape but no numbers"),
        ({"X": np.eye(8)}, np.ones((8, 3)), "X must hold (real )?numbers"),
        ((row for row in np.eye(8)), np.ones((8, 3)), "X must hold (real )?numbers"),
        (
            np.eye(8),
            np.ones((8, 1, 3)),
            "outputs must have one row for each of the 8 inputs, but its shape is .8, 1, 3.",
        ),
        (np.eye(8)[:, None], np.ones((8, 3)), "X must have shape .N, d_in., but its shape is .8, 1, 8."),
    ],
)
def test_points_that_are_none_are_refused_in_one_sentence(X, Y, sentence):
    with pytest.raises(ValueError, match=f"^.*{sentence}.*[.]$"):
        bn.report(STATE, X, outputs=Y)


@pytest.mark.parametrize(("bits", "rank"), [(np.float64, 8), (np.float32, 2)])
@pytest.mark.parametrize("wide", [False, True])
def test_float64_weights_are_judged_in_float64(bits, rank, wide):
    """Row 69: in Python as in the command, whatever the default of the session."""
    rng = np.random.default_rng(0)
    s = np.array([1.0, 1.0, *[1e-10] * 6])
    Ws = [np.linalg.qr(rng.normal(size=(8, 8)))[0] * s @ np.linalg.qr(rng.normal(size=(8, 8)))[0] for _ in range(5)]
    with jax.enable_x64(wide):
        report = bn.report([W.astype(bits) for W in Ws], rng.normal(size=(20, 8)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a reading that is open
            net = bn.from_arrays([W.astype(bits) for W in Ws])
        assert net.last[0].dtype == (bits if wide else np.float32)
        assert bn.apply(net, np.eye(8)).shape == (8, 8)
    assert [r.numerical_rank for r in report.weight_ranks] == [rank] * 5
    assert report.reading.dtype == np.dtype(bits).name


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_of_the_further_situations(tmp_path, kind):
    """Those whose names are those of arrays are read from a file as they are from memory, or announced."""
    X = np.random.default_rng(0).normal(size=(40, 8))
    tried = 0
    for r in ROWS:
        plain = isinstance(r.params, dict) and all(
            type(a) is np.ndarray and a.dtype in (np.float64, np.int64) for a in r.params.values()
        )
        if not plain or r.names is not True or r.options or r.d_in != 8:
            continue
        tried += 1
        if kind == "npz":
            np.savez(tmp_path / "w", **r.params)
        else:
            safetensors.numpy.save_file({k: np.ascontiguousarray(a) for k, a in r.params.items()}, tmp_path / "w.npz")
        try:
            reading = read(tmp_path / "w.npz", d_in=8)
        except ValueError as error:
            assert "Nothing tells the order of the layers" in str(error)  # noqa: PT017
        else:
            assert reading.open or is_right(reading, r, X), r.number
        if r.outputs is True:
            assert is_right(read(tmp_path / "w.npz", X, r.function(X)), r, X), r.number
    assert tried > 20
