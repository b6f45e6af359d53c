"""Networks as users have them, each under the number of its row in the log of users: read right, announced, or refused.

Each row has the names and shapes that its framework writes, and the function that its model computes. By names alone
the reading is right (True), right or wrong but announced (OPEN), or refused with the sentence given. With the model's
outputs it is right, or refused with the sentence given.
"""

import json
import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib.__main__ import main
from bnlib.measure.readers import read
from models import (
    Tensor,
    batch_norm,
    dense,
    estimator,
    half,
    keras,
    keras_layer,
    leaky,
    linear,
    mlp,
    part,
    relu,
    sequential,
)  # fmt: skip
from readings import DIFFERS, OPEN, check_by_names, check_with_outputs, inputs, is_right, row, state
from readings import layers_of as random_layers

RNG = np.random.default_rng(5)


def layers_of(*widths, bias=True):
    return random_layers(RNG, *widths, bias=bias)


PLAIN = layers_of(8, 16, 16, 16, 3)
SQUARE = layers_of(16, 16, 16, 16, 16)
AUTOENCODER = layers_of(8, 16, 16, 16, 8)
BARE = layers_of(8, 16, 16, 3, bias=False)
BARE_SQUARE = layers_of(16, 16, 16, 16, bias=False)
TORCH = ["0", "2", "4", "6"]
DENSE = [f"Dense_{i}" for i in range(4)]


# PyTorch.

HALVES = [(half(W), half(b)) for W, b in PLAIN]
FC2 = [PLAIN[0], *[SQUARE[1]] * 5, PLAIN[3]]
NORM, normalised = batch_norm(RNG, 16)


def with_norm(layers, after):
    """Return the function of a network with NORM behind its first layer, before or behind ReLU."""

    def function(X):
        h = X @ layers[0][0].T + layers[0][1]
        return mlp(layers[1:])(relu(normalised(h)) if after else normalised(relu(h)))

    return function


def adapter(W, rank, *, name="2", scale=1.0):
    A, B = RNG.normal(size=(rank, W.shape[1])), RNG.normal(size=(W.shape[0], rank)) / 4
    arrays = {
        f"{name}.base_layer.weight": W,
        f"{name}.lora_A.default.weight": A,
        f"{name}.lora_B.default.weight": B,
    }
    return arrays, W + scale * B @ A


LORA, LORA_W = adapter(BARE[1][0], 8)
ADAPTED = {"0.weight": BARE[0][0]} | LORA | {"4.weight": BARE[2][0]}
LORAS = [adapter(W, 4, name=str(2 * i), scale=2.0) for i, (W, _) in enumerate(BARE_SQUARE)]
LORA_BIASED, LORA_BIASED_W = adapter(PLAIN[1][0], 4)
B16 = RNG.normal(size=(16, 8)) / 3
PROJECTED = layers_of(16, 16, 16, 3, bias=False)
ORTHOGONAL = np.linalg.qr(RNG.normal(size=(16, 16)))[0]
G = RNG.uniform(0.5, 2, (16, 1))
V = RNG.normal(size=(16, 16))
WN = G * V / np.linalg.norm(V, axis=1, keepdims=True)
U, S, VT = np.linalg.svd(PLAIN[1][0])
SN = PLAIN[1][0] / S[0]
MEAN, STD = RNG.normal(size=8), RNG.uniform(0.5, 2, 8)
STANDARDISED = [(PLAIN[0][0] / STD, PLAIN[0][1] - PLAIN[0][0] @ (MEAN / STD)), *PLAIN[1:]]


def second(W, b=PLAIN[1][1]):
    return [PLAIN[0], (W, b), *PLAIN[2:]]


def replaced(**arrays):
    """Return the state of PLAIN with other arrays in place of the second weight matrix."""
    found = {}
    for name, a in state(PLAIN, *TORCH).items():
        found |= (
            {f"2.{key.replace('__', '.')}": value for key, value in arrays.items()} if name == "2.weight" else {name: a}
        )
    return found


def schemes(layers, tag):
    """Return rows for the usual names of four layers in the order in which they are called."""
    named = {
        "input": ("input_layer", "hidden_layers.0", "hidden_layers.1", "output_layer"),
        "ordinals": ("first", "second", "third", "fourth"),
        "autoencoder": ("encoder.0", "encoder.2", "decoder.0", "decoder.2"),
        "trunk": ("trunk.0", "trunk.2", "trunk.4", "action_net"),
        "stem": ("stem", "blocks.0", "blocks.1", "head"),
        "letters": ("l_in", "l1", "l2", "l_out"),
        "proj": ("proj_in", "ff.0", "ff.1", "proj_out"),
        "up": ("up_proj", "mid_proj.0", "mid_proj.1", "down_proj"),
        "features": ("features.0", "features.2", "features.4", "classifier"),
        "linear": ("linear_in", "linear_hidden.0", "linear_hidden.1", "linear_out"),
        "fc": ("fc1", "fc2", "fc3", "fc4"),
        "backbone": ("backbone.0", "backbone.2", "backbone.4", "head"),
        "lin": ("lin_in", "lin_mid.0", "lin_mid.1", "lin_out"),
        "hidden": ("hidden.0", "hidden.1", "hidden.2", "output"),
        "embed": ("embed", "mlp.0", "mlp.1", "out"),
    }
    for name, names in named.items():
        yield row(f"25 {name} {tag}", OrderedDict(state(layers, *names)), layers)


