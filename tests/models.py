"""Stand-ins for models of other libraries: the attributes by which bnlib knows them, filled with small arrays."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np


def relu(z):
    return np.maximum(z, 0)


def leaky(slope):
    return lambda z: np.where(z > 0, z, slope * z)


def mlp(layers, activation=relu):
    """Return the function of layers (W, b), (out, in), in plain NumPy."""

    def function(X):
        h = np.asarray(X, float)
        for i, (W, b) in enumerate(layers):
            h = h @ np.asarray(W, float).T + (0 if b is None else np.asarray(b, float))
            h = activation(h) if i + 1 < len(layers) else h
        return h

    return function


class Tensor:
    """A tensor as PyTorch has it: on a device, with a gradient, and perhaps of a type that NumPy lacks."""

    def __init__(self, array, dtype="torch.float32", ready=False):
        self.array, self.dtype, self.ready, self.shape = np.asarray(array), dtype, ready, np.shape(array)

    def detach(self):
        return Tensor(self.array, self.dtype, self.ready)

    def cpu(self):
        return Tensor(self.array, self.dtype, True)

    def float(self):
        return Tensor(self.array.astype(np.float32), ready=self.ready)

    def __array__(self, dtype=None, copy=None):
        if not self.ready:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def half(array):
    """Return a tensor of bfloat16 and the float32 numbers that it holds exactly."""
    rounded = np.asarray(array).astype(ml_dtypes.bfloat16)
    return Tensor(rounded, "torch.bfloat16"), rounded.astype(np.float32)


def part(kind, *, module="torch.nn.modules.part", children=(), state=(), **attributes):
    """Return a module as PyTorch has it, of a kind, with named children and arrays of its own."""

    def named_modules(memo=None, prefix="", remove_duplicate=True):
        memo = set() if memo is None else memo
        if thing in memo:
            return
        if remove_duplicate:
            memo.add(thing)
        yield prefix, thing
        for name, child in children:
            yield from child.named_modules(memo, f"{prefix}.{name}".lstrip("."), remove_duplicate)

    def state_dict(prefix=""):
        own = {f"{prefix}{name}": Tensor(a) for name, a in state}
        for name, child in children:
            own |= child.state_dict(f"{prefix}{name}.")
        return own

    made = type(kind, (), {"__module__": module})
    thing = made()
    vars(thing).update(attributes, named_modules=named_modules, state_dict=state_dict)
    thing.children = lambda: [child for _, child in children]
    return thing


def linear(W, b=None):
    state = [("weight", W)] + ([] if b is None else [("bias", b)])
    return part("Linear", state=state, in_features=np.shape(W)[1])


def sequential(*parts):
    return part("Sequential", children=[(str(i), p) for i, p in enumerate(parts)])


def batch_norm(rng, n, **attributes):
    """Return names and arrays of a batch normalisation of PyTorch, and its function in evaluation mode."""
    gamma, beta, mean = rng.normal(size=(3, n))
    variance = rng.uniform(0.005, 0.5, n)
    state = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
    state["num_batches_tracked"] = np.int64(7)
    return state, lambda z: gamma * (z - mean) / np.sqrt(variance + 1e-5) + beta


def estimator(layers, activation="relu", **attributes):
    """Return a multilayer perceptron of scikit-learn."""
    coefs, intercepts = [W.T for W, _ in layers], [b for _, b in layers]
    return SimpleNamespace(coefs_=coefs, intercepts_=intercepts, activation=activation, fit=None, **attributes)


def keras_layer(kind, name, arrays=(), **attributes):
    weights = [SimpleNamespace(path=f"{name}/{short}", name=short, numpy=lambda a=a: a) for short, a in arrays]
    layer = type(kind, (), {})()
    vars(layer).update(name=name, weights=weights, **attributes)
    return layer


def dense(name, W, b, activation="relu"):
    function = SimpleNamespace(__name__=activation)
    return keras_layer("Dense", name, [("kernel", W.T), ("bias", b)], activation=function)


def keras(*layers):
    model = type("Sequential", (), {})()
    weights = [w for layer in layers for w in layer.weights]
    vars(model).update(
        name="sequential", layers=list(layers), weights=weights, get_weights=lambda: [w.numpy() for w in weights]
    )
    return model
