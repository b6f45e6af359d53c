"""Names and objects of TensorFlow, Keras, scikit-learn, MXNet, Paddle and ONNX."""

from types import SimpleNamespace

import numpy as np

from models import batch_norm, dense, estimator, keras, mlp, relu
from readings import DIFFERS, MIRROR, OPEN, PLAIN, SQUARE, TORCH, numbered, row, state
from situations.forms import Frame

FLAT = [a for W, b in PLAIN for a in (W.T, b)]
HEADLESS = [*PLAIN[:2], (PLAIN[2][0], None)]


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

CALLED_TWICE = keras(dense("d0", *SQUARE[0]), dense("d1", *SQUARE[1]), dense("d2", *SQUARE[2], "linear"))
CALLED_TWICE._nodes_by_depth = {
    i: [SimpleNamespace(operation=CALLED_TWICE.layers[j])] for i, j in enumerate((2, 1, 1, 0))
}
ADDED = keras(dense("d0", *SQUARE[0]), dense("d1", *SQUARE[1]), dense("d2", *SQUARE[2], "linear"))
ADDED.operations = [*ADDED.layers[:2], type("Add", (), {"name": "add"})(), ADDED.layers[2]]
NORM, normalised = batch_norm(np.random.default_rng(14), 16)
KERAS_NAMES = ("dense", "dense_1", "dense_2")
VARIABLES = {
    f"{name}:0": a for name, a in state(SQUARE, *KERAS_NAMES, weight="kernel", transpose=True, joint="/").items()
}
# How frameworks call the arrays of the i-th layer: pattern, weight, bias, number of the first, (in, out), what comes.
NAMES = {
    "weights and biases of TF1": ("hidden{i}/{k}:0", "weights", "biases", 1, True, OPEN),
    "names of MXNet": ("arg:fc{i}_{k}", "weight", "bias", 1, False, True),
    "names of Paddle": ("linear_{i}.{k}_0", "w", "b", 0, True, True),
    "ONNX of Keras": ("sequential/dense_{i}/{k}/ReadVariableOp:0", "MatMul", "BiasAdd", 0, True, OPEN),
    "haiku, flat": ("mlp/~/linear_{i}/{k}", "w", "b", 0, True, True),
    "sonnet": ("mlp/linear_{i}/{k}:0", "w", "b", 0, True, True),
}
ROWS = [
    *(
        row(name, numbered(pattern, SQUARE, weight, bias, first=first, transpose=turned), SQUARE, names)
        for name, (pattern, weight, bias, first, turned, names) in NAMES.items()
    ),
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
        numbered("model/layer_with_weights-{i}/{k}/.ATTRIBUTES/VARIABLE_VALUE", SQUARE, "kernel", transpose=True)
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
        {f"model_weights/{name.partition('/')[0]}/{name}": a for name, a in VARIABLES.items()},
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
        "arrays of MXNet",
        {k: MxArray(a) for k, a in numbered("dense{i}.{k}", SQUARE).items()},
        SQUARE,
    ),
    row(
        "tensors of Paddle",
        {k: PaddleTensor(a) for k, a in state(SQUARE, *TORCH, transpose=True).items()},
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
]
