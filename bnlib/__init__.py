"""Bottleneck structure in deep networks: costs, certificates and training, for the bottleneck book."""

from . import leaky, tasks
from .book import check, claims, parameters, scale, stream
from .build import add, balance, balance_residual, compose, deepen, linear_network, padded, rank_one_interpolant
from .build.random_networks import random_ensemble, random_like, random_matrix, random_network
from .measure import Recorder, Report, Spectra, compare, from_arrays, load_network, report, spectra, trajectory
from .measure.statistics import exponent, interval, slope
from .measure.torch_state import from_torch_state, to_torch_state
from .networks import Activations, Network, activations, apply, from_layers, init, jacobian
from .theory.certificates import BottleneckCertificate, NTKCertificate, bottleneck_certificate, ntk_certificate
from .theory.costs import (
    linear_cost,
    linear_expansion,
    lower_bound,
    optimality_gap,
    r1_bracket,
    schatten,
    squared_norm,
    subadditivity,
)
from .theory.gains import gain_bound, gain_bracket
from .theory.invariance import decoded, orbit_share, principal_components
from .theory.ntk import ntk, ntk_trace, sharpness
from .theory.spectra import (
    BottleneckRank,
    bottleneck_rank,
    middle,
    nonlinearity_ratio,
    pseudo_determinant,
    representation_singular_values,
    singular_values,
    weight_singular_values,
)
from .training import TrainResult, train
from .training.stationarity import Stationarity, stationarity, stationary_point
from .training.sweeps import sweep
from .wide import deep_linear, infinite

__version__ = "0.1.0"
