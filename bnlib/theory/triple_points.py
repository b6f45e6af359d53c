"""Classes of a classifier on a square of the plane: cells, certified triple points, and classes along circles."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..networks import Network
from .regions import affine_piece, scores

NEWTON_STEPS = 20
HALVINGS = 30  # of the interval between two samples of different classes: to 1e-10 of a turn


class TriplePoints(NamedTuple):
    """Hold certified triple points, each (2,), and the number of crossings of contour lines that were tried."""

    points: list[np.ndarray]
    tried: int


def square(side: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ticks (n+1,) and the nodes ((n+1)², 2) of a grid with n cells along an edge of [-side, side]².

    Example:
        >>> square(1.0, 2)[0].tolist()
        [-1.0, 0.0, 1.0]

    Source: bnlib.
    """
    ticks = np.linspace(-side, side, n + 1)
    return ticks, np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)


def classes_on_square(net: Network, side: float, n: int) -> np.ndarray:
    """Return the class of the largest score at every node of ``square``, as rows of equal second coordinate.

    Args:
        net: a network on the plane, one output for each class.
        side: half the edge.
        n: cells along an edge.

    Returns:
        Classes (n+1, n+1), numbered from 0.

    Example:
        >>> from bnlib import from_layers
        >>> classes_on_square(from_layers([([[1.0, 0.0], [-1.0, 0.0]], None)]), 1.0, 1).tolist()
        [[1, 0], [1, 0]]

    Source: bnlib.
    """
    return scores(net, square(side, n)[1]).argmax(1).reshape(n + 1, n + 1)


def three_class_cells(classes: Any) -> int:
    """Count the cells of a grid whose corners have three classes or more.

    It certifies nothing: a thin class makes such cells without a triple point, and a cell with one may miss it.

    Args:
        classes: classes at the nodes, (m, n).

    Example:
        >>> three_class_cells([[0, 0, 1], [0, 2, 1]])
        1

    Source: J22; claim topology; chapter classifier.
    """
    c = np.asarray(classes)
    corners = np.sort([c[1:, 1:], c[1:, :-1], c[:-1, 1:], c[:-1, :-1]], axis=0)
    return int(np.sum(np.sum(np.diff(corners, axis=0) > 0, axis=0) >= 2))


def neighbouring_classes(classes: Any) -> set[tuple[int, int]]:
    """Return the pairs of different classes at two ends of an edge of a grid, the smaller first.

    Args:
        classes: classes at the nodes, (m, n).

    Example:
        >>> sorted(neighbouring_classes([[0, 0, 1], [0, 2, 1]]))
        [(0, 1), (0, 2), (1, 2)]

    Source: J22; claim topology; chapter classifier.
    """
    c = np.asarray(classes)
    edges = np.concatenate([np.c_[c[1:].ravel(), c[:-1].ravel()], np.c_[c[:, 1:].ravel(), c[:, :-1].ravel()]])
    return {(min(a, b), max(a, b)) for a, b in np.unique(edges, axis=0).tolist() if a != b}


def triple_points(net: Network, side: float, n: int = 100) -> TriplePoints:
    r"""Find transversal triple points of a classifier on [-side, side]², each certified on its affine piece.

    Where a third score crosses a contour line :math:`f_i=f_j` of a grid, Newton's method solves
    :math:`f_i=f_j=f_k` on the affine piece. A solution counts if it lies in the square and off all kinks, the three
    scores are larger than all others and the rows :math:`\nabla(f_i-f_j)`, :math:`\nabla(f_k-f_i)` are independent.
    Points of which the grid shows no crossing, and points that are not transversal, are not found.

    Args:
        net: a network on the plane, one output for each class.
        side: half the edge of the square.
        n: cells of the grid along an edge.

    Returns:
        The points, and how many crossings were tried.

    Raises:
        ValueError: inputs that are no plane.
        ModuleNotFoundError: contourpy, which comes with matplotlib, is not installed.

    Example:
        >>> from bnlib import from_layers
        >>> sectors = from_layers([([[0.0, 1.0], [0.9, -0.5], [-0.9, -0.5]], [-0.1, 0.05, 0.05])])
        >>> np.round(triple_points(sectors, 1.0, 11).points, 9).tolist()
        [[0.0, 0.1]]

    Source: J22; claim topology; chapter classifier.
    """
    import contourpy  # comes with matplotlib, which the library does not need otherwise

    if net.d_in != 2:
        raise ValueError(f"Triple points are looked for in the plane, but inputs have dimension {net.d_in}.")
    ticks, nodes = square(side, n)
    F = scores(net, nodes).reshape(n + 1, n + 1, -1)
    found: list[np.ndarray] = []
    tried = 0
    for i, j, k in combinations(range(F.shape[-1]), 3):
        for line in contourpy.contour_generator(ticks, ticks, F[..., i] - F[..., j]).lines(0.0):
            points = np.asarray(line)
            S = scores(net, points)
            above = S[:, k] > S[:, i]
            on_top = np.maximum(S[:, i], S[:, k]) >= S.max(1) - 1e-9
            for a in np.flatnonzero((above[1:] != above[:-1]) & on_top[1:] & on_top[:-1]):
                tried += 1
                x = _newton(net, side, (points[a] + points[a + 1]) / 2, i, j, k)
                if x is not None and all(np.linalg.norm(x - y) > 1e-6 for y in found):
                    found.append(x)
    return TriplePoints(found, tried)