class Opaque:
    """What a checkpoint holds beside numbers."""


SGD = {"state": {0: {"exp_avg": np.ones((16, 8)), "step": 3}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}
STATE = state(PLAIN, *TORCH)
PPO = {
    **state(PLAIN[:2], "mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2"),
    **state(layers_of(8, 16, 16), "mlp_extractor.value_net.0", "mlp_extractor.value_net.2"),
    **state(PLAIN[3:], "action_net"),
    **state(layers_of(16, 1), "value_net"),
}
ACTOR = [PLAIN[0], PLAIN[1], PLAIN[3]]
ACTOR_STATE = state(ACTOR, "mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
HEADS = {
    **state(PLAIN[:2], "latent_pi.0", "latent_pi.2"),
    **state(PLAIN[3:], "mu"),
    **state(layers_of(16, 3), "log_std"),
}
DQN = {**state(PLAIN, *(f"q_net.{n}" for n in TORCH)), **state(PLAIN, *(f"q_net_target.{n}" for n in TORCH))}

TORCH_ROWS = [
    row("1", STATE, PLAIN),
    row("2", {f"module.{k}": v for k, v in STATE.items()}, PLAIN),
    row("3", {f"_orig_mod.{k}": v for k, v in STATE.items()}, PLAIN),
    row("4", {f"_orig_mod.module.{k}": v for k, v in STATE.items()}, PLAIN),
    row("5", sequential(*(p for W, b in PLAIN[:3] for p in (linear(W, b), part("ReLU"))), linear(*PLAIN[3])), PLAIN),
    row("6 pairs", lambda: ((k, Tensor(v)) for k, v in STATE.items()), PLAIN),
    row("6 list", [Tensor(v) for v in STATE.values()], PLAIN),
    row("7", OrderedDict((f"{n}.{k}", a[0]) for n, pair in zip(TORCH, HALVES, strict=True)
                         for k, a in zip(("weight", "bias"), pair, strict=True)), [(W[1], b[1]) for W, b in HALVES]),
    row("9", {k: v.astype(np.float16) for k, v in STATE.items()},
        [(W.astype(np.float16), b.astype(np.float16)) for W, b in PLAIN]),
    row("10", {"model": STATE, "optimizer": SGD, "epoch": 3, "loss": 0.1}, PLAIN),
    row("11", {"state_dict": {f"net.{k}": v for k, v in STATE.items()}, "optimizer_states": [SGD], "epoch": 2,
               "global_step": np.int64(9), "hyper_parameters": {"lr": 0.1, "widths": [16, 16]}, "callbacks": {},
               "pytorch-lightning_version": "2.5", "loops": {"n": np.ones((2, 2))}}, PLAIN),
    row("12", {"state_dict": STATE}, PLAIN),
    row("13", replaced(parametrizations__weight__original0=G, parametrizations__weight__original1=V), second(WN)),
    row("14", replaced(weight_g=G, weight_v=V), second(WN)),
    row("14 one norm", replaced(weight_g=np.float64(2.0), weight_v=V), second(2 * V / np.linalg.norm(V))),
    row("15 new", replaced(parametrizations__weight__original=PLAIN[1][0], parametrizations__weight__0___u=U[:, 0],
                           parametrizations__weight__0___v=VT[0]), second(SN)),
    row("15 old", replaced(weight_orig=PLAIN[1][0], weight_u=U[:, 0], weight_v=VT[0]), second(SN)),
    row("16", {"0.weight": BARE[0][0], "2.parametrizations.weight.original": ORTHOGONAL,
               "2.parametrizations.weight.0.base": np.eye(16), "4.weight": BARE[2][0]},
        [BARE[0], (ORTHOGONAL, None), BARE[2]], *["a part of a parametrised weight.*remove_parametrizations"] * 2),
    row("17", {"0.weight": PLAIN[0][0], "0.bias": PLAIN[0][1], **LORA_BIASED, "2.base_layer.bias": PLAIN[1][1],
               **state(PLAIN[2:], "4", "6")}, second(LORA_BIASED_W), "'2.lora_A.default.weight' is a low-rank adapter"),
    row("18", {f"base_model.model.{k}": a for k, a in ADAPTED.items()},
        [BARE[0], (LORA_W, None), BARE[2]], "low-rank adapter, and its factor alpha/r is not among the arrays"),
    row("19", {k: a for arrays, _ in LORAS for k, a in arrays.items()}, [(W, None) for _, W in LORAS],
        "is a low-rank adapter.*merge_and_unload"),
    row("18 unused", {"0.weight": BARE[0][0]} | LORA | {"2.lora_B.default.weight": np.zeros((16, 8)),
                                                       "4.weight": BARE[2][0]}, BARE),
    row("20", {"B": RNG.normal(size=(4, 8)), **STATE}, PLAIN,
        "'B' is a matrix beside layers that are called otherwise"),
    row("21", {"B": B16, **state(PROJECTED, "0", "2", "4")}, [(PROJECTED[0][0] @ B16, None), *PROJECTED[1:]],
        "'B' is a matrix beside layers that are called otherwise, like a fixed projection"),
    row("22", {"mean": MEAN, "std": STD, **STATE}, STANDARDISED,
        "'mean', 'std': these are vectors without a matrix"),
    row("22 unused", {"mean": MEAN, "std": STD, **STATE}, PLAIN, "'mean', 'std': these are vectors without a matrix"),
    row("23", state(PLAIN, "input_layer", "hidden_layers.0", "hidden_layers.1", "output_layer"), PLAIN),
    row("24", state(SQUARE, "input_layer", "hidden_layers.0", "hidden_layers.1", "output_layer"), SQUARE),
    *schemes(PLAIN, ""),
    *schemes(SQUARE, "square"),
    row("26", state(AUTOENCODER, "encoder.0", "encoder.2", "decoder.0", "decoder.2"), AUTOENCODER),
    row("28", state([PLAIN[0], SQUARE[1], PLAIN[3]], "fc1", "fc2", "fc3"), FC2, "wrong"),
    row("29 tanh", STATE, PLAIN, "wrong", f"{DIFFERS}.*tanh in place of ReLU", function=mlp(PLAIN, np.tanh)),
    row("29 sine", STATE, PLAIN, "wrong", f"{DIFFERS}.*sine in place of ReLU", function=mlp(PLAIN, np.sin)),
    row("30 softmax", STATE, PLAIN, "wrong", True,
        function=lambda X: np.exp(mlp(PLAIN)(X)) / np.exp(mlp(PLAIN)(X)).sum(1, keepdims=True)),
    row("30 norm", STATE, PLAIN, "wrong", DIFFERS,
        function=lambda X: mlp(PLAIN[1:])(relu((lambda z: (z - z.mean(1, keepdims=True)) / z.std(1, keepdims=True))(
            X @ PLAIN[0][0].T + PLAIN[0][1])))),
    row("30 module", sequential(linear(*PLAIN[0]), part("LayerNorm"), part("ReLU"), linear(*ACTOR[2])),
        [PLAIN[0], ACTOR[2]], "'1' is of the kind LayerNorm", DIFFERS,
        function=lambda X: mlp([PLAIN[0], ACTOR[2]])(X) ** 2),
    row("31", STATE, PLAIN, "wrong", True, function=mlp(PLAIN, leaky(0.1))),
    row("31 given", STATE, PLAIN, True, True, function=mlp(PLAIN, leaky(0.15)), negative_slope=0.15),
    row("31 module", sequential(*(p for layer in PLAIN[:3]
                                  for p in (linear(*layer), part("LeakyReLU", negative_slope=0.2))),
                                linear(*PLAIN[3])), PLAIN, function=mlp(PLAIN, leaky(0.2))),
    row("32", state(PLAIN[:1], "0") | {f"1.{k}": a for k, a in NORM.items()} | state(PLAIN[1:], "3", "5", "7"), PLAIN,
        function=with_norm(PLAIN, True)),
    row("32 behind", state(PLAIN[:1], "0") | {f"2.{k}": a for k, a in NORM.items()} | state(PLAIN[1:], "3", "5", "7"),
        PLAIN, function=with_norm(PLAIN, False)),
    row("32 named", {**state(PLAIN[:1], "fc1"), **{f"bn1.{k}": a for k, a in NORM.items()},
                     **state(PLAIN[1:], "fc2", "fc3", "fc4")},
        PLAIN, OPEN, function=with_norm(PLAIN, False)),
    row("32 layer norm", {**STATE, "1.weight": np.ones(16), "1.bias": np.ones(16)}, PLAIN,
        "'1.weight' has shape .16,., like a part of a normalisation layer", True),
    row("33", sequential(linear(*PLAIN[0]), part("ReLU"), part("Dropout", p=0.5), linear(*ACTOR[1]), part("ReLU"),
                         linear(*ACTOR[2])), ACTOR),
    row("34", state(PLAIN[:1], "0") | {"1.weight": np.array([0.25])} | state(PLAIN[1:], "2", "4", "6"), PLAIN,
        function=mlp(PLAIN, leaky(0.25))),
    row("36", {"0.weight": np.ones((4, 1, 3, 3)), **state(PLAIN[1:], "2", "4", "6")}, PLAIN,
        *["'0.weight'.*a convolution"] * 2),
    row("36 points", {k: a[:, :, None] if a.ndim == 2 else a for k, a in STATE.items()}, PLAIN),
    row("37", state(BARE_SQUARE, "0", "2", "4"), BARE_SQUARE, "wrong",
        f"{DIFFERS}.*skip connections around square layers",
        function=lambda X: mlp(BARE_SQUARE[2:])(
            (lambda h: h + relu(h @ BARE_SQUARE[1][0].T))(X + relu(X @ BARE_SQUARE[0][0].T)))),
    row("39", {**state(PLAIN[:2], "pts.0", "pts.1"), **state(layers_of(24, 16), "pts.2"), **state(PLAIN[3:], "rgb")},
        PLAIN,
        *["'pts.2.weight' of shape .16, 24. cannot follow 'pts.1.weight' of shape .16, 16."] * 2),
    row("40", {"params": np.ones(321)}, PLAIN, *["no weight matrix among the arrays .'params'."] * 2),
    row("41", PPO | {"log_std": np.zeros(3)}, ACTOR, "parts: 'mlp_extractor.policy_net' .2 layers., "
        "'mlp_extractor.value_net' .2 layers., 'action_net'.*layers=", "parts: 'mlp_extractor.policy_net'"),
    row("41 named", PPO | {"log_std": np.zeros(3)}, ACTOR, layers=["mlp_extractor.policy_net", "action_net"]),
    row("42", ACTOR_STATE, ACTOR),
    row("42 with log_std", {"log_std": np.zeros(3), **ACTOR_STATE}, ACTOR),
    row("43", state(PLAIN, *(f"q_net.{n}" for n in TORCH)), PLAIN),
    row("44", HEADS, ACTOR, *["'log_std.weight' of shape .3, 16. cannot follow 'mu.weight'"] * 2),
    row("44 named", HEADS, ACTOR, layers=["latent_pi", "mu"]),
    row("44 copy", DQN, PLAIN, "several networks: 'q_net' .4 layers., 'q_net_target' .4 layers..*layers=.'q_net'."),
    row("44 chosen", DQN, PLAIN, layers=["q_net"]),
    row("45 policy", SimpleNamespace(policy=SimpleNamespace(state_dict=lambda: ACTOR_STATE)), ACTOR),
]  # fmt: skip


# JAX, Keras, scikit-learn and others.


@jax.tree_util.register_dataclass
@dataclass
class Linear:
    """A layer as Equinox has it."""

    weight: Any
    bias: Any


@jax.tree_util.register_dataclass
@dataclass
class MLP:
    """As equinox.nn.MLP."""

    layers: Any
    activation: Any
    final_activation: Any


@jax.tree_util.register_dataclass
@dataclass
class Lambda:
    fn: Any


@jax.tree_util.register_dataclass
@dataclass
class Dropout:
    p: Any
    inference: Any


@jax.tree_util.register_dataclass
@dataclass
class Sequential:
    layers: Any


@jax.tree_util.register_dataclass
@dataclass
class Module:
    """A module of one's own, whose fields are in the order of its layers and not of letters."""

    up: Any
    mid: Any
    down: Any


def identity(z):
    return z


def slope(s):
    return lambda z: jax.nn.leaky_relu(z, s)


EQX = [Linear(jnp.asarray(W), jnp.asarray(b)) for W, b in PLAIN]
EQX_SQUARE = [Linear(jnp.asarray(W), jnp.asarray(b)) for W, b in SQUARE]
RELU = Lambda(jax.nn.relu)
STACK = Linear(jnp.stack([W for W, _ in SQUARE]), jnp.stack([b for _, b in SQUARE]))
FLAX = {n: {"bias": b, "kernel": W.T} for n, (W, b) in zip(DENSE, PLAIN, strict=True)}
MANY = layers_of(8, *[16] * 11, 3)
ScaleByAdam = namedtuple("ScaleByAdam", ["count", "mu", "nu"])
ADAM = (ScaleByAdam(jnp.zeros(()), FLAX, FLAX), namedtuple("Empty", [])())
FLAX_NORM = {"mean": NORM["running_mean"], "var": NORM["running_var"]}
HAIKU = [f"mlp/~/linear_{i}" for i in range(12)]
WIDE = layers_of(*[6] * 13)
PAIRS = [(W.T, b) for W, b in SQUARE]
FLAT = [a for W, b in SQUARE for a in (W.T, b)]


def flax(layers, *names):
    """Return parameters as Flax names and stores them."""
    return {name: {"kernel": W.T, "bias": b} for name, (W, b) in zip(names, layers, strict=True)}


def in_state(a):
    """Return a variable as it lies in a state of Flax's nnx."""
    return {"value": a}


NNX = {
    "a": {"bias": in_state(SQUARE[1][1]), "kernel": in_state(SQUARE[1][0].T)},
    "b": {"bias": in_state(SQUARE[0][1]), "kernel": in_state(SQUARE[0][0].T)},
    "c": {"bias": in_state(SQUARE[2][1]), "kernel": in_state(SQUARE[2][0].T)},
    "d": {"rngs": {"count": in_state(jnp.zeros((), jnp.uint32)), "key": in_state(jax.random.key(0))}},
}


class NnxModule:
    """A module as nnx has it: attributes in the order in which they were made, private ones, and functions."""

    __module__ = "flax.nnx.module"

    def __init__(self, **attributes):
        self._pytree__state = "state"
        vars(self).update(attributes)


def nnx_linear(W, b):
    return NnxModule(kernel=W.T, bias=b, in_features=1, dtype=None, kernel_init=np.ones, dot_general=np.dot)


NNX_MODULE = NnxModule(**{n: nnx_linear(*layer) for n, layer in zip("badc", SQUARE, strict=True)}, act=jax.nn.relu)
NORM_KERAS = [("gamma", NORM["weight"]), ("beta", NORM["bias"]), ("moving_mean", NORM["running_mean"]),
              ("moving_variance", NORM["running_var"])]  # fmt: skip
KERAS = [
    dense(f"dense{'_' * bool(i)}{i or ''}", W, b, "linear" if i == 3 else "relu") for i, (W, b) in enumerate(SQUARE)
]
REST = [dense(f"d{i}", *PLAIN[i], "relu" if i < 3 else "linear") for i in (1, 2, 3)]
BATCH = keras_layer("BatchNormalization", "batch_normalization", NORM_KERAS, epsilon=1e-5)
NORMALIZATION = keras_layer(
    "Normalization", "normalization", [("mean", MEAN), ("variance", STD**2), ("count", np.int64(9))]
)
GEMM = {
    f"layers.{n}.{k}": a for n in TORCH for k, a in (("weight", STATE[f"{n}.weight"]), ("bias", STATE[f"{n}.bias"]))
}
ANN = layers_of(8, 16, 16, 3)
PUBLISHED = {
    "w_array_0": ANN[0][0], "b_array_0": ANN[0][1], "w_array_1": ANN[1][0], "b_array_1": ANN[1][1],
    "w_array_2": ANN[2][0], "b_array_2": ANN[2][1], "batch_size": np.int64(64), "num_features": np.int64(8),
    "xmin": RNG.normal(size=8), "xmax": 2 + RNG.normal(size=8) ** 2, "names": np.array(["a", "b"]),
}  # fmt: skip
KONVERTER = np.empty((4, 2), object)
for i, (W, b) in enumerate(PLAIN):
    KONVERTER[i, 0], KONVERTER[i, 1] = W.T, b

OTHER_ROWS = [
    row("46", MLP(EQX, jax.nn.relu, identity), PLAIN),
    row("46 sequential", Sequential([EQX[0], RELU, EQX[1], RELU, EQX[2], RELU, EQX[3]]), PLAIN),
    row("47", MLP([*EQX[:3], Linear(EQX[3].weight, None)], jax.nn.relu, identity), [*PLAIN[:3], (PLAIN[3][0], None)]),
    row("48", MLP(EQX, slope(0.1), identity), PLAIN, function=mlp(PLAIN, leaky(0.1))),
    row("48 given", MLP(EQX, slope(0.1), identity), PLAIN, function=mlp(PLAIN, leaky(0.1)), negative_slope=0.1),
    row("48 linear", MLP(EQX, identity, identity), PLAIN, function=mlp(PLAIN, identity)),
    row("48 contradicted", MLP(EQX, slope(0.1), identity), PLAIN, *["negative_slope is 0.3, but the model's"] * 2,
        negative_slope=0.3),
    row("49", Sequential([EQX[0], RELU, Dropout(0.5, True), EQX[1], RELU, EQX[2], RELU, EQX[3]]), PLAIN),
    row("50 scan", Module(EQX[0], STACK, EQX[3]), [PLAIN[0], *SQUARE, PLAIN[3]]),
    row("50 ensemble", MLP([STACK, STACK], jax.nn.relu, identity), SQUARE, *["This is an ensemble of 4 networks"] * 2),
    row("51 missing", Sequential([EQX[0], RELU, EQX[1], EQX[2], RELU, EQX[3]]), PLAIN,
        "no activation between 'layers/2/weight' and 'layers/3/weight'", f"{DIFFERS}.*no activation between",
        function=lambda X: mlp([(np.eye(16), None), *PLAIN[3:]])(
            mlp([PLAIN[0], (PLAIN[2][0] @ PLAIN[1][0], PLAIN[2][0] @ PLAIN[1][1] + PLAIN[2][1])])(X))),
    row("51 last", Sequential([EQX[0], RELU, EQX[1], RELU, EQX[2], RELU, EQX[3], RELU]), PLAIN,
        "an activation after the last layer 'layers/6/weight'", True, function=lambda X: relu(mlp(PLAIN)(X))),
    row("52 state", SimpleNamespace(params=FLAX, step=3, opt_state=ADAM, tx=None, apply_fn=len), PLAIN),
    row("52 pair", ({"params": FLAX}, ADAM), PLAIN),
    row("53", {"params": {f"Dense_{i}": {"kernel": W.T, "bias": b} for i, (W, b) in enumerate(MANY)}}, MANY),
    row("53 sorted", jax.tree.map(jnp.asarray, {"params": {f"Dense_{i}": {"kernel": W.T, "bias": b}
                                                          for i, (W, b) in enumerate(MANY)}}), MANY),
    row("54", flax(PLAIN, "enc", "mid", "body", "dec"), PLAIN, OPEN),
    row("54 square", flax(SQUARE, "up", "mid", "down", "z"), SQUARE, OPEN),
    row("54 sorted", jax.tree.map(jnp.asarray, flax(SQUARE, "enc", "mid", "body", "dec")), SQUARE, OPEN),
    row("55 state", NNX, SQUARE[:3], OPEN),
    row("55 module", NNX_MODULE, SQUARE, OPEN),
    row("56", NnxModule(layers=[nnx_linear(*PLAIN[0]), jax.nn.gelu, nnx_linear(*ACTOR[2])]), ACTOR,
        *["'layers/1' is neither an array nor ReLU"] * 2),
    row("56 attribute", NnxModule(a=nnx_linear(*PLAIN[0]), b=nnx_linear(*ACTOR[2]), act=jnp.tanh), ACTOR,
        *["'act' is neither an array nor ReLU"] * 2),
    row("57", {n: {"w": W.T, "b": b} for n, (W, b) in zip(HAIKU, MANY, strict=False)}, MANY),
    row("58", {n: {"w": W.T, "b": b} for n, (W, b) in zip(HAIKU, WIDE, strict=True)}, WIDE),
    row("59", PAIRS, SQUARE, OPEN),
    row("59 given", PAIRS, SQUARE, layout="in_out"),
    row("60", {f"Dense_{3 - i}": {"bias": b, "kernel": W.T} for i, (W, b) in enumerate(PLAIN)}, PLAIN, OPEN),
    row("61", [a for W, b in MANY for a in (W.T, b)], MANY),
    row("62", FLAT, SQUARE, OPEN),
    row("62 file", {f"layers/dense{'_' * bool(i)}{i or ''}/vars/{k}": a for i, (W, b) in enumerate(SQUARE)
                    for k, a in enumerate((W.T, b))}, SQUARE),
    row("64", keras(*KERAS), SQUARE),
    row("64 normalization", keras(NORMALIZATION, *(dense(f"d{i}", W, b, "relu" if i < 3 else "linear")
                                                   for i, (W, b) in enumerate(PLAIN))),
        STANDARDISED),
    row("64 batch", keras(dense("d0", *PLAIN[0], "linear"), BATCH, keras_layer("ReLU", "relu", negative_slope=0.0),
                          *REST), PLAIN, function=with_norm(PLAIN, True)),
    row("64 behind", keras(dense("d0", *PLAIN[0]), BATCH, *REST),
        PLAIN, function=with_norm(PLAIN, False)),
    row("64 tanh", keras(dense("d0", *PLAIN[0], "tanh"), dense("d1", *ACTOR[2], "linear")), ACTOR,
        "the activation of 'd0' is tanh", f"{DIFFERS}.*tanh in place of ReLU",
        function=mlp([PLAIN[0], ACTOR[2]], np.tanh)),
    row("65 dict", {"coefs_": [W.T for W, _ in SQUARE], "intercepts_": [b for _, b in SQUARE]}, SQUARE),
    row("65 numbered", {f"arr_{i}": a for i, a in enumerate(FLAT)}, SQUARE, OPEN),
    row("66", estimator(SQUARE), SQUARE),
    row("66 lists", [[W.T for W, _ in PLAIN], [b for _, b in PLAIN]], PLAIN),
    row("66 tanh", estimator(SQUARE, "tanh"), SQUARE, "its activation is tanh", f"{DIFFERS}.*tanh in place of ReLU",
        function=mlp(SQUARE, np.tanh)),
    row("66 linear", estimator(PLAIN, "identity"), PLAIN, function=mlp(PLAIN, identity)),
    row("66 not fitted", SimpleNamespace(hidden_layer_sizes=(4,), fit=len), PLAIN,
        *["no weights yet: call its fit"] * 2),
    row("66 pipeline", SimpleNamespace(steps=[], named_steps={}), PLAIN, *["pass its last step"] * 2),
    row("66 search", SimpleNamespace(best_estimator_=estimator(SQUARE)), SQUARE),
    row("67", list(zip([W.T for W, _ in SQUARE], [b for _, b in SQUARE], strict=True)), SQUARE, OPEN),
    row("71", GEMM, PLAIN),
    row("73", PUBLISHED, [ANN[0], ANN[1], ANN[2]], "'xmax', 'xmin': these are vectors without a matrix",
        function=lambda X: mlp(ANN)((X - PUBLISHED["xmin"]) / (PUBLISHED["xmax"] - PUBLISHED["xmin"]))),
    row("73 unused", PUBLISHED, ANN, "these are vectors without a matrix"),
    row("73 named", PUBLISHED, ANN, layers=["w_array_0", "w_array_1", "w_array_2"]),
    row("75", KONVERTER, PLAIN),
    row("78", Opaque(), PLAIN, *["'Opaque' holds no arrays"] * 2),
]  # fmt: skip

ROWS = TORCH_ROWS + OTHER_ROWS
IDS = [r.number for r in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_by_names_alone_it_is_read_right_or_announced_or_refused(row):
    check_by_names(row)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_with_outputs_it_is_read_right_or_refused(row):
    check_with_outputs(row)


def test_what_is_wrong_by_names_is_what_no_array_shows():
    """The rows that names alone get wrong without a word: functions in the code of a model, and layers used again."""
    wrong = [r.number for r in ROWS if r.names == "wrong"]
    assert wrong == ["28", "29 tanh", "29 sine", "30 softmax", "30 norm", "31", "37"]
    for r in (r for r in ROWS if r.names == "wrong"):
        reading = read(r.params, d_in=r.d_in)
        assert not is_right(reading, r, inputs(r))
        assert "Not compared" in str(reading)


# Files, whose order means nothing, and the command.


@pytest.mark.parametrize("row", [r for r in ROWS if r.number.startswith("25")], ids=lambda r: r.number)
def test_a_file_is_read_in_the_right_order_or_says_that_nothing_tells_it(row, tmp_path):
    X = inputs(row)
    np.savez(tmp_path / "weights.npz", **dict(sorted(row.params.items())))
    try:
        reading = read(tmp_path / "weights.npz", d_in=row.d_in)
    except ValueError as error:
        assert "Nothing tells the order of the layers" in str(error)  # noqa: PT017
    else:
        assert reading.open or is_right(reading, row, X)
    assert is_right(read(tmp_path / "weights.npz", X, row.function(X)), row, X)


def test_an_autoencoder_in_a_file_is_not_read_from_its_middle(tmp_path):
    """Row 26: without d_in the decoder may follow its encoder or go before it."""
    np.savez(tmp_path / "weights.npz", **state(AUTOENCODER, "encoder.0", "encoder.2", "decoder.0", "decoder.2"))
    reading = read(tmp_path / "weights.npz")
    assert (reading.net.d_in, bool(reading.open)) == (8, True)
    assert reading.layers == tuple(f"{n}.weight" for n in ("encoder.0", "encoder.2", "decoder.0", "decoder.2"))
    np.savez(tmp_path / "weights.npz", **state(AUTOENCODER, "part", "b", "c", "another"))
    with pytest.raises(ValueError, match="Nothing tells the order of the layers 'another', "):
        read(tmp_path / "weights.npz")


def test_the_command_settles_a_reading(tmp_path, capsys):
    X = RNG.normal(size=(30, 16))
    weights, inputs, outputs = (tmp_path / name for name in ("w.npz", "x.npy", "y.npy"))
    np.savez(weights, **{f"arr_{i}": a for i, a in enumerate(FLAT)})
    np.save(inputs, X)
    np.save(outputs, mlp(SQUARE)(X))
    command = ["report", str(weights), "--inputs", str(inputs)]
    assert main(command) == 0
    first = " ".join(capsys.readouterr().out.split())
    assert first.startswith("=> More than one reading fits the arrays, and this is open: whether weights are (out, in)")
    for more in (["--outputs", str(outputs)], ["--layout", "in_out"]):
        assert main(command + more) == 0
        shown = capsys.readouterr().out
        assert "\nd_in 16, d_out 16, depth 4, width 16, float64, 30 inputs\n\nread as" in shown
        assert "4 layers, (in, out), float64" in shown
        assert ("Agrees with the model's outputs up to" in shown) == ("--outputs" in more)
    np.save(outputs, np.tanh(X))
    assert main([*command, "--outputs", str(outputs)]) == 2
    assert re.search(f"^bnlib: {DIFFERS}", capsys.readouterr().err)
    assert main([*command, "--layers", "arr_0,arr_2,arr_6", "--layout", "in_out", "--slope", "0.1"]) == 0
    assert "3 layers, (in, out)" in capsys.readouterr().out


# Further situations.


def test_a_network_is_compared_as_it_is():
    net = bn.from_layers(PLAIN)
    X = np.random.default_rng(0).normal(size=(20, 8))
    assert bn.report(net, X).reading is None
    report = bn.report(net, X, outputs=mlp(PLAIN)(X))
    assert report.reading.difference < 1e-6
    assert "Agrees with the model's outputs" in str(report)
    with pytest.raises(ValueError, match=DIFFERS):
        bn.report(net, X, outputs=mlp(PLAIN, np.tanh)(X))
    with pytest.raises(ValueError, match="are those of the Network itself; leave them out"):
        bn.report(net, X, outputs=mlp(PLAIN)(X), layout="in_out")


def test_a_report_says_first_what_is_open_and_stores_it(tmp_path):
    X = np.random.default_rng(0).normal(size=(20, 16))
    report = bn.report(PAIRS, X)
    assert str(report).startswith("=> More than one reading fits the arrays")
    stored = json.loads(report.to_json())["reading"]
    assert stored["open"] == list(report.reading.open)
    assert stored["difference"] is None
    settled = bn.report(PAIRS, X, outputs=mlp(SQUARE)(X))
    assert settled.squared_norm == pytest.approx(report.squared_norm)
    assert settled.lower_bound != pytest.approx(report.lower_bound)
    lines = str(report).splitlines() + str(settled).splitlines()
    assert max(len(line) for line in lines if not line.startswith("https://")) <= 70


def test_inputs_and_outputs_may_be_tensors_of_sixteen_bits():
    X, exact = half(np.random.default_rng(0).normal(size=(20, 8)))
    Y, _ = half(mlp(PLAIN)(exact))
    assert bn.report(STATE, X, outputs=Y).reading.difference < 2e-2
    said = bn.report(STATE, X, outputs=Tensor(half(mlp(PLAIN)(exact))[1])).reading.open  # float32 rounds less
    assert said[0].startswith("whether the outputs were computed with factors of 10 bits (TF32)")
    with pytest.raises(ValueError, match=DIFFERS):
        bn.report(STATE, X, outputs=half(mlp(PLAIN)(exact))[1].astype(float))


@pytest.mark.parametrize(
    ("X", "Y", "sentence"),
    [
        (np.ones((5, 8)), np.ones((5, 3)), "outputs hardly vary from input to input"),
        (np.eye(8), np.ones((5, 3)), "one row for each of the 8 inputs, but its shape is .5, 3."),
        (np.eye(8), np.full((8, 3), np.nan), "outputs must be finite"),
        (np.eye(8), np.array([["a"] * 3] * 8), "outputs must hold real numbers, but its type is <U1"),
        (np.eye(8), np.eye(8), "maps 8 to 8 numbers, as X and outputs say; as their names say, they map 8 to 3"),
        (None, np.eye(8), "outputs need the inputs X"),
    ],
)
def test_outputs_that_tell_nothing_are_refused(X, Y, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(STATE, X, Y)


def test_one_number_of_outputs_agrees_by_chance_with_one_of_many_readings():
    """Some order of square layers comes near to any value; as near to many values comes the right one alone."""
    rng = np.random.default_rng(0)
    layers = [(W, None) for W in (*rng.normal(size=(5, 6, 6)), rng.normal(size=(1, 6)))]
    letters = {f"{c}.weight": W for c, (W, _) in zip("qwerty", layers, strict=True)}
    X = rng.normal(size=(8, 6))
    near = (mlp([layers[i] for i in (0, 2, 1, 3, 4, 5)])(X) * (1 + 3e-4)).astype(np.float32)
    with pytest.raises(ValueError, match=r"The outputs are too few numbers: one of the .* which can be chance"):
        read(letters, X[:1], near[:1])
    assert 1e-4 < read(letters, X, near).difference < 1e-3


def test_one_input_is_enough_for_what_agrees_to_rounding():
    X = np.random.default_rng(0).normal(size=(1, 8))
    assert read(STATE, X, mlp(PLAIN)(X)).difference < 1e-6


@pytest.mark.parametrize("name", ["gain", "alpha", "log_sigma", "in_scale"])
def test_a_vector_that_is_called_otherwise_is_no_bias(name):
    with pytest.raises(ValueError, match=f"'0.{name}'"):
        read({f"{i}.{k}": np.ones((4, 4) if k == "weight" else 4) for i in (0, 2, 4) for k in ("weight", name)})


def test_a_vector_is_a_bias_also_where_its_name_could_be_that_of_a_number():
    arrays = {f"{i}.{k}": np.ones((4, 4) if k == "weight" else 4) for i in (0, 2, 4) for k in ("weight", "t")}
    assert all(np.all(np.asarray(b) == 1) for _, b in read(arrays).net.layers)


@pytest.mark.parametrize(("weight", "beside"), [("weight", "weight_grad"), ("weight_mu", "weight_rho"), ("W", "log_W")])
def test_a_matrix_that_belongs_to_a_weight_is_no_layer(weight, beside):
    with pytest.raises(ValueError, match=f"'0.{beside}' is a matrix beside layers that are called otherwise"):
        read({f"{i}.{k}": np.eye(4) for i in (0, 2, 4) for k in (weight, beside)})


@pytest.mark.parametrize("name", ["weight_hh_l0", "recurrent_kernel"])
def test_recurrent_weights_are_refused(name):
    with pytest.raises(ValueError, match=f"'rnn.{name}' is a weight of a recurrent layer"):
        read({f"rnn.{name}": np.eye(4), "fc.weight": np.eye(4), "out.weight": np.eye(4)})


def test_what_only_sounds_like_a_part_of_a_run_is_read():
    class Head(NamedTuple):
        mu: dict
        log_std: np.ndarray

    eye = np.eye(4)
    head = {"Dense_0": {"kernel": eye}, "Dense_1": {"kernel": eye}, "head": Head({"kernel": 2 * eye}, np.ones(4))}
    assert read(head).layers[-1] == "head/mu/kernel"
    features = {"random_features": {"kernel": eye}, "Dense_0": {"kernel": eye}, "Dense_1": {"kernel": eye}}
    assert read(features).layers[0] == "random_features/kernel"


@pytest.mark.parametrize("activation", [lambda z: np.clip(z, 0, 6), lambda z: np.logaddexp(100 * z, 0) / 100])
def test_activations_near_to_relu_are_refused(activation):
    with pytest.raises(ValueError, match="'1' is neither an array nor ReLU"):
        read([np.eye(4), activation, np.eye(4), activation, np.eye(4)])


def test_parts_of_a_row_in_pytorch():
    relu, Ws = part("ReLU"), [W for W, _ in SQUARE[:3]]
    once = sequential(linear(Ws[0]), relu, linear(Ws[1]), relu, linear(Ws[2]))
    assert read(once).net.depth == 3  # one activation in two places
    for kind, module in (("Square", "home"), ("InstanceNorm1d", "torch.nn.modules.instancenorm")):
        strange = part(kind, module=module, running_var=None)
        model = sequential(linear(Ws[0]), strange, part("ReLU"), linear(Ws[1]), part("ReLU"), linear(Ws[2]))
        with pytest.raises(ValueError, match=f"'1' is of the kind {kind}"):
            read(model)
    B, A = np.ones((16, 2)), np.ones((2, 16))
    for merged, factor in ((False, 0.5), (True, 0.0)):
        state = [("base_layer.weight", Ws[0]), ("lora_A.d.weight", A), ("lora_B.d.weight", B)]
        adapted = part("Linear", module="peft", state=state, in_features=16, scaling={"d": 0.5}, merged=merged)
        model = sequential(adapted, part("ReLU"), linear(Ws[1]), part("ReLU"), linear(Ws[2]))
        np.testing.assert_allclose(read(model).net.layers[0][0], Ws[0] + factor * B @ A, rtol=1e-5)


def test_layers_are_named_by_matrix_module_or_network():
    for names in (["0.weight", "2", "4", "6"], ["0", "2.weight", "4.weight", "6"]):
        assert read(STATE, d_in=8, layers=names).layers == ("0.weight", "2.weight", "4.weight", "6.weight")
    twice = read(
        state([PLAIN[0], SQUARE[1], PLAIN[3]], "fc1", "fc2", "fc3"), d_in=8, layers=["fc1", *["fc2"] * 5, "fc3"]
    )
    X = np.random.default_rng(0).normal(size=(9, 8))
    np.testing.assert_allclose(bn.apply(twice.net, X), mlp(FC2)(X), rtol=1e-9)
    with pytest.raises(ValueError, match="layers names '8', but the layers found are '0', '2', '4', '6'"):
        read(STATE, layers=["0", "8"])
    with pytest.raises(ValueError, match="layout must be 'out_in' or 'in_out', but it is 'C'"):
        read(STATE, layout="C")


def test_what_is_merged_is_said_in_the_report():
    rows = {r.number: r for r in ROWS}
    said = str(read(rows["32"].params, d_in=8))
    assert "'1' merged into '0.weight'" in said
    assert "weight norm in 1 layer" in str(read(rows["14"].params, d_in=8))
    pruned = replaced(weight_orig=V, weight_mask=(V > 0).astype(float))
    masked = read(pruned, d_in=8)
    np.testing.assert_array_equal(masked.net.layers[1][0], np.where(V > 0, V, 0))
    assert "pruning masks in 1 layer" in str(masked)
    mask = {**STATE, "2.mask": V > 0}
    np.testing.assert_array_equal(read(mask, d_in=8).net.layers[1][0], np.where(V > 0, PLAIN[1][0], 0))
