"""Networks whose bottleneck is made exact, by cutting one weight matrix to rank one."""

from typing import NamedTuple

import numpy as np

from ..networks import Network, from_layers
from ..theory.spectra import weight_singular_values


class RankOneCut(NamedTuple):
    """Hold a network that passes through one number, and the network that computes this number."""

    net: Network
    code: Network


def rank_one_cut(net: Network) -> RankOneCut:
    r"""Replace one weight matrix by its best approximation :math:`s_1u_1v_1^T` of rank one.

    It is that of the layer with the least :math:`s_2/s_1`. The result factors through the number
    :math:`\langle v_1,\alpha_{l-1}(x)\rangle`, so it has rank one at most, whatever the network was.

    Args:
        net: the network.

    Returns:
        The cut network in float64, and its code as a network of depth l with one output.

    Example:
        >>> net = from_layers([([[3.0, 0.0], [0.0, 0.1]], None), (np.eye(2), None)])
        >>> rank_one_cut(net).net.layers[0][0].round(9).tolist()
        [[3.0, 0.0], [0.0, 0.0]]

    Source: J22; claim topology; chapter classifier.
    """
    s = weight_singular_values(net)
    if s.shape[1] < 2:
        raise ValueError("All weight matrices have rank one at most: there is nothing to cut.")
    at = int(np.argmin(s[:, 1] / np.maximum(s[:, 0], 1e-300)))
    layers = [(np.asarray(W, float), np.asarray(b, float)) for W, b in net.layers]
    U, S, Vt = np.linalg.svd(layers[at][0])
    code = [*layers[:at], (Vt[:1], None)]
    layers[at] = (S[0] * np.outer(U[:, 0], Vt[0]), layers[at][1])
    slope = net.negative_slope
    return RankOneCut(from_layers(layers, negative_slope=slope), from_layers(code, negative_slope=slope))
