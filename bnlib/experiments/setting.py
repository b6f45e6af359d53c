"""What fixes one training of an experiment, and lists of such settings."""

from collections.abc import Sequence
from typing import NamedTuple


class Setting(NamedTuple):
    """Hold what fixes one training of an experiment: its data, its start and how long it trains.

    A start of less than the final depth is trained first and gets layers inserted; see ``train``. ``start`` is None for
    a random start, the number of neurons in the middle of one with a bottleneck, or "curve" for a built network that
    runs along a curve through the targets.
    """

    experiment: str
    rank: int
    depth: int
    start_depth: int
    width: int
    n: int
    ridge: float
    seed: int
    quick: bool = False
    start: int | str | None = None


def over_seeds(settings: Sequence[Setting], seeds: int) -> list[Setting]:
    """List each setting for all seeds before the next setting.

    Example:
        >>> shallow = Setting("affine-law", 2, 6, 6, 40, 150, 0.002, 0)
        >>> [(s.depth, s.seed) for s in over_seeds([shallow, shallow._replace(depth=8)], 2)]
        [(6, 0), (6, 1), (8, 0), (8, 1)]

    Source: bnlib.
    """
    return [setting._replace(seed=seed) for setting in settings for seed in range(seeds)]


def seed_by_seed(settings: Sequence[Setting], seeds: int) -> list[Setting]:
    """List all settings for one seed before the next.

    Example:
        >>> shallow = Setting("fig-j23", 2, 4, 4, 40, 150, 0.002, 0)
        >>> [(s.depth, s.seed) for s in seed_by_seed([shallow, shallow._replace(depth=8)], 2)]
        [(4, 0), (8, 0), (4, 1), (8, 1)]

    Source: bnlib.
    """
    return [setting._replace(seed=seed) for seed in range(seeds) for setting in settings]


def first_depth(depth: int) -> int:
    """Return the depth at which training starts: all of it up to 8, then half of it, rounded up, and at least 8.

    Example:
        >>> [first_depth(depth) for depth in (6, 8, 13, 25)]
        [6, 8, 8, 13]

    Source: bnlib; chapter training.
    """
    return depth if depth <= 8 else max(8, -(-depth // 2))
