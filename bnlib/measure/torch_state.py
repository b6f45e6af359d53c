"""Parameters under the names that PyTorch gives them, without PyTorch."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..networks import Network, from_layers


def to_torch_state(net: Network) -> dict[str, np.ndarray]:
    """Return the parameters as a plain dict named like ``torch.nn.Sequential(Linear, ReLU, Linear, ...)``.

    Keys are ``"0.weight"``, ``"0.bias"``, ``"2.weight"``, ...: odd positions are the activations. PyTorch is
    not needed, and the dict can be written with ``numpy.savez``.

    Example:
        >>> sorted(to_torch_state(from_layers([([[1.0]], None), ([[1.0]], None)])))
        ['0.bias', '0.weight', '2.bias', '2.weight']

    Source: bnlib.
    """
    return {
        f"{2 * i}.{name}": np.asarray(a)
        for i, layer in enumerate(net.layers)
        for name, a in zip(("weight", "bias"), layer, strict=True)
    }


def from_torch_state(state: Mapping[str, Any], *, negative_slope: float = 0.0) -> Network:
    """Build a network from a ``state_dict``-like mapping of ``*.weight`` and ``*.bias`` arrays.

    Layers are taken in the order of the numbers in their key (``"4.weight"``, ``"layers.4.weight"``).

    Raises:
        ValueError: no weights, a key that is neither weight nor bias, a key without number, or shapes that
            do not chain (for instance because the model is not a plain multilayer perceptron).

    Example:
        >>> from_torch_state({"0.weight": [[2.0]], "0.bias": [1.0]}).depth
        1

    Source: bnlib.
    """
    weights: dict[str, Any] = {}
    for key in state:
        stem, _, name = key.rpartition(".")
        if name not in ("weight", "bias") or not re.search(r"\d", stem):
            raise ValueError(f"Key {key!r} is not of the form '<number>.weight' or '<number>.bias'.")
        if name == "weight":
            weights[stem] = state[key]
        elif f"{stem}.weight" not in state:
            raise ValueError(f"Key {key!r} has no matching '{stem}.weight'.")
    if not weights:
        raise ValueError("The state holds no '<number>.weight' array, so it holds no layer.")
    order = sorted(weights, key=lambda stem: [int(n) for n in re.findall(r"\d+", stem)])
    return from_layers([(weights[s], state.get(f"{s}.bias")) for s in order], negative_slope=negative_slope)
