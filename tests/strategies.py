"""Random networks and inputs for the property tests.

Shapes come from a short list, so that compiled functions are used again; hidden layers of any width from 1 to WIDTH
are drawn and then padded with zero neurons, which change nothing.
"""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from bnlib import from_layers

WIDTH = 6
POINTS = 3
SLOPES = (0.0, 0.1, 0.5, 1.0)
# (depth, d_in, d_out, negative slope): every depth 1..6, every dimension 1..4, every slope.
ARCHITECTURES = (
    (1, 3, 2, 0.0),
    (2, 1, 1, 0.0),
    (2, 4, 3, 0.1),
    (3, 2, 4, 0.0),
    (3, 3, 3, 0.5),
    (4, 4, 4, 0.0),
    (5, 2, 3, 1.0),
    (5, 3, 1, 0.1),
    (6, 3, 4, 0.0),
)
RELU = tuple(a for a in ARCHITECTURES if a[3] == 0.0)
HIDDEN = tuple(a for a in ARCHITECTURES if a[0] > 1)


def pad(layers, width=WIDTH):
    """Pad the hidden layers with neurons of zeros to one width."""
    sizes = [W.shape[0] for W, _ in layers]
    grow = [0, *(width - size for size in sizes[:-1]), 0]
    return [
        (np.pad(W, ((0, after), (0, before))), np.pad(b, (0, after)))
        for (W, b), before, after in zip(layers, grow, grow[1:], strict=False)
    ]


def random_layers(rng, widths, *, scale=1.0, biases=True, integers=False):
    """Draw weights of variance scale²/w, or from {-1, 0, 1}: these make kinks, dead neurons and low ranks."""
    layers = []
    for before, after in pairwise(widths):
        if integers:
            W, b = rng.integers(-1, 2, (after, before)), rng.integers(-1, 2, after)
        else:
            W, b = rng.normal(size=(after, before)) * np.sqrt(2.0 / before), 0.5 * rng.normal(size=after)
        layers.append((scale * W, scale * b if biases else np.zeros(after)))
    return layers


def layers_of_rank(rng, rank):
    """Draw three layers from R^3 whose second and third representations have the rank, with a linear map between."""
    return [
        (rng.normal(size=(6, 3)), rng.normal(size=6)),
        (np.pad(rng.normal(size=(rank, 6)), ((0, 6 - rank), (0, 0))), np.pad(rng.uniform(size=rank), (0, 6 - rank))),
        (rng.uniform(0.1, 1.0, size=(6, 6)), np.zeros(6)),  # non-negative: the ReLU does nothing here
    ]


@st.composite
def networks(draw, architectures=ARCHITECTURES, integers=True):
    """Draw a network in float64.

    Integers make exact zeros only while all arithmetic is exact: that rules out a slope of 0.1, whose rounding would
    put a pre-activation on either side of its kink.
    """
    depth, d_in, d_out, slope = draw(st.sampled_from(architectures))
    widths = draw(st.lists(st.integers(1, WIDTH), min_size=depth - 1, max_size=depth - 1))
    layers = random_layers(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        [d_in, *widths, d_out],
        scale=draw(st.sampled_from([0.25, 1.0, 1.5])),
        biases=draw(st.booleans()),
        integers=integers and slope != 0.1 and draw(st.booleans()),
    )
    return from_layers([(jnp.asarray(W), jnp.asarray(b)) for W, b in pad(layers)], negative_slope=slope)


@st.composite
def networks_and_inputs(draw, architectures=ARCHITECTURES, integers=True):
    """Draw a network and POINTS inputs (POINTS, d_in) for it."""
    net = draw(networks(architectures, integers))
    return net, draw(inputs(net.d_in))


@st.composite
def inputs(draw, dim, count=POINTS):
    """Draw inputs, at times on a grid where pre-activations vanish."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return draw(st.sampled_from([0.1, 1.0, 5.0])) * rng.normal(size=(count, dim))
    return rng.integers(-1, 2, (count, dim)).astype(float)


@st.composite
def matrices(draw, shapes=((1, 1), (2, 3), (3, 2), (3, 3)), low=0.2, high=5.0):
    """Draw a matrix whose non-zero singular values lie in [low, high], at times with a rank below full."""
    rows, columns = draw(st.sampled_from(shapes))
    rank = draw(st.integers(1, min(rows, columns)))
    s = np.array(draw(st.lists(st.floats(low, high), min_size=rank, max_size=rank)))
    return with_spectrum(s, (rows, columns), draw(st.integers(0, 2**32 - 1)))


def with_spectrum(s, shape, seed=0):
    """Return a matrix with the given non-zero singular values and random singular vectors."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, : len(s)] for n in shape)
    return U * np.asarray(s, float) @ V.T


def unbalanced_chain(depth=100, gain=30.0):
    """Return a chain of one neuron per layer with all its gain in the first tenth of the layers."""
    n = depth // 10
    return from_layers([(jnp.full((1, 1), gain ** (1 / n) if i < n else 1.0), None) for i in range(depth)])


def fixed_net(slope=0.0):
    """Return one network R³→R³ of depth 3 with biases whose Jacobian has rank 3 at every row of FIXED_X."""
    return from_layers(random_layers(np.random.default_rng(0), [3, WIDTH, WIDTH, 3]), negative_slope=slope)


FIXED_X = np.random.default_rng(4).normal(size=(6, 3))


def narrow_net(depth=60, dim=4, width=20):
    """Return a deep leaky network with one neuron in its middle layer, so that its Jacobian has rank 1 everywhere."""
    rng = np.random.default_rng(0)
    half = depth // 2
    layers = random_layers(rng, [dim, *[width] * (half - 1), 1, *[width] * (depth - half - 1), dim])
    layers[half - 1] = (np.abs(layers[half - 1][0]), np.ones(1))
    return from_layers(layers, negative_slope=0.2)
