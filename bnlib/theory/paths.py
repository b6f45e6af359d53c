"""The shortest open path through points: numbers that are certainly below it, and paths that are not shorter."""

from itertools import permutations
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, depth_first_order, minimum_spanning_tree
from scipy.spatial import KDTree

from .. import _checks

NEIGHBOURS = 12
MOST = 9  # points of which all orders are tried
BITS = 65_535  # the largest distance that the solver of tours takes


def length(points: Any) -> float:
    r"""Return the length of the polygon through points in their order, :math:`\sum_i\|y_{i+1}-y_i\|`.

    Args:
        points: (N, d).

    Example:
        >>> length([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])
        6.0

    Source: bnlib.
    """
    return float(np.linalg.norm(np.diff(_points(points, 1), axis=0), axis=1).sum())


def shortest(Y: Any) -> float:
    r"""Return the length of the shortest open path through a few points, by trying all orders.

    .. math:: \ell_N=\min_\pi\sum_{i<N}\|y_{\pi(i+1)}-y_{\pi(i)}\|

    Args:
        Y: points (N, d), at most nine.

    Raises:
        ValueError: fewer than two points, or more than nine.

    Example:
        >>> shortest([[0.0], [2.0], [1.0]])
        2.0

    Source: J23; claim tsp; chapter curve.
    """
    Y = _points(Y, 2)
    if len(Y) > MOST:
        raise ValueError(f"At most {MOST} points have few enough orders, but there are {len(Y)}: take the bounds.")
    D = np.linalg.norm(Y[:, None] - Y[None], axis=-1)
    orders = np.array([order for order in permutations(range(len(Y))) if order[0] < order[-1]])
    return float(D[orders[:, :-1], orders[:, 1:]].sum(axis=1).min())


