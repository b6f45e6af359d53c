"""Somebody's own network: reading it, and what to say of it."""

from .readers import from_arrays, load_network
from .recorded import Spectra, spectra
from .report import Report, report
from .spectrum import Spectrum
from .statistics import exponent, interval, slope
from .torch_state import from_torch_state, to_torch_state
