"""Functions that pass through a code: a decoder behind an encoder, at any depth."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ..networks import Network, from_layers
from ..theory.boxes import image_box
from .constructions import padded
from .random_networks import random_network


class Coded(NamedTuple):
    """Hold a function h(g(x)) by its decoder h and its encoder g, with what is needed to give it any depth.

    Attributes:
        decoder: h, a network from R^k.
        encoder: g, a network into R^k.
        shift: s of shape (k,) with g(x) + s >= 0 for every point of the domain.
        domain: points (N, d_in).

    Example:
        >>> line = from_layers([([[1.0]], None)])
        >>> Coded(line, line, np.ones(1), np.array([[-1.0], [1.0]])).at(7).depth
        7

    Source: J22, J23; claim rank-sandwich; chapter rank.
    """

    decoder: Network
    encoder: Network
    shift: np.ndarray
    domain: np.ndarray

    def at(self, depth: int) -> Network:
        """Return the network of this depth, whose squared norm grows by k a layer; see ``padded``."""
        return padded(self.decoder, self.encoder, depth, domain=self.domain, shift=self.shift)


def random_coded(
    rng: np.random.Generator, rank: int, box: tuple[Any, Any], d_out: int, domain: Any, *, width: int = 8
) -> Coded:
    r"""Draw an encoder of depth 3 and a decoder of depth 2 that meet in R^k, with a shift that serves a whole box.

    Output biases have a norm of at most one. At rank 0 the code is one neuron that nothing feeds, so that the function
    is a constant.

    Args:
        rng: the random numbers.
        rank: k, the dimension of the code.
        box: least and largest coordinates of the inputs, (d_in,) each.
        d_out: number of outputs.
        domain: points (N, d_in) of the box.
        width: neurons of each hidden layer.

    Example:
        >>> f = random_coded(np.random.default_rng(0), 2, (-np.ones(3), np.ones(3)), 4, np.zeros((1, 3)))
        >>> f.encoder.d_out, f.at(8).depth
        (2, 8)

    Source: bnlib; chapter rank.
    """
    rank, neurons = _checks.integer("rank", rank, 0), max(rank, 1)
    g = _small_output_bias(random_network(rng, (len(box[0]), width, width, neurons)))
    h = _small_output_bias(random_network(rng, (neurons, width, d_out)))
    if rank == 0:
        g = from_layers([*g.layers[:-1], (np.zeros((1, width)), None)])
    return Coded(h, g, np.maximum(0.0, -image_box(g, *box)[0]), np.asarray(domain))


def _small_output_bias(net: Network) -> Network:
    *hidden, (W, b) = net.layers
    return from_layers([*hidden, (W, b / max(1.0, float(np.linalg.norm(b))))])
