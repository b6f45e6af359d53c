"""Networks that are made by hand: compositions, sums, deeper and balanced ones, interpolants."""

from .balancing import balance, balance_residual
from .constructions import add, compose, deepen, linear_network, padded
from .interpolants import rank_one_interpolant
from .random_networks import random_ensemble, random_like, random_matrix, random_network