def _newton(net: Network, side: float, x: np.ndarray, i: int, j: int, k: int) -> np.ndarray | None:
    """Solve f_i = f_j = f_k from x by Newton's method; return the point if it is a transversal triple point."""
    for _ in range(NEWTON_STEPS):
        f, J, distance = affine_piece(net, x)
        D = np.array([J[i] - J[j], J[k] - J[i]])
        s = np.linalg.svd(D, compute_uv=False)
        if s[1] <= 1e-6 * s[0]:
            return None
        step = np.linalg.solve(D, [f[j] - f[i], f[i] - f[k]])
        if np.linalg.norm(step) < 1e-12:
            inside = np.abs(x).max() <= side and distance > 1e-9
            return x if inside and np.all(np.delete(f, [i, j, k]) < f[i]) else None
        x = x + step
    return None


def classes_around(net: Network, centre: Any, radius: float, halvings: int = HALVINGS, samples: int = 300) -> list[int]:
    """Return the classes met on a circle, in order, with bisection between samples of different classes.

    Between any two classes the code of a network of rank one passes everything in between; bisection finds it.

    Args:
        net: a network on the plane, one output for each class.
        centre: of the circle, (2,).
        radius: of the circle.
        halvings: how often the interval at a change is halved; without, a thin class may be stepped over.
        samples: points on the circle to begin with.

    Returns:
        Classes of the arcs; cyclic neighbours differ, and one class alone gives an empty list.

    Example:
        >>> from bnlib import from_layers
        >>> classes_around(from_layers([([[1.0, 0.0], [-1.0, 0.0]], None)]), [0.1, 0.0], 1.0)
        [1, 0]

    Source: J22; claim topology; chapter classifier.
    """
    angle = np.linspace(0, 2 * np.pi, samples + 1)
    c = _classes_at(net, centre, radius, angle)
    for _ in range(halvings):
        change = np.flatnonzero(c[1:] != c[:-1])
        between = (angle[change] + angle[change + 1]) / 2
        angle = np.insert(angle, change + 1, between)
        c = np.insert(c, change + 1, _classes_at(net, centre, radius, between))
    arcs: list[int] = c[:-1][c[:-1] != np.roll(c[:-1], 1)].tolist()
    return arcs


def _classes_at(net: Network, centre: Any, radius: float, angle: np.ndarray) -> np.ndarray:
    return scores(net, np.asarray(centre) + radius * np.c_[np.cos(angle), np.sin(angle)]).argmax(1)


def three_arcs(net: Network, centre: Any, radius: float) -> tuple[bool, bool]:
    """Say whether a circle seems to have three arcs of three classes, and whether it still does after bisection.

    Three arcs certify a bottleneck rank of two or more; the first answer alone can be wrong.

    Args:
        net: a network on the plane, one output for each class.
        centre: of the circle, (2,).
        radius: of the circle.

    Example:
        >>> from bnlib import from_layers
        >>> sectors = from_layers([([[0.0, 1.0], [0.9, -0.5], [-0.9, -0.5]], [-0.1, 0.05, 0.05])])
        >>> three_arcs(sectors, [0.0, 0.0], 0.5), three_arcs(sectors, [2.0, 0.0], 0.5)
        ((True, True), (False, False))

    Source: J22; claim topology; chapter classifier.
    """
    word = classes_around(net, centre, radius, halvings=0)
    if not len(word) == len(set(word)) == 3:
        return False, False
    word = classes_around(net, centre, radius)
    return True, len(word) == len(set(word)) == 3
