"""Name the picture of each chapter."""

from __future__ import annotations

from collections.abc import Callable

from scripts.pages.pictures import depth_costs, learned, neighbours, opening, ranks, right_rank, training, weights, wide
from scripts.pages.pictures.canvas import Picture

DRAWN: tuple[Callable[[], Picture], ...] = (
    opening.opening,
    depth_costs.cost,
    depth_costs.linear,
    training.training,
    training.first_pictures,
    ranks.rank,
    ranks.regularity,
    ranks.gain,
    weights.tangent_kernel,
    weights.weights,
    weights.next_order,
    weights.features,
    right_rank.curve,
    right_rank.window,
    right_rank.narrow,
    learned.symmetry,
    learned.autoencoder,
    learned.classifier,
    wide.moving_points,
    wide.acceleration,
    wide.infinite_features,
    neighbours.leaky,
)
PICTURES = {draw.__name__: draw for draw in DRAWN}  # by the chapter's file name
