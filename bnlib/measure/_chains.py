"""Orders in which layers follow each other by their widths: Eulerian paths, layers of one shape in stored order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise, permutations, product
from typing import TypeVar

Shape = tuple[int, int]
T = TypeVar("T")
MOST_EXCHANGES = 2000
MOST_MOVED = 40  # layers of one shape of which single ones are tried in other places
MOST_STEPS = 20_000  # of one search; with a few widths a search ends after as many steps as there are layers


@dataclass
class Bounds:
    """Hold whether a bound of a search was reached, so that not everything was tried."""

    reached: bool = False

    def first(self, things: Iterable[T], most: int) -> Iterator[T]:
        """Yield the first things, at most so many, and note whether there are more."""
        for i, thing in enumerate(things):
            if i == most:
                self.reached = True
                return
            yield thing


def follows(shapes: Sequence[Shape], d_in: int | None = None, d_out: int | None = None) -> bool:
    """Say whether layers (out, in) follow each other as they stand."""
    ends = d_in in (None, shapes[0][1]) and d_out in (None, shapes[-1][0])
    return ends and all(a[0] == b[1] for a, b in pairwise(shapes))


def chains(
    shapes: Sequence[Shape],
    d_in: int | None = None,
    d_out: int | None = None,
    *,
    reverse: bool = False,
    bounds: Bounds | None = None,
) -> Iterator[tuple[int, ...]]:
    """Yield the orders in which layers (out, in) follow each other, the stored one first; a cut is noted in bounds.

    Layers are edges from width to width, so an order is an Eulerian path. Layers of one shape keep their stored order,
    except where ``reverse`` asks for the reverse of the stored order, as the second.
    """
    stored = tuple(range(len(shapes)))
    seen = set()
    for order in (stored, stored[::-1]) if reverse else (stored,):
        if order not in seen and follows([shapes[i] for i in order], d_in, d_out):
            seen.add(order)
            yield order
    for order in _paths(shapes, d_in, d_out, bounds or Bounds()):
        if order not in seen:
            yield order


def _paths(shapes: Sequence[Shape], d_in: int | None, d_out: int | None, bounds: Bounds) -> Iterator[tuple[int, ...]]:
    surplus = Counter(s[1] for s in shapes)
    surplus.subtract(s[0] for s in shapes)
    ends = {width: n for width, n in surplus.items() if n}
    if ends and sorted(ends.values()) != [-1, 1]:
        return
    starts = [w for w, n in ends.items() if n > 0] or list(dict.fromkeys(s[1] for s in shapes))
    stop = next((w for w, n in ends.items() if n < 0), None)
    places: dict[Shape, list[int]] = {}
    for number, shape in enumerate(shapes):
        places.setdefault(shape, []).append(number)
    steps = 0
    for start in starts:
        if d_in not in (None, start) or d_out not in (None, start if stop is None else stop):
            continue
        order: list[int] = []
        used = dict.fromkeys(places, 0)
        options = [_next(places, used, start)]
        while options:
            if steps >= MOST_STEPS + len(shapes):
                bounds.reached = True
                return
            steps += 1
            i = next(options[-1], -1)
            if i < 0:
                options.pop()
                if order:
                    used[shapes[order.pop()]] -= 1
                continue
            order.append(i)
            used[shapes[i]] += 1
            if len(order) == len(shapes):
                yield tuple(order)
            options.append(_next(places, used, shapes[i][0]))


def _next(places: dict[Shape, list[int]], used: dict[Shape, int], width: int) -> Iterator[int]:
    """Return the layers that can come next, of each shape the first one left."""
    return iter(sorted(of[used[s]] for s, of in places.items() if s[1] == width and used[s] < len(of)))


def exchanged(order: Sequence[int], shapes: Sequence[Shape], most: int) -> Iterator[tuple[int, ...]]:
    """Yield at most so many orders that differ by permutations among layers of one shape, near ones first."""
    places: dict[Shape, list[int]] = {}
    for place, i in enumerate(order):
        places.setdefault(shapes[i], []).append(place)
    groups = list(places.values())
    for picks in islice(product(*(list(islice(_arranged(group), most)) for group in groups)), most):
        new = list(order)
        for group, pick in zip(groups, picks, strict=True):
            for place, taken in zip(group, pick, strict=True):
                new[place] = order[taken]
        yield tuple(new)


def _arranged(group: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield all arrangements: as it is, in reverse, with two exchanged, with one moved, then all others."""
    n = len(group)
    near = [tuple(group), tuple(group[::-1])]
    for i, j in islice(combinations(range(n), 2), MOST_EXCHANGES):
        near.append((*group[:i], group[j], *group[i + 1 : j], group[i], *group[j + 1 :]))
    for i, j in permutations(range(n), 2) if n <= MOST_MOVED else ():
        rest = [*group[:i], *group[i + 1 :]]
        near.append((*rest[:j], group[i], *rest[j:]))
    first = dict.fromkeys(near)
    yield from first
    yield from (other for other in permutations(group) if other not in first)
