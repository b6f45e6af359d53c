"""Data with the kernels that infinitely wide networks see of them, and how fast descent gets somewhere."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from . import infinite


class Problem(NamedTuple):
    """Hold targets, the two kernels of g, the tangent kernel of the network without a bottleneck, and its edge."""

    y: np.ndarray
    K: np.ndarray
    theta: np.ndarray
    limit: np.ndarray
    edge: float


def problem(X: Any, y: Any, net: Any = None, *, train: int | None = None) -> Problem:
    r"""Return the kernels of the inputs and the largest stable rate :math:`2N/\lambda_{max}` without a bottleneck.

    Args:
        X: inputs (n, D).
        y: targets (n,) or (n, C).
        net: the wide network on either side of the bottleneck; by default one hidden layer with ReLU.
        train: number N of the first points that are trained on, to which the edge belongs; all when None.

    Raises:
        ValueError: see ``infinite.kernels``.

    Example:
        >>> X = np.eye(3)
        >>> problem(X, X[:, 0]).limit.shape
        (3, 3)

    Source: book; chapter acceleration.
    """
    net = infinite.Wide() if net is None else net
    limit = infinite.limit_kernel(net, net, X)
    return Problem(np.asarray(y), *infinite.kernels(net, X), limit, infinite.edge(limit[:train, :train]))


def sphere_task(
    rng: np.random.Generator, n: int, d: int = 20, *, train: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw points on the sphere of radius :math:`\sqrt d`, and a target :math:`x_1+x_1x_2` that sees two dimensions.

    Args:
        rng: the random numbers.
        n: number of points.
        d: dimension of the inputs, at least 2.
        train: the target has mean 0 and variance 1 over so many first points; over all when None.

    Returns:
        Inputs (n, d) and targets (n,).

    Example:
        >>> X, y = sphere_task(np.random.default_rng(0), 50)
        >>> X.shape, y.shape
        ((50, 20), (50,))

    Source: book; chapter acceleration.
    """
    X = rng.normal(size=(n, d))
    X *= np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True)
    y = X[:, 0] + X[:, 0] * X[:, 1]
    return X, (y - y[:train].mean()) / y[:train].std()


def losses(states: Iterable[Any], stop: float, cap: int) -> np.ndarray:
    """Return the losses of a descent from the start to the first below a value, to a cap, or to divergence.

    Args:
        states: what ``infinite.descend`` or ``infinite.descend_frozen`` yields.
        stop: the loss below which it ends.
        cap: largest number of steps.

    Example:
        >>> losses(infinite.descend_frozen([[1.0]], [2.0], 0.5), 0.2, 100).tolist()
        [2.0, 0.5, 0.125]

    Source: book; chapter acceleration.
    """
    found: list[float] = []
    try:
        for state in states:
            found.append(state.loss if isinstance(state, infinite.State) else state[1])
            if found[-1] < stop or len(found) > cap:
                break
    except infinite.Divergence:
        pass
    return np.array(found)


def steps_to(losses: Any, level: float) -> float:
    """Return the number of steps after which a loss is below a level for the first time; infinity when it never is.

    Example:
        >>> steps_to([2.0, 0.5, 0.125], 0.2)
        2.0

    Source: book; chapter acceleration.
    """
    below = np.asarray(losses) < level
    return float(np.argmax(below)) if np.any(below) else float("inf")