def neighbours(Y: Any, q: int, *, period: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to the q nearest other points, and their indices.

    Args:
        Y: distinct points (N, d), more than q.
        q: number of neighbours.
        period: side of the torus on which the points lie, None for space.

    Returns:
        Distances and indices, (N, q) each, the nearest first.

    Raises:
        ValueError: not more than q points.

    Example:
        >>> neighbours([[0.0], [1.0], [3.0]], 1)[0].ravel()
        array([1., 1., 2.])

    Source: bnlib.
    """
    Y = _points(Y, _checks.integer("q", q, 1) + 1)
    distance, index = KDTree(Y, boxsize=period).query(Y, k=q + 1)
    return distance[:, 1:], index[:, 1:]


def tree_within(Y: Any, pairs: Any) -> csr_array:
    """Return the shortest spanning tree, or forest, that uses the given pairs of points only.

    Args:
        Y: distinct points (N, d).
        pairs: indices (P, 2), in any order and any number of times.

    Returns:
        A sparse matrix (N, N) of the lengths of the edges.

    Example:
        >>> float(tree_within([[0.0], [1.0], [3.0]], [[0, 1], [0, 2]]).sum())
        4.0

    Source: bnlib.
    """
    Y, pairs = _points(Y, 1), np.asarray(pairs)
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    _, first = np.unique(low * len(Y) + high, return_index=True)  # a pair that is listed twice would count twice
    i, j = low[first], high[first]
    edges = coo_matrix((np.linalg.norm(Y[i] - Y[j], axis=1), (i, j)), shape=(len(Y), len(Y)))
    return minimum_spanning_tree(edges.tocsr())


def spanning_tree(Y: Any, q: int = NEIGHBOURS) -> csr_array:
    """Return the minimal spanning tree, exactly, without all pairs of points.

    A tree of some of the pairs may be too long. Let w be the longest edge of the one of the q nearest neighbours: no
    pair further apart than w is needed. A nearer pair that is missing consists of two points whose q-th neighbours are
    within w; all such pairs are added.

    Args:
        Y: distinct points (N, d), at least two.
        q: neighbours to begin with, doubled until they connect all points.

    Returns:
        A sparse matrix (N, N) of the lengths of the edges.

    Example:
        >>> float(spanning_tree([[0.0], [3.0], [1.0]]).sum())
        3.0

    Source: J23; claim tsp; chapter curve.
    """
    Y = _points(Y, 2)
    q = min(_checks.integer("q", q, 1), len(Y) - 1)
    distance, index = neighbours(Y, q)
    pairs = np.stack([np.repeat(np.arange(len(Y)), q), index.ravel()], axis=1)
    tree = tree_within(Y, pairs)
    if connected_components(tree, directed=False)[0] > 1:
        return spanning_tree(Y, 2 * q)
    w = tree.data.max() * (1 + 1e-12)
    crowded = np.flatnonzero(distance[:, -1] <= w)
    more = KDTree(Y[crowded]).query_pairs(w, output_type="ndarray")
    return tree_within(Y, np.concatenate([pairs, crowded[more]]))


def neighbour_bounds(Y: Any) -> dict[str, float]:
    r"""Return two lower bounds of the shortest open path by the distances to the two nearest other points.

    .. math:: \sum_id_{i1}-\max_id_{i1},\qquad\tfrac12\Big(\sum_i(d_{i1}+d_{i2})-\text{the two largest }d_{i2}\Big)

    Args:
        Y: distinct points (N, d), at least three.

    Returns:
        The bounds by their names, "nearest" and "two nearest".

    Raises:
        ValueError: fewer than three points.

    Example:
        >>> neighbour_bounds([[0.0], [1.0], [3.0]])
        {'nearest': 2.0, 'two nearest': 3.0}

    Source: J23; claim tsp; chapter curve.
    """
    d = neighbours(Y, 2)[0]
    return {
        "nearest": float(d[:, 0].sum() - d[:, 0].max()),
        "two nearest": float(d.sum() - np.sort(d[:, 1])[-2:].sum()) / 2,
    }


def tree_bounds(Y: Any) -> dict[str, float]:
    """Return a lower and an upper bound of the shortest open path: the minimal spanning tree, and a walk along it.

    The walk begins at a far end of the tree and visits the points in the order in which depth-first search meets them.
    It is at most twice as long as the tree.

    Args:
        Y: distinct points (N, d), at least two.

    Returns:
        The bounds by their names, "tree" and "walk".

    Example:
        >>> tree_bounds([[0.0], [3.0], [1.0]])
        {'tree': 3.0, 'walk': 3.0}

    Source: J23; claim tsp; chapter curve.
    """
    Y = _points(Y, 2)
    tree = spanning_tree(Y)
    end = breadth_first_order(tree, 0, directed=False, return_predecessors=False)[-1]
    walk = depth_first_order(tree, end, directed=False, return_predecessors=False)
    return {"tree": float(tree.sum()), "walk": length(Y[walk])}


def lower_bound(Y: Any) -> float:
    """Return a certified lower bound of the shortest open path: the better of the tree and the two nearest distances.

    Args:
        Y: distinct points (N, d), at least three.

    Example:
        >>> lower_bound([[0.0], [1.0], [3.0]])
        3.0

    Source: J23; claim tsp; chapter curve.
    """
    return max(neighbour_bounds(Y)["two nearest"], float(spanning_tree(Y).sum()))


def tour(Y: Any, seconds: float) -> float:
    """Return the length of a short open path that a solver finds by local search; it is not reproducible.

    An open path is a closed tour through the points and one more place at no distance from all of them. The solver is
    the package fast-tsp, which is not among the requirements of bnlib.

    Args:
        Y: points (N, d), a few thousand at most.
        seconds: time of the search.

    Raises:
        ImportError: fast-tsp is not installed.

    Example:
        >>> tour([[0.0], [3.0], [1.0], [2.0]], 0.01)
        3.0

    Source: bnlib.
    """
    try:
        import fast_tsp
    except ImportError as error:
        raise ImportError("Tours are found by a solver that is not installed: pip install fast-tsp.") from error
    Y = _points(Y, 2)
    free = np.pad(np.linalg.norm(Y[:, None] - Y[None], axis=-1), ((0, 1), (0, 1)))
    whole = np.rint(free * (BITS / free.max())).astype(np.int64)
    order = fast_tsp.find_tour(whole, duration_seconds=seconds, max_threads=1)
    return float(free[order, np.roll(order, -1)].sum())


def _points(Y: Any, least: int) -> np.ndarray:
    Y = np.asarray(Y, float)  # in NumPy, because lengths want 64 bits in every session
    if Y.ndim != 2 or len(Y) < least or not np.all(np.isfinite(Y)):
        raise ValueError(f"There must be at least {least} points, finite and of shape (N, d), but it is {Y.shape}.")
    return Y
