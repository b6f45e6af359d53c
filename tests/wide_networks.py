"""Two infinitely wide networks, their activations written out, and points at which their kernels are smooth."""

import numpy as np
from scipy.special import erf

from bnlib.wide.kernels import Wide

RELU, ERF = Wide(), Wide(activation="erf")


def function(activation):
    if activation == "erf":
        return erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-(u**2))
    return lambda u: np.sqrt(2) * np.maximum(u, 0), lambda u: np.sqrt(2) * (u > 0)


def apart(rng, d=3):
    """Draw points and turn away pairs that are nearly parallel, where ReLU kernels have cone points."""
    while True:
        Z, Y = rng.normal(size=(3, d)), rng.normal(size=(4, d))
        cosine = (Z @ Y.T) / np.linalg.norm(Z, axis=1)[:, None] / np.linalg.norm(Y, axis=1)
        if np.max(np.abs(cosine)) < 0.95:
            return Z, Y
