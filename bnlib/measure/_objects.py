"""What holds the arrays of a model from elsewhere, known by its attributes: no package of a framework is imported."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ._agreement import Skip
from .files import load_arrays

PASSIVE = {"ReLU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Identity",
           "Flatten", "InputLayer", "GaussianNoise"}  # fmt: skip
EMPTY = {"Sequential", "ModuleDict", "ParameterDict"}  # without children, as adapters have them
LEAKY = {"LeakyReLU"}
LINEAR = {"Linear", "LazyLinear", "NonDynamicallyQuantizableLinear", "ParametrizedLinear", "Dense"}
FINAL = {"softmax", "logistic", "sigmoid", "log_softmax"}  # after the last layer they change no parameter


@dataclass
class Hints:
    """Hold what a model says of itself beside its arrays.

    Attributes:
        slopes: slopes on negative numbers of the activations that it names.
        layout: "in_out" or "out_in" where its class says it.
        order: what the order of its arrays says: "told" is that of the layers, "kept" is the one in which they were
            made, "letters" may be JAX's order of keys, "file" says nothing.
        epsilon: what normalisation adds to the variance, by module.
        places: "after" the linear layer before, or "before" the one behind, by module of normalisation.
        scales: factors of low-rank adapters by their names, by module; 0 for those that are not in use.
        notes: what was left out.
        doubts: what is no part of a plain ReLU network, one phrase each.
        skip: what layers keep of their state, which the caller says.
    """

    slopes: list[float] = field(default_factory=list)
    layout: str | None = None
    order: str = "kept"
    epsilon: dict[str, float] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    scales: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    skip: Skip = 0.0


def opened(thing: Any, hints: Hints) -> Any:
    """Return the mapping or sequence of arrays that a path or a model holds, or the thing itself."""
    for known, read in READERS:
        if known(thing):
            return read(thing, hints)
    return thing


def _path(thing: Any, hints: Hints) -> Any:
    hints.order = "file"
    return load_arrays(os.fspath(thing))


def _torch(model: Any, hints: Hints) -> Any:
    """Return the state of an nn.Module, whose parts say where activations stand."""
    # One activation may stand in several places of a row.
    modules = list(model.named_modules(remove_duplicate=False)) if hasattr(model, "named_modules") else []
    parts = [(name, m) for name, m in modules if not list(m.children())]
    sequential = bool(parts) and all(
        _kind(m) == "Sequential" for _, m in modules if list(m.children()) and not hasattr(m, "in_features")
    )
    events = []
    for name, m in parts:
        kind = _kind(m)
        if getattr(m, "running_var", None) is not None:  # None where it takes the moments of its inputs
            hints.epsilon[name] = float(m.eps)
            events.append(("norm", name))
        elif kind in LINEAR:
            events.append(("layer", name))
        elif kind in LEAKY:
            hints.slopes.append(float(m.negative_slope))
            events.append(("activation", name))
        elif kind == "ReLU":
            hints.slopes.append(0.0)
            events.append(("activation", name))
        elif kind == "PReLU":
            events.append(("activation", name))
        elif kind not in PASSIVE | EMPTY and (_of_torch(m) or (sequential and name and not m.state_dict())):
            _foreign(name, kind, name == parts[-1][0], hints)
    hints.scales.update((name, _factors(m)) for name, m in modules if isinstance(getattr(m, "scaling", None), dict))
    if sequential:
        hints.order = "told"
        check_places(events, hints)
    return model.state_dict()


def _kind(module: Any) -> str:
    """Return the class of a module, of a scripted one that of what was scripted."""
    return str(getattr(module, "original_name", type(module).__name__))


def _of_torch(module: Any) -> bool:
    home = type(module).__module__
    return home.startswith(("torch.nn.modules.", "torch.jit.")) and home != "torch.nn.modules.loss"


def _factors(module: Any) -> dict[str, float]:
    """Return the factors of the adapters of peft on a layer: 0 for those that are merged or not in use."""
    active = getattr(module, "active_adapters", list(module.scaling))
    off = getattr(module, "merged", False) or getattr(module, "disable_adapters", False)
    return {name: float(s) if name in active and not off else 0.0 for name, s in module.scaling.items()}


def _foreign(name: str, kind: str, last: bool, hints: Hints) -> None:
    if last and kind.lower().replace("logsoftmax", "log_softmax") in FINAL:
        hints.notes.append(f"without the final {kind} '{name}'")
    else:
        hints.doubts.append(f"'{name}' is of the kind {kind}")


def check_places(events: list[tuple[str, str]], hints: Hints) -> None:
    """Note which activations are missing or too many in a row of layers, and on which side normalisations stand."""
    layers = [i for i, (kind, _) in enumerate(events) if kind == "layer"]
    for before, after in pairwise(layers):
        between = [kind for kind, _ in events[before + 1 : after]]
        if between.count("activation") != 1:
            many = "no activation" if "activation" not in between else "more than one activation"
            hints.doubts.append(f"there is {many} between '{events[before][1]}' and '{events[after][1]}'")
    if layers and any(kind == "activation" for kind, _ in events[: layers[0]]):
        hints.doubts.append(f"there is an activation before the first layer '{events[layers[0]][1]}'")
    if layers and any(kind == "activation" for kind, _ in events[layers[-1] :]):
        hints.doubts.append(f"there is an activation after the last layer '{events[layers[-1]][1]}'")
    side = "before"
    for kind, name in events:
        if kind == "norm":
            hints.places[name] = side
        else:
            side = "after" if kind == "layer" else "before"


def _estimator(model: Any, hints: Hints) -> Any:
    """Return the layers of a multilayer perceptron of scikit-learn, which stores weights as (in, out)."""
    kind = model.activation
    if kind not in ("relu", "identity"):
        hints.doubts.append(f"its activation is {kind}")
    else:
        hints.slopes.append(0.0 if kind == "relu" else 1.0)
    if getattr(model, "out_activation_", "identity") in FINAL:
        hints.notes.append(f"without the final {model.out_activation_}")
    hints.layout, hints.order = "in_out", "told"
    pairs = enumerate(zip(model.coefs_, model.intercepts_, strict=True))
    return {f"layer {i + 1}": {"kernel": W, "bias": b} for i, (W, b) in pairs}


def _pipeline(model: Any, hints: Hints) -> Any:
    raise ValueError(
        "This is a pipeline: pass its last step, as in model[-1], with the inputs that this step sees, "
        "as model[:-1].transform(X)."
    )


def _transformed(model: Any, hints: Hints) -> Any:
    raise ValueError(
        "This transforms its targets: pass its network, model.regressor_, with what that returns, "
        "model.regressor_.predict(X), as outputs."
    )


def _unfitted(model: Any, hints: Hints) -> Any:
    raise ValueError(f"The {type(model).__name__} has no weights yet: call its fit(X, Y) first.")


def _keras(model: Any, hints: Hints) -> Any:
    """Return the variables of a Keras model, layer by layer in the order in which they are called."""
    events, arrays = [], {}
    layers = [layer for layer in _flat(model.layers) if type(layer).__name__ != "InputLayer"]
    for layer in layers:
        kind, name = type(layer).__name__, layer.name
        for weight in layer.weights:
            short = str(getattr(weight, "path", weight.name)).rpartition("/")[2].partition(":")[0]
            arrays[f"{name}/{short}"] = weight.numpy() if hasattr(weight, "numpy") else weight
        if getattr(layer, "lora_enabled", False):
            hints.scales[name] = {"": float(getattr(layer, "lora_alpha", layer.lora_rank)) / layer.lora_rank}
        if kind == "BatchNormalization":
            hints.epsilon[name] = float(layer.epsilon)
            events.append(("norm", name))
        elif kind == "Dense":
            events.append(("layer", name))
            _named_activation(name, getattr(layer, "activation", None), layer is layers[-1], events, hints)
        elif kind == "Activation":
            _named_activation(name, layer.activation, layer is layers[-1], events, hints)
        elif kind in ("ReLU", "LeakyReLU"):
            if getattr(layer, "max_value", None) is not None or getattr(layer, "threshold", None):
                hints.doubts.append(f"'{name}' is a ReLU with a maximum or a threshold")
            hints.slopes.append(float(getattr(layer, "negative_slope", getattr(layer, "alpha", 0.0))))
            events.append(("activation", name))
        elif kind not in PASSIVE | {"Normalization"}:
            _foreign(name, kind, layer is layers[-1], hints)
    for name, times in _calls(model).items():
        if times > 1:
            hints.doubts.append(f"'{name}' is called {times} times")
    for step in getattr(model, "operations", []):  # sums and products that are written as such
        if not hasattr(step, "weights") and type(step).__name__ not in PASSIVE:
            hints.doubts.append(f"'{step.name}' is of the kind {type(step).__name__}")
    if type(model).__name__ == "Sequential" or len(getattr(model, "inputs", None) or []) == 1:
        hints.order = "told"
        check_places(events, hints)
    return arrays


def _flat(layers: Any) -> Iterator[Any]:
    """Yield layers in their order, those of models among them as well."""
    for layer in layers:
        if hasattr(layer, "layers"):
            yield from _flat(layer.layers)
        else:
            yield layer


def _calls(model: Any) -> Counter:
    """Count how often a Keras model calls each of its layers."""
    nodes = [node for depth in getattr(model, "_nodes_by_depth", {}).values() for node in depth]
    called = [getattr(node, "operation", None) or node.layer for node in nodes]
    return Counter(step.name for step in called)


def _named_activation(name: str, function: Any, last: bool, events: list[tuple[str, str]], hints: Hints) -> None:
    kind = getattr(function, "__name__", "linear")
    if kind == "linear":
        return
    if kind in ("relu", "leaky_relu"):
        hints.slopes.append(0.0 if kind == "relu" else 0.2)
        events.append(("activation", name))
    elif last and kind in FINAL:
        hints.notes.append(f"without the final {kind}")
    else:
        events.append(("activation", name))
        hints.doubts.append(f"the activation of '{name}' is {kind}")


def _train_state(state: Any, hints: Hints) -> Any:
    kept = {name: getattr(state, name) for name in ("params", "ema_params", "target_params") if hasattr(state, name)}
    if getattr(state, "batch_stats", None):
        kept["batch_stats"] = state.batch_stats
    return kept


def _callable(name: str) -> Callable[[Any], bool]:
    return lambda thing: not isinstance(thing, type) and callable(getattr(thing, name, None))


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda thing: not isinstance(thing, type | Mapping) and all(hasattr(thing, name) for name in names)


def _exported(thing: Any, hints: Hints) -> Any:
    """Return the state of an exported program of PyTorch."""
    return thing.state_dict


def _archive(thing: Any, hints: Hints) -> Any:
    hints.order = "file"
    return {name: thing[name] for name in thing.files}


# The first that knows a thing reads it.
READERS: list[tuple[Callable[[Any], bool], Callable[[Any, Hints], Any]]] = [
    (lambda thing: isinstance(thing, str | os.PathLike), _path),
    (_callable("state_dict"), _torch),
    (_has("state_dict", "graph_module"), _exported),
    (lambda thing: _has("policy")(thing) and _callable("state_dict")(thing.policy), lambda t, _: t.policy.state_dict()),
    (_has("coefs_", "intercepts_"), _estimator),
    (_has("module_", "get_params"), lambda thing, hints: opened(thing.module_, hints)),  # skorch
    (_has("regressor_", "transformer_"), _transformed),
    (_has("best_estimator_"), lambda thing, hints: opened(thing.best_estimator_, hints)),
    (_has("steps", "named_steps"), _pipeline),
    (_has("hidden_layer_sizes", "fit"), _unfitted),
    (_has("layers", "weights", "get_weights"), _keras),
    (_has("params", "tx"), _train_state),
    (_has("params", "opt_state"), _train_state),
    (_has("zip", "files", "close"), _archive),  # what numpy.load returns
]
