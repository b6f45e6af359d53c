"""Bottleneck structure in deep networks: costs, certificates and training, for the bottleneck book."""

from . import claims, deep_linear, infinite, tasks
from .certificates import BottleneckCertificate, NTKCertificate, bottleneck_certificate, ntk_certificate
from .claims import check
from .constructions import add, balance, balance_residual, compose, deepen, linear_network, padded
from .costs import (
    linear_cost,
    linear_expansion,
    lower_bound,
    optimality_gap,
    r1_bracket,
    schatten,
    squared_norm,
    subadditivity,
)
from .interpolants import rank_one_interpolant
from .invariance import decoded, orbit_share, principal_components
from .networks import (
    Activations,
    Network,
    activations,
    apply,
    from_layers,
    from_torch_state,
    init,
    jacobian,
    to_torch_state,
)
from .ntk import ntk, ntk_trace, sharpness
from .readers import from_arrays, load_network
from .report import Report, report
from .scale import scale
from .spectra import (
    BottleneckRank,
    bottleneck_rank,
    middle,
    nonlinearity_ratio,
    pseudo_determinant,
    representation_singular_values,
    singular_values,
    weight_singular_values,
)
from .stationarity import Stationarity, stationarity, stationary_point
from .sweeps import sweep
from .training import TrainResult, train

__version__ = "0.1.0"
